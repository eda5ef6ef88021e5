//! The temporary files and folders of this process: what is to go when it is told to end.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn unfinished() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A temporary file or folder, as long as it is one.
#[derive(Debug)]
pub(super) struct Entry(PathBuf);

impl Entry {
    /// Makes a temporary file or folder; none is made that would not be known.
    pub(super) fn of<T>(
        make: impl FnOnce() -> io::Result<T>,
        path: impl FnOnce(&T) -> &Path,
    ) -> io::Result<(T, Self)> {
        let mut unfinished = unfinished();
        let made = make()?;
        let path = path(&made).to_owned();
        unfinished.insert(path.clone());
        Ok((made, Self(path)))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        unfinished().remove(&self.0);
    }
}

/// Does what must not be cut short by [`discard_unfinished`]. No [`Entry`] is made or dropped in it.
pub(super) fn undisturbed<T>(work: impl FnOnce() -> T) -> T {
    let _held = unfinished();
    work()
}

/// Removes every output of this process that is not finished, for one that is about to end: whoever
/// begins or finishes another one after that waits for ever.
pub fn discard_unfinished() {
    let unfinished = unfinished();
    for path in unfinished.iter() {
        // Another thread may be writing into a folder that is being removed.
        for _ in 0..10 {
            let removed = match path.is_dir() {
                true => std::fs::remove_dir_all(path),
                false => std::fs::remove_file(path),
            };
            if removed.is_ok() || path.symlink_metadata().is_err() {
                break;
            }
        }
    }
    std::mem::forget(unfinished);
}
