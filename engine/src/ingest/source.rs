//! A path that is to be read, opened once: what it is, its voxels and its hash come from the same
//! bytes.

use std::path::{Path, PathBuf};

use super::dicom::source::{is_dicom_or_zip, is_directory_of_files};
use super::nifti::looks_like_nifti;
use super::open_file::{Hashed, OpenFile};
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
        if !looks_like_nifti(&file) && is_dicom_or_zip(file.head()) {
            // A directory of files stands for the folder that it lists.
            let folder = path.parent().filter(|_| is_directory_of_files(file.head()));
            return Ok(Self::Dicom(folder.unwrap_or(path).to_owned()));
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

/// SHA-256 of a file's bytes, in hexadecimal.
///
/// # Errors
/// It cannot be read, is a folder, or changes meanwhile.
pub fn sha256(path: &Path) -> Result<String> {
    let mut file = Hashed::new(OpenFile::open(path)?);
    let mut buffer = vec![0u8; 1 << 20];
    while file.fill(&mut buffer)? == buffer.len() {}
    file.finish()
}
