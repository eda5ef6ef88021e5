//! Tables as Apache Parquet: typed columns that say what they are.
//!
//! The metadata of a column holds its unit (UCUM), the feature's name and IBSI code and the
//! aggregation's IBSI code; the metadata of the file holds what the table was made with
//! (`abscope.plan`, `abscope.plan_hash`, `abscope.version`) and, for readers that show no metadata of
//! columns, `abscope.columns` (the same as JSON).

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, RecordBatchReader,
    StringArray,
};
use arrow_schema::{DataType, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::builder::Builder;
use super::cell::{Cell, CellKind};
use super::field::Field;
use super::read::Table;
use crate::contained::contained;
use crate::error::{Error, Result};
use crate::output::OutputFile;

/// Rows held before they are written: with 500 columns, about a megabyte.
const ROWS_PER_GROUP: usize = 256;

/// The key under which a column says what it is. One key, because the order of several would follow
/// a hash map, and the bytes of the file with it.
const KEY: &str = "abscope";

/// A file under construction.
pub(super) struct Writer {
    path: PathBuf,
    schema: Arc<Schema>,
    kinds: Vec<CellKind>,
    writer: ArrowWriter<OutputFile>,
    /// Cells of the rows to come, column by column.
    columns: Vec<Vec<Cell>>,
    rows: usize,
}

impl Writer {
    /// `about` goes into the file's metadata, under `abscope.` and each key.
    pub(super) fn open(
        path: &Path,
        file: OutputFile,
        fields: &[Field],
        about: &[(&str, String)],
    ) -> Result<Self> {
        let described: serde_json::Map<String, serde_json::Value> =
            fields.iter().filter_map(|f| Some((f.name.clone(), f.about.clone()?))).collect();
        let columns = ("columns", serde_json::Value::Object(described).to_string());
        let metadata = about.iter().chain(std::iter::once(&columns));
        let metadata = metadata.map(|(k, v)| KeyValue::new(format!("abscope.{k}"), v.clone()));
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(ROWS_PER_GROUP))
            .set_key_value_metadata(Some(metadata.collect()))
            .build();
        let schema = Arc::new(Schema::new(fields.iter().map(arrow_field).collect::<Vec<_>>()));
        let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties))
            .map_err(|e| problem(path, e))?;
        Ok(Self {
            path: path.to_owned(),
            schema,
            kinds: fields.iter().map(|field| field.kind).collect(),
            writer,
            columns: vec![Vec::new(); fields.len()],
            rows: 0,
        })
    }

    pub(super) fn write(&mut self, cells: Vec<Cell>) -> Result<()> {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.push(cell);
        }
        self.rows += 1;
        if self.rows == ROWS_PER_GROUP { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let columns = self.kinds.iter().zip(&mut self.columns);
        let arrays: Vec<ArrayRef> =
            columns.map(|(kind, cells)| array(*kind, std::mem::take(cells))).collect();
        self.rows = 0;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays)
            .map_err(|e| Error::bad_data(&self.path, format!("cannot be written: {e}")))?;
        self.writer.write(&batch).map_err(|e| problem(&self.path, e))
    }

    pub(super) fn finish(mut self) -> Result<()> {
        if self.rows > 0 {
            self.flush()?;
        }
        self.writer.into_inner().map_err(|e| problem(&self.path, e))?.finish()
    }
}

fn arrow_field(field: &Field) -> arrow_schema::Field {
    let kind = match field.kind {
        CellKind::Text => DataType::Utf8,
        CellKind::Number => DataType::Float64,
        CellKind::Count => DataType::Int64,
        CellKind::Truth => DataType::Boolean,
    };
    let plain = arrow_schema::Field::new(&field.name, kind, true);
    match &field.about {
        Some(about) => plain.with_metadata(HashMap::from([(KEY.to_owned(), about.to_string())])),
        None => plain,
    }
}

/// The cells of a column; an empty cell, and one of another kind, is null.
fn array(kind: CellKind, cells: Vec<Cell>) -> ArrayRef {
    let cells = cells.into_iter();
    match kind {
        CellKind::Number => Arc::new(
            cells
                .map(|cell| match cell {
                    Cell::Number(number) => Some(number),
                    _ => None,
                })
                .collect::<Float64Array>(),
        ),
        CellKind::Count => Arc::new(
            cells
                .map(|cell| match cell {
                    Cell::Count(number) => i64::try_from(number).ok(),
                    _ => None,
                })
                .collect::<Int64Array>(),
        ),
        CellKind::Truth => Arc::new(
            cells
                .map(|cell| match cell {
                    Cell::Truth(truth) => Some(truth),
                    _ => None,
                })
                .collect::<BooleanArray>(),
        ),
        CellKind::Text => Arc::new(
            cells
                .map(|cell| match cell {
                    Cell::Text(text) => Some(text),
                    _ => None,
                })
                .collect::<StringArray>(),
        ),
    }
}

fn problem(path: &Path, error: ParquetError) -> Error {
    let error = match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(io) => return Error::io(path, *io),
            Err(other) => other.to_string(),
        },
        other => other.to_string(),
    };
    Error::io(path, std::io::Error::other(error))
}

/// Reads a feature table.
pub(super) fn read(path: &Path, file: File) -> Result<Table> {
    // The reader indexes by what a page says, and panics where it lies.
    contained(|| read_pages(path, file)).unwrap_or_else(|| {
        Err(Error::bad_data(path, "is not a whole Parquet file: a page contradicts itself"))
    })
}

fn read_pages(path: &Path, file: File) -> Result<Table> {
    let damaged = |e: &dyn std::fmt::Display| {
        Error::bad_data(path, format!("is not a whole Parquet file: {e}"))
    };
    // Without the writer's own schema every text is plain text, whichever program wrote it.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)
        .and_then(|builder| builder.with_batch_size(ROWS_PER_GROUP).build())
        .map_err(|e| damaged(&e))?;
    let fields = reader.schema().fields().clone();
    let mut builder =
        Builder::new(path, fields.iter().map(|field| field.name().clone()).collect())?;
    let mut line = 0;
    for batch in reader {
        let batch = batch.map_err(|e| damaged(&e))?;
        let columns = batch
            .columns()
            .iter()
            .zip(&fields)
            .map(|(array, field)| {
                cells(array.as_ref()).ok_or_else(|| {
                    Error::unsupported(
                        path,
                        format!(
                            "column {} has type {}, which is neither text nor number",
                            field.name(),
                            field.data_type()
                        ),
                    )
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
        for _ in 0..batch.num_rows() {
            line += 1;
            builder.row(line, columns.iter_mut().filter_map(Iterator::next).collect())?;
        }
    }
    builder.finish()
}

/// A column's cells; `None` for a type that is no plain value.
fn cells(array: &dyn Array) -> Option<Vec<Cell>> {
    macro_rules! numbers {
        ($kind:ty) => {
            array
                .as_primitive::<$kind>()
                .iter()
                .map(|v| v.map_or(Cell::Empty, |v| Cell::Number(v as f64)))
                .collect()
        };
    }
    Some(match array.data_type() {
        DataType::Utf8 => {
            array.as_string::<i32>().iter().map(|v| v.map_or(Cell::Empty, Cell::from)).collect()
        }
        DataType::Boolean => {
            array.as_boolean().iter().map(|v| v.map_or(Cell::Empty, Cell::Truth)).collect()
        }
        DataType::Float64 => numbers!(Float64Type),
        // The shortest number that reads back the same, as in text.
        DataType::Float32 => array
            .as_primitive::<Float32Type>()
            .iter()
            .map(|v| v.map_or(Cell::Empty, |v| Cell::Text(v.to_string())))
            .collect(),
        DataType::Int64 => numbers!(Int64Type),
        DataType::Int32 => numbers!(Int32Type),
        DataType::Int16 => numbers!(Int16Type),
        DataType::Int8 => numbers!(Int8Type),
        DataType::UInt64 => numbers!(UInt64Type),
        DataType::UInt32 => numbers!(UInt32Type),
        DataType::UInt16 => numbers!(UInt16Type),
        DataType::UInt8 => numbers!(UInt8Type),
        DataType::Null => vec![Cell::Empty; array.len()],
        _ => return None,
    })
}
