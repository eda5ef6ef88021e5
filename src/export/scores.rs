//! Scores as CSV: one row per lesion, scored or not.

use std::io::Write;

use crate::patient::assess::Unscored;
use crate::patient::{AssessedLesion, Assessment};
use crate::signature::Model;
use crate::signature::domain::Severity;

/// The columns.
pub const HEADER: [&str; 27] = [
    "patient",
    "lesion",
    "name",
    "site",
    "volume_ml",
    "score",
    "score_low",
    "score_high",
    "score_sd",
    "measurement_sd",
    "response",
    "response_low",
    "response_high",
    "class",
    "p_above_cutoff",
    "rank",
    "p_lowest",
    "percentile",
    "percentile_same_site",
    "image_part",
    "covariate_part",
    "flags",
    "worst_flag",
    "unscored_because",
    "model",
    "model_hash",
    "note",
];

/// What the rows of a model have in common.
#[derive(Clone, Debug)]
pub struct Provenance {
    name: String,
    hash: String,
    note: String,
}

impl Provenance {
    /// Of the scores of a model.
    pub fn of(model: &Model) -> Self {
        Self {
            name: format!("{} {}", model.id, model.version),
            hash: model.hash(),
            note: note(model),
        }
    }

    /// A patient's lesions from low to high, then those without a score, as cells of the columns. An
    /// empty cell is a value that does not exist or is not known.
    pub fn rows(&self, patient: &Assessment) -> Vec<Vec<String>> {
        let scored = patient.lesions.iter().map(|lesion| self.scored(&patient.patient, lesion));
        let unscored =
            patient.unscored.iter().map(|lesion| self.unscored(&patient.patient, lesion));
        scored.chain(unscored).collect()
    }

    fn scored(&self, patient: &str, lesion: &AssessedLesion) -> Vec<String> {
        let score = &lesion.score;
        let interval = lesion.interval.as_ref();
        let codes: Vec<String> = score.flags.iter().map(|f| code(&f.code)).collect();
        let worst = score.flags.iter().map(|f| f.severity).max();
        let mut cells = vec![
            patient.to_owned(),
            score.lesion.clone(),
            score.name.clone().unwrap_or_default(),
            score.site.clone().unwrap_or_default(),
            optional(score.volume_ml),
            score.linear_predictor.to_string(),
            optional(interval.map(|i| i.low)),
            optional(interval.map(|i| i.high)),
            optional(interval.map(|i| i.sd)),
            optional(interval.and_then(|i| i.measurement_sd)),
            score.response.to_string(),
            optional(lesion.response_interval.map(|r| r[0])),
            optional(lesion.response_interval.map(|r| r[1])),
            score.classes.first().map(|c| c.class.clone()).unwrap_or_default(),
            optional(lesion.p_above_cutoff),
            lesion.rank.to_string(),
            optional(lesion.p_lowest),
            optional(score.percentile),
            optional(score.percentile_same_site),
            score.image_part.to_string(),
            score.covariate_part.to_string(),
            codes.join(";"),
            worst.map(|w| severity(w).to_owned()).unwrap_or_default(),
        ];
        cells.extend(self.end(""));
        cells
    }

    /// The row of a lesion without a score.
    pub fn unscored(&self, patient: &str, lesion: &Unscored) -> Vec<String> {
        let known = [
            patient.to_owned(),
            lesion.lesion.clone(),
            lesion.name.clone().unwrap_or_default(),
            lesion.site.clone().unwrap_or_default(),
            optional(lesion.volume_ml),
        ];
        let end = self.end(&lesion.reason);
        let unknown = vec![String::new(); HEADER.len() - known.len() - end.len()];
        known.into_iter().chain(unknown).chain(end).collect()
    }

    fn end(&self, unscored: &str) -> [String; 4] {
        [unscored.into(), self.name.clone(), self.hash.clone(), self.note.clone()]
    }
}

/// Writes the scores of patients, in their order.
///
/// # Errors
/// The writer's.
pub fn write<'a>(
    model: &Model,
    patients: impl IntoIterator<Item = &'a Assessment>,
    writer: impl Write,
) -> Result<(), csv::Error> {
    let mut csv = csv::Writer::from_writer(writer);
    csv.write_record(HEADER)?;
    let provenance = Provenance::of(model);
    for row in patients.into_iter().flat_map(|patient| provenance.rows(patient)) {
        csv.write_record(row)?;
    }
    csv.flush()?;
    Ok(())
}

/// What every result of a model must carry: that it is simulated, or completed from another cohort.
pub fn note(model: &Model) -> String {
    let simulated = model.card.simulated.then_some(
        "Demonstration signature trained on simulated data; its scores mean nothing for a patient.",
    );
    let calibrated = model.calibration.as_ref().map(|c| c.statement.as_str());
    let parts: Vec<&str> = simulated.into_iter().chain(calibrated).collect();
    parts.join(" ")
}

fn optional(value: Option<f64>) -> String {
    value.map(|v| v.to_string()).unwrap_or_default()
}

fn code(code: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(code).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Caution => "caution",
        Severity::Warning => "warning",
    }
}
