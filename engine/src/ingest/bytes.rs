//! Memory that a reader fills.

use std::io;

#[cfg(target_os = "linux")]
use memmap2::Advice;
use memmap2::MmapMut;

/// Memory that a reader fills. It is no file's: what a file holds is copied into it.
#[derive(Debug)]
pub(crate) struct Memory {
    pages: MmapMut,
    len: usize,
}

/// Zeroed memory for `len` bytes, in huge pages where the system has them: a CT of 150 MB would
/// otherwise spend a quarter of its loading time on page faults. What is never touched takes no
/// memory.
///
/// # Errors
/// If the system refuses that much memory.
pub(crate) fn zeroed(len: usize) -> io::Result<Memory> {
    let pages = MmapMut::map_anon(len.max(1))?;
    // Advice only: without huge pages everything works the same, slower.
    #[cfg(target_os = "linux")]
    let _ = pages.advise(Advice::HugePage);
    Ok(Memory { pages, len })
}

impl Memory {
    /// The same bytes with more room behind them.
    ///
    /// # Errors
    /// As [`zeroed`].
    pub(crate) fn extended(self, len: usize) -> io::Result<Self> {
        let mut longer = zeroed(len.max(self.len))?;
        longer[..self.len].copy_from_slice(&self);
        Ok(longer)
    }

    /// Forgets what lies beyond `len` bytes.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

impl std::ops::Deref for Memory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.pages[..self.len]
    }
}

impl std::ops::DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.pages[..self.len]
    }
}

impl AsRef<[u8]> for Memory {
    fn as_ref(&self) -> &[u8] {
        self
    }
}
