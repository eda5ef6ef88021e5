//! Scoring from a table: a CSV of `abscope extract`, or another engine's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::score::{LesionValues, Origin};
use crate::error::{Error, Result};
use crate::export::csv::{FACTS, IDENTITY};
use crate::features::value::Missing;
use crate::row::{Region, RegionFacts};

/// A feature table, one entry per lesion.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScoringTable {
    /// The lesions in the table's order.
    pub lesions: Vec<LesionValues>,
    /// The hash of the plan that every row was extracted with; `None` for another engine's table.
    pub plan_hash: Option<String>,
}

impl ScoringTable {
    /// How its values were made.
    pub fn origin(&self) -> Origin<'_> {
        self.plan_hash.as_deref().map_or(Origin::Foreign, Origin::Hash)
    }

    /// Reads a CSV table. `patient` and `lesion` are required; `site`, `kvp`, `batch`, `volume_ml`,
    /// `name` and abscope's own columns are understood; all other columns with numbers are values.
    ///
    /// # Errors
    /// The file cannot be read, has no rows or no `patient` or `lesion` column, names a lesion
    /// twice, holds text where a number belongs, or mixes rows of different plans.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        Self::parse(&bytes).map_err(|problem| Error::bad_data(path, problem))
    }

    /// Parses CSV bytes; see [`ScoringTable::read`].
    ///
    /// # Errors
    /// What is wrong, with its row and column.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = csv::Reader::from_reader(bytes);
        let header: Vec<String> = reader
            .headers()
            .map_err(|e| format!("not a CSV table: {e}"))?
            .iter()
            .map(|name| name.trim().to_owned())
            .collect();
        let mut seen = BTreeSet::new();
        if let Some(twice) = header.iter().find(|name| !seen.insert(name.as_str())) {
            return Err(format!("column \"{twice}\" is there twice"));
        }
        for needed in ["patient", "lesion"] {
            if !seen.contains(needed) {
                return Err(format!("has no column \"{needed}\"; every row needs one"));
            }
        }
        let mut table = Self::default();
        let mut ids = BTreeSet::new();
        let mut hashes = BTreeSet::new();
        for (index, record) in reader.records().enumerate() {
            let row = index + 2;
            let record = record.map_err(|e| format!("row {row}: {e}"))?;
            let cells: Cells =
                header.iter().map(String::as_str).zip(record.iter().map(str::trim)).collect();
            let lesion = lesion(&cells, row)?;
            if !ids.insert((lesion.patient.clone(), lesion.lesion.clone())) {
                return Err(format!(
                    "row {row}: patient {} lesion {} is there twice",
                    lesion.patient, lesion.lesion
                ));
            }
            hashes.insert(cells.get("plan_hash").copied().unwrap_or_default().to_owned());
            table.lesions.push(lesion);
        }
        if table.lesions.is_empty() {
            return Err("has no rows".into());
        }
        if hashes.len() > 1 {
            let list: Vec<&str> = hashes.iter().map(String::as_str).collect();
            return Err(format!(
                "rows were extracted with different settings (plan hashes {}); score one plan's rows \
                 at a time",
                list.join(", ")
            ));
        }
        table.plan_hash = hashes.pop_first().filter(|hash| !hash.is_empty());
        Ok(table)
    }

    /// The lesions by patient, patients in the table's order.
    pub fn by_patient(&self) -> Vec<(&str, Vec<&LesionValues>)> {
        let mut groups: Vec<(&str, Vec<&LesionValues>)> = Vec::new();
        let mut at: BTreeMap<&str, usize> = BTreeMap::new();
        for lesion in &self.lesions {
            let index = *at.entry(&lesion.patient).or_insert_with(|| {
                groups.push((&lesion.patient, Vec::new()));
                groups.len() - 1
            });
            groups[index].1.push(lesion);
        }
        groups
    }
}

type Cells<'a> = BTreeMap<&'a str, &'a str>;

/// Columns that identify a row, besides those of abscope's own tables.
const ALSO_IDENTITY: [&str; 1] = ["batch"];

fn lesion(cells: &Cells<'_>, row: usize) -> Result<LesionValues, String> {
    let text = |name: &str| cells.get(name).copied().filter(|t| !t.is_empty()).map(str::to_owned);
    let needed = |name: &str| text(name).ok_or_else(|| format!("row {row}: \"{name}\" is empty"));
    let number = |name: &str| -> Result<Option<f64>, String> {
        let Some(cell) = text(name) else { return Ok(None) };
        let value: Option<f64> = cell.parse().ok().filter(|v: &f64| v.is_finite());
        value.map(Some).ok_or_else(|| format!("row {row}: {name} is \"{cell}\", not a number"))
    };
    let reasons = reasons(cells.get("missing").copied().unwrap_or_default());
    let mut lesion = LesionValues {
        patient: needed("patient")?,
        lesion: needed("lesion")?,
        name: text("name"),
        site: text("site"),
        kvp: number("kvp")?,
        batch: text("batch"),
        volume_ml: number("volume_ml")?,
        facts: [Region::Tumour, Region::Ring]
            .into_iter()
            .filter_map(|region| facts(region, cells))
            .collect(),
        values: BTreeMap::new(),
    };
    for (&column, &cell) in cells {
        if IDENTITY.contains(&column) || ALSO_IDENTITY.contains(&column) || is_fact(column) {
            continue;
        }
        let value = if cell.is_empty() {
            Err(reasons.get(column).copied().unwrap_or(Missing::NotInTable))
        } else {
            // Other engines write `nan` and text columns: neither is a value.
            match cell.parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(value),
                Ok(_) => Err(Missing::NotFinite),
                Err(_) => Err(Missing::NotInTable),
            }
        };
        lesion.values.insert(column.to_owned(), value);
    }
    Ok(lesion)
}

fn is_fact(column: &str) -> bool {
    [Region::Tumour, Region::Ring].iter().any(|region| {
        let fact = column.strip_prefix(region.name()).and_then(|c| c.strip_prefix("_fact_"));
        fact.is_some_and(|fact| FACTS.contains(&fact))
    })
}

/// Reasons of missing values, `column=reason` separated by semicolons.
fn reasons(cell: &str) -> BTreeMap<&str, Missing> {
    let one = |entry| {
        let (column, code): (&str, &str) = str::split_once(entry, '=')?;
        let reason = serde_json::from_value(serde_json::Value::from(code)).ok()?;
        Some((column, reason))
    };
    cell.split(';').filter_map(one).collect()
}

fn facts(region: Region, cells: &Cells<'_>) -> Option<RegionFacts> {
    let cell = |fact: &str| {
        let name = format!("{}_fact_{fact}", region.name());
        cells.get(name.as_str()).copied().filter(|c| !c.is_empty())
    };
    let number = |fact: &str| cell(fact)?.parse::<f64>().ok();
    Some(RegionFacts {
        region,
        voxels: cell("voxels")?.parse().ok()?,
        voxels_kept: cell("voxels_kept")?.parse().ok()?,
        levels: cell("levels").and_then(|c| c.parse().ok()),
        intensity_range: number("intensity_min").zip(number("intensity_max")).map(|(a, b)| [a, b]),
        air_fraction: number("air_fraction")?,
        bone_fraction: number("bone_fraction")?,
        touches_border: cell("touches_border")? == "true",
    })
}
