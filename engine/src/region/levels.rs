//! The grey levels of a region.

use ndarray::Array3;

use crate::value::Missing;

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
