//! The small tables of a folder, as CSV: what became of each case, what failed, what to beware of.
//!
//! Each row is a type; the names of its fields are the columns, by which it is read again.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::failures::Failure;
use super::manifest::CaseRequest;
use crate::csv_file::{CsvFile, CsvWriter};
use crate::error::{Error, Result};
use crate::output::OutputFile;

/// What became of each case.
pub(super) const CASES: &str = "cases.csv";
/// The cases that failed.
pub(super) const FAILURES: &str = "failures.csv";
/// What the readers noticed.
pub(super) const WARNINGS: &str = "warnings.csv";

/// A row of `cases.csv`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CaseRow {
    /// The case's place in the manifest.
    #[serde(rename = "case")]
    pub(super) order: usize,
    pub(super) patient: String,
    pub(super) status: CaseStatus,
    /// Rows of the feature table.
    pub(super) lesions: usize,
    /// The key of the case's record, where it is done.
    pub(super) key: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum CaseStatus {
    Waiting,
    Done,
    Failed,
}

impl CaseRow {
    pub(super) const COLUMNS: [&str; 5] = ["case", "patient", "status", "lesions", "key"];

    /// Of a case of which nothing is known yet.
    pub(super) fn of(case: &CaseRequest) -> Self {
        Self {
            order: case.order,
            patient: case.patient.clone(),
            status: CaseStatus::Waiting,
            lesions: 0,
            key: String::new(),
        }
    }
}

impl Failure {
    pub(super) const COLUMNS: [&str; 5] = ["case", "patient", "stage", "error", "way_out"];
}

/// A row of `warnings.csv`.
#[derive(Debug, Serialize)]
pub(super) struct Warning<'a> {
    pub(super) case: usize,
    pub(super) patient: &'a str,
    pub(super) warning: &'a str,
}

impl Warning<'_> {
    pub(super) const COLUMNS: [&'static str; 3] = ["case", "patient", "warning"];
}

/// A small CSV file under construction.
pub(super) struct Listing {
    path: PathBuf,
    csv: CsvWriter<OutputFile>,
}

impl Listing {
    /// Begins a file. Its header is there even if no row is.
    pub(super) fn create(path: &Path, header: &[&str]) -> Result<Self> {
        let csv = CsvWriter::new(OutputFile::create(path)?);
        let mut file = Self { path: path.to_owned(), csv };
        file.write(&header)?;
        Ok(file)
    }

    /// Appends a row: a type with a field per column, or a list of cells.
    pub(super) fn write(&mut self, row: &impl Serialize) -> Result<()> {
        self.csv.row(row).map_err(|e| Error::io(&self.path, e))
    }

    pub(super) fn finish(self) -> Result<()> {
        crate::table::finish_csv(self.csv, &self.path)
    }
}

/// The rows of a table in a folder, by its columns' names; `None` where one makes no sense.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<Vec<T>>> {
    let mut file = CsvFile::open(path)?;
    let header: csv::StringRecord = file.columns().iter().collect();
    let mut rows = Vec::new();
    for record in file.records() {
        let cells: csv::StringRecord = record?.cells().collect();
        let Ok(row) = cells.deserialize(Some(&header)) else { return Ok(None) };
        rows.push(row);
    }
    Ok(Some(rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::failures::Stage;

    #[test]
    fn rows_read_back_as_they_were_and_an_empty_table_has_its_header() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let case = CaseRequest::new(3, "=P, \"1\"".into(), "a/b.nii".as_ref(), "".as_ref());
        let failure = Failure::new(&case, Stage::Report, "two\nlines", "007");
        let row = CaseRow { status: CaseStatus::Done, lesions: 2, ..CaseRow::of(&case) };

        let path = folder.path().join(FAILURES);
        let mut file = Listing::create(&path, &Failure::COLUMNS).expect("writable");
        file.write(&failure).expect("room");
        file.finish().expect("room");
        assert_eq!(read(&path).expect("there"), Some(vec![failure]));

        let path = folder.path().join(CASES);
        let mut file = Listing::create(&path, &CaseRow::COLUMNS).expect("writable");
        file.write(&row).expect("room");
        file.finish().expect("room");
        assert_eq!(read(&path).expect("there"), Some(vec![row]));

        let path = folder.path().join(WARNINGS);
        Listing::create(&path, &Warning::COLUMNS).expect("writable").finish().expect("room");
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "case,patient,warning\n");
    }
}
