//! The sixteen features that run length, size zone, distance zone and dependence matrices share.
//!
//! The matrices differ in what they count: runs by length (IBSI manual, 3.7), zones by size (3.8)
//! or distance to the border (3.9), voxels by dependence (3.11). The definitions are the same.

use super::entries::Entry;
use crate::value::{Missing, Value, finite, ratio};

/// What the features of a matrix are read from: emphases of small and of large second indices, of
/// low and of high grey levels and their combinations, and sums that the others share.
pub(crate) struct LevelTable {
    pub(in crate::features) small: f64,
    pub(in crate::features) large: f64,
    pub(in crate::features) low: f64,
    pub(in crate::features) high: f64,
    pub(in crate::features) small_low: f64,
    pub(in crate::features) small_high: f64,
    pub(in crate::features) large_low: f64,
    pub(in crate::features) large_high: f64,
    pub(in crate::features) level_variance: f64,
    pub(in crate::features) second_variance: f64,
    pub(in crate::features) energy: f64,
    entropy: f64,
    /// Sums of the squared totals of each grey level and of each second index.
    by_level: f64,
    by_second: f64,
    /// Runs, zones or dependences.
    total: f64,
    /// N_v.
    voxels: f64,
}

impl LevelTable {
    /// `grey` maps ranks to grey levels. `voxels` is N_v, summed over the matrices that were merged.
    ///
    /// # Errors
    /// The matrix is empty.
    pub(super) fn of(entries: &[Entry], grey: &[u16], voxels: f64) -> Result<Self, Missing> {
        let total: f64 = entries.iter().map(|e| e.count).sum();
        if total == 0.0 {
            return Err(Missing::ZeroDenominator);
        }
        let level = |entry: &Entry| f64::from(grey[entry.rank as usize]);

        let mut emphasis = [0.0; 8];
        let (mut level_mean, mut second_mean, mut entropy, mut energy) = (0.0, 0.0, 0.0, 0.0);
        for entry in entries {
            let p = entry.count / total;
            let (i, j) = (level(entry), f64::from(entry.second));
            let (low, high, small, large) = (p / (i * i), p * i * i, 1.0 / (j * j), j * j);
            let terms = [
                p * small,
                p * large,
                low,
                high,
                low * small,
                high * small,
                low * large,
                high * large,
            ];
            for (sum, term) in emphasis.iter_mut().zip(terms) {
                *sum += term;
            }
            level_mean += p * i;
            second_mean += p * j;
            entropy -= p * p.log2();
            energy += p * p;
        }

        let (mut level_variance, mut second_variance) = (0.0, 0.0);
        for entry in entries {
            let p = entry.count / total;
            level_variance += p * (level(entry) - level_mean).powi(2);
            second_variance += p * (f64::from(entry.second) - second_mean).powi(2);
        }

        let by_level: f64 = entries
            .chunk_by(|a, b| a.rank == b.rank)
            .map(|row| row.iter().map(|e| e.count).sum::<f64>().powi(2))
            .sum();
        let [small, large, low, high, small_low, small_high, large_low, large_high] = emphasis;
        Ok(Self {
            small,
            large,
            low,
            high,
            small_low,
            small_high,
            large_low,
            large_high,
            level_variance,
            second_variance,
            energy,
            entropy,
            by_level,
            by_second: sum_of_squares_by_second(entries),
            total,
            voxels,
        })
    }

    pub(in crate::features) fn level_non_uniformity(&self) -> Value {
        finite(self.by_level / self.total)
    }

    pub(in crate::features) fn normalised_level_non_uniformity(&self) -> Value {
        finite(self.by_level / (self.total * self.total))
    }

    pub(in crate::features) fn second_non_uniformity(&self) -> Value {
        finite(self.by_second / self.total)
    }

    pub(in crate::features) fn normalised_second_non_uniformity(&self) -> Value {
        finite(self.by_second / (self.total * self.total))
    }

    pub(in crate::features) fn percentage(&self) -> Value {
        ratio(self.total, self.voxels)
    }

    pub(in crate::features) fn entropy(&self) -> Value {
        // -1·log2(1) is a negative zero.
        finite(self.entropy.max(0.0))
    }
}

fn sum_of_squares_by_second(entries: &[Entry]) -> f64 {
    // Second indices are mostly small; the few large ones (sizes of large zones) are sorted.
    const SMALL: usize = 1024;
    let mut small = [0.0; SMALL];
    let mut large: Vec<(u32, f64)> = Vec::new();
    for entry in entries {
        match small.get_mut(entry.second as usize) {
            Some(sum) => *sum += entry.count,
            None => large.push((entry.second, entry.count)),
        }
    }
    large.sort_by_key(|&(second, _)| second);
    let small: f64 = small.iter().map(|n| n * n).sum();
    let large: f64 = large
        .chunk_by(|a, b| a.0 == b.0)
        .map(|same| same.iter().map(|&(_, count)| count).sum::<f64>().powi(2))
        .sum();
    small + large
}
