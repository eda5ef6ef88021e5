//! The error type of the library, split by who is at fault.
//!
//! Every error has the file it concerns, where there is one, what is wrong with the offending value,
//! and, where it is known, a typed [`Remedy`]: so one line is enough to act on, and a program can act
//! on the data. The words name no option of a command line, since a library has none; whoever offers
//! options says in its own words which of them is the remedy.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};

mod message;
mod problem;
mod remedy;

use crate::paths::shown;

pub(crate) use message::private;
pub use message::{Message, WITHHELD};
pub(crate) use problem::Problem;
pub use remedy::{Remedy, WhichSeries};

/// Result of the library's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, by who can mend it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file's content is damaged, contradictory or not what it claims to be.
    #[non_exhaustive]
    BadData {
        /// The file (or folder) that was read.
        path: PathBuf,
        /// The offending value, and what is wrong with it.
        problem: Message,
        /// The way out.
        remedy: Option<Remedy>,
    },

    /// The request cannot be carried out as it was made: settings, arguments, a label, a model.
    #[non_exhaustive]
    BadRequest {
        /// The file or folder concerned.
        path: Option<PathBuf>,
        /// The offending value, and what is wrong with it.
        problem: Message,
        /// The way out.
        remedy: Option<Remedy>,
    },

    /// The request is sound but larger than the engine takes.
    #[non_exhaustive]
    TooBig {
        /// The file or folder concerned.
        path: Option<PathBuf>,
        /// What is too large, and the limit.
        problem: Message,
        /// The way out.
        remedy: Option<Remedy>,
    },

    /// The file is valid, but uses something that abscope does not implement.
    #[non_exhaustive]
    Unsupported {
        /// The file that was read.
        path: PathBuf,
        /// What is not supported, and what to do instead.
        problem: Message,
        /// The way out.
        remedy: Option<Remedy>,
    },

    /// The operating system refused: missing file, no permission, full disk.
    #[non_exhaustive]
    Io {
        /// The file or folder concerned.
        path: PathBuf,
        /// The system's own error.
        #[source]
        source: std::io::Error,
    },
}

/// Who is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A file's content.
    BadData,
    /// What was asked for.
    BadRequest,
    /// The size of what was asked for.
    TooBig,
    /// The engine, which does not implement what a file uses.
    Unsupported,
    /// The operating system.
    Io,
}

impl Error {
    /// Damaged or contradictory content of `path`.
    pub fn bad_data(path: impl AsRef<Path>, problem: impl Into<Message>) -> Self {
        Self::BadData { path: path.as_ref().to_owned(), problem: problem.into(), remedy: None }
    }

    /// A request that cannot be carried out as made.
    pub fn bad_request(problem: impl Into<Message>) -> Self {
        Self::BadRequest { path: None, problem: problem.into(), remedy: None }
    }

    /// A request beyond the engine's limits.
    pub fn too_big(problem: impl Into<Message>) -> Self {
        Self::TooBig { path: None, problem: problem.into(), remedy: None }
    }

    /// A valid file with content that is not implemented.
    pub fn unsupported(path: impl AsRef<Path>, problem: impl Into<Message>) -> Self {
        Self::Unsupported { path: path.as_ref().to_owned(), problem: problem.into(), remedy: None }
    }

    /// A refusal of the operating system concerning `path`.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io { path: path.as_ref().to_owned(), source }
    }

    /// The same, concerning this file or folder.
    #[must_use]
    pub fn with_path(mut self, concerned: impl AsRef<Path>) -> Self {
        let concerned = concerned.as_ref().to_owned();
        match &mut self {
            Self::BadData { path, .. } | Self::Unsupported { path, .. } | Self::Io { path, .. } => {
                *path = concerned;
            }
            Self::BadRequest { path, .. } | Self::TooBig { path, .. } => *path = Some(concerned),
        }
        self
    }

    /// The same with a way out. A refusal of the operating system keeps its own words only.
    #[must_use]
    pub fn with_remedy(mut self, way_out: impl Into<Option<Remedy>>) -> Self {
        match &mut self {
            Self::BadData { remedy, .. }
            | Self::BadRequest { remedy, .. }
            | Self::TooBig { remedy, .. }
            | Self::Unsupported { remedy, .. } => *remedy = way_out.into(),
            Self::Io { .. } => {}
        }
        self
    }

    /// Who is at fault.
    pub fn kind(&self) -> Kind {
        match self {
            Self::BadData { .. } => Kind::BadData,
            Self::BadRequest { .. } => Kind::BadRequest,
            Self::TooBig { .. } => Kind::TooBig,
            Self::Unsupported { .. } => Kind::Unsupported,
            Self::Io { .. } => Kind::Io,
        }
    }

    /// The file or folder concerned.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::BadData { path, .. } | Self::Unsupported { path, .. } | Self::Io { path, .. } => {
                Some(path)
            }
            Self::BadRequest { path, .. } | Self::TooBig { path, .. } => path.as_deref(),
        }
    }

    /// What is wrong, without the path and without the remedy.
    pub fn problem(&self) -> String {
        self.message().to_string()
    }

    /// [`Error::problem`] for someone who may have to withhold what leads to a person.
    pub fn message(&self) -> Cow<'_, Message> {
        match self {
            Self::BadData { problem, .. }
            | Self::BadRequest { problem, .. }
            | Self::TooBig { problem, .. }
            | Self::Unsupported { problem, .. } => Cow::Borrowed(problem),
            Self::Io { source, .. } => Cow::Owned(source.to_string().into()),
        }
    }

    /// The way out, where there is one that can be named.
    pub fn remedy(&self) -> Option<&Remedy> {
        match self {
            Self::BadData { remedy, .. }
            | Self::BadRequest { remedy, .. }
            | Self::TooBig { remedy, .. }
            | Self::Unsupported { remedy, .. } => remedy.as_ref(),
            Self::Io { .. } => None,
        }
    }

    /// The path and what is wrong, without the remedy: for callers with words of their own for it.
    pub fn statement(&self) -> String {
        match self.path() {
            Some(path) => format!("{}: {}", shown(path), self.problem()),
            None => self.problem(),
        }
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.statement())?;
        match self.remedy() {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_where_what_and_the_way_out() {
        let error = Error::bad_data("m.nii", "lies elsewhere").with_remedy(Remedy::RegridMask);
        assert_eq!(error.kind(), Kind::BadData);
        assert_eq!(error.path(), Some(Path::new("m.nii")));
        assert_eq!(error.problem(), "lies elsewhere");
        assert_eq!(error.remedy(), Some(&Remedy::RegridMask));
        assert_eq!(error.statement(), "m.nii: lies elsewhere");
        assert_eq!(error.to_string(), format!("m.nii: lies elsewhere; {}", Remedy::RegridMask));
        let error = Error::too_big("9 voxels").with_path("i.nii");
        assert_eq!(error.to_string(), "i.nii: 9 voxels");
        assert_eq!(Error::bad_request("no").to_string(), "no");
    }
}
