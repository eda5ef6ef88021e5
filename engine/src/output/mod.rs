//! Output that is there whole or not at all.

mod file;
mod in_place;
pub mod nifti;
mod replacement;
mod unfinished;

use std::fs::File;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use self::file::Owned;
pub use self::file::{OutputFile, remove_left_over};
use self::replacement::Rename;
use self::unfinished::Entry;
pub use self::unfinished::discard_unfinished;
use crate::error::{Error, Remedy, Result};
use crate::paths::shown;

/// A folder for what is needed for a while; it goes with this, and where the process is told to end.
#[derive(Debug)]
pub struct ScratchFolder {
    folder: TempDir,
    _entry: Entry,
}

impl ScratchFolder {
    /// Makes a folder in the system's own for such.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create() -> Result<Self> {
        let place = std::env::temp_dir();
        let made = Entry::of(|| tempfile::tempdir_in(&place), TempDir::path);
        let (folder, entry) = made.map_err(|e| Error::io(place, e))?;
        Ok(Self { folder, _entry: entry })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// A folder under a temporary name, renamed when it is complete. Where the folder is there already and
/// is empty, or cannot be renamed (a mount point, or in a folder that is not writable), it is filled.
///
/// It gets a list of its files, by which a later run knows what is its own to replace: whatever else
/// somebody keeps in the folder stays.
#[derive(Debug)]
pub struct OutputFolder {
    path: PathBuf,
    /// `path` itself, or what it is a link to.
    place: PathBuf,
    replace: bool,
    folder: TempDir,
    /// Held where the temporary folder is inside the other one.
    inside: Option<File>,
    entry: Entry,
}

impl OutputFolder {
    /// Creates the temporary folder next to `path`, after a replacement that was cut short there has
    /// been brought to its end.
    ///
    /// # Errors
    /// `path` is a file, or a folder that is not empty: with `replace`, only one that abscope did
    /// not write. Its parent cannot be written.
    pub fn create(path: &Path, replace: bool) -> Result<Self> {
        let refuse = |problem: &str| Error::bad_request(problem).with_path(path);
        if path.is_file() {
            return Err(refuse("is a file; name a folder"));
        }
        let linked = path.is_symlink() || path.file_name().is_none();
        let place = if linked { path.canonicalize() } else { Ok(path.to_owned()) };
        let place = place.map_err(|e| Error::io(path, e))?;
        in_place::recover(&place)?;
        replacement::recover(&place)?;
        let occupied = replacement::is_occupied(&place)?;
        if occupied {
            if !replace {
                return Err(refuse("is there already").with_remedy(Remedy::ReplaceFolder));
            }
            if !replacement::is_own(&place) {
                return Err(refuse(
                    "holds files, but no result of abscope that could be replaced; name another \
                     folder",
                ));
            }
        }
        let io = |e| Error::io(path, e);
        let is_there = place.is_dir();
        let fill = is_there && (!occupied || in_place::is_mount_point(&place));
        let beside = if fill { None } else { Some(temporary_in(parent(&place))) };
        let (folder, entry, inside) = match beside {
            Some(Ok((folder, entry))) => (folder, entry, None),
            Some(Err(e)) if !is_there => return Err(io(e)),
            _ => {
                let (folder, entry) = temporary_in(&place).map_err(io)?;
                let held = in_place::hold(folder.path()).map_err(io)?;
                (folder, entry, Some(held))
            }
        };
        Ok(Self { path: path.to_owned(), place, replace, folder, inside, entry })
    }

    /// Where a file of the folder is written for now.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of the folder.
    ///
    /// # Errors
    /// The disk is full or the file cannot be created.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        std::fs::write(self.file(name), bytes).map_err(|e| Error::io(self.path.join(name), e))
    }

    /// Gives the folder its name, in place of an older result.
    ///
    /// # Errors
    /// The name cannot be given: then the older result is back in its place, and the new one is kept
    /// where the message says.
    pub fn finish(self) -> Result<()> {
        self.finish_with(&|from, to| std::fs::rename(from, to))
    }

    fn finish_with(self, rename: Rename<'_>) -> Result<()> {
        let Self { path, place, replace, folder, inside, entry } = self;
        let new = folder.path();
        let is_inside = inside.is_some();
        if let Some(held) = inside {
            in_place::release(new, held).map_err(|e| Error::io(&path, e))?;
        }
        replacement::mark(new).map_err(|e| Error::io(&path, e))?;
        let named = unfinished::undisturbed(|| match is_inside {
            true => in_place::fill(new, &place, replace).map(|()| None),
            false => {
                if let Ok(older) = place.metadata() {
                    Owned::of(&older).give(new)?;
                }
                replacement::give_name(new, &place, replace, rename)
            }
        });
        // It has moved, or is kept where it is: nothing is left for the guard to remove.
        let kept = folder.keep();
        drop(entry);
        match named {
            Ok(Some(old)) => unfinished::undisturbed(|| replacement::settle(&old, &place)),
            Ok(None) => Ok(()),
            Err(e) => {
                let problem = format!("{e}; the new result is kept in {}", shown(&kept));
                Err(Error::io(&path, std::io::Error::new(e.kind(), problem)))
            }
        }
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A temporary folder next to or in the one that it becomes, with the permissions of any new folder.
fn temporary_in(folder: &Path) -> std::io::Result<(TempDir, Entry)> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(in_place::PREFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o777));
    }
    Entry::of(|| builder.tempdir_in(folder), TempDir::path)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn result(path: &Path, replace: bool, files: &[(&str, &str)]) -> OutputFolder {
        let folder = OutputFolder::create(path, replace).expect("a folder of its own");
        for (name, text) in files {
            folder.write(name, text.as_bytes()).expect("room on the disk");
        }
        folder
    }

    fn write(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("room on the disk");
    }

    /// Every file below a folder but lists of own files, by its place and content.
    fn files(folder: &Path) -> Vec<(String, String)> {
        let mut files: Vec<(String, String)> = walkdir::WalkDir::new(folder)
            .into_iter()
            .map(|entry| entry.expect("readable"))
            .filter(|entry| entry.file_type().is_file() && entry.file_name() != replacement::MARKER)
            .map(|entry| {
                let place = entry.path().strip_prefix(folder).expect("below");
                let text = std::fs::read_to_string(entry.path()).expect("text");
                (place.to_string_lossy().replace('\\', "/"), text)
            })
            .collect();
        files.sort();
        files
    }

    fn of(files: &[(&str, &str)]) -> Vec<(String, String)> {
        files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn only_own_files_are_replaced_and_all_others_stay() {
        let ground = tempfile::tempdir().expect("a folder");
        let path = ground.path().join("out");
        result(&path, false, &[("a", "1"), ("gone", "1")]).finish().expect("named");
        write(&path.join("thesis.txt"), "precious");
        write(&path.join("mine/deep/notes"), "precious too");
        OutputFolder::create(&path, false).expect_err("occupied");
        result(&path, true, &[("a", "2"), ("new", "2")]).finish().expect("replaced");
        let expected = of(&[
            ("out/a", "2"),
            ("out/mine/deep/notes", "precious too"),
            ("out/new", "2"),
            ("out/thesis.txt", "precious"),
        ]);
        assert_eq!(files(ground.path()), expected, "and nothing else");
        // What was carried over is still nobody's but the user's.
        result(&path, true, &[("a", "3")]).finish().expect("replaced");
        assert_eq!(files(&path).len(), 3);
    }

    #[test]
    fn a_folder_that_abscope_did_not_write_is_refused_and_untouched() {
        let ground = tempfile::tempdir().expect("a folder");
        let path = ground.path().join("mine");
        let lists = [
            "{}",
            "{\"schema\": \"abscope.output/1\", \"files\": [\"../thesis.txt\"]}",
            "{\"schema\": \"abscope.output/1\", \"files\": [\"/thesis.txt\"]}",
        ];
        write(&path.join("report.json"), "{\"schema\": \"of another program\"}");
        write(&path.join("report.html"), "<title>Training report</title>");
        for list in lists {
            write(&path.join(replacement::MARKER), list);
            let problem = OutputFolder::create(&path, true).expect_err(list).to_string();
            assert!(problem.contains("no result of abscope"), "{problem}");
            assert_eq!(files(ground.path()).len(), 2);
        }
        let file = path.join("report.html");
        OutputFolder::create(&file, true).expect_err("a file");
    }

    #[test]
    fn an_empty_folder_is_taken() {
        let ground = tempfile::tempdir().expect("a folder");
        result(ground.path(), false, &[("a", "1")]).finish().expect("named");
        assert_eq!(files(ground.path()), of(&[("a", "1")]));
    }

    /// Folders written before there was a list of own files.
    #[test]
    fn folders_of_the_first_version_are_replaced() {
        let ground = tempfile::tempdir().expect("a folder");
        let path = ground.path().join("report");
        write(&path.join("report.json"), "{\"schema\": \"abscope.report/1\", \"patient\": 1}");
        for name in ["report.html", "scores.csv", "features.csv", "mine.txt"] {
            write(&path.join(name), "old");
        }
        result(&path, true, &[("report.json", "{}")]).finish().expect("replaced");
        assert_eq!(files(&path), of(&[("mine.txt", "old"), ("report.json", "{}")]));

        let path = ground.path().join("training");
        let page = "<title>Training report, x</title><dt>Program</dt><dd>abscope 0.1.0</dd>";
        write(&path.join("report.html"), page);
        write(&path.join("checklist.md"), "old");
        write(&path.join("mine.txt"), "old");
        result(&path, true, &[("report.html", "new")]).finish().expect("replaced");
        assert_eq!(files(&path), of(&[("mine.txt", "old"), ("report.html", "new")]));
    }

    #[test]
    fn a_file_of_the_users_under_a_new_name_of_ours_is_not_overwritten() {
        let ground = tempfile::tempdir().expect("a folder");
        let path = ground.path().join("out");
        result(&path, false, &[("a", "1")]).finish().expect("named");
        write(&path.join("b"), "precious");
        let new = result(&path, true, &[("a", "2"), ("b", "2")]);
        let problem = new.finish().expect_err("in the way").to_string();
        assert!(problem.contains("holds b, which"), "{problem}");
        assert_eq!(files(&path), of(&[("a", "1"), ("b", "precious")]));
    }

    #[test]
    fn where_the_name_cannot_be_given_the_old_result_is_back_and_the_new_one_kept() {
        let ground = tempfile::tempdir().expect("a folder");
        let path = ground.path().join("out");
        result(&path, false, &[("a", "1")]).finish().expect("named");
        write(&path.join("thesis.txt"), "precious");
        let before = files(&path);
        let new = result(&path, true, &[("a", "2")]);
        let temporary = new.folder.path().to_owned();
        let refused = |from: &Path, to: &Path| match from == temporary {
            true => Err(io::Error::other("no")),
            false => std::fs::rename(from, to),
        };
        let problem = new.finish_with(&refused).expect_err("refused").to_string();
        assert_eq!(files(&path), before);
        assert_eq!(files(&temporary), of(&[("a", "2")]));
        assert!(problem.contains(&temporary.display().to_string()), "{problem}");
    }

    #[test]
    fn a_replacement_that_was_killed_leaves_either_result_and_the_next_run_ends_it() {
        let ground = tempfile::tempdir().expect("a folder");
        let path = ground.path().join("out");
        let aside = ground.path().join("out.abscope-old");
        result(&path, false, &[("a", "1")]).finish().expect("named");
        write(&path.join("thesis.txt"), "precious");

        std::fs::rename(&path, &aside).expect("as if killed before the new one had its name");
        drop(OutputFolder::create(&path, true).expect("recovered"));
        assert_eq!(files(&path), of(&[("a", "1"), ("thesis.txt", "precious")]));
        assert!(!aside.exists());

        std::fs::rename(&path, &aside).expect("as if killed after");
        let new = ground.path().join("new");
        result(&new, false, &[("a", "2")]).finish().expect("named");
        std::fs::rename(&new, &path).expect("the name");
        drop(OutputFolder::create(&path, true).expect("recovered"));
        assert_eq!(files(&path), of(&[("a", "2"), ("thesis.txt", "precious")]));
        assert!(!aside.exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_folder_stays_one() {
        let ground = tempfile::tempdir().expect("a folder");
        let (path, link) = (ground.path().join("out"), ground.path().join("link"));
        result(&path, false, &[("a", "1")]).finish().expect("named");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        result(&link, true, &[("a", "2")]).finish().expect("replaced");
        assert!(link.is_symlink());
        assert_eq!(files(&path), of(&[("a", "2")]));
    }

    /// What is in a folder, but for the list of own files.
    fn listed(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("there");
        let names =
            entries.map(|e| e.expect("readable").file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.filter(|name| name != replacement::MARKER).collect();
        names.sort();
        names
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_keeps_its_mode() {
        use std::os::unix::fs::PermissionsExt;
        let ground = tempfile::tempdir().expect("a folder");
        let path = ground.path().join("out");
        std::fs::create_dir(&path).expect("made");
        let mode = |path: &Path| path.metadata().expect("there").permissions().mode() & 0o777;
        for (replace, kept) in [(false, 0o700), (true, 0o750)] {
            let permissions = std::fs::Permissions::from_mode(kept);
            std::fs::set_permissions(&path, permissions).expect("its owner may");
            result(&path, replace, &[("a", "1")]).finish().expect("named");
            assert_eq!(mode(&path), kept);
        }
        std::fs::create_dir(ground.path().join("plain")).expect("made");
        let new = ground.path().join("new");
        result(&new, false, &[("a", "1")]).finish().expect("named");
        assert_eq!(mode(&new), mode(&ground.path().join("plain")));
    }

    #[test]
    fn a_folder_that_is_filled_keeps_what_is_not_abscopes() {
        let ground = tempfile::tempdir().expect("a folder");
        let path = ground.path().join("out");
        std::fs::create_dir(&path).expect("made");
        result(&path, false, &[("a", "1"), ("gone", "1")]).finish().expect("filled");
        assert_eq!(listed(&path), ["a", "gone"]);
        write(&path.join("thesis.txt"), "precious");
        let new = in_place_result(&path, &[("a", "2"), ("new", "2")]);
        new.finish().expect("filled");
        assert_eq!(files(&path), of(&[("a", "2"), ("new", "2"), ("thesis.txt", "precious")]));
        assert_eq!(listed(&path), ["a", "new", "thesis.txt"]);
        let new = in_place_result(&path, &[("a", "3"), ("thesis.txt", "3")]);
        let problem = new.finish().expect_err("in the way").to_string();
        assert!(problem.contains("holds thesis.txt, which"), "{problem}");
        let kept = listed(&path).remove(0);
        assert!(problem.contains(&kept), "{problem}");
        assert_eq!(files(&path.join(&kept)), of(&[("a", "3"), ("thesis.txt", "3")]));
        drop(in_place_result(&path, &[]));
        assert_eq!(listed(&path), [kept.as_str(), "a", "new", "thesis.txt"]);
    }

    /// As on a mount point.
    fn in_place_result(path: &Path, files: &[(&str, &str)]) -> OutputFolder {
        let (folder, entry) = temporary_in(path).expect("made");
        let inside = Some(in_place::hold(folder.path()).expect("held"));
        let (path, place) = (path.to_owned(), path.to_owned());
        let folder = OutputFolder { path, place, replace: true, folder, inside, entry };
        for (name, text) in files {
            folder.write(name, text.as_bytes()).expect("room on the disk");
        }
        folder
    }

    #[test]
    fn filling_that_was_killed_is_ended_by_the_next_run() {
        let ground = tempfile::tempdir().expect("a folder");
        let path = ground.path().join("out");
        std::fs::create_dir(&path).expect("made");
        result(&path, false, &[("a", "1"), ("gone", "1")]).finish().expect("filled");
        write(&path.join("thesis.txt"), "precious");
        let finished = |path: &Path| {
            drop(OutputFolder::create(path, true).expect("recovered"));
            (files(path), listed(path))
        };
        let whole = (files(&path), listed(&path));

        // Before the files move: nothing has happened.
        let killed = in_place_result(&path, &[("a", "2"), ("b", "2")]);
        let OutputFolder { folder, inside, .. } = killed;
        replacement::mark(folder.path()).expect("room");
        let folder = folder.keep();
        drop(inside);
        assert_eq!(finished(&path), whole);
        assert!(!folder.exists());

        // While they move.
        for moved in [&[][..], &["a"], &["a", "b"]] {
            let killed = in_place_result(&path, &[("a", "3"), ("b", "3")]);
            let OutputFolder { folder, inside, .. } = killed;
            in_place::release(folder.path(), inside.expect("held")).expect("released");
            replacement::mark(folder.path()).expect("room");
            let commit = path.join(in_place::COMMIT);
            std::fs::rename(folder.keep(), &commit).expect("named");
            for name in moved {
                std::fs::rename(commit.join(name), path.join(name)).expect("moved");
            }
            let (files, listed) = finished(&path);
            assert_eq!(files, of(&[("a", "3"), ("b", "3"), ("thesis.txt", "precious")]));
            assert_eq!(listed, ["a", "b", "thesis.txt"]);
        }
    }
}
