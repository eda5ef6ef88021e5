//! A path that is to be read, opened once: what it is, its voxels and its hash come from the same
//! bytes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::bytes::{self, Mapped};
use super::dicom::source::is_dicom_or_zip;
use super::nifti::looks_like_nifti;
use crate::digest::hex;
use crate::error::Result;

/// What a path holds, by its content.
#[derive(Debug)]
pub(super) enum Source {
    /// A folder, a DICOM file or a zip archive, in which images and lesions are looked for.
    Dicom(PathBuf),
    /// Any other file. It is read as NIfTI, whose reader says what is wrong where it is none.
    File(OpenFile),
}

impl Source {
    /// Opens a path.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn open(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Ok(Self::Dicom(path.to_owned()));
        }
        let file = OpenFile::open(path)?;
        if !looks_like_nifti(&file) && is_dicom_or_zip(file.bytes()) {
            return Ok(Self::Dicom(path.to_owned()));
        }
        Ok(Self::File(file))
    }

    /// The path, where images and lesions have to be looked for in it.
    pub(super) fn to_search(&self) -> Option<&Path> {
        match self {
            Self::Dicom(path) => Some(path),
            Self::File(_) => None,
        }
    }
}

/// A file and its bytes.
#[derive(Clone, Debug)]
pub(super) struct OpenFile {
    path: PathBuf,
    bytes: Arc<Mapped>,
}

impl OpenFile {
    /// Opens a file.
    ///
    /// # Errors
    /// As [`bytes::map`].
    pub(super) fn open(path: &Path) -> Result<Self> {
        Ok(Self::new(path, bytes::map(path)?))
    }

    /// A file that is mapped already.
    pub(super) fn new(path: &Path, bytes: Mapped) -> Self {
        Self { path: path.to_owned(), bytes: Arc::new(bytes) }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its bytes, to be kept.
    pub(super) fn shared(&self) -> Arc<Mapped> {
        self.bytes.clone()
    }

    /// SHA-256 of its bytes, in hexadecimal.
    pub(super) fn sha256(&self) -> String {
        hex(&Sha256::digest(self.bytes()))
    }
}

/// SHA-256 of a file's bytes, in hexadecimal.
///
/// # Errors
/// It cannot be read, or is a folder.
pub fn sha256(path: &Path) -> Result<String> {
    Ok(OpenFile::open(path)?.sha256())
}
