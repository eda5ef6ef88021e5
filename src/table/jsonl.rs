//! Tables as JSON lines: one object per row.

use std::io::{BufRead, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::cell::Cell;
use super::field::Field;
use super::json::RowReader;
use super::read::Table;
use crate::error::{Error, Result};
use crate::output::OutputFile;

/// A file under construction.
pub(super) struct Writer {
    path: PathBuf,
    file: OutputFile,
    names: Vec<String>,
}

impl Writer {
    pub(super) fn open(path: &Path, file: OutputFile, fields: &[Field]) -> Self {
        let names = fields.iter().map(|field| field.name.clone()).collect();
        Self { path: path.to_owned(), file, names }
    }

    /// Writes a row as a flat object.
    pub(super) fn write(&mut self, cells: &[Cell]) -> Result<()> {
        let named = self.names.iter().cloned().zip(cells.iter().map(Json::from));
        let object = Json::Object(named.collect());
        self.line(&object)
    }

    /// Writes a row that is an object already.
    pub(super) fn line(&mut self, object: &Json) -> Result<()> {
        writeln!(self.file, "{object}").map_err(|e| Error::io(&self.path, e))
    }

    pub(super) fn finish(self) -> Result<()> {
        self.file.finish()
    }
}

/// Reads a feature table: one document with `rows`, or a row per line.
pub(super) fn read(path: &Path, mut reader: impl BufRead) -> Result<Table> {
    let damaged = |line: u64, e: &dyn std::fmt::Display| {
        Error::bad_data(path, format!("line {line}: is not JSON: {e}"))
    };
    let io = |e| Error::io(path, e);
    let mut first = String::new();
    while first.trim().is_empty() && reader.read_line(&mut first).map_err(io)? > 0 {}
    let is_line = serde_json::from_str::<Json>(&first).is_ok_and(|row| row.get("rows").is_none());
    let mut rows = RowReader::new(path);
    if is_line {
        rows.row(1, &serde_json::from_str(&first).map_err(|e| damaged(1, &e))?)?;
        for (at, line) in reader.lines().enumerate() {
            let line = line.map_err(io)?;
            let number = at as u64 + 2;
            if !line.trim().is_empty() {
                rows.row(number, &serde_json::from_str(&line).map_err(|e| damaged(number, &e))?)?;
            }
        }
    } else {
        let document: Json = serde_json::from_reader(first.as_bytes().chain(reader))
            .map_err(|e| damaged(e.line() as u64, &e))?;
        let Some(all) = document.get("rows").and_then(Json::as_array) else {
            return Err(Error::bad_data(path, "has no list \"rows\"; it is no feature table"));
        };
        for (at, row) in all.iter().enumerate() {
            rows.row(at as u64 + 1, row)?;
        }
    }
    rows.finish()
}
