//! Words about an input, some of which name it.
//!
//! Names of files and folders, UIDs and what else leads to a person are marked where a sentence is
//! made, since nobody can tell afterwards. Whoever writes the sentence down decides whether it stays
//! whole ([`Message`] as text, for the user at his console) or is [withheld](Message::withheld).

use std::fmt::{self, Display, Formatter, Write};

use serde::{Serialize, Serializer};

/// Unicode's interlinear annotation anchors, which no text that is exchanged has.
const BEGIN: char = '\u{FFF9}';
const END: char = '\u{FFFB}';

/// What stands in place of what is withheld.
pub const WITHHELD: &str = "[withheld]";

/// A sentence or a part of one. As text it is whole, serialised it is [withheld](Message::withheld).
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Message {
    marked: String,
    /// Whether everything in it may be written down.
    open: bool,
}

/// What leads to a person, within a sentence under construction.
pub(crate) struct Private<T>(T);

/// Marks what leads to a person, for [`Message`].
pub(crate) fn private<T: Display>(what: T) -> Private<T> {
    Private(what)
}

impl Message {
    /// With the marks, as a part of another message.
    pub fn marked(&self) -> &str {
        &self.marked
    }

    /// The same, of which everything may be written down.
    #[must_use]
    pub fn opened(self) -> Self {
        Self { open: true, ..self }
    }

    /// Whether its text has this part.
    pub fn contains(&self, part: &str) -> bool {
        self.to_string().contains(part)
    }

    /// Without what leads to a person: what was marked, and UIDs that came with the words of others.
    pub fn withheld(&self) -> String {
        if self.open {
            return self.to_string();
        }
        let mut text = String::with_capacity(self.marked.len());
        let mut depth = 0usize;
        for c in self.marked.chars() {
            match c {
                BEGIN => {
                    if depth == 0 {
                        text.push_str(WITHHELD);
                    }
                    depth += 1;
                }
                END => depth = depth.saturating_sub(1),
                c if depth == 0 => text.push(c),
                _ => {}
            }
        }
        without_uids(&text)
    }
}

/// UIDs (PS3.5, 9) replaced, but for those that DICOM itself gives to formats and kinds of objects.
fn without_uids(text: &str) -> String {
    const OF_DICOM: &str = "1.2.840.10008.";
    /// Components that a version or a number does not have.
    const FEWEST: usize = 5;
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(from.len());
        let run = from[..end].trim_end_matches('.');
        let is_uid = run.split('.').filter(|part| !part.is_empty()).count() >= FEWEST;
        out.push_str(before);
        out.push_str(if is_uid && !run.starts_with(OF_DICOM) { WITHHELD } else { run });
        rest = &from[run.len()..];
    }
    out.push_str(rest);
    out
}

/// Whole.
impl Display for Message {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.marked.split([BEGIN, END]).try_for_each(|part| f.write_str(part))
    }
}

impl<T: Display> Display for Private<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string().replace([BEGIN, END], "");
        f.write_char(BEGIN)?;
        f.write_str(&text)?;
        f.write_char(END)
    }
}

/// As its text.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.withheld())
    }
}

impl From<String> for Message {
    fn from(marked: String) -> Self {
        Self { marked, open: false }
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// Whether its text is this one.
impl PartialEq<str> for Message {
    fn eq(&self, text: &str) -> bool {
        let whole = self.to_string();
        whole == text
    }
}

impl PartialEq<&str> for Message {
    fn eq(&self, text: &&str) -> bool {
        *self == **text
    }
}

impl PartialEq<String> for Message {
    fn eq(&self, text: &String) -> bool {
        *self == **text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_marked_is_withheld_and_is_there_as_text() {
        let inner = Message::from(format!("{} is cut off", private("DOE^JOHN/IM1")));
        let outer = Message::from(format!("2 files: {}; export it", inner.marked()));
        assert_eq!(outer.to_string(), "2 files: DOE^JOHN/IM1 is cut off; export it");
        assert_eq!(outer.withheld(), "2 files: [withheld] is cut off; export it");
        assert_eq!(outer.clone().opened().withheld(), outer.to_string());
    }

    #[test]
    fn a_name_cannot_end_its_own_mark() {
        let name = format!("a{END}b{BEGIN}c");
        let message = Message::from(format!("<{}>", private(private(&name))));
        assert_eq!(message.withheld(), "<[withheld]>");
        assert_eq!(message.to_string(), "<abc>");
        let unbalanced = Message::from(format!("x{END}y{BEGIN}z"));
        assert_eq!(unbalanced.withheld(), "xy[withheld]");
    }

    #[test]
    fn uids_are_withheld_and_numbers_are_not() {
        let withheld = |text: &str| Message::from(text).withheld();
        assert_eq!(withheld("series 1.3.6.1.4.1.14519.5.2, ok"), "series [withheld], ok");
        assert_eq!(withheld("of 1.2.3.4.5#2."), "of [withheld]#2.");
        for kept in ["0.1.0", "1.2.840.10008.1.2.4.80", "3.5, 7. And 8..9", "12 of 1.5.", ""] {
            assert_eq!(withheld(kept), kept);
        }
    }
}
