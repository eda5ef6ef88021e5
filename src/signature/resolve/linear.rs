//! The parts of the linear predictor: numbers of terms, covariates and harmonisation.

use std::collections::BTreeSet;

use super::features::keyed;
use crate::signature::file::{Combat, Covariate, Term};
use crate::signature::finding::Findings;
use crate::stats::Transform;

pub(super) fn terms(terms: &[Term], findings: &mut Findings) {
    findings.unless(!terms.is_empty(), "term", || {
        "is not there; a signature needs at least one feature".into()
    });
    for (key, term) in keyed(terms) {
        let at = |name: &str| format!("{key}.{name}");
        findings.finite(&at("coefficient"), term.coefficient);
        if let Some(centre) = term.centre {
            findings.finite(&at("centre"), centre);
        }
        if let Some(scale) = term.scale {
            findings.above_zero(&at("scale"), scale);
        }
        if let Transform::YeoJohnson { lambda } = term.transform {
            findings.finite(&at("transform.lambda"), lambda);
        }
        if let Some(q) = term.training_quantiles {
            let ascend = q.min <= q.q01 && q.q01 <= q.q50 && q.q50 <= q.q99 && q.q99 <= q.max;
            findings.unless(ascend, &at("training_quantiles"), || "do not ascend".into());
        }
        if let Some(frequency) = term.selection_frequency {
            findings.share(&at("selection_frequency"), frequency);
        }
    }
}

pub(super) fn covariates(covariates: &[Covariate], findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for (index, covariate) in covariates.iter().enumerate() {
        let key = format!("covariate[{}]", index + 1);
        let at = |name: &str| format!("{key}.{name}");
        let name = covariate.name();
        findings.unless(seen.insert(name), &at("name"), || format!("\"{name}\" is there twice"));
        match covariate {
            Covariate::OneHot { reference, levels, .. } => {
                findings.unless(name == "site", &at("name"), || {
                    format!("is \"{name}\"; the one_hot covariate known is \"site\"")
                });
                let mut names = BTreeSet::from([reference.to_lowercase()]);
                for (index, level) in levels.iter().enumerate() {
                    let key = at(&format!("levels[{}]", index + 1));
                    findings.finite(&format!("{key}.coefficient"), level.coefficient);
                    let once = names.insert(level.name.to_lowercase());
                    findings.unless(once, &format!("{key}.name"), || {
                        format!("\"{}\" is there twice", level.name)
                    });
                }
            }
            Covariate::Numeric { centre, scale, coefficient, range: [low, high], .. } => {
                findings.unless(name == "kvp", &at("name"), || {
                    format!("is \"{name}\"; the numeric covariate known is \"kvp\"")
                });
                findings.finite(&at("centre"), *centre);
                findings.above_zero(&at("scale"), *scale);
                findings.finite(&at("coefficient"), *coefficient);
                findings.unless(low <= high, &at("range"), || {
                    format!("is [{low}, {high}]; give the lowest value first")
                });
            }
        }
    }
}

pub(super) fn batch(batch: &Combat, terms: usize, findings: &mut Findings) {
    let mut per_term = |key: &str, values: &[f64], positive: bool| {
        let sound = |v: &f64| v.is_finite() && (!positive || *v > 0.0);
        findings.unless(values.len() == terms && values.iter().all(sound), key, || {
            let kind = if positive { "numbers above 0" } else { "finite numbers" };
            format!("needs {terms} {kind}, one per term")
        });
    };
    per_term("batch.grand_mean", &batch.grand_mean, false);
    per_term("batch.pooled_sd", &batch.pooled_sd, true);
    for (name, one) in &batch.batches {
        per_term(&format!("batch.batches.{name}.gamma"), &one.gamma, false);
        per_term(&format!("batch.batches.{name}.delta_squared"), &one.delta_squared, true);
    }
}
