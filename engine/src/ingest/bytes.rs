//! The bytes of a file, mapped into memory rather than copied.
//!
//! A mapped file costs no copy, and its pages belong to the system's cache: they are dropped under
//! memory pressure. The price is that a file which another program cuts short while abscope reads
//! it ends the run (SIGBUS), as with every program that maps files; a file that is complete but
//! damaged is reported like any other.

use std::fs::File;
use std::path::Path;

#[cfg(unix)]
use memmap2::Advice;
use memmap2::{Mmap, MmapMut};

use crate::error::{Error, Result};

/// Maps a file for reading. An empty file gives no bytes.
///
/// # Errors
/// [`Error::Io`] if it cannot be opened; [`Error::BadData`] if it is a folder.
pub(crate) fn map(path: &Path) -> Result<Mapped> {
    let io = |e| Error::io(path, e);
    let file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if metadata.is_dir() {
        return Err(Error::bad_data(path, "is a folder; name a file"));
    }
    if metadata.len() == 0 {
        return Ok(Mapped(None));
    }
    // SAFETY: the mapping is private and read-only. The one way to break it is to shorten the file
    // meanwhile, which the module's documentation names.
    #[allow(unsafe_code, reason = "memory mapping cannot be done in safe Rust")]
    let mapping = unsafe { Mmap::map(&file) }.map_err(io)?;
    #[cfg(unix)]
    mapping.advise(Advice::Sequential).map_err(io)?;
    Ok(Mapped(Some(mapping)))
}

/// A file's bytes.
#[derive(Debug)]
pub(crate) struct Mapped(Option<Mmap>);

impl std::ops::Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// Memory that a reader fills.
#[derive(Debug)]
pub(crate) struct Memory(MmapMut);

/// Zeroed memory for `len` bytes, in huge pages where the system has them: a CT of 150 MB would
/// otherwise spend a quarter of its loading time on page faults.
///
/// # Errors
/// If the system refuses that much memory.
pub(crate) fn zeroed(len: usize) -> std::io::Result<Memory> {
    let memory = MmapMut::map_anon(len.max(1))?;
    // Advice only: without huge pages everything works the same, slower.
    #[cfg(target_os = "linux")]
    let _ = memory.advise(Advice::HugePage);
    Ok(Memory(memory))
}

impl std::ops::Deref for Memory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl std::ops::DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl AsRef<[u8]> for Memory {
    fn as_ref(&self) -> &[u8] {
        self
    }
}
