//! The training data: feature table and outcomes brought together, everything doubtful refused.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ndarray::Array2;
use sha2::{Digest, Sha256};

use super::config::{Config, Outcome, Unit};
use super::elastic_net::Response;
use crate::digest::hex;
use crate::error::{Error, Result};
use crate::features::column::Column;
use crate::ingest::feature_table::FeatureTable;
use crate::plan::Plan;
use crate::settings::Settings;
use crate::signature::model::{Extraction, Foreign, Kind};
use crate::stats::quantile;

/// Rows (lesions or patients) with features, covariates and outcomes.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Names of patients.
    pub patients: Vec<String>,
    /// Index into `patients`, one per row.
    pub patient: Vec<usize>,
    /// Lesion of each row; empty where a row is a patient.
    pub lesion: Vec<String>,
    /// Names of the candidate features.
    pub columns: Vec<String>,
    /// Rows × columns; NaN where a value is missing, and nowhere else.
    pub values: Array2<f64>,
    /// Site of each row.
    pub site: Vec<Option<String>>,
    /// Tube voltage of each row, kV.
    pub kvp: Vec<Option<f64>>,
    /// Volume of each row, mL.
    pub volume_ml: Vec<Option<f64>>,
    /// Batch of each row; empty strings without harmonisation.
    pub batch: Vec<String>,
    /// Outcome of each row.
    pub response: Response,
    /// Weight of each row: one over the number of the patient's rows.
    pub weights: Vec<f64>,
    /// Stratum of each patient for folds.
    pub stratum: Vec<usize>,
    /// Whether all rows of a patient have the patient's outcome.
    pub by_patient: bool,
    /// Repeated extractions, for the robustness filter.
    pub repeated: Option<Repeated>,
}

/// Repeated extractions of some lesions.
#[derive(Clone, Debug)]
pub struct Repeated {
    /// Patient of each lesion; `None` where the patient is not in the training table.
    pub patient: Vec<Option<usize>>,
    /// Volume of each lesion, mL.
    pub volume_ml: Vec<Option<f64>>,
    /// Site and tube voltage of each lesion.
    pub covariates: Vec<(Option<String>, Option<f64>)>,
    /// Per lesion, one line per repeat, one value per candidate feature.
    pub values: Vec<Vec<Vec<f64>>>,
}

/// A data set with what the model file says of it.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The data.
    pub data: Dataset,
    /// All lesions, for the reference distribution; the same rows where rows are lesions.
    pub lesions: Dataset,
    /// How features were extracted.
    pub extraction: Extraction,
    /// SHA-256 over both files.
    pub data_sha256: String,
    /// What a reader should know: columns left out, lesions without outcome.
    pub notes: Vec<String>,
}

/// Columns that describe the run and not the lesion: PyRadiomics', MIRP's, LIFEx'.
const ABOUT_THE_RUN: [&str; 6] =
    ["diagnostics_*", "image_*", "id_*", "INFO_*", "PARAMS_*", "CHECK_*"];

impl Prepared {
    /// Reads and joins the two tables.
    ///
    /// # Errors
    /// Each names the file, the offending value and the way out: no patient column, a lesion twice,
    /// cells that are not numbers, rows of different plans, settings of another hash, lesions without
    /// features, an outcome of one class or that does not vary, one patient in all, fewer events or
    /// cases than folds.
    pub fn read(features: &Path, outcomes: &Path, config: &Config) -> Result<Self> {
        let table = FeatureTable::read(features)?;
        let mut notes = Vec::new();
        let hash = table.plan_hash()?.map(str::to_owned);
        let extraction = extraction(features, hash.as_deref(), config)?;
        let columns = candidates(&table, extraction.foreign.is_none(), config, &mut notes)?;
        let outcome = OutcomeTable::read(outcomes, &config.outcome)?;
        let lesions = join(&table, &columns, &outcome, config, &mut notes)?;
        let unit = config.features.unit.unwrap_or(match outcome.by_lesion {
            true => Unit::Lesion,
            false => Unit::Patient,
        });
        let data = match unit {
            Unit::Lesion => {
                if config.outcome.kind() == Kind::Cox && !outcome.by_lesion {
                    return Err(Error::bad_request(
                        "features.unit = \"lesion\" with one time to event per patient would count \
                         each patient's event several times; use unit = \"patient\"",
                    ));
                }
                lesions.clone()
            }
            Unit::Patient => {
                if outcome.by_lesion {
                    return Err(Error::bad_request(
                        "features.unit = \"patient\" needs outcomes keyed by patient alone; remove \
                         the column lesion or use unit = \"lesion\"",
                    ));
                }
                lesions.by_patient(config)?
            }
        };
        data.check(config).map_err(|problem| Error::bad_data(outcomes, problem))?;
        let mut digest = Sha256::new();
        for file in [features, outcomes] {
            digest.update(std::fs::read(file).map_err(|e| Error::io(file, e))?);
        }
        Ok(Self { data, lesions, extraction, data_sha256: hex(&digest.finalize()), notes })
    }
}

fn extraction(path: &Path, hash: Option<&str>, config: &Config) -> Result<Extraction> {
    let Some(hash) = hash else {
        let engine = config.features.engine.clone().ok_or_else(|| {
            Error::bad_data(
                path,
                "has no plan_hash, so another engine made it; name it in the configuration, such as \
                 features.engine = \"PyRadiomics\"",
            )
        })?;
        let foreign = Foreign { engine, version: None, settings: None };
        return Ok(Extraction { hash: None, settings: None, foreign: Some(foreign) });
    };
    let Some(file) = &config.features.settings else {
        return Err(Error::bad_data(
            path,
            format!(
                "was extracted with plan {hash}; give those settings as features.settings in the \
                 configuration, so that the model can carry them"
            ),
        ));
    };
    let text = std::fs::read_to_string(file).map_err(|e| Error::io(file, e))?;
    let settings = Settings::parse(&text).map_err(|e| Error::bad_data(file, e.to_string()))?;
    let plan = Plan::resolve(&settings)?;
    if plan.hash() != hash {
        return Err(Error::bad_data(
            file,
            format!(
                "has plan {}, but {} was extracted with plan {hash}; give the settings of that run",
                plan.hash(),
                path.display()
            ),
        ));
    }
    Ok(Extraction::of(&plan))
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

fn candidates(
    table: &FeatureTable,
    own: bool,
    config: &Config,
    notes: &mut Vec<String>,
) -> Result<Vec<String>> {
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
        let cells = table.rows.iter().filter_map(|row| Some((row.line, table.text(row, name)?)));
        let is_number = |cell: &str| cell.trim().parse::<f64>().is_ok();
        let numbers = cells.clone().filter(|(_, cell)| is_number(cell)).count();
        if let Some((line, cell)) = cells.clone().find(|(_, cell)| !is_number(cell))
            && (numbers * 2 >= table.rows.len() || !features.include.is_empty())
        {
            return Err(Error::bad_data(
                &table.path,
                format!(
                    "line {line}, column {name}: \"{cell}\" is not a number; mend it, or name the \
                     column in features.exclude"
                ),
            ));
        }
        notes.push(format!("column {name} holds text and is not used"));
    }
    let columns: Vec<String> = table
        .columns
        .iter()
        .filter(|name| wanted(name) && (!own || Column::parse(name).is_some()))
        .cloned()
        .collect();
    if columns.is_empty() {
        return Err(Error::bad_data(
            &table.path,
            "has no column that features.include and features.exclude leave as a feature",
        ));
    }
    for (row, name) in table.rows.iter().flat_map(|r| columns.iter().map(move |c| (r, c))) {
        let at = table.columns.iter().position(|c| c == name);
        if let Some(at) = at
            && row.values[at] == Err(crate::value::Missing::NotFinite)
        {
            return Err(Error::bad_data(
                &table.path,
                format!(
                    "line {}, column {name}: the value is not finite; leave the cell empty where \
                     there is none",
                    row.line
                ),
            ));
        }
    }
    Ok(columns)
}

/// The outcomes by patient, or by patient and lesion.
struct OutcomeTable<'a> {
    path: &'a Path,
    by_lesion: bool,
    rows: BTreeMap<(String, String), Cell>,
}

#[derive(Clone, Copy)]
enum Cell {
    Number(f64),
    Class(bool),
    Survival(f64, bool),
}

impl<'a> OutcomeTable<'a> {
    fn read(path: &'a Path, outcome: &Outcome) -> Result<Self> {
        let damaged = |e: csv::Error| match e.kind() {
            csv::ErrorKind::Io(_) => Error::io(path, std::io::Error::from(e)),
            _ => Error::bad_data(path, format!("is not a table of comma-separated values: {e}")),
        };
        let mut reader = csv::Reader::from_path(path).map_err(damaged)?;
        let header: Vec<String> = reader
            .headers()
            .map_err(damaged)?
            .iter()
            .map(|h| h.trim_start_matches('\u{feff}').trim().to_owned())
            .collect();
        let at = |name: &str| header.iter().position(|h| h == name);
        let need = |name: &str| {
            at(name).ok_or_else(|| {
                let names = header.iter().take(12).cloned().collect::<Vec<_>>().join(", ");
                Error::bad_data(path, format!("has no column {name}; it has {names}"))
            })
        };
        let patient_at = need("patient")?;
        let lesion_at = at("lesion");
        let names: Vec<&str> = match outcome {
            Outcome::Gaussian { column } | Outcome::Binomial { column, .. } => vec![column],
            Outcome::Cox { time, event } => vec![time, event],
        };
        let columns = names.iter().map(|n| need(n)).collect::<Result<Vec<_>>>()?;
        let mut table = Self { path, by_lesion: lesion_at.is_some(), rows: BTreeMap::new() };
        let mut classes = BTreeSet::new();
        for record in reader.records() {
            let record = record.map_err(damaged)?;
            let line = record.position().map_or(0, csv::Position::line);
            let cell = |at: usize| record.get(at).unwrap_or("").trim();
            let key = (cell(patient_at).to_owned(), lesion_at.map_or("", cell).to_owned());
            if key.0.is_empty() || (table.by_lesion && key.1.is_empty()) {
                return Err(Error::bad_data(
                    path,
                    format!("line {line}: names no patient or lesion"),
                ));
            }
            if columns.iter().any(|c| matches!(cell(*c), "" | "NA")) {
                continue;
            }
            let wrong = |name: &str, cell: &str, what: &str| {
                Error::bad_data(path, format!("line {line}, column {name}: \"{cell}\" is {what}"))
            };
            let number = |k: usize| {
                let text = cell(columns[k]);
                let value = text.parse::<f64>().ok().filter(|v| v.is_finite());
                value.ok_or_else(|| wrong(names[k], text, "not a number"))
            };
            let value = match outcome {
                Outcome::Gaussian { .. } => Cell::Number(number(0)?),
                Outcome::Binomial { positive, .. } => {
                    let class = cell(columns[0]);
                    classes.insert(class.to_owned());
                    if classes.len() > 2 {
                        let all: Vec<&str> = classes.iter().map(String::as_str).collect();
                        let what = format!("a third class besides two of {}", all.join(", "));
                        return Err(wrong(names[0], class, &what));
                    }
                    Cell::Class(class == positive)
                }
                Outcome::Cox { .. } => {
                    let time = number(0)?;
                    if time < 0.0 {
                        return Err(wrong(names[0], cell(columns[0]), "a negative time"));
                    }
                    match number(1)? {
                        0.0 => Cell::Survival(time, false),
                        1.0 => Cell::Survival(time, true),
                        _ => return Err(wrong(names[1], cell(columns[1]), "neither 0 nor 1")),
                    }
                }
            };
            if table.rows.insert(key.clone(), value).is_some() {
                let lesion =
                    if table.by_lesion { format!(", lesion {}", key.1) } else { "".into() };
                return Err(Error::bad_data(
                    path,
                    format!("line {line}: patient {}{lesion} is there twice; remove one", key.0),
                ));
            }
        }
        if let Outcome::Binomial { column, positive } = outcome {
            let all: Vec<&str> = classes.iter().map(String::as_str).collect();
            if !classes.contains(positive) {
                return Err(Error::bad_data(
                    path,
                    format!(
                        "column {column} never holds \"{positive}\", which the configuration calls \
                         positive; it holds {}",
                        all.join(", ")
                    ),
                ));
            }
        }
        Ok(table)
    }

    fn of(&self, patient: &str, lesion: &str) -> Option<Cell> {
        let lesion = if self.by_lesion { lesion } else { "" };
        self.rows.get(&(patient.to_owned(), lesion.to_owned())).copied()
    }
}

fn response(outcome: &Outcome, cells: &[Cell]) -> Response {
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

fn join(
    table: &FeatureTable,
    columns: &[String],
    outcome: &OutcomeTable<'_>,
    config: &Config,
    notes: &mut Vec<String>,
) -> Result<Dataset> {
    let rows: Vec<_> = table
        .rows
        .iter()
        .filter_map(|row| Some((row, outcome.of(&row.patient, &row.lesion)?)))
        .collect();
    if rows.is_empty() {
        return Err(Error::bad_data(
            outcome.path,
            format!(
                "names no patient{} of {}; the ids must be written alike",
                if outcome.by_lesion { " and lesion" } else { "" },
                table.path.display()
            ),
        ));
    }
    if rows.len() < table.rows.len() {
        let without = table.rows.len() - rows.len();
        notes.push(format!("{without} lesions have no outcome and are not used"));
    }
    let at: Vec<usize> =
        columns.iter().filter_map(|c| table.columns.iter().position(|t| t == c)).collect();
    let values = Array2::from_shape_fn((rows.len(), at.len()), |(i, j)| {
        rows[i].0.values[at[j]].unwrap_or(f64::NAN)
    });
    let batch = match &config.features.batch {
        None => vec![String::new(); rows.len()],
        Some(name) => {
            let text = table.text_columns.iter().any(|c| c == name);
            let number = table.columns.iter().position(|c| c == name);
            rows.iter()
                .map(|(row, _)| {
                    let cell = match number {
                        _ if text => table.text(row, name).map(str::to_owned),
                        Some(at) => row.values[at].ok().map(|v| v.to_string()),
                        None => None,
                    };
                    cell.filter(|c| !c.is_empty()).ok_or_else(|| {
                        Error::bad_data(
                            &table.path,
                            format!("line {}: has no value in the batch column {name}", row.line),
                        )
                    })
                })
                .collect::<Result<_>>()?
        }
    };
    let cells: Vec<Cell> = rows.iter().map(|(_, cell)| *cell).collect();
    let names: Vec<String> = rows.iter().map(|(row, _)| row.patient.clone()).collect();
    let mut data = Dataset::new(
        names,
        rows.iter().map(|(row, _)| row.lesion.clone()).collect(),
        columns.to_vec(),
        values,
        response(&config.outcome, &cells),
    );
    data.site = rows.iter().map(|(row, _)| row.site.as_ref().map(|s| s.to_lowercase())).collect();
    data.kvp = rows.iter().map(|(row, _)| row.kvp).collect();
    data.volume_ml = rows.iter().map(|(row, _)| row.volume_ml).collect();
    data.by_patient = !outcome.by_lesion;
    data.set_batch(batch);
    if let Some(path) = &config.features.repeated {
        data.repeated = Some(repeated(path, &data, table)?);
    }
    Ok(data)
}

/// A table with the lesions' ids not unique: `repeat` tells the repeats of a lesion apart.
fn repeated(path: &Path, data: &Dataset, features: &FeatureTable) -> Result<Repeated> {
    let damaged = |e: csv::Error| match e.kind() {
        csv::ErrorKind::Io(_) => Error::io(path, std::io::Error::from(e)),
        _ => Error::bad_data(path, format!("is not a table of comma-separated values: {e}")),
    };
    let mut reader = csv::Reader::from_path(path).map_err(damaged)?;
    let header = reader.headers().map_err(damaged)?.clone();
    let at = |name: &str| header.iter().position(|h| h.trim() == name);
    let need =
        |name: &str| at(name).ok_or_else(|| Error::bad_data(path, format!("has no column {name}")));
    let (patient, lesion, repeat) = (need("patient")?, need("lesion")?, need("repeat")?);
    let columns = data.columns.iter().map(|c| need(c)).collect::<Result<Vec<_>>>()?;
    let hash = features.plan_hash()?;
    let mut lesions: BTreeMap<(String, String), BTreeMap<String, Vec<f64>>> = BTreeMap::new();
    let mut about: BTreeMap<(String, String), (Option<f64>, Option<String>, Option<f64>)> =
        BTreeMap::new();
    for record in reader.records() {
        let record = record.map_err(damaged)?;
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |at: usize| record.get(at).unwrap_or("").trim();
        if let (Some(expected), Some(at)) = (hash, at("plan_hash"))
            && cell(at) != expected
        {
            return Err(Error::bad_data(
                path,
                format!("line {line}: has plan {}, the feature table has {expected}", cell(at)),
            ));
        }
        let values = columns
            .iter()
            .zip(&data.columns)
            .map(|(at, name)| match cell(*at) {
                "" | "NA" | "NaN" | "nan" => Ok(f64::NAN),
                text => text.parse().ok().filter(|v: &f64| v.is_finite()).ok_or_else(|| {
                    Error::bad_data(
                        path,
                        format!("line {line}, column {name}: \"{text}\" is not a number"),
                    )
                }),
            })
            .collect::<Result<Vec<f64>>>()?;
        let key = (cell(patient).to_owned(), cell(lesion).to_owned());
        let number = |name: &str| at(name).and_then(|at| cell(at).parse::<f64>().ok());
        let site = at("site").map(|at| cell(at).to_lowercase()).filter(|s| !s.is_empty());
        about.insert(key.clone(), (number("volume_ml"), site, number("kvp")));
        let twice = lesions.entry(key).or_default().insert(cell(repeat).to_owned(), values);
        if twice.is_some() {
            return Err(Error::bad_data(
                path,
                format!("line {line}: repeats repeat \"{}\" of the same lesion", cell(repeat)),
            ));
        }
    }
    let most = lesions.values().map(BTreeMap::len).max().unwrap_or(0);
    lesions.retain(|_, repeats| repeats.len() == most);
    if most < 2 || lesions.len() < 3 {
        return Err(Error::bad_data(
            path,
            "holds fewer than 3 lesions with 2 repeats each; no robustness can be judged",
        ));
    }
    let mut found = Repeated {
        patient: Vec::new(),
        volume_ml: Vec::new(),
        covariates: Vec::new(),
        values: Vec::new(),
    };
    for (key, repeats) in lesions {
        let (volume, site, kvp) = about.remove(&key).unwrap_or_default();
        found.patient.push(data.patients.iter().position(|p| *p == key.0));
        found.volume_ml.push(volume);
        found.covariates.push((site, kvp));
        found.values.push(repeats.into_values().collect());
    }
    Ok(found)
}

impl Dataset {
    /// A data set of lesions, without covariates.
    ///
    /// `values` is rows × columns with NaN for missing values; `patients`, `lesions` and `response`
    /// have one entry per row.
    pub fn new(
        patients: Vec<String>,
        lesions: Vec<String>,
        columns: Vec<String>,
        values: Array2<f64>,
        response: Response,
    ) -> Self {
        let n = patients.len();
        let mut names: Vec<String> = Vec::new();
        let mut index: BTreeMap<String, usize> = BTreeMap::new();
        let patient: Vec<usize> = patients
            .into_iter()
            .map(|name| {
                *index.entry(name.clone()).or_insert_with(|| {
                    names.push(name);
                    names.len() - 1
                })
            })
            .collect();
        let mut count = vec![0.0; names.len()];
        patient.iter().for_each(|p| count[*p] += 1.0);
        let weights = patient.iter().map(|p| 1.0 / count[*p]).collect();
        let mut data = Self {
            patients: names,
            patient,
            lesion: lesions,
            columns,
            values,
            site: vec![None; n],
            kvp: vec![None; n],
            volume_ml: vec![None; n],
            batch: vec![String::new(); n],
            response,
            weights,
            stratum: Vec::new(),
            by_patient: false,
            repeated: None,
        };
        data.stratum = data.strata();
        data
    }

    /// Names the batch of each row.
    pub fn set_batch(&mut self, batch: Vec<String>) {
        self.batch = batch;
        self.stratum = self.strata();
    }

    /// Replaces the outcomes.
    pub fn set_response(&mut self, response: Response) {
        self.response = response;
        self.stratum = self.strata();
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.patient.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.patient.is_empty()
    }

    /// Rows of each patient.
    pub fn rows_of_patients(&self) -> Vec<Vec<usize>> {
        let mut rows = vec![Vec::new(); self.patients.len()];
        for (row, patient) in self.patient.iter().enumerate() {
            rows[*patient].push(row);
        }
        rows
    }

    /// One stratum per patient: any positive lesion; a quarter of the mean; event and third of the
    /// time; and the batch where there are several.
    fn strata(&self) -> Vec<usize> {
        let rows = self.rows_of_patients();
        let by_quantile = |values: &[f64], parts: usize| -> Vec<usize> {
            let ranks = quantile::midranks(values);
            let n = values.len() as f64;
            ranks.iter().map(|r| (((r - 0.5) / n * parts as f64) as usize).min(parts - 1)).collect()
        };
        let outcome: Vec<usize> = match &self.response {
            Response::Continuous(y) => {
                let means: Vec<f64> = rows
                    .iter()
                    .map(|rows| rows.iter().map(|r| y[*r]).sum::<f64>() / rows.len().max(1) as f64)
                    .collect();
                by_quantile(&means, 4)
            }
            Response::Binary(y) => {
                rows.iter().map(|rows| usize::from(rows.iter().any(|r| y[*r]))).collect()
            }
            Response::Survival { time, event } => {
                let first: Vec<f64> = rows
                    .iter()
                    .map(|rows| rows.iter().map(|r| time[*r]).fold(f64::INFINITY, f64::min))
                    .collect();
                let third = by_quantile(&first, 3);
                rows.iter()
                    .zip(third)
                    .map(|(rows, third)| third + 3 * usize::from(rows.iter().any(|r| event[*r])))
                    .collect()
            }
        };
        let batches: Vec<&String> =
            self.batch.iter().collect::<BTreeSet<_>>().into_iter().collect();
        let classes = outcome.iter().max().map_or(1, |s| s + 1);
        rows.iter()
            .zip(outcome)
            .map(|(rows, outcome)| {
                let batch = rows.first().and_then(|r| batches.binary_search(&&self.batch[*r]).ok());
                outcome + classes * batch.unwrap_or(0)
            })
            .collect()
    }

    /// Number of positive cases or events; rows for a continuous outcome.
    pub fn events(&self) -> usize {
        match &self.response {
            Response::Continuous(y) => y.len(),
            Response::Binary(y) => y.iter().filter(|v| **v).count(),
            Response::Survival { event, .. } => event.iter().filter(|v| **v).count(),
        }
    }

    /// Refuses what nested cross-validation cannot be run on.
    ///
    /// # Errors
    /// One patient, an outcome that does not vary, or fewer patients with an event (or of a class)
    /// than folds need.
    pub fn check(&self, config: &Config) -> Result<(), String> {
        let patients = self.patients.len();
        if patients < 2 {
            return Err(format!(
                "leaves one patient ({} lesions); a model is validated on other patients than it was \
                 trained on",
                self.len()
            ));
        }
        // Each inner fold of each outer training part needs one patient of every kind.
        let (outer, inner) = (config.validation.outer_folds, config.validation.inner_folds);
        let needed = outer.max((inner * outer).div_ceil(outer - 1));
        let rows = self.rows_of_patients();
        let enough = |what: &str, have: usize| {
            if have >= needed {
                return Ok(());
            }
            Err(format!(
                "has {have} {what}; {outer} outer and {inner} inner folds need {needed} or more; use \
                 fewer folds (validation.outer_folds, validation.inner_folds) or more patients"
            ))
        };
        let name = config.outcome.name();
        match &self.response {
            Response::Continuous(y) => {
                if y.iter().all(|v| *v == y[0]) {
                    return Err(format!("column {name} does not vary: every value is {}", y[0]));
                }
                enough("patients", patients)
            }
            Response::Binary(y) => {
                let positive = y.iter().filter(|v| **v).count();
                if positive == 0 || positive == y.len() {
                    return Err(format!(
                        "column {name} has one class among the lesions with features; a model needs \
                         two"
                    ));
                }
                let with = |class: bool| {
                    rows.iter().filter(|rows| rows.iter().any(|r| y[*r] == class)).count()
                };
                enough("patients of the positive class", with(true))?;
                enough("patients of the negative class", with(false))
            }
            Response::Survival { event, .. } => {
                let with = rows.iter().filter(|rows| rows.iter().any(|r| event[*r])).count();
                if with == 0 {
                    return Err("has no event; there is nothing to predict".into());
                }
                enough("patients with an event", with)
            }
        }
    }

    /// One row per patient: the mean of the lesions' features. A linear score of the mean is the
    /// mean of the lesions' scores.
    fn by_patient(&self, config: &Config) -> Result<Self> {
        if config.pipeline.transform != super::config::Shape::None {
            return Err(Error::bad_request(
                "pipeline.transform with features.unit = \"patient\": the score of a mean is the \
                 mean of the scores only without transformation; leave it out",
            ));
        }
        if config.features.covariates.iter().any(|c| c == "site") {
            return Err(Error::bad_request(
                "features.covariates names site, which a patient with several lesions has several \
                 of; use features.unit = \"lesion\" or leave it out",
            ));
        }
        let rows = self.rows_of_patients();
        let first: Vec<usize> = rows.iter().map(|rows| rows[0]).collect();
        let mean = |values: &mut dyn Iterator<Item = f64>| {
            let known: Vec<f64> = values.filter(|v| v.is_finite()).collect();
            quantile::mean(&known).unwrap_or(f64::NAN)
        };
        let values = Array2::from_shape_fn((rows.len(), self.columns.len()), |(p, j)| {
            mean(&mut rows[p].iter().map(|r| self.values[[*r, j]]))
        });
        let mut data = Self::new(
            self.patients.clone(),
            vec![String::new(); rows.len()],
            self.columns.clone(),
            values,
            self.response.select(&first),
        );
        data.kvp = first.iter().map(|r| self.kvp[*r]).collect();
        // A patient's volume is the sum over lesions, the tumour burden.
        data.volume_ml = rows
            .iter()
            .map(|rows| rows.iter().map(|r| self.volume_ml[*r]).sum::<Option<f64>>())
            .collect();
        data.by_patient = true;
        data.repeated = self.repeated.clone();
        data.set_batch(first.iter().map(|r| self.batch[*r].clone()).collect());
        Ok(data)
    }

    /// The same rows with the logarithm of the volume as the only feature.
    ///
    /// # Errors
    /// The number of rows whose volume is not known.
    pub fn volume_only(&self) -> Result<Self, usize> {
        let volumes: Vec<f64> =
            self.volume_ml.iter().filter_map(|v| v.filter(|v| *v > 0.0).map(f64::ln)).collect();
        let unknown = self.len() - volumes.len();
        let values = Array2::from_shape_vec((self.len(), 1), volumes).map_err(|_| unknown)?;
        Ok(Self { columns: vec!["ln(volume_ml)".into()], values, repeated: None, ..self.clone() })
    }

    /// The same rows without features.
    pub fn covariates_only(&self) -> Self {
        let values = Array2::zeros((self.len(), 0));
        Self { columns: Vec::new(), values, repeated: None, ..self.clone() }
    }
}
