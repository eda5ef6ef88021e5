//! Scores and report of a case, made while its image is in memory.

use super::Options;
use super::failures::{Failure, Stage};
use super::journal::{Record, ReportFiles};
use super::load::guarded;
use super::manifest::CaseRequest;
use crate::error::{Error, Result};
use crate::ingest::Case;
use crate::patient::assess::Unscored;
use crate::patient::perturbations::measurement_errors;
use crate::patient::report::{self, CohortPatient, Report};
use crate::patient::scores::Provenance;
use crate::patient::{AssessOptions, Assessment, MeasurementError, assess};
use crate::row::Row;
use crate::signature::score::Scorer;

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
        let model = scorer.model();
        let scores = Provenance::of(model).rows(&assessment).map(|row| row.texts()).collect();
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
            let provenance = Provenance::of(scorer.model());
            let unscored =
                |row| provenance.unscored(&case.patient, &unscored(row, &failure)).texts();
            record.scores = rows.iter().map(unscored).collect();
            record.no_report = Some(failure.problem);
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
    let n = options.perturbations;
    let errors: Vec<MeasurementError> = if n > 0 {
        measurement_errors(case, rows, scorer, scorer.model().plan()?, n, SEED)?
    } else {
        let of = |l: &Row| MeasurementError::from_model(scorer.model(), l.volume_ml);
        rows.iter().map(of).collect()
    };
    assess(scorer, rows, &errors, AssessOptions { perturbations: n, seed: SEED })
}

/// A lesion that could not be scored because its case could not.
fn unscored(row: &Row, failure: &Failure) -> Unscored {
    Unscored {
        lesion: row.lesion.clone(),
        name: row.name.clone(),
        site: row.site.clone(),
        volume_ml: row.volume_ml,
        reason: failure.problem.clone(),
    }
}
