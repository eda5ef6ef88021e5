//! Elastic net for continuous, binary and time-to-event outcomes.
//!
//! Minimises `loss + λ Σ f_j (ρ |β_j| + (1-ρ)/2 β_j²)` with weights `w` that sum to 1, where the
//! loss is `½ Σ w (y-η)²`, the mean negative log likelihood of the logistic model, or the negative
//! log partial likelihood of Cox's model with Breslow's ties; `ρ` is the L1 ratio and `f` the penalty
//! factors. This is glmnet's objective (Friedman, Hastie and Tibshirani, J Stat Softw 2010,
//! doi:10.18637/jss.v033.i01) and scikit-learn's, except that glmnet fits a continuous outcome
//! scaled to unit variance, which makes its ridge part differ by that scale.
//!
//! Each λ starts from the solution before it. Newton steps are taken on the coefficients that are not
//! zero or must leave zero; each step is a penalised quadratic problem solved by coordinate descent
//! (module `quadratic`). A solution is accepted only when the optimality conditions hold over all
//! columns to [`TOLERANCE`].

pub(super) mod cox;
mod fit;
mod gram;
mod params;
mod problem;
mod quadratic;

use ndarray::{Array1, ArrayView2};

use crate::signature::Kind;

pub use super::response::Response;
pub use params::{ElasticNetParams, ElasticNetValidParams};

/// Largest violation of the optimality (KKT) conditions in an accepted solution, on standardised
/// columns, a continuous outcome scaled to unit variance.
pub const TOLERANCE: f64 = 1e-9;

/// Why there is no fit.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ElasticNetError {
    /// A parameter is outside its range.
    #[error("elastic net: {0}")]
    Parameter(String),
    /// The data cannot be fitted.
    #[error("elastic net: {0}")]
    Data(String),
    /// The optimality conditions were not reached.
    #[error(
        "elastic net: no convergence at lambda {lambda:e} (optimality conditions missed by \
         {violation:e}); use larger lambdas or a smaller l1_ratio"
    )]
    NotConverged {
        /// The penalty.
        lambda: f64,
        /// The largest violation.
        violation: f64,
    },
    /// The columns explain the outcome without error, and no finite coefficients are best.
    #[error(
        "elastic net: the columns separate the outcomes completely at lambda {lambda:e}; use larger \
         lambdas"
    )]
    Separated {
        /// The penalty.
        lambda: f64,
    },
    /// linfa's own.
    #[error("elastic net: {0}")]
    Linfa(String),
}

impl From<linfa::Error> for ElasticNetError {
    fn from(error: linfa::Error) -> Self {
        Self::Linfa(error.to_string())
    }
}

impl From<ElasticNetError> for crate::error::Error {
    fn from(error: ElasticNetError) -> Self {
        Self::bad_request(error.to_string())
    }
}

/// One solution.
#[derive(Clone, Debug, PartialEq)]
pub struct ElasticNet {
    /// Kind of model.
    pub kind: Kind,
    /// Intercept; 0 for Cox models.
    pub intercept: f64,
    /// Coefficients on the scale of the columns as given.
    pub coefficients: Array1<f64>,
    /// The penalty.
    pub lambda: f64,
    /// Share of the null deviance that the model explains.
    pub deviance_ratio: f64,
    /// Largest violation of the optimality conditions, on the solver's scale ([`TOLERANCE`]).
    pub kkt: f64,
}

/// Solutions along a sequence of penalties, largest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// The solutions. Fewer than asked for where the model came to explain (nearly) all or stopped
    /// to explain more, as glmnet stops.
    pub solutions: Vec<ElasticNet>,
}

impl ElasticNet {
    /// Linear predictor of each row of `x` (rows × columns).
    pub fn linear_predictor(&self, x: ArrayView2<'_, f64>) -> Array1<f64> {
        x.dot(&self.coefficients) + self.intercept
    }

    /// Number of coefficients that are not 0.
    pub fn n_selected(&self) -> usize {
        self.coefficients.iter().filter(|b| **b != 0.0).count()
    }
}
