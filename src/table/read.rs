//! A table of features read back: abscope's own, or another engine's.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{csv, jsonl};
use crate::error::{Error, Result};
use crate::features::Columns;
use crate::input;
use crate::row::Row;
use crate::value::Value;

/// A feature table in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The file it came from.
    pub path: PathBuf,
    /// The columns with values, in the file's order: abscope's, and other columns that hold nothing
    /// but numbers.
    pub columns: Arc<Columns>,
    /// Names of the other columns, in the file's order.
    pub text_columns: Vec<String>,
    /// The rows, in the file's order.
    pub entries: Vec<Entry>,
}

/// A row, and what only its file tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Where the row begins: the line of a text file, the row's number in a Parquet file, from 1.
    pub line: u64,
    /// The lesion with its values, in the order of [`Table::columns`].
    pub row: Row,
    /// One text per name in [`Table::text_columns`].
    pub texts: Vec<String>,
}

impl Table {
    /// Reads a table. The content decides the format, not the file's ending.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read. [`Error::BadData`], naming line and column, for a
    /// table without `patient` column or without rows, a column or a lesion that is there twice, a
    /// cell of a numeric column that is no number, or a damaged file. [`Error::Unsupported`] for
    /// Parquet in a build without it, or with nested columns.
    pub fn read(path: &Path) -> Result<Self> {
        let io = |e| Error::io(path, e);
        let mut file = input::open(path)?;
        let mut start = Vec::new();
        file.by_ref().take(4096).read_to_end(&mut start).map_err(io)?;
        file.rewind().map_err(io)?;
        if start.starts_with(b"PAR1") {
            return read_parquet(path, file);
        }
        match start.iter().find(|b| !b.is_ascii_whitespace()) {
            Some(b'{') => jsonl::read(path, file),
            Some(_) => csv::read(path, file),
            None => Err(Error::bad_data(path, "is empty; give a feature table with a header")),
        }
    }

    /// The rows, in the table's order.
    pub fn rows(&self) -> impl Iterator<Item = &Row> + Clone {
        self.entries.iter().map(|entry| &entry.row)
    }

    /// The rows of each patient's each scan, in the table's order: lesions of two time points are the
    /// same lesions twice.
    pub fn by_scan(&self) -> Vec<Vec<Row>> {
        let mut groups: Vec<Vec<Row>> = Vec::new();
        let mut places = BTreeMap::new();
        for row in self.rows() {
            let [patient, study, series, _] = row.identity();
            let place = *places.entry([patient, study, series]).or_insert(groups.len());
            if place == groups.len() {
                groups.push(Vec::new());
            }
            groups[place].push(row.clone());
        }
        groups
    }

    /// The hash of the one plan that all rows were computed with; `None` where no row names one.
    ///
    /// # Errors
    /// Rows of different plans, with a line of each.
    pub fn plan_hash(&self) -> Result<Option<&str>> {
        let mut plans: BTreeMap<Option<&str>, (u64, usize)> = BTreeMap::new();
        for entry in &self.entries {
            plans.entry(entry.row.plan_hash.as_deref()).or_insert((entry.line, 0)).1 += 1;
        }
        if plans.len() <= 1 {
            return Ok(plans.into_keys().next().flatten());
        }
        let lines: Vec<String> = plans
            .iter()
            .map(|(hash, (line, n))| {
                format!("{} in {n} rows from line {line}", hash.unwrap_or("no plan hash"))
            })
            .collect();
        Err(Error::bad_data(
            &self.path,
            format!(
                "mixes rows of different settings, which cannot be compared: plan {}; extract all \
                 of them with the same settings",
                lines.join("; plan ")
            ),
        ))
    }

    /// The values of a column, one per row.
    ///
    /// # Errors
    /// No such column; or it holds text, with the first line that is no number.
    pub fn column(&self, name: &str) -> Result<Vec<Value>> {
        if let Some(place) = self.columns.place(name) {
            return Ok(self.rows().map(|row| row.values()[place]).collect());
        }
        let Some(at) = self.text_columns.iter().position(|c| c == name) else {
            return Err(Error::bad_data(&self.path, format!("has no column {name}")));
        };
        let is_text = |entry: &&Entry| entry.texts[at].parse::<f64>().is_err();
        let text = self.entries.iter().find(is_text);
        let (line, cell) = text.map_or((0, ""), |entry| (entry.line, entry.texts[at].as_str()));
        Err(not_a_number(&self.path, line, name, cell))
    }

    /// The text of a row in a column that is not abscope's.
    pub fn text<'a>(&self, entry: &'a Entry, name: &str) -> Option<&'a str> {
        let at = self.text_columns.iter().position(|c| c == name)?;
        entry.texts.get(at).map(String::as_str)
    }
}

pub(super) fn not_a_number(path: &Path, line: u64, column: &str, cell: &str) -> Error {
    Error::bad_data(
        path,
        format!(
            "line {line}, column {column}: \"{cell}\" is not a number; write numbers with a point \
             and leave the cell empty where there is none"
        ),
    )
}

#[cfg(feature = "parquet")]
fn read_parquet(path: &Path, file: File) -> Result<Table> {
    super::parquet::read(path, file)
}

#[cfg(not(feature = "parquet"))]
fn read_parquet(path: &Path, _file: File) -> Result<Table> {
    Err(Error::unsupported(
        path,
        "is Parquet, which this build of abscope does not read; give CSV or JSON lines",
    ))
}
