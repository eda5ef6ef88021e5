//! Reading a feature table back: CSV, JSON, JSON lines or Parquet, abscope's own or another engine's.
//!
//! The content decides the format, not the file's ending. A row is one lesion of one patient. Columns
//! that are not abscope's are kept: numbers as values, anything else as text.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::export::csv::{FACTS, IDENTITY};
use crate::features::column::Column;
use crate::region::{Region, RegionFacts};
use crate::signature::score::LesionValues;
use crate::value::{Missing, Value};

/// A feature table in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureTable {
    /// The file it came from.
    pub path: PathBuf,
    /// Names of the columns with values, in the file's order: abscope's, and other columns that hold
    /// nothing but numbers.
    pub columns: Vec<String>,
    /// Names of the other columns, in the file's order.
    pub text_columns: Vec<String>,
    /// The rows, in the file's order.
    pub rows: Vec<TableRow>,
}

/// One lesion of a feature table.
#[derive(Clone, Debug, PartialEq)]
pub struct TableRow {
    /// Where the row begins: the line of a text file, the row's number in a Parquet file, from 1.
    pub line: u64,
    /// The patient's id.
    pub patient: String,
    /// The lesion's id within the patient; `1` in a table without the column.
    pub lesion: String,
    /// The lesion's name.
    pub name: Option<String>,
    /// The lesion's site.
    pub site: Option<String>,
    /// Tube voltage, kV.
    pub kvp: Option<f64>,
    /// Volume as delineated, mL.
    pub volume_ml: Option<f64>,
    /// Hash of the plan that the values were computed with; absent for another engine's.
    pub plan_hash: Option<String>,
    /// Version of abscope that computed them.
    pub version: Option<String>,
    /// Facts of the regions, where the table has them.
    pub facts: Vec<RegionFacts>,
    /// One value per name in [`FeatureTable::columns`].
    pub values: Vec<Value>,
    /// One text per name in [`FeatureTable::text_columns`].
    pub texts: Vec<String>,
}

impl FeatureTable {
    /// Reads a table.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read. [`Error::BadData`], naming line and column, for a
    /// table without `patient` column or without rows, a column or a lesion that is there twice, a
    /// cell of a numeric column that is no number, or a damaged file. [`Error::Unsupported`] for
    /// Parquet in a build without it, or with nested columns.
    pub fn read(path: &Path) -> Result<Self> {
        let io = |e| Error::io(path, e);
        let mut file = File::open(path).map_err(io)?;
        let mut start = Vec::new();
        file.by_ref().take(4096).read_to_end(&mut start).map_err(io)?;
        file.rewind().map_err(io)?;
        if start.starts_with(b"PAR1") {
            return read_parquet(path, file);
        }
        match start.iter().find(|b| !b.is_ascii_whitespace()) {
            Some(b'{') => read_json(path, BufReader::new(file)),
            Some(_) => read_csv(path, file),
            None => Err(Error::bad_data(path, "is empty; give a feature table with a header")),
        }
    }

    /// The hash of the one plan that all rows were computed with; `None` where no row names one.
    ///
    /// # Errors
    /// Rows of different plans, with a line of each.
    pub fn plan_hash(&self) -> Result<Option<&str>> {
        let mut plans: BTreeMap<Option<&str>, (u64, usize)> = BTreeMap::new();
        for row in &self.rows {
            plans.entry(row.plan_hash.as_deref()).or_insert((row.line, 0)).1 += 1;
        }
        if plans.len() <= 1 {
            return Ok(plans.into_keys().next().flatten());
        }
        let lines: Vec<String> = plans
            .iter()
            .map(|(hash, (line, n))| {
                format!("{} in {n} rows from line {line}", hash.unwrap_or("no plan hash"))
            })
            .collect();
        Err(Error::bad_data(
            &self.path,
            format!(
                "mixes rows of different settings, which cannot be compared: plan {}; extract all \
                 of them with the same settings",
                lines.join("; plan ")
            ),
        ))
    }

    /// The values of a column, one per row.
    ///
    /// # Errors
    /// No such column; or it holds text, with the first line that is no number.
    pub fn column(&self, name: &str) -> Result<Vec<Value>> {
        if let Some(at) = self.columns.iter().position(|c| c == name) {
            return Ok(self.rows.iter().map(|row| row.values[at]).collect());
        }
        let Some(at) = self.text_columns.iter().position(|c| c == name) else {
            return Err(Error::bad_data(&self.path, format!("has no column {name}")));
        };
        let text = self.rows.iter().find(|row| number(&row.texts[at]).is_none());
        let (line, cell) = text.map_or((0, ""), |row| (row.line, row.texts[at].as_str()));
        Err(not_a_number(&self.path, line, name, cell))
    }

    /// The text of a row in a column that is not abscope's.
    pub fn text<'a>(&self, row: &'a TableRow, name: &str) -> Option<&'a str> {
        let at = self.text_columns.iter().position(|c| c == name)?;
        row.texts.get(at).map(String::as_str)
    }

    /// A row as the scorer takes it. A column `batch` becomes the batch for harmonisation.
    pub fn lesion(&self, row: &TableRow) -> LesionValues {
        let batch = || {
            let at = self.columns.iter().position(|c| c == "batch")?;
            row.values[at].ok().map(|v| v.to_string())
        };
        LesionValues {
            patient: row.patient.clone(),
            lesion: row.lesion.clone(),
            name: row.name.clone(),
            site: row.site.clone(),
            kvp: row.kvp,
            batch: self.text(row, "batch").map(str::to_owned).or_else(batch),
            volume_ml: row.volume_ml,
            facts: row.facts.clone(),
            values: self.columns.iter().cloned().zip(row.values.iter().copied()).collect(),
        }
    }

    /// All rows as the scorer takes them, in the table's order.
    pub fn lesions(&self) -> impl Iterator<Item = LesionValues> {
        self.rows.iter().map(|row| self.lesion(row))
    }
}

fn not_a_number(path: &Path, line: u64, column: &str, cell: &str) -> Error {
    Error::bad_data(
        path,
        format!(
            "line {line}, column {column}: \"{cell}\" is not a number; write numbers with a point \
             and leave the cell empty where there is none"
        ),
    )
}

/// A cell as a value: other programs write `NA` or `NaN` where there is none.
fn number(cell: &str) -> Option<Value> {
    match cell.trim() {
        "" | "NA" | "NaN" | "nan" => Some(Err(Missing::NotInTable)),
        text => match text.parse::<f64>() {
            Ok(v) if v.is_finite() => Some(Ok(v)),
            Ok(_) => Some(Err(Missing::NotFinite)),
            Err(_) => None,
        },
    }
}

/// What a column of the file is.
enum Role {
    /// One of [`IDENTITY`].
    Identity,
    /// A fact of a region, index into [`FACTS`].
    Fact(Region, usize),
    /// A feature of abscope.
    Feature,
    /// Anything else.
    Foreign,
}

impl Role {
    fn of(name: &str) -> Self {
        let fact = |region: Region| {
            let fact = name.strip_prefix(region.name())?.strip_prefix("_fact_")?;
            Some(Self::Fact(region, FACTS.iter().position(|f| *f == fact)?))
        };
        if IDENTITY.contains(&name) {
            Self::Identity
        } else if let Some(fact) = fact(Region::Tumour).or_else(|| fact(Region::Ring)) {
            fact
        } else if Column::parse(name).is_some() {
            Self::Feature
        } else {
            Self::Foreign
        }
    }
}

/// Cells to rows, whatever the file's format.
struct Builder<'a> {
    path: &'a Path,
    header: Vec<String>,
    roles: Vec<Role>,
    rows: Vec<TableRow>,
    /// Cells of foreign columns, until it is known which hold numbers only.
    foreign: Vec<Vec<String>>,
    seen: BTreeMap<(String, String), u64>,
}

impl<'a> Builder<'a> {
    fn new(path: &'a Path, header: Vec<String>) -> Result<Self> {
        let mut names = BTreeSet::new();
        for name in &header {
            if !names.insert(name) {
                return Err(Error::bad_data(
                    path,
                    format!("has column \"{name}\" twice; rename or remove one"),
                ));
            }
        }
        if !header.iter().any(|name| name == "patient") {
            let found: Vec<&str> = header.iter().take(8).map(String::as_str).collect();
            let hint = if header.len() == 1 && found.iter().any(|n| n.contains([';', '\t'])) {
                "separate columns by commas"
            } else {
                "name the column that identifies the patient \"patient\" (and the one that \
                 identifies the lesion \"lesion\")"
            };
            return Err(Error::bad_data(
                path,
                format!("has no column \"patient\"; it begins with {}; {hint}", found.join(", ")),
            ));
        }
        let roles = header.iter().map(|name| Role::of(name)).collect();
        Ok(Self {
            path,
            header,
            roles,
            rows: Vec::new(),
            foreign: Vec::new(),
            seen: BTreeMap::new(),
        })
    }

    fn row(&mut self, line: u64, cells: Vec<String>) -> Result<()> {
        if cells.len() != self.header.len() {
            return Err(Error::bad_data(
                self.path,
                format!(
                    "line {line}: has {} cells where the header has {}",
                    cells.len(),
                    self.header.len()
                ),
            ));
        }
        let identity = |name: &str| {
            let at = self.header.iter().position(|h| h == name)?;
            Some(cells[at].trim()).filter(|cell| !cell.is_empty())
        };
        let owned = |name: &str| identity(name).map(str::to_owned);
        let measure = |name: &str| match identity(name).map(|cell| (cell, number(cell))) {
            None => Ok(None),
            Some((_, Some(value))) => Ok(value.ok()),
            Some((cell, None)) => Err(not_a_number(self.path, line, name, cell)),
        };
        let Some(patient) = owned("patient") else {
            return Err(Error::bad_data(self.path, format!("line {line}: has no patient")));
        };
        let lesion = owned("lesion").unwrap_or_else(|| "1".into());
        if let Some(first) = self.seen.insert((patient.clone(), lesion.clone()), line) {
            return Err(Error::bad_data(
                self.path,
                format!(
                    "lines {first} and {line} are both lesion {lesion} of patient {patient}; \
                     remove one, or give the lesions different ids in a column \"lesion\""
                ),
            ));
        }
        let reasons = self.reasons(line, identity("missing").unwrap_or(""))?;
        let mut values = Vec::new();
        let mut foreign = Vec::new();
        for ((name, role), cell) in self.header.iter().zip(&self.roles).zip(&cells) {
            match role {
                Role::Feature => {
                    let value =
                        number(cell).ok_or_else(|| not_a_number(self.path, line, name, cell))?;
                    let reason = reasons.get(name.as_str()).copied();
                    values.push(value.map_err(|unknown| reason.unwrap_or(unknown)));
                }
                Role::Foreign => foreign.push(cell.clone()),
                Role::Identity | Role::Fact(..) => {}
            }
        }
        let facts = [Region::Tumour, Region::Ring]
            .into_iter()
            .map(|region| self.facts(line, region, &cells))
            .collect::<Result<Vec<_>>>()?;
        let row = TableRow {
            line,
            patient,
            lesion,
            name: owned("name"),
            site: owned("site"),
            kvp: measure("kvp")?,
            volume_ml: measure("volume_ml")?,
            plan_hash: owned("plan_hash"),
            version: owned("version"),
            facts: facts.into_iter().flatten().collect(),
            values,
            texts: Vec::new(),
        };
        self.rows.push(row);
        self.foreign.push(foreign);
        Ok(())
    }

    /// The reasons of the `missing` cell by column.
    fn reasons<'c>(&self, line: u64, cell: &'c str) -> Result<BTreeMap<&'c str, Missing>> {
        cell.split(';')
            .filter(|part| !part.is_empty())
            .map(|part| {
                part.split_once('=')
                    .and_then(|(column, code)| {
                        Some((column, serde_json::from_value(Json::from(code)).ok()?))
                    })
                    .ok_or_else(|| {
                        Error::bad_data(
                            self.path,
                            format!(
                                "line {line}, column missing: \"{part}\" is not of the form \
                                 column=reason with a reason that abscope writes"
                            ),
                        )
                    })
            })
            .collect()
    }

    /// A region's facts; `None` where the table or the row does not have them.
    fn facts(&self, line: u64, region: Region, cells: &[String]) -> Result<Option<RegionFacts>> {
        let mut found: [Option<&str>; FACTS.len()] = [None; FACTS.len()];
        for (role, cell) in self.roles.iter().zip(cells) {
            if let Role::Fact(of, at) = role
                && *of == region
            {
                found[*at] = Some(cell.trim()).filter(|cell| !cell.is_empty());
            }
        }
        let fact = |at: usize| match found[at].map(|cell| (cell, number(cell))) {
            None => Ok(None),
            Some((_, Some(value))) => Ok(value.ok()),
            Some((cell, None)) => {
                let column = format!("{}_fact_{}", region.name(), FACTS[at]);
                Err(not_a_number(self.path, line, &column, cell))
            }
        };
        let count = |at: usize| fact(at).map(|v| v.filter(|v| *v >= 0.0).map(|v| v as usize));
        let border = match found[7] {
            None => return Ok(None),
            Some("true" | "True" | "TRUE" | "1") => true,
            Some("false" | "False" | "FALSE" | "0") => false,
            Some(cell) => {
                return Err(Error::bad_data(
                    self.path,
                    format!(
                        "line {line}, column {}_fact_touches_border: \"{cell}\" is neither true \
                         nor false",
                        region.name()
                    ),
                ));
            }
        };
        let (Some(voxels), Some(voxels_kept), Some(air_fraction), Some(bone_fraction)) =
            (count(0)?, count(1)?, fact(5)?, fact(6)?)
        else {
            return Ok(None);
        };
        Ok(Some(RegionFacts {
            region,
            voxels,
            voxels_kept,
            levels: count(2)?,
            intensity_range: fact(3)?.zip(fact(4)?).map(|(low, high)| [low, high]),
            air_fraction,
            bone_fraction,
            touches_border: border,
        }))
    }

    /// Sorts the foreign columns into numbers and text, and the values into the file's order.
    fn finish(mut self) -> Result<FeatureTable> {
        if self.rows.is_empty() {
            return Err(Error::bad_data(self.path, "has a header and no rows"));
        }
        let foreign = self.roles.iter().filter(|r| matches!(r, Role::Foreign)).count();
        let numeric: Vec<bool> = (0..foreign)
            .map(|at| {
                let mut cells = self.foreign.iter().map(|cells| number(&cells[at]));
                let all = cells.clone().all(|cell| cell.is_some());
                all && cells.any(|cell| matches!(cell, Some(Ok(_))))
            })
            .collect();
        let mut columns = Vec::new();
        let mut text_columns = Vec::new();
        let mut at = 0;
        for (name, role) in self.header.iter().zip(&self.roles) {
            match role {
                Role::Feature => columns.push(name.clone()),
                Role::Foreign => {
                    let list = if numeric[at] { &mut columns } else { &mut text_columns };
                    list.push(name.clone());
                    at += 1;
                }
                Role::Identity | Role::Fact(..) => {}
            }
        }
        for (row, cells) in self.rows.iter_mut().zip(self.foreign) {
            let mut own = std::mem::take(&mut row.values).into_iter();
            let mut cells = cells.into_iter().zip(&numeric);
            for role in &self.roles {
                match role {
                    Role::Feature => row.values.extend(own.next()),
                    Role::Foreign => match cells.next() {
                        Some((cell, true)) => row.values.extend(number(&cell)),
                        Some((cell, false)) => row.texts.push(cell),
                        None => {}
                    },
                    Role::Identity | Role::Fact(..) => {}
                }
            }
        }
        Ok(FeatureTable { path: self.path.to_owned(), columns, text_columns, rows: self.rows })
    }
}

fn read_csv(path: &Path, file: File) -> Result<FeatureTable> {
    let damaged = |e: csv::Error| match e.kind() {
        csv::ErrorKind::Io(_) => Error::io(path, std::io::Error::from(e)),
        _ => Error::bad_data(path, format!("is not a table of comma-separated values: {e}")),
    };
    let mut reader = csv::ReaderBuilder::new().from_reader(BufReader::new(file));
    let header = reader.headers().map_err(damaged)?;
    // Spreadsheets put a byte order mark before the first name.
    let header = header.iter().map(|name| name.trim_start_matches('\u{feff}').trim().to_owned());
    let mut builder = Builder::new(path, header.collect())?;
    for record in reader.into_records() {
        let record = record.map_err(damaged)?;
        let line = record.position().map_or(0, csv::Position::line);
        builder.row(line, record.iter().map(str::to_owned).collect())?;
    }
    builder.finish()
}

/// One document with `rows`, or a row per line.
fn read_json(path: &Path, mut reader: impl BufRead) -> Result<FeatureTable> {
    let damaged = |line: u64, e: &dyn std::fmt::Display| {
        Error::bad_data(path, format!("line {line}: is not JSON: {e}"))
    };
    let mut first = String::new();
    let io = |e| Error::io(path, e);
    while first.trim().is_empty() && reader.read_line(&mut first).map_err(io)? > 0 {}
    let is_line = serde_json::from_str::<Json>(&first).is_ok_and(|row| row.get("rows").is_none());
    let mut table = JsonTable { path, builder: None };
    if is_line {
        table.row(1, &serde_json::from_str(&first).map_err(|e| damaged(1, &e))?)?;
        for (at, line) in reader.lines().enumerate() {
            let line = line.map_err(io)?;
            let number = at as u64 + 2;
            if !line.trim().is_empty() {
                table
                    .row(number, &serde_json::from_str(&line).map_err(|e| damaged(number, &e))?)?;
            }
        }
    } else {
        let document: Json = serde_json::from_reader(first.as_bytes().chain(reader))
            .map_err(|e| damaged(e.line() as u64, &e))?;
        let Some(rows) = document.get("rows").and_then(Json::as_array) else {
            return Err(Error::bad_data(path, "has no list \"rows\"; it is no feature table"));
        };
        for (at, row) in rows.iter().enumerate() {
            table.row(at as u64 + 1, row)?;
        }
    }
    match table.builder {
        Some(builder) => builder.finish(),
        None => Err(Error::bad_data(path, "has no rows")),
    }
}

struct JsonTable<'a> {
    path: &'a Path,
    builder: Option<Builder<'a>>,
}

impl JsonTable<'_> {
    fn row(&mut self, line: u64, row: &Json) -> Result<()> {
        let Some(cells) = flatten(row) else {
            return Err(Error::bad_data(
                self.path,
                format!("line {line}: is not a row of a feature table: it has no \"values\""),
            ));
        };
        let (header, cells): (Vec<String>, Vec<String>) = cells.into_iter().unzip();
        if self.builder.is_none() {
            self.builder = Some(Builder::new(self.path, header.clone())?);
        }
        match &mut self.builder {
            Some(builder) if builder.header == header => builder.row(line, cells),
            _ => Err(Error::bad_data(
                self.path,
                format!("line {line}: has other columns than the first row"),
            )),
        }
    }
}

/// A row object as names and cells of the wide table.
fn flatten(row: &Json) -> Option<Vec<(String, String)>> {
    let row = row.as_object()?;
    let values = row.get("values")?.as_object()?;
    let mut cells = Vec::with_capacity(values.len() + 32);
    for name in IDENTITY {
        let cell = match (name, row.get(name)) {
            ("missing", Some(Json::Object(reasons))) => {
                let reasons = reasons.iter().map(|(column, r)| format!("{column}={}", text(r)));
                reasons.collect::<Vec<_>>().join(";")
            }
            (_, cell) => cell.map(text).unwrap_or_default(),
        };
        cells.push((name.to_owned(), cell));
    }
    if let Some(carried) = row.get("carried").and_then(Json::as_object) {
        cells.extend(carried.iter().map(|(name, cell)| (name.clone(), text(cell))));
    }
    for facts in row.get("facts").and_then(Json::as_array).into_iter().flatten() {
        let region = facts.get("region")?.as_str()?;
        for fact in FACTS {
            let range = |at: usize| facts.get("intensity_range").and_then(|r| r.get(at));
            let cell = match fact {
                "intensity_min" => range(0),
                "intensity_max" => range(1),
                _ => facts.get(fact),
            };
            cells.push((format!("{region}_fact_{fact}"), cell.map(text).unwrap_or_default()));
        }
    }
    cells.extend(values.iter().map(|(name, cell)| (name.clone(), text(cell))));
    Some(cells)
}

fn text(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(not(feature = "parquet"))]
fn read_parquet(path: &Path, _file: File) -> Result<FeatureTable> {
    Err(Error::unsupported(
        path,
        "is Parquet, which this build of abscope does not read; give CSV or JSON lines",
    ))
}

#[cfg(feature = "parquet")]
fn read_parquet(path: &Path, file: File) -> Result<FeatureTable> {
    use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

    let damaged = |e: &dyn std::fmt::Display| {
        Error::bad_data(path, format!("is not a whole Parquet file: {e}"))
    };
    // Without the writer's own schema every text is plain text, whichever program wrote it.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)
        .and_then(|builder| builder.with_batch_size(256).build())
        .map_err(|e| damaged(&e))?;
    let fields = arrow_array::RecordBatchReader::schema(&reader).fields().clone();
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

/// A column's cells as text; `None` for a type that is no plain value.
#[cfg(feature = "parquet")]
fn cells(array: &dyn arrow_array::Array) -> Option<Vec<String>> {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{
        Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
        UInt32Type, UInt64Type,
    };
    use arrow_schema::DataType;

    macro_rules! all {
        ($array:expr) => {
            $array.iter().map(|v| v.map(|v| v.to_string()).unwrap_or_default()).collect()
        };
    }
    Some(match array.data_type() {
        DataType::Utf8 => all!(array.as_string::<i32>()),
        DataType::Boolean => all!(array.as_boolean()),
        DataType::Float64 => all!(array.as_primitive::<Float64Type>()),
        DataType::Float32 => all!(array.as_primitive::<Float32Type>()),
        DataType::Int64 => all!(array.as_primitive::<Int64Type>()),
        DataType::Int32 => all!(array.as_primitive::<Int32Type>()),
        DataType::Int16 => all!(array.as_primitive::<Int16Type>()),
        DataType::Int8 => all!(array.as_primitive::<Int8Type>()),
        DataType::UInt64 => all!(array.as_primitive::<UInt64Type>()),
        DataType::UInt32 => all!(array.as_primitive::<UInt32Type>()),
        DataType::UInt16 => all!(array.as_primitive::<UInt16Type>()),
        DataType::UInt8 => all!(array.as_primitive::<UInt8Type>()),
        DataType::Null => vec![String::new(); array.len()],
        _ => return None,
    })
}
