//! Cells to rows, whatever the file's format.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::cell::Cell;
use super::field::{Fact, Identity};
use super::read::{Entry, Table, not_a_number};
use crate::error::{Error, Result};
use crate::features::{Column, ColumnKey, Columns};
use crate::ingest::Scan;
use crate::region::{Region, RegionFacts};
use crate::row::Row;
use crate::value::{Missing, Value};

/// The column whose value, where there is one, is the batch for harmonisation.
const BATCH: &str = "batch";

/// What a column of the file is.
enum Role {
    Identity(Identity),
    Fact(Region, Fact),
    /// A feature of abscope.
    Feature(Column),
    /// Anything else.
    Foreign,
}

impl Role {
    fn of(name: &str) -> Self {
        if let Some(identity) = Identity::ALL.into_iter().find(|i| i.name() == name) {
            Self::Identity(identity)
        } else if let Some((region, fact)) = Fact::parse(name) {
            Self::Fact(region, fact)
        } else {
            Column::parse(name).map_or(Self::Foreign, Self::Feature)
        }
    }
}

/// A row whose foreign cells are not yet known to be numbers or text.
struct Pending {
    line: u64,
    row: Row,
    /// Values of abscope's columns, in the file's order.
    own: Vec<Value>,
    /// Cells of the foreign columns, in the file's order.
    foreign: Vec<Cell>,
}

/// A table under construction.
pub(super) struct Builder<'a> {
    path: &'a Path,
    header: Vec<String>,
    roles: Vec<Role>,
    rows: Vec<Pending>,
    /// The line of each scan's lesion.
    seen: BTreeMap<[String; 4], u64>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(path: &'a Path, header: Vec<String>) -> Result<Self> {
        let mut names = BTreeSet::new();
        for name in &header {
            if !names.insert(name) {
                return Err(Error::bad_data(
                    path,
                    format!("has column \"{name}\" twice; rename or remove one"),
                ));
            }
        }
        if !header.iter().any(|name| name == Identity::Patient.name()) {
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
        Ok(Self { path, header, roles, rows: Vec::new(), seen: BTreeMap::new() })
    }

    /// Adds a row of as many cells as the header has.
    pub(super) fn row(&mut self, line: u64, cells: Vec<Cell>) -> Result<()> {
        let line_of = Line { path: self.path, line, cells: &cells };
        let place = |wanted: Identity| {
            self.roles.iter().position(|r| matches!(r, Role::Identity(i) if *i == wanted))
        };
        let text = |identity| line_of.cells[place(identity)?].text();
        let number = |identity: Identity| match place(identity) {
            Some(at) => line_of.number(at, identity.name()),
            None => Ok(None),
        };
        let Some(patient) = text(Identity::Patient) else {
            return Err(Error::bad_data(self.path, format!("line {line}: has no patient")));
        };
        let lesion = text(Identity::Lesion).unwrap_or_else(|| "1".into());
        let mut row = Row::new(patient, lesion, Arc::default(), Vec::new());
        row.scan = Scan {
            study: text(Identity::Study),
            series: text(Identity::Series),
            study_day: line_of.day(place(Identity::StudyDay))?,
            kernel: text(Identity::Kernel),
            phase: text(Identity::Phase),
            slice_thickness_mm: number(Identity::SliceThicknessMm)?,
        };
        if let Some(first) = self.seen.insert(row.identity().map(str::to_owned), line) {
            return Err(Error::bad_data(
                self.path,
                format!(
                    "lines {first} and {line} are both lesion {} of patient {} on one scan; remove \
                     one, or give different ids to lesions in a column \"lesion\" and to time points \
                     in a column \"study\"",
                    row.lesion, row.patient
                ),
            ));
        }
        row.name = text(Identity::Name);
        row.site = text(Identity::Site);
        row.kvp = number(Identity::Kvp)?;
        row.volume_ml = number(Identity::VolumeMl)?;
        row.plan_hash = text(Identity::PlanHash);
        row.version = text(Identity::Version);
        for region in Region::ALL {
            row.facts.extend(self.facts(region, &line_of)?);
        }
        let reasons = line_of.reasons(&text(Identity::Missing).unwrap_or_default())?;
        let mut own = Vec::new();
        let mut foreign = Vec::new();
        for ((name, role), cell) in self.header.iter().zip(&self.roles).zip(&cells) {
            match role {
                Role::Feature(_) => {
                    let value = cell
                        .value()
                        .ok_or_else(|| not_a_number(self.path, line, name, &cell.to_string()))?;
                    let reason = reasons.get(name).copied();
                    own.push(value.map_err(|unknown| reason.unwrap_or(unknown)));
                }
                Role::Foreign => foreign.push(cell.clone()),
                Role::Identity(_) | Role::Fact(..) => {}
            }
        }
        self.rows.push(Pending { line, row, own, foreign });
        Ok(())
    }

    /// A region's facts; `None` where the table or the row does not have them.
    fn facts(&self, region: Region, line: &Line<'_>) -> Result<Option<RegionFacts>> {
        let place = |wanted: Fact| {
            let is = |role: &Role| matches!(role, Role::Fact(r, f) if *r == region && *f == wanted);
            self.roles.iter().position(is)
        };
        let number = |fact: Fact| match place(fact) {
            Some(at) => line.number(at, &fact.column(region)),
            None => Ok(None),
        };
        let count = |fact| number(fact).map(|v| v.filter(|v| *v >= 0.0).map(|v| v as usize));
        let border = place(Fact::TouchesBorder).map(|at| &line.cells[at]);
        let Some(border) = border.filter(|cell| cell.text().is_some()) else { return Ok(None) };
        let touches_border = border.truth().ok_or_else(|| {
            Error::bad_data(
                line.path,
                format!(
                    "line {}, column {}: \"{border}\" is neither true nor false",
                    line.line,
                    Fact::TouchesBorder.column(region)
                ),
            )
        })?;
        let (Some(voxels), Some(voxels_kept), Some(air_fraction), Some(bone_fraction)) = (
            count(Fact::Voxels)?,
            count(Fact::VoxelsKept)?,
            number(Fact::AirFraction)?,
            number(Fact::BoneFraction)?,
        ) else {
            return Ok(None);
        };
        let range = number(Fact::IntensityMin)?.zip(number(Fact::IntensityMax)?);
        Ok(Some(RegionFacts {
            region,
            voxels,
            voxels_kept,
            levels: count(Fact::Levels)?,
            intensity_range: range.map(|(low, high)| [low, high]),
            air_fraction,
            bone_fraction,
            touches_border,
        }))
    }

    /// Sorts the foreign columns into numbers and text, and the values into the file's order.
    pub(super) fn finish(self) -> Result<Table> {
        let Self { path, header, roles, rows, .. } = self;
        if rows.is_empty() {
            return Err(Error::bad_data(path, "has a header and no rows"));
        }
        let foreign = roles.iter().filter(|role| matches!(role, Role::Foreign)).count();
        let numeric: Vec<bool> = (0..foreign)
            .map(|at| {
                let mut values = rows.iter().map(|row| row.foreign[at].value());
                let all = values.clone().all(|value| value.is_some());
                all && values.any(|value| matches!(value, Some(Ok(_))))
            })
            .collect();
        let mut keys = Vec::new();
        let mut text_columns = Vec::new();
        let mut kinds = numeric.iter();
        for (name, role) in header.into_iter().zip(&roles) {
            match role {
                Role::Feature(column) => keys.push(ColumnKey::Own(column.clone())),
                Role::Foreign if kinds.next() == Some(&true) => keys.push(ColumnKey::Foreign(name)),
                Role::Foreign => text_columns.push(name),
                Role::Identity(_) | Role::Fact(..) => {}
            }
        }
        let columns = Arc::new(Columns::new(keys));
        let batch = Batch {
            text: text_columns.iter().position(|name| name == BATCH),
            value: columns.place(BATCH),
        };
        let entry = |pending: Pending| {
            let Pending { line, row, own, foreign } = pending;
            let (values, texts) = in_order(&roles, &numeric, own, foreign);
            let batch = batch.of(&values, &texts);
            let mut row = row.of_columns(Arc::clone(&columns), values);
            row.batch = batch;
            Entry { line, row, texts }
        };
        let entries = rows.into_iter().map(entry).collect();
        Ok(Table { path: path.to_owned(), columns, text_columns, entries })
    }
}

/// Values and texts of a row, in the file's order.
fn in_order(
    roles: &[Role],
    numeric: &[bool],
    own: Vec<Value>,
    foreign: Vec<Cell>,
) -> (Vec<Value>, Vec<String>) {
    let (mut values, mut texts) = (Vec::new(), Vec::new());
    let (mut own, mut foreign) = (own.into_iter(), foreign.into_iter().zip(numeric));
    for role in roles {
        match role {
            Role::Feature(_) => values.extend(own.next()),
            Role::Foreign => match foreign.next() {
                Some((cell, true)) => values.extend(cell.value()),
                Some((cell, false)) => texts.push(cell.to_string()),
                None => {}
            },
            Role::Identity(_) | Role::Fact(..) => {}
        }
    }
    (values, texts)
}

/// Where a table has the batch.
struct Batch {
    text: Option<usize>,
    value: Option<usize>,
}

impl Batch {
    fn of(&self, values: &[Value], texts: &[String]) -> Option<String> {
        let number = || values[self.value?].ok().map(|v| v.to_string());
        self.text.map(|at| texts[at].clone()).or_else(number)
    }
}

/// The cells of a row, and where it stands.
struct Line<'a> {
    path: &'a Path,
    line: u64,
    cells: &'a [Cell],
}

impl Line<'_> {
    fn number(&self, at: usize, column: &str) -> Result<Option<f64>> {
        let cell = &self.cells[at];
        match cell.value() {
            Some(value) => Ok(value.ok()),
            None => Err(not_a_number(self.path, self.line, column, &cell.to_string())),
        }
    }

    fn day(&self, at: Option<usize>) -> Result<Option<i64>> {
        let Some(at) = at else { return Ok(None) };
        let name = Identity::StudyDay.name();
        let Some(day) = self.number(at, name)? else { return Ok(None) };
        if day.fract() != 0.0 || day.abs() > 1e6 {
            return Err(Error::bad_data(
                self.path,
                format!("line {}, column {name}: {day} is no whole number of days", self.line),
            ));
        }
        Ok(Some(day as i64))
    }

    /// The reasons of the `missing` cell by column.
    fn reasons(&self, cell: &str) -> Result<BTreeMap<String, Missing>> {
        let reason = |part: &str| {
            let (column, code) = part.split_once('=')?;
            Some((column.to_owned(), Missing::parse(code)?))
        };
        cell.split(';')
            .filter(|part| !part.is_empty())
            .map(|part| {
                reason(part).ok_or_else(|| {
                    Error::bad_data(
                        self.path,
                        format!(
                            "line {}, column missing: \"{part}\" is not of the form column=reason \
                             with a reason that abscope writes",
                            self.line
                        ),
                    )
                })
            })
            .collect()
    }
}
