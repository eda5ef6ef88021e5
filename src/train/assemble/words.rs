//! What the file says of the procedure and of its performance.

use crate::signature::file::Evaluation;
use crate::train::config::LambdaRule;
use crate::train::evaluate::Performance;
use crate::train::fitted::Fitted;
use crate::train::procedure::Procedure;
use crate::train::stability::Stability;

/// Metrics, apparent and corrected performance, and differences from the comparators.
pub(super) fn evaluation(
    procedure: &Procedure<'_>,
    stability: &Stability,
    performance: &Performance,
) -> Vec<Evaluation> {
    let cohort = &procedure.config.model.cohort;
    let mut entries: Vec<Evaluation> =
        performance.measured.iter().map(|m| m.entry(cohort)).collect();
    if let Some(first) = performance.measured.first() {
        let name = first.metric.name();
        let entry = |value: f64, method: String| Evaluation {
            cohort: cohort.clone(),
            metric: name.to_owned(),
            value,
            interval: None,
            method,
        };
        entries
            .extend(stability.apparent.map(|v| entry(v, "apparent, on the training data".into())));
        entries.extend(stability.corrected.map(|v| {
            let how = format!("optimism-corrected by {} patient resamples", stability.draws);
            entry(v, how)
        }));
        entries.extend(performance.comparisons.iter().map(|c| {
            let mut entry = entry(c.difference, format!("difference from {} alone", c.against));
            entry.metric = format!("{name}_difference");
            entry.interval = c.interval;
            entry
        }));
    }
    entries
}

/// The procedure in one sentence.
pub(super) fn procedure_in_words(procedure: &Procedure<'_>, fitted: &Fitted) -> String {
    let config = procedure.config;
    let p = &config.pipeline;
    let mut steps =
        vec![format!("features with more than {} % missing left out", p.max_missing * 100.0)];
    if p.near_zero_variance {
        steps.push("nearly constant ones left out".into());
    }
    if config.features.repeated.is_some() {
        steps.push(format!("lower bound of the ICC at least {}", p.icc_lower));
    }
    if p.combat {
        steps.push("ComBat".into());
    }
    if p.correlation < 1.0 {
        steps.push(format!("one of features with |Spearman| >= {} kept", p.correlation));
    }
    format!(
        "{}; elastic net ({}), L1 ratio {} and penalty by {}-fold cross-validation by patient ({}); {} \
         of {} candidates selected",
        steps.join("; "),
        config.outcome.kind().name(),
        fitted.l1_ratio,
        config.validation.inner_folds,
        match config.elastic_net.rule {
            LambdaRule::Min => "least loss",
            LambdaRule::OneSe => "one standard error",
        },
        fitted.solution.n_selected(),
        fitted.pipeline.features.len() + fitted.pipeline.covariates.len() + {
            let d = &fitted.pipeline.dropped;
            d.missing + d.constant + d.not_robust + d.outside_transform + d.correlated
        }
    )
}
