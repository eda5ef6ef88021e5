//! Intensity-based statistics (IBSI UHIW): the intensities as they are, without grey levels.

use super::distribution::{Distribution, Summary};
use crate::value::{Value, finite};

/// What the statistics of the intensities of a region's voxels are read from, in units of the image
/// (HU for CT).
///
/// Skewness and kurtosis of a flat region are missing, ratios with a denominator of 0 too.
pub(crate) struct Statistics<'a> {
    pub(super) distribution: &'a Distribution,
    pub(super) summary: Summary,
    mean_square: f64,
}

impl<'a> Statistics<'a> {
    pub(super) fn of(distribution: &'a Distribution) -> Self {
        let mean_square = distribution.mean_of(|x| x * x);
        Self { distribution, summary: distribution.summary(), mean_square }
    }

    pub(super) fn energy(&self) -> Value {
        finite(self.mean_square * self.distribution.len())
    }

    pub(super) fn root_mean_square(&self) -> Value {
        finite(self.mean_square.sqrt())
    }
}
