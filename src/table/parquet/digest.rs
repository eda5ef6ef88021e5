//! The digest of a whole table, in its own metadata.
//!
//! Checksums of pages leave out the pages' headers and the footer: names of columns, numbers of rows,
//! places of pages. So a table that abscope writes holds, under [`KEY`], the SHA-256 of all its bytes with
//! 64 zeros in the digest's own place. Programs that rewrite a table often keep metadata which they do not
//! know; the digest is therefore taken at its word where the footer says that abscope wrote the file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use parquet::file::metadata::FileMetaData;
use sha2::{Digest, Sha256};

use crate::digest::hex;
use crate::error::{Error, Result};

/// The key of the file's metadata.
pub(super) const KEY: &str = "abscope.sha256";

/// Hexadecimal digits of a digest.
const LENGTH: usize = 64;

/// What stands in the digest's place while it is computed.
pub(super) fn placeholder() -> String {
    "0".repeat(LENGTH)
}

/// What a footer names as the program that wrote the file.
pub(super) fn created_by() -> String {
    format!("{PROGRAM}{}", env!("CARGO_PKG_VERSION"))
}

const PROGRAM: &str = "abscope version ";

/// The key and, in Thrift's compact protocol, what begins the next field, a text of 64 bytes.
fn head() -> Vec<u8> {
    [KEY.as_bytes(), &[0x18, LENGTH as u8]].concat()
}

/// Where the digest begins in a footer.
fn place(footer: &[u8]) -> Option<usize> {
    let head = head();
    let at = footer.windows(head.len()).rposition(|bytes| bytes == head)? + head.len();
    (at + LENGTH <= footer.len()).then_some(at)
}

/// A sink that puts the digest of everything into the footer.
pub(super) struct Digested<W> {
    inner: W,
    digest: Sha256,
    /// The footer, which waits for its digest.
    footer: Option<Vec<u8>>,
}

impl<W: Write> Digested<W> {
    pub(super) fn new(inner: W) -> Self {
        Self { inner, digest: Sha256::new(), footer: None }
    }

    /// What comes from here on is the footer.
    pub(super) fn hold(&mut self) {
        self.footer = Some(Vec::new());
    }

    /// Writes the footer.
    pub(super) fn finish(mut self) -> io::Result<W> {
        let mut footer = self.footer.take().unwrap_or_default();
        self.digest.update(&footer);
        let at = place(&footer).ok_or_else(|| io::Error::other("a footer without a digest"))?;
        footer[at..at + LENGTH].copy_from_slice(hex(&self.digest.finalize()).as_bytes());
        self.inner.write_all(&footer)?;
        Ok(self.inner)
    }
}

impl<W: Write> Write for Digested<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(footer) = &mut self.footer {
            footer.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        let written = self.inner.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Compares a table with the digest it holds. Tables of other programs, and those that abscope wrote
/// before it wrote digests, hold none.
///
/// # Errors
/// The file has changed since abscope wrote it, or cannot be read.
pub(super) fn check(path: &Path, mut file: &File, metadata: &FileMetaData) -> Result<()> {
    if !metadata.created_by().is_some_and(|program| program.starts_with(PROGRAM)) {
        return Ok(());
    }
    let io = |e| Error::io(path, e);
    let changed = || {
        Error::bad_data(
            path,
            "was damaged or changed after abscope wrote it: its checksum does not agree; take \
             another copy of it or make it again",
        )
    };
    let pairs = metadata.key_value_metadata();
    let expected = pairs.into_iter().flatten().find(|pair| pair.key == KEY);
    let expected = expected.and_then(|pair| pair.value.clone()).ok_or_else(changed)?;

    let end = file.seek(SeekFrom::End(0)).map_err(io)?;
    file.seek(SeekFrom::Start(end.saturating_sub(8))).map_err(io)?;
    let mut length = [0; 4];
    file.read_exact(&mut length).map_err(io)?;
    let start = end.checked_sub(8 + u64::from(u32::from_le_bytes(length))).ok_or_else(changed)?;
    file.rewind().map_err(io)?;
    let mut digest = Sha256::new();
    io::copy(&mut file.take(start), &mut digest).map_err(io)?;
    let mut footer = Vec::new();
    file.read_to_end(&mut footer).map_err(io)?;
    let at = place(&footer).ok_or_else(changed)?;
    footer[at..at + LENGTH].copy_from_slice(placeholder().as_bytes());
    digest.update(&footer);
    if hex(&digest.finalize()) == expected { Ok(()) } else { Err(changed()) }
}
