//! Scores and report of a case, made while its image is in memory.

use super::failures::Stage;
use super::journal::{Record, ReportFiles};
use super::manifest::CaseRequest;
use super::{Options, guarded};
use crate::error::{Error, Result};
use crate::export::scores;
use crate::ingest::Case;
use crate::patient::perturbations::measurement_errors;
use crate::patient::report::{self, CohortPatient, Report};
use crate::patient::{AssessOptions, Assessment, MeasurementError, assess};
use crate::row::Row;
use crate::signature::score::{LesionValues, Scorer};

/// Seed of the random numbers behind intervals and probabilities; that of `abscope report`.
const SEED: u64 = 1;

/// Adds a case's scores to its record, and gives its report. Where that fails, the record says why,
/// and the features stay.
pub(super) fn add(
    record: &mut Record,
    request: &CaseRequest,
    case: &Case,
    rows: &[Row],
    scorer: &Scorer<'_>,
    options: &Options,
) -> Option<ReportFiles> {
    let made = guarded(request, Stage::Report, || {
        let assessment = assessment(case, rows, scorer, options)?;
        let scores = score_rows(scorer, &assessment)?;
        let model = scorer.model();
        let report = Report { case, model, plan: &options.plan, assessment: &assessment };
        let html = report::page(&report)?.into_bytes();
        let json = serde_json::to_vec_pretty(&report.json())
            .map_err(|e| Error::bad_request(format!("the report cannot be written: {e}")))?;
        Ok((scores, CohortPatient::from(&assessment), ReportFiles { html, json }))
    });
    match made {
        Ok((scores, patient, report)) => {
            record.scores = scores;
            record.cohort = Some(patient);
            record.report = true;
            Some(report)
        }
        Err(failure) => {
            let [.., problem, _] = failure.cells;
            record.scores = rows.iter().map(|row| unscored(row, scorer, &problem)).collect();
            record.no_report = Some(problem);
            None
        }
    }
}

fn assessment(
    case: &Case,
    rows: &[Row],
    scorer: &Scorer<'_>,
    options: &Options,
) -> Result<Assessment> {
    let lesions: Vec<LesionValues> = rows.iter().map(LesionValues::from).collect();
    let n = options.perturbations;
    let errors: Vec<MeasurementError> = if n > 0 {
        measurement_errors(case, rows, scorer, &scorer.model().plan()?, n, SEED)?
    } else {
        let of = |l: &LesionValues| MeasurementError::from_model(scorer.model(), l.volume_ml);
        lesions.iter().map(of).collect()
    };
    assess(scorer, &lesions, &errors, AssessOptions { perturbations: n, seed: SEED })
}

/// The rows of the score table.
fn score_rows(scorer: &Scorer<'_>, assessment: &Assessment) -> Result<Vec<Vec<String>>> {
    let problem = |e: csv::Error| Error::bad_request(format!("the scores cannot be written: {e}"));
    let mut table = Vec::new();
    scores::write(scorer.model(), [assessment], &mut table).map_err(problem)?;
    let mut reader = csv::Reader::from_reader(&table[..]);
    let row = |row: csv::StringRecord| row.iter().map(str::to_owned).collect();
    reader.records().map(|record| record.map(row).map_err(problem)).collect()
}

/// The row of a lesion that could not be scored because its case could not.
fn unscored(row: &Row, scorer: &Scorer<'_>, problem: &str) -> Vec<String> {
    let model = scorer.model();
    let cell = |name: &&str| match *name {
        "patient" => row.patient.clone(),
        "lesion" => row.lesion.clone(),
        "name" => row.name.clone().unwrap_or_default(),
        "site" => row.site.clone().unwrap_or_default(),
        "volume_ml" => row.volume_ml.map(|v| v.to_string()).unwrap_or_default(),
        "unscored_because" => problem.to_owned(),
        "model" => format!("{} {}", model.id, model.version),
        "model_hash" => model.hash(),
        "note" => scores::note(model),
        _ => String::new(),
    };
    scores::HEADER.iter().map(cell).collect()
}
