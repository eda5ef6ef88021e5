//! The parameters of a fit, and their ranges.

use linfa::ParamGuard;

use super::{ElasticNet, ElasticNetError};
use crate::signature::Kind;

/// Parameters, not yet checked.
#[derive(Clone, Debug, PartialEq)]
pub struct ElasticNetParams(ElasticNetValidParams);

/// Parameters that have been checked.
#[derive(Clone, Debug, PartialEq)]
pub struct ElasticNetValidParams {
    pub(super) kind: Kind,
    pub(super) l1_ratio: f64,
    pub(super) lambda: f64,
    pub(super) lambdas: Option<Vec<f64>>,
    pub(super) n_lambdas: usize,
    pub(super) lambda_ratio: Option<f64>,
    pub(super) standardise: bool,
    pub(super) penalty_factors: Option<Vec<f64>>,
}

impl ElasticNet {
    /// Parameters for a model of `kind`: L1 ratio 0.5, 100 penalties, columns standardised.
    pub fn params(kind: Kind) -> ElasticNetParams {
        ElasticNetParams(ElasticNetValidParams {
            kind,
            l1_ratio: 0.5,
            lambda: 0.0,
            lambdas: None,
            n_lambdas: 100,
            lambda_ratio: None,
            standardise: true,
            penalty_factors: None,
        })
    }
}

impl ElasticNetParams {
    /// Share of the L1 penalty, 0 (ridge) to 1 (lasso).
    #[must_use]
    pub fn l1_ratio(mut self, l1_ratio: f64) -> Self {
        self.0.l1_ratio = l1_ratio;
        self
    }

    /// The penalty that [`Fit`] fits at.
    #[must_use]
    pub fn lambda(mut self, lambda: f64) -> Self {
        self.0.lambda = lambda;
        self
    }

    /// The penalties of a path, descending.
    #[must_use]
    pub fn lambdas(mut self, lambdas: Vec<f64>) -> Self {
        self.0.lambdas = Some(lambdas);
        self
    }

    /// Number of penalties where the path chooses them.
    #[must_use]
    pub fn n_lambdas(mut self, n: usize) -> Self {
        self.0.n_lambdas = n;
        self
    }

    /// Smallest penalty of a path as a share of the largest; 0.01 with fewer rows than columns and
    /// 0.0001 otherwise where not given.
    #[must_use]
    pub fn lambda_ratio(mut self, ratio: f64) -> Self {
        self.0.lambda_ratio = Some(ratio);
        self
    }

    /// Whether columns are scaled to unit (weighted, population) variance before penalising; the
    /// coefficients come back on the scale given.
    #[must_use]
    pub fn standardise(mut self, standardise: bool) -> Self {
        self.0.standardise = standardise;
        self
    }

    /// Factor on the penalty of each column; 0 keeps a column.
    #[must_use]
    pub fn penalty_factors(mut self, factors: Vec<f64>) -> Self {
        self.0.penalty_factors = Some(factors);
        self
    }
}

impl ParamGuard for ElasticNetParams {
    type Checked = ElasticNetValidParams;
    type Error = ElasticNetError;

    fn check_ref(&self) -> Result<&Self::Checked, Self::Error> {
        let p = &self.0;
        let wrong = |what: String| Err(ElasticNetError::Parameter(what));
        if !(0.0..=1.0).contains(&p.l1_ratio) {
            return wrong(format!("l1_ratio is {}; give 0 to 1", p.l1_ratio));
        }
        if !(p.lambda >= 0.0 && p.lambda.is_finite()) {
            return wrong(format!("lambda is {}; give 0 or more", p.lambda));
        }
        if p.n_lambdas < 2 {
            return wrong(format!("{} lambdas; give 2 or more", p.n_lambdas));
        }
        if p.lambda_ratio.is_some_and(|r| !(r > 0.0 && r < 1.0)) {
            return wrong("lambda_ratio must lie between 0 and 1".into());
        }
        if let Some(lambdas) = &p.lambdas {
            let sound = lambdas.iter().all(|l| *l >= 0.0 && l.is_finite());
            if lambdas.is_empty() || !sound || lambdas.windows(2).any(|w| w[0] < w[1]) {
                return wrong("lambdas must be 0 or more and descend".into());
            }
        }
        if let Some(factors) = &p.penalty_factors
            && factors.iter().any(|f| !(*f >= 0.0 && f.is_finite()))
        {
            return wrong("penalty factors must be 0 or more".into());
        }
        Ok(p)
    }

    fn check(self) -> Result<Self::Checked, Self::Error> {
        self.check_ref()?;
        Ok(self.0)
    }
}
