//! Where a DICOM file's bytes are: a file, or a member of a zip archive.
//!
//! Members are inflated into memory and never written to disk, so that their names cannot lead
//! anywhere.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::object::{self, Bytes, Opened};
use crate::digest::hex;
use crate::error::{Error, Result};
use crate::ingest::open_file::OpenFile;
use crate::input;

/// The largest member that is inflated; the largest enhanced CT reach about 1 GiB.
const MAX_MEMBER: u64 = 2 << 30;
/// A member may be this many times larger than its bytes in the archive: an empty CT slice reaches
/// about 200, an archive bomb the 1032 of deflate.
const MAX_RATIO: u64 = 500;
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

/// Whether a file starts like a zip archive.
pub(super) fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
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
    let allowed = member.compressed_size().saturating_mul(MAX_RATIO).saturating_add(1 << 20);
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
