//! Which voxels belong to a lesion.

use multiversion::multiversion;
use ndarray::Array3;

use crate::geometry::{Geometry, IndexBox};

/// A set of voxels of a grid, stored as a box just around it.
#[derive(Clone, Debug, PartialEq)]
pub struct Mask {
    grid: Geometry,
    bounds: IndexBox,
    inside: Array3<bool>,
}

impl Mask {
    /// A mask from the voxels of a box of `grid`, shape (z, y, x); the box is shrunk to the voxels
    /// that are set. `None` if no voxel is set.
    ///
    /// # Panics
    /// If the array's shape is not the box's, or the box leaves the grid.
    pub fn new(grid: Geometry, bounds: IndexBox, inside: Array3<bool>) -> Option<Self> {
        let [sx, sy, sz] = bounds.size();
        assert_eq!(inside.dim(), (sz, sy, sx), "voxels do not fit the box");
        assert!((0..3).all(|a| bounds.max[a] <= grid.size[a]), "box leaves the grid");
        let mut min = [usize::MAX; 3];
        let mut max = [0; 3];
        for (y, row) in inside.rows().into_iter().enumerate() {
            let Some(first) = row.iter().position(|&v| v) else { continue };
            let last = row.iter().rposition(|&v| v).expect("the row has a set voxel");
            let at = [y % sy, y / sy];
            min = [min[0].min(first), min[1].min(at[0]), min[2].min(at[1])];
            max = [max[0].max(last + 1), max[1].max(at[0] + 1), max[2].max(at[1] + 1)];
        }
        if min[0] == usize::MAX {
            return None;
        }
        let tight = inside
            .slice(ndarray::s![min[2]..max[2], min[1]..max[1], min[0]..max[0]])
            .as_standard_layout()
            .into_owned();
        let bounds = IndexBox {
            min: std::array::from_fn(|a| bounds.min[a] + min[a]),
            max: std::array::from_fn(|a| bounds.min[a] + max[a]),
        };
        Some(Self { grid, bounds, inside: tight })
    }

    /// The grid on which the mask lives.
    pub fn grid(&self) -> &Geometry {
        &self.grid
    }

    /// The smallest box around the set voxels.
    pub fn bounds(&self) -> &IndexBox {
        &self.bounds
    }

    /// The voxels of the box, shape (z, y, x).
    pub fn inside(&self) -> &Array3<bool> {
        &self.inside
    }

    /// Whether a voxel of the grid belongs to the mask.
    pub fn contains(&self, voxel: [usize; 3]) -> bool {
        self.bounds.contains(voxel) && {
            let [x, y, z]: [usize; 3] = std::array::from_fn(|a| voxel[a] - self.bounds.min[a]);
            self.inside[[z, y, x]]
        }
    }

    /// Number of voxels set.
    pub fn voxel_count(&self) -> usize {
        count(&self.inside)
    }

    /// Volume of the set voxels in mL.
    pub fn volume_ml(&self) -> f64 {
        self.voxel_count() as f64 * self.grid.voxel_volume() / 1000.0
    }

    /// Whether a set voxel lies on the border of the grid, where a lesion may be cut off.
    pub fn touches_border(&self) -> bool {
        (0..3).any(|a| self.bounds.min[a] == 0 || self.bounds.max[a] == self.grid.size[a])
    }

    /// World position (LPS mm) of the mean of the set voxels.
    pub fn centroid(&self) -> [f64; 3] {
        let mut sum = [0.0; 3];
        let mut count = 0.0;
        for ((z, y, x), &set) in self.inside.indexed_iter() {
            if set {
                for (total, index) in sum.iter_mut().zip([x, y, z]) {
                    *total += index as f64;
                }
                count += 1.0;
            }
        }
        self.grid
            .voxel_to_world(std::array::from_fn(|a| sum[a] / count + self.bounds.min[a] as f64))
    }
}

/// Number of voxels set.
#[multiversion(targets("x86_64+avx2+bmi1+bmi2"))]
pub(crate) fn count(mask: &Array3<bool>) -> usize {
    // As many voxels as 8 bits can count, so that a vector register counts many at once.
    const BLOCK: usize = u8::MAX as usize;
    let voxels = mask.as_slice().expect("standard layout");
    let mut total = 0;
    for block in voxels.chunks(BLOCK) {
        let mut of_block = 0u8;
        for &inside in block {
            of_block += u8::from(inside);
        }
        total += usize::from(of_block);
    }
    total
}
