//! The penalised quadratic problem that every Newton step of the elastic net comes down to.

use nalgebra::{DMatrix, DVector};

use crate::train::design::add_scaled;

/// `½ (β-b)'H(β-b) - g'(β-b) + Σ (l1_j |β_j| + l2_j β_j² / 2)`, to be minimised over β.
pub(super) struct Quadratic<'a> {
    /// Hessian `H`, row by row.
    pub(super) hessian: &'a [f64],
    /// Weight of each absolute value.
    pub(super) l1: Vec<f64>,
    /// Weight of each square.
    pub(super) l2: Vec<f64>,
}

/// Sweeps between attempts to solve for the active coefficients directly.
const SWEEPS: usize = 12;

impl Quadratic<'_> {
    /// Minimises from `beta` (= b), where `gradient` is g, to a violation of the optimality
    /// conditions below `tolerance`. Returns whether it got there; `beta` is the best found.
    pub(super) fn minimise(&self, beta: &mut [f64], gradient: &mut [f64], tolerance: f64) -> bool {
        for _ in 0..200 {
            for _ in 0..SWEEPS {
                self.sweep(beta, gradient);
                if self.violation(beta, gradient) <= tolerance {
                    return true;
                }
            }
            self.step_on_active(beta, gradient);
            if self.violation(beta, gradient) <= tolerance {
                return true;
            }
        }
        false
    }

    fn sweep(&self, beta: &mut [f64], gradient: &mut [f64]) {
        let m = beta.len();
        for j in 0..m {
            let curvature = self.hessian[j * m + j];
            let denominator = curvature + self.l2[j];
            if denominator <= 0.0 {
                continue;
            }
            let target = gradient[j] + curvature * beta[j];
            let new = soft_threshold(target, self.l1[j]) / denominator;
            let step = new - beta[j];
            if step != 0.0 {
                beta[j] = new;
                add_scaled(gradient, -step, &self.hessian[j * m..(j + 1) * m]);
            }
        }
    }

    fn violation(&self, beta: &[f64], gradient: &[f64]) -> f64 {
        (0..beta.len())
            .map(|j| violation(gradient[j] - self.l2[j] * beta[j], beta[j], self.l1[j]))
            .fold(0.0, f64::max)
    }

    /// Coordinate descent finds the active coefficients soon and their values late; given the
    /// active set and its signs the values are a linear system. A step that would change a sign
    /// ends where the first coefficient reaches 0.
    fn step_on_active(&self, beta: &mut [f64], gradient: &mut [f64]) {
        let m = beta.len();
        let active: Vec<usize> = (0..m).filter(|j| beta[*j] != 0.0 || self.l1[*j] == 0.0).collect();
        if active.is_empty() {
            return;
        }
        let matrix = DMatrix::from_fn(active.len(), active.len(), |a, b| {
            let ridge = if a == b { self.l2[active[a]] } else { 0.0 };
            self.hessian[active[a] * m + active[b]] + ridge
        });
        let Some(factor) = matrix.cholesky() else { return };
        let sign = |b: f64| if b == 0.0 { 0.0 } else { b.signum() };
        let right = DVector::from_iterator(
            active.len(),
            active.iter().map(|&j| gradient[j] - self.l2[j] * beta[j] - self.l1[j] * sign(beta[j])),
        );
        let step = factor.solve(&right);
        if !step.iter().all(|s| s.is_finite()) {
            return;
        }
        let mut length = 1.0;
        let mut stopped = None;
        for (a, &j) in active.iter().enumerate() {
            let crosses = self.l1[j] > 0.0 && beta[j] * (beta[j] + step[a]) < 0.0;
            if crosses && -beta[j] / step[a] < length {
                length = -beta[j] / step[a];
                stopped = Some(j);
            }
        }
        for (a, &j) in active.iter().enumerate() {
            let new = if stopped == Some(j) { 0.0 } else { beta[j] + length * step[a] };
            add_scaled(gradient, beta[j] - new, &self.hessian[j * m..(j + 1) * m]);
            beta[j] = new;
        }
    }
}

/// How far the optimality condition of one coefficient is from holding, where `gradient` has the
/// ridge part taken off.
pub(super) fn violation(gradient: f64, beta: f64, l1: f64) -> f64 {
    if beta == 0.0 { (gradient.abs() - l1).max(0.0) } else { (gradient - l1 * beta.signum()).abs() }
}

fn soft_threshold(x: f64, by: f64) -> f64 {
    if x > by {
        x - by
    } else if x < -by {
        x + by
    } else {
        0.0
    }
}
