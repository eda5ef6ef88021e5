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
//! (module `quadratic`). A solution is accepted only when the optimality conditions
//! hold over all columns to [`TOLERANCE`].

use linfa::dataset::{AsTargets, DatasetBase};
use linfa::traits::{Fit, PredictInplace};
use linfa::{Float, ParamGuard};
use ndarray::{Array1, Array2, ArrayBase, ArrayView2, Axis, Data, Ix2};

use super::cox::{Survival, weighted_gram};
use super::design::{Design, add_scaled, dot};
use super::quadratic::{Quadratic, violation};
use crate::signature::model::Kind;

/// Largest violation of the optimality (KKT) conditions in an accepted solution, on standardised
/// columns, a continuous outcome scaled to unit variance.
pub const TOLERANCE: f64 = 1e-9;

/// Newton steps for one λ before giving up.
const MAX_STEPS: usize = 500;

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

impl From<ElasticNetError> for crate::Error {
    fn from(error: ElasticNetError) -> Self {
        Self::bad_request(error.to_string())
    }
}

/// What is to be predicted, one entry per row.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// A number.
    Continuous(Vec<f64>),
    /// A class, `true` the positive one.
    Binary(Vec<bool>),
    /// A time and whether the event happened then.
    Survival {
        /// Time to event or censoring, in any unit.
        time: Vec<f64>,
        /// Whether the event happened.
        event: Vec<bool>,
    },
}

impl Response {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Continuous(y) => y.len(),
            Self::Binary(y) => y.len(),
            Self::Survival { time, .. } => time.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The kind of model it takes.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Continuous(_) => Kind::Gaussian,
            Self::Binary(_) => Kind::Binomial,
            Self::Survival { .. } => Kind::Cox,
        }
    }

    /// The entries at `rows`.
    pub fn select(&self, rows: &[usize]) -> Self {
        let numbers = |v: &[f64]| rows.iter().map(|r| v[*r]).collect();
        let flags = |v: &[bool]| rows.iter().map(|r| v[*r]).collect();
        match self {
            Self::Continuous(y) => Self::Continuous(numbers(y)),
            Self::Binary(y) => Self::Binary(flags(y)),
            Self::Survival { time, event } => {
                Self::Survival { time: numbers(time), event: flags(event) }
            }
        }
    }
}

/// Parameters, not yet checked.
#[derive(Clone, Debug, PartialEq)]
pub struct ElasticNetParams(ElasticNetValidParams);

/// Parameters that have been checked.
#[derive(Clone, Debug, PartialEq)]
pub struct ElasticNetValidParams {
    kind: Kind,
    l1_ratio: f64,
    lambda: f64,
    lambdas: Option<Vec<f64>>,
    n_lambdas: usize,
    lambda_ratio: Option<f64>,
    standardise: bool,
    penalty_factors: Option<Vec<f64>>,
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

    /// Linear predictor of each row of `x` (rows × columns).
    pub fn linear_predictor(&self, x: ArrayView2<'_, f64>) -> Array1<f64> {
        x.dot(&self.coefficients) + self.intercept
    }

    /// Number of coefficients that are not 0.
    pub fn n_selected(&self) -> usize {
        self.coefficients.iter().filter(|b| **b != 0.0).count()
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

enum Loss {
    /// The outcome, centred and scaled; the intercept is profiled out.
    Gaussian(Vec<f64>),
    /// The intercept is the last column of the design.
    Binomial(Vec<f64>),
    Cox(Survival),
}

/// The problem on the solver's scale, and where the path stands.
struct Problem {
    design: Design,
    centre: Vec<f64>,
    scale: Vec<f64>,
    weight: Vec<f64>,
    factor: Vec<f64>,
    loss: Loss,
    outcome_centre: f64,
    outcome_scale: f64,
    null_deviance: f64,
    beta: Vec<f64>,
    eta: Vec<f64>,
    gram: Gram,
}

/// Inner products of columns that have entered, which do not change for a continuous outcome.
#[derive(Default)]
struct Gram {
    at: Vec<Option<usize>>,
    entered: Vec<usize>,
    /// `lines[a][b]` for `b <= a`.
    lines: Vec<Vec<f64>>,
}

impl Gram {
    fn of(&mut self, design: &Design, weight: &[f64], columns: &[usize]) -> Vec<f64> {
        self.at.resize(design.p, None);
        for &j in columns {
            if self.at[j].is_none() {
                let weighted: Vec<f64> =
                    design.column(j).iter().zip(weight).map(|(x, w)| x * w).collect();
                self.at[j] = Some(self.entered.len());
                self.entered.push(j);
                let line = self.entered.iter().map(|k| dot(&weighted, design.column(*k)));
                self.lines.push(line.collect());
            }
        }
        let at: Vec<usize> = columns.iter().filter_map(|j| self.at[*j]).collect();
        let m = at.len();
        let mut gram = vec![0.0; m * m];
        for (a, &i) in at.iter().enumerate() {
            for (b, &j) in at.iter().enumerate() {
                gram[a * m + b] = self.lines[i.max(j)][i.min(j)];
            }
        }
        gram
    }
}

impl Problem {
    fn new(
        params: &ElasticNetValidParams,
        x: ArrayView2<'_, f64>,
        response: &Response,
        weights: Option<&[f64]>,
    ) -> Result<Self, ElasticNetError> {
        let (n, p) = x.dim();
        let wrong = |what: String| Err(ElasticNetError::Data(what));
        if n < 2 || p == 0 {
            return wrong(format!("{n} rows of {p} columns; two rows and one column are needed"));
        }
        if response.len() != n || weights.is_some_and(|w| w.len() != n) {
            return wrong(format!("{n} rows, but {} outcomes", response.len()));
        }
        if response.kind() != params.kind {
            return wrong(format!(
                "a {} model cannot be fitted to a {} outcome",
                params.kind.name(),
                response.kind().name()
            ));
        }
        if x.iter().any(|v| !v.is_finite()) {
            return wrong("a value is not finite".into());
        }
        let weight: Vec<f64> = weights.map_or(vec![1.0; n], <[f64]>::to_vec);
        let total: f64 = weight.iter().sum();
        if weight.iter().any(|w| !(*w >= 0.0)) || !(total > 0.0 && total.is_finite()) {
            return wrong("weights must be 0 or more and not all 0".into());
        }
        let weight: Vec<f64> = weight.iter().map(|w| w / total).collect();
        let mut factor = params.penalty_factors.clone().unwrap_or_else(|| vec![1.0; p]);
        if factor.len() != p {
            return wrong(format!("{} penalty factors for {p} columns", factor.len()));
        }

        let mut centre = Vec::with_capacity(p);
        let mut scale = Vec::with_capacity(p);
        let mut columns = Vec::with_capacity(p + 1);
        for column in x.axis_iter(Axis(1)) {
            let mut column = column.to_vec();
            let mean = dot(&column, &weight);
            column.iter_mut().for_each(|v| *v -= mean);
            let variance: f64 = column.iter().zip(&weight).map(|(v, w)| w * v * v).sum();
            // A column that does not vary keeps the coefficient 0.
            let varies = variance.sqrt() > 1e-12 * mean.abs().max(f64::MIN_POSITIVE);
            let sd = if params.standardise && varies { variance.sqrt() } else { 1.0 };
            let keep = if varies { 1.0 / sd } else { 0.0 };
            column.iter_mut().for_each(|v| *v *= keep);
            centre.push(mean);
            scale.push(sd);
            columns.push(column);
        }

        let (mut outcome_centre, mut outcome_scale) = (0.0, 1.0);
        let loss = match response {
            Response::Continuous(y) => {
                if y.iter().any(|v| !v.is_finite()) {
                    return wrong("an outcome is not finite".into());
                }
                outcome_centre = dot(y, &weight);
                let centred: Vec<f64> = y.iter().map(|v| v - outcome_centre).collect();
                let variance: f64 = centred.iter().zip(&weight).map(|(v, w)| w * v * v).sum();
                outcome_scale = variance.sqrt();
                if !(outcome_scale > 1e-12 * outcome_centre.abs()) {
                    return wrong("the outcome does not vary".into());
                }
                Loss::Gaussian(centred.iter().map(|v| v / outcome_scale).collect())
            }
            Response::Binary(y) => {
                columns.push(vec![1.0; n]);
                factor.push(0.0);
                let weighted =
                    |class: bool| y.iter().zip(&weight).any(|(v, w)| *v == class && *w > 0.0);
                if !weighted(true) || !weighted(false) {
                    return wrong("the outcome has one class".into());
                }
                let y: Vec<f64> = y.iter().map(|v| f64::from(u8::from(*v))).collect();
                Loss::Binomial(y)
            }
            Response::Survival { time, event } => {
                if time.iter().any(|t| !(*t >= 0.0 && t.is_finite())) {
                    return wrong("a time is negative or not finite".into());
                }
                let events = event.iter().zip(&weight).filter(|(e, w)| **e && **w > 0.0);
                if events.count() == 0 {
                    return wrong("there is no event".into());
                }
                Loss::Cox(Survival::new(time, event, &weight))
            }
        };
        let p = columns.len();
        let mut problem = Self {
            design: Design::new(n, columns),
            centre,
            scale,
            weight,
            factor,
            loss,
            outcome_centre,
            outcome_scale,
            null_deviance: 0.0,
            beta: vec![0.0; p],
            eta: vec![0.0; n],
            gram: Gram::default(),
        };
        if let Loss::Binomial(y) = &problem.loss {
            let share = dot(y, &problem.weight);
            let intercept = (share / (1.0 - share)).ln();
            problem.beta[p - 1] = intercept;
            problem.eta.fill(intercept);
        }
        problem.null_deviance = problem.value(&problem.eta) - problem.saturated();
        Ok(problem)
    }

    fn value(&self, eta: &[f64]) -> f64 {
        match &self.loss {
            Loss::Gaussian(y) => {
                let terms = y.iter().zip(eta).zip(&self.weight);
                0.5 * terms.map(|((y, e), w)| w * (y - e) * (y - e)).sum::<f64>()
            }
            Loss::Binomial(y) => {
                let terms = y.iter().zip(eta).zip(&self.weight);
                terms.map(|((y, e), w)| w * (e.max(0.0) + (-e.abs()).exp().ln_1p() - y * e)).sum()
            }
            Loss::Cox(survival) => survival.value(eta),
        }
    }

    /// Loss of the saturated model: only tied events leave Cox's likelihood something.
    fn saturated(&self) -> f64 {
        match &self.loss {
            Loss::Cox(survival) => survival.saturated(),
            _ => 0.0,
        }
    }

    /// Negative gradient of the loss by the linear predictor.
    fn residual(&self) -> Vec<f64> {
        let terms = |y: &[f64], fitted: &dyn Fn(f64) -> f64| {
            let rows = y.iter().zip(&self.eta).zip(&self.weight);
            rows.map(|((y, e), w)| w * (y - fitted(*e))).collect()
        };
        match &self.loss {
            Loss::Gaussian(y) => terms(y, &|e| e),
            Loss::Binomial(y) => terms(y, &sigmoid),
            Loss::Cox(survival) => survival.residual(&self.eta),
        }
    }

    fn hessian(&mut self, columns: &[usize]) -> Vec<f64> {
        match &self.loss {
            Loss::Gaussian(_) => self.gram.of(&self.design, &self.weight, columns),
            Loss::Binomial(_) => {
                let curvature: Vec<f64> = self
                    .eta
                    .iter()
                    .zip(&self.weight)
                    .map(|(e, w)| w * sigmoid(*e) * sigmoid(-*e))
                    .collect();
                weighted_gram(&self.design, columns, &curvature)
            }
            Loss::Cox(survival) => survival.hessian(&self.design, columns, &self.eta),
        }
    }

    /// The smallest penalty at which every penalised coefficient is 0.
    fn lambda_max(&mut self, params: &ElasticNetValidParams) -> Result<f64, ElasticNetError> {
        if self.factor.contains(&0.0) {
            let penalised = ElasticNetValidParams { l1_ratio: 1.0, ..params.clone() };
            self.newton(&penalised, f64::INFINITY)?;
        }
        let residual = self.residual();
        // A ridge has no such penalty; glmnet takes that of the ratio 0.001.
        let ratio = params.l1_ratio.max(1e-3);
        let top = (0..self.design.p)
            .filter(|j| self.factor[*j] > 0.0)
            .map(|j| dot(self.design.column(j), &residual).abs() / (ratio * self.factor[j]))
            .fold(0.0, f64::max);
        Ok(top * self.outcome_scale)
    }

    fn lambdas(&mut self, params: &ElasticNetValidParams) -> Result<Vec<f64>, ElasticNetError> {
        let top = self.lambda_max(params)?;
        if !(top > 0.0) {
            return Err(ElasticNetError::Data("no column varies with the outcome".into()));
        }
        let few = self.design.n < self.centre.len();
        let ratio = params.lambda_ratio.unwrap_or(if few { 1e-2 } else { 1e-4 });
        let steps = (params.n_lambdas - 1) as f64;
        Ok((0..params.n_lambdas).map(|k| top * ratio.powf(k as f64 / steps)).collect())
    }

    fn solve(
        &mut self,
        params: &ElasticNetValidParams,
        lambda: f64,
    ) -> Result<ElasticNet, ElasticNetError> {
        let kkt = self.newton(params, lambda)?;
        let p = self.centre.len();
        let coefficients: Array1<f64> =
            (0..p).map(|j| self.beta[j] * self.outcome_scale / self.scale[j]).collect();
        let shift: f64 = coefficients.iter().zip(&self.centre).map(|(b, c)| b * c).sum();
        let intercept = match self.loss {
            Loss::Gaussian(_) => self.outcome_centre - shift,
            Loss::Binomial(_) => self.beta[p] - shift,
            Loss::Cox(_) => 0.0,
        };
        let deviance = self.value(&self.eta) - self.saturated();
        let deviance_ratio = 1.0 - deviance / self.null_deviance;
        // Coefficients of separated classes run to infinity while the gradient vanishes.
        if params.kind != Kind::Gaussian && deviance_ratio > 1.0 - 1e-7 {
            return Err(ElasticNetError::Separated { lambda });
        }
        Ok(ElasticNet { kind: params.kind, intercept, coefficients, lambda, deviance_ratio, kkt })
    }

    /// Newton steps from where the path stands to the solution at `lambda`; an infinite penalty
    /// leaves only the columns without one.
    fn newton(
        &mut self,
        params: &ElasticNetValidParams,
        lambda: f64,
    ) -> Result<f64, ElasticNetError> {
        // Scaling the outcome scales the L1 penalty and not the L2 penalty.
        let l1 = |f: f64| {
            if f == 0.0 { 0.0 } else { lambda * params.l1_ratio * f / self.outcome_scale }
        };
        let l2 = |f: f64| if f == 0.0 { 0.0 } else { lambda * (1.0 - params.l1_ratio) * f };
        let l1: Vec<f64> = self.factor.iter().map(|f| l1(*f)).collect();
        let l2: Vec<f64> =
            self.factor.iter().map(|f| if lambda.is_infinite() { 0.0 } else { l2(*f) }).collect();
        let mut worst = f64::INFINITY;
        for _ in 0..MAX_STEPS {
            let residual = self.residual();
            let gradient: Vec<f64> =
                (0..self.design.p).map(|j| dot(self.design.column(j), &residual)).collect();
            worst = (0..self.design.p)
                .map(|j| violation(gradient[j] - l2[j] * self.beta[j], self.beta[j], l1[j]))
                .fold(0.0, f64::max);
            if worst <= TOLERANCE {
                return Ok(worst);
            }
            let columns: Vec<usize> = (0..self.design.p)
                .filter(|j| self.beta[*j] != 0.0 || l1[*j] == 0.0 || gradient[*j].abs() > l1[*j])
                .collect();
            let hessian = self.hessian(&columns);
            let pick = |v: &[f64]| columns.iter().map(|j| v[*j]).collect::<Vec<f64>>();
            let quadratic = Quadratic { hessian: &hessian, l1: pick(&l1), l2: pick(&l2) };
            let mut beta = pick(&self.beta);
            quadratic.minimise(&mut beta, &mut pick(&gradient), 0.3 * TOLERANCE);
            self.step(&columns, &beta, &l1, &l2);
        }
        Err(ElasticNetError::NotConverged { lambda, violation: worst })
    }

    /// Moves to `beta` on `columns`, or as far towards it as the objective falls.
    fn step(&mut self, columns: &[usize], beta: &[f64], l1: &[f64], l2: &[f64]) {
        let mut direction = vec![0.0; self.design.n];
        for (&j, new) in columns.iter().zip(beta) {
            if *new != self.beta[j] {
                add_scaled(&mut direction, new - self.beta[j], self.design.column(j));
            }
        }
        let mut length = 1.0;
        if !matches!(self.loss, Loss::Gaussian(_)) {
            let penalty = |at: &dyn Fn(usize, usize) -> f64| -> f64 {
                columns
                    .iter()
                    .enumerate()
                    .map(|(a, &j)| {
                        let b = at(a, j);
                        let absolute = if b == 0.0 { 0.0 } else { l1[j] * b.abs() };
                        absolute + 0.5 * l2[j] * b * b
                    })
                    .sum()
            };
            let now = self.value(&self.eta) + penalty(&|_, j| self.beta[j]);
            for _ in 0..40 {
                let mut eta = self.eta.clone();
                add_scaled(&mut eta, length, &direction);
                let value = self.value(&eta)
                    + penalty(&|a, j| self.beta[j] + length * (beta[a] - self.beta[j]));
                // Near the solution the objective is flat to rounding; a full step is right there.
                if value <= now + 1e-13 * now.abs() {
                    break;
                }
                length *= 0.5;
            }
        }
        for (a, &j) in columns.iter().enumerate() {
            self.beta[j] = if length == 1.0 {
                beta[a]
            } else {
                self.beta[j] + length * (beta[a] - self.beta[j])
            };
        }
        add_scaled(&mut self.eta, length, &direction);
    }
}

fn sigmoid(x: f64) -> f64 {
    crate::signature::model::Link::Logit.response(x)
}
