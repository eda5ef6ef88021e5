//! Scores as CSV: one row per lesion, scored or not.

use std::io::Write;

use crate::patient::Assessment;
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

/// Writes the scores of patients, in their order; a patient's lesions from low to high, then those
/// without a score. An empty cell is a value that does not exist or is not known.
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
    let hash = model.hash();
    let name = format!("{} {}", model.id, model.version);
    let note = note(model);
    for patient in patients {
        let end = |unscored: &str| [unscored.into(), name.clone(), hash.clone(), note.clone()];
        for lesion in &patient.lesions {
            let score = &lesion.score;
            let interval = lesion.interval.as_ref();
            let codes: Vec<String> = score.flags.iter().map(|f| code(&f.code)).collect();
            let worst = score.flags.iter().map(|f| f.severity).max();
            let mut cells = vec![
                patient.patient.clone(),
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
            cells.extend(end(""));
            csv.write_record(cells)?;
        }
        for lesion in &patient.unscored {
            let mut cells = vec![String::new(); 23];
            cells[0] = patient.patient.clone();
            cells[1] = lesion.lesion.clone();
            cells[2] = lesion.name.clone().unwrap_or_default();
            cells[4] = optional(lesion.volume_ml);
            cells.extend(end(&lesion.reason));
            csv.write_record(cells)?;
        }
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
