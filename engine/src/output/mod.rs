//! Output that is there whole or not at all.

pub mod nifti;
mod replacement;

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempDir};

use self::replacement::Rename;
use crate::error::{Error, Remedy, Result};
use crate::paths::shown;

/// A file under a temporary name next to its own, renamed when it is complete.
///
/// Creating it before the work starts makes a bad path fail at once; dropping it without
/// [`OutputFile::finish`] leaves nothing behind.
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
    writer: BufWriter<NamedTempFile>,
}

impl OutputFile {
    /// Opens the temporary file.
    ///
    /// # Errors
    /// The folder is not there or not writable, or the path is a folder.
    pub fn create(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Err(Error::bad_request(format!(
                "{}: is a folder; name a file to write",
                shown(path)
            )));
        }
        let file = NamedTempFile::new_in(parent(path)).map_err(|e| Error::io(path, e))?;
        Ok(Self { path: path.to_owned(), writer: BufWriter::new(file) })
    }

    /// Gives the file its name, in place of an older one.
    ///
    /// # Errors
    /// The disk is full or the name cannot be given.
    pub fn finish(self) -> Result<()> {
        let io = |e| Error::io(&self.path, e);
        let file = self.writer.into_inner().map_err(|e| io(e.into_error()))?;
        file.as_file().sync_all().map_err(io)?;
        share(file.path(), 0o666).map_err(io)?;
        file.persist(&self.path).map_err(|e| io(e.error))?;
        Ok(())
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.writer.flush()
    }
}

/// A folder under a temporary name, renamed when it is complete.
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
        replacement::recover(&place)?;
        if replacement::is_occupied(&place)? {
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
        let folder = tempfile::Builder::new()
            .prefix(".abscope-")
            .tempdir_in(parent(&place))
            .map_err(|e| Error::io(path, e))?;
        Ok(Self { path: path.to_owned(), place, replace, folder })
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
        let new = self.folder.path();
        replacement::mark(new).map_err(|e| Error::io(&self.path, e))?;
        share(new, 0o777).map_err(|e| Error::io(&self.path, e))?;
        let named = replacement::give_name(new, &self.place, self.replace, rename);
        // It has moved, or is kept where it is: nothing is left for the guard to remove.
        let kept = self.folder.keep();
        match named {
            Ok(Some(old)) => replacement::settle(&old, &self.place),
            Ok(None) => Ok(()),
            Err(e) => {
                let problem = format!("{e}; the new result is kept in {}", shown(&kept));
                Err(Error::io(&self.path, std::io::Error::new(e.kind(), problem)))
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

/// Temporary files are private to their owner; results get the usual permissions, less the umask.
#[cfg(unix)]
fn share(path: &Path, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    // The umask can only be read by setting it, which is not safe with threads: a file made the
    // ordinary way next to it shows what it leaves.
    let probe = tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o666))
        .tempfile_in(path.parent().unwrap_or(Path::new(".")))?;
    let allowed = probe.as_file().metadata()?.permissions().mode() & 0o666;
    let executable = (allowed & 0o444) >> 2;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode & (allowed | executable)))
}

#[cfg(not(unix))]
fn share(_path: &Path, _mode: u32) -> std::io::Result<()> {
    Ok(())
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
}
