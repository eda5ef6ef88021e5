//! Where a DICOM file's bytes are: a file, or a member of a zip archive.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dicom_dictionary_std::uids;
use sha2::{Digest, Sha256};

use super::archive::{Archive, Kind};
use super::object::{self, Bytes, Opened};
use crate::digest::hex;
use crate::error::{Error, Result};
use crate::ingest::open_file::OpenFile;

/// A file, or a member of an archive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// The file or archive.
    pub file: PathBuf,
    /// Which member of the archive.
    pub member: Option<Member>,
}

/// A member of an archive.
#[derive(Clone)]
pub struct Member {
    /// Place in the archive's directory.
    pub index: usize,
    /// Its name there.
    pub name: String,
    archive: Arc<Archive>,
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Member({}, {})", self.index, self.name)
    }
}

/// Members of one archive, which the file's path names.
impl Ord for Member {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.index, &self.name).cmp(&(other.index, &other.name))
    }
}

impl PartialOrd for Member {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Member {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Member {}

impl Source {
    /// A file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { file: path.into(), member: None }
    }

    /// What messages call it.
    pub fn display(&self) -> PathBuf {
        match &self.member {
            None => self.file.clone(),
            Some(member) => self.file.join(&member.name),
        }
    }

    /// Its bytes.
    ///
    /// # Errors
    /// It cannot be read; a member is damaged or beyond the limits.
    pub fn bytes(&self) -> Result<Bytes> {
        match &self.member {
            None => Ok(Arc::new(OpenFile::open(&self.file)?.whole()?)),
            Some(member) => Ok(Arc::new(member.archive.read(member.index, &self.display())?)),
        }
    }

    /// Its DICOM data set up to the pixel data; `None` where it is no DICOM.
    ///
    /// # Errors
    /// As [`Source::bytes`] and [`object::open_bytes`].
    pub fn open_header(&self) -> Result<Option<Opened>> {
        object::open_bytes(&self.display(), self.bytes()?, false)
    }

    /// Its whole DICOM data set.
    ///
    /// # Errors
    /// As [`Source::open_header`]; also where it is no DICOM.
    pub fn open(&self) -> Result<Opened> {
        let path = self.display();
        object::open_bytes(&path, self.bytes()?, true)?
            .ok_or_else(|| Error::bad_data(&path, "is not a DICOM file"))
    }
}

/// SHA-256 over the sorted SHA-256 of all files, in hexadecimal: it depends on their content and not
/// on their names or order.
pub(super) fn digest(files: &[Bytes]) -> String {
    use rayon::prelude::*;
    let sha256 = |file: &Bytes| -> [u8; 32] { Sha256::digest((**file).as_ref()).into() };
    let mut digests: Vec<[u8; 32]> = files.par_iter().map(sha256).collect();
    digests.sort_unstable();
    if let [only] = digests.as_slice() {
        return hex(only);
    }
    hex(&Sha256::digest(digests.concat()))
}

/// Whether bytes are a DICOM file or a zip archive.
pub(in crate::ingest) fn is_dicom_or_zip(bytes: &[u8]) -> bool {
    is_zip(bytes) || object::is_dicom(bytes)
}

/// Whether bytes are the start of a DICOMDIR, whose meta group names its class (PS3.10, 7.1).
pub(in crate::ingest) fn is_directory_of_files(bytes: &[u8]) -> bool {
    let class = uids::MEDIA_STORAGE_DIRECTORY_STORAGE.as_bytes();
    let meta = &bytes[..bytes.len().min(1024)];
    object::is_dicom(bytes) && meta.windows(class.len()).any(|window| window == class)
}

/// Whether a file starts like a zip archive.
pub(super) fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
}

/// Whether a path is a zip archive, by its content.
///
/// # Errors
/// It cannot be read.
pub fn is_archive(path: &Path) -> Result<bool> {
    Ok(is_zip(OpenFile::open(path)?.head()))
}

/// Calls `visit` with each member of an archive: its source, and its bytes or what is wrong with it.
///
/// # Errors
/// As [`Archive::open`].
pub(super) fn for_each_member(
    path: &Path,
    mut visit: impl FnMut(Source, Result<Vec<u8>>),
) -> Result<()> {
    let archive = Arc::new(Archive::open(path)?);
    for (index, listed) in archive.members(path).enumerate() {
        let member = Member { index, name: listed.name, archive: archive.clone() };
        let source = Source { file: path.to_owned(), member: Some(member) };
        let shown = source.display();
        let bytes = match listed.kind {
            Kind::Folder => continue,
            Kind::File => archive.read(index, &shown),
            Kind::Other => {
                Err(Error::bad_data(&shown, "is a link or a folder with content, and no file"))
            }
            Kind::Damaged(error) => Err(error),
        };
        visit(source, bytes);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::*;

    #[test]
    fn a_sparse_member_is_read_however_well_it_was_compressed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("seg.zip");
        let mut archive = zip::ZipWriter::new(File::create(&path).expect("made"));
        let options = zip::write::SimpleFileOptions::default();
        archive.start_file("seg", options.compression_level(Some(9))).expect("a member");
        let sparse = vec![0u8; 40 << 20];
        archive.write_all(&sparse).expect("written");
        archive.finish().expect("finished");
        let compressed = std::fs::metadata(&path).expect("there").len();
        assert!(sparse.len() as u64 / compressed > 900, "{compressed} bytes");
        let mut read = Vec::new();
        for_each_member(&path, |source, bytes| {
            assert_eq!(bytes.expect("reads"), sparse);
            read.push(source);
        })
        .expect("an archive");
        assert_eq!((*read[0].bytes().expect("reads")).as_ref(), sparse);
    }
}
