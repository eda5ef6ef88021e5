//! Mean, standard deviation and Gini's mean difference of a list of values.

use super::quantile::sorted;

/// Mean; `None` for no values.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Variance with the divisor `n - 1`; `None` for fewer than two values.
pub fn variance(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (values.len() > 1).then(|| squares / (values.len() - 1) as f64)
}

/// Standard deviation with the divisor `n - 1`; `None` for fewer than two values.
pub fn sd(values: &[f64]) -> Option<f64> {
    variance(values).map(f64::sqrt)
}

/// Mean absolute difference of all pairs of two different values, for two values or more. Its
/// expectation is that of two random values, whatever their number.
pub fn gini_mean_difference(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    let n = sorted.len() as f64;
    // Sum over pairs of the higher less the lower: value i is higher in i pairs, lower in n-1-i.
    let sum: f64 = sorted.iter().zip(0u32..).map(|(v, i)| v * (2.0 * f64::from(i) - n + 1.0)).sum();
    sum / (n * (n - 1.0) / 2.0)
}
