//! The bytes of a NIfTI file in order, decompressed where they are compressed, and the hash of the
//! file that they came from.

use std::io::{self, BufRead, ErrorKind, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::gzip::{self, Members, is_gzip};
use super::header::Header;
use super::layout::byte_order_of_nifti_2;
use crate::digest::hex;
use crate::error::{Error, Result};
use crate::ingest::bytes;
use crate::ingest::open_file::{Hashed, OpenFile};
use crate::volume::StoredI16;

/// Deflate cannot expand by more than this (zlib technical details: 1032 to 1).
const MAX_GZIP_RATIO: u64 = 1032;
/// Bytes per read: small enough for the second-level cache, a multiple of every voxel size.
pub(super) const CHUNK: usize = 1 << 18;

/// Whether the first bytes of a file are those of NIfTI, plain or inside gzip.
pub(in crate::ingest) fn looks_like_nifti(file: &OpenFile) -> bool {
    let mut start = [0u8; 348];
    let head = file.head();
    let read = if is_gzip(head) {
        Members::new(head).read_exact(&mut start)
    } else {
        (&*head).read_exact(&mut start)
    };
    read.is_ok() && (has_magic(&start) || has_magic_2(&start))
}

/// Decodes a file that was opened, and gives the SHA-256 of the same bytes in hexadecimal.
///
/// A compressed file is read whole, which the fastest decoder needs; any other is never in memory
/// beside its voxels.
pub(super) fn decoded<T: Send>(
    file: OpenFile,
    decode: impl FnOnce(&mut Stream<'_>) -> Result<T> + Send,
) -> Result<(T, String)> {
    let path = file.path().to_owned();
    if !is_gzip(file.head()) {
        let mut file = Hashed::new(file);
        let value = decode(&mut Stream::plain(&path, &mut file))?;
        return Ok((value, file.finish()?));
    }
    if !looks_like_nifti(&file) {
        // What is no NIfTI shows in its first bytes, and need not be read on.
        Header::read(&mut Stream::gzip(&path, file.head()))?;
    }
    let file = file.whole()?;
    let (value, digest) =
        rayon::join(|| decode(&mut Stream::gzip(&path, &file)), || Sha256::digest(&file));
    Ok((value?, hex(&digest)))
}

/// The bytes of a file, decompressed where it is gzip.
pub(super) struct Stream<'a> {
    pub(super) path: &'a Path,
    bytes: Bytes<'a>,
    /// The most bytes that the file can hold once decompressed.
    pub(super) capacity: u64,
}

enum Bytes<'a> {
    Plain(&'a mut Hashed),
    Gzip {
        file: &'a [u8],
        members: Box<Members<&'a [u8]>>,
    },
    /// A file of which no hash is wanted, nor all of its bytes.
    Bare(OpenFile),
    BareGzip(Box<Members<Ahead>>),
}

impl<'a> Stream<'a> {
    fn plain(path: &'a Path, file: &'a mut Hashed) -> Self {
        let capacity = file.file().len();
        Self { path, bytes: Bytes::Plain(file), capacity }
    }

    fn gzip(path: &'a Path, file: &'a [u8]) -> Self {
        let capacity = (file.len() as u64).saturating_mul(MAX_GZIP_RATIO);
        Self { path, bytes: Bytes::Gzip { file, members: Box::new(Members::new(file)) }, capacity }
    }

    /// What a file holds, read no further than asked, in bounded memory.
    pub(super) fn bare(path: &'a Path, file: OpenFile) -> Self {
        let len = file.len();
        if !is_gzip(file.head()) {
            return Self { path, bytes: Bytes::Bare(file), capacity: len };
        }
        let members = Box::new(Members::new(Ahead::of(file)));
        let capacity = len.saturating_mul(MAX_GZIP_RATIO);
        Self { path, bytes: Bytes::BareGzip(members), capacity }
    }

    /// Hands over the voxels' bytes in order, whole voxels at a time, to their end or until `each` has
    /// seen enough.
    pub(super) fn for_each_chunk(
        &mut self,
        header: &Header,
        mut each: impl FnMut(&[u8]) -> Result<ControlFlow<()>> + Send,
    ) -> Result<()> {
        let mut left = header.data_bytes();
        let mut buffer = vec![0u8; CHUNK.min(left as usize)];
        while left > 0 {
            let want = (CHUNK as u64).min(left) as usize;
            let buffer = &mut buffer[..want];
            let mut whole = |bytes: &[u8]| {
                if bytes.len() < want { Err(cut_off(header, left)) } else { each(bytes) }
            };
            let flow = match &mut self.bytes {
                Bytes::Plain(file) => file.with_next(buffer, whole)??,
                _ => {
                    let read = self.fill(buffer)?;
                    whole(&buffer[..read])?
                }
            };
            if flow.is_break() {
                return Ok(());
            }
            left -= want as u64;
        }
        self.end(header)
    }

    /// The voxels as they are stored, which are whole numbers of 16 bits in the machine's own order.
    /// `None` for a damaged gzip file, which is then to be read in chunks and reported.
    ///
    /// # Errors
    /// The file cannot be read, ends early or goes on after its voxels; there is no memory for it.
    pub(super) fn stored(&mut self, header: &Header) -> Result<Option<StoredI16>> {
        let len = header.data_bytes() as usize;
        // The header was checked against what the file can hold, and memory that no bytes arrive for
        // is never touched.
        let memory = |len| {
            bytes::room(len).map_err(|e| {
                let problem = format!("its voxels need more memory than there is ({e})");
                Error::too_big(problem).with_path(self.path)
            })
        };
        match &mut self.bytes {
            Bytes::Plain(file) => {
                let mut voxels = memory(len)?;
                let read = file.fill(&mut voxels)?;
                if read < len {
                    return Err(cut_off(header, (len - read) as u64));
                }
                self.end(header)?;
                Ok(StoredI16::new(Arc::new(voxels), 0..len))
            }
            Bytes::Gzip { file, .. } => {
                let span = header.offset..header.offset + len;
                let mut content = memory(span.end)?;
                let filled = gzip::decode(file, &mut content);
                if filled != Some(span.end) {
                    return Ok(None);
                }
                Ok(StoredI16::new(Arc::new(content), span))
            }
            Bytes::Bare(_) | Bytes::BareGzip(_) => Ok(None),
        }
    }

    /// Nothing may follow the voxels: no writer is known that leaves anything there, and what a
    /// damaged length, a second image or a cut header leave looks the same. The checksums of gzip are
    /// compared here.
    fn end(&mut self, header: &Header) -> Result<()> {
        if self.fill(&mut [0])? == 0 {
            return Ok(());
        }
        Err(self.surplus(header))
    }

    /// Whether a file that is not compressed ends with its last voxel, as its length tells.
    ///
    /// # Errors
    /// It does not.
    pub(super) fn check_length(&self, header: &Header) -> Result<()> {
        let compressed = matches!(self.bytes, Bytes::Gzip { .. } | Bytes::BareGzip(_));
        if compressed || self.capacity == header.promised() {
            return Ok(());
        }
        Err(self.surplus(header))
    }

    fn surplus(&self, header: &Header) -> Error {
        let surplus = match self.bytes {
            Bytes::Plain(_) | Bytes::Bare(_) => {
                format!("{} bytes", self.capacity.saturating_sub(header.promised()))
            }
            Bytes::Gzip { .. } | Bytes::BareGzip(_) => "more bytes".to_owned(),
        };
        Error::bad_data(
            self.path,
            format!(
                "has {surplus} after the {} voxels of {} bytes that its header promises; header or \
                 file are damaged, fetch it again",
                header.geometry.voxel_count(),
                header.voxel_bytes
            ),
        )
    }

    pub(super) fn read_exact(
        &mut self,
        buffer: &mut [u8],
        short: impl Fn() -> String,
    ) -> Result<()> {
        if self.fill(buffer)? < buffer.len() {
            return Err(Error::bad_data(self.path, short()));
        }
        Ok(())
    }

    /// The next bytes, as many as `buffer` holds or, at the end, fewer.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        match &mut self.bytes {
            Bytes::Plain(file) => file.fill(buffer),
            Bytes::Gzip { members, .. } => inflate(self.path, members, buffer),
            Bytes::Bare(file) => file.fill(buffer),
            Bytes::BareGzip(members) => inflate(self.path, members, buffer),
        }
    }
}

/// A file's bytes in parts, at least two at a time where there are as many.
struct Ahead {
    file: OpenFile,
    part: Vec<u8>,
    /// What of the part is still to be consumed.
    left: std::ops::Range<usize>,
}

impl Ahead {
    fn of(file: OpenFile) -> Self {
        Self { file, part: vec![0; CHUNK], left: 0..0 }
    }
}

impl Read for Ahead {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(into)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Ahead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left.len() < 2 {
            let kept = self.left.len();
            self.part.copy_within(self.left.clone(), 0);
            let read = self.file.fill(&mut self.part[kept..]).map_err(io::Error::other)?;
            self.left = 0..kept + read;
        }
        Ok(&self.part[self.left.clone()])
    }

    fn consume(&mut self, amount: usize) {
        self.left.start = self.left.end.min(self.left.start + amount);
    }
}

fn inflate<R: BufRead>(path: &Path, members: &mut Members<R>, buffer: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match members.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => {
                let problem =
                    "ends within its compressed data; the file was cut off, fetch it again";
                return Err(Error::bad_data(path, problem));
            }
            Err(e) => {
                // The file itself could not be read.
                let e = match e.downcast::<Error>() {
                    Ok(error) => return Err(error),
                    Err(e) => e,
                };
                let problem = format!("cannot be decompressed ({e}); fetch the file again");
                return Err(Error::bad_data(path, problem));
            }
        }
    }
    Ok(filled)
}

fn cut_off(header: &Header, left: u64) -> Error {
    Error::bad_data(
        &header.path,
        format!(
            "ends {left} bytes early: the header promises {} voxels; the file was cut off or \
             damaged, fetch it again",
            header.geometry.voxel_count()
        ),
    )
}

/// Whether a header is that of NIfTI-2, whatever became of the line ends of its magic.
fn has_magic_2(header: &[u8; 348]) -> bool {
    byte_order_of_nifti_2(header).is_some() && matches!(&header[4..8], b"n+2\0" | b"ni2\0")
}

pub(super) fn has_magic(header: &[u8; 348]) -> bool {
    matches!(&header[344..348], b"n+1\0" | b"ni1\0")
}
