//! From finished cases to tables, case by case in the manifest's order.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::engine::Status;
use super::failures::{Failure, Stage};
use super::listings::{self, CaseRow, CaseStatus, Listing, Warning};
use super::manifest::CaseRequest;
use super::progress::Event;
use super::reports::{COHORT, CohortFile, Reports};
use super::{Listener, Options, Summary, features_path, journal};
use crate::error::{Error, Result};
use crate::plan::Plan;
use crate::report::{CohortPatient, CohortSignature};
use crate::row::Row;
use crate::table::scores::ScoreRow;
use crate::table::{Carried, FeatureWriter, Format};

/// The score table.
const SCORES: &str = "scores.csv";

/// Finds out before the work whether the tables can be written.
///
/// # Errors
/// They cannot: one of them is a folder, or may not be written.
pub(super) fn check(folder: &Path, carried: &[Carried], options: &Options) -> Result<()> {
    let model = options.model.as_ref().map(CohortSignature::from);
    Tables::create(folder, carried, &options.plan, options.format, model).map(drop)
}

/// Writes the tables of a run.
pub(super) fn tables<'a>(
    folder: &Path,
    carried: &[Carried],
    options: &Options,
    cases: impl ExactSizeIterator<Item = (&'a CaseRequest, Status)>,
    listener: Listener<'_>,
) -> Result<Summary> {
    listener(&Event::Assembling { cases: cases.len() });
    let model = options.model.as_ref().map(CohortSignature::from);
    let mut tables = Tables::create(folder, carried, &options.plan, options.format, model)?;
    let records = journal::cases_folder(folder);
    for (case, status) in cases {
        tables.add(case, status, &records, listener)?;
    }
    tables.finish()
}

/// The tables of a folder under construction.
pub(super) struct Tables {
    features: FeatureWriter,
    scores: Option<Listing>,
    reports: Reports,
    cohort: Option<CohortFile>,
    cases: Listing,
    failures: Listing,
    warnings: Listing,
    /// What tells every row so far from all others.
    seen: BTreeSet<[String; 4]>,
    /// Tables that another format or a model left.
    outdated: Vec<PathBuf>,
    summary: Summary,
}

impl Tables {
    /// Begins the tables.
    pub(super) fn create(
        folder: &Path,
        carried: &[Carried],
        plan: &Plan,
        format: Format,
        model: Option<CohortSignature>,
    ) -> Result<Self> {
        let features = features_path(folder, format);
        let formats = Format::ALL.into_iter().filter(|other| *other != format);
        let mut outdated: Vec<PathBuf> = formats.map(|f| features_path(folder, f)).collect();
        if model.is_none() {
            outdated.extend([SCORES, COHORT].map(|name| folder.join(name)));
        }
        let scores = match &model {
            Some(_) => Some(Listing::create(&folder.join(SCORES), &ScoreRow::header())?),
            None => None,
        };
        let cohort = match model {
            Some(model) => Some(CohortFile::create(folder, model)?),
            None => None,
        };
        Ok(Self {
            features: FeatureWriter::create(&features, format, plan, carried)?,
            scores,
            reports: Reports::create(folder, cohort.is_some())?,
            cohort,
            cases: Listing::create(&folder.join(listings::CASES), &CaseRow::COLUMNS)?,
            failures: Listing::create(&folder.join(listings::FAILURES), &Failure::COLUMNS)?,
            warnings: Listing::create(&folder.join(listings::WARNINGS), &Warning::COLUMNS)?,
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
        let mut row = CaseRow::of(case);
        match status {
            Status::Done { key } => match self.rows(case, &key, records)? {
                Ok(lesions) => {
                    row = CaseRow { status: CaseStatus::Done, lesions, key, ..row };
                }
                Err(failure) => {
                    listener(&Event::Failed(&failure));
                    self.fail(&failure)?;
                    row.status = CaseStatus::Failed;
                }
            },
            Status::Failed(failure) => {
                self.fail(&failure)?;
                row.status = CaseStatus::Failed;
            }
            Status::Waiting | Status::PutOff { .. } => {}
        }
        self.cases.write(&row)
    }

    fn fail(&mut self, failure: &Failure) -> Result<()> {
        self.summary.failed += 1;
        self.failures.write(failure)
    }

    /// The number of rows that a case adds to the tables, or why it adds none.
    fn rows(
        &mut self,
        case: &CaseRequest,
        key: &str,
        records: &Path,
    ) -> Result<Result<usize, Failure>> {
        let whole = journal::read(records, key).and_then(|record| {
            // Without a model no report is asked for.
            if self.cohort.is_some() {
                record.check_report(records, key)?;
            }
            Ok(record)
        });
        let record = match whole {
            Ok(record) => record,
            Err(error) => {
                let way_out = "run the command that made it again";
                return Ok(Err(Failure::new(case, Stage::Assemble, &error.statement(), way_out)));
            }
        };
        let Some(rows) = record.rows() else {
            let error = "its record has a column that this version of abscope does not know";
            return Ok(Err(Failure::new(case, Stage::Assemble, error, "give a new folder")));
        };
        if let Some(twice) = rows.iter().find(|row| self.seen.contains(&identity(row))) {
            let error = format!(
                "lesion {} of patient {} is in the table already, of the same scan, from an earlier row \
                 of the manifest",
                twice.lesion, twice.patient
            );
            let way_out = "if they are different lesions, tell them apart in a column lesion; if it is \
                           another time point, in a column study; else remove one of the rows";
            return Ok(Err(Failure::new(case, Stage::Assemble, &error, way_out)));
        }
        for row in &rows {
            self.seen.insert(identity(row));
            self.features.write(row, &record.carried)?;
        }
        if let Some(scores) = &mut self.scores {
            for row in record.score_rows() {
                scores.write(&row)?;
            }
        }
        if record.report {
            let link = self.reports.add(case, key, records)?;
            if let (Some(cohort), Some(patient)) = (&mut self.cohort, record.cohort) {
                cohort.patients.push(CohortPatient { link: Some(link), ..patient });
            }
        }
        if let Some(problem) = &record.lost {
            let way_out =
                "the other lesions' features are in the table; mend what is said, or go without";
            self.fail(&Failure::new(case, Stage::Extract, problem, way_out))?;
        }
        if let Some(problem) = &record.no_report {
            let way_out = "the case's features are in the table; mend what is said, or go without";
            self.fail(&Failure::new(case, Stage::Report, problem, way_out))?;
        }
        for warning in &record.warnings {
            self.summary.warnings += 1;
            self.warnings.write(&Warning { case: case.order, patient: &case.patient, warning })?;
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
            scores.finish()?;
        }
        if let Some(cohort) = self.cohort {
            cohort.finish()?;
        }
        self.reports.finish()?;
        self.warnings.finish()?;
        self.failures.finish()?;
        self.cases.finish()?;
        Ok(self.summary)
    }
}

fn identity(row: &Row) -> [String; 4] {
    row.identity().map(str::to_owned)
}
