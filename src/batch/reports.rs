//! The reports of a folder under their patients' names, and the page over all patients.
//!
//! `reports/` is a folder that people keep things in. What abscope wrote there is on a list with its
//! digests; only that is replaced, and removed when it is not made any more. A file that is not on the
//! list, or was changed since, is its owner's: the report gets another name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::journal;
use super::manifest::CaseRequest;
use crate::digest::hex;
use crate::error::{Error, Result};
use crate::output::{self, OutputFile};
use crate::report::{CohortPatient, CohortSignature, cohort_page};

/// The page over all patients.
pub(super) const COHORT: &str = "cohort.html";
/// The folder of the reports.
pub(super) const FOLDER: &str = "reports";
/// The list of abscope's own files in it, next to it.
const LIST: &str = "reports.jsonl";
/// Bytes of a name that are taken from an id: with a number, an ending and a hash it is still shorter
/// than the 255 bytes that file systems allow.
const NAME_BYTES: usize = 120;

/// The reports of a folder: `reports/PATIENT.html` and `.json`.
pub(super) struct Reports {
    folder: PathBuf,
    list: PathBuf,
    /// Names that are taken, in lower case: not every file system tells the cases apart.
    names: BTreeSet<String>,
    /// What abscope wrote, also in earlier runs.
    own: Own,
    /// Digests of the files of this run.
    made: BTreeMap<String, String>,
}

/// A file of a case's report.
struct Part {
    ending: &'static str,
    sha256: String,
    bytes: Vec<u8>,
}

impl Reports {
    /// Begins with none; those of an earlier run stay until the end.
    pub(super) fn create(folder: &Path, wanted: bool) -> Result<Self> {
        let records = journal::cases_folder(folder);
        let list = folder.join(LIST);
        let folder = folder.join(FOLDER);
        if wanted {
            std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
        }
        output::remove_left_over(&folder)?;
        let own = Own::of(&list, &folder, &records)?;
        Ok(Self { folder, list, names: BTreeSet::new(), own, made: BTreeMap::new() })
    }

    /// Gives the report of a finished case its patient's name, and says where its page lies.
    pub(super) fn add(&mut self, case: &CaseRequest, key: &str, records: &Path) -> Result<String> {
        let part = |kept, ending| {
            let path = journal::report_path(records, key, kept);
            let bytes = std::fs::read(&path).map_err(|e| Error::io(&path, e))?;
            Ok::<_, Error>(Part { ending, sha256: hex(&Sha256::digest(&bytes)), bytes })
        };
        let parts = [part(journal::HTML, "html")?, part(journal::JSON, "json")?];
        let name = self.name(case, &parts);
        for part in parts {
            self.write(format!("{name}.{}", part.ending), part)?;
        }
        Ok(format!("{FOLDER}/{name}.html"))
    }

    /// A name that neither another report of this run nor somebody's file has.
    fn name(&mut self, case: &CaseRequest, parts: &[Part]) -> String {
        let patient = file_name(&case.patient);
        let of_case = format!("{patient}-case-{}", case.order);
        let more = (2_u64..).map(|n| format!("{of_case}-{n}"));
        let free = |name: &String| {
            !self.names.contains(&name.to_lowercase())
                && parts.iter().all(|Part { ending, sha256, .. }| {
                    let file = format!("{name}.{ending}");
                    let found = Found::at(&self.folder.join(&file));
                    found.is_free_for(sha256, self.own.digests(&file))
                })
        };
        let mut names = [patient.clone(), of_case.clone()].into_iter().chain(more);
        let name = names.find(free).expect("there are more names than files");
        self.names.insert(name.to_lowercase());
        name
    }

    fn write(&mut self, file: String, part: Part) -> Result<()> {
        let path = self.folder.join(&file);
        let found = Found::at(&path);
        // On the list first: a run that is killed knows its own.
        self.own.add(&self.list, &file, &part.sha256)?;
        if !found.is_copy_of(&part.sha256) {
            let mut output = OutputFile::create(&path)?;
            output.write_all(&part.bytes).map_err(|e| Error::io(&path, e))?;
            output.finish()?;
        }
        self.made.insert(file, part.sha256);
        Ok(())
    }

    /// Removes what abscope wrote and does not make any more.
    pub(super) fn finish(self) -> Result<()> {
        for (file, digests) in &self.own.files {
            let path = self.folder.join(file);
            let own = Found::at(&path).is_one_of(digests);
            // Where cases are not told apart, the older name may be that of a new report.
            if own && !self.made.contains_key(file) && !self.is_made(&path) {
                std::fs::remove_file(&path).map_err(|e| Error::io(&path, e))?;
            }
        }
        let list = self.list;
        if self.made.is_empty() {
            match std::fs::remove_file(&list) {
                Err(e) if !is_absent(&e) => return Err(Error::io(&list, e)),
                // Where somebody's files are in it, it stays.
                _ => drop(std::fs::remove_dir(&self.folder)),
            }
            return Ok(());
        }
        let made = self.made.into_iter();
        write_list(&list, &made.map(|(file, sha256)| (file, BTreeSet::from([sha256]))).collect())
    }

    /// Whether a path is that of a report of this run, under a name that differs in case.
    fn is_made(&self, path: &Path) -> bool {
        let lower = |name: &str| name.to_lowercase();
        let name = lower(&path.file_name().unwrap_or_default().to_string_lossy());
        let mut alike = self.made.keys().filter(|made| lower(made) == name);
        alike.any(|made| same_file(&self.folder.join(made), path))
    }
}

#[cfg(unix)]
fn same_file(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |path: &Path| path.symlink_metadata().ok().map(|m| (m.dev(), m.ino()));
    id(a).is_some() && id(a) == id(b)
}

#[cfg(not(unix))]
fn same_file(_a: &Path, _b: &Path) -> bool {
    true
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// An id as a name of a file: what is no letter, digit, hyphen or underscore is replaced, and a long
/// one is shortened, with a hash of the whole.
fn file_name(id: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || "-_".contains(c) { c } else { '_' };
    let mut name: String = id.chars().map(plain).collect();
    if name.len() > NAME_BYTES {
        name.truncate(name.floor_char_boundary(NAME_BYTES));
        name.push('-');
        name.push_str(&hex(&Sha256::digest(id))[..16]);
    }
    name
}

/// What is in the place of a report.
enum Found {
    Nothing,
    File {
        sha256: String,
        /// Whether a change of it would change another file, as version 0.1.0 left them.
        linked: bool,
    },
    /// A folder, a link, or a file that cannot be read.
    Other,
}

impl Found {
    fn at(path: &Path) -> Self {
        match path.symlink_metadata() {
            Err(e) if is_absent(&e) => Self::Nothing,
            Ok(metadata) if metadata.is_file() => match std::fs::read(path) {
                Ok(bytes) => {
                    Self::File { sha256: hex(&Sha256::digest(bytes)), linked: linked(&metadata) }
                }
                Err(_) => Self::Other,
            },
            _ => Self::Other,
        }
    }

    fn is_one_of(&self, digests: &BTreeSet<String>) -> bool {
        matches!(self, Self::File { sha256, .. } if digests.contains(sha256))
    }

    fn is_free_for(&self, new: &str, own: Option<&BTreeSet<String>>) -> bool {
        match self {
            Self::Nothing => true,
            Self::File { sha256, .. } => {
                sha256 == new || own.is_some_and(|digests| digests.contains(sha256))
            }
            Self::Other => false,
        }
    }

    fn is_copy_of(&self, digest: &str) -> bool {
        matches!(self, Self::File { sha256, linked: false } if sha256 == digest)
    }
}

#[cfg(unix)]
fn linked(metadata: &std::fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(metadata) > 1
}

#[cfg(not(unix))]
fn linked(_metadata: &std::fs::Metadata) -> bool {
    true
}

/// The list of abscope's own files: a line is added before a file is written.
struct Own {
    /// Every content that abscope gave a file.
    files: BTreeMap<String, BTreeSet<String>>,
    list: Option<File>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    file: String,
    sha256: String,
}

fn line(line: &Line) -> Vec<u8> {
    let mut text = serde_json::to_vec(line).expect("plain data");
    text.push(b'\n');
    text
}

impl Own {
    fn of(list: &Path, folder: &Path, records: &Path) -> Result<Self> {
        let files = match std::fs::read(list) {
            Ok(text) => listed(&String::from_utf8_lossy(&text)),
            Err(e) if is_absent(&e) => {
                let files = unlisted(folder, records);
                if !files.is_empty() {
                    write_list(list, &files)?;
                }
                files
            }
            Err(e) => return Err(Error::io(list, e)),
        };
        Ok(Self { files, list: None })
    }

    fn digests(&self, file: &str) -> Option<&BTreeSet<String>> {
        self.files.get(file)
    }

    fn add(&mut self, path: &Path, file: &str, sha256: &str) -> Result<()> {
        let digests = self.files.entry(file.to_owned()).or_default();
        if !digests.insert(sha256.to_owned()) {
            return Ok(());
        }
        let io = |e| Error::io(path, e);
        let list = match &mut self.list {
            Some(list) => list,
            none => {
                let mut list =
                    OpenOptions::new().create(true).append(true).open(path).map_err(io)?;
                // A killed run can leave half a line at the end.
                list.write_all(b"\n").map_err(io)?;
                none.insert(list)
            }
        };
        let line = line(&Line { file: file.to_owned(), sha256: sha256.to_owned() });
        list.write_all(&line).map_err(io)
    }
}

fn write_list(path: &Path, files: &BTreeMap<String, BTreeSet<String>>) -> Result<()> {
    let mut output = OutputFile::create(path)?;
    for (file, digests) in files {
        for sha256 in digests {
            let line = line(&Line { file: file.clone(), sha256: sha256.clone() });
            output.write_all(&line).map_err(|e| Error::io(path, e))?;
        }
    }
    output.finish()
}

fn listed(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut files: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let inside = |line: &Line| Path::new(&line.file).file_name() == Some(line.file.as_ref());
    for line in text.lines().filter_map(|line| serde_json::from_str(line).ok()).filter(inside) {
        files.entry(line.file).or_default().insert(line.sha256);
    }
    files
}

/// Version 0.1.0 left no list; its reports are the journal's own files, or copies of them.
fn unlisted(folder: &Path, records: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let digests = |folder: &Path| -> BTreeMap<String, String> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let report = |name: &String| name.ends_with(".html") || name.ends_with(".json");
        entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(report)
            .filter_map(|name| match Found::at(&folder.join(&name)) {
                Found::File { sha256, .. } => Some((name, sha256)),
                _ => None,
            })
            .collect()
    };
    let reports = digests(folder);
    if reports.is_empty() {
        return BTreeMap::new();
    }
    let kept: BTreeSet<String> = digests(records).into_values().collect();
    let own = reports.into_iter().filter(|(_, sha256)| kept.contains(sha256));
    own.map(|(name, sha256)| (name, BTreeSet::from([sha256]))).collect()
}

/// The page over all patients under construction. A row takes some hundred bytes, so that all of a
/// cohort are kept.
pub(super) struct CohortFile {
    path: PathBuf,
    file: OutputFile,
    signature: CohortSignature,
    pub(super) patients: Vec<CohortPatient>,
}

impl CohortFile {
    pub(super) fn create(folder: &Path, signature: CohortSignature) -> Result<Self> {
        let path = folder.join(COHORT);
        let file = OutputFile::create(&path)?;
        Ok(Self { path, file, signature, patients: Vec::new() })
    }

    pub(super) fn finish(mut self) -> Result<()> {
        let page = cohort_page(&self.signature, "Cohort", &self.patients)?;
        self.file.write_all(page.as_bytes()).map_err(|e| Error::io(&self.path, e))?;
        self.file.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::testing;

    fn add(reports: &mut Reports, records: &Path, order: usize, patient: &str, page: &str) {
        std::fs::create_dir_all(records).expect("made");
        for ending in [journal::HTML, journal::JSON] {
            let path = journal::report_path(records, page, ending);
            std::fs::write(path, format!("{page} {ending}")).expect("written");
        }
        let case = CaseRequest { order, patient: patient.into(), ..testing::request() };
        reports.add(&case, page, records).expect("added");
    }

    #[test]
    fn a_name_fits_a_file_system_and_has_the_hash_of_what_it_leaves_out() {
        assert_eq!(file_name("A-1_b"), "A-1_b");
        assert_eq!(file_name("../A 1/\u{1f600}"), "___A_1__");
        let long = ["x".repeat(300), "x".repeat(301), "\u{fc}".repeat(130), "\u{4e2d}".repeat(90)];
        let names: BTreeSet<String> = long.iter().map(|id| file_name(id)).collect();
        assert_eq!(names.len(), long.len());
        assert!(names.iter().all(|name| name.len() <= 140 && name.len() > 100), "{names:?}");
    }

    #[test]
    fn a_run_that_was_killed_knows_its_own() {
        let ground = tempfile::tempdir().expect("a folder");
        let records = journal::cases_folder(ground.path());
        let create = || Reports::create(ground.path(), true).expect("made");
        let mut reports = create();
        add(&mut reports, &records, 1, "A", "first");
        add(&mut reports, &records, 2, "B", "second");
        drop(reports);
        let list = ground.path().join(LIST);
        let mut text = std::fs::read(&list).expect("there");
        text.extend(b"{\"file\":\"C.ht");
        std::fs::write(&list, text).expect("written");

        let mut reports = create();
        add(&mut reports, &records, 1, "A", "third");
        reports.finish().expect("finished");
        let mut left: Vec<_> = std::fs::read_dir(ground.path().join(FOLDER))
            .expect("there")
            .map(|entry| entry.expect("readable").file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["A.html", "A.json"]);
        let text = std::fs::read_to_string(list).expect("there");
        assert_eq!(text.lines().count(), 2, "{text}");
    }

    /// The reports of version 0.1.0 were hard links to the journal's files, on no list.
    #[test]
    fn reports_of_the_first_version_are_known_by_the_journal() {
        let ground = tempfile::tempdir().expect("a folder");
        let records = journal::cases_folder(ground.path());
        let folder = ground.path().join(FOLDER);
        std::fs::create_dir_all(&folder).expect("made");
        std::fs::create_dir_all(&records).expect("made");
        for (page, name) in [("first", "A"), ("second", "B")] {
            for (kept, ending) in [(journal::HTML, "html"), (journal::JSON, "json")] {
                let path = journal::report_path(&records, page, kept);
                std::fs::write(&path, format!("{page} {kept}")).expect("written");
                std::fs::hard_link(path, folder.join(format!("{name}.{ending}"))).expect("linked");
            }
        }
        std::fs::write(folder.join("mine.html"), "mine").expect("written");
        let mut reports = Reports::create(ground.path(), true).expect("made");
        add(&mut reports, &records, 1, "A", "first");
        reports.finish().expect("finished");
        assert!(!folder.join("B.html").exists() && folder.join("mine.html").exists());
        // A change of the report is none of the journal's.
        std::fs::write(folder.join("A.html"), "changed").expect("written");
        let kept = std::fs::read(journal::report_path(&records, "first", journal::HTML));
        assert_eq!(kept.expect("there"), b"first html");
    }
}
