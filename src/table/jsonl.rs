//! Tables as JSON lines: one object per row.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::cell::Cell;
use super::field::Field;
use super::json::RowReader;
use super::read::Table;
use crate::error::{Error, Result};
use crate::input::Bounded;
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
pub(super) fn read(path: &Path, file: impl Read) -> Result<Table> {
    let damaged = |line: u64, e: &serde_json::Error| match e.is_io() {
        true => Error::bad_data(path, e.to_string()),
        false => Error::bad_data(path, format!("line {line}: is not JSON: {e}")),
    };
    let mut reader = BufReader::new(Bounded::new(file));
    let mut line = |text: &mut String| {
        text.clear();
        reader.get_mut().next_record();
        reader.read_line(text).map_err(|e| Error::io(path, e))
    };
    let mut text = String::new();
    let mut number = 1;
    while line(&mut text)? > 0 && text.trim().is_empty() {
        number += 1;
    }
    let mut rows = RowReader::new(path);
    let is_line = serde_json::from_str::<Json>(&text).is_ok_and(|row| row.get("rows").is_none());
    if is_line {
        loop {
            if !text.trim().is_empty() {
                rows.row(number, &serde_json::from_str(&text).map_err(|e| damaged(number, &e))?)?;
            }
            if line(&mut text)? == 0 {
                return rows.finish();
            }
            number += 1;
        }
    }
    let rest = text.as_bytes().chain(reader);
    let document: Json =
        serde_json::from_reader(rest).map_err(|e| damaged(number + e.line() as u64 - 1, &e))?;
    let Some(all) = document.get("rows").and_then(Json::as_array) else {
        return Err(Error::bad_data(path, "has no list \"rows\"; it is no feature table"));
    };
    for (at, row) in all.iter().enumerate() {
        rows.row(at as u64 + 1, row)?;
    }
    rows.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(file: impl Read) -> String {
        read(Path::new("rows.jsonl"), file).expect_err("no table").to_string()
    }

    #[test]
    fn a_line_without_an_end_is_not_read_into_memory() {
        let endless = || std::io::repeat(b'x');
        let row = "{\"patient\": \"a\", \"lesion\": \"1\", \"values\": {\"x\": 1}}\n";
        let document = "{\"rows\": [\n\"".as_bytes();
        for said in [
            problem(b"{\"".chain(endless())),
            problem(row.as_bytes().chain(endless())),
            problem(document.chain(endless())),
        ] {
            assert!(said.contains("rows.jsonl") && said.contains("64 MiB"), "{said}");
        }
    }

    #[test]
    fn a_damaged_line_is_named_by_its_number() {
        let row = "{\"patient\": \"a\", \"lesion\": \"1\", \"values\": {\"x\": 1}}\n";
        let said = problem(format!("\n\n{row}\nx\n").as_bytes());
        assert!(said.contains("line 5: is not JSON"), "{said}");
        let said = problem("\n{\"rows\": [\n,]}".as_bytes());
        assert!(said.contains("line 3: is not JSON"), "{said}");
    }
}
