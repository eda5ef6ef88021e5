//! The feature table as JSON lines: one object per lesion.
//!
//! Each line is a row as in [`super::json`], with what was carried through under `carried`.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::json;
use super::output::OutputFile;
use super::table::{Carried, TableWriter};
use crate::error::{Error, Result};
use crate::row::Row;

/// A table under construction.
pub(super) struct Table {
    path: PathBuf,
    file: OutputFile,
    carried: Vec<Carried>,
}

impl Table {
    pub(super) fn new(path: &Path, file: OutputFile, carried: &[Carried]) -> Self {
        Self { path: path.to_owned(), file, carried: carried.to_vec() }
    }
}

impl TableWriter for Table {
    fn write(&mut self, row: &Row, carried: &[String]) -> Result<()> {
        let mut object = json::row(row);
        if let Value::Object(fields) = &mut object
            && !self.carried.is_empty()
        {
            let cells = self.carried.iter().zip(carried);
            let cells: Map<String, Value> =
                cells.map(|(column, cell)| (column.name.clone(), typed(column, cell))).collect();
            fields.insert("carried".into(), Value::Object(cells));
        }
        writeln!(self.file, "{object}").map_err(|e| Error::io(&self.path, e))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.file.finish()
    }
}

fn typed(column: &Carried, cell: &str) -> Value {
    match cell.parse::<f64>() {
        _ if cell.is_empty() => Value::Null,
        Ok(number) if column.numeric => Value::from(number),
        _ => Value::from(cell),
    }
}
