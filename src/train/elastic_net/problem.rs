//! The penalised problem on the solver's scale, and the Newton steps from one penalty to the next.

use ndarray::{Array1, ArrayView2, Axis};

use super::cox::Survival;
use super::gram::{Gram, weighted_gram};
use super::quadratic::{Quadratic, violation};
use super::{ElasticNet, ElasticNetError, ElasticNetValidParams, Response, TOLERANCE};
use crate::signature::Kind;
use crate::stats::link::sigmoid;
use crate::train::design::{Design, add_scaled, dot};

/// Newton steps for one λ before giving up.
const MAX_STEPS: usize = 500;

enum Loss {
    /// The outcome, centred and scaled; the intercept is profiled out.
    Gaussian(Vec<f64>),
    /// The intercept is the last column of the design.
    Binomial(Vec<f64>),
    Cox(Survival),
}

/// The problem on the solver's scale, and where the path stands.
pub(super) struct Problem {
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

impl Problem {
    pub(super) fn new(
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
    pub(super) fn lambda_max(
        &mut self,
        params: &ElasticNetValidParams,
    ) -> Result<f64, ElasticNetError> {
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

    pub(super) fn lambdas(
        &mut self,
        params: &ElasticNetValidParams,
    ) -> Result<Vec<f64>, ElasticNetError> {
        let top = self.lambda_max(params)?;
        if !(top > 0.0) {
            return Err(ElasticNetError::Data("no column varies with the outcome".into()));
        }
        let few = self.design.n < self.centre.len();
        let ratio = params.lambda_ratio.unwrap_or(if few { 1e-2 } else { 1e-4 });
        let steps = (params.n_lambdas - 1) as f64;
        Ok((0..params.n_lambdas).map(|k| top * ratio.powf(k as f64 / steps)).collect())
    }

    pub(super) fn solve(
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
