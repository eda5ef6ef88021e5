//! Features of the grey level co-occurrence matrix (IBSI manual, 3.6).

use super::entries::Entry;
use crate::value::{Missing, Value, finite};

/// A symmetric matrix and what its features share.
pub(crate) struct CoOccurrence<'a> {
    entries: &'a [Entry],
    /// Grey level of each rank.
    grey: &'a [u16],
    /// N_g.
    n_levels: f64,
    total: f64,
    lowest: usize,
    is_flat: bool,
    /// Probabilities of |i - j|, and of i + j counted from twice the lowest level.
    differences: Vec<f64>,
    sums: Vec<f64>,
    sum_mean: f64,
    /// Entropy of the rows' marginal.
    row_entropy: f64,
    pub(in crate::features) maximum: f64,
    pub(in crate::features) mean: f64,
    pub(in crate::features) variance: f64,
    pub(in crate::features) entropy: f64,
    pub(in crate::features) energy: f64,
    pub(in crate::features) autocorrelation: f64,
    pub(in crate::features) difference_mean: f64,
}

impl<'a> CoOccurrence<'a> {
    /// `entries` is the upper triangle with the diagonal; an entry off the diagonal stands for itself
    /// and its mirror image. `grey` maps ranks to grey levels, `n_levels` is N_g.
    ///
    /// # Errors
    /// No voxel has a neighbour.
    pub(super) fn of(
        entries: &'a [Entry],
        grey: &'a [u16],
        n_levels: usize,
    ) -> Result<Self, Missing> {
        let total: f64 = entries.iter().map(|e| copies(e) * e.count).sum();
        if total == 0.0 {
            return Err(Missing::NoNeighbours);
        }
        let level = |rank: u32| usize::from(grey[rank as usize]);
        let lowest = entries.iter().map(|e| level(e.rank)).min().unwrap_or(0);
        let highest = entries.iter().map(|e| level(e.second)).max().unwrap_or(0);
        let range = highest - lowest;

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
        Ok(Self {
            entries,
            grey,
            n_levels: n_levels as f64,
            total,
            lowest,
            is_flat: range == 0,
            sum_mean: weighted(&sums, |k| k),
            row_entropy: entropy_of(&rows),
            maximum,
            mean,
            variance: weighted(&rows, |k| (lowest as f64 + k - mean).powi(2)),
            entropy,
            energy,
            autocorrelation,
            difference_mean: weighted(&differences, |k| k),
            differences,
            sums,
        })
    }

    pub(in crate::features) fn difference_variance(&self) -> Value {
        finite(weighted(&self.differences, |k| (k - self.difference_mean).powi(2)))
    }

    pub(in crate::features) fn difference_entropy(&self) -> Value {
        finite(entropy_of(&self.differences))
    }

    /// The mean of a function of |i - j| and N_g.
    pub(in crate::features) fn of_differences(&self, f: impl Fn(f64, f64) -> f64) -> Value {
        finite(weighted(&self.differences, |k| f(k, self.n_levels)))
    }

    pub(in crate::features) fn sum_average(&self) -> Value {
        finite(self.sum_mean + 2.0 * self.lowest as f64)
    }

    /// The central moment of i + j.
    pub(in crate::features) fn sum_moment(&self, power: i32) -> Value {
        finite(weighted(&self.sums, |k| (k - self.sum_mean).powi(power)))
    }

    pub(in crate::features) fn sum_entropy(&self) -> Value {
        finite(entropy_of(&self.sums))
    }

    pub(in crate::features) fn correlation(&self) -> Value {
        let level = |rank: u32| f64::from(self.grey[rank as usize]);
        let mut covariance = 0.0;
        for entry in self.entries {
            let (i, j) = (level(entry.rank), level(entry.second));
            covariance +=
                copies(entry) * entry.count / self.total * (i - self.mean) * (j - self.mean);
        }
        self.unless_flat(covariance / self.variance)
    }

    pub(in crate::features) fn information_correlation_1(&self) -> Value {
        self.unless_flat(-self.mutual_information() / self.row_entropy)
    }

    pub(in crate::features) fn information_correlation_2(&self) -> Value {
        finite((1.0 - (-2.0 * self.mutual_information()).exp()).max(0.0).sqrt())
    }

    /// For a symmetric matrix HXY1 and HXY2 are both twice the entropy of its marginal. What the
    /// joint entropy lacks of it is never negative but for rounding.
    fn mutual_information(&self) -> f64 {
        (2.0 * self.row_entropy - self.entropy).max(0.0)
    }

    fn unless_flat(&self, value: f64) -> Value {
        if self.is_flat { Err(Missing::FlatRegion) } else { finite(value) }
    }
}

/// How often an entry of the upper triangle stands in the matrix.
fn copies(entry: &Entry) -> f64 {
    if entry.rank == entry.second { 1.0 } else { 2.0 }
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
