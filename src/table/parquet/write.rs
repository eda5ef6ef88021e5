//! Writing a table as Parquet.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::column::writer::{
    ColumnCloseResult, ColumnWriter, get_column_writer, get_typed_column_writer,
};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use super::digest::Digested;
use super::page::{CheckedPages, Pages};
use super::{ROWS_PER_GROUP, arrow_schema, digest};
use crate::error::{Error, Result};
use crate::output::OutputFile;
use crate::table::cell::{Cell, CellKind};
use crate::table::field::Field;

/// A file under construction.
pub(in crate::table) struct Writer {
    path: PathBuf,
    kinds: Vec<CellKind>,
    file: SerializedFileWriter<Digested<OutputFile>>,
    /// Cells of the rows to come, column by column.
    columns: Vec<Vec<Cell>>,
    rows: usize,
}

impl Writer {
    /// `about` goes into the file's metadata, under `abscope.` and each key.
    pub(in crate::table) fn open(
        path: &Path,
        file: OutputFile,
        fields: &[Field],
        about: &[(&str, String)],
    ) -> Result<Self> {
        let described: serde_json::Map<String, serde_json::Value> =
            fields.iter().filter_map(|f| Some((f.name.clone(), f.about.clone()?))).collect();
        let columns = ("columns", serde_json::Value::Object(described).to_string());
        let metadata = about.iter().chain(std::iter::once(&columns));
        let mut metadata: Vec<KeyValue> = metadata
            .map(|(key, value)| KeyValue::new(format!("abscope.{key}"), value.clone()))
            .collect();
        metadata.push(KeyValue::new(arrow_schema::KEY.to_owned(), arrow_schema::encoded(fields)));
        metadata.push(KeyValue::new(digest::KEY.to_owned(), digest::placeholder()));
        let properties = WriterProperties::builder()
            .set_created_by(digest::created_by())
            .set_compression(Compression::SNAPPY)
            .set_key_value_metadata(Some(metadata))
            .build();
        let writer = schema(fields)
            .and_then(|schema| {
                SerializedFileWriter::new(Digested::new(file), schema.into(), properties.into())
            })
            .map_err(|e| problem(path, e))?;
        Ok(Self {
            path: path.to_owned(),
            kinds: fields.iter().map(|field| field.kind).collect(),
            file: writer,
            columns: vec![Vec::new(); fields.len()],
            rows: 0,
        })
    }

    pub(in crate::table) fn write(&mut self, cells: Vec<Cell>) -> Result<()> {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.push(cell);
        }
        self.rows += 1;
        if self.rows == ROWS_PER_GROUP { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.rows = 0;
        write_group(&mut self.file, &self.kinds, &mut self.columns)
            .map_err(|e| problem(&self.path, e))
    }

    pub(in crate::table) fn finish(mut self) -> Result<()> {
        if self.rows > 0 {
            self.flush()?;
        }
        let io = |e| Error::io(&self.path, e);
        self.file.flush().map_err(io)?;
        self.file.inner_mut().hold();
        let file = self.file.into_inner().map_err(|e| problem(&self.path, e))?;
        file.finish().map_err(io)?.finish()
    }
}

fn schema(fields: &[Field]) -> std::result::Result<Type, ParquetError> {
    let columns = fields.iter().map(|field| {
        let (physical, logical) = match field.kind {
            CellKind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            CellKind::Number => (Physical::DOUBLE, None),
            CellKind::Count => (Physical::INT64, None),
            CellKind::Truth => (Physical::BOOLEAN, None),
        };
        Type::primitive_type_builder(&field.name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical)
            .build()
            .map(Arc::new)
    });
    Type::group_type_builder("abscope")
        .with_fields(columns.collect::<std::result::Result<_, _>>()?)
        .build()
}

fn write_group(
    file: &mut SerializedFileWriter<Digested<OutputFile>>,
    kinds: &[CellKind],
    columns: &mut [Vec<Cell>],
) -> std::result::Result<(), ParquetError> {
    let schema = file.schema_descr().columns().to_vec();
    let properties = Arc::clone(file.properties());
    let mut group = file.next_row_group()?;
    for ((description, kind), cells) in schema.into_iter().zip(kinds).zip(columns) {
        let mut pages = Pages::default();
        let writer = Box::new(CheckedPages::new(&mut pages));
        let writer = get_column_writer(description, Arc::clone(&properties), writer);
        let cells = std::mem::take(cells);
        let written = match kind {
            CellKind::Text => write_column::<ByteArrayType>(writer, cells, |cell| match cell {
                Cell::Text(text) => Some(ByteArray::from(text.into_bytes())),
                _ => None,
            }),
            CellKind::Number => write_column::<DoubleType>(writer, cells, |cell| match cell {
                Cell::Number(number) => Some(number),
                _ => None,
            }),
            CellKind::Count => write_column::<Int64Type>(writer, cells, |cell| match cell {
                Cell::Count(number) => i64::try_from(number).ok(),
                _ => None,
            }),
            CellKind::Truth => write_column::<BoolType>(writer, cells, |cell| match cell {
                Cell::Truth(truth) => Some(truth),
                _ => None,
            }),
        }?;
        group.append_column(&Bytes::from(pages), written)?;
    }
    group.close().map(drop)
}

/// An empty cell, and one of another kind, is null.
fn write_column<T: DataType>(
    column: ColumnWriter<'_>,
    cells: Vec<Cell>,
    value: impl Fn(Cell) -> Option<T::T>,
) -> std::result::Result<ColumnCloseResult, ParquetError> {
    let cells: Vec<Option<T::T>> = cells.into_iter().map(value).collect();
    let present: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
    let values: Vec<T::T> = cells.into_iter().flatten().collect();
    let mut column = get_typed_column_writer::<T>(column);
    column.write_batch(&values, Some(&present), None)?;
    column.close()
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
