//! What is said on standard output and standard error.
//!
//! Texts come from files of strangers: a control character in a name could clear the screen of a
//! console, or rename its window, and one that turns the direction of writing could make a text look like
//! another. None reaches a terminal. What cannot be said is no panic: results that cannot be written are
//! an error, and a remark that cannot be is left out, since the work goes on.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context;

/// Exit status of a program whose reader went away (128 and the number of SIGPIPE).
pub(crate) const READER_GONE: u8 = 141;

/// Writes a line of a result for people to standard output.
macro_rules! say {
    ($($text:tt)*) => { $crate::cli::console::line(&format!($($text)*)) };
}

/// Writes a line of remarks to standard error.
macro_rules! tell {
    ($($text:tt)*) => { $crate::cli::console::remark(&format!($($text)*)) };
}

pub(crate) use {say, tell};

/// A line of a result for people.
///
/// # Errors
/// Standard output cannot be written to.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    data(format_args!("{}\n", printable(text)))
}

/// Results for programs (or pages) as they are; only a terminal gets them without control characters.
///
/// # Errors
/// Standard output cannot be written to.
pub(crate) fn data(text: impl Display) -> anyhow::Result<()> {
    let mut out = Output::new();
    let text = text.to_string();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("standard output")
}

/// A line of remarks on standard error; nothing depends on whether anybody can read it.
pub(crate) fn remark(text: &str) {
    let _ = io::stderr().lock().write_all(format!("{}\n", printable(text)).as_bytes());
}

/// Writes what the parser of arguments has to say: help and version, or what is wrong with them.
pub(crate) fn said(parsed: &clap::Error) -> ExitCode {
    match parsed.print() {
        Err(e) if !parsed.use_stderr() && e.kind() == ErrorKind::BrokenPipe => {
            ExitCode::from(READER_GONE)
        }
        Err(e) if !parsed.use_stderr() => {
            tell!("error: standard output: {e}");
            ExitCode::from(super::CANNOT_RUN)
        }
        _ => ExitCode::from(u8::try_from(parsed.exit_code()).unwrap_or(super::CANNOT_RUN)),
    }
}

/// Whether a command ended because nobody reads its output any more, as in
/// `abscope features list | head`: nothing has to be said of it.
pub(crate) fn is_reader_gone(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| cause.kind() == ErrorKind::BrokenPipe)
}

/// Standard output as a writer of results.
pub(crate) struct Output {
    is_terminal: bool,
}

impl Output {
    pub(crate) fn new() -> Self {
        Self { is_terminal: io::stdout().is_terminal() }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut out = io::stdout().lock();
        match self.is_terminal {
            false => out.write(bytes),
            true => {
                let text = String::from_utf8_lossy(bytes);
                out.write_all(printable(&text).as_bytes()).map(|()| bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

/// The text with a mark in place of what controls a terminal (Unicode category Cc, but for line breaks
/// and tabs) or the direction of writing (UAX 9).
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let controls = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    if text.contains(controls) {
        Cow::Owned(text.replace(controls, "\u{FFFD}"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_controls_a_terminal_is_left() {
        assert_eq!(printable("liver 3\t\u{e9}\n"), "liver 3\t\u{e9}\n");
        for control in ["\x1b[2J", "\r", "\x07", "\x7f", "\u{9b}31m", "\u{202e}", "\u{2067}", "\0"]
        {
            let shown = printable(&format!("GTV{control}")).into_owned();
            let first = control.chars().next().expect("a character");
            assert!(shown.starts_with("GTV\u{FFFD}") && !shown.contains(first), "{shown:?}");
        }
    }
}
