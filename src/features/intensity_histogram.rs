//! Intensity histogram features (IBSI ZVCW), from the grey levels of a region.

use super::distribution::{Distribution, named};
use crate::features::FeatureValues;
use crate::region::Levels;
use crate::region::rows::{extent, row};
use crate::value::{Missing, Value, finite};

const IDS: [&str; 23] = [
    "ih_mean",
    "ih_var",
    "ih_skew",
    "ih_kurt",
    "ih_median",
    "ih_min",
    "ih_p10",
    "ih_p90",
    "ih_max",
    "ih_mode",
    "ih_iqr",
    "ih_range",
    "ih_mad",
    "ih_rmad",
    "ih_medad",
    "ih_cov",
    "ih_qcod",
    "ih_entropy",
    "ih_uniformity",
    "ih_max_grad",
    "ih_max_grad_g",
    "ih_min_grad",
    "ih_min_grad_g",
];

/// Voxels of each level, from level 1.
fn counts(levels: &Levels) -> Vec<u64> {
    // Neighbours are alike: counted into one table, each would wait for the one before.
    let mut counts = vec![[0u64; 2]; levels.n_levels + 1];
    for levels in levels.levels.rows() {
        let levels = row(&levels);
        let Some(extent) = extent(levels, |&level| level != 0) else { continue };
        let (pairs, rest) = levels[extent].as_chunks::<2>();
        for &[a, b] in pairs {
            counts[usize::from(a)][0] += 1;
            counts[usize::from(b)][1] += 1;
        }
        for &level in rest {
            counts[usize::from(level)][0] += 1;
        }
    }
    // Level 0 is the outside.
    counts[1..].iter().map(|[a, b]| a + b).collect()
}

/// The 23 features of the histogram of grey levels 1 to N_g.
///
/// A region with one level has no skewness, kurtosis or gradient: they are missing.
pub fn compute(levels: &Levels) -> FeatureValues {
    let counts = &counts(levels);
    let Some(d) = Distribution::of_counts(counts) else {
        return IDS.map(|id| (id, Err(Missing::EmptyRegion))).into();
    };
    let s = d.summary();
    let n = d.len();
    let shares = || counts.iter().filter(|c| **c > 0).map(|&c| c as f64 / n);
    let [max_gradient, max_at, min_gradient, min_at] = gradients(counts);
    named(
        IDS,
        [
            finite(s.mean),
            finite(s.variance),
            s.skewness,
            s.kurtosis,
            finite(s.median),
            finite(d.min()),
            finite(s.p10),
            finite(s.p90),
            finite(d.max()),
            finite(mode(counts, s.mean)),
            finite(s.interquartile_range),
            finite(d.max() - d.min()),
            finite(s.mean_absolute_deviation),
            finite(s.robust_mean_absolute_deviation),
            finite(s.median_absolute_deviation),
            s.coefficient_of_variation,
            s.quartile_coefficient_of_dispersion,
            finite(-shares().map(|p| p * p.log2()).sum::<f64>() + 0.0),
            finite(shares().map(|p| p * p).sum()),
            max_gradient,
            max_at,
            min_gradient,
            min_at,
        ],
    )
}

/// The level with most voxels; of several, the one nearest to the mean, the lower of two as near.
fn mode(counts: &[u64], mean: f64) -> f64 {
    let most = counts.iter().max().copied().unwrap_or(0);
    let distance = |level: f64| (level - mean).abs();
    counts
        .iter()
        .zip(1u32..)
        .filter(|(count, _)| **count == most)
        .map(|(_, level)| f64::from(level))
        .reduce(|best, level| if distance(level) < distance(best) { level } else { best })
        .unwrap_or(f64::NAN)
}

/// Highest and lowest gradient of the histogram, each with the first level that has it: central
/// differences, one-sided at both ends.
fn gradients(counts: &[u64]) -> [Value; 4] {
    let n = counts.len();
    if n < 2 {
        return [Err(Missing::FlatRegion); 4];
    }
    let count = |i: usize| counts[i] as f64;
    let gradient = |i: usize| match i {
        0 => count(1) - count(0),
        i if i == n - 1 => count(i) - count(i - 1),
        i => (count(i + 1) - count(i - 1)) / 2.0,
    };
    let (mut highest, mut lowest) = (0, 0);
    for i in 1..n {
        if gradient(i) > gradient(highest) {
            highest = i;
        }
        if gradient(i) < gradient(lowest) {
            lowest = i;
        }
    }
    let level = |i: usize| Ok((i + 1) as f64);
    [Ok(gradient(highest)), level(highest), Ok(gradient(lowest)), level(lowest)]
}
