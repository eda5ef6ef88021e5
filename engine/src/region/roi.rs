//! A region ready for features: intensities and its two masks.

use std::sync::Arc;

use multiversion::multiversion;
use ndarray::Array3;
use rayon::prelude::*;

use crate::geometry::Geometry;
use crate::mask::count;
use crate::rows::{SLICES, rows_of_slice};

/// A lesion or its ring on the working grid (after resampling, rounding and re-segmentation), cut
/// to a box around it. All arrays have the shape (z, y, x) of `geometry`, x innermost in memory.
///
/// The box reaches beyond the region where the image does, far enough for the local intensity
/// features' sphere of 1 cm³ when these are asked for. An image and its response maps share their
/// masks.
#[derive(Clone, Debug)]
pub struct Roi {
    /// The box's own grid.
    pub geometry: Geometry,
    /// Intensities (HU for an unfiltered CT, filter units for a response map).
    pub intensities: Arc<Array3<f32>>,
    /// The mask after resampling: what morphology describes.
    pub morphological: Arc<Array3<bool>>,
    /// The morphological mask less the voxels that re-segmentation took out.
    pub intensity: Arc<Array3<bool>>,
}

impl Roi {
    /// Intensities of the intensity mask's voxels, x fastest.
    pub fn values(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.intensity_count() + 1];
        let mut n = 0;
        let slices = 0..self.intensity.dim().0;
        let rows = slices.flat_map(|z| rows_of_slice(&self.intensities, &self.intensity, z));
        for (row, mask) in rows {
            // Every voxel is written where the next one of the mask goes: without a branch, which in
            // the ragged rows of a ring is mispredicted at every other voxel.
            for (&value, &inside) in row.iter().zip(mask) {
                values[n] = value;
                n += usize::from(inside);
            }
        }
        values.truncate(n);
        values
    }

    /// Lowest and highest intensity of a mask of this region's shape; `None` for no voxel.
    pub fn range_within(&self, mask: &Array3<bool>) -> Option<[f32; 2]> {
        let all = (0..mask.dim().0)
            .into_par_iter()
            .with_min_len(SLICES)
            .fold(Extremes::none, |mut extremes, z| {
                for (values, mask) in rows_of_slice(&self.intensities, mask, z) {
                    include(&mut extremes, values, mask);
                }
                extremes
            })
            .reduce(Extremes::none, Extremes::join);
        all.range()
    }

    /// Number of voxels of the morphological mask.
    pub fn morphological_count(&self) -> usize {
        count(&self.morphological)
    }

    /// Number of voxels of the intensity mask.
    pub fn intensity_count(&self) -> usize {
        count(&self.intensity)
    }
}

/// Lowest and highest intensities: as many running extremes as a vector register holds.
struct Extremes {
    low: [f32; LANES],
    high: [f32; LANES],
}

const LANES: usize = 8;

impl Extremes {
    fn none() -> Self {
        Self { low: [f32::INFINITY; LANES], high: [f32::NEG_INFINITY; LANES] }
    }

    #[inline]
    fn take(&mut self, lane: usize, value: f32, inside: bool) {
        let (a, b) = if inside { (value, value) } else { (f32::INFINITY, f32::NEG_INFINITY) };
        self.low[lane] = if a < self.low[lane] { a } else { self.low[lane] };
        self.high[lane] = if b > self.high[lane] { b } else { self.high[lane] };
    }

    fn join(self, other: Self) -> Self {
        Self {
            low: std::array::from_fn(|lane| self.low[lane].min(other.low[lane])),
            high: std::array::from_fn(|lane| self.high[lane].max(other.high[lane])),
        }
    }

    fn range(self) -> Option<[f32; 2]> {
        let low = self.low.into_iter().fold(f32::INFINITY, f32::min);
        let high = self.high.into_iter().fold(f32::NEG_INFINITY, f32::max);
        (low <= high).then_some([low, high])
    }
}

/// Takes account of a row's voxels within a mask.
#[multiversion(targets("x86_64+avx2+bmi1+bmi2"))]
fn include(extremes: &mut Extremes, values: &[f32], mask: &[bool]) {
    let (blocks, masks) = (values.chunks_exact(LANES), mask.chunks_exact(LANES));
    let rest = blocks.remainder().iter().zip(masks.remainder());
    for (lane, (&value, &inside)) in rest.enumerate() {
        extremes.take(lane, value, inside);
    }
    for (values, mask) in blocks.zip(masks) {
        for lane in 0..LANES {
            extremes.take(lane, values[lane], mask[lane]);
        }
    }
}
