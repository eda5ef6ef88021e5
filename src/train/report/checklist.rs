//! Reporting items that the program can fill, and those that only authors can.
//!
//! TRIPOD+AI: Collins et al., BMJ 2024, doi:10.1136/bmj-2023-078378. CLEAR: Kocak et al., Insights
//! Imaging 2023, doi:10.1186/s13244-023-01415-8. Topics are in our words; numbers are the
//! checklists'.

use std::fmt::Write;

use serde::Serialize;

use super::super::config::{CutoffKind, LambdaRule};
use super::super::{Config, Prepared, Trained};
use crate::signature::Kind;

/// One item.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Item {
    /// Checklist and number.
    pub item: &'static str,
    /// What it asks.
    pub topic: &'static str,
    /// What is known; empty where authors must state it.
    pub known: String,
}

/// All items.
pub fn items(prepared: &Prepared, config: &Config, trained: &Trained) -> Vec<Item> {
    let data = &prepared.data;
    let model = trained.model.file();
    let p = &config.pipeline;
    let v = &config.validation;
    let item = |item, topic, known: String| Item { item, topic, known };
    let unknown = String::new;
    let missing: usize = data.values.iter().filter(|v| v.is_nan()).count();
    let engine = match (&model.extraction.hash, &model.extraction.foreign) {
        (Some(hash), _) => format!(
            "abscope {}, settings in the model file, plan {hash}",
            env!("CARGO_PKG_VERSION")
        ),
        (None, Some(foreign)) => format!("{}; settings not known to this program", foreign.engine),
        (None, None) => unknown(),
    };
    let performance = trained
        .performance
        .measured
        .iter()
        .map(|m| {
            let interval =
                m.interval.map(|[a, b]| format!(" ({a:.3} to {b:.3})")).unwrap_or_default();
            format!("{} {:.3}{interval}", m.label, m.value)
        })
        .collect::<Vec<_>>()
        .join("; ");
    let against = trained
        .performance
        .comparisons
        .iter()
        .map(|c| format!("{} alone {:.3}, difference {:.3}", c.against, c.value, c.difference))
        .chain(
            trained
                .performance
                .unavailable
                .iter()
                .map(|u| format!("{} not available: {}", u.what, u.reason)),
        )
        .collect::<Vec<_>>()
        .join("; ");
    let scaling = format!(
        "transformation {:?}, scale {:?}, ComBat {}; fitted on training parts only",
        p.transform, p.scale, p.combat
    );
    vec![
        item("TRIPOD+AI 1", "Title says development, outcome and population", unknown()),
        item("TRIPOD+AI 3", "Context, intended use and users", model.card.intended_use.clone()),
        item("TRIPOD+AI 5", "Source and dates of the data", model.training.cohort.clone()),
        item("TRIPOD+AI 6", "Eligibility of participants, treatments", unknown()),
        item(
            "TRIPOD+AI 7",
            "Preparation of the data",
            format!("{}. {}", model.training.procedure, prepared.notes.join(". ")),
        ),
        item(
            "TRIPOD+AI 8",
            "Outcome, its definition and assessment",
            format!(
                "column {} ({}); its definition: authors must state",
                config.outcome.name(),
                config.outcome.kind().name()
            ),
        ),
        item(
            "TRIPOD+AI 9",
            "Predictors and how they were measured",
            format!("{} candidate features; {engine}", data.columns.len()),
        ),
        item(
            "TRIPOD+AI 10",
            "Sample size and its justification",
            format!(
                "{} patients, {} lesions{}; justification: authors must state",
                data.patients.len(),
                prepared.lesions.len(),
                if config.outcome.kind() == Kind::Gaussian {
                    String::new()
                } else {
                    format!(", {} positive or with event", data.events())
                }
            ),
        ),
        item(
            "TRIPOD+AI 11",
            "Missing data",
            format!(
                "{missing} of {} values missing; features with more than {} % left out, others imputed by the median of the training part",
                data.values.len(),
                100.0 * p.max_missing
            ),
        ),
        item(
            "TRIPOD+AI 12",
            "Model type, building, internal validation",
            format!(
                "elastic net; L1 ratios {:?}, {} penalties, {}; nested {}x{}-fold cross-validation grouped by patient and stratified by outcome, {} repeats; {} patient resamples; {} permutations; seed {}",
                config.elastic_net.l1_ratio,
                config.elastic_net.n_lambdas,
                match config.elastic_net.rule {
                    LambdaRule::Min => "least loss",
                    LambdaRule::OneSe => "one-standard-error rule",
                },
                v.outer_folds,
                v.inner_folds,
                v.repeats,
                trained.stability.draws,
                v.permutations,
                v.seed
            ),
        ),
        item(
            "TRIPOD+AI 13",
            "Class imbalance",
            if config.outcome.kind() == Kind::Binomial {
                format!(
                    "{} of {} rows positive; no resampling, folds stratified",
                    data.events(),
                    data.len()
                )
            } else {
                "not applicable".into()
            },
        ),
        item("TRIPOD+AI 14", "Fairness", unknown()),
        item(
            "TRIPOD+AI 15",
            "Output of the model, cut-offs",
            format!(
                "{}; cut-off by {}, chosen out of fold inside training",
                model.units,
                match config.cutoff.rule {
                    CutoffKind::Median => "median",
                    CutoffKind::Youden => "Youden's index",
                    CutoffKind::Quantile => "quantile",
                }
            ),
        ),
        item("TRIPOD+AI 17", "Ethical approval", unknown()),
        item("TRIPOD+AI 18a", "Funding", unknown()),
        item("TRIPOD+AI 18b", "Conflicts of interest", unknown()),
        item("TRIPOD+AI 18c", "Protocol", unknown()),
        item("TRIPOD+AI 18d", "Registration", unknown()),
        item(
            "TRIPOD+AI 18e",
            "Sharing of data",
            format!(
                "SHA-256 of the tables {}; availability: authors must state",
                prepared.data_sha256
            ),
        ),
        item("TRIPOD+AI 18f", "Sharing of code", format!("abscope {}", env!("CARGO_PKG_VERSION"))),
        item("TRIPOD+AI 19", "Patient and public involvement", unknown()),
        item(
            "TRIPOD+AI 20",
            "Flow and characteristics of participants",
            format!(
                "{} patients with {} lesions analysed; characteristics: authors must state",
                data.patients.len(),
                prepared.lesions.len()
            ),
        ),
        item(
            "TRIPOD+AI 22",
            "The full model",
            format!(
                "the model file: {} terms with centre, scale and coefficient; SHA-256 {}",
                model.terms.len(),
                model.hash()
            ),
        ),
        item("TRIPOD+AI 23a", "Performance with intervals", performance.clone()),
        item("TRIPOD+AI 23b", "Heterogeneity of performance between clusters", unknown()),
        item("TRIPOD+AI 25", "Limitations", model.card.limitations.join("; ")),
        item(
            "CLEAR 21-24",
            "Pre-processing, resampling, discretisation, image types",
            engine.clone(),
        ),
        item("CLEAR 25", "Extraction software and IBSI compliance", engine),
        item(
            "CLEAR 29",
            "Handling of missing data",
            format!("{missing} values missing; median of the training part"),
        ),
        item(
            "CLEAR 31",
            "Reliability of segmentation",
            match &data.repeated {
                Some(r) => format!(
                    "{:?} ICC of {} lesions, lower bound at least {}, inside every fold",
                    p.icc,
                    r.values.len(),
                    p.icc_lower
                ),
                None => "no repeated extraction was given".into(),
            },
        ),
        item("CLEAR 32", "Scaling and harmonisation", scaling),
        item(
            "CLEAR 36",
            "Confounders",
            format!(
                "volume compared; covariates in the model: {}",
                if config.features.covariates.is_empty() {
                    "none".into()
                } else {
                    config.features.covariates.join(", ")
                }
            ),
        ),
        item(
            "CLEAR 38",
            "Partition of the data",
            format!("by patient, {} outer folds; no patient is on both sides", v.outer_folds),
        ),
        item(
            "CLEAR 39",
            "Reduction and selection of features",
            format!(
                "inside every training part; stability {}",
                trained
                    .stability
                    .index
                    .map_or("not defined".into(), |(i, _)| format!("{i:.2} (Nogueira)"))
            ),
        ),
        item("CLEAR 47", "Discrimination and calibration", performance),
        item("CLEAR 48", "Comparison with non-radiomic predictors", against),
        item("CLEAR 50", "External validation", "none: internal validation only".into()),
        item("CLEAR 57", "The final model and how inputs are prepared", "the model file".into()),
    ]
}

/// The checklist as Markdown.
pub fn markdown(items: &[Item]) -> String {
    let mut text = String::from(
        "# Reporting checklist\n\nTRIPOD+AI (doi:10.1136/bmj-2023-078378) and CLEAR \
         (doi:10.1186/s13244-023-01415-8), filled with what the program knows.\n\n\
         | item | topic | what is known |\n|---|---|---|\n",
    );
    for Item { item, topic, known } in items {
        let known = if known.is_empty() { "**authors must state**" } else { known };
        writeln!(text, "| {item} | {topic} | {} |", known.replace('|', "\\|"))
            .expect("text can be written");
    }
    text
}
