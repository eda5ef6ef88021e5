//! Scores and report of a case, made while its image is in memory.

use super::Options;
use super::failures::{Failure, Stage};
use super::journal::{Record, ReportFiles};
use super::load::guarded;
use super::manifest::CaseRequest;
use crate::patient::AssessOptions;
use crate::patient::assess::Unscored;
use crate::patient::scores::Provenance;
use crate::report::{CohortPatient, Examined};
use crate::row::Row;
use crate::signature::score::Scorer;

/// Adds a case's scores to its record, and gives its report. Where that fails, the record says why,
/// and the features stay.
pub(super) fn add(
    record: &mut Record,
    request: &CaseRequest,
    examined: &Examined<'_>,
    scorer: &Scorer<'_>,
    options: &Options,
) -> Option<ReportFiles> {
    let provenance = Provenance::of(scorer.model());
    let made = guarded(request, Stage::Report, || {
        let options = AssessOptions::default().perturbations(options.perturbations);
        let report = examined.report(scorer, options)?;
        let files = ReportFiles { html: report.html()?.into_bytes(), json: report.json_text() };
        Ok((files, report.into_assessment()))
    });
    match made {
        Ok((files, assessment)) => {
            record.scores = provenance.rows(&assessment).map(|row| row.texts()).collect();
            record.cohort = Some(CohortPatient::from(&assessment));
            record.report = true;
            Some(files)
        }
        Err(failure) => {
            let unscored = |row: &Row| {
                let lesion = unscored(row, &failure);
                provenance.unscored(&row.patient, &row.scan, &lesion).texts()
            };
            record.scores = examined.rows().iter().map(unscored).collect();
            record.no_report = Some(failure.problem);
            None
        }
    }
}

/// A lesion that could not be scored because its case could not.
fn unscored(row: &Row, failure: &Failure) -> Unscored {
    Unscored {
        lesion: row.lesion.clone(),
        name: row.name.clone(),
        site: row.site.clone(),
        kvp: row.kvp,
        volume_ml: row.volume_ml,
        reason: failure.problem.clone(),
    }
}
