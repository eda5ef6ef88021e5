//! A folder of results in place of an older one, and of nothing else.
//!
//! A folder that abscope wrote holds a list of abscope's files in it. Replacing it moves the whole
//! folder aside, gives the new one its name, moves what is not on the old list over, and removes
//! what is. A run that is killed in between leaves the old result aside or the new one in its place;
//! [`recover`] goes on from there.

use std::io;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::in_place;
use crate::error::{Error, Result};
use crate::paths::shown;

/// The list of a folder's own files.
pub(super) const MARKER: &str = ".abscope.json";
const SCHEMA: &str = "abscope.output/1";

/// How a file or folder gets another name.
pub(super) type Rename<'a> = &'a dyn Fn(&Path, &Path) -> io::Result<()>;

#[derive(Serialize, Deserialize)]
struct Marker {
    schema: String,
    /// Relative to the folder, parts separated by `/`.
    files: Vec<String>,
}

/// Lists the files of a complete folder in it.
pub(super) fn mark(folder: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(folder).sort_by_file_name() {
        let entry = entry?;
        if !entry.file_type().is_dir() {
            let place = entry.path().strip_prefix(folder).expect("below the folder");
            let parts = place.components().map(|part| part.as_os_str().to_string_lossy());
            files.push(parts.collect::<Vec<_>>().join("/"));
        }
    }
    let marker = Marker { schema: SCHEMA.into(), files };
    let mut text = serde_json::to_vec_pretty(&marker)?;
    text.push(b'\n');
    std::fs::write(folder.join(MARKER), text)
}

/// Says of a folder that is being filled which files are abscope's; `temporary` becomes the list.
pub(super) fn list(files: Vec<String>, temporary: &Path, folder: &Path) -> io::Result<()> {
    let marker = Marker { schema: SCHEMA.into(), files };
    std::fs::write(temporary, serde_json::to_vec_pretty(&marker)?)?;
    std::fs::rename(temporary, folder.join(MARKER))
}

/// Whether abscope wrote a folder.
pub(super) fn is_own(folder: &Path) -> bool {
    own_files(folder).is_some()
}

/// Whether there is anything in a folder.
pub(super) fn is_occupied(folder: &Path) -> Result<bool> {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => {
            Ok(entries.any(|entry| entry.is_ok_and(|e| !in_place::is_temporary(&e))))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(Error::io(folder, e)),
    }
}

/// The files of a folder that are abscope's; the one that says so is the last. `None` where abscope
/// did not write the folder.
pub(super) fn own_files(folder: &Path) -> Option<Vec<String>> {
    listed(folder).or_else(|| unlisted(folder))
}

pub(super) fn listed(folder: &Path) -> Option<Vec<String>> {
    let bytes = std::fs::read(folder.join(MARKER)).ok()?;
    let marker: Marker = serde_json::from_slice(&bytes).ok()?;
    let inside = |file: &String| {
        Path::new(file).components().all(|part| matches!(part, Component::Normal(_)))
    };
    if marker.schema != SCHEMA || !marker.files.iter().all(inside) {
        return None;
    }
    let mut files = marker.files;
    files.push(MARKER.into());
    Some(files)
}

/// Version 0.1.0 left no list; its reports are known by what they say.
fn unlisted(folder: &Path) -> Option<Vec<String>> {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    let own = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    let report = read("report.json")
        .and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok())
        .is_some_and(|report| report["schema"] == "abscope.report/1");
    if report {
        return own(&["features.csv", "scores.csv", "report.html", "report.json"]);
    }
    let training = read("report.html").is_some_and(|page| {
        page.contains("<title>Training report") && page.contains("<dd>abscope ")
    });
    if training { own(&["checklist.md", "report.html"]) } else { None }
}

/// Where the older result waits while the new one gets its name.
fn aside(place: &Path) -> PathBuf {
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(".abscope-old");
    place.with_file_name(name)
}

/// Brings a replacement that was cut short to its end: the older result is back where there is no
/// new one, else what is not the older result's moves over.
///
/// # Errors
/// Something cannot be renamed or removed.
pub(super) fn recover(place: &Path) -> Result<()> {
    let old = aside(place);
    if !is_own(&old) {
        return Ok(());
    }
    if !place.exists() {
        return std::fs::rename(&old, place).map_err(|e| Error::io(place, e));
    }
    if is_own(place) { settle(&old, place) } else { Ok(()) }
}

/// Gives a complete folder its name, and says where the older result is, if there was one and
/// `replace`. Where that fails, everything has the name that it had before.
pub(super) fn give_name(
    new: &Path,
    place: &Path,
    replace: bool,
    rename: Rename<'_>,
) -> io::Result<Option<PathBuf>> {
    let occupied = std::fs::read_dir(place).is_ok_and(|mut entries| entries.next().is_some());
    if !occupied {
        if place.is_dir() {
            std::fs::remove_dir(place)?;
        }
        rename(new, place)?;
        return Ok(None);
    }
    let exists = |problem: &str| io::Error::new(io::ErrorKind::AlreadyExists, problem.to_owned());
    // The work between creating and naming may have taken hours.
    let before = own_files(place).filter(|_| replace);
    let before = before.ok_or_else(|| exists("holds files that are not abscope's to replace"))?;
    refuse_taken(place, &before, &own_files(new).unwrap_or_default())?;
    let old = aside(place);
    // An empty one is what is left of an earlier replacement.
    let _ = std::fs::remove_dir(&old);
    if old.symlink_metadata().is_ok() {
        return Err(exists(&format!("{} is in the way; move it elsewhere", shown(&old))));
    }
    rename(place, &old)?;
    if let Err(problem) = rename(new, place) {
        return Err(match rename(&old, place) {
            Ok(()) => problem,
            Err(e) => io::Error::new(
                e.kind(),
                format!("{problem}; the older result is in {}", shown(&old)),
            ),
        });
    }
    Ok(Some(old))
}

/// # Errors
/// A file of the new result would replace one that is not of the older one.
pub(super) fn refuse_taken(place: &Path, before: &[String], after: &[String]) -> io::Result<()> {
    let taken = |file: &&String| place.join(file).symlink_metadata().is_ok();
    match after.iter().filter(|f| !before.contains(f)).find(taken) {
        None => Ok(()),
        Some(file) => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            format!("holds {file}, which is not of the older result; move it elsewhere"),
        )),
    }
}

/// Moves what is not the older result's over to the new one, and removes the older result.
///
/// # Errors
/// A file cannot be moved or removed; it is still with the older result.
pub(super) fn settle(old: &Path, place: &Path) -> Result<()> {
    let own = own_files(old).unwrap_or_default();
    move_over(old, place, "", &own)?;
    for file in &own {
        remove(old, file).map_err(|e| Error::io(old.join(file), e))?;
    }
    std::fs::remove_dir(old).map_err(|e| Error::io(old, e))
}

/// Removes a file of a folder, and the folders below it that held nothing else.
pub(super) fn remove(folder: &Path, file: &str) -> io::Result<()> {
    match std::fs::remove_file(folder.join(file)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let folders = Path::new(file).ancestors().skip(1).filter(|f| !f.as_os_str().is_empty());
    for inner in folders {
        // It may hold more files.
        let _ = std::fs::remove_dir(folder.join(inner));
    }
    Ok(())
}

/// Moves everything below `from` that is not on the list; `inside` is its place there, with a `/` at
/// the end.
fn move_over(from: &Path, to: &Path, inside: &str, own: &[String]) -> Result<()> {
    for entry in std::fs::read_dir(from).map_err(|e| Error::io(from, e))? {
        let entry = entry.map_err(|e| Error::io(from, e))?;
        let place = format!("{inside}{}", entry.file_name().to_string_lossy());
        if own.contains(&place) {
            continue;
        }
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let shared = format!("{place}/");
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && (target.is_dir() || own.iter().any(|file| file.starts_with(&shared))) {
            std::fs::create_dir_all(&target).map_err(|e| Error::io(&target, e))?;
            move_over(&path, &target, &shared, own)?;
            // One with own files in it goes with them.
            let _ = std::fs::remove_dir(&path);
        } else if target.symlink_metadata().is_ok() {
            return Err(Error::bad_request(format!(
                "{} and {} are both there; move one of them elsewhere",
                shown(&path),
                shown(&target)
            )));
        } else {
            std::fs::rename(&path, &target).map_err(|e| Error::io(&path, e))?;
        }
    }
    Ok(())
}
