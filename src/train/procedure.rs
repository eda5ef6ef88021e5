//! The whole procedure from rows to a signature: pipeline, L1 ratio and penalty by inner
//! cross-validation, cut-off.
//!
//! Performance, optimism, stability and the permutation test all rerun [`Procedure::fit`] on other
//! rows, so nothing can be fitted outside a fold.

use super::config::{Config, CutoffKind, LambdaRule};
use super::dataset::Dataset;
use super::elastic_net::{ElasticNet, Response};
use super::pipeline::Pipeline;
use super::split;
use crate::error::{Error, Result};
use crate::signature::model::{Kind, Link};
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

/// A signature as the procedure found it.
#[derive(Clone, Debug)]
pub struct Signature {
    /// The fitted pipeline.
    pub pipeline: Pipeline,
    /// The solution on the pipeline's design columns.
    pub solution: ElasticNet,
    /// The chosen L1 ratio.
    pub l1_ratio: f64,
    /// The path at the chosen L1 ratio.
    pub path: Vec<ElasticNet>,
    /// Cross-validated loss along that path.
    pub curve: Curve,
    /// Cut-off on the linear predictor, out of fold.
    pub cutoff: f64,
    /// Number of rows that the cut-off was chosen on.
    pub cutoff_n: usize,
}

/// Cross-validated loss along a path.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Penalties, descending.
    pub lambda: Vec<f64>,
    /// Mean loss over folds.
    pub loss: Vec<f64>,
    /// Standard error of the mean.
    pub standard_error: Vec<f64>,
    /// Index of the least loss.
    pub min: usize,
    /// Index of the chosen penalty.
    pub chosen: usize,
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
    pub fn fit(&self, data: &Dataset, rows: &[usize], stream: u64) -> Result<Signature> {
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
        Ok(Signature { pipeline, solution, l1_ratio, path, curve, cutoff, cutoff_n })
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
            let held_out = HeldOut::new(data, fold);
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

/// The fold of each patient that has rows; copies of rows count.
pub(super) fn patient_folds(
    data: &Dataset,
    rows: &[usize],
    k: usize,
    rng: &mut rand_chacha::ChaCha8Rng,
) -> Vec<Option<usize>> {
    let mut count = vec![0; data.patients.len()];
    rows.iter().for_each(|r| count[data.patient[*r]] += 1);
    let present: Vec<usize> = (0..count.len()).filter(|p| count[*p] > 0).collect();
    let rows_of: Vec<usize> = present.iter().map(|p| count[*p]).collect();
    let stratum: Vec<usize> = present.iter().map(|p| data.stratum[*p]).collect();
    let folds = split::folds(&rows_of, &stratum, k, rng);
    let mut fold = vec![None; count.len()];
    for (patient, f) in present.iter().zip(folds) {
        fold[*patient] = Some(f);
    }
    fold
}

/// Midway between the two scores around the threshold of largest sensitivity plus specificity.
fn youden(scores: &[f64], positive: &[bool]) -> Option<f64> {
    let m = positive.iter().filter(|p| **p).count() as f64;
    let n = positive.len() as f64 - m;
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let (mut below_positive, mut below_negative) = (0.0, 0.0);
    let mut best: Option<(f64, f64)> = None;
    for pair in order.windows(2) {
        if positive[pair[0]] {
            below_positive += 1.0
        } else {
            below_negative += 1.0
        }
        let (low, high) = (scores[pair[0]], scores[pair[1]]);
        let index = below_negative / n - below_positive / m;
        if low < high && best.is_none_or(|b| index > b.0) {
            best = Some((index, 0.5 * (low + high)));
        }
    }
    best.map(|b| b.1).or_else(|| scores.first().copied())
}

/// The loss of held-out rows.
struct HeldOut {
    response: Response,
    weights: Vec<f64>,
    weight: f64,
    train: Response,
    train_weights: Vec<f64>,
}

impl HeldOut {
    fn new(data: &Dataset, fold: &Inner) -> Self {
        let response = data.response.select(&fold.test);
        let weights: Vec<f64> = fold.test.iter().map(|r| data.weights[*r]).collect();
        let weight = match &response {
            Response::Survival { event, .. } => {
                weights.iter().zip(event).filter(|(_, e)| **e).map(|(w, _)| w).sum()
            }
            _ => weights.iter().sum(),
        };
        let survival = response.kind() == Kind::Cox;
        let train = data.response.select(if survival { &fold.train } else { &[] });
        let train_weights = fold.train.iter().map(|r| data.weights[*r]).collect();
        Self { response, weights, weight, train, train_weights }
    }

    /// Mean loss per unit of weight: squared error, deviance, or the partial likelihood that the
    /// held-out rows add to the training rows (Verweij and van Houwelingen 1993,
    /// doi:10.1002/sim.4780122407).
    fn loss(&self, eta: &[f64], train_eta: impl FnOnce() -> Vec<f64>) -> f64 {
        // A fold without event has no weight in the mean either.
        if self.weight == 0.0 {
            return 0.0;
        }
        let weighted = |terms: &mut dyn Iterator<Item = f64>| {
            terms.zip(&self.weights).map(|(t, w)| t * w).sum::<f64>() / self.weight
        };
        match (&self.response, &self.train) {
            (Response::Continuous(y), _) => {
                weighted(&mut y.iter().zip(eta).map(|(y, e)| (y - e).powi(2)))
            }
            (Response::Binary(y), _) => weighted(&mut y.iter().zip(eta).map(|(y, e)| {
                let p = Link::Logit.response(*e).clamp(1e-5, 1.0 - 1e-5);
                -2.0 * if *y { p.ln() } else { (1.0 - p).ln() }
            })),
            (
                Response::Survival { time, event },
                Response::Survival { time: train_time, event: train_event },
            ) => {
                let train_eta = train_eta();
                let loss = |time: &[f64], event: &[bool], weight: &[f64], eta: &[f64]| {
                    super::cox::Survival::new(time, event, weight).value(eta)
                };
                let all = loss(
                    &[train_time.as_slice(), time].concat(),
                    &[train_event.as_slice(), event].concat(),
                    &[self.train_weights.as_slice(), &self.weights].concat(),
                    &[train_eta.as_slice(), eta].concat(),
                );
                let train = loss(train_time, train_event, &self.train_weights, &train_eta);
                2.0 * (all - train) / self.weight
            }
            (Response::Survival { .. }, _) => f64::NAN,
        }
    }
}

impl Signature {
    /// Linear predictor of `rows`.
    ///
    /// # Errors
    /// A batch that was not there when the signature was fitted.
    pub fn linear_predictor(&self, data: &Dataset, rows: &[usize]) -> Result<Vec<f64>> {
        Ok(self.solution.linear_predictor(self.pipeline.apply(data, rows)?.view()).to_vec())
    }

    /// Columns of the data set that were selected.
    pub fn selected(&self) -> Vec<usize> {
        let features = self.pipeline.features.iter().zip(&self.solution.coefficients);
        features.filter(|(_, b)| **b != 0.0).map(|(f, _)| f.column).collect()
    }
}
