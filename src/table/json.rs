//! Rows of features as JSON objects, with provenance and units.

use std::path::Path;

use serde_json::{Map, Value as Json, json};

use super::builder::Builder;
use super::cell::Cell;
use super::field::{Carried, Fact, Identity};
use super::read::Table;
use crate::error::{Error, Result};
use crate::extract::lost_in_resampling;
use crate::ingest::Case;
use crate::plan::Plan;
use crate::region::Region;
use crate::row::Row;

/// The schema of feature tables.
pub const SCHEMA: &str = "abscope.features/1";

/// A case's rows as one JSON document: version, plan and its hash, inputs, warnings, rows.
///
/// A missing value is `null` under `values` and its reason stands under `missing`.
pub fn document(case: &Case, plan: &Plan, rows: &[Row]) -> Json {
    let lost = lost_in_resampling(case, plan, rows);
    let warnings: Vec<Json> =
        case.warnings.iter().map(|w| json!(w)).chain(lost.iter().map(|w| json!(w))).collect();
    json!({
        "schema": SCHEMA,
        "version": env!("CARGO_PKG_VERSION"),
        "plan_hash": plan.hash(),
        "plan": plan,
        "inputs": case.inputs,
        "warnings": warnings,
        "rows": rows.iter().map(row).collect::<Vec<_>>(),
    })
}

/// One row as JSON.
pub fn row(row: &Row) -> Json {
    let mut values = Map::new();
    let mut missing = Map::new();
    for (column, value) in row.columns().names().iter().zip(row.values()) {
        values.insert(column.clone(), value.map_or(Json::Null, Json::from));
        if let Err(reason) = value {
            missing.insert(column.clone(), json!(reason));
        }
    }
    json!({
        "patient": row.patient,
        "lesion": row.lesion,
        "name": row.name,
        "site": row.site,
        "study": row.scan.study,
        "series": row.scan.series,
        "study_day": row.scan.study_day,
        "kvp": row.kvp,
        "kernel": row.scan.kernel,
        "phase": row.scan.phase,
        "slice_thickness_mm": row.scan.slice_thickness_mm,
        "volume_ml": row.volume_ml,
        "version": row.version,
        "plan_hash": row.plan_hash,
        "facts": row.facts,
        "values": values,
        "missing": missing,
    })
}

/// One row with what is carried through under `carried`.
pub(super) fn carried(of: &Row, carried: &[Carried], texts: &[String]) -> Json {
    let mut object = row(of);
    if let Json::Object(fields) = &mut object
        && !carried.is_empty()
    {
        let cells = carried.iter().zip(texts);
        let cells = cells.map(|(c, text)| (c.name.clone(), Json::from(&c.cell(text))));
        fields.insert("carried".into(), Json::Object(cells.collect()));
    }
    object
}

impl From<&Cell> for Json {
    fn from(cell: &Cell) -> Self {
        match cell {
            Cell::Empty => Self::Null,
            Cell::Text(text) => text.as_str().into(),
            Cell::Number(number) => (*number).into(),
            Cell::Count(number) => (*number).into(),
            Cell::Truth(truth) => (*truth).into(),
        }
    }
}

impl From<&Json> for Cell {
    fn from(json: &Json) -> Self {
        match json {
            Json::Null => Self::Empty,
            Json::Bool(truth) => Self::Truth(*truth),
            Json::String(text) => text.as_str().into(),
            Json::Number(number) => number.as_f64().into(),
            other => Self::Text(other.to_string()),
        }
    }
}

/// Objects to rows; all have the columns of the first.
pub(super) struct RowReader<'a> {
    path: &'a Path,
    header: Vec<String>,
    builder: Option<Builder<'a>>,
}

impl<'a> RowReader<'a> {
    pub(super) fn new(path: &'a Path) -> Self {
        Self { path, header: Vec::new(), builder: None }
    }

    pub(super) fn row(&mut self, line: u64, row: &Json) -> Result<()> {
        let Some(cells) = flat(row) else {
            return Err(Error::bad_data(
                self.path,
                format!("line {line}: is not a row of a feature table: it has no \"values\""),
            ));
        };
        let (header, cells): (Vec<String>, Vec<Cell>) = cells.into_iter().unzip();
        let builder = match &mut self.builder {
            Some(builder) => builder,
            none => {
                self.header.clone_from(&header);
                none.insert(Builder::new(self.path, header.clone())?)
            }
        };
        if self.header != header {
            return Err(Error::bad_data(
                self.path,
                format!("line {line}: has other columns than the first row"),
            ));
        }
        builder.row(line, cells)
    }

    pub(super) fn finish(self) -> Result<Table> {
        match self.builder {
            Some(builder) => builder.finish(),
            None => Err(Error::bad_data(self.path, "has no rows")),
        }
    }
}

/// A row object as names and cells of the wide table.
fn flat(row: &Json) -> Option<Vec<(String, Cell)>> {
    let row = row.as_object()?;
    let values = row.get("values")?.as_object()?;
    let mut cells = Vec::with_capacity(values.len() + 32);
    for identity in Identity::ALL {
        let cell = match (identity, row.get(identity.name())) {
            (Identity::Missing, Some(Json::Object(reasons))) => {
                let reasons = reasons.iter().map(|(c, why)| format!("{c}={}", Cell::from(why)));
                reasons.collect::<Vec<_>>().join(";").as_str().into()
            }
            (_, cell) => cell.map_or(Cell::Empty, Cell::from),
        };
        cells.push((identity.name().to_owned(), cell));
    }
    if let Some(carried) = row.get("carried").and_then(Json::as_object) {
        cells.extend(carried.iter().map(|(name, cell)| (name.clone(), cell.into())));
    }
    for facts in row.get("facts").and_then(Json::as_array).into_iter().flatten() {
        let region: Region = serde_json::from_value(facts.get("region")?.clone()).ok()?;
        for fact in Fact::ALL {
            let range = |at: usize| facts.get("intensity_range").and_then(|r| r.get(at));
            let cell = match fact {
                Fact::IntensityMin => range(0),
                Fact::IntensityMax => range(1),
                _ => facts.get(fact.name()),
            };
            cells.push((fact.column(region), cell.map_or(Cell::Empty, Cell::from)));
        }
    }
    cells.extend(values.iter().map(|(name, cell)| (name.clone(), cell.into())));
    Some(cells)
}
