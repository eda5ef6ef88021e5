//! The files below a folder, symbolic links followed.
//!
//! Every real folder is looked at once, however many links lead to it, and a link to a folder above
//! is not followed: so no loop of links goes on, and none leads out over the whole disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::FileType;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::error::{Error, Result};
use crate::input::special;

/// What lies below a folder.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// The files, sorted; one that only links lead to is called by the first of them.
    pub(super) files: Vec<PathBuf>,
    /// What cannot be opened as a file, and why.
    pub(super) unseen: Vec<(PathBuf, String)>,
    /// Folders that cannot be looked into, and why.
    pub(super) closed: Vec<(PathBuf, String)>,
    /// Folders with a link to a file that is called by another path.
    pub(super) links: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
}

fn no_file(kind: FileType) -> String {
    format!("is {} and no file, and was not opened", special(kind))
}

impl Tree {
    /// Looks at a folder and all below it.
    ///
    /// # Errors
    /// The folder itself cannot be read.
    pub(super) fn below(path: &Path) -> Result<Self> {
        let mut walk = Walk::default();
        walk.folder(path)?;
        while let Some(link) = walk.folder_links.pop() {
            walk.linked_folder(&link)?;
        }
        walk.linked_files();
        let mut tree = walk.tree;
        tree.files.sort();
        tree.unseen.sort();
        tree.closed.sort();
        Ok(tree)
    }
}

#[derive(Default)]
struct Walk {
    tree: Tree,
    /// Folders whose trees were walked: where they are, and what they are called.
    walked: Vec<(PathBuf, PathBuf)>,
    folder_links: Vec<PathBuf>,
    file_links: Vec<PathBuf>,
}

impl Walk {
    fn folder(&mut self, shown: &Path) -> Result<()> {
        let real = shown.canonicalize().map_err(|e| Error::io(shown, e))?;
        let before: Vec<PathBuf> = self.walked.iter().map(|(real, _)| real.clone()).collect();
        self.walked.push((real.clone(), shown.to_owned()));
        let is_new = |entry: &walkdir::DirEntry| {
            let below = entry.path().strip_prefix(shown).unwrap_or(Path::new(""));
            !before.contains(&real.join(below))
        };
        for entry in WalkDir::new(shown).into_iter().filter_entry(is_new) {
            match entry {
                Ok(entry) if entry.depth() == 0 || entry.file_type().is_dir() => {}
                Ok(entry) if entry.file_type().is_file() => {
                    self.tree.files.push(entry.into_path());
                }
                Ok(entry) if entry.file_type().is_symlink() => self.link(entry.into_path()),
                Ok(entry) => {
                    let problem = no_file(entry.file_type());
                    self.tree.unseen.push((entry.into_path(), problem));
                }
                Err(e) if e.depth() == 0 => return Err(Error::io(shown, e.into())),
                Err(e) => {
                    let at = e.path().unwrap_or(shown).to_owned();
                    self.tree.closed.push((at, "cannot be read".into()));
                }
            }
        }
        Ok(())
    }

    fn link(&mut self, link: PathBuf) {
        match std::fs::metadata(&link) {
            Ok(target) if target.is_dir() => self.folder_links.push(link),
            Ok(target) if target.is_file() => self.file_links.push(link),
            Ok(target) => {
                let problem = no_file(target.file_type());
                self.tree.unseen.push((link, problem));
            }
            Err(e) if e.kind() == ErrorKind::NotFound => {
                self.tree.unseen.push((link, "is a symbolic link that leads nowhere".into()));
            }
            Err(e) => {
                self.tree
                    .unseen
                    .push((link, format!("is a symbolic link that leads nowhere ({e})")));
            }
        }
    }

    fn linked_folder(&mut self, link: &Path) -> Result<()> {
        let real = link.canonicalize().map_err(|e| Error::io(link, e))?;
        if self.walked.iter().any(|(walked, _)| real.starts_with(walked)) {
            return Ok(());
        }
        if self.walked.iter().any(|(walked, _)| walked.starts_with(&real)) {
            let problem = "is a symbolic link to a folder above, and was not followed";
            self.tree.closed.push((link.to_owned(), problem.into()));
            return Ok(());
        }
        self.folder(link)
    }

    fn linked_files(&mut self) {
        self.file_links.sort();
        let mut called: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
        for link in std::mem::take(&mut self.file_links) {
            let Ok(real) = link.canonicalize() else {
                self.tree.unseen.push((link, "is a symbolic link that leads nowhere".into()));
                continue;
            };
            let found = self.walked.iter().find_map(|(walked, shown)| {
                real.strip_prefix(walked).ok().map(|below| shown.join(below))
            });
            let known = found.or_else(|| called.get(&real).cloned());
            match (known, link.parent()) {
                (Some(file), Some(folder)) => {
                    self.tree.links.entry(file).or_default().insert(folder.to_owned());
                }
                (Some(_), None) => {}
                (None, _) => {
                    called.insert(real, link.clone());
                    self.tree.files.push(link);
                }
            }
        }
    }
}
