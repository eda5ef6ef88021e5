//! What is done to features before the elastic net: fitted on training rows, frozen, applied.
//!
//! In this order: features with too many missing values, nearly constant ones and ones that do not
//! repeat are left out; other missing values become the median; batches are harmonised; values are
//! transformed, centred and scaled; of correlated features one is kept.

mod covariates;
mod represent;
mod screen;

use std::collections::BTreeSet;

use ndarray::Array2;

use super::config::{Config, Scaling, Shape};
use super::dataset::Dataset;
use super::design::dot;
use crate::error::{Error, Result};
use crate::stats::{Transform, combat, quantile, yeo_johnson};
use covariates::covariates;
use represent::represent;
use screen::{NotRepeated, icc_lower, is_constant};

pub use covariates::FittedCovariate;

/// A fitted pipeline.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// The features that are left, in the order of the table.
    pub features: Vec<FittedFeature>,
    /// The covariates.
    pub covariates: Vec<FittedCovariate>,
    /// Harmonisation, one entry per feature in `features`.
    pub combat: Option<combat::Estimates>,
    /// Features left out, by step.
    pub dropped: Dropped,
}

/// How many features each step left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dropped {
    /// Too many missing values.
    pub missing: usize,
    /// Nearly constant.
    pub constant: usize,
    /// Not repeatable.
    pub not_robust: usize,
    /// Not within the transformation's domain.
    pub outside_transform: usize,
    /// Represented by a correlated feature.
    pub correlated: usize,
}

/// What is done to one feature.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedFeature {
    /// Column of the data set.
    pub column: usize,
    /// Replaces a missing value.
    pub median: f64,
    /// Transformation.
    pub transform: Transform,
    /// Centre of the transformed values.
    pub centre: f64,
    /// Scale of the transformed values, above 0.
    pub scale: f64,
    /// Features it stands for besides itself.
    pub stands_for: Vec<usize>,
    /// Intraclass correlation of repeats, its lower bound.
    pub icc_lower: Option<f64>,
}

/// A feature on its way through the steps.
struct Candidate {
    column: usize,
    values: Vec<f64>,
    median: f64,
    icc_lower: Option<f64>,
}

impl Pipeline {
    /// Fits every step on `rows`.
    ///
    /// # Errors
    /// Nothing is left, or batches cannot be harmonised.
    pub fn fit(data: &Dataset, rows: &[usize], config: &Config) -> Result<Self> {
        let settings = &config.pipeline;
        let mut dropped = Dropped::default();
        let weights: Vec<f64> = rows.iter().map(|r| data.weights[*r]).collect();
        let patients: BTreeSet<usize> = rows.iter().map(|r| data.patient[*r]).collect();
        let mut candidates = Vec::new();
        for column in 0..data.columns.len() {
            let mut values: Vec<f64> = rows.iter().map(|r| data.values[[*r, column]]).collect();
            let known: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
            let missing = values.len() - known.len();
            let Some(median) = quantile::median(&known) else {
                dropped.missing += 1;
                continue;
            };
            if missing as f64 > settings.max_missing * values.len() as f64 {
                dropped.missing += 1;
                continue;
            }
            if is_constant(&known, settings.near_zero_variance) {
                dropped.constant += 1;
                continue;
            }
            let icc_lower = match icc_lower(data, column, &patients, settings.icc) {
                Ok(lower) => lower,
                Err(NotRepeated) => Some(f64::NEG_INFINITY),
            };
            if icc_lower.is_some_and(|lower| lower < settings.icc_lower) {
                dropped.not_robust += 1;
                continue;
            }
            values.iter_mut().filter(|v| v.is_nan()).for_each(|v| *v = median);
            candidates.push(Candidate { column, values, median, icc_lower });
        }
        let combat = match settings.combat {
            false => None,
            true => Some(harmonise(data, rows, &mut candidates)?),
        };

        let mut features = Vec::new();
        let mut standardised = Vec::new();
        let mut kept = Vec::new();
        for (at, candidate) in candidates.into_iter().enumerate() {
            let Some(transform) = transform(&candidate.values, settings.transform) else {
                dropped.outside_transform += 1;
                continue;
            };
            let values: Vec<f64> = candidate.values.iter().map(|v| transform.apply(*v)).collect();
            let Some((centre, scale)) = centre_and_scale(&values, &weights, settings.scale) else {
                dropped.constant += 1;
                continue;
            };
            standardised.push(values);
            kept.push(at);
            features.push(FittedFeature {
                column: candidate.column,
                median: candidate.median,
                transform,
                centre,
                scale,
                stands_for: Vec::new(),
                icc_lower: candidate.icc_lower,
            });
        }
        let icc_lower: Vec<_> = features.iter().map(|f| f.icc_lower).collect();
        let represented = represent(&standardised, &icc_lower, settings.correlation);
        let before = features.len();
        let mut at = 0;
        let mut keep = represented.iter();
        let mut columns_kept = Vec::new();
        let all: Vec<usize> = features.iter().map(|f| f.column).collect();
        features.retain_mut(|feature| {
            let members = keep.next().and_then(Option::as_ref);
            if let Some(members) = members {
                feature.stands_for = members.iter().map(|m| all[*m]).collect();
                columns_kept.push(kept[at]);
            }
            at += 1;
            members.is_some()
        });
        dropped.correlated = before - features.len();
        let combat = combat.map(|all| all.select(&columns_kept));
        let covariates = covariates(data, rows, &weights, config);
        if features.is_empty() && covariates.is_empty() {
            return Err(Error::bad_request(format!(
                "no feature is left to train on: {} have too many missing values, {} are nearly \
                 constant, {} do not repeat, {} are outside the transformation; loosen [pipeline]",
                dropped.missing, dropped.constant, dropped.not_robust, dropped.outside_transform
            )));
        }
        Ok(Self { features, covariates, combat, dropped })
    }

    /// Number of design columns.
    pub fn width(&self) -> usize {
        self.features.len() + self.covariates.len()
    }

    /// The design of `rows`: standardised features, then standardised covariates.
    ///
    /// # Errors
    /// A batch that was not there when the pipeline was fitted.
    pub fn apply(&self, data: &Dataset, rows: &[usize]) -> Result<Array2<f64>> {
        let mut design = Array2::zeros((rows.len(), self.width()));
        for (i, &row) in rows.iter().enumerate() {
            for (j, feature) in self.features.iter().enumerate() {
                let value = data.values[[row, feature.column]];
                let z = self.standardise(j, value, &data.batch[row]).ok_or_else(|| {
                    let known: Vec<&str> = self.known_batches();
                    Error::bad_request(format!(
                        "batch \"{}\" (patient {}) is not among those that ComBat was fitted on \
                         ({}); a batch needs patients in every training part: use fewer folds, or \
                         leave the batch out",
                        data.batch[row],
                        data.patients[data.patient[row]],
                        known.join(", ")
                    ))
                })?;
                design[[i, j]] = z;
            }
            for (k, covariate) in self.covariates.iter().enumerate() {
                design[[i, self.features.len() + k]] =
                    covariate.standardise(data.site[row].as_deref(), data.kvp[row]);
            }
        }
        Ok(design)
    }

    /// One standardised value; `None` for an unknown batch.
    pub fn standardise(&self, feature: usize, value: f64, batch: &str) -> Option<f64> {
        let fitted = &self.features[feature];
        let value = if value.is_nan() { fitted.median } else { value };
        let value = match &self.combat {
            Some(combat) => combat.apply(feature, value, batch)?,
            None => value,
        };
        let transformed = fitted.transform.apply(value);
        // A value below the domain of ln(1 + x), which training did not see.
        let transformed = if transformed.is_finite() { transformed } else { fitted.centre };
        Some((transformed - fitted.centre) / fitted.scale)
    }

    fn known_batches(&self) -> Vec<&str> {
        self.combat.iter().flat_map(|c| c.batches.keys().map(String::as_str)).collect()
    }

    /// Penalty factor of each design column.
    pub fn penalty_factors(&self, keep_covariates: bool) -> Vec<f64> {
        let free = if keep_covariates && !self.features.is_empty() { 0.0 } else { 1.0 };
        let mut factors = vec![1.0; self.features.len()];
        factors.extend(vec![free; self.covariates.len()]);
        factors
    }
}

fn harmonise(
    data: &Dataset,
    rows: &[usize],
    candidates: &mut [Candidate],
) -> Result<combat::Estimates> {
    let batch: Vec<&str> = rows.iter().map(|r| data.batch[*r].as_str()).collect();
    let columns: Vec<Vec<f64>> = candidates.iter().map(|c| c.values.clone()).collect();
    let estimates = combat::fit(&columns, &batch).map_err(Error::bad_request)?;
    for (g, candidate) in candidates.iter_mut().enumerate() {
        for (value, batch) in candidate.values.iter_mut().zip(&batch) {
            *value = estimates.apply(g, *value, batch).unwrap_or(*value);
        }
    }
    Ok(estimates)
}

/// `None` where the transformation does not exist for these values.
fn transform(values: &[f64], shape: Shape) -> Option<Transform> {
    match shape {
        Shape::None => Some(Transform::None),
        Shape::Log1p => values.iter().all(|v| *v >= 0.0).then_some(Transform::Log1p),
        Shape::YeoJohnson => {
            let lambda = yeo_johnson::fit(values)?;
            let transform = Transform::YeoJohnson { lambda };
            values.iter().all(|v| transform.apply(*v).is_finite()).then_some(transform)
        }
    }
}

fn centre_and_scale(values: &[f64], weights: &[f64], scaling: Scaling) -> Option<(f64, f64)> {
    let (centre, scale) = match scaling {
        Scaling::Z => {
            let total: f64 = weights.iter().sum();
            let mean = dot(values, weights) / total;
            let squares = values.iter().zip(weights).map(|(v, w)| w * (v - mean).powi(2));
            (mean, (squares.sum::<f64>() / total).sqrt())
        }
        Scaling::Robust => {
            let sorted = quantile::sorted(values);
            let at = |p| quantile::of_sorted(&sorted, p);
            (at(0.5)?, (at(0.75)? - at(0.25)?) / 1.349)
        }
    };
    let varies = scale > 1e-12 * centre.abs().max(f64::MIN_POSITIVE);
    (varies && scale.is_finite()).then_some((centre, scale))
}
