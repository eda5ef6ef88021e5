//! The power of Yeo and Johnson's transformation by maximum likelihood.
//!
//! Yeo and Johnson, Biometrika 2000, doi:10.1093/biomet/87.4.954.

use super::transform::Transform;

/// The interval that is searched; powers beyond it say that no power makes the values symmetric.
pub const BOUNDS: [f64; 2] = [-4.0, 6.0];

/// The profile log likelihood of a power for normal values.
pub fn log_likelihood(values: &[f64], lambda: f64) -> f64 {
    let n = values.len() as f64;
    let transform = Transform::YeoJohnson { lambda };
    let transformed: Vec<f64> = values.iter().map(|v| transform.apply(*v)).collect();
    let mean = transformed.iter().sum::<f64>() / n;
    let variance = transformed.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    let jacobian: f64 = values.iter().map(|v| v.signum() * v.abs().ln_1p()).sum();
    -0.5 * n * variance.ln() + (lambda - 1.0) * jacobian
}

/// The power that maximises the likelihood; `None` for values that do not vary or are not finite.
pub fn fit(values: &[f64]) -> Option<f64> {
    let first = values.first()?;
    if values.iter().any(|v| !v.is_finite()) || values.iter().all(|v| v == first) {
        return None;
    }
    let score = |lambda: f64| {
        let value = log_likelihood(values, lambda);
        if value.is_finite() { value } else { f64::NEG_INFINITY }
    };
    // The likelihood is unimodal in the power; a coarse grid guards against flat or infinite ends.
    const STEPS: usize = 40;
    let width = (BOUNDS[1] - BOUNDS[0]) / STEPS as f64;
    let best = (0..=STEPS)
        .map(|i| BOUNDS[0] + width * i as f64)
        .max_by(|a, b| score(*a).total_cmp(&score(*b)))?;
    let (mut low, mut high) = ((best - width).max(BOUNDS[0]), (best + width).min(BOUNDS[1]));
    // The likelihood is flat to rounding near its maximum; the root of its slope is not.
    let slope = |lambda: f64| derivative(values, lambda);
    if !(slope(low) > 0.0 && slope(high) < 0.0) {
        return Some(best);
    }
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if slope(middle) > 0.0 { low = middle } else { high = middle }
    }
    Some(0.5 * (low + high))
}

/// Derivative of the log likelihood by the power.
fn derivative(values: &[f64], lambda: f64) -> f64 {
    let n = values.len() as f64;
    let transform = Transform::YeoJohnson { lambda };
    let t: Vec<f64> = values.iter().map(|v| transform.apply(*v)).collect();
    let dt: Vec<f64> = values.iter().map(|v| power_slope(*v, lambda)).collect();
    let (mt, mdt) = (t.iter().sum::<f64>() / n, dt.iter().sum::<f64>() / n);
    let variance = t.iter().map(|v| (v - mt).powi(2)).sum::<f64>() / n;
    let covariance = t.iter().zip(&dt).map(|(a, b)| (a - mt) * (b - mdt)).sum::<f64>() / n;
    let jacobian: f64 = values.iter().map(|v| v.signum() * v.abs().ln_1p()).sum();
    -n * covariance / variance + jacobian
}

/// Derivative of the transformed value by the power.
fn power_slope(x: f64, lambda: f64) -> f64 {
    // For x < 0 the transformation is -psi(-x, 2 - lambda), so the slope keeps its sign.
    let power = if x >= 0.0 { lambda } else { 2.0 - lambda };
    let log = x.abs().ln_1p();
    if power.abs() < 1e-6 {
        // Series at power 0, where the closed form cancels.
        return log * log * (0.5 + power * log / 3.0);
    }
    let grown = (power * log).exp();
    (power * log * grown - (grown - 1.0)) / (power * power)
}
