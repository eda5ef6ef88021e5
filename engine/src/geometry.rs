//! Where voxels lie in the patient.
//!
//! World coordinates are DICOM patient coordinates in mm: x to the patient's left, y to posterior, z
//! to superior (LPS). Voxel coordinates count voxel centres from 0 along the x, y and z axes of the
//! grid; a voxel reaches half a voxel to each side of its centre.
//!
//! Readers bring every volume into *canonical order* ([`CanonicalOrder`]): the stored axes are
//! permuted and flipped so that grid axis x lies closest to world x and grows with it, and so on.
//! The same lesion stored in any of the 48 axis orders is then the same array, and gives the same
//! bytes of output; slices (fixed z) are the ones closest to axial.

use serde::Serialize;

/// A point or vector in three dimensions, x y z.
pub type Vec3 = [f64; 3];

/// A regular grid of voxels: size, spacing, position and orientation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Geometry {
    /// Number of voxels along x, y, z.
    pub size: [usize; 3],
    /// Distance of neighbouring voxel centres along x, y, z, in mm.
    pub spacing: Vec3,
    /// World position of the centre of voxel (0, 0, 0), LPS mm.
    pub origin: Vec3,
    /// Unit vectors of the grid axes x, y, z in LPS: `direction[axis]` is one axis.
    pub direction: [Vec3; 3],
}

impl Geometry {
    /// An axis-aligned grid with its first voxel's centre at the world origin.
    pub fn axis_aligned(size: [usize; 3], spacing: Vec3) -> Self {
        Self {
            size,
            spacing,
            origin: [0.0; 3],
            direction: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        }
    }

    /// Number of voxels of the grid.
    pub fn voxel_count(&self) -> usize {
        self.size.iter().product()
    }

    /// Volume of one voxel in mm³.
    pub fn voxel_volume(&self) -> f64 {
        self.spacing.iter().product()
    }

    /// World position (LPS mm) of a voxel coordinate.
    pub fn voxel_to_world(&self, voxel: Vec3) -> Vec3 {
        let mut world = self.origin;
        for axis in 0..3 {
            for (component, unit) in world.iter_mut().zip(self.direction[axis]) {
                *component += unit * self.spacing[axis] * voxel[axis];
            }
        }
        world
    }

    /// Voxel coordinate of a world position (LPS mm).
    ///
    /// Exact for orthogonal axes, which readers guarantee.
    pub fn world_to_voxel(&self, world: Vec3) -> Vec3 {
        let offset: Vec3 = std::array::from_fn(|i| world[i] - self.origin[i]);
        std::array::from_fn(|axis| dot(offset, self.direction[axis]) / self.spacing[axis])
    }

    /// The part of this grid that `bounds` covers, as a grid of its own.
    pub fn cropped(&self, bounds: &IndexBox) -> Self {
        Self {
            size: bounds.size(),
            spacing: self.spacing,
            origin: self.voxel_to_world(bounds.min.map(|i| i as f64)),
            direction: self.direction,
        }
    }

    /// Says how `other` differs from this grid, or `None` where both are the same to within
    /// `tolerance` voxels at every corner.
    pub fn difference(&self, other: &Geometry, tolerance: f64) -> Option<GeometryDifference> {
        let corner = self.size.map(|n| n.saturating_sub(1) as f64);
        let mut worst_voxels = 0.0f64;
        let mut worst_mm = 0.0f64;
        for bits in 0..8 {
            let at: Vec3 =
                std::array::from_fn(|a| if bits >> a & 1 == 1 { corner[a] } else { 0.0 });
            let mine = self.voxel_to_world(at);
            let theirs = other.voxel_to_world(at);
            let as_voxel = self.world_to_voxel(theirs);
            for axis in 0..3 {
                worst_voxels = worst_voxels.max((as_voxel[axis] - at[axis]).abs());
            }
            worst_mm = worst_mm.max(norm(std::array::from_fn(|i| theirs[i] - mine[i])));
        }
        let same = self.size == other.size && worst_voxels <= tolerance;
        (!same).then(|| GeometryDifference {
            size: (self.size, other.size),
            spacing: (self.spacing, other.spacing),
            origin: (self.origin, other.origin),
            angles_degrees: std::array::from_fn(|a| {
                dot(self.direction[a], other.direction[a]).clamp(-1.0, 1.0).acos().to_degrees()
            }),
            shift_mm: worst_mm,
            shift_voxels: worst_voxels,
        })
    }
}

/// How two grids differ, in mm and in voxels of the first.
#[derive(Clone, Debug, Serialize)]
pub struct GeometryDifference {
    /// Sizes of the first and the second grid.
    pub size: ([usize; 3], [usize; 3]),
    /// Spacings in mm.
    pub spacing: (Vec3, Vec3),
    /// Origins, LPS mm.
    pub origin: (Vec3, Vec3),
    /// Angle between the axes x, y, z of both grids, in degrees.
    pub angles_degrees: Vec3,
    /// Largest distance of corresponding corners of the first grid, mm.
    pub shift_mm: f64,
    /// The same, in voxels of the first grid along its worst axis.
    pub shift_voxels: f64,
}

impl std::fmt::Display for GeometryDifference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts = Vec::new();
        if self.size.0 != self.size.1 {
            let ([a, b, c], [d, e, g]) = self.size;
            parts.push(format!("size {a} x {b} x {c} against {d} x {e} x {g} voxels"));
        }
        let differs = |a: Vec3, b: Vec3| (0..3).any(|i| (a[i] - b[i]).abs() > 1e-4);
        let show = |v: Vec3| format!("({:.4}, {:.4}, {:.4})", v[0], v[1], v[2]);
        if differs(self.spacing.0, self.spacing.1) {
            parts.push(format!(
                "spacing {} against {} mm",
                show(self.spacing.0),
                show(self.spacing.1)
            ));
        }
        if differs(self.origin.0, self.origin.1) {
            parts.push(format!(
                "first voxel at {} against {} mm (LPS)",
                show(self.origin.0),
                show(self.origin.1)
            ));
        }
        if self.angles_degrees.iter().any(|&a| a > 0.01) {
            parts.push(format!("axes turned by {} degrees", show(self.angles_degrees)));
        }
        parts.push(format!(
            "corners up to {:.3} mm = {:.3} voxels apart",
            self.shift_mm, self.shift_voxels
        ));
        f.write_str(&parts.join("; "))
    }
}

/// A box of voxel indices: `min` inclusive, `max` exclusive, x y z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct IndexBox {
    /// First index along each axis.
    pub min: [usize; 3],
    /// One past the last index along each axis.
    pub max: [usize; 3],
}

impl IndexBox {
    /// The whole of a grid of `size`.
    pub fn whole(size: [usize; 3]) -> Self {
        Self { min: [0; 3], max: size }
    }

    /// Number of voxels along x, y, z.
    pub fn size(&self) -> [usize; 3] {
        std::array::from_fn(|a| self.max[a].saturating_sub(self.min[a]))
    }

    /// Number of voxels in the box.
    pub fn voxel_count(&self) -> usize {
        self.size().iter().product()
    }

    /// The box grown by `margin` voxels along each axis, cut to a grid of `size`.
    pub fn grown(&self, margin: [usize; 3], size: [usize; 3]) -> Self {
        Self {
            min: std::array::from_fn(|a| self.min[a].saturating_sub(margin[a])),
            max: std::array::from_fn(|a| (self.max[a] + margin[a]).min(size[a])),
        }
    }

    /// The smallest box around both.
    pub fn union(&self, other: &Self) -> Self {
        Self {
            min: std::array::from_fn(|a| self.min[a].min(other.min[a])),
            max: std::array::from_fn(|a| self.max[a].max(other.max[a])),
        }
    }

    /// The box common to both, if any.
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let both = Self {
            min: std::array::from_fn(|a| self.min[a].max(other.min[a])),
            max: std::array::from_fn(|a| self.max[a].min(other.max[a])),
        };
        (0..3).all(|a| both.min[a] < both.max[a]).then_some(both)
    }

    /// Whether a voxel lies in the box.
    pub fn contains(&self, voxel: [usize; 3]) -> bool {
        (0..3).all(|a| (self.min[a]..self.max[a]).contains(&voxel[a]))
    }
}

/// How stored axes become canonical axes: grid axis `a` is stored axis `source[a]`, reversed where
/// `flip[a]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanonicalOrder {
    /// Stored axis of each canonical axis.
    pub source: [usize; 3],
    /// Whether the stored axis runs against the canonical one.
    pub flip: [bool; 3],
}

impl CanonicalOrder {
    /// The order that brings stored axes with these directions closest to LPS.
    ///
    /// Among the six assignments of axes the one with the largest sum of absolute cosines wins, so
    /// that an oblique volume near 45 degrees still gets each axis once.
    pub fn of(direction: &[Vec3; 3]) -> Self {
        const ASSIGNMENTS: [[usize; 3]; 6] =
            [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        let alignment = |p: &[usize; 3]| (0..3).map(|a| direction[p[a]][a].abs()).sum::<f64>();
        let mut source = ASSIGNMENTS[0];
        for candidate in &ASSIGNMENTS[1..] {
            // A hair's breadth must not decide: rounding differs between the stored orders.
            if alignment(candidate) > alignment(&source) + 1e-9 {
                source = *candidate;
            }
        }
        Self { source, flip: std::array::from_fn(|a| direction[source[a]][a] < 0.0) }
    }

    /// Whether stored order is canonical already.
    pub fn is_identity(&self) -> bool {
        self.source == [0, 1, 2] && self.flip == [false; 3]
    }

    /// The grid in canonical order of a grid in stored order.
    pub fn geometry(&self, stored: &Geometry) -> Geometry {
        let mut first = [0.0; 3];
        for a in 0..3 {
            if self.flip[a] {
                first[self.source[a]] = stored.size[self.source[a]].saturating_sub(1) as f64;
            }
        }
        Geometry {
            size: self.source.map(|s| stored.size[s]),
            spacing: self.source.map(|s| stored.spacing[s]),
            origin: stored.voxel_to_world(first),
            direction: std::array::from_fn(|a| {
                stored.direction[self.source[a]].map(|c| if self.flip[a] { -c } else { c })
            }),
        }
    }

    /// Offset and strides, in stored elements (stored x fastest), that walk a stored array of
    /// `stored_size` in canonical x, y, z.
    pub fn strides(&self, stored_size: [usize; 3]) -> (usize, [isize; 3]) {
        let stored = [1, stored_size[0], stored_size[0] * stored_size[1]];
        let mut start = 0;
        let strides = std::array::from_fn(|a| {
            let step = stored[self.source[a]];
            if self.flip[a] {
                start += step * stored_size[self.source[a]].saturating_sub(1);
                -(step as isize)
            } else {
                step as isize
            }
        });
        (start, strides)
    }
}

/// Scalar product.
pub fn dot(a: Vec3, b: Vec3) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// Vector product.
pub fn cross(a: Vec3, b: Vec3) -> Vec3 {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// Euclidean length.
pub fn norm(a: Vec3) -> f64 {
    dot(a, a).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oblique() -> Geometry {
        let (s, c) = (0.3f64.sin(), 0.3f64.cos());
        Geometry {
            size: [7, 5, 3],
            spacing: [0.7, 1.1, 2.5],
            origin: [-12.0, 30.0, 5.0],
            direction: [[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]],
        }
    }

    #[test]
    fn world_and_voxel_coordinates_invert_each_other_on_an_oblique_grid() {
        let grid = oblique();
        let voxel = grid.world_to_voxel(grid.voxel_to_world([2.5, 1.0, 0.25]));
        for (got, expected) in voxel.iter().zip([2.5, 1.0, 0.25]) {
            assert!((got - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn every_axis_order_of_a_grid_has_the_same_canonical_grid() {
        let canonical = oblique();
        for source in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            for bits in 0..8 {
                let scramble =
                    CanonicalOrder { source, flip: std::array::from_fn(|a| bits >> a & 1 == 1) };
                let stored = scramble.geometry(&canonical);
                let back = CanonicalOrder::of(&stored.direction).geometry(&stored);
                assert_eq!(back.size, canonical.size);
                assert!(canonical.difference(&back, 1e-9).is_none());
            }
        }
    }

    #[test]
    fn a_difference_is_told_in_mm_and_voxels() {
        let grid = oblique();
        let mut moved = grid.clone();
        moved.origin[2] += 1.25;
        let text = grid.difference(&moved, 0.01).expect("moved by half a slice").to_string();
        assert!(text.contains("1.250 mm = 0.500 voxels"), "{text}");
    }
}
