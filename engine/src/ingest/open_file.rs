//! A file that is read once, from its start to its end, into memory of our own.
//!
//! What is decoded and what is hashed are the same bytes, whatever happens to the file meanwhile. No
//! file is mapped: the pages of a mapped file change with it, and reading one that was cut short, or
//! lies on a disk that fails, ends the process.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::bytes::{self, Memory};
use crate::digest::hex;
use crate::error::{Error, Result};
use crate::input;

/// First bytes, which show what a file is.
const HEAD: u64 = 1 << 16;
/// Room that is reserved on a file's word for its length; it is touched as bytes come.
const RESERVED: u64 = 1 << 30;
/// Bytes that are hashed while the next are read.
const BLOCK: usize = 1 << 22;

/// What is read from start to end: a file, or in tests what fails on the way.
pub(crate) trait Readable: Read + Send {
    /// Length and time of the last change.
    ///
    /// # Errors
    /// They cannot be had.
    fn state(&self) -> io::Result<State>;
}

/// What a file's content can hardly change without changing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) len: u64,
    pub(crate) modified: Option<SystemTime>,
}

impl Readable for File {
    fn state(&self) -> io::Result<State> {
        let metadata = self.metadata()?;
        Ok(State { len: metadata.len(), modified: metadata.modified().ok() })
    }
}

/// An open file, read as far as its first bytes.
pub(crate) struct OpenFile {
    path: PathBuf,
    head: Vec<u8>,
    rest: Box<dyn Readable>,
    /// Bytes that were handed over.
    at: u64,
    before: State,
}

impl std::fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OpenFile({}, {:?})", self.path.display(), self.before)
    }
}

impl OpenFile {
    /// Opens a file.
    ///
    /// # Errors
    /// As [`input::open`]; also if its first bytes cannot be read.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Self::of(path, Box::new(input::open(path)?))
    }

    /// What is read from `rest`; `path` names it in errors.
    ///
    /// # Errors
    /// Its first bytes cannot be read.
    pub(crate) fn of(path: &Path, mut rest: Box<dyn Readable>) -> Result<Self> {
        let before = rest.state().map_err(|e| Error::io(path, e))?;
        let mut head = Vec::new();
        rest.by_ref().take(HEAD).read_to_end(&mut head).map_err(|e| Error::io(path, e))?;
        Ok(Self { path: path.to_owned(), head, rest, at: 0, before })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Its first bytes: 64 KiB, or all where it has less.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Its length, bytes, as it was when it was opened.
    pub(crate) fn len(&self) -> u64 {
        self.before.len
    }

    /// The next bytes, as many as `buffer` holds or, at the file's end, fewer.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let ahead = &self.head[self.head.len().min(self.at as usize)..];
        let mut filled = ahead.len().min(buffer.len());
        buffer[..filled].copy_from_slice(&ahead[..filled]);
        while filled < buffer.len() {
            match self.rest.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::io(&self.path, e)),
            }
        }
        self.at += filled as u64;
        Ok(filled)
    }

    /// All its bytes.
    ///
    /// # Errors
    /// It cannot be read, changes meanwhile, or there is no memory for it.
    pub(crate) fn whole(mut self) -> Result<Memory> {
        // One byte more than it should have shows that it has not grown.
        let room = self.before.len.saturating_add(1);
        let allocated = |len: u64| usize::try_from(len).map_err(io::Error::other);
        let no_memory = |e| {
            Error::too_big(format!("its {} bytes need more memory than there is ({e})", room - 1))
        };
        let first = allocated(room.min(RESERVED)).and_then(bytes::room);
        let mut memory = first.map_err(|e| no_memory(e).with_path(&self.path))?;
        let mut filled = 0;
        loop {
            filled += self.fill(&mut memory[filled..])?;
            if filled < memory.len() || filled as u64 >= room {
                break;
            }
            let longer =
                allocated(room.min(2 * filled as u64)).and_then(|len| memory.extended(len));
            memory = longer.map_err(|e| no_memory(e).with_path(&self.path))?;
        }
        memory.truncate(filled);
        self.unchanged()?;
        Ok(memory)
    }

    /// Its first bytes, as many as are `enough`, or all. They come in parts, each twice as long as all
    /// before.
    ///
    /// # Errors
    /// As [`OpenFile::whole`].
    pub(crate) fn start(mut self, enough: impl Fn(&[u8]) -> bool) -> Result<Vec<u8>> {
        let mut start = std::mem::take(&mut self.head);
        while (start.len() as u64) < self.before.len && !enough(&start) {
            let more = start.len() as u64;
            let read = self.rest.by_ref().take(more).read_to_end(&mut start);
            if read.map_err(|e| Error::io(&self.path, e))? == 0 {
                break;
            }
        }
        self.at = start.len() as u64;
        self.as_opened(true)?;
        Ok(start)
    }

    /// Call it once all has been read.
    ///
    /// # Errors
    /// The file is not what it was when it was opened, so that what was read may be a part of each.
    pub(crate) fn unchanged(&self) -> Result<()> {
        self.as_opened(self.at == self.before.len)
    }

    /// # Errors
    /// The file is not what it was, or not as many bytes `came` as were to.
    fn as_opened(&self, came: bool) -> Result<()> {
        let now = self.rest.state().map_err(|e| Error::io(&self.path, e))?;
        if now == self.before && came {
            return Ok(());
        }
        Err(Error::bad_data(
            &self.path,
            format!(
                "has changed while it was read: it had {} bytes, {} came, and it has {} now; try \
                 again once it is written to its end",
                self.before.len, self.at, now.len
            ),
        ))
    }
}

/// A file's bytes in order, hashed as they are handed over.
pub(crate) struct Hashed {
    file: OpenFile,
    digest: Sha256,
}

impl Hashed {
    /// A file of which nothing was handed over yet.
    pub(crate) fn new(file: OpenFile) -> Self {
        Self { file, digest: Sha256::new() }
    }

    /// The file.
    pub(crate) fn file(&self) -> &OpenFile {
        &self.file
    }

    /// As [`OpenFile::fill`]; large buffers are hashed in parts while the next part is read.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let Self { file, digest } = self;
        let mut filled = 0;
        let mut last: &[u8] = &[];
        for block in buffer.chunks_mut(BLOCK) {
            let read = if last.is_empty() {
                file.fill(block)?
            } else {
                rayon::join(|| file.fill(block), || digest.update(last)).0?
            };
            last = &block[..read];
            filled += read;
        }
        digest.update(last);
        Ok(filled)
    }

    /// As [`OpenFile::fill`], and `work` on the bytes while they are hashed.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn with_next<T: Send>(
        &mut self,
        buffer: &mut [u8],
        work: impl FnOnce(&[u8]) -> T + Send,
    ) -> Result<T> {
        let read = self.file.fill(buffer)?;
        let bytes = &buffer[..read];
        Ok(rayon::join(|| work(bytes), || self.digest.update(bytes)).0)
    }

    /// SHA-256 of all bytes, in hexadecimal; all were handed over.
    ///
    /// # Errors
    /// As [`OpenFile::unchanged`].
    pub(crate) fn finish(self) -> Result<String> {
        self.file.unchanged()?;
        Ok(hex(&self.digest.finalize()))
    }
}

/// What happens to files while they are read.
#[cfg(test)]
pub(super) mod testing {
    use std::fs::{File, FileTimes};
    use std::io::{self, Read};
    use std::path::{Path, PathBuf};
    use std::time::SystemTime;

    use super::{OpenFile, Readable, State};
    use crate::error::Result;

    /// Something that happens to a file on the way.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub(in crate::ingest) enum Mishap {
        /// The disk fails (EIO).
        Fails,
        /// Its second half is cut off.
        CutShort,
        /// More is written to its end.
        Grows,
        /// Other content of the same length is written over it.
        WrittenOver,
        /// Another file is renamed over it.
        Replaced,
    }

    pub(in crate::ingest) const MISHAPS: [Mishap; 5] =
        [Mishap::Fails, Mishap::CutShort, Mishap::Grows, Mishap::WrittenOver, Mishap::Replaced];

    impl Mishap {
        fn befall(self, path: &Path, other: &[u8]) -> io::Result<()> {
            let writable = || File::options().write(true).open(path);
            match self {
                Self::Fails => Err(io::Error::from_raw_os_error(5)),
                Self::CutShort => writable()?.set_len(std::fs::metadata(path)?.len() / 2),
                Self::Grows => {
                    io::Write::write_all(&mut File::options().append(true).open(path)?, b"and more")
                }
                Self::WrittenOver => io::Write::write_all(&mut writable()?, other),
                Self::Replaced => {
                    let beside = path.with_extension("new");
                    std::fs::write(&beside, other)?;
                    std::fs::rename(&beside, path)
                }
            }
        }
    }

    /// A file that a mishap befalls once `left` bytes of it were read.
    struct Unlucky {
        file: File,
        path: PathBuf,
        left: usize,
        mishap: Option<(Mishap, Vec<u8>)>,
    }

    impl Read for Unlucky {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.mishap.is_none() {
                return self.file.read(buffer);
            }
            if self.left == 0
                && let Some((mishap, other)) = self.mishap.take()
            {
                mishap.befall(&self.path, &other)?;
                return self.file.read(buffer);
            }
            let most = self.left.min(buffer.len());
            let read = self.file.read(&mut buffer[..most])?;
            self.left -= read;
            Ok(read)
        }
    }

    impl Readable for Unlucky {
        fn state(&self) -> io::Result<State> {
            self.file.state()
        }
    }

    /// Writes `content` to a file long ago, and opens it; `mishap` befalls it once `after` bytes were
    /// read, with `other` as the other content.
    pub(in crate::ingest) fn unlucky(
        path: &Path,
        content: &[u8],
        after: usize,
        mishap: Mishap,
        other: &[u8],
    ) -> Result<OpenFile> {
        std::fs::write(path, content).expect("written");
        let file = File::options().write(true).open(path).expect("there");
        let long_ago = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH);
        file.set_times(long_ago).expect("its owner may set times");
        let file = File::open(path).expect("there");
        let mishap = Some((mishap, other.to_vec()));
        OpenFile::of(path, Box::new(Unlucky { file, path: path.to_owned(), left: after, mishap }))
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{MISHAPS, Mishap, unlucky};
    use super::*;

    fn content(seed: u8, len: usize) -> Vec<u8> {
        (0..len).map(|at| (at as u8).wrapping_mul(31).wrapping_add(seed)).collect()
    }

    /// Either it is told, or all bytes are those of one content.
    #[test]
    fn whatever_happens_to_a_file_its_bytes_are_of_one_content_or_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("slice.dcm");
        let (old, new) = (content(1, 300_000), content(2, 300_000));
        for mishap in MISHAPS {
            for tenth in 0..=10 {
                let opened = unlucky(&path, &old, tenth * old.len() / 10, mishap, &new);
                let told = match opened.and_then(OpenFile::whole) {
                    Ok(bytes) => {
                        assert!(bytes[..] == old || bytes[..] == new, "{mishap:?} at {tenth}");
                        continue;
                    }
                    Err(error) => error,
                };
                assert!(told.to_string().contains("slice.dcm"), "{told}");
                assert_ne!(mishap, Mishap::Replaced, "who has a file open keeps it");
                assert_eq!(matches!(told, Error::Io { .. }), mishap == Mishap::Fails, "{told}");
            }
        }
    }

    #[test]
    fn a_hash_is_that_of_the_bytes_whatever_the_size_of_the_parts() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.bin");
        let content = content(3, 9_000_001);
        std::fs::write(&path, &content).expect("written");
        let oracle = hex(&Sha256::digest(&content));
        for part in [1_000, 1 << 20, 10_000_000] {
            let mut file = Hashed::new(OpenFile::open(&path).expect("there"));
            let mut buffer = vec![0; part];
            let mut read = Vec::new();
            loop {
                let filled = file.fill(&mut buffer).expect("readable");
                read.extend_from_slice(&buffer[..filled]);
                if filled < part {
                    break;
                }
            }
            assert!(read == content);
            assert_eq!(file.finish().expect("unchanged"), oracle);
        }
    }

    /// A length that no bytes stand behind reserves no memory that is used.
    #[test]
    fn a_length_is_no_reason_to_take_memory() {
        struct Liar;
        impl Read for Liar {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Ok(0)
            }
        }
        impl Readable for Liar {
            fn state(&self) -> io::Result<State> {
                Ok(State { len: u64::MAX, modified: None })
            }
        }
        let opened = OpenFile::of(Path::new("liar"), Box::new(Liar)).expect("readable");
        let told = opened.whole().expect_err("shorter than it says").to_string();
        assert!(told.contains("liar") && told.contains("0 came"), "{told}");
    }
}
