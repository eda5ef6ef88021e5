//! Whether predicted probabilities mean what they say.
//!
//! Intercept and slope after Cox 1958 as Van Calster et al. describe (BMC Med 2019,
//! doi:10.1186/s12916-019-1466-7); the Brier score; and groups of equal size for a curve.

use nalgebra::{Matrix2, Vector2};

use super::link::sigmoid;

/// Calibration of a score on the logit scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// Intercept of the logistic model with the linear predictor as offset; 0 is right on average.
    pub intercept: f64,
    /// Slope of the logistic model on the linear predictor; below 1 the predictions are too
    /// extreme.
    pub slope: f64,
    /// Mean squared difference of probability and outcome.
    pub brier: f64,
}

/// Calibration of linear predictors on the logit scale; `None` where the slope does not exist
/// (one class, constant or separating predictor).
pub fn calibration(linear_predictor: &[f64], positive: &[bool]) -> Option<Calibration> {
    let eta = linear_predictor;
    let y: Vec<f64> = positive.iter().map(|p| f64::from(u8::from(*p))).collect();
    let n = y.len() as f64;
    let brier = eta.iter().zip(&y).map(|(e, y)| (sigmoid(*e) - y).powi(2)).sum::<f64>() / n;
    let intercept = offset_intercept(eta, &y)?;
    let slope = logistic(eta, &y)?[1];
    Some(Calibration { intercept, slope, brier })
}

fn offset_intercept(eta: &[f64], y: &[f64]) -> Option<f64> {
    let mut a = 0.0;
    for _ in 0..100 {
        let (mut gradient, mut curvature) = (0.0, 0.0);
        for (e, y) in eta.iter().zip(y) {
            let p = sigmoid(a + e);
            gradient += y - p;
            curvature += p * (1.0 - p);
        }
        if curvature < 1e-12 {
            return None;
        }
        let step = (gradient / curvature).clamp(-2.0, 2.0);
        a += step;
        if step.abs() < 1e-12 {
            return Some(a);
        }
    }
    None
}

/// Intercept and slope of an unpenalised logistic regression on one variable, by Newton steps;
/// `None` if it does not converge (separation).
pub fn logistic(x: &[f64], y: &[f64]) -> Option<[f64; 2]> {
    let mut b = Vector2::zeros();
    for _ in 0..100 {
        let mut gradient = Vector2::zeros();
        let mut hessian = Matrix2::zeros();
        for (x, y) in x.iter().zip(y) {
            let row = Vector2::new(1.0, *x);
            let p = sigmoid(b.dot(&row));
            gradient += row * (y - p);
            hessian += row * row.transpose() * (p * (1.0 - p));
        }
        let mut step = hessian.try_inverse()? * gradient;
        let size = step.amax();
        if size > 5.0 {
            step *= 5.0 / size;
        }
        b += step;
        if b.amax() > 1e6 || !b.iter().all(|v| v.is_finite()) {
            return None;
        }
        if size < 1e-12 * (1.0 + b.amax()) {
            return Some([b[0], b[1]]);
        }
    }
    None
}

/// One group of a calibration curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Group {
    /// Mean predicted probability.
    pub predicted: f64,
    /// Observed share.
    pub observed: f64,
    /// Number of cases.
    pub n: usize,
}

/// `groups` groups of equal size by predicted probability, lowest first.
pub fn curve(linear_predictor: &[f64], positive: &[bool], groups: usize) -> Vec<Group> {
    let mut order: Vec<usize> = (0..linear_predictor.len()).collect();
    order.sort_by(|a, b| linear_predictor[*a].total_cmp(&linear_predictor[*b]));
    let n = order.len();
    (0..groups)
        .filter_map(|g| {
            let part = &order[g * n / groups..(g + 1) * n / groups];
            let size = part.len();
            (size > 0).then(|| Group {
                predicted: part.iter().map(|i| sigmoid(linear_predictor[*i])).sum::<f64>()
                    / size as f64,
                observed: part.iter().filter(|i| positive[**i]).count() as f64 / size as f64,
                n: size,
            })
        })
        .collect()
}
