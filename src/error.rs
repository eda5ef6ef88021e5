//! The error type of the library, split by who is at fault.
//!
//! Every message names the file or key, the offending value and the way out, so that one line is
//! enough to act on. The library never prints and never exits: the command line does.

use std::path::{Path, PathBuf};

/// Result of the library's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, by who can mend it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file's content is damaged, contradictory or not what it claims to be.
    #[error("{}: {problem}", path.display())]
    BadData {
        /// The file (or folder) that was read.
        path: PathBuf,
        /// The offending value and the way out.
        problem: String,
    },

    /// The request cannot be carried out as it was made: settings, arguments, a label, a model.
    #[error("{0}")]
    BadRequest(String),

    /// The request is sound but larger than the engine takes.
    #[error("{0}")]
    TooBig(String),

    /// The file is valid, but uses something that abscope does not implement.
    #[error("{}: {problem}", path.display())]
    Unsupported {
        /// The file that was read.
        path: PathBuf,
        /// What is not supported, and what to do instead.
        problem: String,
    },

    /// The operating system refused: missing file, no permission, full disk.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder concerned.
        path: PathBuf,
        /// The system's own error.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// Damaged or contradictory content of `path`.
    pub fn bad_data(path: impl AsRef<Path>, problem: impl Into<String>) -> Self {
        Self::BadData { path: path.as_ref().to_owned(), problem: problem.into() }
    }

    /// A request that cannot be carried out as made.
    pub fn bad_request(problem: impl Into<String>) -> Self {
        Self::BadRequest(problem.into())
    }

    /// A request beyond the engine's limits.
    pub fn too_big(problem: impl Into<String>) -> Self {
        Self::TooBig(problem.into())
    }

    /// A valid file with content that is not implemented.
    pub fn unsupported(path: impl AsRef<Path>, problem: impl Into<String>) -> Self {
        Self::Unsupported { path: path.as_ref().to_owned(), problem: problem.into() }
    }

    /// A refusal of the operating system concerning `path`.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io { path: path.as_ref().to_owned(), source }
    }
}
