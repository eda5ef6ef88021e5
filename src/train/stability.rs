//! Patient resamples of the whole procedure: optimism of apparent performance, how often each
//! feature is selected, and draws of the coefficients.
//!
//! Optimism after Harrell (Regression Modeling Strategies, 2015, 5.3.4). Stability index of Nogueira,
//! Sechidis and Brown, J Mach Learn Res 2018, 18(174).

use linfa::ParamGuard;
use ndarray::Axis;
use rayon::prelude::*;

use super::dataset::Dataset;
use super::elastic_net::ElasticNet;
use super::fitted::Fitted;
use super::metric::Metric;
use super::procedure::{Procedure, purpose};
use crate::error::Result;
use crate::stats::normal::Z_975;
use crate::stats::{bootstrap, moments};

/// What the resamples say.
#[derive(Clone, Debug)]
pub struct Stability {
    /// Number of resamples that could be fitted.
    pub draws: usize,
    /// Number of resamples that could not, such as those of one class.
    pub left_out: usize,
    /// Share of resamples that select each column of the data set.
    pub frequency: Vec<f64>,
    /// Share of the resamples that select a column in which its coefficient has the sign of the
    /// final model's, for the final model's columns.
    pub same_sign: Vec<Option<f64>>,
    /// Nogueira's index with its 95 % interval; 1 is the same selection every time, 0 a random one.
    pub index: Option<(f64, [f64; 2])>,
    /// Apparent performance of the final model, on the rows it was trained on.
    pub apparent: Option<f64>,
    /// The same less the mean optimism of the resamples.
    pub corrected: Option<f64>,
    /// Coefficients refitted on each resample for the final model's columns: intercept, then the
    /// selected design columns in order.
    pub coefficients: Vec<Vec<f64>>,
}

/// One resample.
struct Draw {
    selected: Vec<(usize, f64)>,
    optimism: Option<f64>,
    coefficients: Vec<f64>,
}

impl Procedure<'_> {
    /// Reruns the procedure on patient resamples and compares with `fitted`, which was fitted on
    /// all rows. Resamples that cannot be fitted (one class, a batch of one) are left out.
    ///
    /// # Errors
    /// Those of applying it to its own rows.
    pub fn stability(&self, data: &Dataset, fitted: &Fitted) -> Result<Stability> {
        let rows: Vec<usize> = (0..data.len()).collect();
        let members = bootstrap::members(&data.patient);
        let validation = &self.config.validation;
        let metric = Metric::of(self.config.outcome.kind())[0];
        let draws: Vec<Draw> = (0..validation.bootstrap)
            .into_par_iter()
            .filter_map(|draw| {
                let mut rng = bootstrap::generator(validation.seed, purpose::RESAMPLE, draw as u64);
                let resample = bootstrap::resample(&members, &mut rng);
                self.draw(data, &rows, &resample, fitted, metric, draw).ok()
            })
            .collect();
        let eta = fitted.linear_predictor(data, &rows)?;
        let apparent = metric.value(&data.response, &eta, &eta);
        let optimism: Vec<f64> = draws.iter().filter_map(|d| d.optimism).collect();
        let corrected = apparent.zip(moments::mean(&optimism)).map(|(a, o)| a - o);
        let frequency = frequency(&draws, data.columns.len());
        let same_sign = fitted
            .pipeline
            .features
            .iter()
            .zip(&fitted.solution.coefficients)
            .filter(|(_, b)| **b != 0.0)
            .map(|(feature, b)| {
                let drawn = draws.iter().flat_map(|d| &d.selected);
                let signs: Vec<f64> = drawn
                    .filter(|(column, _)| *column == feature.column)
                    .map(|(_, c)| f64::from(u8::from(c.signum() == b.signum())))
                    .collect();
                moments::mean(&signs)
            })
            .collect();
        let sets: Vec<Vec<usize>> =
            draws.iter().map(|d| d.selected.iter().map(|s| s.0).collect()).collect();
        Ok(Stability {
            draws: draws.len(),
            left_out: validation.bootstrap - draws.len(),
            frequency,
            same_sign,
            index: nogueira(&sets, data.columns.len()),
            apparent,
            corrected,
            coefficients: draws.into_iter().map(|d| d.coefficients).collect(),
        })
    }

    fn draw(
        &self,
        data: &Dataset,
        rows: &[usize],
        resample: &[usize],
        fitted: &Fitted,
        metric: Metric,
        draw: usize,
    ) -> Result<Draw> {
        let stream = 1_000_000 + draw as u64;
        let refitted = self.fit(data, resample, stream)?;
        let performance = |rows: &[usize]| -> Result<Option<f64>> {
            let eta = refitted.linear_predictor(data, rows)?;
            Ok(metric.value(&data.response.select(rows), &eta, &eta))
        };
        let optimism = performance(resample)?.zip(performance(rows)?).map(|(a, t)| a - t);
        let features = refitted.pipeline.features.iter().zip(&refitted.solution.coefficients);
        let selected = features.filter(|(_, b)| **b != 0.0).map(|(f, b)| (f.column, *b)).collect();

        let active = fitted.active();
        let x = fitted.pipeline.apply(data, resample)?.select(Axis(1), &active);
        let factors = fitted.pipeline.penalty_factors(self.config.features.keep_covariates);
        let weights: Vec<f64> = resample.iter().map(|r| data.weights[*r]).collect();
        let response = data.response.select(resample);
        let fixed = ElasticNet::params(response.kind())
            .l1_ratio(fitted.l1_ratio)
            .standardise(false)
            .penalty_factors(active.iter().map(|j| factors[*j]).collect())
            .lambdas(vec![fitted.solution.lambda])
            .check()?
            .path(x.view(), &response, Some(&weights))?
            .solutions
            .swap_remove(0);
        let mut coefficients = vec![fixed.intercept];
        coefficients.extend(fixed.coefficients);
        Ok(Draw { selected, optimism, coefficients })
    }
}

fn frequency(draws: &[Draw], columns: usize) -> Vec<f64> {
    let mut frequency = vec![0.0; columns];
    for (column, _) in draws.iter().flat_map(|d| &d.selected) {
        frequency[*column] += 1.0;
    }
    frequency.iter_mut().for_each(|f| *f /= draws.len().max(1) as f64);
    frequency
}

/// Nogueira's stability of selected sets among `d` features, with its 95 % interval. `None` for
/// fewer than two sets, or where every set is empty or full.
pub fn nogueira(sets: &[Vec<usize>], d: usize) -> Option<(f64, [f64; 2])> {
    let m = sets.len() as f64;
    if sets.len() < 2 || d == 0 {
        return None;
    }
    let mut share = vec![0.0; d];
    for feature in sets.iter().flatten() {
        share[*feature] += 1.0 / m;
    }
    let df = d as f64;
    let mean_share = share.iter().sum::<f64>() / df;
    let chance = mean_share * (1.0 - mean_share);
    if chance <= 0.0 {
        return None;
    }
    let spread = share.iter().map(|p| m / (m - 1.0) * p * (1.0 - p)).sum::<f64>() / df;
    let index = 1.0 - spread / chance;
    let terms: Vec<f64> = sets
        .iter()
        .map(|set| {
            let own = set.len() as f64 / df;
            let shared = set.iter().map(|f| share[*f]).sum::<f64>() / df;
            let middle = 0.5 * index * (2.0 * mean_share * own - own - mean_share + 1.0);
            (shared - own * mean_share + middle) / chance
        })
        .collect();
    let mean = terms.iter().sum::<f64>() / m;
    let variance = 4.0 / (m * m) * terms.iter().map(|t| (t - mean).powi(2)).sum::<f64>();
    let half = Z_975 * variance.sqrt();
    Some((index, [index - half, (index + half).min(1.0)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Closed forms: the same set every time is 1; for two disjoint singles of four features the
    /// definition gives 1 - (2 * 2 * 0.25 / 4) / (0.25 * 0.75) = -1/3.
    #[test]
    fn stability_of_known_sets() {
        let same = vec![vec![0, 2]; 10];
        assert!((nogueira(&same, 8).expect("an index").0 - 1.0).abs() < 1e-12);
        let apart = vec![vec![0], vec![1]];
        assert!((nogueira(&apart, 4).expect("an index").0 + 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(nogueira(&[vec![], vec![]], 4), None);
    }
}
