//! Reading a table from Parquet, whichever program wrote it.

use std::fs::File;
use std::path::Path;

use parquet::basic::{Compression, ConvertedType, LogicalType, Type as Physical};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};

use super::{ROWS_PER_GROUP, digest};
use crate::contained::contained;
use crate::error::{Error, Result};
use crate::table::builder::Builder;
use crate::table::cell::Cell;
use crate::table::read::Table;

/// Reads a feature table.
pub(in crate::table) fn read(path: &Path, file: File) -> Result<Table> {
    // The reader indexes by what a page says, and panics where it lies.
    contained(|| read_groups(path, file)).unwrap_or_else(|| {
        Err(Error::bad_data(path, "is not a whole Parquet file: a page contradicts itself"))
    })
}

fn read_groups(path: &Path, file: File) -> Result<Table> {
    let damaged = |e: ParquetError| damaged(path, &e);
    let bytes = file.try_clone().map_err(|e| Error::io(path, e))?;
    let file = SerializedFileReader::new(file).map_err(damaged)?;
    digest::check(path, &bytes, file.metadata().file_metadata())?;
    check_compression(path, file.metadata())?;
    let schema = file.metadata().file_metadata().schema_descr();
    let kinds = kinds(path, schema)?;
    let names = schema.columns().iter().map(|column| column.name().to_owned()).collect();
    let mut builder = Builder::new(path, names)?;
    let mut line: u64 = 0;
    for at in 0..file.num_row_groups() {
        let group = file.get_row_group(at).map_err(damaged)?;
        read_group(path, group.as_ref(), &kinds, &mut builder, &mut line)?;
    }
    let promised = file.metadata().file_metadata().num_rows();
    if u64::try_from(promised) != Ok(line) {
        let problem = format!("its row groups hold {line} rows, the file says {promised}");
        return Err(damaged(ParquetError::General(problem)));
    }
    builder.finish()
}

/// # Errors
/// The file is compressed in a way that this build does not read.
fn check_compression(path: &Path, metadata: &ParquetMetaData) -> Result<()> {
    let is_read = |c: &Compression| matches!(c, Compression::UNCOMPRESSED | Compression::SNAPPY);
    let columns = metadata.row_groups().iter().flat_map(RowGroupMetaData::columns);
    match columns.map(ColumnChunkMetaData::compression).find(|c| !is_read(c)) {
        None => Ok(()),
        Some(other) => Err(Error::unsupported(
            path,
            format!(
                "is compressed by {other}, which abscope does not read; write it with snappy or \
                 without compression"
            ),
        )),
    }
}

/// Rows are taken some at a time: a group may be the whole table.
fn read_group(
    path: &Path,
    group: &dyn RowGroupReader,
    kinds: &[Kind],
    builder: &mut Builder<'_>,
    line: &mut u64,
) -> Result<()> {
    let mut readers = (0..kinds.len())
        .map(|at| group.get_column_reader(at))
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|e| damaged(path, &e))?;
    let promised = group.metadata().num_rows();
    if let Some(column) = group.metadata().columns().iter().find(|c| c.num_values() != promised) {
        let (name, values) = (column.column_path(), column.num_values());
        let problem = format!("column {name} has {values} cells in a group of {promised} rows");
        return Err(damaged(path, &ParquetError::General(problem)));
    }
    let mut left = usize::try_from(promised).map_err(|_| {
        damaged(path, &ParquetError::General(format!("a group of {promised} rows")))
    })?;
    while left > 0 {
        let rows = left.min(ROWS_PER_GROUP);
        let mut columns = Vec::with_capacity(kinds.len());
        for (reader, kind) in readers.iter_mut().zip(kinds) {
            let cells = kind.cells(reader, rows).map_err(|e| damaged(path, &e))?;
            columns.push(cells.into_iter());
        }
        for _ in 0..rows {
            *line += 1;
            builder.row(*line, columns.iter_mut().filter_map(Iterator::next).collect())?;
        }
        left -= rows;
    }
    Ok(())
}

fn damaged(path: &Path, error: &ParquetError) -> Error {
    Error::bad_data(path, format!("is not a whole Parquet file: {error}"))
}

/// What a column of the file holds.
#[derive(Clone, Copy)]
enum Kind {
    Nothing,
    Truth,
    Signed32,
    Unsigned32,
    Signed64,
    Unsigned64,
    Single,
    Double,
    Text,
}

fn kinds(path: &Path, schema: &SchemaDescriptor) -> Result<Vec<Kind>> {
    let kind = |column: &ColumnDescriptor| {
        Kind::of(column).ok_or_else(|| {
            let name = column.path().parts().first().cloned().unwrap_or_default();
            let physical = column.physical_type();
            let kind = match (column.logical_type_ref(), column.path().parts().len()) {
                (_, 2..) => "nested".to_owned(),
                (Some(logical), _) => format!("{logical:?}"),
                (None, _) if column.converted_type() != ConvertedType::NONE => {
                    column.converted_type().to_string()
                }
                (None, _) => physical.to_string(),
            };
            Error::unsupported(
                path,
                format!("column {name} has type {kind}, which is neither text nor number"),
            )
        })
    };
    schema.columns().iter().map(|column| kind(column)).collect()
}

impl Kind {
    /// `None` for a column that holds no plain value.
    fn of(column: &ColumnDescriptor) -> Option<Self> {
        if column.max_rep_level() > 0 || column.path().parts().len() > 1 {
            return None;
        }
        // Files of before 2018 have the converted type alone.
        let unsigned = match (column.logical_type_ref(), column.converted_type()) {
            (Some(LogicalType::Unknown), _) => return Some(Self::Nothing),
            (Some(LogicalType::String | LogicalType::Json), _)
            | (None, ConvertedType::UTF8 | ConvertedType::JSON) => {
                let text = column.physical_type() == Physical::BYTE_ARRAY;
                return text.then_some(Self::Text);
            }
            (Some(LogicalType::Integer(integer)), _) => !integer.is_signed,
            (
                None,
                ConvertedType::UINT_8
                | ConvertedType::UINT_16
                | ConvertedType::UINT_32
                | ConvertedType::UINT_64,
            ) => true,
            (
                None,
                ConvertedType::NONE
                | ConvertedType::INT_8
                | ConvertedType::INT_16
                | ConvertedType::INT_32
                | ConvertedType::INT_64,
            ) => false,
            _ => return None,
        };
        match (column.physical_type(), unsigned) {
            (Physical::BOOLEAN, _) => Some(Self::Truth),
            (Physical::INT32, false) => Some(Self::Signed32),
            (Physical::INT32, true) => Some(Self::Unsigned32),
            (Physical::INT64, false) => Some(Self::Signed64),
            (Physical::INT64, true) => Some(Self::Unsigned64),
            (Physical::FLOAT, _) => Some(Self::Single),
            (Physical::DOUBLE, _) => Some(Self::Double),
            _ => None,
        }
    }

    /// The next cells of a column.
    fn cells(
        self,
        reader: &mut ColumnReader,
        rows: usize,
    ) -> std::result::Result<Vec<Cell>, ParquetError> {
        match (self, reader) {
            (Self::Nothing, _) => Ok(vec![Cell::Empty; rows]),
            (_, ColumnReader::BoolColumnReader(reader)) => {
                next(reader, rows, |truth| Ok(Cell::Truth(truth)))
            }
            (Self::Unsigned32, ColumnReader::Int32ColumnReader(reader)) => {
                next(reader, rows, |n| Ok(Cell::Number(n.cast_unsigned().into())))
            }
            (_, ColumnReader::Int32ColumnReader(reader)) => {
                next(reader, rows, |n| Ok(Cell::Number(n.into())))
            }
            (Self::Unsigned64, ColumnReader::Int64ColumnReader(reader)) => {
                next(reader, rows, |n| Ok(Cell::Number(n.cast_unsigned() as f64)))
            }
            (_, ColumnReader::Int64ColumnReader(reader)) => {
                next(reader, rows, |n| Ok(Cell::Number(n as f64)))
            }
            // The shortest number that reads back the same, as in text.
            (_, ColumnReader::FloatColumnReader(reader)) => {
                next(reader, rows, |number| Ok(Cell::Text(number.to_string())))
            }
            (_, ColumnReader::DoubleColumnReader(reader)) => {
                next(reader, rows, |number| Ok(Cell::Number(number)))
            }
            (_, ColumnReader::ByteArrayColumnReader(reader)) => {
                next(reader, rows, |bytes| Ok(Cell::from(bytes.as_utf8()?)))
            }
            _ => Err(ParquetError::General("a column is not of the type it names".to_owned())),
        }
    }
}

/// Reads whole rows of a flat column: its nulls are where the level of definition is 0.
fn next<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    rows: usize,
    cell: impl Fn(T::T) -> std::result::Result<Cell, ParquetError>,
) -> std::result::Result<Vec<Cell>, ParquetError> {
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    let (read, present, _) = reader.read_records(rows, Some(&mut levels), None, &mut values)?;
    if read < rows {
        return Err(ParquetError::EOF(format!("a column ends {} rows early", rows - read)));
    }
    let mut values = values.into_iter();
    if present == rows {
        return values.map(cell).collect();
    }
    levels
        .into_iter()
        .map(|level| match level {
            0 => Ok(Cell::Empty),
            _ => values.next().map_or(Ok(Cell::Empty), &cell),
        })
        .collect()
}
