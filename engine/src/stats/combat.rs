//! ComBat: empirical-Bayes removal of the location and scale that a batch adds to each feature.
//!
//! Johnson, Li and Rabinovic, Biostatistics 2007, doi:10.1093/biostatistics/kxj037, parametric
//! priors, no covariates. A new lesion is harmonised with the stored estimates of its batch; a batch
//! that training did not see has none.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::moments::{mean, variance};

/// One batch's estimates, one entry per feature, on the standardised scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CombatBatch {
    /// Additive effect gamma*.
    pub gamma: Vec<f64>,
    /// Multiplicative effect delta*², above 0.
    pub delta_squared: Vec<f64>,
}

impl CombatBatch {
    /// The value of feature `index` without this batch's effects; `grand_mean` and `pooled_sd` are
    /// that feature's over all batches.
    pub fn harmonise(&self, index: usize, value: f64, grand_mean: f64, pooled_sd: f64) -> f64 {
        let z = (value - grand_mean) / pooled_sd;
        let z = (z - self.gamma[index]) / self.delta_squared[index].sqrt();
        z * pooled_sd + grand_mean
    }
}

/// Estimates of all batches.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimates {
    /// Grand mean per feature.
    pub grand_mean: Vec<f64>,
    /// Pooled standard deviation per feature.
    pub pooled_sd: Vec<f64>,
    /// Posterior effects by batch.
    pub batches: BTreeMap<String, CombatBatch>,
}

/// Estimates from `columns` (features, each of all rows) and the batch of each row.
///
/// # Errors
/// Fewer than two batches or features, a batch of one row, or a feature that does not vary.
pub fn fit<S: AsRef<str>>(columns: &[Vec<f64>], batch: &[S]) -> Result<Estimates, String> {
    let mut rows: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (row, name) in batch.iter().enumerate() {
        rows.entry(name.as_ref()).or_default().push(row);
    }
    if rows.len() < 2 {
        return Err("ComBat needs two batches or more; leave it out for one".into());
    }
    if columns.len() < 2 {
        return Err("ComBat needs two features or more: its priors are over features".into());
    }
    if let Some((name, _)) = rows.iter().find(|(_, r)| r.len() < 2) {
        return Err(format!("batch \"{name}\" has one lesion here; ComBat needs two or more"));
    }
    let n = batch.len() as f64;
    let mean_of = |column: &[f64], rows: &[usize]| {
        rows.iter().map(|r| column[*r]).sum::<f64>() / rows.len() as f64
    };
    let mut grand_mean = Vec::with_capacity(columns.len());
    let mut pooled_sd = Vec::with_capacity(columns.len());
    for (index, column) in columns.iter().enumerate() {
        grand_mean.push(column.iter().sum::<f64>() / n);
        let within: f64 = rows
            .values()
            .map(|rows| {
                let mean = mean_of(column, rows);
                rows.iter().map(|r| (column[*r] - mean).powi(2)).sum::<f64>()
            })
            .sum();
        if within <= 0.0 {
            return Err(format!("feature {} does not vary within batches", index + 1));
        }
        pooled_sd.push((within / n).sqrt());
    }
    let batches = rows
        .iter()
        .map(|(name, rows)| {
            let standardised: Vec<Vec<f64>> = columns
                .iter()
                .enumerate()
                .map(|(g, c)| rows.iter().map(|r| (c[*r] - grand_mean[g]) / pooled_sd[g]).collect())
                .collect();
            Ok(((*name).to_owned(), posterior(&standardised)?))
        })
        .collect::<Result<_, String>>()?;
    Ok(Estimates { grand_mean, pooled_sd, batches })
}

/// Posterior means of location and squared scale of one batch, its values standardised.
fn posterior(z: &[Vec<f64>]) -> Result<CombatBatch, String> {
    let moments = |v: &[f64]| -> (f64, f64) {
        mean(v).zip(variance(v)).expect("a batch has two rows or more of two features or more")
    };
    let (gamma_hat, delta_hat): (Vec<f64>, Vec<f64>) = z.iter().map(|v| moments(v)).unzip();
    let (gamma_bar, tau2) = moments(&gamma_hat);
    let (m, s2) = moments(&delta_hat);
    if !(s2 > 0.0 && tau2 > 0.0) || delta_hat.iter().any(|d| *d <= 0.0) {
        return Err("ComBat's priors do not exist: features do not differ, or one is constant in \
                    a batch"
            .into());
    }
    let a = (2.0 * s2 + m * m) / s2;
    let b = (m * s2 + m * m * m) / s2;
    // The stopping rule of the published algorithm runs over all features together.
    let mut gamma = gamma_hat.clone();
    let mut delta = delta_hat.clone();
    for _ in 0..10_000 {
        let mut change = 0.0_f64;
        for (g, v) in z.iter().enumerate() {
            let n = v.len() as f64;
            let new_gamma =
                (tau2 * n * gamma_hat[g] + delta[g] * gamma_bar) / (tau2 * n + delta[g]);
            let squares: f64 = v.iter().map(|x| (x - new_gamma).powi(2)).sum();
            let new_delta = (b + 0.5 * squares) / (n / 2.0 + a - 1.0);
            change = change
                .max((new_gamma - gamma[g]).abs() / gamma[g].abs().max(f64::MIN_POSITIVE))
                .max((new_delta - delta[g]).abs() / delta[g]);
            gamma[g] = new_gamma;
            delta[g] = new_delta;
        }
        if change < CONVERGED {
            return Ok(CombatBatch { gamma, delta_squared: delta });
        }
    }
    Err("ComBat's estimates did not converge in 10,000 steps".into())
}

/// Relative change at which the posterior is found. neuroCombat stops at 1e-4; the fixed point is
/// the definition, so the iteration goes on until rounding.
const CONVERGED: f64 = 1e-12;

impl Estimates {
    /// The estimates of some features only.
    pub fn select(&self, features: &[usize]) -> Self {
        let pick = |v: &[f64]| features.iter().map(|g| v[*g]).collect();
        let batches = self.batches.iter().map(|(name, batch)| {
            let effects = CombatBatch {
                gamma: pick(&batch.gamma),
                delta_squared: pick(&batch.delta_squared),
            };
            (name.clone(), effects)
        });
        Self {
            grand_mean: pick(&self.grand_mean),
            pooled_sd: pick(&self.pooled_sd),
            batches: batches.collect(),
        }
    }

    /// The harmonised value of feature `index` of a row in `batch`; `None` for an unknown batch.
    pub fn apply(&self, index: usize, value: f64, batch: &str) -> Option<f64> {
        let effects = self.batches.get(batch)?;
        Some(effects.harmonise(index, value, self.grand_mean[index], self.pooled_sd[index]))
    }
}
