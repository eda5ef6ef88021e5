//! A folder of results put into one that is there and stays: a mount point, or one in a folder that
//! cannot be written.
//!
//! The new files are made in a temporary folder inside. When all are whole, it gets the name
//! [`COMMIT`], and from then on the replacement is brought to its end, by the next run if this one is
//! killed: the list names the files of both results while they move, then those of the new one.

use std::fs::{DirEntry, File};
use std::io;
use std::path::Path;

use super::replacement::{self, MARKER};
use crate::error::{Error, Result};

/// How the names of temporary folders begin.
pub(super) const PREFIX: &str = ".abscope-";
/// The new files while they move.
pub(super) const COMMIT: &str = ".abscope-commit";
/// The file that a temporary folder is held by as long as its process lives.
const HELD: &str = ".abscope.held";

/// Holds a temporary folder, so that another process does not take it for one that is left over.
pub(super) fn hold(folder: &Path) -> io::Result<File> {
    let file = File::create_new(folder.join(HELD))?;
    // Where there are no locks, two runs into one folder cannot be told from a killed one.
    let _ = file.try_lock();
    Ok(file)
}

/// Makes an ordinary folder of it, which no other process touches.
pub(super) fn release(folder: &Path, held: File) -> io::Result<()> {
    std::fs::remove_file(folder.join(HELD))?;
    drop(held);
    Ok(())
}

/// Whether something in a folder is a temporary folder of abscope, of a living process or not.
pub(super) fn is_temporary(entry: &DirEntry) -> bool {
    entry.file_name().to_string_lossy().starts_with(PREFIX) && entry.path().join(HELD).is_file()
}

/// Brings a replacement that was cut short to its end, and removes what killed runs left.
///
/// # Errors
/// Something cannot be moved or removed.
pub(super) fn recover(place: &Path) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(place) else { return Ok(()) };
    for entry in entries.flatten().filter(is_temporary) {
        let held = File::options().write(true).open(entry.path().join(HELD));
        if held.is_ok_and(|held| held.try_lock().is_ok()) {
            std::fs::remove_dir_all(entry.path()).map_err(|e| Error::io(entry.path(), e))?;
        }
    }
    commit(place).map_err(|e| Error::io(place, e))
}

/// Puts the files of a complete temporary folder into the one that it is in, in place of an older
/// result.
pub(super) fn fill(new: &Path, place: &Path, replace: bool) -> io::Result<()> {
    let exists = |problem: &str| io::Error::new(io::ErrorKind::AlreadyExists, problem.to_owned());
    let before = replacement::own_files(place);
    // The work between creating and filling may have taken hours.
    let mut others = std::fs::read_dir(place)?.flatten();
    // By its name: the path of a temporary folder is absolute, that of the output as the user wrote it.
    let occupied =
        others.any(|e| Some(e.file_name().as_os_str()) != new.file_name() && !is_temporary(&e));
    if occupied && !(replace && before.is_some()) {
        return Err(exists("holds files that are not abscope's to replace"));
    }
    let after = replacement::own_files(new).unwrap_or_default();
    replacement::refuse_taken(place, &before.unwrap_or_default(), &after)?;
    std::fs::rename(new, place.join(COMMIT))?;
    commit(place)
}

fn commit(place: &Path) -> io::Result<()> {
    let new = place.join(COMMIT);
    let Some(files) = replacement::listed(&new) else {
        // All have moved, or it is none of abscope's.
        let _ = std::fs::remove_dir(&new);
        return Ok(());
    };
    let older = replacement::own_files(place).unwrap_or_default();
    let mut both: Vec<String> = older.iter().chain(&files).cloned().collect();
    both.retain(|file| file != MARKER);
    both.sort();
    both.dedup();
    replacement::list(both, &new.join(".abscope.both"), place)?;
    for file in files.iter().filter(|file| *file != MARKER) {
        let (from, to) = (new.join(file), place.join(file));
        if from.symlink_metadata().is_ok() {
            std::fs::create_dir_all(to.parent().expect("below the folder"))?;
            std::fs::rename(from, to)?;
        }
    }
    for file in older.iter().filter(|file| !files.contains(file)) {
        replacement::remove(place, file)?;
    }
    std::fs::rename(new.join(MARKER), place.join(MARKER))?;
    std::fs::remove_dir_all(new)
}

/// Whether a folder is a mount point, which cannot be renamed.
#[cfg(unix)]
pub(super) fn is_mount_point(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let Ok(folder) = folder.canonicalize() else { return false };
    let device = |path: &Path| path.metadata().map(|m| m.dev()).ok();
    let mounted = |line: &str| {
        let place = line.split(' ').nth(4).unwrap_or_default();
        // As the kernel writes them, proc_pid_mountinfo(5).
        let place = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
            .iter()
            .fold(place.to_owned(), |place, (code, char)| place.replace(code, char));
        Path::new(&place) == folder
    };
    folder.parent().is_none_or(|parent| device(parent) != device(&folder))
        // A folder of the same disk can be mounted too.
        || std::fs::read_to_string("/proc/self/mountinfo").is_ok_and(|m| m.lines().any(mounted))
}

#[cfg(not(unix))]
pub(super) fn is_mount_point(_folder: &Path) -> bool {
    false
}
