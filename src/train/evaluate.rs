//! How good the signature is on patients it has not seen, and whether it is more than volume.

use serde::Serialize;

use super::config::{Config, LambdaRule, Preparation};
use super::cross_validation::OutOfFold;
use super::dataset::Dataset;
use super::metric::Metric;
use super::procedure::Procedure;
use super::response::Response;
use crate::error::Result;
use crate::signature::file::Evaluation;
use crate::stats::auc::{self, Auc};
use crate::stats::normal::{Z_975, two_sided_p};
use crate::stats::{bootstrap, moments, ranks};

/// A metric with its interval.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// Which.
    pub metric: Metric,
    /// Its name for people.
    pub label: &'static str,
    /// Its value.
    pub value: f64,
    /// 95 % interval.
    pub interval: Option<[f64; 2]>,
    /// How value and interval were found.
    pub method: String,
}

/// The comparator that many signatures turn out to be.
pub const VOLUME: &str = "volume";

/// A predictor to compare with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// What it predicts from.
    pub against: String,
    /// Its own performance.
    pub value: f64,
    /// Performance of the signature minus its own.
    pub difference: f64,
    /// 95 % interval of the difference.
    pub interval: Option<[f64; 2]>,
    /// Two-sided p value of the difference, for areas under the ROC curve.
    pub p: Option<f64>,
}

/// A metric or a comparison that there is no number for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unavailable {
    /// What is missing.
    pub what: String,
    /// Why.
    pub reason: String,
}

/// Performance out of fold.
#[derive(Clone, Debug)]
pub struct Performance {
    /// The metrics, the one that decides first.
    pub measured: Vec<Measured>,
    /// Comparison with volume alone and with the covariates alone.
    pub comparisons: Vec<Comparison>,
    /// What could not be measured or compared, and why.
    pub unavailable: Vec<Unavailable>,
    /// Spearman correlation of the score with volume.
    pub volume_correlation: Option<f64>,
    /// Sensitivity and specificity at the folds' own cut-offs, for binary outcomes.
    pub at_cutoff: Option<[f64; 2]>,
    /// Out-of-fold predictions.
    pub predictions: OutOfFold,
}

impl Procedure<'_> {
    /// Nested cross-validation with metrics, intervals and comparisons.
    ///
    /// # Errors
    /// Those of [`Procedure::fit`].
    pub fn evaluate(&self, data: &Dataset) -> Result<Performance> {
        let repeats = self.config.validation.repeats;
        let predictions = self.nested(data, repeats)?;
        let (measured, mut unavailable) = measure(data, &predictions, self.config);
        let mut comparisons = Vec::new();
        // A comparator that cannot be fitted, such as a tube voltage that does not vary in a training
        // part, is no comparator; the signature is measured all the same, and the reader told.
        for (name, alone) in self.comparators(data) {
            let compared = alone.and_then(|(config, columns)| {
                let other = Procedure { config: &config }
                    .nested(&columns, repeats)
                    .map_err(|e| e.to_string())?;
                compare(&name, data, &predictions, &other, self.config)
                    .ok_or_else(|| "the metric does not exist for it".to_owned())
            });
            match compared {
                Ok(comparison) => comparisons.push(comparison),
                Err(reason) => unavailable
                    .push(Unavailable { what: format!("comparison with {name} alone"), reason }),
            }
        }
        let volume_correlation = data
            .volume_ml
            .iter()
            .copied()
            .collect::<Option<Vec<f64>>>()
            .and_then(|v| ranks::spearman(&mean_over(&predictions.score), &v));
        let at_cutoff = at_cutoff(&data.response, &predictions);
        Ok(Performance {
            measured,
            comparisons,
            unavailable,
            volume_correlation,
            at_cutoff,
            predictions,
        })
    }
}

/// A comparator's name, and what it is fitted with and on, or why it is not.
type Comparator = (String, Result<(Config, Dataset), String>);

impl Procedure<'_> {
    /// Volume alone, and the covariates alone where there are any.
    fn comparators(&self, data: &Dataset) -> Vec<Comparator> {
        let volume = data.volume_only().map(|columns| (simple(self.config, &[]), columns)).map_err(
            |unknown| format!("the volume of {unknown} of {} rows is not known", data.len()),
        );
        let mut comparators = vec![(VOLUME.to_owned(), volume)];
        let covariates = &self.config.features.covariates;
        if !covariates.is_empty() {
            let alone = (simple(self.config, covariates), data.covariates_only());
            comparators.push((covariates.join(" and "), Ok(alone)));
        }
        comparators
    }
}

/// The configuration of a comparator: its one or few columns as they are.
fn simple(config: &Config, covariates: &[String]) -> Config {
    let mut simple = config.clone();
    simple.pipeline = Preparation {
        correlation: 1.0,
        near_zero_variance: false,
        max_missing: 1.0,
        ..Preparation::default()
    };
    simple.features.covariates = covariates.to_vec();
    simple.features.keep_covariates = false;
    simple.elastic_net.l1_ratio = vec![0.5];
    simple.elastic_net.rule = LambdaRule::Min;
    simple
}

/// Mean over repeats, per row.
pub fn mean_over(repeats: &[Vec<f64>]) -> Vec<f64> {
    let n = repeats.first().map_or(0, Vec::len);
    (0..n).map(|i| repeats.iter().map(|r| r[i]).sum::<f64>() / repeats.len() as f64).collect()
}

/// Mean over repeats of a metric on some rows.
fn over_repeats(
    metric: Metric,
    data: &Dataset,
    predictions: &OutOfFold,
    rows: Option<&[usize]>,
) -> Option<f64> {
    let all: Vec<usize>;
    let rows = match rows {
        Some(rows) => rows,
        None => {
            all = (0..data.len()).collect();
            &all
        }
    };
    let response = data.response.select(rows);
    let pick = |v: &[f64]| -> Vec<f64> { rows.iter().map(|r| v[*r]).collect() };
    let values: Vec<f64> = predictions
        .linear_predictor
        .iter()
        .zip(&predictions.score)
        .map(|(eta, score)| metric.value(&response, &pick(eta), &pick(score)))
        .collect::<Option<_>>()?;
    moments::mean(&values)
}

fn measure(
    data: &Dataset,
    predictions: &OutOfFold,
    config: &Config,
) -> (Vec<Measured>, Vec<Unavailable>) {
    let validation = &config.validation;
    let scheme = format!(
        "nested {}x{}-fold cross-validation by patient, {} repeats",
        validation.outer_folds, validation.inner_folds, validation.repeats
    );
    let (mut measured, mut unavailable) = (Vec::new(), Vec::new());
    for &metric in Metric::of(config.outcome.kind()) {
        let Some(value) = over_repeats(metric, data, predictions, None) else {
            unavailable.push(Unavailable {
                what: metric.label().to_owned(),
                reason: "it does not exist for these predictions, as where all of a repeat are \
                             alike or no pair can be compared"
                    .to_owned(),
            });
            continue;
        };
        let (interval, how) = match (metric, &data.response) {
            (Metric::Auc, Response::Binary(y)) => {
                let areas: Vec<Auc> = predictions
                    .score
                    .iter()
                    .filter_map(|s| auc::clustered(s, y, &data.patient))
                    .collect();
                let errors: Vec<f64> = areas.iter().map(|a| a.standard_error).collect();
                let interval = moments::mean(&errors)
                    .map(|standard_error| Auc { value, standard_error }.logit_interval());
                let several = data.len() > data.patients.len();
                let how = if several { "Obuchowski's error" } else { "DeLong's error" };
                (interval, format!("{how}, interval on the logit scale"))
            }
            _ => {
                let interval = bootstrap::percentile_interval(
                    &data.patient,
                    validation.interval_draws,
                    validation.seed,
                    |rows| over_repeats(metric, data, predictions, Some(rows)),
                );
                (interval, "patient bootstrap".to_owned())
            }
        };
        measured.push(Measured {
            metric,
            label: metric.label(),
            value,
            interval,
            method: format!("{scheme}, {how}"),
        });
    }
    (measured, unavailable)
}

fn compare(
    against: &str,
    data: &Dataset,
    own: &OutOfFold,
    other: &OutOfFold,
    config: &Config,
) -> Option<Comparison> {
    let metric = Metric::of(config.outcome.kind())[0];
    let value = over_repeats(metric, data, other, None)?;
    let difference = over_repeats(metric, data, own, None)? - value;
    let (interval, p) = match &data.response {
        Response::Binary(y) => {
            let errors: Vec<f64> = own
                .score
                .iter()
                .zip(&other.score)
                .filter_map(|(a, b)| auc::compare(a, b, y, &data.patient))
                .map(|c| c.standard_error)
                .collect();
            let error = moments::mean(&errors)?;
            let half = Z_975 * error;
            let p = two_sided_p(difference, error);
            (Some([difference - half, difference + half]), Some(p))
        }
        _ => {
            let draws = config.validation.interval_draws;
            let statistic = |rows: &[usize]| {
                let own = over_repeats(metric, data, own, Some(rows))?;
                Some(own - over_repeats(metric, data, other, Some(rows))?)
            };
            let seed = config.validation.seed;
            (bootstrap::percentile_interval(&data.patient, draws, seed, statistic), None)
        }
    };
    Some(Comparison { against: against.to_owned(), value, difference, interval, p })
}

/// Sensitivity and specificity, mean over repeats.
fn at_cutoff(response: &Response, predictions: &OutOfFold) -> Option<[f64; 2]> {
    let Response::Binary(y) = response else { return None };
    let share = |class: bool| {
        let rates: Vec<f64> = predictions
            .high
            .iter()
            .map(|high| {
                let of_class: Vec<bool> =
                    high.iter().zip(y).filter(|(_, y)| **y == class).map(|(h, _)| *h).collect();
                let right = of_class.iter().filter(|h| **h == class).count();
                right as f64 / of_class.len().max(1) as f64
            })
            .collect();
        moments::mean(&rates)
    };
    Some([share(true)?, share(false)?])
}

impl Measured {
    /// The entry of the model file.
    pub fn entry(&self, cohort: &str) -> Evaluation {
        Evaluation {
            cohort: cohort.to_owned(),
            metric: self.metric.name().to_owned(),
            value: self.value,
            interval: self.interval,
            method: self.method.clone(),
        }
    }
}
