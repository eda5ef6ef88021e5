//! Quantiles of a list of values.

/// Quantile of sorted values by linear interpolation of order statistics (type 7 of Hyndman and
/// Fan, R's default); `None` for no values.
pub fn of_sorted(sorted: &[f64], p: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let at = p.clamp(0.0, 1.0) * last as f64;
    let below = at.floor() as usize;
    let above = (below + 1).min(last);
    Some(sorted[below] + (at - below as f64) * (sorted[above] - sorted[below]))
}

/// Quantile of values in any order; values must not be NaN.
pub fn quantile(values: &[f64], p: f64) -> Option<f64> {
    of_sorted(&sorted(values), p)
}

/// Median.
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// The values in ascending order.
pub fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R: quantile(c(1, 2, 4, 8), 0.3).
    #[test]
    fn quantiles_equal_r() {
        assert!((quantile(&[8.0, 1.0, 4.0, 2.0], 0.3).expect("values") - 1.9).abs() < 1e-15);
        assert_eq!(quantile(&[], 0.5), None);
    }
}
