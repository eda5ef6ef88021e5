//! The feature table as Apache Parquet: typed columns that say what they are.
//!
//! The columns are those of [`super::csv`]. The metadata of a column holds its unit (UCUM), the
//! feature's name and IBSI code and the aggregation's IBSI code; the metadata of the file holds
//! `abscope.plan` (TOML), `abscope.plan_hash`, `abscope.version` and, for readers that show no
//! metadata of columns, `abscope.columns` (the same as JSON).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use serde_json::json;

use super::csv::{self, FACTS, IDENTITY};
use super::output::OutputFile;
use super::table::{self, Carried, TableWriter};
use super::unit;
use crate::error::{Error, Result};
use crate::plan::Plan;
use crate::row::Row;

/// Rows held before they are written: with 500 columns, about a megabyte.
const ROWS_PER_GROUP: usize = 256;

/// A table under construction.
pub(super) struct Table {
    path: PathBuf,
    plan: Plan,
    carried: Vec<Carried>,
    state: State,
}

enum State {
    /// No row has said yet which columns there are.
    Empty(OutputFile),
    Open(Box<Open>),
    Failed,
}

struct Open {
    header: Vec<String>,
    schema: Arc<Schema>,
    writer: ArrowWriter<OutputFile>,
    /// Cells of the rows to come, column by column.
    cells: Vec<Vec<String>>,
    rows: usize,
}

impl Table {
    pub(super) fn new(path: &Path, file: OutputFile, plan: Plan, carried: &[Carried]) -> Self {
        Self { path: path.to_owned(), plan, carried: carried.to_vec(), state: State::Empty(file) }
    }

    /// Opens the writer for rows with these columns.
    fn open(&mut self, file: OutputFile, header: Vec<String>, fields: Vec<Field>) -> Result<()> {
        let columns: serde_json::Map<String, serde_json::Value> = fields
            .iter()
            .filter_map(|f| {
                Some((f.name().clone(), serde_json::from_str(f.metadata().get(KEY)?).ok()?))
            })
            .collect();
        let key = |key: &str, value: String| KeyValue::new(format!("abscope.{key}"), value);
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(ROWS_PER_GROUP))
            .set_key_value_metadata(Some(vec![
                key("schema", "abscope.features/1".into()),
                key("version", env!("CARGO_PKG_VERSION").into()),
                key("plan", self.plan.to_toml()),
                key("plan_hash", self.plan.hash()),
                key("columns", serde_json::Value::Object(columns).to_string()),
            ]))
            .build();
        let schema = Arc::new(Schema::new(fields));
        let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties))
            .map_err(|e| problem(&self.path, e))?;
        let cells = vec![Vec::new(); schema.fields().len()];
        self.state = State::Open(Box::new(Open { header, schema, writer, cells, rows: 0 }));
        Ok(())
    }

    fn fields(&self, row: Option<&Row>) -> Vec<Field> {
        let identity = IDENTITY.iter().map(|&name| match name {
            "kvp" => with_unit(name, "kV"),
            "volume_ml" => with_unit(name, "mL"),
            _ => Field::new(name, DataType::Utf8, true),
        });
        let carried = self.carried.iter().map(|column| {
            let kind = if column.numeric { DataType::Float64 } else { DataType::Utf8 };
            Field::new(&column.name, kind, true)
        });
        let mut fields: Vec<Field> = identity.chain(carried).collect();
        let Some(row) = row else { return fields };
        for facts in &row.facts {
            let region = facts.region.name();
            fields.extend(FACTS.iter().map(|fact| fact_field(region, fact)));
        }
        fields.extend(row.columns().own().map(|column| {
            let about = json!({
                "name": column.feature.name,
                "ibsi": column.feature.ibsi,
                "aggregation_ibsi": column.aggregation.ibsi(),
                "unit": unit::of(column),
            });
            described(Field::new(column.name(), DataType::Float64, true), &about)
        }));
        fields
    }
}

/// The key under which a column says what it is. One key, because the order of several would follow
/// a hash map, and the bytes of the file with it.
const KEY: &str = "abscope";

fn described(field: Field, about: &serde_json::Value) -> Field {
    field.with_metadata(HashMap::from([(KEY.to_owned(), about.to_string())]))
}

fn with_unit(name: &str, unit: &str) -> Field {
    described(Field::new(name, DataType::Float64, true), &json!({ "unit": unit }))
}

fn fact_field(region: &str, fact: &str) -> Field {
    let name = format!("{region}_fact_{fact}");
    match fact {
        "voxels" | "voxels_kept" | "levels" => Field::new(name, DataType::Int64, true),
        "touches_border" => Field::new(name, DataType::Boolean, true),
        "intensity_min" | "intensity_max" => with_unit(&name, "[hnsf'U]"),
        _ => with_unit(&name, "1"),
    }
}

impl TableWriter for Table {
    fn write(&mut self, row: &Row, carried: &[String]) -> Result<()> {
        let header = csv::header(row);
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Empty(file) => {
                let fields = self.fields(Some(row));
                self.open(file, header, fields)?;
            }
            State::Open(open) if open.header != header => return Err(table::other_columns(row)),
            state => self.state = state,
        }
        let State::Open(open) = &mut self.state else {
            return Err(Error::bad_request("the table has failed already"));
        };
        let own = csv::cells(row);
        let (identity, rest) = own.split_at(IDENTITY.len());
        let cells = identity.iter().chain(carried).chain(rest);
        for (column, cell) in open.cells.iter_mut().zip(cells) {
            column.push(cell.clone());
        }
        open.rows += 1;
        if open.rows == ROWS_PER_GROUP { open.flush(&self.path) } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        if let State::Empty(_) = &self.state {
            let fields = self.fields(None);
            if let State::Empty(file) = std::mem::replace(&mut self.state, State::Failed) {
                self.open(file, Vec::new(), fields)?;
            }
        }
        let State::Open(mut open) = self.state else {
            return Err(Error::bad_request("the table has failed already"));
        };
        if open.rows > 0 {
            open.flush(&self.path)?;
        }
        let file = open.writer.into_inner().map_err(|e| problem(&self.path, e))?;
        file.finish()
    }
}

impl Open {
    fn flush(&mut self, path: &Path) -> Result<()> {
        let fields = self.schema.fields().iter().zip(&mut self.cells);
        let arrays: Vec<ArrayRef> =
            fields.map(|(field, cells)| array(field, std::mem::take(cells))).collect();
        self.rows = 0;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays)
            .map_err(|e| Error::bad_data(path, format!("cannot be written: {e}")))?;
        self.writer.write(&batch).map_err(|e| problem(path, e))
    }
}

/// The cells of a column, typed; an empty cell is null.
fn array(field: &Field, cells: Vec<String>) -> ArrayRef {
    let numbers = || cells.iter().map(|cell| cell.parse::<f64>().ok());
    match field.data_type() {
        DataType::Float64 => Arc::new(numbers().collect::<Float64Array>()),
        DataType::Int64 => {
            Arc::new(cells.iter().map(|cell| cell.parse::<i64>().ok()).collect::<Int64Array>())
        }
        DataType::Boolean => {
            Arc::new(cells.iter().map(|cell| cell.parse::<bool>().ok()).collect::<BooleanArray>())
        }
        _ => {
            let texts = cells.iter().map(|cell| (!cell.is_empty()).then_some(cell.as_str()));
            Arc::new(texts.collect::<StringArray>())
        }
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
