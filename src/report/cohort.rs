//! A page over many patients: how far each one's lesions spread.

use std::collections::BTreeMap;

use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::{Deserialize, Serialize};

use super::html::render;
use crate::error::Result;
use crate::patient::Assessment;
use crate::signature::{Model, Severity};

/// Width of a patient's strip of scores in its own units, and the room at its ends.
const STRIP: [f64; 2] = [200.0, 5.0];

/// What the page says of the signature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CohortSignature {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the model.
    pub hash: String,
    /// What a higher score means.
    pub higher_means: String,
    /// What every result of the model has to say; empty where there is nothing.
    pub note: String,
    /// The first cut-off on the scale of the linear predictor.
    pub cutoff: Option<f64>,
}

impl From<&Model> for CohortSignature {
    fn from(model: &Model) -> Self {
        Self {
            id: model.id().to_owned(),
            version: model.version().to_owned(),
            hash: model.hash(),
            higher_means: model.higher_means().to_owned(),
            note: model.note(),
            cutoff: model.cutoffs().first().map(|c| c.linear_predictor()),
        }
    }
}

/// One patient of the page: one scan, where there are several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CohortPatient {
    /// The pseudonymous id.
    pub patient: String,
    /// Days from the patient's first study to the one that was measured, where that is known.
    #[serde(default)]
    pub study_day: Option<i64>,
    /// What the study is called.
    #[serde(default)]
    pub study: Option<String>,
    /// Where the patient's own report lies, relative to the page.
    pub link: Option<String>,
    /// Linear predictors of the lesions, from low to high.
    pub scores: Vec<f64>,
    /// Lesions without a score.
    pub unscored: usize,
    /// The lesion with the lowest score, by id.
    pub lowest: Option<String>,
    /// Probability that it truly is the lowest.
    pub p_lowest: Option<f64>,
    /// Median of the scores.
    pub median: Option<f64>,
    /// Gini mean difference of the scores.
    pub gini: Option<f64>,
    /// Its place among patients of the reference with as many lesions, from 0 to 1.
    pub gini_place: Option<f64>,
    /// Probability of such differences under measurement error alone.
    pub p_noise: Option<f64>,
    /// Number of warnings (not cautions) of all lesions.
    pub warnings: usize,
}

impl CohortPatient {
    /// Which of the patient's scans it is.
    fn time(&self) -> Option<String> {
        self.study_day.map(|day| format!("day {day}")).or_else(|| self.study.clone())
    }
}

impl From<&Assessment> for CohortPatient {
    fn from(assessment: &Assessment) -> Self {
        let value = |id: &str| assessment.heterogeneity.measure(id).and_then(|m| m.value);
        let lesions = &assessment.lesions;
        let flags = lesions.iter().flat_map(|l| &l.score.flags);
        Self {
            patient: assessment.patient.clone(),
            study_day: assessment.scan.study_day,
            study: assessment.scan.study.clone(),
            link: None,
            scores: lesions.iter().map(|l| l.score.linear_predictor).collect(),
            unscored: assessment.unscored.len(),
            lowest: lesions.first().map(|l| l.score.lesion.clone()),
            p_lowest: lesions.first().and_then(|l| l.p_lowest),
            // One lesion has no spread to compute, but is its own median.
            median: value("median").or(lesions.first().map(|l| l.score.linear_predictor)),
            gini: value("gini_mean_difference"),
            gini_place: assessment
                .heterogeneity
                .headline()
                .and_then(|m| m.expected)
                .map(|e| e.percentile),
            p_noise: assessment.heterogeneity.noise_test.map(|t| t.p),
            warnings: flags.filter(|f| f.severity == Severity::Warning).count(),
        }
    }
}

#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    patient: &'a CohortPatient,
    /// Which of the patient's scans, where there are several.
    time: Option<String>,
    lesions: usize,
    minimum: Option<f64>,
    maximum: Option<f64>,
    /// Positions of the scores on the strip.
    points: Vec<f64>,
}

/// A page with one row per patient, in the given order. Columns sort on a click where the reader's
/// browser runs scripts; without, the page reads the same.
///
/// # Errors
/// The template fails, which a test would show.
pub fn cohort_page(
    signature: &CohortSignature,
    title: &str,
    patients: &[CohortPatient],
) -> Result<String> {
    let mut scans: BTreeMap<&str, usize> = BTreeMap::new();
    for patient in patients {
        *scans.entry(&patient.patient).or_default() += 1;
    }
    let all = || patients.iter().flat_map(|p| p.scores.iter().copied());
    let low = all().fold(f64::INFINITY, f64::min);
    let high = all().fold(f64::NEG_INFINITY, f64::max);
    let width = if high > low { high - low } else { 1.0 };
    let [strip, room] = STRIP;
    let x = |score: f64| {
        let at = room + (score - low) / width * (strip - 2.0 * room);
        (at * 10.0).round() / 10.0
    };
    let rows: Vec<Row<'_>> = patients
        .iter()
        .map(|patient| Row {
            patient,
            time: (scans[patient.patient.as_str()] > 1).then(|| patient.time()).flatten(),
            lesions: patient.scores.len(),
            minimum: patient.scores.first().copied(),
            maximum: patient.scores.last().copied(),
            points: patient.scores.iter().map(|s| x(*s)).collect(),
        })
        .collect();
    render(
        "cohort.html",
        include_str!("cohort.html"),
        context! {
            title => title,
            model => Value::from(Serde(signature)),
            version => env!("CARGO_PKG_VERSION"),
            rows => Value::from(Serde(&rows)),
            patients => scans.len(),
            lesion_count => all().count(),
            cutoff => signature.cutoff.filter(|c| (low..=high).contains(c)).map(x),
            low => low.is_finite().then_some(low),
            high => high.is_finite().then_some(high),
        },
    )
}
