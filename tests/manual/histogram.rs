//! Section 3.4 (ZVCW): the histogram of the grey levels.

use super::statistics::{Summary, summary};
use super::{Features, Levels, plogp};

pub fn features(levels: &Levels) -> Features {
    let found: Vec<usize> = levels.levels.iter().flatten().copied().collect();
    let x: Vec<f64> = found.iter().map(|&level| level as f64).collect();
    let s = summary(&x);
    let of = |get: fn(&Summary) -> f64| s.as_ref().map(get);

    // n_i for every level from 1 to N_g, also those that no voxel has.
    let mut n = vec![0_usize; levels.count];
    for &level in &found {
        n[level - 1] += 1;
    }
    let p: Vec<f64> = n.iter().map(|&n| n as f64 / found.len() as f64).collect();

    let gradient = gradient(&n);
    let extreme = |steepest: fn(f64, f64) -> bool| {
        let mut best: Option<(f64, usize)> = None;
        for (index, &value) in gradient.iter().enumerate() {
            // Of several equally steep levels the manual names none; here the lowest.
            if best.is_none_or(|(held, _)| steepest(value, held)) {
                best = Some((value, index + 1));
            }
        }
        best
    };
    let rise = extreme(|value, held| value > held);
    let fall = extreme(|value, held| value < held);
    vec![
        ("ih_mean", of(|s| s.mean)),
        ("ih_var", of(|s| s.variance)),
        ("ih_skew", of(|s| s.skewness)),
        ("ih_kurt", of(|s| s.kurtosis)),
        ("ih_median", of(|s| s.median)),
        ("ih_min", of(|s| s.low)),
        ("ih_p10", of(|s| s.p10)),
        ("ih_p90", of(|s| s.p90)),
        ("ih_max", of(|s| s.high)),
        ("ih_mode", mode(&n)),
        ("ih_iqr", of(|s| s.p75 - s.p25)),
        ("ih_range", of(|s| s.high - s.low)),
        ("ih_mad", of(|s| s.mean_deviation)),
        ("ih_rmad", s.as_ref().and_then(|s| s.robust_deviation)),
        ("ih_medad", of(|s| s.median_deviation)),
        ("ih_cov", s.as_ref().and_then(|s| s.variation)),
        ("ih_qcod", s.as_ref().and_then(|s| s.dispersion)),
        // + 0.0, for the entropy of one level is not -0.
        ("ih_entropy", s.as_ref().map(|_| 0.0 - p.iter().map(|&p| plogp(p)).sum::<f64>())),
        ("ih_uniformity", s.as_ref().map(|_| p.iter().map(|p| p * p).sum())),
        ("ih_max_grad", rise.map(|(value, _)| value)),
        ("ih_max_grad_g", rise.map(|(_, level)| level as f64)),
        ("ih_min_grad", fall.map(|(value, _)| value)),
        ("ih_min_grad_g", fall.map(|(_, level)| level as f64)),
    ]
}

/// AMMC: the most frequent level; of several the one nearest to the mean; of two that are equally
/// near the one to its left. Distances are compared times the number of voxels, in integers.
fn mode(n: &[usize]) -> Option<f64> {
    let voxels: i128 = n.iter().map(|&n| n as i128).sum();
    let sum: i128 = n.iter().enumerate().map(|(index, &n)| (index as i128 + 1) * n as i128).sum();
    let highest = *n.iter().max()?;
    let mut best: Option<(i128, usize)> = None;
    for (index, &count) in n.iter().enumerate() {
        let away = (voxels * (index as i128 + 1) - sum).abs();
        if count == highest && best.is_none_or(|(nearest, _)| away < nearest) {
            best = Some((away, index + 1));
        }
    }
    best.map(|(_, level)| level as f64)
}

/// 12CE: one-sided at the first and the last level, else half the difference of both neighbours. A
/// histogram of a single level has none.
fn gradient(n: &[usize]) -> Vec<f64> {
    let n: Vec<f64> = n.iter().map(|&n| n as f64).collect();
    let count = n.len();
    if count < 2 {
        return Vec::new();
    }
    let mut gradient = Vec::new();
    for i in 0..count {
        gradient.push(if i == 0 {
            n[1] - n[0]
        } else if i == count - 1 {
            n[i] - n[i - 1]
        } else {
            (n[i + 1] - n[i - 1]) / 2.0
        });
    }
    gradient
}
