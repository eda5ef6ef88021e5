//! A region ready for features: intensities, its two masks, and its grey levels.

use ndarray::Array3;

use crate::features::value::Missing;
use crate::geometry::Geometry;

/// A lesion or its ring on the working grid (after resampling, rounding and re-segmentation), cut
/// to a box around it. All arrays have the shape (z, y, x) of `geometry`.
///
/// The box reaches beyond the region where the image does, far enough for the local intensity
/// features' sphere of 1 cm³ when these are asked for.
#[derive(Clone, Debug)]
pub struct Roi {
    /// The box's own grid.
    pub geometry: Geometry,
    /// Intensities (HU for an unfiltered CT, filter units for a response map).
    pub intensities: Array3<f32>,
    /// The mask after resampling: what morphology describes.
    pub morphological: Array3<bool>,
    /// The morphological mask less the voxels that re-segmentation took out.
    pub intensity: Array3<bool>,
}

impl Roi {
    /// Intensities of the intensity mask's voxels, x fastest.
    pub fn values(&self) -> Vec<f32> {
        self.intensities
            .iter()
            .zip(&self.intensity)
            .filter_map(|(&value, &inside)| inside.then_some(value))
            .collect()
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
