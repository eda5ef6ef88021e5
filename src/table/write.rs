//! A table written row by row, so that its length costs no memory.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::cell::Cell;
use super::field::{self, Carried, Field};
use super::{csv, json, jsonl};
use crate::error::{Error, Result};
use crate::features::Columns;
use crate::output::OutputFile;
use crate::plan::Plan;
use crate::row::Row;

/// The format of a table.
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

    /// The format that a file's ending names.
    pub fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?;
        Self::ALL.into_iter().find(|format| format.extension() == ending)
    }
}

/// A file of typed cells under construction; it appears, whole, when it is finished.
pub(super) enum Writer {
    Csv(csv::Writer),
    Jsonl(jsonl::Writer),
    #[cfg(feature = "parquet")]
    Parquet(super::parquet::Writer),
}

impl Writer {
    /// Begins a file whose columns are known. `about` goes into the metadata of a typed file.
    pub(super) fn open(
        path: &Path,
        file: OutputFile,
        format: Format,
        fields: &[Field],
        about: &[(&str, String)],
    ) -> Result<Self> {
        Ok(match format {
            Format::Csv => Self::Csv(csv::Writer::open(path, file, fields)?),
            Format::Jsonl => Self::Jsonl(jsonl::Writer::open(path, file, fields)),
            #[cfg(feature = "parquet")]
            Format::Parquet => {
                Self::Parquet(super::parquet::Writer::open(path, file, fields, about)?)
            }
            #[cfg(not(feature = "parquet"))]
            Format::Parquet => {
                let _ = about;
                return Err(without_parquet(path));
            }
        })
    }

    pub(super) fn write(&mut self, cells: Vec<Cell>) -> Result<()> {
        match self {
            Self::Csv(writer) => writer.write(&cells),
            Self::Jsonl(writer) => writer.write(&cells),
            #[cfg(feature = "parquet")]
            Self::Parquet(writer) => writer.write(cells),
        }
    }

    pub(super) fn finish(self) -> Result<()> {
        match self {
            Self::Csv(writer) => writer.finish(),
            Self::Jsonl(writer) => writer.finish(),
            #[cfg(feature = "parquet")]
            Self::Parquet(writer) => writer.finish(),
        }
    }
}

#[cfg(not(feature = "parquet"))]
fn without_parquet(path: &Path) -> Error {
    Error::unsupported(path, "this build of abscope has no Parquet; write csv or jsonl instead")
}

/// A feature table under construction; its file appears, whole, when it is finished.
pub struct FeatureWriter {
    path: PathBuf,
    format: Format,
    plan: Plan,
    carried: Vec<Carried>,
    state: State,
}

enum State {
    /// A table without a row has no columns of values.
    Empty(OutputFile),
    Open(Box<Writer>),
    Failed,
}

impl FeatureWriter {
    /// Begins a table of the rows of a plan at `path`.
    ///
    /// # Errors
    /// The folder is not there or not writable; Parquet without the `parquet` feature.
    pub fn create(path: &Path, format: Format, plan: &Plan, carried: &[Carried]) -> Result<Self> {
        #[cfg(not(feature = "parquet"))]
        if format == Format::Parquet {
            return Err(without_parquet(path));
        }
        Ok(Self {
            path: path.to_owned(),
            format,
            plan: plan.clone(),
            carried: carried.to_vec(),
            state: State::Empty(OutputFile::create(path)?),
        })
    }

    /// Appends a row. `texts` has one text per carried column, empty where there is no value.
    ///
    /// # Errors
    /// The disk is full; or the row's columns are not the plan's.
    pub fn write(&mut self, row: &Row, texts: &[String]) -> Result<()> {
        if !self.has_columns(row.columns()) {
            return Err(Error::bad_request(format!(
                "patient {}, lesion {}: has other columns than the rows before it; one table holds \
                 the rows of one plan and one version of abscope",
                row.patient, row.lesion
            )));
        }
        self.open(field::of_plan(&self.plan, &self.carried))?;
        match &mut self.state {
            State::Open(writer) => match writer.as_mut() {
                // People read these: a row is an object with its values under their names.
                Writer::Jsonl(writer) => writer.line(&json::carried(row, &self.carried, texts)),
                writer => writer.write(field::cells(row, &self.carried, texts)),
            },
            State::Empty(_) | State::Failed => {
                Err(Error::bad_request("the table has failed already").with_path(&self.path))
            }
        }
    }

    /// Ends the table and gives its file its name.
    ///
    /// # Errors
    /// The disk is full or the name cannot be given.
    pub fn finish(mut self) -> Result<()> {
        self.open(field::without_values(&self.carried))?;
        match self.state {
            State::Open(writer) => writer.finish(),
            State::Empty(_) | State::Failed => {
                Err(Error::bad_request("the table has failed already").with_path(&self.path))
            }
        }
    }

    fn has_columns(&self, columns: &Arc<Columns>) -> bool {
        Arc::ptr_eq(columns, self.plan.columns()) || columns == self.plan.columns()
    }

    /// Opens the file with these columns, if it is not open yet.
    fn open(&mut self, fields: Vec<Field>) -> Result<()> {
        let file = match std::mem::replace(&mut self.state, State::Failed) {
            State::Empty(file) => file,
            state => {
                self.state = state;
                return Ok(());
            }
        };
        let about = [
            ("schema", json::SCHEMA.into()),
            ("version", env!("CARGO_PKG_VERSION").into()),
            ("plan", self.plan.to_toml()),
            ("plan_hash", self.plan.hash()),
        ];
        let writer = Writer::open(&self.path, file, self.format, &fields, &about)?;
        self.state = State::Open(Box::new(writer));
        Ok(())
    }
}

/// Writes the rows of a plan as CSV.
///
/// # Errors
/// The writer's.
pub fn write_csv(rows: &[Row], plan: &Plan, writer: impl Write) -> std::io::Result<()> {
    let fields = if rows.is_empty() { Vec::new() } else { field::of_plan(plan, &[]) };
    csv::write_all(writer, &fields, rows.iter().map(|row| field::cells(row, &[], &[])))
}
