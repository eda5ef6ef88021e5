//! Intensity histogram features (IBSI ZVCW), from the grey levels of a region.

use super::distribution::{Distribution, Summary};
use crate::region::Levels;
use crate::rows::{extent, row};
use crate::value::{Missing, Value, finite};

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

/// The histogram of grey levels 1 to N_g of a region.
///
/// A region with one level has no skewness, kurtosis or gradient: they are missing.
pub(crate) struct Histogram {
    /// Voxels of each level, from level 1.
    counts: Vec<u64>,
    pub(super) distribution: Distribution,
    pub(super) summary: Summary,
}

impl Histogram {
    /// # Errors
    /// The region has no voxel.
    pub(super) fn of(levels: &Levels) -> Result<Self, Missing> {
        let counts = counts(levels);
        let distribution = Distribution::of_counts(&counts).ok_or(Missing::EmptyRegion)?;
        Ok(Self { summary: distribution.summary(), distribution, counts })
    }

    /// The level with most voxels; of several, the one nearest to the mean, the lower of two as near.
    pub(super) fn mode(&self) -> Value {
        let most = self.counts.iter().max().copied().unwrap_or(0);
        let distance = |level: f64| (level - self.summary.mean).abs();
        let mode = self
            .counts
            .iter()
            .zip(1u32..)
            .filter(|(count, _)| **count == most)
            .map(|(_, level)| f64::from(level))
            .reduce(|best, level| if distance(level) < distance(best) { level } else { best });
        mode.ok_or(Missing::EmptyRegion)
    }

    pub(super) fn entropy(&self) -> Value {
        finite(-self.shares().map(|p| p * p.log2()).sum::<f64>() + 0.0)
    }

    pub(super) fn uniformity(&self) -> Value {
        finite(self.shares().map(|p| p * p).sum())
    }

    /// Shares of the levels that occur.
    fn shares(&self) -> impl Iterator<Item = f64> {
        let n = self.distribution.len();
        self.counts.iter().filter(|c| **c > 0).map(move |&c| c as f64 / n)
    }

    /// Highest and lowest gradient of the histogram: central differences, one-sided at both ends.
    ///
    /// # Errors
    /// The histogram has one level.
    pub(super) fn gradients(&self) -> Result<Gradients, Missing> {
        let n = self.counts.len();
        if n < 2 {
            return Err(Missing::FlatRegion);
        }
        let count = |i: usize| self.counts[i] as f64;
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
        let level = |i: usize| (i + 1) as f64;
        Ok(Gradients {
            highest: gradient(highest),
            highest_at: level(highest),
            lowest: gradient(lowest),
            lowest_at: level(lowest),
        })
    }
}

/// The steepest places of a histogram, each with the first level that has it.
pub(super) struct Gradients {
    pub(super) highest: f64,
    pub(super) highest_at: f64,
    pub(super) lowest: f64,
    pub(super) lowest_at: f64,
}
