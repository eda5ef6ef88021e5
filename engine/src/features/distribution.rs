//! The distribution of a region's intensities or grey levels, and what both families of first-order
//! features read from it.

use crate::region::Roi;
use crate::rows::rows_of_slice;
use crate::value::{Missing, Value, finite, ratio};

/// Distinct values in ascending order with how often each occurs.
///
/// Features are computed from this, not from the voxels: a CT region of two million voxels holds
/// some hundred distinct HU.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Distribution {
    pairs: Vec<(f64, u64)>,
    n: u64,
}

impl Distribution {
    /// The distribution of a region's intensities; `None` for no voxel.
    pub(super) fn of_intensities(roi: &Roi) -> Option<Self> {
        let range = roi.range_within(&roi.intensity)?;
        let pairs = whole_numbers(roi, range).unwrap_or_else(|| {
            let mut sorted = roi.values();
            sorted.sort_unstable_by(f32::total_cmp);
            let equal = sorted.chunk_by(|a, b| a == b);
            equal.map(|run| (f64::from(run[0]), run.len() as u64)).collect()
        });
        Self::of_pairs(pairs)
    }

    /// The distribution of grey levels from the number of voxels of each level, from level 1.
    pub(super) fn of_counts(counts: &[u64]) -> Option<Self> {
        let levels = counts.iter().zip(1u32..).filter(|(count, _)| **count > 0);
        Self::of_pairs(levels.map(|(&count, level)| (f64::from(level), count)).collect())
    }

    fn of_pairs(pairs: Vec<(f64, u64)>) -> Option<Self> {
        let n = pairs.iter().map(|(_, count)| count).sum();
        (n > 0).then_some(Self { pairs, n })
    }

    /// The distinct values, ascending, with how often each occurs.
    pub(super) fn pairs(&self) -> &[(f64, u64)] {
        &self.pairs
    }

    /// Number of voxels.
    pub(super) fn len(&self) -> f64 {
        self.n as f64
    }

    /// Lowest value.
    pub(super) fn min(&self) -> f64 {
        self.pairs[0].0
    }

    /// Highest value.
    pub(super) fn max(&self) -> f64 {
        self.pairs[self.pairs.len() - 1].0
    }

    /// Mean of a function of the values.
    pub(super) fn mean_of(&self, f: impl Fn(f64) -> f64) -> f64 {
        self.pairs.iter().map(|&(x, count)| f(x) * count as f64).sum::<f64>() / self.len()
    }

    /// Quantile by linear interpolation of order statistics (type 7 of Hyndman and Fan,
    /// doi:10.2307/2684934), which reproduces every IBSI reference value.
    pub(super) fn quantile(&self, p: f64) -> f64 {
        let at = p * (self.n - 1) as f64;
        let below = self.order_statistic(at.floor() as u64);
        let above = self.order_statistic(at.ceil() as u64);
        below + at.fract() * (above - below)
    }

    fn order_statistic(&self, rank: u64) -> f64 {
        let mut seen = 0;
        for &(x, count) in &self.pairs {
            seen += count;
            if rank < seen {
                return x;
            }
        }
        self.max()
    }

    /// The features that intensity-based statistics and the intensity histogram share, under
    /// `prefix`'s ids: mean, variance, skewness, excess kurtosis, median, minimum, percentiles,
    /// maximum, interquartile range, range, absolute deviations, coefficients of variation and of
    /// quartile dispersion.
    pub(super) fn summary(&self) -> Summary {
        let mean = self.mean_of(|x| x);
        let central = |power: i32| self.mean_of(|x| (x - mean).powi(power));
        let variance = central(2);
        let [p10, p25, median, p75, p90] = [0.1, 0.25, 0.5, 0.75, 0.9].map(|p| self.quantile(p));
        let flat = self.pairs.len() == 1;
        let standardised = |moment: f64, power: f64| {
            if flat { Err(Missing::FlatRegion) } else { finite(moment / variance.powf(power)) }
        };
        Summary {
            mean,
            variance,
            skewness: standardised(central(3), 1.5),
            kurtosis: standardised(central(4), 2.0).map(|k| k - 3.0),
            median,
            p10,
            p90,
            interquartile_range: p75 - p25,
            mean_absolute_deviation: self.mean_of(|x| (x - mean).abs()),
            robust_mean_absolute_deviation: self.deviation_within(p10, p90),
            median_absolute_deviation: self.mean_of(|x| (x - median).abs()),
            coefficient_of_variation: ratio(variance.sqrt(), mean),
            quartile_coefficient_of_dispersion: ratio(p75 - p25, p75 + p25),
        }
    }

    /// Mean distance from their mean of the values from `low` to `high`, both included.
    fn deviation_within(&self, low: f64, high: f64) -> Value {
        let inside = |&(x, _): &(f64, u64)| (low..=high).contains(&x);
        let pairs: Vec<_> = self.pairs.iter().copied().filter(inside).collect();
        // Two voxels leave nothing between their interpolated percentiles.
        let within = Self::of_pairs(pairs).ok_or(Missing::ZeroDenominator)?;
        let mean = within.mean_of(|x| x);
        finite(within.mean_of(|x| (x - mean).abs()))
    }
}

/// Features of a distribution, under the names of the standard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Summary {
    /// Mean.
    pub(super) mean: f64,
    /// Variance, divided by the number of voxels.
    pub(super) variance: f64,
    /// Skewness; missing where all values are equal.
    pub(super) skewness: Value,
    /// Excess kurtosis; missing where all values are equal.
    pub(super) kurtosis: Value,
    /// Median.
    pub(super) median: f64,
    /// 10th percentile.
    pub(super) p10: f64,
    /// 90th percentile.
    pub(super) p90: f64,
    /// 75th less 25th percentile.
    pub(super) interquartile_range: f64,
    /// Mean distance from the mean.
    pub(super) mean_absolute_deviation: f64,
    /// The same within the 10th to 90th percentile; missing where no value lies there.
    pub(super) robust_mean_absolute_deviation: Value,
    /// Mean distance from the median.
    pub(super) median_absolute_deviation: f64,
    /// Standard deviation over mean; missing where the mean is 0.
    pub(super) coefficient_of_variation: Value,
    /// (P75 - P25) / (P75 + P25); missing where the denominator is 0.
    pub(super) quartile_coefficient_of_dispersion: Value,
}

/// The pairs of whole numbers within the 16-bit range, by counting; `None` for other values.
/// `range` is that of the values within the mask.
fn whole_numbers(roi: &Roi, [low, high]: [f32; 2]) -> Option<Vec<(f64, u64)>> {
    if !(low >= -32_768.0 && high <= 65_535.0) {
        return None;
    }
    let base = low.floor() as i32;
    // The first is that of the voxels outside.
    let mut counts = vec![0u64; (high.ceil() as i32 - base) as usize + 2];
    for z in 0..roi.intensity.dim().0 {
        for (values, mask) in rows_of_slice(&roi.intensities, &roi.intensity, z) {
            let is_fraction = |value: f32| (value as i32) as f32 != value;
            let within = values.iter().zip(mask);
            if within.fold(false, |any, (&value, &inside)| any | (inside & is_fraction(value))) {
                return None;
            }
            for (&value, &inside) in values.iter().zip(mask) {
                let place = (value as i32).wrapping_sub(base).wrapping_add(1) as usize;
                counts[if inside { place } else { 0 }] += 1;
            }
        }
    }
    let occurring = counts.into_iter().skip(1).zip(base..).filter(|(count, _)| *count > 0);
    Some(occurring.map(|(count, value)| (f64::from(value), count)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Oracle: the definition. The percentiles of two values lie between them; of three, with the
    /// middle one alone.
    #[test]
    fn without_a_value_between_the_percentiles_there_is_no_robust_deviation() {
        let deviation = |values: &[f64]| {
            let pairs = values.iter().map(|&x| (x, 1)).collect();
            let values = Distribution::of_pairs(pairs).expect("values");
            values.summary().robust_mean_absolute_deviation
        };
        assert_eq!(deviation(&[3.0, 10.0]), Err(Missing::ZeroDenominator));
        assert_eq!(deviation(&[3.0, 10.0, 11.0]), Ok(0.0));
        assert_eq!(deviation(&[7.0]), Ok(0.0));
    }
}
