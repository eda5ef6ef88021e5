//! A box of intensities on the way through a filter.

use ndarray::{Array3, ArrayView3};

/// Intensities of the voxels `min` to `max` (exclusive; x, y, z), x fastest. The box may reach
/// beyond the image.
#[derive(Clone, Debug)]
pub(crate) struct Tile {
    pub(crate) min: [isize; 3],
    pub(crate) max: [isize; 3],
    pub(crate) values: Vec<f32>,
}

impl Tile {
    pub(crate) fn zeros(min: [isize; 3], max: [isize; 3]) -> Self {
        let mut tile = Self { min, max, values: Vec::new() };
        tile.values = vec![0.0; tile.size().iter().product()];
        tile
    }

    /// Number of voxels along x, y, z.
    pub(crate) fn size(&self) -> [usize; 3] {
        std::array::from_fn(|a| (self.max[a] - self.min[a]).max(0) as usize)
    }

    pub(crate) fn view(&self) -> ArrayView3<'_, f32> {
        let [nx, ny, nz] = self.size();
        ArrayView3::from_shape((nz, ny, nx), &self.values).expect("a tile's values fill its box")
    }

    pub(crate) fn into_array(self) -> Array3<f32> {
        let [nx, ny, nz] = self.size();
        Array3::from_shape_vec((nz, ny, nx), self.values).expect("a tile's values fill its box")
    }
}
