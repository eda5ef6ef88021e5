//! A feature table written row by row, so that its length costs no memory.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::output::OutputFile;
use super::{csv, jsonl};
use crate::error::{Error, Result};
use crate::plan::Plan;
use crate::row::Row;

/// The format of a feature table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Comma-separated values, one column per feature.
    #[default]
    Csv,
    /// One JSON object per line.
    Jsonl,
    /// Apache Parquet, typed.
    Parquet,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 3] = [Self::Csv, Self::Jsonl, Self::Parquet];

    /// The ending of such a file, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
        }
    }
}

/// A column that is not abscope's own and is carried through to the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// Its name.
    pub name: String,
    /// Whether every value of it is a number (and the column of a typed table therefore numeric).
    pub numeric: bool,
}

/// A table under construction; its file appears, whole, when it is finished.
pub trait TableWriter {
    /// Appends a row. `carried` has one text per carried column, empty where there is no value.
    ///
    /// # Errors
    /// The disk is full; or the row's columns are not those of the first row.
    fn write(&mut self, row: &Row, carried: &[String]) -> Result<()>;

    /// Ends the table and gives its file its name.
    ///
    /// # Errors
    /// The disk is full or the name cannot be given.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// Begins a table at `path`.
///
/// # Errors
/// The folder is not there or not writable; Parquet without the `parquet` feature.
pub fn create(
    path: &Path,
    format: Format,
    plan: &Plan,
    carried: &[Carried],
) -> Result<Box<dyn TableWriter>> {
    let file = OutputFile::create(path)?;
    match format {
        Format::Csv => Ok(Box::new(csv::Table::new(path, file, carried))),
        Format::Jsonl => Ok(Box::new(jsonl::Table::new(path, file, carried))),
        #[cfg(feature = "parquet")]
        Format::Parquet => {
            Ok(Box::new(super::parquet::Table::new(path, file, plan.clone(), carried)))
        }
        #[cfg(not(feature = "parquet"))]
        Format::Parquet => {
            let _ = (file, plan);
            Err(Error::unsupported(
                path,
                "this build of abscope has no Parquet; write csv or jsonl, or build it with \
                 `--features parquet`",
            ))
        }
    }
}

/// The refusal of a row whose columns are not the table's.
pub(super) fn other_columns(row: &Row) -> Error {
    Error::bad_request(format!(
        "patient {}, lesion {}: has other columns than the rows before it; one table holds the \
         rows of one plan and one version of abscope",
        row.patient, row.lesion
    ))
}
