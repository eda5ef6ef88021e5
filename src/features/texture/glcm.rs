//! Features of the grey level co-occurrence matrix (IBSI manual, 3.6).

use super::entries::Entry;
use crate::value::{Missing, Value, finite};

/// Features of a symmetric matrix, in the feature table's order.
///
/// `entries` is the upper triangle with the diagonal; an entry off the diagonal stands for itself
/// and its mirror image. `grey` maps ranks to grey levels, `n_levels` is N_g.
pub(super) fn features(entries: &[Entry], grey: &[u16], n_levels: usize) -> [Value; 25] {
    let copies = |e: &Entry| if e.rank == e.second { 1.0 } else { 2.0 };
    let total: f64 = entries.iter().map(|e| copies(e) * e.count).sum();
    if total == 0.0 {
        return [Err(Missing::NoNeighbours); 25];
    }
    let level = |rank: u32| usize::from(grey[rank as usize]);
    let lowest = entries.iter().map(|e| level(e.rank)).min().unwrap_or(0);
    let highest = entries.iter().map(|e| level(e.second)).max().unwrap_or(0);
    let range = highest - lowest;
    let flat = range == 0;

    // Marginals: of the rows, of |i - j|, and of i + j counted from twice the lowest level.
    let mut rows = vec![0.0; range + 1];
    let mut differences = vec![0.0; range + 1];
    let mut sums = vec![0.0; 2 * range + 1];
    let (mut maximum, mut entropy, mut energy, mut autocorrelation) = (0.0f64, 0.0, 0.0, 0.0);
    for entry in entries {
        let p = entry.count / total;
        let both = copies(entry) * p;
        let (i, j) = (level(entry.rank), level(entry.second));
        rows[i - lowest] += p;
        if i != j {
            rows[j - lowest] += p;
        }
        differences[j - i] += both;
        sums[i + j - 2 * lowest] += both;
        maximum = maximum.max(p);
        entropy += both * information(p);
        energy += both * p;
        autocorrelation += both * (i * j) as f64;
    }

    let mean = lowest as f64 + weighted(&rows, |k| k);
    let variance = weighted(&rows, |k| (lowest as f64 + k - mean).powi(2));
    let mut covariance = 0.0;
    for entry in entries {
        let (i, j) = (level(entry.rank) as f64, level(entry.second) as f64);
        covariance += copies(entry) * entry.count / total * (i - mean) * (j - mean);
    }

    let difference_mean = weighted(&differences, |k| k);
    let difference_variance = weighted(&differences, |k| (k - difference_mean).powi(2));
    let sum_mean = weighted(&sums, |k| k);
    let [sum_variance, shade, prominence] =
        [2, 3, 4].map(|power| weighted(&sums, |k| (k - sum_mean).powi(power)));

    let n_g = n_levels as f64;
    let row_entropy = entropy_of(&rows);
    // For a symmetric matrix HXY1 and HXY2 are both twice the entropy of its marginal. What the
    // joint entropy lacks of it, the mutual information, is never negative but for rounding.
    let mutual = (2.0 * row_entropy - entropy).max(0.0);
    let unless_flat = |value: f64| if flat { Err(Missing::FlatRegion) } else { finite(value) };
    [
        finite(maximum),
        finite(mean),
        finite(variance),
        finite(entropy),
        finite(difference_mean),
        finite(difference_variance),
        finite(entropy_of(&differences)),
        finite(sum_mean + 2.0 * lowest as f64),
        finite(sum_variance),
        finite(entropy_of(&sums)),
        finite(energy),
        finite(weighted(&differences, |k| k * k)),
        finite(difference_mean),
        finite(weighted(&differences, |k| 1.0 / (1.0 + k))),
        finite(weighted(&differences, |k| 1.0 / (1.0 + k / n_g))),
        finite(weighted(&differences, |k| 1.0 / (1.0 + k * k))),
        finite(weighted(&differences, |k| 1.0 / (1.0 + (k / n_g).powi(2)))),
        finite(weighted(&differences, |k| if k == 0.0 { 0.0 } else { 1.0 / (k * k) })),
        unless_flat(covariance / variance),
        finite(autocorrelation),
        finite(sum_variance),
        finite(shade),
        finite(prominence),
        unless_flat(-mutual / row_entropy),
        finite((1.0 - (-2.0 * mutual).exp()).max(0.0).sqrt()),
    ]
}

/// `Σ p_k f(k)`.
fn weighted(probabilities: &[f64], f: impl Fn(f64) -> f64) -> f64 {
    probabilities.iter().enumerate().filter(|&(_, &p)| p > 0.0).map(|(k, &p)| p * f(k as f64)).sum()
}

fn entropy_of(probabilities: &[f64]) -> f64 {
    // The sum of no terms, and of terms -1·log2(1), would be a negative zero.
    probabilities.iter().map(|&p| p * information(p)).sum::<f64>() + 0.0
}

/// `-log2 p`, and 0 for what does not occur.
fn information(p: f64) -> f64 {
    if p > 0.0 && p < 1.0 { -p.log2() } else { 0.0 }
}
