//! Where a DICOM file's bytes are: a file, or a member of a zip archive.
//!
//! Members are inflated into memory and never written to disk, so that their names cannot lead
//! anywhere.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dicom_dictionary_std::uids;
use sha2::{Digest, Sha256};

use super::object::{self, Bytes, Opened};
use crate::digest::hex;
use crate::error::{Error, Result};
use crate::ingest::open_file::OpenFile;
use crate::input;

/// The largest member that is inflated; the largest enhanced CT reach about 1 GiB.
const MAX_MEMBER: u64 = 2 << 30;
/// A large member may be this many times larger than its bytes in the archive: an empty CT slice reaches
/// about 200, an archive bomb the 1032 of deflate.
const MAX_RATIO: u64 = 500;
/// A member of up to this size may be compressed to any degree, as a sparse segmentation is.
const SMALL_MEMBER: u64 = 128 << 20;
/// Members of one archive.
const MAX_MEMBERS: usize = 1_000_000;

/// A file, or a member of an archive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// The file or archive.
    pub file: PathBuf,
    /// Place in the archive's directory, and name.
    pub member: Option<(usize, String)>,
}

impl Source {
    /// A file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { file: path.into(), member: None }
    }

    /// What messages call it.
    pub fn display(&self) -> PathBuf {
        match &self.member {
            None => self.file.clone(),
            Some((_, name)) => self.file.join(name),
        }
    }

    /// Its bytes.
    ///
    /// # Errors
    /// It cannot be read; a member is damaged or beyond the limits.
    pub fn bytes(&self) -> Result<Bytes> {
        match &self.member {
            None => Ok(Arc::new(OpenFile::open(&self.file)?.whole()?)),
            Some((index, _)) => {
                let mut archive = open_archive(&self.file)?;
                let shown = self.display();
                Ok(Arc::new(inflate(&mut archive, *index, &shown, MAX_MEMBER)?))
            }
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
/// The archive cannot be opened, or has too many members.
pub(super) fn for_each_member(
    path: &Path,
    mut visit: impl FnMut(Source, Result<Vec<u8>>),
) -> Result<()> {
    let mut archive = open_archive(path)?;
    if archive.len() > MAX_MEMBERS {
        return Err(Error::too_big(format!(
            "has {} members; abscope looks at up to {MAX_MEMBERS}",
            archive.len()
        ))
        .with_path(path));
    }
    if archive.has_duplicate_names() {
        return Err(Error::bad_data(
            path,
            "names a member twice, and only one of the two can be read; extract the archive first",
        ));
    }
    for index in 0..archive.len() {
        let called = archive.name_for_index(index).and_then(|name| Some(name.ok()?.into_owned()));
        let member = match archive.by_index_raw(index) {
            Ok(member) => member,
            Err(e) => {
                let called = called.unwrap_or_else(|| format!("member {}", index + 1));
                let source = Source { file: path.to_owned(), member: Some((index, called)) };
                let error = damaged(&source.display(), &e);
                visit(source, Err(error));
                continue;
            }
        };
        if member.is_dir() && member.size() == 0 {
            continue;
        }
        let name = match member.name() {
            Ok(name) => name.into_owned(),
            Err(_) => String::from_utf8_lossy(member.name_raw()).into_owned(),
        };
        let is_file = member.is_file();
        drop(member);
        let source = Source { file: path.to_owned(), member: Some((index, name)) };
        let shown = source.display();
        let bytes = if is_file {
            inflate(&mut archive, index, &shown, MAX_MEMBER)
        } else {
            Err(Error::bad_data(&shown, "is a link or a folder with content, and no file"))
        };
        visit(source, bytes);
    }
    Ok(())
}

type Archive = zip::ZipArchive<BufReader<File>>;

fn open_archive(path: &Path) -> Result<Archive> {
    zip::ZipArchive::new(BufReader::new(input::open(path)?)).map_err(|e| damaged(path, &e))
}

fn inflate(archive: &mut Archive, index: usize, shown: &Path, limit: u64) -> Result<Vec<u8>> {
    let member = archive.by_index(index).map_err(|e| damaged(shown, &e))?;
    let allowed = member.compressed_size().saturating_mul(MAX_RATIO).max(SMALL_MEMBER);
    let allowed = allowed.min(limit);
    let mut out = Vec::new();
    member.take(allowed + 1).read_to_end(&mut out).map_err(|e| {
        Error::bad_data(shown, format!("the archive is damaged here ({e}); fetch it again"))
    })?;
    if out.len() as u64 > allowed {
        return Err(Error::too_big(format!(
            "inflates to more than {allowed} bytes; extract the archive first if it is sound"
        ))
        .with_path(shown));
    }
    Ok(out)
}

fn damaged(path: &Path, problem: &zip::result::ZipError) -> Error {
    Error::bad_data(path, format!("cannot be read as a zip archive ({problem})"))
}

#[cfg(test)]
mod tests {
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
        let member = Source { file: path, member: Some((0, "seg".into())) };
        assert_eq!((*member.bytes().expect("reads")).as_ref(), sparse);
    }
}
