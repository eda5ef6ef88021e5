//! A region ready for features: intensities, its two masks, and its grey levels.

use std::sync::Arc;

use ndarray::{Array3, ArrayView1};

use crate::features::value::Missing;
use crate::geometry::Geometry;

/// A lesion or its ring on the working grid (after resampling, rounding and re-segmentation), cut
/// to a box around it. All arrays have the shape (z, y, x) of `geometry`.
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
        // Every voxel is written where the next one of the mask goes: without a branch, which in
        // the ragged rows of a ring is mispredicted at every other voxel.
        for (&value, &inside) in self.intensities.iter().zip(self.intensity.iter()) {
            values[n] = value;
            n += usize::from(inside);
        }
        values.truncate(n);
        values
    }

    /// Lowest and highest intensity of a mask of this region's shape; `None` for no voxel.
    pub fn range_within(&self, mask: &Array3<bool>) -> Option<[f32; 2]> {
        // As many running extremes as a vector register holds.
        const LANES: usize = 8;
        let mut low = [f32::INFINITY; LANES];
        let mut high = [f32::NEG_INFINITY; LANES];
        let mut take = |lane: usize, value: f32, inside: bool| {
            let (a, b) = if inside { (value, value) } else { (f32::INFINITY, f32::NEG_INFINITY) };
            low[lane] = if a < low[lane] { a } else { low[lane] };
            high[lane] = if b > high[lane] { b } else { high[lane] };
        };
        for (values, mask) in self.intensities.rows().into_iter().zip(mask.rows()) {
            let (values, mask) = (row(&values), row(&mask));
            let (blocks, masks) = (values.chunks_exact(LANES), mask.chunks_exact(LANES));
            for (lane, (&value, &inside)) in
                blocks.remainder().iter().zip(masks.remainder()).enumerate()
            {
                take(lane, value, inside);
            }
            for (values, mask) in blocks.zip(masks) {
                for lane in 0..LANES {
                    take(lane, values[lane], mask[lane]);
                }
            }
        }
        let low = low.into_iter().fold(f32::INFINITY, f32::min);
        let high = high.into_iter().fold(f32::NEG_INFINITY, f32::max);
        (low <= high).then_some([low, high])
    }

    /// Number of voxels of the morphological mask.
    pub fn morphological_count(&self) -> usize {
        self.morphological.iter().filter(|&&v| v).count()
    }

    /// Number of voxels of the intensity mask.
    pub fn intensity_count(&self) -> usize {
        self.intensity.iter().filter(|&&v| v).count()
    }
}

/// A row along x as a slice.
pub(crate) fn row<'a, T>(row: &ArrayView1<'a, T>) -> &'a [T] {
    row.to_slice().expect("x is the innermost axis")
}

/// The grey levels of a region, for the intensity histogram and all texture matrices.
///
/// The arrays hold the smallest box around the morphological mask with a border of `pad` voxels on
/// every side, so that a neighbour within `pad` of a region's voxel never leaves the array.
#[derive(Clone, Debug)]
pub struct Levels {
    /// Grey level of each voxel, from 1; 0 outside the intensity mask. Shape (z, y, x).
    pub levels: Array3<u16>,
    /// The morphological mask on the same box (grey level distance zones are measured to its edge).
    pub morphological: Array3<bool>,
    /// N_g: levels run from 1 to this number, whether or not each occurs.
    pub n_levels: usize,
    /// Border width in voxels.
    pub pad: usize,
    /// Voxel spacing x, y, z in mm.
    pub spacing: [f64; 3],
    /// Number of voxels with a level.
    pub voxel_count: usize,
}

/// Grey levels, or why the region has none.
pub type LevelsOrMissing = Result<Levels, Missing>;
