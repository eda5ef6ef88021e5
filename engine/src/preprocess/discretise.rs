//! Intensities to grey levels (IBSI manual, 2.7).

use multiversion::multiversion;
use ndarray::Array3;
use rayon::prelude::*;

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
    let binning = Binning::new(discretisation, f64::from(low), f64::from(high))?;

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
#[multiversion(targets("x86_64+avx2+bmi1+bmi2"))]
fn assign(levels: &mut [u16], values: &[f32], mask: &[bool], binning: &Binning) {
    for ((level, &value), &inside) in levels.iter_mut().zip(values).zip(mask) {
        let of_value = binning.level(f64::from(value));
        *level = if inside { of_value } else { 0 };
    }
}

struct Binning {
    origin: f64,
    width: f64,
    n_levels: usize,
}

impl Binning {
    fn new(discretisation: &Discretisation, low: f64, high: f64) -> Result<Self, Missing> {
        let (origin, width) = match *discretisation {
            Discretisation::None => (0.5, 1.0),
            Discretisation::FixedBinSize { width, first_edge } => {
                (first_edge.unwrap_or(low), width)
            }
            Discretisation::FixedBinNumber { bins } if high > low => {
                let n_levels = bins as usize;
                return Ok(Self { origin: low, width: (high - low) / f64::from(bins), n_levels });
            }
            Discretisation::FixedBinNumber { .. } => {
                return Ok(Self { origin: low, width: 1.0, n_levels: 1 });
            }
        };
        let top = ((high - origin) / width).floor() + 1.0;
        if low < origin {
            return Err(Missing::LevelsBelowOne);
        }
        if top > MAX_LEVELS as f64 {
            return Err(Missing::TooManyLevels);
        }
        Ok(Self { origin, width, n_levels: top as usize })
    }

    #[inline]
    fn level(&self, value: f64) -> u16 {
        // Cut off, not floored: the same from the origin on, and what lies below it is in the first
        // level anyhow.
        let bin = ((value - self.origin) / self.width) as i32;
        (bin.clamp(0, self.n_levels as i32 - 1) + 1) as u16
    }
}
