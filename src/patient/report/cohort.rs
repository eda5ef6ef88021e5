//! A page over many patients: how far each one's lesions spread.

use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::Serialize;

use super::html::render;
use crate::error::Result;
use crate::export::scores;
use crate::patient::Assessment;
use crate::signature::Model;

/// One patient of the page.
#[derive(Clone, Debug)]
pub struct CohortEntry<'a> {
    /// The findings.
    pub assessment: &'a Assessment,
    /// Where the patient's own report lies, relative to the page.
    pub link: Option<String>,
}

#[derive(Serialize)]
struct Row {
    patient: String,
    link: Option<String>,
    lesions: usize,
    unscored: usize,
    lowest: Option<String>,
    p_lowest: Option<f64>,
    minimum: Option<f64>,
    maximum: Option<f64>,
    median: Option<f64>,
    gini: Option<f64>,
    gini_place: Option<f64>,
    p_noise: Option<f64>,
    /// Positions of the lesions' scores on a strip of width 200.
    points: Vec<f64>,
    warnings: usize,
}

/// A page with one row per patient, in the given order. Columns sort on a click where the reader's
/// browser runs scripts; without, the page reads the same.
///
/// # Errors
/// The template fails, which a test would show.
pub fn cohort_page(model: &Model, title: &str, patients: &[CohortEntry<'_>]) -> Result<String> {
    let all = || {
        patients.iter().flat_map(|p| p.assessment.lesions.iter().map(|l| l.score.linear_predictor))
    };
    let low = all().fold(f64::INFINITY, f64::min);
    let high = all().fold(f64::NEG_INFINITY, f64::max);
    let width = if high > low { high - low } else { 1.0 };
    let x = |score: f64| ((score - low) / width * 1900.0).round() / 10.0 + 5.0;
    let rows: Vec<Row> = patients
        .iter()
        .map(|entry| {
            let a = entry.assessment;
            let value = |id: &str| a.heterogeneity.measure(id).and_then(|m| m.value);
            let scores: Vec<f64> = a.lesions.iter().map(|l| l.score.linear_predictor).collect();
            Row {
                patient: a.patient.clone(),
                link: entry.link.clone(),
                lesions: a.lesions.len(),
                unscored: a.unscored.len(),
                lowest: a.lesions.first().map(|l| l.score.lesion.clone()),
                p_lowest: a.lesions.first().and_then(|l| l.p_lowest),
                minimum: scores.first().copied(),
                maximum: scores.last().copied(),
                median: value("median").or(scores.first().copied()),
                gini: value("gini_mean_difference"),
                gini_place: a
                    .heterogeneity
                    .headline()
                    .and_then(|m| m.expected)
                    .map(|e| e.percentile),
                p_noise: a.heterogeneity.noise_test.map(|t| t.p),
                points: scores.iter().map(|s| x(*s)).collect(),
                warnings: a
                    .lesions
                    .iter()
                    .flat_map(|l| &l.score.flags)
                    .filter(|f| f.severity == crate::signature::Severity::Warning)
                    .count(),
            }
        })
        .collect();
    let cutoff = model.cutoffs.first().and_then(|c| c.linear_predictor(model.link));
    render(
        "cohort.html",
        include_str!("cohort.html"),
        context! {
            title => title,
            model => Value::from(Serde(model)),
            model_hash => model.hash(),
            note => scores::note(model),
            version => env!("CARGO_PKG_VERSION"),
            rows => Value::from(Serde(&rows)),
            lesion_count => all().count(),
            cutoff => cutoff.filter(|c| (low..=high).contains(c)).map(x),
            low => low.is_finite().then_some(low),
            high => high.is_finite().then_some(high),
        },
    )
}
