//! A distribution kept as a table of its quantiles.

use serde::{Deserialize, Serialize};

use super::quantile::{of_sorted, sorted};

/// A distribution by its quantiles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuantileTable {
    /// Number of values it was made from.
    pub n: usize,
    /// Probabilities, ascending, 0 to 1.
    pub p: Vec<f64>,
    /// Values, ascending.
    pub value: Vec<f64>,
}

impl QuantileTable {
    /// Quantiles of `values` at 0, 1, 2.5, 5, 10, …, 90, 95, 97.5, 99 and 100 %, by linear
    /// interpolation of order statistics (type 7 of Hyndman and Fan).
    ///
    /// `None` for fewer than two values or one that is not finite.
    pub fn of(values: &[f64]) -> Option<Self> {
        const P: [f64; 25] = [
            0.0, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6,
            0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.975, 0.99, 1.0,
        ];
        if values.len() < 2 || values.iter().any(|v| !v.is_finite()) {
            return None;
        }
        let sorted = sorted(values);
        let value = P.iter().map(|&p| of_sorted(&sorted, p)).collect::<Option<_>>()?;
        Some(Self { n: values.len(), p: P.to_vec(), value })
    }

    /// Whether both columns are as long as each other, finite and ascending, the probabilities
    /// strictly and from 0 to 1.
    pub fn is_sound(&self) -> bool {
        self.p.len() >= 2
            && self.p.len() == self.value.len()
            && self.p.iter().all(|p| (0.0..=1.0).contains(p))
            && self.value.iter().all(|v| v.is_finite())
            && self.p.windows(2).all(|w| w[0] < w[1])
            && self.value.windows(2).all(|w| w[0] <= w[1])
    }

    /// The value at probability `p`, linear between the table's entries and flat beyond them.
    pub fn at(&self, p: f64) -> f64 {
        interpolate(&self.p, &self.value, p)
    }

    /// The share of the distribution at or below `value`.
    pub fn percentile(&self, value: f64) -> f64 {
        interpolate(&self.value, &self.p, value)
    }
}

/// Linear interpolation of `y` over ascending `x`, flat beyond the ends.
fn interpolate(x: &[f64], y: &[f64], at: f64) -> f64 {
    let above = x.partition_point(|v| *v <= at);
    if above == 0 {
        return y[0];
    }
    if above == x.len() {
        return y[x.len() - 1];
    }
    let share = (at - x[above - 1]) / (x[above] - x[above - 1]);
    y[above - 1] + share * (y[above] - y[above - 1])
}
