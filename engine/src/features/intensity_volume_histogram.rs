//! Intensity-volume histogram features (IBSI P88C).
//!
//! For every level of the intensity range G, whether or not a voxel has it: which fraction of the
//! range lies below it, and which fraction of the region's volume has at least that intensity.

use super::distribution::Distribution;
use super::parameters::IvhDiscretisation;
use crate::preprocess::bins::{Bins, Number};
use crate::value::{Missing, Value, finite};

/// More levels than this are no longer a histogram; a range of 4,096 HU in steps of 0.01 HU is
/// within.
const MAX_LEVELS: f64 = 1e6;

/// The curve of volume fractions over the intensity range of a region's voxels.
///
/// Volume fractions are fractions of 1. Intensities are in units of the image, those of a fixed bin
/// number are bin numbers. Where G is a single intensity the area under the curve is 0, as the
/// standard says, and the other features are missing.
pub(crate) enum Curve {
    /// G is a single intensity.
    Flat,
    /// Levels of G and the fraction of the volume at each or above.
    Levels(Scale, Vec<f64>),
}

impl Curve {
    /// `range` is the re-segmentation range in units of the image, which G spans; without one (or for
    /// a fixed bin number) G spans the region's own intensities.
    ///
    /// # Errors
    /// G would have too many levels.
    pub(super) fn of(
        intensities: &Distribution,
        discretisation: &IvhDiscretisation,
        range: Option<[f64; 2]>,
    ) -> Result<Self, Missing> {
        let [low, high] = [intensities.min(), intensities.max()];
        // The bins of a fixed number lie between the region's own intensities, whatever the range.
        let spans_own =
            range.is_none() || matches!(discretisation, IvhDiscretisation::FixedBinNumber { .. });
        if low == high && spans_own {
            return Ok(Self::Flat);
        }
        let scale = Scale::new(discretisation, range, [low, high]).ok_or(Missing::TooManyLevels)?;
        if scale.levels < 2 {
            return Ok(Self::Flat);
        }
        let at_least = scale.volume_fractions(intensities);
        Ok(Self::Levels(scale, at_least))
    }

    /// The fraction of the volume with at least the intensity at this fraction of the range.
    pub(super) fn volume_at(&self, fraction: f64) -> Value {
        let Self::Levels(scale, at_least) = self else { return Err(Missing::FlatRegion) };
        let last = (scale.levels - 1) as f64;
        // A level that lies at 0.1 of the range must not miss it by a rounding error.
        let first = (0..scale.levels).find(|&i| i as f64 / last >= fraction - 1e-12);
        finite(at_least[first.unwrap_or(scale.levels - 1)])
    }

    /// The lowest intensity that at most this fraction of the volume has; missing where even the
    /// highest level has more.
    pub(super) fn intensity_at(&self, fraction: f64) -> Value {
        let Self::Levels(scale, at_least) = self else { return Err(Missing::FlatRegion) };
        let first = at_least.iter().position(|&v| v <= fraction);
        finite(scale.intensity(first.ok_or(Missing::NoSuchLevel)?))
    }

    pub(super) fn volume_difference(&self) -> Value {
        finite(self.volume_at(0.1)? - self.volume_at(0.9)?)
    }

    pub(super) fn intensity_difference(&self) -> Value {
        finite(self.intensity_at(0.1)? - self.intensity_at(0.9)?)
    }

    /// The area over the fraction of the range, from 0 to 1, by the trapezoidal rule.
    pub(super) fn area_under(&self) -> Value {
        let Self::Levels(_, fractions) = self else { return Ok(0.0) };
        let last = fractions.len() - 1;
        let ends = (fractions[0] + fractions[last]) / 2.0;
        finite((fractions[1..last].iter().sum::<f64>() + ends) / last as f64)
    }
}

/// The levels of G.
pub(crate) struct Scale {
    bins: Bins,
    levels: usize,
    /// What the first level is called, and how far apart the levels' names are.
    first: f64,
    name_step: f64,
}

impl Scale {
    fn new(
        discretisation: &IvhDiscretisation,
        range: Option<[f64; 2]>,
        occurring: [f64; 2],
    ) -> Option<Self> {
        let [low, _] = range.unwrap_or(occurring);
        let edges = match range {
            Some(range) => range.map(Number::written),
            None => occurring.map(Number::held),
        };
        let (bins, levels, first, name_step) = match *discretisation {
            IvhDiscretisation::None { step } => {
                let bins = Bins::of_width(edges[0], step);
                (bins, bins.steps_to(edges[1]).floor() + 1.0, low, step)
            }
            IvhDiscretisation::FixedBinSize { width } => {
                let bins = Bins::of_width(edges[0], width);
                (bins, bins.steps_to(edges[1]).ceil(), low + width / 2.0, width)
            }
            IvhDiscretisation::FixedBinNumber { bins } => {
                let [low, high] = occurring;
                (Bins::of_number(bins, low, high), f64::from(bins), 1.0, 1.0)
            }
        };
        let levels = (levels <= MAX_LEVELS).then_some(levels as usize)?;
        Some(Self { bins, levels, first, name_step })
    }

    fn intensity(&self, level: usize) -> f64 {
        self.first + level as f64 * self.name_step
    }

    /// The fraction of the voxels at each level or above.
    fn volume_fractions(&self, intensities: &Distribution) -> Vec<f64> {
        let mut counts = vec![0u64; self.levels];
        let last = self.levels - 1;
        for &(value, count) in intensities.pairs() {
            let level = self.bins.bin(value).max(0.0) as usize;
            counts[level.min(last)] += count;
        }
        let mut above = 0;
        let mut fractions = vec![0.0; self.levels];
        for (fraction, count) in fractions.iter_mut().zip(&counts).rev() {
            above += count;
            *fraction = above as f64 / intensities.len();
        }
        fractions
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ndarray::Array3;

    use super::*;
    use crate::geometry::Geometry;
    use crate::region::Roi;

    fn region(values: &[f32]) -> Roi {
        let shape = (1, 1, values.len());
        let mask = Arc::new(Array3::from_elem(shape, true));
        Roi {
            geometry: Geometry::axis_aligned([values.len(), 1, 1], [1.0; 3]),
            intensities: Arc::new(
                Array3::from_shape_vec(shape, values.to_vec()).expect("one value per voxel"),
            ),
            morphological: mask.clone(),
            intensity: mask,
        }
    }

    fn area(values: &[f32], discretisation: IvhDiscretisation, range: Option<[f64; 2]>) -> f64 {
        let intensities = Distribution::of_intensities(&region(values)).expect("values");
        let curve = Curve::of(&intensities, &discretisation, range).expect("not too many levels");
        curve.area_under().expect("a value")
    }

    /// Oracle: closed form. One voxel on each of the levels 0 to n: at level k the fraction
    /// (n + 1 - k) / (n + 1) is left, and the trapezoids of a straight line from 1 to 1 / (n + 1)
    /// add up to the mean of both.
    #[test]
    fn the_area_under_a_straight_line_is_the_mean_of_its_ends() {
        let values: Vec<f32> = (0..=99u8).map(f32::from).collect();
        let found = area(&values, IvhDiscretisation::None { step: 1.0 }, None);
        approx::assert_relative_eq!(found, (1.0 + 0.01) / 2.0, max_relative = 1e-12);
    }

    fn volumes(values: &[f64], discretisation: IvhDiscretisation) -> Vec<f64> {
        let range = [values[0], values[values.len() - 1]];
        let scale = Scale::new(&discretisation, None, range).expect("not too many levels");
        let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
        let roi = region(&values);
        scale.volume_fractions(&Distribution::of_intensities(&roi).expect("values"))
    }

    /// Oracle: the definition in whole numbers: intensity x of 0 to n is in bin floor(N x / n).
    #[test]
    fn an_intensity_on_an_edge_belongs_to_the_bin_above() {
        let values: Vec<f64> = (0..=14u8).map(f64::from).collect();
        let found = volumes(&values, IvhDiscretisation::FixedBinNumber { bins: 100 });
        for (level, found) in found.into_iter().enumerate() {
            let at_least = (0..=14).filter(|x| (100 * x / 14).min(99) >= level).count();
            assert_eq!(found, at_least as f64 / 15.0, "{level}");
        }
    }

    /// Oracle: the definition in whole tenths.
    #[test]
    fn steps_are_the_decimal_numbers_that_were_written() {
        let values: Vec<f64> = (0..=90u8).map(f64::from).collect();
        for tenths in [3, 7, 11] {
            let step = tenths as f64 / 10.0;
            for (discretisation, levels) in [
                (IvhDiscretisation::None { step }, 900 / tenths + 1),
                (IvhDiscretisation::FixedBinSize { width: step }, 900usize.div_ceil(tenths)),
            ] {
                let found = volumes(&values, discretisation);
                assert_eq!(found.len(), levels, "{discretisation:?}");
                for (level, found) in found.into_iter().enumerate() {
                    let of = |x: &usize| (10 * x / tenths).min(levels - 1);
                    let at_least = (0..=90).filter(|x| of(x) >= level).count();
                    assert_eq!(found, at_least as f64 / 91.0, "{discretisation:?}, {level}");
                }
            }
        }
    }

    /// Oracle: the definition. Bins of a number lie between the region's own intensities, which are one.
    #[test]
    fn a_flat_region_has_no_bins_of_a_number_whatever_the_range() {
        let intensities = Distribution::of_intensities(&region(&[3.0; 4])).expect("values");
        let bins = IvhDiscretisation::FixedBinNumber { bins: 100 };
        for range in [None, Some([-100.0, 100.0])] {
            let curve = Curve::of(&intensities, &bins, range).expect("no levels");
            assert_eq!(curve.area_under(), Ok(0.0), "{range:?}");
            assert_eq!(curve.volume_at(0.1), Err(Missing::FlatRegion), "{range:?}");
        }
    }

    /// Oracle: the definition. Of two voxels half is at the highest level: none has at most a tenth.
    #[test]
    fn without_a_level_of_so_little_volume_there_is_no_intensity() {
        let intensities = Distribution::of_intensities(&region(&[3.0, 10.0])).expect("values");
        let step = IvhDiscretisation::None { step: 1.0 };
        let curve = Curve::of(&intensities, &step, None).expect("few levels");
        assert_eq!(curve.intensity_at(0.1), Err(Missing::NoSuchLevel));
        assert_eq!(curve.intensity_at(0.9), Ok(4.0));
        assert_eq!(curve.intensity_difference(), Err(Missing::NoSuchLevel));
        let range = Some([0.0, 20.0]);
        let wider = Curve::of(&intensities, &step, range).expect("few levels");
        assert_eq!(wider.intensity_at(0.1), Ok(11.0));
    }

    /// Oracle: closed form. All voxels at the top of the range: the fraction is 1 throughout; all at
    /// the bottom: 1 at the first level only, half a trapezoid.
    #[test]
    fn a_flat_region_has_the_area_of_a_step_at_its_intensity() {
        let range = Some([0.0, 10.0]);
        let step = IvhDiscretisation::None { step: 1.0 };
        assert_eq!(area(&[10.0; 5], step, range), 1.0);
        approx::assert_relative_eq!(area(&[0.0; 5], step, range), 0.05, max_relative = 1e-12);
        assert_eq!(area(&[3.0; 5], step, None), 0.0);
    }
}
