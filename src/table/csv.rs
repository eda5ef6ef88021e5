//! Tables as comma-separated values. Numbers are written so that they read back the same.

use std::io;
use std::path::{Path, PathBuf};

use super::builder::Builder;
use super::cell::Cell;
use super::field::Field;
use super::read::Table;
use crate::csv_file::{CsvFile, CsvWriter};
use crate::error::{Error, Result};
use crate::output::OutputFile;

/// A file under construction.
pub(super) struct Writer {
    path: PathBuf,
    csv: CsvWriter<OutputFile>,
}

impl Writer {
    pub(super) fn open(path: &Path, file: OutputFile, fields: &[Field]) -> Result<Self> {
        let csv = CsvWriter::new(file);
        let mut writer = Self { path: path.to_owned(), csv };
        writer.record(fields.iter().map(|field| field.name.as_str()))?;
        Ok(writer)
    }

    pub(super) fn write(&mut self, cells: &[Cell]) -> Result<()> {
        self.record(cells.iter().map(Cell::to_string))
    }

    fn record(&mut self, cells: impl IntoIterator<Item = impl AsRef<str>>) -> Result<()> {
        self.csv.record(cells).map_err(|e| Error::io(&self.path, e))
    }

    pub(super) fn finish(self) -> Result<()> {
        finish(self.csv, &self.path)
    }
}

/// Writes out what a CSV file still buffers, and gives the file its name.
pub(crate) fn finish(csv: CsvWriter<OutputFile>, path: &Path) -> Result<()> {
    csv.into_inner().map_err(|e| Error::io(path, e))?.finish()
}

/// Writes a whole table; one without columns is an empty file.
pub(super) fn write_all(
    writer: impl io::Write,
    fields: &[Field],
    rows: impl Iterator<Item = Vec<Cell>>,
) -> io::Result<()> {
    let mut csv = CsvWriter::new(writer);
    if !fields.is_empty() {
        csv.record(fields.iter().map(|field| &field.name))?;
    }
    for cells in rows {
        csv.record(cells.iter().map(Cell::to_string))?;
    }
    csv.flush()
}

/// Reads a feature table.
pub(super) fn read(path: &Path, file: impl io::Read) -> Result<Table> {
    let mut file = CsvFile::of(path, io::BufReader::new(file))?;
    let mut builder = Builder::new(path, file.columns().to_vec())?;
    for record in file.records() {
        let record = record?;
        builder.row(record.line(), record.cells().map(Cell::from).collect())?;
    }
    builder.finish()
}
