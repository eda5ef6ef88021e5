//! A patient's report: a page to read, and the same as JSON.

mod cohort;
mod html;
pub mod pictures;

pub use cohort::{CohortPatient, CohortSignature, cohort_page};
pub use html::page;

use serde::Serialize;
use serde_json::{Value, json};

use super::assess::Assessment;
use super::words;
use crate::ingest::Case;
use crate::plan::Plan;
use crate::signature::domain::{Flag, FlagCode, Severity};
use crate::signature::model::Model;

/// The schema of the JSON document.
pub const SCHEMA: &str = "abscope.report/1";

/// Perturbed copies without a score beyond this share are said.
const LOST_COPIES: f64 = 0.1;

/// What a report is made from.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The image and its lesions.
    pub case: &'a Case,
    /// The signature.
    pub model: &'a Model,
    /// The plan that features were computed with.
    pub plan: &'a Plan,
    /// The findings.
    pub assessment: &'a Assessment,
}

/// Something the reader must know before the findings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Warning {
    /// How much it should trouble the reader.
    pub severity: Severity,
    /// The lesions concerned, where it is not the whole.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lesions: Vec<String>,
    /// One or two sentences.
    pub message: String,
}

impl Report<'_> {
    /// Warnings in order of importance: of the model, of lesions, of the input.
    pub fn warnings(&self) -> Vec<Warning> {
        let Self { case, model, assessment, .. } = self;
        let mut all = Vec::new();
        let mut of = |severity, lesion: Option<&str>, message: String| {
            all.push(Warning {
                severity,
                lesions: lesion.map(str::to_owned).into_iter().collect(),
                message,
            });
        };
        let note = model.note();
        if !note.is_empty() {
            of(Severity::Warning, None, note);
        }
        for lesion in &assessment.unscored {
            of(Severity::Warning, Some(&lesion.lesion), format!("Not scored: {}.", lesion.reason));
        }
        for lesion in &assessment.lesions {
            let wanted = assessment.uncertainty.perturbations;
            let lost = wanted.saturating_sub(lesion.perturbations);
            if wanted > 0 && lost as f64 > LOST_COPIES * wanted as f64 {
                of(
                    Severity::Caution,
                    Some(&lesion.score.lesion),
                    format!("{lost} of {wanted} perturbed copies gave no score."),
                );
            }
        }
        for warning in &case.warnings {
            of(Severity::Caution, None, warning.clone());
        }
        all.extend(of_lesions(assessment, model.terms().len()));
        all.sort_by_key(|w| std::cmp::Reverse(w.severity));
        all
    }

    /// The report as JSON; `docs/report.schema.json` describes it.
    pub fn json(&self) -> Value {
        let Self { case, model, plan, assessment } = self;
        json!({
            "schema": SCHEMA,
            "use": "research use only; not a medical device",
            "patient": assessment.patient,
            "headline": assessment.headline,
            "warnings": self.warnings(),
            "model": {
                "id": model.id(),
                "version": model.version(),
                "title": model.file().title,
                "hash": model.hash(),
                "kind": model.kind(),
                "link": model.link(),
                "units": model.file().units,
                "higher_means": model.higher_means(),
                "cutoffs": model.file().cutoffs,
                "calibration": model.file().calibration,
                "simulated": model.file().card.simulated,
                "card": model.file().card,
                "evaluation": model.file().evaluation,
            },
            "lesions": assessment.lesions,
            "unscored": assessment.unscored,
            "ranking": {
                "certainty": assessment.certainty,
                "lowest_candidates": assessment.lowest_candidates,
                "unclear_pairs": assessment.unclear_pairs,
            },
            "heterogeneity": assessment.heterogeneity,
            "uncertainty": assessment.uncertainty,
            "provenance": {
                "software": "abscope",
                "version": env!("CARGO_PKG_VERSION"),
                "plan_hash": plan.hash(),
                "plan": plan,
                "model_hash": model.hash(),
                "inputs": case.inputs,
                "kvp": case.kvp,
            },
        })
    }

    /// The order of the pairs that cannot be told apart, in words.
    fn unclear(&self) -> Vec<String> {
        let pairs = self.assessment.unclear_pairs.iter();
        pairs
            .map(|p| {
                format!(
                    "{} and {} (order probable at {})",
                    p.lower,
                    p.higher,
                    words::probability(p.p_order)
                )
            })
            .collect()
    }
}

/// A lesion's flags with those of single features in one sentence.
fn grouped(flags: &[Flag], n_terms: usize) -> Vec<(FlagCode, Severity, String)> {
    use FlagCode::{FeatureOutsideTraining, FeaturesUnlikeReference};
    let outside: Vec<&Flag> = flags.iter().filter(|f| f.code == FeatureOutsideTraining).collect();
    let rest = flags.iter().filter(|f| match f.code {
        FeatureOutsideTraining => outside.len() < 2,
        // Says the same once more.
        FeaturesUnlikeReference => outside.is_empty(),
        _ => true,
    });
    let mut all: Vec<_> = rest.map(|f| (f.code, f.severity, f.message.clone())).collect();
    if outside.len() > 1 {
        let severity = outside.iter().map(|f| f.severity).max().unwrap_or(Severity::Caution);
        let message = format!(
            "{} of {n_terms} features are unlike the training data; the score is an extrapolation.",
            outside.len()
        );
        all.push((FeatureOutsideTraining, severity, message));
    }
    all
}

/// The flags of all lesions, one warning per kind and severity.
fn of_lesions(assessment: &Assessment, n_terms: usize) -> Vec<Warning> {
    let mut kinds: Vec<(FlagCode, Severity, Vec<(String, String)>)> = Vec::new();
    for lesion in &assessment.lesions {
        for (code, severity, message) in grouped(&lesion.score.flags, n_terms) {
            let entry = (lesion.score.lesion.clone(), message);
            match kinds.iter_mut().find(|k| k.0 == code && k.1 == severity) {
                Some(kind) => kind.2.push(entry),
                None => kinds.push((code, severity, vec![entry])),
            }
        }
    }
    kinds
        .into_iter()
        .map(|(code, severity, entries)| {
            // Each lesion's own numbers stand beside its pictures.
            let same = entries.iter().all(|e| e.1 == entries[0].1);
            let message = if same { entries[0].1.clone() } else { code.in_general().to_owned() };
            Warning { severity, lesions: entries.into_iter().map(|e| e.0).collect(), message }
        })
        .collect()
}
