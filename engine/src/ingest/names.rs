//! Names of lesions as people ask for them: one rule for options, manifests and tables of sites.

use regex::{Regex, RegexBuilder};

/// A name as it is, or a regular expression for a whole name; case does not matter.
#[derive(Clone, Debug)]
pub(super) struct NamePattern {
    text: String,
    /// Absent where the text is none: a name may hold brackets or a plus sign.
    pattern: Option<Regex>,
}

impl NamePattern {
    pub(super) fn of(text: &str) -> Self {
        let pattern = RegexBuilder::new(&format!("^(?:{text})$"))
            .case_insensitive(true)
            .size_limit(1 << 20)
            .build();
        Self { text: text.to_owned(), pattern: pattern.ok() }
    }

    /// As it was written.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it can be read as a regular expression, as every plain name can.
    pub(super) fn is_pattern(&self) -> bool {
        self.pattern.is_some()
    }

    /// Whether a name is meant. Spaces around it do not count.
    pub(super) fn matches(&self, name: &str) -> bool {
        let name = name.trim();
        name.eq_ignore_ascii_case(self.text.trim())
            || self.pattern.as_ref().is_some_and(|p| p.is_match(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_for_the_whole_name_and_a_name_need_be_no_pattern() {
        let matches = |text: &str, name: &str| NamePattern::of(text).matches(name);
        assert!(matches("gtv.*", "GTV_1"));
        assert!(!matches("gtv", "GTV_1"));
        assert!(!matches("GTV_1", "xGTV_1"));
        assert!(matches("GTV_1|GTV_2", "gtv_2 "));
        assert!(!matches("GTV_1|GTV_2", "GTV_12"));
        assert!(matches("GTV (left", "gtv (LEFT"));
        assert!(!NamePattern::of("GTV (left").is_pattern());
        assert!(matches("GTV+", "GTV+"));
    }
}
