//! The outcome table: one outcome per patient, or per patient and lesion.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::csv_file::{CsvFile, Record};
use crate::error::{Error, Result};
use crate::signature::Kind;
use crate::train::config::Outcome;
use crate::train::response::Response;

/// The outcomes by patient, or by patient and lesion.
pub(super) struct OutcomeTable {
    /// Whether they are keyed by patient and lesion.
    pub(super) by_lesion: bool,
    rows: BTreeMap<(String, String), Cell>,
}

/// One outcome.
#[derive(Clone, Copy)]
pub(super) enum Cell {
    Number(f64),
    Class(bool),
    Survival(f64, bool),
}

/// The outcome's columns: name and place of each.
type Columns<'a> = Vec<(&'a str, usize)>;

impl OutcomeTable {
    /// Reads a table. Rows without outcome (empty or `NA`) are left out.
    ///
    /// # Errors
    /// Each names file and line: a column is missing; a row names no patient or lesion, or one that
    /// is there already; an outcome is no number, a third class, or no time and event.
    pub(super) fn read(path: &Path, outcome: &Outcome) -> Result<Self> {
        let mut file = CsvFile::open(path)?;
        let patient_at = file.column("patient")?;
        let lesion_at = file.find("lesion");
        let names = match outcome {
            Outcome::Gaussian { column } | Outcome::Binomial { column, .. } => vec![column],
            Outcome::Cox { time, event } => vec![time, event],
        };
        let columns: Columns<'_> = names
            .into_iter()
            .map(|name| Ok((name.as_str(), file.column(name)?)))
            .collect::<Result<_>>()?;
        let by_lesion = lesion_at.is_some();
        let mut rows = BTreeMap::new();
        let mut classes = BTreeSet::new();
        for record in file.records() {
            let record = record?;
            let patient = record.cell(patient_at).to_owned();
            let lesion = lesion_at.map_or("", |at| record.cell(at)).to_owned();
            if patient.is_empty() || (by_lesion && lesion.is_empty()) {
                return Err(record.problem("names no patient or lesion"));
            }
            if columns.iter().any(|(_, at)| matches!(record.cell(*at), "" | "NA")) {
                continue;
            }
            let value = cell(&record, outcome, &columns, &mut classes)?;
            if rows.insert((patient.clone(), lesion.clone()), value).is_some() {
                let lesion = if by_lesion { format!(", lesion {lesion}") } else { "".into() };
                return Err(record.problem(format_args!(
                    "patient {patient}{lesion} is there twice; remove one"
                )));
            }
        }
        if let Outcome::Binomial { column, positive } = outcome
            && !classes.contains(positive)
        {
            return Err(Error::bad_data(
                path,
                format!(
                    "column {column} never holds \"{positive}\", which the configuration calls \
                     positive; it holds {}",
                    listed(&classes)
                ),
            ));
        }
        Ok(Self { by_lesion, rows })
    }

    /// The outcome of a lesion; its patient's where outcomes are of patients.
    pub(super) fn of(&self, patient: &str, lesion: &str) -> Option<Cell> {
        let lesion = if self.by_lesion { lesion } else { "" };
        self.rows.get(&(patient.to_owned(), lesion.to_owned())).copied()
    }
}

/// The outcome of one record; `classes` are those seen so far.
fn cell(
    record: &Record,
    outcome: &Outcome,
    columns: &Columns<'_>,
    classes: &mut BTreeSet<String>,
) -> Result<Cell> {
    let text = |k: usize| record.cell(columns[k].1);
    let wrong = |k: usize, what: &str| record.wrong_cell(columns[k].0, text(k), what);
    let number = |k: usize| {
        let value = text(k).parse::<f64>().ok().filter(|v| v.is_finite());
        value.ok_or_else(|| wrong(k, "not a number"))
    };
    match outcome {
        Outcome::Gaussian { .. } => Ok(Cell::Number(number(0)?)),
        Outcome::Binomial { positive, .. } => {
            classes.insert(text(0).to_owned());
            if classes.len() > 2 {
                let what = format!("a third class besides two of {}", listed(classes));
                return Err(wrong(0, &what));
            }
            Ok(Cell::Class(text(0) == positive))
        }
        Outcome::Cox { .. } => {
            let time = number(0)?;
            if time < 0.0 {
                return Err(wrong(0, "a negative time"));
            }
            match number(1)? {
                0.0 => Ok(Cell::Survival(time, false)),
                1.0 => Ok(Cell::Survival(time, true)),
                _ => Err(wrong(1, "neither 0 nor 1")),
            }
        }
    }
}

fn listed(classes: &BTreeSet<String>) -> String {
    classes.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// The outcomes of all rows.
pub(super) fn response(outcome: &Outcome, cells: &[Cell]) -> Response {
    let number = |c: &Cell| match c {
        Cell::Number(v) | Cell::Survival(v, _) => *v,
        Cell::Class(class) => f64::from(u8::from(*class)),
    };
    let flag = |c: &Cell| matches!(c, Cell::Class(true) | Cell::Survival(_, true));
    match outcome.kind() {
        Kind::Gaussian => Response::Continuous(cells.iter().map(number).collect()),
        Kind::Binomial => Response::Binary(cells.iter().map(flag).collect()),
        Kind::Cox => Response::Survival {
            time: cells.iter().map(number).collect(),
            event: cells.iter().map(flag).collect(),
        },
    }
}
