//! From finished cases to tables, case by case in the manifest's order.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::failures::{self, Failure, Stage};
use super::manifest::CaseRequest;
use super::progress::Event;
use super::{Listener, Options, Status, Summary, features_path, journal};
use crate::error::{Error, Result};
use crate::export;
use crate::export::output::OutputFile;
use crate::export::table::{self, Carried, Format, TableWriter};
use crate::patient::report::{CohortPatient, CohortSignature, cohort_page};
use crate::plan::Plan;
use crate::row::Row;

/// The columns of `cases.csv`: what became of each case.
const CASES_HEADER: [&str; 7] = ["case", "patient", "image", "mask", "status", "lesions", "key"];
/// The score table.
const SCORES: &str = "scores.csv";
/// The page over all patients.
const COHORT: &str = "cohort.html";
/// The columns of `warnings.csv`.
const WARNINGS_HEADER: [&str; 3] = ["case", "patient", "warning"];
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
    features: Box<dyn TableWriter>,
    scores: Option<CsvFile>,
    reports: Reports,
    cohort: Option<CohortFile>,
    cases: CsvFile,
    failures: CsvFile,
    warnings: CsvFile,
    /// Patient and lesion of every row so far.
    seen: BTreeSet<(String, String)>,
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
            Some(_) => Some(CsvFile::create(&folder.join(SCORES), &export::scores::HEADER)?),
            None => None,
        };
        let cohort = match model {
            Some(model) => Some(CohortFile::create(folder, model)?),
            None => None,
        };
        Ok(Self {
            features: table::create(&features, format, plan, carried)?,
            scores,
            reports: Reports::create(folder, cohort.is_some())?,
            cohort,
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
            self.features.write(row, &record.carried)?;
        }
        if let Some(scores) = &mut self.scores {
            for row in &record.scores {
                scores.record(row.iter().map(String::as_str))?;
            }
        }
        if record.report {
            let link = self.reports.add(case, key, records)?;
            if let (Some(cohort), Some(patient)) = (&mut self.cohort, record.cohort) {
                cohort.patients.push(CohortPatient { link: Some(link), ..patient });
            }
        }
        if let Some(problem) = &record.no_report {
            let way_out = "the case's features are in the table; mend what is said, or go without";
            self.fail(&Failure::new(case, Stage::Report, problem, way_out))?;
        }
        for warning in &record.warnings {
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
            scores.finish()?;
        }
        if let Some(cohort) = self.cohort {
            cohort.finish()?;
        }
        self.warnings.finish()?;
        self.failures.finish()?;
        self.cases.finish()?;
        Ok(self.summary)
    }
}

/// The reports of a folder: `reports/PATIENT.html` and `.json`.
struct Reports {
    folder: PathBuf,
    /// Names that are taken, in lower case: not every file system tells the cases apart.
    names: BTreeSet<String>,
}

impl Reports {
    /// Begins with none; those of an earlier run may be of patients that are gone.
    fn create(folder: &Path, wanted: bool) -> Result<Self> {
        let folder = folder.join("reports");
        match std::fs::remove_dir_all(&folder) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io(&folder, e));
            }
            _ => {}
        }
        if wanted {
            std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
        }
        Ok(Self { folder, names: BTreeSet::new() })
    }

    /// Gives the report of a finished case its patient's name, and says where its page lies.
    fn add(&mut self, case: &CaseRequest, key: &str, records: &Path) -> Result<String> {
        let plain = |c: char| if c.is_alphanumeric() || "-_".contains(c) { c } else { '_' };
        let mut name: String = case.patient.chars().take(100).map(plain).collect();
        // A patient with several cases has a report of each.
        if !self.names.insert(name.to_lowercase()) {
            name = format!("{name}-case-{}", case.order);
            self.names.insert(name.to_lowercase());
        }
        for (kept, ending) in [("html", "html"), ("report.json", "json")] {
            let from = journal::report_path(records, key, kept);
            let to = self.folder.join(format!("{name}.{ending}"));
            // A second name for the same bytes where the file system can, else a copy.
            if std::fs::hard_link(&from, &to).is_err() {
                std::fs::copy(&from, &to).map_err(|e| Error::io(&to, e))?;
            }
        }
        Ok(format!("reports/{name}.html"))
    }
}

/// The page over all patients under construction. A row takes some hundred bytes, so that all of a
/// cohort are kept.
struct CohortFile {
    path: PathBuf,
    file: OutputFile,
    signature: CohortSignature,
    patients: Vec<CohortPatient>,
}

impl CohortFile {
    fn create(folder: &Path, signature: CohortSignature) -> Result<Self> {
        let path = folder.join(COHORT);
        let file = OutputFile::create(&path)?;
        Ok(Self { path, file, signature, patients: Vec::new() })
    }

    fn finish(mut self) -> Result<()> {
        let page = cohort_page(&self.signature, "Cohort", &self.patients)?;
        self.file.write_all(page.as_bytes()).map_err(|e| Error::io(&self.path, e))?;
        self.file.finish()
    }
}

fn identity(row: &Row) -> (String, String) {
    (row.patient.clone(), row.lesion.clone())
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
