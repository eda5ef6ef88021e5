//! An image: a grid and its intensities.

use ndarray::Array3;

use crate::geometry::{Geometry, IndexBox};

/// Intensities in the narrowest type that holds them exactly; x fastest, then y, then z.
#[derive(Clone, Debug, PartialEq)]
pub enum Voxels {
    /// Whole numbers, as almost every CT holds (HU).
    I16(Vec<i16>),
    /// Anything else.
    F32(Vec<f32>),
}

impl Voxels {
    /// Number of voxels.
    pub fn len(&self) -> usize {
        match self {
            Self::I16(v) => v.len(),
            Self::F32(v) => v.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A scalar image in canonical axis order (see [`crate::geometry`]). CT intensities are in HU.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume {
    geometry: Geometry,
    voxels: Voxels,
}

impl Volume {
    /// An image from its grid and `geometry.voxel_count()` finite intensities, x fastest.
    ///
    /// # Panics
    /// If the number of voxels does not fit the grid; readers check it and report the file.
    pub fn new(geometry: Geometry, voxels: Voxels) -> Self {
        assert_eq!(geometry.voxel_count(), voxels.len(), "voxels do not fit the grid");
        Self { geometry, voxels }
    }

    /// The grid.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The intensities, x fastest.
    pub fn voxels(&self) -> &Voxels {
        &self.voxels
    }

    /// Intensity of one voxel.
    pub fn get(&self, [x, y, z]: [usize; 3]) -> f32 {
        let [nx, ny, _] = self.geometry.size;
        let index = (z * ny + y) * nx + x;
        match &self.voxels {
            Voxels::I16(v) => f32::from(v[index]),
            Voxels::F32(v) => v[index],
        }
    }

    /// Intensities of a box of voxels, shape (z, y, x).
    pub fn crop(&self, bounds: &IndexBox) -> Array3<f32> {
        let [sx, sy, sz] = bounds.size();
        let mut out = Vec::with_capacity(sx * sy * sz);
        let [nx, ny, _] = self.geometry.size;
        for z in bounds.min[2]..bounds.max[2] {
            for y in bounds.min[1]..bounds.max[1] {
                let row = (z * ny + y) * nx;
                let span = row + bounds.min[0]..row + bounds.max[0];
                match &self.voxels {
                    Voxels::I16(v) => out.extend(v[span].iter().map(|&i| f32::from(i))),
                    Voxels::F32(v) => out.extend_from_slice(&v[span]),
                }
            }
        }
        Array3::from_shape_vec((sz, sy, sx), out).expect("rows of the box fill its shape")
    }
}
