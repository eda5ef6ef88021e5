//! Memory that a reader fills.

use std::io;

use memmap2::MmapMut;

use crate::memory;

/// Memory that a reader fills. It is no file's: what a file holds is copied into it.
#[derive(Debug)]
pub(crate) struct Memory {
    /// There until it is dropped.
    pages: Option<MmapMut>,
    len: usize,
}

/// Memory for `len` bytes, all of which the reader is to fill: they hold anything. What is never touched
/// takes no memory.
///
/// # Errors
/// If the system refuses that much memory.
pub(crate) fn room(len: usize) -> io::Result<Memory> {
    Ok(Memory { pages: Some(memory::take(len)?), len })
}

impl Memory {
    /// The same bytes with more room behind them.
    ///
    /// # Errors
    /// As [`room`].
    pub(crate) fn extended(self, len: usize) -> io::Result<Self> {
        let mut longer = room(len.max(self.len))?;
        longer[..self.len].copy_from_slice(&self);
        Ok(longer)
    }

    /// Forgets what lies beyond `len` bytes.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Some(pages) = self.pages.take() {
            memory::give(pages);
        }
    }
}

impl std::ops::Deref for Memory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.pages.as_ref().expect("pages until the drop")[..self.len]
    }
}

impl std::ops::DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.pages.as_mut().expect("pages until the drop")[..self.len]
    }
}

impl AsRef<[u8]> for Memory {
    fn as_ref(&self) -> &[u8] {
        self
    }
}
