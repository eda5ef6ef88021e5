//! The whole procedure from rows to a fitted model: pipeline, L1 ratio and penalty by inner
//! cross-validation, cut-off.
//!
//! Performance, optimism, stability and the permutation test all rerun [`Procedure::fit`] on other
//! rows, so nothing can be fitted outside a fold.

use super::config::{Config, CutoffKind, LambdaRule};
use super::dataset::Dataset;
use super::elastic_net::ElasticNet;
use super::fitted::{Curve, Fitted};
use super::held_out::HeldOut;
use super::pipeline::Pipeline;
use super::response::Response;
use super::split::patient_folds;
use crate::error::{Error, Result};
use crate::stats::auc::youden;
use crate::stats::{bootstrap, quantile};
use linfa::ParamGuard;

/// Purposes of random numbers, so that none depends on another.
pub(super) mod purpose {
    pub(in crate::train) const INNER: u64 = 2;
    pub(in crate::train) const OUTER: u64 = 3;
    pub(in crate::train) const RESAMPLE: u64 = 4;
    pub(in crate::train) const PERMUTE: u64 = 5;
}

/// The procedure with its configuration.
#[derive(Clone, Debug)]
pub struct Procedure<'a> {
    /// The configuration.
    pub config: &'a Config,
}

/// One inner fold: the design of its training and test rows.
struct Inner {
    train: Vec<usize>,
    test: Vec<usize>,
    train_x: ndarray::Array2<f64>,
    test_x: ndarray::Array2<f64>,
    factors: Vec<f64>,
}

impl Procedure<'_> {
    /// Fits on `rows` (of which some may be there several times, as in a bootstrap; copies of a
    /// patient stay in one fold). `stream` numbers the fit, for its random numbers.
    ///
    /// # Errors
    /// The pipeline leaves nothing, or the elastic net does not converge.
    pub fn fit(&self, data: &Dataset, rows: &[usize], stream: u64) -> Result<Fitted> {
        let pipeline = Pipeline::fit(data, rows, self.config)?;
        let x = pipeline.apply(data, rows)?;
        let factors = pipeline.penalty_factors(self.config.features.keep_covariates);
        let response = data.response.select(rows);
        let weights: Vec<f64> = rows.iter().map(|r| data.weights[*r]).collect();
        let inner = self.inner_folds(data, rows, stream)?;

        let mut best: Option<(f64, f64, Vec<ElasticNet>, Curve, Vec<Vec<f64>>)> = None;
        for &l1_ratio in &self.config.elastic_net.l1_ratio {
            let params = ElasticNet::params(response.kind())
                .l1_ratio(l1_ratio)
                .standardise(false)
                .penalty_factors(factors.clone())
                .n_lambdas(self.config.elastic_net.n_lambdas)
                .lambda_ratio(self.config.elastic_net.lambda_ratio);
            let path = params.check()?.path(x.view(), &response, Some(&weights))?.solutions;
            let lambdas: Vec<f64> = path.iter().map(|s| s.lambda).collect();
            let (curve, predicted) = self.cross_validate(data, &inner, l1_ratio, &lambdas)?;
            let loss = curve.loss[curve.min];
            if best.as_ref().is_none_or(|b| loss < b.0) {
                best = Some((loss, l1_ratio, path, curve, predicted));
            }
        }
        let (_, l1_ratio, path, curve, predicted) = best.ok_or_else(|| {
            Error::bad_request("cross-validation gave no finite loss for any l1_ratio")
        })?;
        let test_rows: Vec<usize> = inner.iter().flat_map(|f| f.test.iter().copied()).collect();
        let cutoff = self.cutoff(data, &test_rows, &predicted[curve.chosen])?;
        let solution = path[curve.chosen].clone();
        let cutoff_n = test_rows.len();
        Ok(Fitted { pipeline, solution, l1_ratio, path, curve, cutoff, cutoff_n })
    }

    fn inner_folds(&self, data: &Dataset, rows: &[usize], stream: u64) -> Result<Vec<Inner>> {
        let k = self.config.validation.inner_folds;
        let mut rng = bootstrap::generator(self.config.validation.seed, purpose::INNER, stream);
        let fold = patient_folds(data, rows, k, &mut rng);
        (0..k)
            .map(|f| {
                let (test, train): (Vec<usize>, Vec<usize>) =
                    rows.iter().partition(|r| fold[data.patient[**r]] == Some(f));
                let pipeline = Pipeline::fit(data, &train, self.config)?;
                Ok(Inner {
                    train_x: pipeline.apply(data, &train)?,
                    test_x: pipeline.apply(data, &test)?,
                    factors: pipeline.penalty_factors(self.config.features.keep_covariates),
                    train,
                    test,
                })
            })
            .collect()
    }

    /// Loss per penalty, and the linear predictors of all test rows per penalty.
    fn cross_validate(
        &self,
        data: &Dataset,
        inner: &[Inner],
        l1_ratio: f64,
        lambdas: &[f64],
    ) -> Result<(Curve, Vec<Vec<f64>>)> {
        let mut losses: Vec<Vec<f64>> = vec![Vec::new(); lambdas.len()];
        let mut fold_weights = Vec::new();
        let mut predicted: Vec<Vec<f64>> = vec![Vec::new(); lambdas.len()];
        for fold in inner {
            let response = data.response.select(&fold.train);
            let weights: Vec<f64> = fold.train.iter().map(|r| data.weights[*r]).collect();
            let path = ElasticNet::params(response.kind())
                .l1_ratio(l1_ratio)
                .standardise(false)
                .penalty_factors(fold.factors.clone())
                .lambdas(lambdas.to_vec())
                .check()?
                .path(fold.train_x.view(), &response, Some(&weights))?;
            let held_out = HeldOut::new(data, &fold.train, &fold.test);
            fold_weights.push(held_out.weight);
            for (k, solution) in path.solutions.iter().enumerate() {
                let eta = solution.linear_predictor(fold.test_x.view()).to_vec();
                losses[k].push(
                    held_out.loss(&eta, || solution.linear_predictor(fold.train_x.view()).to_vec()),
                );
                predicted[k].extend(eta);
            }
        }
        let total: f64 = fold_weights.iter().sum();
        let folds = fold_weights.len() as f64;
        let mut curve = Curve {
            lambda: lambdas.to_vec(),
            loss: Vec::new(),
            standard_error: Vec::new(),
            min: 0,
            chosen: 0,
        };
        for per_fold in &losses {
            let weighted = per_fold.iter().zip(&fold_weights);
            let mean = weighted.clone().map(|(l, w)| l * w).sum::<f64>() / total;
            let spread = weighted.map(|(l, w)| w * (l - mean).powi(2)).sum::<f64>() / total;
            curve.loss.push(mean);
            curve.standard_error.push((spread / (folds - 1.0)).sqrt());
        }
        curve.min = (0..lambdas.len())
            .min_by(|a, b| curve.loss[*a].total_cmp(&curve.loss[*b]))
            .unwrap_or(0);
        let bound = curve.loss[curve.min] + curve.standard_error[curve.min];
        curve.chosen = match self.config.elastic_net.rule {
            LambdaRule::Min => curve.min,
            LambdaRule::OneSe => {
                (0..curve.min).find(|k| curve.loss[*k] <= bound).unwrap_or(curve.min)
            }
        };
        Ok((curve, predicted))
    }

    fn cutoff(&self, data: &Dataset, rows: &[usize], scores: &[f64]) -> Result<f64> {
        let nothing = || Error::bad_request("no scores to choose a cut-off on");
        match self.config.cutoff.rule {
            CutoffKind::Median => quantile::median(scores).ok_or_else(nothing),
            CutoffKind::Quantile => {
                quantile::quantile(scores, self.config.cutoff.quantile).ok_or_else(nothing)
            }
            CutoffKind::Youden => {
                let Response::Binary(positive) = data.response.select(rows) else {
                    return Err(Error::bad_request("Youden's cut-off needs a binary outcome"));
                };
                youden(scores, &positive).ok_or_else(nothing)
            }
        }
    }
}
