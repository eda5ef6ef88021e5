//! One penalty or a whole path of them, and linfa's traits.

use linfa::Float;
use linfa::dataset::{AsTargets, DatasetBase};
use linfa::traits::{Fit, PredictInplace};
use ndarray::{Array1, Array2, ArrayBase, ArrayView2, Data, Ix2};

use super::problem::Problem;
use super::{ElasticNet, ElasticNetError, ElasticNetValidParams, Path, Response};
use crate::signature::Kind;

impl ElasticNetValidParams {
    /// The whole path. `x` is rows × columns; `weights` one per row, scaled to sum 1 here, equal
    /// where not given.
    ///
    /// # Errors
    /// Values that are not finite, lengths that differ, an outcome that does not vary, or no
    /// convergence.
    pub fn path(
        &self,
        x: ArrayView2<'_, f64>,
        response: &Response,
        weights: Option<&[f64]>,
    ) -> Result<Path, ElasticNetError> {
        let mut problem = Problem::new(self, x, response, weights)?;
        let (lambdas, own) = match &self.lambdas {
            Some(lambdas) => (lambdas.clone(), false),
            None => (problem.lambdas(self)?, true),
        };
        let mut solutions: Vec<ElasticNet> = Vec::with_capacity(lambdas.len());
        for (index, lambda) in lambdas.into_iter().enumerate() {
            let solution = problem.solve(self, lambda)?;
            let ratio = solution.deviance_ratio;
            let last = solutions.last().map_or(0.0, |s| s.deviance_ratio);
            solutions.push(solution);
            // glmnet's rule: the rest of the path would only chase the last of the deviance.
            if own && index >= 5 && (ratio > 0.999 || ratio - last < 1e-5 * ratio) {
                break;
            }
        }
        Ok(Path { solutions })
    }

    fn single(
        &self,
        x: ArrayView2<'_, f64>,
        response: &Response,
        weights: Option<&[f64]>,
    ) -> Result<ElasticNet, ElasticNetError> {
        let mut problem = Problem::new(self, x, response, weights)?;
        // Coming down from the largest penalty keeps every Newton step short.
        let top = problem.lambda_max(self)?;
        let steps = 10;
        if self.lambda < top {
            let floor = self.lambda.max(top * 1e-4);
            for step in 1..steps {
                let lambda = top * (floor / top).powf(f64::from(step) / f64::from(steps));
                problem.solve(self, lambda)?;
            }
        }
        problem.solve(self, self.lambda)
    }
}

/// Fits a continuous outcome, or a binary one given as 0 and 1. Weights of the dataset, which linfa
/// keeps in single precision, are used where there are any.
impl<D: Data<Elem = f64>> Fit<ArrayBase<D, Ix2>, Array1<f64>, ElasticNetError>
    for ElasticNetValidParams
{
    type Object = ElasticNet;

    fn fit(
        &self,
        dataset: &DatasetBase<ArrayBase<D, Ix2>, Array1<f64>>,
    ) -> Result<ElasticNet, ElasticNetError> {
        let targets = dataset.as_targets();
        let response = match self.kind {
            Kind::Gaussian => Response::Continuous(targets.to_vec()),
            Kind::Binomial => Response::Binary(flags(targets.iter())?),
            Kind::Cox => {
                return Err(ElasticNetError::Data(
                    "a cox model takes two columns of targets, time and event".into(),
                ));
            }
        };
        self.single(dataset.records().view(), &response, weights(dataset).as_deref())
    }
}

/// Fits a time to event: targets of two columns, time and event (0 or 1).
impl<D: Data<Elem = f64>> Fit<ArrayBase<D, Ix2>, Array2<f64>, ElasticNetError>
    for ElasticNetValidParams
{
    type Object = ElasticNet;

    fn fit(
        &self,
        dataset: &DatasetBase<ArrayBase<D, Ix2>, Array2<f64>>,
    ) -> Result<ElasticNet, ElasticNetError> {
        let targets = dataset.targets();
        if self.kind != Kind::Cox || targets.ncols() != 2 {
            return Err(ElasticNetError::Data(
                "targets of two columns, time and event, are for cox models".into(),
            ));
        }
        let response = Response::Survival {
            time: targets.column(0).to_vec(),
            event: flags(targets.column(1).iter())?,
        };
        self.single(dataset.records().view(), &response, weights(dataset).as_deref())
    }
}

fn flags<'a>(values: impl Iterator<Item = &'a f64>) -> Result<Vec<bool>, ElasticNetError> {
    values
        .map(|v| match *v {
            0.0 => Ok(false),
            1.0 => Ok(true),
            other => Err(ElasticNetError::Data(format!("{other} is neither 0 nor 1"))),
        })
        .collect()
}

fn weights<F: Float, D: Data<Elem = F>, T>(
    dataset: &DatasetBase<ArrayBase<D, Ix2>, T>,
) -> Option<Vec<f64>> {
    Some(dataset.weights()?.iter().map(|w| f64::from(*w)).collect())
}

/// Predicts the response: the value, the probability of the positive class, or the hazard relative
/// to a row of zeros.
impl<D: Data<Elem = f64>> PredictInplace<ArrayBase<D, Ix2>, Array1<f64>> for ElasticNet {
    fn predict_inplace(&self, x: &ArrayBase<D, Ix2>, y: &mut Array1<f64>) {
        y.assign(&self.linear_predictor(x.view()).mapv(|eta| self.kind.link().response(eta)));
    }

    fn default_target(&self, x: &ArrayBase<D, Ix2>) -> Array1<f64> {
        Array1::zeros(x.nrows())
    }
}
