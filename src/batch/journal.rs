//! What is done already: one file per case, and which content the inputs had.
//!
//! A finished case is `cases/KEY.json`, where the key is the SHA-256 of everything that its rows
//! depend on: the content of its inputs, what the manifest asks for, the plan, and the last version of
//! abscope that corrected one of its values. A case for which one of these changed has another key and
//! is done again; nothing has to be invalidated. The file appears whole or not at all.
//!
//! Its first line is the SHA-256 of its key and of the rest, so that neither a changed record nor one
//! under another's name is taken over; the record has the digests of its report's files. Such a case is
//! done again. Version 0.1.0 left out the key and the reports' digests.
//!
//! So that a run which resumes need not read a cohort only to hash it, `inputs.jsonl` remembers the
//! content of files by size and time stamps. It can be deleted at any time.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Options;
use super::manifest::CaseRequest;
use crate::digest::hex;
use crate::error::{Error, Message, Result};
use crate::features::{Column, ColumnKey, Columns};
use crate::ingest::Scan;
use crate::ingest::dicom::series::SlicePolicy;
use crate::ingest::sites::SiteTable;
use crate::output::{self, OutputFile};
use crate::plan::corrections::{self, Correction, Version};
use crate::region::RegionFacts;
use crate::report::CohortPatient;
use crate::row::Row;
use crate::table::Cell;
use crate::table::scores::ScoreRow;
use crate::value::{Missing, Value};

/// The rows of one case, as kept on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The pseudonymous id of the patient.
    pub patient: String,
    /// One cell per carried column.
    pub carried: Vec<String>,
    /// What the readers noticed.
    pub warnings: Vec<String>,
    /// Rows of the score table.
    pub scores: Vec<Vec<String>>,
    /// Whether there is a report.
    pub report: bool,
    /// The patient's row of the cohort page, where there is a report.
    pub cohort: Option<CohortPatient>,
    /// SHA-256 of the report's files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digests: Option<ReportDigests>,
    /// Which lesions have no values since resampling left no voxel of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
    /// Why there is no report, though a model was given.
    pub no_report: Option<String>,
    columns: Vec<String>,
    rows: Vec<StoredRow>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReportDigests {
    html: String,
    json: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredRow {
    lesion: String,
    name: Option<String>,
    site: Option<String>,
    kvp: Option<f64>,
    #[serde(default)]
    scan: Scan,
    volume_ml: f64,
    plan_hash: String,
    version: String,
    facts: Vec<RegionFacts>,
    values: Vec<StoredValue>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum StoredValue {
    Number(f64),
    Missing(Missing),
}

impl Record {
    /// The record of a case, without scores and report.
    pub fn new(patient: &str, carried: &[String], warnings: &[Message], rows: &[Row]) -> Self {
        let columns = rows.first().map(|row| row.columns().names().to_vec());
        let stored = |value: &Value| match *value {
            Ok(number) if number.is_finite() => StoredValue::Number(number),
            // JSON has no other numbers.
            Ok(_) => StoredValue::Missing(Missing::NotFinite),
            Err(reason) => StoredValue::Missing(reason),
        };
        Self {
            patient: patient.to_owned(),
            carried: carried.to_vec(),
            warnings: warnings.iter().map(Message::withheld).collect(),
            scores: Vec::new(),
            report: false,
            cohort: None,
            digests: None,
            lost: None,
            no_report: None,
            columns: columns.unwrap_or_default(),
            rows: rows
                .iter()
                .map(|row| StoredRow {
                    lesion: row.lesion.clone(),
                    name: row.name.clone(),
                    site: row.site.clone(),
                    kvp: row.kvp,
                    scan: row.scan.clone(),
                    volume_ml: row.volume_ml.unwrap_or_default(),
                    plan_hash: row.plan_hash.clone().unwrap_or_default(),
                    version: row.version.clone().unwrap_or_default(),
                    facts: row.facts.clone(),
                    values: row.values().iter().map(stored).collect(),
                })
                .collect(),
        }
    }

    /// The rows of the score table. Those that version 0.1.0 wrote have no columns of the scan, and of
    /// lesions without a score they lack the site, which the lesion's own row has.
    pub fn score_rows(&self) -> Vec<Vec<String>> {
        let header = ScoreRow::header();
        let place = |name: &str| header.iter().position(|h| *h == name);
        let [lesion, site, kvp, volume] = ["lesion", "site", "kvp", "volume_ml"]
            .map(|name| place(name).expect("the score table has these columns"));
        let complete = |mut cells: Vec<String>| {
            let lacking = header.len().saturating_sub(cells.len());
            if lacking > 0 && cells.len() > site {
                cells.splice(
                    site + 1..site + 1,
                    vec![String::new(); lacking.min(volume - site - 1)],
                );
            }
            let own = self.rows.iter().find(|row| cells.get(lesion) == Some(&row.lesion));
            for (at, known) in [
                (site, own.and_then(|row| row.site.clone())),
                (kvp, own.and_then(|row| row.kvp).map(|kvp| Cell::Number(kvp).to_string())),
            ] {
                if let Some(cell) = cells.get_mut(at).filter(|cell| cell.is_empty()) {
                    cell.clone_from(&known.unwrap_or_default());
                }
            }
            cells
        };
        self.scores.iter().cloned().map(complete).collect()
    }

    /// # Errors
    /// A file of the report is missing or not as it was written.
    pub fn check_report(&self, cases: &Path, key: &str) -> Result<()> {
        if !self.report {
            return Ok(());
        }
        let digests = self.digests.as_ref();
        for (ending, expected) in
            [(HTML, digests.map(|d| &d.html)), (JSON, digests.map(|d| &d.json))]
        {
            let path = report_path(cases, key, ending);
            let bytes = std::fs::read(&path).map_err(|e| Error::io(&path, e))?;
            if expected.is_some_and(|expected| *expected != hex(&Sha256::digest(&bytes))) {
                return Err(Error::bad_data(&path, "was changed after it was written"));
            }
        }
        Ok(())
    }

    /// The rows; `None` where a column is not known to this version of abscope.
    pub fn rows(&self) -> Option<Vec<Row>> {
        let known: Option<Vec<ColumnKey>> =
            self.columns.iter().map(|name| Column::parse(name).map(ColumnKey::from)).collect();
        let columns = Arc::new(Columns::new(known?));
        let value = |stored: &StoredValue| match *stored {
            StoredValue::Number(number) => Ok(number),
            StoredValue::Missing(reason) => Err(reason),
        };
        let row = |stored: &StoredRow| {
            let values = stored.values.iter().map(value).collect();
            let mut row = Row::new(&self.patient, &stored.lesion, Arc::clone(&columns), values);
            row.name.clone_from(&stored.name);
            row.site.clone_from(&stored.site);
            row.kvp = stored.kvp;
            row.scan = stored.scan.clone();
            row.volume_ml = Some(stored.volume_ml);
            row.plan_hash = Some(stored.plan_hash.clone());
            row.version = Some(stored.version.clone());
            row.facts.clone_from(&stored.facts);
            row
        };
        Some(self.rows.iter().map(row).collect())
    }
}

/// The finished cases of an output folder.
#[derive(Debug)]
pub struct Journal {
    cases: PathBuf,
    inputs_path: PathBuf,
    /// Content of inputs by the digest of paths, sizes and time stamps.
    known: BTreeMap<String, Vec<String>>,
    inputs: Mutex<File>,
}

#[derive(Serialize, Deserialize)]
struct InputsLine {
    files: String,
    content: Vec<String>,
}

impl Journal {
    /// Opens the journal of an output folder, and clears away what a killed run left half written.
    ///
    /// # Errors
    /// The folder cannot be read or written.
    pub fn open(folder: &Path) -> Result<Self> {
        let cases = cases_folder(folder);
        std::fs::create_dir_all(&cases).map_err(|e| Error::io(&cases, e))?;
        for place in [folder, &cases] {
            output::remove_left_over(place)?;
        }
        let inputs_path = folder.join("inputs.jsonl");
        let text = std::fs::read(&inputs_path).unwrap_or_default();
        // A killed run can leave half a line at the end; it is skipped, and its case hashed again.
        let known = String::from_utf8_lossy(&text)
            .lines()
            .filter_map(|line| serde_json::from_str::<InputsLine>(line).ok())
            .map(|line| (line.files, line.content))
            .collect();
        let mut inputs = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&inputs_path)
            .map_err(|e| Error::io(&inputs_path, e))?;
        if text.last().is_some_and(|byte| *byte != b'\n') {
            inputs.write_all(b"\n").map_err(|e| Error::io(&inputs_path, e))?;
        }
        Ok(Self { cases, inputs_path, known, inputs: Mutex::new(inputs) })
    }

    /// The content of a case's inputs, where their files are as they were when last read.
    pub fn content(&self, case: &CaseRequest) -> Option<&[String]> {
        self.known.get(&fingerprint(case)?).map(Vec::as_slice)
    }

    /// Remembers the content of a case's inputs. `fingerprint` was taken before they were read.
    ///
    /// # Errors
    /// The disk is full.
    pub fn remember(&self, fingerprint: Option<String>, content: &[String]) -> Result<()> {
        let Some(files) = fingerprint else { return Ok(()) };
        if self.known.contains_key(&files) {
            return Ok(());
        }
        let line = InputsLine { files, content: content.to_vec() };
        let mut line = serde_json::to_vec(&line).expect("plain data");
        line.push(b'\n');
        let mut file = self.inputs.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line).map_err(|e| Error::io(&self.inputs_path, e))
    }

    /// Whether there is a record of a case, whole or not.
    pub fn has(&self, key: &str) -> bool {
        path(&self.cases, key).is_file()
    }

    /// Whether a case is done: its record is there, and it and its report are as they were written.
    ///
    /// # Errors
    /// Its record or report is damaged. The record is removed, so that the case is done again.
    pub fn is_done(&self, key: &str) -> Result<bool> {
        if !self.has(key) {
            return Ok(false);
        }
        let report = read(&self.cases, key)?.check_report(&self.cases, key);
        if report.is_err() {
            // As of a damaged record: what cannot be removed is told again by the next run.
            let _ = std::fs::remove_file(path(&self.cases, key));
        }
        report.map(|()| true)
    }

    /// Puts a finished case on disk, its report first: the record says that the case is done.
    ///
    /// # Errors
    /// The disk is full or the folder not writable.
    pub fn write(&self, key: &str, mut record: Record, report: Option<&ReportFiles>) -> Result<()> {
        if let Some(report) = report {
            write_whole(&report_path(&self.cases, key, HTML), &[&report.html])?;
            write_whole(&report_path(&self.cases, key, JSON), &[&report.json])?;
            record.digests = Some(ReportDigests {
                html: hex(&Sha256::digest(&report.html)),
                json: hex(&Sha256::digest(&report.json)),
            });
        }
        let body = serde_json::to_vec(&record).expect("plain data");
        let digest = digest(key, &body);
        write_whole(&path(&self.cases, key), &[digest.as_bytes(), b"\n", &body])
    }
}

/// The endings of a report's files in the journal.
pub const HTML: &str = "html";
/// The same for programs.
pub const JSON: &str = "report.json";

/// The digest of a record under a key.
fn digest(key: &str, body: &[u8]) -> String {
    hex(&Sha256::new().chain_update(key).chain_update("\n").chain_update(body).finalize())
}

/// A report as bytes of files.
#[derive(Clone, Debug)]
pub struct ReportFiles {
    /// The page.
    pub html: Vec<u8>,
    /// The same for programs.
    pub json: Vec<u8>,
}

fn write_whole(path: &Path, parts: &[&[u8]]) -> Result<()> {
    let mut file = OutputFile::create(path)?;
    for part in parts {
        file.write_all(part).map_err(|e| Error::io(path, e))?;
    }
    file.finish()
}

/// Where the report of a finished case is kept.
pub fn report_path(cases: &Path, key: &str, ending: &str) -> PathBuf {
    cases.join(format!("{key}.{ending}"))
}

/// Where an output folder keeps its finished cases.
pub fn cases_folder(folder: &Path) -> PathBuf {
    folder.join("cases")
}

fn path(cases: &Path, key: &str) -> PathBuf {
    cases.join(format!("{key}.json"))
}

/// Reads a finished case.
///
/// # Errors
/// It is not there or damaged; a damaged one is removed, so that the next run does it again.
pub fn read(cases: &Path, key: &str) -> Result<Record> {
    let path = path(cases, key);
    let bytes = std::fs::read(&path).map_err(|e| Error::io(&path, e))?;
    let whole = bytes.split_at_checked(65).and_then(|(digest, body)| {
        let expected = [self::digest(key, body), hex(&Sha256::digest(body))];
        let intact = expected.iter().any(|e| digest[..64] == *e.as_bytes());
        intact.then(|| serde_json::from_slice(body).ok())?
    });
    whole.ok_or_else(|| {
        // If it cannot be removed, the next run reports it again: nothing is lost by ignoring that.
        let _ = std::fs::remove_file(&path);
        Error::bad_data(&path, "was damaged after it was written")
    })
}

/// The keys of cases: what their rows, scores and reports depend on.
///
/// A later version of abscope has the same keys, so that it takes over what is done, but where a
/// correction of values touches the plan.
#[derive(Debug)]
pub(super) struct Keys {
    /// What all cases of a run have in common.
    shared: serde_json::Map<String, serde_json::Value>,
    /// The first release and the corrections since that touch the plan, oldest first.
    epochs: Vec<Version>,
}

impl Keys {
    pub(super) fn new(options: &Options, corrections: &[Correction]) -> Self {
        let plan = &options.plan;
        let shared = serde_json::json!({
            "regrid_mask": options.regrid_mask,
            "uneven_slices": options.uneven_slices == SlicePolicy::Resample,
            "site_table": options.site_table.as_ref().map(SiteTable::rows),
            // The whole plan, not its hash: the hash leaves out which features are computed.
            "plan": plan.oldest_form(),
            "model": options.model.as_ref().map(|model| (model.hash(), options.perturbations)),
        });
        let epochs = corrections::epochs(plan.columns().own(), plan.processing(), corrections);
        Self { shared: shared.as_object().expect("an object").clone(), epochs }
    }

    /// The key of a case whose inputs have this content.
    pub(super) fn of(&self, case: &CaseRequest, content: &[String]) -> String {
        self.in_epoch(case, content, *self.epochs.last().expect("the first release"))
    }

    /// The version since which a case has other values than those under its older key, where
    /// `is_done` holds for one.
    pub(super) fn corrected(
        &self,
        case: &CaseRequest,
        content: &[String],
        is_done: impl Fn(&str) -> bool,
    ) -> Option<Version> {
        let older = self.epochs.windows(2).rev();
        let done = |pair: &&[Version]| is_done(&self.in_epoch(case, content, pair[0]));
        older.into_iter().find(done).map(|pair| pair[1])
    }

    fn in_epoch(&self, case: &CaseRequest, content: &[String], epoch: Version) -> String {
        let mut all = self.shared.clone();
        all.insert("request".into(), case.canonical());
        all.insert("content".into(), content.into());
        all.insert("version".into(), epoch.to_string().into());
        hex(&Sha256::digest(crate::digest::sorted(all.into()).to_string()))
    }
}

/// Digest of the paths, sizes and time stamps of a case's files; `None` where one cannot be seen.
pub fn fingerprint(case: &CaseRequest) -> Option<String> {
    let mut digest = Sha256::new();
    // Content that version 0.1.0 remembered says nothing of the scan.
    digest.update(b"2\n");
    for path in case.files() {
        let mut files = walkdir::WalkDir::new(path).sort_by_file_name().into_iter();
        while let Some(entry) = files.next().transpose().ok()? {
            // Follows links, whose target is what is read.
            let metadata = std::fs::metadata(entry.path()).ok()?;
            if metadata.is_file() {
                digest.update(entry.path().as_os_str().as_encoded_bytes());
                digest.update(stamp(&metadata)?);
            }
        }
        digest.update(b"\n");
    }
    Some(hex(&digest.finalize()))
}

/// Size and times. The time of change, where there is one, moves even if the other is set back.
fn stamp(metadata: &std::fs::Metadata) -> Option<String> {
    let modified = metadata.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    #[cfg(unix)]
    let changed = {
        use std::os::unix::fs::MetadataExt;
        format!("{}.{}", metadata.ctime(), metadata.ctime_nsec())
    };
    #[cfg(not(unix))]
    let changed = "";
    Some(format!("|{}|{}|{changed}|", metadata.len(), modified.as_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::testing;
    use crate::region::Region;

    fn rows() -> Vec<Row> {
        let columns = Arc::new(Columns::parse([
            "tumour_original_stat_mean",
            "ring_original_stat_var",
            "ring_original_stat_max",
        ]));
        let values = vec![Ok(1.0), Err(Missing::EmptyRegion), Ok(-2.2e-308)];
        let mut row = Row::new("P", "1", columns, values);
        row.site = Some("liver".into());
        row.volume_ml = Some(0.1 + 0.2);
        row.plan_hash = Some("h".into());
        row.version = Some("v".into());
        row.facts = vec![RegionFacts {
            region: Region::Ring,
            voxels: 1,
            voxels_kept: 0,
            levels: None,
            intensity_range: Some([-1e-9, 1.0]),
            air_fraction: 1.0 / 3.0,
            bone_fraction: 0.0,
            touches_border: false,
        }];
        vec![row]
    }

    #[test]
    fn a_record_reads_back_to_the_bit_and_a_damaged_one_is_removed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let journal = Journal::open(folder.path()).expect("writable");
        let record = Record::new("P", &["c".into()], &["w".into()], &rows());
        journal.write("k", record, None).expect("room on the disk");
        assert!(journal.is_done("k").expect("whole"));
        let cases = cases_folder(folder.path());
        assert_eq!(read(&cases, "k").expect("whole").rows(), Some(rows()));

        let path = cases.join("k.json");
        let mut bytes = std::fs::read(&path).expect("there");
        let last = bytes.len() - 10;
        bytes[last] ^= 1;
        std::fs::write(&path, bytes).expect("written");
        journal.is_done("k").expect_err("damaged");
        assert!(!journal.is_done("k").expect("removed"));
    }

    #[test]
    fn a_record_under_another_key_and_a_changed_report_are_no_case_that_is_done() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let journal = Journal::open(folder.path()).expect("writable");
        let mut record = Record::new("P", &[], &[], &rows());
        record.report = true;
        let report = ReportFiles { html: b"<html>".to_vec(), json: b"{}".to_vec() };
        for key in ["a", "b"] {
            journal.write(key, record.clone(), Some(&report)).expect("room on the disk");
            assert!(journal.is_done(key).expect("whole"));
        }
        let cases = cases_folder(folder.path());
        for ending in [HTML, JSON] {
            let path = report_path(&cases, "a", ending);
            let whole = std::fs::read(&path).expect("there");
            for spoilt in [Some(&b"<htmk>"[..]), Some(b""), None] {
                match spoilt {
                    Some(bytes) => std::fs::write(&path, bytes).expect("written"),
                    None => std::fs::remove_file(&path).expect("there"),
                }
                let error = journal.is_done("a").expect_err("changed").to_string();
                assert!(error.contains(&format!("a.{ending}")), "{error}");
                assert!(!journal.is_done("a").expect("removed"));
                std::fs::write(&path, &whole).expect("written");
                journal.write("a", record.clone(), Some(&report)).expect("room on the disk");
                assert!(journal.is_done("a").expect("whole again"));
            }
        }
        std::fs::copy(cases.join("b.json"), cases.join("a.json")).expect("copied");
        journal.is_done("a").expect_err("another case's record");
    }

    #[test]
    fn only_a_correction_that_touches_the_plan_makes_a_case_anew() {
        const MEAN: Correction = Correction {
            version: Version(0, 2, 0),
            what: "the mean",
            touches: |column, _| column.feature.id == "stat_mean",
        };
        const OTHERS: Correction = Correction {
            version: Version(0, 3, 0),
            what: "what no plan has",
            touches: |_, _| false,
        };
        let content = ["image:1".to_owned()];
        let case = testing::request();
        let options = testing::options();
        let first = Keys::new(&options, &[]).of(&case, &content);
        assert_eq!(Keys::new(&options, &[OTHERS]).of(&case, &content), first);

        let touched = Keys::new(&options, &[MEAN, OTHERS]);
        assert_ne!(touched.of(&case, &content), first);
        let is_done = |key: &str| key == first;
        assert_eq!(touched.corrected(&case, &content, is_done), Some(Version(0, 2, 0)));
        assert_eq!(touched.corrected(&case, &content, |_| false), None);
    }

    #[test]
    fn half_a_line_of_the_inputs_is_skipped_and_the_next_one_kept() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("inputs.jsonl");
        std::fs::write(&path, "{\"files\":\"a\",\"content\":[\"1\"]}\n{\"files\":\"b\",\"con")
            .expect("written");
        let journal = Journal::open(folder.path()).expect("opens");
        journal.remember(Some("c".into()), &["3".into()]).expect("room");
        let again = Journal::open(folder.path()).expect("opens");
        assert_eq!(again.known.keys().collect::<Vec<_>>(), ["a", "c"]);
    }
}
