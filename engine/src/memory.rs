//! Memory of images that were given up, kept for the next ones.
//!
//! A cohort needs room for an image again and again. Asked of the system anew, each of its pages is
//! cleared before it is filled: a third of the processor time of a cohort of small lesions in large
//! images. Results do not depend on it.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[cfg(target_os = "linux")]
use memmap2::Advice;
use memmap2::MmapMut;

/// Smaller ones cost less than they would hold.
const SMALLEST: usize = 1 << 20;
/// Blocks that are kept at most, whatever their size.
const MOST: usize = 4;

static KEPT: Mutex<Kept> = Mutex::new(Kept { limit: 0, bytes: 0, blocks: VecDeque::new() });

/// For a cohort: from now on up to `limit` bytes of images that were given up stay with the process for
/// the next images; by default none do.
pub fn keep_for_images(limit: usize) {
    kept().limit = limit;
}

fn kept() -> MutexGuard<'static, Kept> {
    // A panic between two steps leaves blocks that are whole and a sum that is too high at most.
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Memory for `len` bytes, which hold zeros or what an earlier image left there; in huge pages where the
/// system has them: a CT of 150 MB would otherwise spend a quarter of its loading time on page faults.
/// Of new memory, what is never touched is never taken.
///
/// # Errors
/// The system refuses that much memory.
pub(crate) fn take(len: usize) -> io::Result<MmapMut> {
    if let Some(block) = kept().take(len) {
        return Ok(block);
    }
    let pages = MmapMut::map_anon(len.max(1))?;
    // Advice only: without huge pages everything works the same, slower.
    #[cfg(target_os = "linux")]
    let _ = pages.advise(Advice::HugePage);
    Ok(pages)
}

/// Gives up what was taken.
pub(crate) fn give(block: MmapMut) {
    // What is not kept goes back to the system after the lock.
    let _surplus = kept().give(block);
}

#[derive(Default)]
struct Kept {
    limit: usize,
    /// Of all blocks together.
    bytes: usize,
    /// The oldest first.
    blocks: VecDeque<MmapMut>,
}

impl Kept {
    /// The smallest block that holds `len` bytes and little more: all of its pages are in use.
    fn take(&mut self, len: usize) -> Option<MmapMut> {
        let fits = |block: &MmapMut| (len..=len.saturating_add(len / 4)).contains(&block.len());
        let fitting = self.blocks.iter().enumerate().filter(|(_, block)| fits(block));
        let (at, _) = fitting.min_by_key(|(_, block)| block.len())?;
        let block = self.blocks.remove(at)?;
        self.bytes -= block.len();
        Some(block)
    }

    /// Keeps a block, if it may be kept; what goes for it.
    fn give(&mut self, block: MmapMut) -> Vec<MmapMut> {
        if !(SMALLEST..=self.limit).contains(&block.len()) {
            return vec![block];
        }
        self.bytes += block.len();
        self.blocks.push_back(block);
        let mut surplus = Vec::new();
        while self.bytes > self.limit || self.blocks.len() > MOST {
            let Some(oldest) = self.blocks.pop_front() else { break };
            self.bytes -= oldest.len();
            surplus.push(oldest);
        }
        surplus
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: usize = 1 << 20;

    fn block(len: usize) -> MmapMut {
        MmapMut::map_anon(len).expect("memory")
    }

    #[test]
    fn the_next_image_of_the_size_gets_the_same_pages() {
        let mut kept = Kept { limit: 100 * MB, ..Kept::default() };
        let (image, larger) = (block(10 * MB), block(11 * MB));
        let (of_image, of_larger) = (image.as_ptr(), larger.as_ptr());
        assert!(kept.give(larger).is_empty());
        assert!(kept.give(image).is_empty());
        assert_eq!(kept.take(10 * MB - 5).map(|b| b.as_ptr()), Some(of_image));
        assert_eq!(kept.take(10 * MB - 5).map(|b| b.as_ptr()), Some(of_larger));
        assert!(kept.take(10 * MB - 5).is_none());
        assert_eq!(kept.bytes, 0);
    }

    #[test]
    fn a_block_that_is_much_larger_or_smaller_is_no_room_for_an_image() {
        let mut kept = Kept { limit: 100 * MB, ..Kept::default() };
        kept.give(block(10 * MB));
        assert!(kept.take(5 * MB).is_none() && kept.take(10 * MB + 1).is_none());
        assert!(kept.take(8 * MB).is_some());
    }

    #[test]
    fn no_more_is_kept_than_was_allowed_and_the_oldest_goes_first() {
        let mut kept = Kept { limit: 20 * MB, ..Kept::default() };
        assert_eq!(kept.give(block(21 * MB)).len(), 1, "larger than all that may be kept");
        assert_eq!(kept.give(block(MB / 2)).len(), 1, "too small to be worth it");
        for len in [9, 8, 7] {
            kept.give(block(len * MB));
        }
        let there: Vec<usize> = kept.blocks.iter().map(|b| b.len() / MB).collect();
        assert_eq!((there, kept.bytes), (vec![8, 7], 15 * MB));
        for _ in 0..10 {
            kept.give(block(MB));
        }
        assert_eq!((kept.blocks.len(), kept.bytes), (MOST, MOST * MB));
        assert_eq!(Kept::default().give(block(MB)).len(), 1, "nothing is kept unasked");
    }
}
