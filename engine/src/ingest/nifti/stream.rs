//! The bytes of a NIfTI file in order, decompressed where they are compressed.

use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::header::Header;
use crate::error::{Error, Result};
use crate::ingest::source::OpenFile;

/// Deflate cannot expand by more than this (zlib technical details: 1032 to 1).
const MAX_GZIP_RATIO: u64 = 1032;
/// Bytes per read: small enough for the second-level cache, a multiple of every voxel size.
pub(super) const CHUNK: usize = 1 << 18;

/// Whether the first bytes of a file are those of NIfTI-1, plain or inside gzip.
pub(in crate::ingest) fn looks_like_nifti(file: &OpenFile) -> bool {
    let mut start = [0u8; 348];
    Stream::new(file).reader.read_exact(&mut start).is_ok() && has_magic(&start)
}

/// The bytes of a file, decompressed where it is gzip.
pub(super) struct Stream<'a> {
    pub(super) path: &'a Path,
    reader: Box<dyn Read + 'a>,
    /// The most bytes that the file can hold once decompressed.
    pub(super) capacity: u64,
}

impl<'a> Stream<'a> {
    pub(super) fn new(opened: &'a OpenFile) -> Self {
        let file: &[u8] = opened.bytes();
        let len = file.len() as u64;
        let (reader, capacity): (Box<dyn Read + 'a>, u64) = if is_gzip(file) {
            (Box::new(MultiGzDecoder::new(file)), len.saturating_mul(MAX_GZIP_RATIO))
        } else {
            (Box::new(file), len)
        };
        Self { path: opened.path(), reader, capacity }
    }

    /// Hands over the voxels' bytes in order, whole voxels at a time.
    pub(super) fn for_each_chunk(
        &mut self,
        header: &Header,
        mut each: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut left = header.data_bytes();
        let mut buffer = vec![0u8; CHUNK.min(left as usize)];
        while left > 0 {
            let want = (CHUNK as u64).min(left) as usize;
            self.read_exact(&mut buffer[..want], || {
                format!(
                    "ends {left} bytes early: the header promises {} voxels; the file was cut off \
                     or damaged, fetch it again",
                    header.geometry.voxel_count()
                )
            })?;
            each(&buffer[..want])?;
            left -= want as u64;
        }
        // The gzip checksum is only verified at the end of the stream.
        let beyond = std::io::copy(&mut self.reader.by_ref().take(1), &mut std::io::sink());
        beyond.map(|_| ()).map_err(|e| damaged(self.path, &e))
    }

    pub(super) fn read_exact(
        &mut self,
        buffer: &mut [u8],
        short: impl Fn() -> String,
    ) -> Result<()> {
        self.reader.read_exact(buffer).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => Error::bad_data(self.path, short()),
            _ => damaged(self.path, &e),
        })
    }
}

pub(super) fn is_gzip(file: &[u8]) -> bool {
    file.starts_with(&[0x1f, 0x8b])
}

fn damaged(path: &Path, error: &std::io::Error) -> Error {
    Error::bad_data(path, format!("cannot be decompressed ({error}); fetch the file again"))
}

pub(super) fn has_magic(header: &[u8; 348]) -> bool {
    matches!(&header[344..348], b"n+1\0" | b"ni1\0")
}
