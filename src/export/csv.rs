//! The feature table as CSV: one row per lesion, one column per value.
//!
//! The first columns identify the row; `missing` lists every empty value as `column=reason`,
//! separated by semicolons; columns `{region}_fact_*` hold what is known of a region besides its
//! features. Numbers are written so that they read back the same.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::output::OutputFile;
use super::table::{self, Carried, TableWriter};
use crate::error::{Error, Result};
use crate::region::RegionFacts;
use crate::row::Row;

/// The columns before facts and values.
pub const IDENTITY: [&str; 9] =
    ["patient", "lesion", "name", "site", "kvp", "volume_ml", "version", "plan_hash", "missing"];

/// The facts of a region, by the end of their column's name.
pub const FACTS: [&str; 8] = [
    "voxels",
    "voxels_kept",
    "levels",
    "intensity_min",
    "intensity_max",
    "air_fraction",
    "bone_fraction",
    "touches_border",
];

/// Names of all columns of a table with such rows.
pub fn header(row: &Row) -> Vec<String> {
    let mut names: Vec<String> = IDENTITY.map(str::to_owned).into();
    for facts in &row.facts {
        names.extend(FACTS.iter().map(|fact| format!("{}_fact_{fact}", facts.region.name())));
    }
    names.extend_from_slice(row.columns().names());
    names
}

/// The cells of a row, in the order of [`header`].
pub fn cells(row: &Row) -> Vec<String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let mut cells = vec![
        row.patient.clone(),
        row.lesion.clone(),
        text(&row.name),
        text(&row.site),
        row.kvp.map(|v| v.to_string()).unwrap_or_default(),
        row.volume_ml.map(|v| v.to_string()).unwrap_or_default(),
        text(&row.version),
        text(&row.plan_hash),
        missing(row),
    ];
    for facts in &row.facts {
        cells.extend(fact_cells(facts));
    }
    cells.extend(row.values().iter().map(|v| v.map(|v| v.to_string()).unwrap_or_default()));
    cells
}

fn missing(row: &Row) -> String {
    let reasons: Vec<String> = row
        .missing()
        .filter_map(|(column, reason)| {
            let code = serde_json::to_value(reason).ok()?;
            Some(format!("{column}={}", code.as_str()?))
        })
        .collect();
    reasons.join(";")
}

fn fact_cells(facts: &RegionFacts) -> [String; 8] {
    let bound = |i: usize| facts.intensity_range.map(|r| r[i].to_string()).unwrap_or_default();
    [
        facts.voxels.to_string(),
        facts.voxels_kept.to_string(),
        facts.levels.map(|l| l.to_string()).unwrap_or_default(),
        bound(0),
        bound(1),
        facts.air_fraction.to_string(),
        facts.bone_fraction.to_string(),
        facts.touches_border.to_string(),
    ]
}

/// Writes a table. All rows have the columns of the first.
///
/// # Errors
/// The writer's.
pub fn write(rows: &[Row], writer: impl Write) -> Result<(), csv::Error> {
    let mut csv = csv::Writer::from_writer(writer);
    if let Some(first) = rows.first() {
        csv.write_record(header(first))?;
    }
    for row in rows {
        csv.write_record(cells(row))?;
    }
    csv.flush()?;
    Ok(())
}

/// A table under construction.
pub(super) struct Table {
    path: PathBuf,
    csv: csv::Writer<OutputFile>,
    carried: Vec<Carried>,
    header: Option<Vec<String>>,
}

impl Table {
    pub(super) fn new(path: &Path, file: OutputFile, carried: &[Carried]) -> Self {
        Self {
            path: path.to_owned(),
            csv: csv::Writer::from_writer(file),
            carried: carried.to_vec(),
            header: None,
        }
    }

    /// What is carried through stands between the row's identity and its facts.
    fn record<'a>(
        &mut self,
        own: impl IntoIterator<Item = &'a String> + Clone,
        carried: impl Iterator<Item = &'a String>,
    ) -> Result<()> {
        let identity = own.clone().into_iter().take(IDENTITY.len());
        let rest = own.into_iter().skip(IDENTITY.len());
        self.csv.write_record(identity.chain(carried).chain(rest)).map_err(|e| self.problem(e))
    }

    fn problem(&self, error: csv::Error) -> Error {
        Error::io(&self.path, std::io::Error::from(error))
    }

    fn start(&mut self, header: Vec<String>) -> Result<()> {
        let carried: Vec<String> = self.carried.iter().map(|c| c.name.clone()).collect();
        self.record(&header, carried.iter())?;
        self.header = Some(header);
        Ok(())
    }
}

impl TableWriter for Table {
    fn write(&mut self, row: &Row, carried: &[String]) -> Result<()> {
        let header = header(row);
        match &self.header {
            None => self.start(header)?,
            Some(first) if *first != header => return Err(table::other_columns(row)),
            Some(_) => {}
        }
        self.record(&cells(row), carried.iter())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        if self.header.is_none() {
            self.start(IDENTITY.map(str::to_owned).into())?;
        }
        finish(self.csv, &self.path)
    }
}

/// Ends a CSV file and gives it its name.
pub(crate) fn finish(csv: csv::Writer<OutputFile>, path: &Path) -> Result<()> {
    let file = csv.into_inner().map_err(|e| {
        let error = std::io::Error::new(e.error().kind(), e.error().to_string());
        Error::io(path, error)
    })?;
    file.finish()
}
