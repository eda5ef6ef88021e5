//! From finished cases to tables, case by case in the manifest's order.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::failures::{self, Failure, Stage};
use super::manifest::CaseRequest;
use super::progress::Event;
use super::{Listener, Options, Status, Summary, features_path, journal};
use crate::error::{Error, Result};
use crate::export::output::OutputFile;
use crate::export::table::{self, Carried, Format, TableWriter};
use crate::plan::Plan;
use crate::row::FeatureRow;
use crate::signature::Model;
use crate::signature::score::{LesionValues, Origin, Scorer};

/// The columns of `cases.csv`: what became of each case.
const CASES_HEADER: [&str; 7] = ["case", "patient", "image", "mask", "status", "lesions", "key"];
/// The score table.
pub(super) const SCORES: &str = "scores.csv";
/// The columns of `warnings.csv`.
const WARNINGS_HEADER: [&str; 3] = ["case", "patient", "warning"];
/// The columns of `scores.csv` before the cut-offs'.
const SCORES_HEADER: [&str; 12] = [
    "patient",
    "lesion",
    "name",
    "site",
    "volume_ml",
    "linear_predictor",
    "response",
    "class",
    "percentile",
    "flags",
    "no_score_because",
    "model_hash",
];

/// Writes the tables of a run.
pub(super) fn tables<'a>(
    folder: &Path,
    carried: &[Carried],
    options: &Options,
    cases: impl ExactSizeIterator<Item = (&'a CaseRequest, Status)>,
    listener: Listener<'_>,
) -> Result<Summary> {
    listener(&Event::Assembling { cases: cases.len() });
    let mut tables = Tables::create(folder, carried, options)?;
    let records = journal::cases_folder(folder);
    for (case, status) in cases {
        tables.add(case, status, &records, listener)?;
    }
    tables.finish()
}

/// The tables of a folder under construction.
pub(super) struct Tables<'a> {
    features: Box<dyn TableWriter>,
    scores: Option<Scores<'a>>,
    cases: CsvFile,
    failures: CsvFile,
    warnings: CsvFile,
    /// Patient and lesion of every row so far.
    seen: BTreeSet<(String, String)>,
    /// Tables that another format or a model left.
    outdated: Vec<PathBuf>,
    summary: Summary,
}

impl<'a> Tables<'a> {
    /// Begins the tables.
    pub(super) fn create(folder: &Path, carried: &[Carried], options: &'a Options) -> Result<Self> {
        let features = features_path(folder, options.format);
        let formats = Format::ALL.into_iter().filter(|format| *format != options.format);
        let mut outdated: Vec<PathBuf> = formats.map(|f| features_path(folder, f)).collect();
        if options.model.is_none() {
            outdated.push(folder.join(SCORES));
        }
        let scores = match &options.model {
            Some(model) => Some(Scores::create(&folder.join(SCORES), model, &options.plan)?),
            None => None,
        };
        Ok(Self {
            features: table::create(&features, options.format, &options.plan, carried)?,
            scores,
            cases: CsvFile::create(&folder.join("cases.csv"), &CASES_HEADER)?,
            failures: CsvFile::create(&folder.join("failures.csv"), &failures::HEADER)?,
            warnings: CsvFile::create(&folder.join("warnings.csv"), &WARNINGS_HEADER)?,
            seen: BTreeSet::new(),
            outdated,
            summary: Summary::default(),
        })
    }

    /// Adds a case, whose record is in `records`.
    pub(super) fn add(
        &mut self,
        case: &CaseRequest,
        status: Status,
        records: &Path,
        listener: Listener<'_>,
    ) -> Result<()> {
        self.summary.cases += 1;
        let (status, key, lesions) = match status {
            Status::Done { key } => match self.rows(case, &key, records)? {
                Ok(lesions) => ("done", key, lesions),
                Err(failure) => {
                    listener(&Event::Failed(&failure));
                    self.fail(&failure)?;
                    ("failed", String::new(), 0)
                }
            },
            Status::Failed(failure) => {
                self.fail(&failure)?;
                ("failed", String::new(), 0)
            }
            Status::Waiting => ("waiting", String::new(), 0),
        };
        self.cases.record([
            case.order.to_string().as_str(),
            &case.patient,
            &case.image,
            &case.mask,
            status,
            &lesions.to_string(),
            &key,
        ])
    }

    fn fail(&mut self, failure: &Failure) -> Result<()> {
        self.summary.failed += 1;
        self.failures.record(failure.cells.iter().map(String::as_str))
    }

    /// The number of rows that a case adds to the tables, or why it adds none.
    fn rows(
        &mut self,
        case: &CaseRequest,
        key: &str,
        records: &Path,
    ) -> Result<Result<usize, Failure>> {
        let record = match journal::read(records, key) {
            Ok(record) => record,
            Err(error) => return Ok(Err(Failure::of(case, Stage::Assemble, &error))),
        };
        let (warnings, carried) = (record.warnings.clone(), record.carried.clone());
        let Some(rows) = record.rows() else {
            let error = "its record has a column that this version of abscope does not know";
            return Ok(Err(Failure::new(case, Stage::Assemble, error, "give a new folder")));
        };
        if let Some(twice) = rows.iter().find(|row| self.seen.contains(&identity(row))) {
            let error = format!(
                "lesion {} of patient {} is in the table already, from an earlier row of the \
                 manifest",
                twice.lesion, twice.patient
            );
            let way_out = "if they are different lesions, tell them apart in a column lesion; else \
                           remove one of the rows";
            return Ok(Err(Failure::new(case, Stage::Assemble, &error, way_out)));
        }
        for row in &rows {
            self.seen.insert(identity(row));
            self.features.write(row, &carried)?;
            if let Some(scores) = &mut self.scores {
                scores.write(row)?;
            }
        }
        for warning in &warnings {
            self.summary.warnings += 1;
            self.warnings.record([case.order.to_string().as_str(), &case.patient, warning])?;
        }
        self.summary.done += 1;
        self.summary.lesions += rows.len();
        Ok(Ok(rows.len()))
    }

    /// Gives all tables their names, and removes those of an earlier run that are not made any more.
    pub(super) fn finish(self) -> Result<Summary> {
        self.features.finish()?;
        for path in &self.outdated {
            match std::fs::remove_file(path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io(path, e));
                }
                _ => {}
            }
        }
        if let Some(scores) = self.scores {
            scores.file.finish()?;
        }
        self.warnings.finish()?;
        self.failures.finish()?;
        self.cases.finish()?;
        Ok(self.summary)
    }
}

fn identity(row: &FeatureRow) -> (String, String) {
    (row.patient.clone(), row.lesion.clone())
}

/// A score table under construction.
struct Scores<'a> {
    scorer: Scorer<'a>,
    model_hash: String,
    file: CsvFile,
}

impl<'a> Scores<'a> {
    fn create(path: &Path, model: &'a Model, plan: &Plan) -> Result<Self> {
        Ok(Self {
            scorer: model.scorer(Origin::Plan(plan))?,
            model_hash: model.hash(),
            file: CsvFile::create(path, &SCORES_HEADER)?,
        })
    }

    fn write(&mut self, row: &FeatureRow) -> Result<()> {
        let lesion = LesionValues::from(row);
        let score = self.scorer.score(&lesion);
        let optional = |value: Option<f64>| value.map(|v| v.to_string()).unwrap_or_default();
        let score = match &score {
            Ok(score) => [
                score.linear_predictor.to_string(),
                score.response.to_string(),
                score.classes.first().map(|c| c.class.clone()).unwrap_or_default(),
                optional(score.percentile),
                score.flags.iter().map(|f| f.message.as_str()).collect::<Vec<_>>().join("; "),
                String::new(),
            ],
            Err(refusal) => {
                let none = String::new;
                [none(), none(), none(), none(), none(), refusal.to_string()]
            }
        };
        let volume_ml = row.volume_ml.to_string();
        let lesion = [
            row.patient.as_str(),
            &row.lesion,
            row.name.as_deref().unwrap_or(""),
            row.site.as_deref().unwrap_or(""),
            &volume_ml,
        ];
        let score = score.iter().map(String::as_str);
        self.file.record(lesion.into_iter().chain(score).chain([self.model_hash.as_str()]))
    }
}

/// A small CSV file under construction.
pub(super) struct CsvFile {
    path: PathBuf,
    csv: csv::Writer<OutputFile>,
}

impl CsvFile {
    pub(super) fn create(path: &Path, header: &[&str]) -> Result<Self> {
        let csv = csv::Writer::from_writer(OutputFile::create(path)?);
        let mut file = Self { path: path.to_owned(), csv };
        file.record(header.iter().copied())?;
        Ok(file)
    }

    pub(super) fn record<'c>(&mut self, cells: impl IntoIterator<Item = &'c str>) -> Result<()> {
        self.csv.write_record(cells).map_err(|e| Error::io(&self.path, e.into()))
    }

    pub(super) fn finish(self) -> Result<()> {
        let file = self.csv.into_inner().map_err(|e| {
            let error = std::io::Error::new(e.error().kind(), e.error().to_string());
            Error::io(&self.path, error)
        })?;
        file.finish()
    }
}
