//! Intensity-based statistics (IBSI UHIW): the intensities as they are, without grey levels.

use super::distribution::{Distribution, Summary, named};
use crate::features::FeatureValues;
use crate::value::finite;

const IDS: [&str; 18] = [
    "stat_mean",
    "stat_var",
    "stat_skew",
    "stat_kurt",
    "stat_median",
    "stat_min",
    "stat_p10",
    "stat_p90",
    "stat_max",
    "stat_iqr",
    "stat_range",
    "stat_mad",
    "stat_rmad",
    "stat_medad",
    "stat_cov",
    "stat_qcod",
    "stat_energy",
    "stat_rms",
];

/// The 18 statistics of the intensities of a region's voxels, in units of the image (HU for CT).
///
/// Skewness and kurtosis of a flat region are missing, ratios with a denominator of 0 too.
pub fn compute(d: &Distribution) -> FeatureValues {
    let s: Summary = d.summary();
    let mean_square = d.mean_of(|x| x * x);
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
            finite(s.interquartile_range),
            finite(d.max() - d.min()),
            finite(s.mean_absolute_deviation),
            finite(s.robust_mean_absolute_deviation),
            finite(s.median_absolute_deviation),
            s.coefficient_of_variation,
            s.quartile_coefficient_of_dispersion,
            finite(mean_square * d.len()),
            finite(mean_square.sqrt()),
        ],
    )
}
