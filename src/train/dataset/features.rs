//! What training takes of a feature table: the candidate columns, and the lesions with an outcome.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ndarray::Array2;

use super::Dataset;
use super::outcomes::{Cell, OutcomeTable, response};
use crate::error::{Error, Result};
use crate::paths::shown;
use crate::table::{Entry, Table};
use crate::train::config::Config;
use crate::value::Missing;

/// Columns that describe the run and not the lesion: PyRadiomics', MIRP's, LIFEx'.
const ABOUT_THE_RUN: [&str; 6] =
    ["diagnostics_*", "image_*", "id_*", "INFO_*", "PARAMS_*", "CHECK_*"];

/// The feature table, read.
pub(super) struct Features(Table);

impl Features {
    pub(super) fn read(path: &Path) -> Result<Self> {
        Table::read(path).map(Self)
    }

    /// The hash of the one plan of all rows; `None` for another engine's table.
    pub(super) fn plan_hash(&self) -> Result<Option<&str>> {
        self.0.plan_hash()
    }

    /// Names of the columns that the configuration leaves as features; `own` says that abscope made
    /// the table.
    pub(super) fn candidates(
        &self,
        own: bool,
        config: &Config,
        notes: &mut Vec<String>,
    ) -> Result<Vec<String>> {
        let table = &self.0;
        let features = &config.features;
        let wanted = |name: &str| {
            let included =
                features.include.is_empty() || features.include.iter().any(|p| fits(name, p));
            let about_the_run = || ABOUT_THE_RUN.iter().any(|pattern| fits(name, pattern));
            let diagnostic = !own && features.include.is_empty() && about_the_run();
            let batch = features.batch.as_deref() == Some(name);
            included && !diagnostic && !batch && !features.exclude.iter().any(|p| fits(name, p))
        };
        // A column that is almost all numbers is a feature with a wrong cell, not a text.
        for name in table.text_columns.iter().filter(|name| !own && wanted(name)) {
            let cells = table.entries.iter().filter_map(|e| Some((e.line, table.text(e, name)?)));
            let is_number = |cell: &str| cell.trim().parse::<f64>().is_ok();
            let numbers = cells.clone().filter(|(_, cell)| is_number(cell)).count();
            if let Some((line, cell)) = cells.clone().find(|(_, cell)| !is_number(cell))
                && (numbers * 2 >= table.entries.len() || !features.include.is_empty())
            {
                return Err(Error::bad_data(
                    &table.path,
                    format!(
                        "line {line}, column {name}: \"{cell}\" is not a number; mend it, or name \
                         the column in features.exclude"
                    ),
                ));
            }
            notes.push(format!("column {name} holds text and is not used"));
        }
        let named = table.columns.keys().iter().zip(table.columns.names());
        let columns: Vec<String> = named
            .filter(|(key, name)| wanted(name) && (!own || key.own().is_some()))
            .map(|(_, name)| name.clone())
            .collect();
        if columns.is_empty() {
            return Err(Error::bad_data(
                &table.path,
                "has no column that features.include and features.exclude leave as a feature",
            ));
        }
        for (entry, name) in table.entries.iter().flat_map(|e| columns.iter().map(move |c| (e, c)))
        {
            if entry.row.value(name) == Some(Err(Missing::NotFinite)) {
                return Err(Error::bad_data(
                    &table.path,
                    format!(
                        "line {}, column {name}: the value is not finite; leave the cell empty \
                         where there is none",
                        entry.line
                    ),
                ));
            }
        }
        Ok(columns)
    }

    /// The lesions that have an outcome, with the candidate `columns`.
    pub(super) fn join(
        &self,
        columns: &[String],
        outcomes: (&Path, &OutcomeTable),
        config: &Config,
        notes: &mut Vec<String>,
    ) -> Result<Dataset> {
        let table = &self.0;
        let (path, outcome) = outcomes;
        let rows: Vec<_> = table
            .entries
            .iter()
            .filter_map(|e| Some((e, outcome.of(&e.row.patient, &e.row.lesion)?)))
            .collect();
        if rows.is_empty() {
            return Err(Error::bad_data(
                path,
                format!(
                    "names no patient{} of {}; the ids must be written alike",
                    if outcome.by_lesion { " and lesion" } else { "" },
                    shown(&table.path)
                ),
            ));
        }
        if rows.len() < table.entries.len() {
            let without = table.entries.len() - rows.len();
            notes.push(format!("{without} lesions have no outcome and are not used"));
        }
        let rows = first_studies(&table.path, rows, notes)?;
        let at: Vec<usize> = columns.iter().filter_map(|c| table.columns.place(c)).collect();
        let values = Array2::from_shape_fn((rows.len(), at.len()), |(i, j)| {
            rows[i].0.row.values()[at[j]].unwrap_or(f64::NAN)
        });
        let batch = match &config.features.batch {
            None => vec![String::new(); rows.len()],
            Some(name) => {
                rows.iter().map(|(entry, _)| self.batch(entry, name)).collect::<Result<_>>()?
            }
        };
        let cells: Vec<Cell> = rows.iter().map(|(_, cell)| *cell).collect();
        let names: Vec<String> = rows.iter().map(|(e, _)| e.row.patient.clone()).collect();
        let mut data = Dataset::new(
            names,
            rows.iter().map(|(e, _)| e.row.lesion.clone()).collect(),
            columns.to_vec(),
            values,
            response(&config.outcome, &cells),
        );
        data.site =
            rows.iter().map(|(e, _)| e.row.site.as_ref().map(|s| s.to_lowercase())).collect();
        data.kvp = rows.iter().map(|(e, _)| e.row.kvp).collect();
        data.volume_ml = rows.iter().map(|(e, _)| e.row.volume_ml).collect();
        data.by_patient = !outcome.by_lesion;
        data.set_batch(batch);
        Ok(data)
    }

    /// The batch of a row: the text, or the number as text, in the column `name`.
    fn batch(&self, entry: &Entry, name: &str) -> Result<String> {
        let table = &self.0;
        let number = || Some(entry.row.value(name)?.ok()?.to_string());
        let scan = &entry.row.scan;
        let of_scan = || match name {
            "kernel" => scan.kernel.clone(),
            "phase" => scan.phase.clone(),
            "slice_thickness_mm" => scan.slice_thickness_mm.map(|mm| mm.to_string()),
            _ => None,
        };
        let cell = table.text(entry, name).map(str::to_owned).or_else(of_scan).or_else(number);
        cell.filter(|c| !c.is_empty()).ok_or_else(|| {
            Error::bad_data(
                &table.path,
                format!("line {}: has no value in the batch column {name}", entry.line),
            )
        })
    }
}

/// The rows of each patient's first study: lesions of a later one are the same lesions once more.
///
/// # Errors
/// A patient has several studies, of which nothing tells which is the first.
fn first_studies<'a, T>(
    path: &Path,
    rows: Vec<(&'a Entry, T)>,
    notes: &mut Vec<String>,
) -> Result<Vec<(&'a Entry, T)>> {
    let mut studies: BTreeMap<&str, BTreeSet<(Option<i64>, Option<&str>)>> = BTreeMap::new();
    for (Entry { row, .. }, _) in &rows {
        let study = (row.scan.study_day, row.scan.study.as_deref());
        studies.entry(&row.patient).or_default().insert(study);
    }
    studies.retain(|_, studies| studies.len() > 1);
    let first: BTreeMap<&str, Option<&str>> = studies
        .iter()
        .map(|(patient, studies)| {
            let mut ordered = studies.iter();
            match (ordered.next(), ordered.next()) {
                (Some((Some(day), study)), Some((next, _))) if Some(*day) != *next => {
                    Ok((*patient, *study))
                }
                _ => Err(Error::bad_data(
                    path,
                    format!(
                        "has lesions of {} studies of patient {patient}, and no different study_day of \
                         each; leave the rows of one study",
                        studies.len()
                    ),
                )),
            }
        })
        .collect::<Result<_>>()?;
    let before = rows.len();
    let is_first = |(Entry { row, .. }, _): &(&Entry, T)| {
        let study = first.get(row.patient.as_str());
        study.is_none_or(|study| *study == row.scan.study.as_deref())
    };
    let kept: Vec<_> = rows.into_iter().filter(is_first).collect();
    if kept.len() < before {
        notes.push(format!(
            "{} patients have lesions of several studies; those of the first study are used, {} of later \
             ones are not",
            first.len(),
            before - kept.len()
        ));
    }
    Ok(kept)
}

/// Whether `name` fits a pattern in which `*` stands for any text.
fn fits(name: &str, pattern: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return name == pattern };
    let Some(mut rest) = name.strip_prefix(head) else { return false };
    loop {
        if fits(rest, tail) {
            return true;
        }
        let mut letters = rest.chars();
        if letters.next().is_none() {
            return false;
        }
        rest = letters.as_str();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(rows: &str) -> Result<(Vec<String>, Vec<String>)> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("table.csv");
        std::fs::write(&path, format!("patient,lesion,study,study_day,f\n{rows}"))
            .expect("written");
        let table = Table::read(&path)?;
        let mut notes = Vec::new();
        let rows = table.entries.iter().map(|entry| (entry, ())).collect();
        let kept = first_studies(&path, rows, &mut notes)?;
        let name = |(Entry { row, .. }, ()): &(&Entry, ())| {
            let study = row.scan.study.clone().unwrap_or_default();
            format!("{}{}{study}", row.patient, row.lesion)
        };
        Ok((kept.iter().map(name).collect(), notes))
    }

    #[test]
    fn of_several_studies_the_first_is_used() {
        let (rows, notes) =
            kept("A,1,y,35,1\nA,1,x,0,2\nA,2,x,0,3\nB,1,,,4\nB,2,,,5\n").expect("reads");
        assert_eq!(rows, ["A1x", "A2x", "B1", "B2"]);
        assert!(notes[0].starts_with("1 patients") && notes[0].contains("1 of later"), "{notes:?}");
        for undecided in ["A,1,x,,1\nA,1,y,,2\n", "A,1,x,0,1\nA,1,y,0,2\n", "A,1,x,,1\nA,1,y,3,2\n"]
        {
            let error = kept(undecided).expect_err(undecided).to_string();
            assert!(error.contains("patient A"), "{error}");
        }
    }
}
