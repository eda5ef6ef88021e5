//! Intensities to grey levels (IBSI manual, 2.7).

use std::sync::OnceLock;

use multiversion::multiversion;
use ndarray::Array3;
use rayon::prelude::*;

use super::bins::{Bins, Number};
use crate::preprocess::parameters::Discretisation;
use crate::region::{Levels, LevelsOrMissing, Roi};
use crate::rows::{extent, row, tight_box};
use crate::value::Missing;

/// The most grey levels there may be.
pub const MAX_LEVELS: usize = 65_535;

/// Grey levels of a region, with a border of `pad` voxels.
///
/// Fixed bin number: the region's maximum belongs to the last bin; a flat region has one level.
/// Fixed bin size: N_g is the highest level that occurs.
///
/// # Errors
/// The region has no voxel, or its levels do not fit 1 to 65,535.
pub fn levels(roi: &Roi, discretisation: &Discretisation, pad: usize) -> LevelsOrMissing {
    let bounds = tight_box(&roi.morphological).ok_or(Missing::EmptyRegion)?;
    let [low, high] = roi.range_within(&roi.intensity).ok_or(Missing::EmptyRegion)?;
    let binning = Binning::new(discretisation, low, high)?;

    let [sx, sy, sz] = bounds.size();
    let shape = (sz + 2 * pad, sy + 2 * pad, sx + 2 * pad);
    let mut cube = Array3::<u16>::zeros(shape);
    let mut morphological = Array3::from_elem(shape, false);
    let span = |axis: usize| bounds.min[axis]..bounds.max[axis];
    let part = ndarray::s![span(2), span(1), span(0)];
    let within = ndarray::s![pad..pad + sz, pad..pad + sy, pad..pad + sx];
    morphological.slice_mut(within).assign(&roi.morphological.slice(part));
    let row_length = sx + 2 * pad;
    let planes = cube.as_slice_mut().expect("standard layout");
    planes.par_chunks_mut((sy + 2 * pad) * row_length).skip(pad).take(sz).enumerate().for_each(
        |(z, plane)| {
            let rows = plane.chunks_exact_mut(row_length).skip(pad).take(sy).enumerate();
            for (y, levels) in rows {
                let at = ndarray::s![z + bounds.min[2], y + bounds.min[1], span(0)];
                let (inside, values) = (roi.intensity.slice(at), roi.intensities.slice(at));
                let (inside, values) = (row(&inside), row(&values));
                let Some(extent) = extent(inside, |&inside| inside) else { continue };
                let levels = &mut levels[pad..][extent.clone()];
                assign(levels, &values[extent.clone()], &inside[extent], &binning);
            }
        },
    );
    Ok(Levels {
        levels: cube,
        morphological,
        n_levels: binning.n_levels,
        pad,
        spacing: roi.geometry.spacing,
        voxel_count: roi.intensity_count(),
    })
}

/// Levels of a row's voxels within a mask; 0 for the others.
fn assign(levels: &mut [u16], values: &[f32], mask: &[bool], binning: &Binning) {
    if !assign_fast(levels, values, mask, binning) {
        return;
    }
    for ((level, &value), &inside) in levels.iter_mut().zip(values).zip(mask) {
        if inside {
            *level = binning.level(value);
        }
    }
}

/// Levels by division. Says whether one of them may be that of the next bin.
#[multiversion(targets("x86_64+avx2+bmi1+bmi2"))]
fn assign_fast(levels: &mut [u16], values: &[f32], mask: &[bool], binning: &Binning) -> bool {
    let mut unsure = false;
    for ((level, &value), &inside) in levels.iter_mut().zip(values).zip(mask) {
        let quotient = binning.bins.quotient(f64::from(value));
        *level = if inside { binning.level_of(quotient) } else { 0 };
        let at_end = (value == binning.low) | (value == binning.high);
        unsure |= inside & !at_end & binning.bins.is_unsure(value, quotient);
    }
    unsure
}

struct Binning {
    bins: Bins,
    n_levels: usize,
    low: f32,
    high: f32,
    /// The lowest intensity of each level from the second, once one has been in doubt.
    lowest: OnceLock<Vec<f32>>,
}

impl Binning {
    fn new(discretisation: &Discretisation, low: f32, high: f32) -> Result<Self, Missing> {
        let [from, to] = [low, high].map(f64::from);
        let of = |bins: Bins, n_levels: usize| Self {
            bins,
            n_levels,
            low,
            high,
            lowest: OnceLock::new(),
        };
        let bins = match *discretisation {
            Discretisation::None => Bins::of_width(Number::held(0.5), 1.0),
            Discretisation::FixedBinSize { width, first_edge } => {
                let edge = first_edge.map_or_else(|| Number::held(from), Number::written);
                Bins::of_width(edge, width)
            }
            Discretisation::FixedBinNumber { bins } if high > low => {
                return Ok(of(Bins::of_number(bins, from, to), bins as usize));
            }
            Discretisation::FixedBinNumber { .. } => {
                return Ok(of(Bins::of_width(Number::held(from), 1.0), 1));
            }
        };
        if !bins.reaches(from, 0) {
            return Err(Missing::LevelsBelowOne);
        }
        let top = bins.bin(to) + 1.0;
        if top > MAX_LEVELS as f64 {
            return Err(Missing::TooManyLevels);
        }
        Ok(of(bins, top as usize))
    }

    #[inline]
    fn level_of(&self, quotient: f64) -> u16 {
        // Cut off, not floored: the same from the first edge on, and nothing of the region lies below.
        ((quotient as i32).clamp(0, self.n_levels as i32 - 1) + 1) as u16
    }

    /// The level of an intensity of the region, whatever its quotient's error.
    fn level(&self, value: f32) -> u16 {
        let quotient = self.bins.quotient(f64::from(value));
        if !self.bins.is_unsure(value, quotient) {
            return self.level_of(quotient);
        }
        let lowest = self
            .lowest
            .get_or_init(|| (1..self.n_levels as u32).map(|bin| self.bins.lowest(bin)).collect());
        let near = (quotient.round() as usize).min(self.n_levels - 1);
        let is_below = near > 0 && value < lowest[near - 1];
        (near + usize::from(!is_below)) as u16
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::geometry::Geometry;

    fn levels_of(values: &[f32], discretisation: Discretisation) -> Vec<u16> {
        let shape = (1, 1, values.len());
        let mask = Arc::new(Array3::from_elem(shape, true));
        let roi = Roi {
            geometry: Geometry::axis_aligned([values.len(), 1, 1], [1.0; 3]),
            intensities: Arc::new(
                Array3::from_shape_vec(shape, values.to_vec()).expect("one value per voxel"),
            ),
            morphological: mask.clone(),
            intensity: mask,
        };
        levels(&roi, &discretisation, 0).expect("levels").levels.into_raw_vec_and_offset().0
    }

    /// Oracle: `floor(N (x - min) / (max - min)) + 1` in whole numbers (IBSI manual, 2.7.1), on
    /// intensities that are whole and on quarters of them.
    #[test]
    fn an_intensity_on_an_edge_belongs_to_the_bin_above() {
        for bins in [20u32, 50, 100, 1000] {
            for range in (1..=2000u32).step_by(13).chain([14]) {
                let expected: Vec<u16> =
                    (0..=range).map(|x| ((bins * x / range).min(bins - 1) + 1) as u16).collect();
                for part in [1.0, 0.25] {
                    let values: Vec<f32> = (0..=range).map(|x| x as f32 * part).collect();
                    let found = levels_of(&values, Discretisation::FixedBinNumber { bins });
                    assert_eq!(found, expected, "{bins} bins over {range}, times {part}");
                }
            }
        }
    }

    /// Oracle: the definition in whole tenths.
    #[test]
    fn bins_of_a_fraction_begin_where_they_were_written() {
        let values: Vec<f32> = (1..=2000u16).map(f32::from).collect();
        for (tenths, start) in [(3, 1), (7, 0), (11, 2), (1, -3)] {
            let [width, edge] = [tenths, start].map(|n| f64::from(n) / 10.0);
            let found =
                levels_of(&values, Discretisation::FixedBinSize { width, first_edge: Some(edge) });
            let expected: Vec<u16> =
                (1..=2000).map(|x| ((10 * x - start) / tenths + 1) as u16).collect();
            assert_eq!(found, expected, "{width} from {edge}");
        }
    }
}
