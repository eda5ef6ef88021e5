//! Writing a table as Parquet.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;

use super::{ROWS_PER_GROUP, arrow_schema};
use crate::error::{Error, Result};
use crate::output::OutputFile;
use crate::table::cell::{Cell, CellKind};
use crate::table::field::Field;

/// A file under construction.
pub(in crate::table) struct Writer {
    path: PathBuf,
    kinds: Vec<CellKind>,
    file: SerializedFileWriter<OutputFile>,
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
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_key_value_metadata(Some(metadata))
            .build();
        let writer = schema(fields)
            .and_then(|schema| SerializedFileWriter::new(file, Arc::new(schema), properties.into()))
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
        self.file.into_inner().map_err(|e| problem(&self.path, e))?.finish()
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
    file: &mut SerializedFileWriter<OutputFile>,
    kinds: &[CellKind],
    columns: &mut [Vec<Cell>],
) -> std::result::Result<(), ParquetError> {
    let mut group = file.next_row_group()?;
    for (kind, cells) in kinds.iter().zip(columns) {
        let Some(mut column) = group.next_column()? else { break };
        let cells = std::mem::take(cells);
        match kind {
            CellKind::Text => {
                write_column::<ByteArrayType>(&mut column, cells, |cell| match cell {
                    Cell::Text(text) => Some(ByteArray::from(text.into_bytes())),
                    _ => None,
                })
            }
            CellKind::Number => write_column::<DoubleType>(&mut column, cells, |cell| match cell {
                Cell::Number(number) => Some(number),
                _ => None,
            }),
            CellKind::Count => write_column::<Int64Type>(&mut column, cells, |cell| match cell {
                Cell::Count(number) => i64::try_from(number).ok(),
                _ => None,
            }),
            CellKind::Truth => write_column::<BoolType>(&mut column, cells, |cell| match cell {
                Cell::Truth(truth) => Some(truth),
                _ => None,
            }),
        }?;
        column.close()?;
    }
    group.close().map(drop)
}

/// An empty cell, and one of another kind, is null.
fn write_column<T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    cells: Vec<Cell>,
    value: impl Fn(Cell) -> Option<T::T>,
) -> std::result::Result<(), ParquetError> {
    let cells: Vec<Option<T::T>> = cells.into_iter().map(value).collect();
    let present: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
    let values: Vec<T::T> = cells.into_iter().flatten().collect();
    column.typed::<T>().write_batch(&values, Some(&present), None).map(drop)
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
