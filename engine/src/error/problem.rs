//! What is wrong with a file, told by a function that does not know which file it is.

use std::fmt::{self, Display, Formatter};
use std::path::Path;

use super::{Error, Message, Remedy};

/// What is wrong, and the way out; it becomes an [`Error`] where the file is known.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Problem {
    text: Message,
    remedy: Option<Remedy>,
}

impl Problem {
    /// The same with a way out.
    pub(crate) fn with_remedy(mut self, remedy: Remedy) -> Self {
        self.remedy = Some(remedy);
        self
    }

    /// The error that it is, as content of `path`.
    pub(crate) fn in_file(self, path: impl AsRef<Path>) -> Error {
        Error::bad_data(path, self.text).with_remedy(self.remedy)
    }
}

impl From<String> for Problem {
    fn from(text: String) -> Self {
        Self { text: text.into(), remedy: None }
    }
}

impl From<&str> for Problem {
    fn from(text: &str) -> Self {
        Self { text: text.into(), remedy: None }
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.text)?;
        match &self.remedy {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}
