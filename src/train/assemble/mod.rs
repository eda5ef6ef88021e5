//! From what training found to the model file.

mod coefficients;
mod reference;
mod words;

use super::config::{CutoffKind, Outcome};
use super::dataset::Prepared;
use super::evaluate::Performance;
use super::fitted::Fitted;
use super::pipeline::FittedFeature;
use super::procedure::Procedure;
use super::stability::Stability;
use crate::error::{Error, Result};
use crate::signature::Model;
use crate::signature::file::{
    Card, Combat, Cutoff, CutoffScale, Kind, Policy, SCHEMA, SignatureFile, Training,
};
use coefficients::{covariates, draws, term};
use reference::{reference, reliability, scores};
use words::{evaluation, procedure_in_words};

/// A selected feature: its place in the pipeline, its coefficient.
struct Chosen<'a> {
    at: usize,
    feature: &'a FittedFeature,
    coefficient: f64,
}

/// The model of a complete, checked file.
///
/// # Errors
/// No feature was selected, or the file would not pass its own check.
pub fn model(
    prepared: &Prepared,
    procedure: &Procedure<'_>,
    fitted: &Fitted,
    stability: &Stability,
    performance: &Performance,
) -> Result<Model> {
    let config = procedure.config;
    let data = &prepared.data;
    let chosen: Vec<Chosen<'_>> = fitted
        .pipeline
        .features
        .iter()
        .zip(&fitted.solution.coefficients)
        .enumerate()
        .filter(|(_, (_, b))| **b != 0.0)
        .map(|(at, (feature, b))| Chosen { at, feature, coefficient: *b })
        .collect();
    if chosen.is_empty() {
        return Err(Error::bad_request(
            "cross-validation chose a penalty that leaves no feature: nothing here predicts the \
             outcome better than its mean; no model is written (elastic_net.rule = \"min\" chooses a \
             smaller penalty)",
        ));
    }
    let kind = config.outcome.kind();
    let (covariates, shift) = covariates(fitted);
    let about = &config.model;
    let cutoff = &config.cutoff;
    let scores = scores(prepared, fitted)?;
    let file = SignatureFile {
        schema: SCHEMA.into(),
        id: about.id.clone(),
        version: about.version.clone(),
        title: about.title.clone(),
        kind,
        link: kind.link(),
        intercept: match kind {
            Kind::Cox => 0.0,
            _ => fitted.solution.intercept + shift,
        },
        higher_means: about.higher_means.clone(),
        units: about.units.clone().unwrap_or_else(|| {
            match kind {
                Kind::Gaussian => "arbitrary",
                Kind::Binomial => "probability",
                Kind::Cox => "relative hazard",
            }
            .into()
        }),
        positive_class: match &config.outcome {
            Outcome::Binomial { positive, .. } => Some(positive.clone()),
            _ => None,
        },
        extraction: prepared.extraction.clone(),
        terms: chosen.iter().map(|c| term(c, prepared, stability)).collect::<Result<_>>()?,
        covariates,
        cutoffs: vec![Cutoff {
            name: match cutoff.rule {
                CutoffKind::Median => "training median".into(),
                CutoffKind::Youden => "Youden".into(),
                CutoffKind::Quantile => format!("training {} % quantile", cutoff.quantile * 100.0),
            },
            // A Cox score has no intercept: the shift of the covariates' centres is taken along.
            value: fitted.cutoff + if kind == Kind::Cox { -shift } else { 0.0 },
            scale: CutoffScale::LinearPredictor,
            low: cutoff.low.clone(),
            high: cutoff.high.clone(),
            provenance: format!(
                "{} of the {} out-of-fold scores in {}-fold cross-validation on the training data",
                match cutoff.rule {
                    CutoffKind::Median => "median",
                    CutoffKind::Youden => "largest sensitivity + specificity",
                    CutoffKind::Quantile => "quantile",
                },
                fitted.cutoff_n,
                config.validation.inner_folds
            ),
        }],
        reliability: Some(reliability(prepared, fitted, config.features.min_volume_ml)),
        reference: reference(prepared, fitted, &chosen, &scores, &about.cohort)?,
        batch: combat(fitted, &chosen),
        calibration: None,
        training: Training {
            cohort: about.cohort.clone(),
            outcome: config.outcome.name().to_owned(),
            n_patients: Some(data.patients.len()),
            n_lesions: Some(prepared.lesions.len()),
            n_events: (kind != Kind::Gaussian).then(|| data.events()),
            n_candidates: Some(data.columns.len() + fitted.pipeline.covariates.len()),
            procedure: procedure_in_words(procedure, fitted),
            software: format!("abscope {}", env!("CARGO_PKG_VERSION")),
            seed: Some(config.validation.seed),
            lambda: Some(fitted.solution.lambda),
            l1_ratio: Some(fitted.l1_ratio),
            data_sha256: Some(prepared.data_sha256.clone()),
        },
        evaluation: evaluation(procedure, stability, performance),
        card: Card {
            authors: about.authors.clone(),
            doi: about.doi.clone(),
            licence: about.licence.clone(),
            intended_use: about.intended_use.clone(),
            not_for: about.not_for.clone(),
            limitations: about.limitations.clone(),
            simulated: about.simulated,
        },
        bootstrap: draws(fitted, stability, kind),
    };
    let resolved = file.resolve().map_err(|findings| {
        Error::bad_request(format!("the model does not pass its check: {findings}"))
    })?;
    resolved.complete()
}

fn combat(fitted: &Fitted, chosen: &[Chosen<'_>]) -> Option<Combat> {
    let all = fitted.pipeline.combat.as_ref()?;
    let at: Vec<usize> = chosen.iter().map(|c| c.at).collect();
    let terms = all.select(&at);
    Some(Combat {
        unknown: Policy::Refuse,
        grand_mean: terms.grand_mean,
        pooled_sd: terms.pooled_sd,
        batches: terms.batches,
    })
}
