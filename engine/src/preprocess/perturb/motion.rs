//! Rotation in the slice plane and translation by a part of a voxel.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::sampler::Sampler;
use super::{CONTOUR_ROOM_MM, symmetric};
use crate::geometry::{Geometry, Vec3};

/// How the working grid of one copy lies over the image: turned about the lesion's centre in the
/// slice plane, and shifted by a part of a voxel.
pub(super) struct Motion {
    centre: Vec3,
    native_spacing: Vec3,
    spacing: Vec3,
    shift: Vec3,
    cosine: f64,
    sine: f64,
}

impl Motion {
    /// `spacing` is that of the working grid, mm, `centre` the lesion's, in voxels of the image. Where
    /// slices are kept apart, they stay where they are.
    pub(super) fn draw(
        centre: Vec3,
        native_spacing: Vec3,
        spacing: Vec3,
        keeps_slices: bool,
        rotation_degrees: f64,
        rng: &mut ChaCha8Rng,
    ) -> Self {
        let shift: Vec3 = std::array::from_fn(|_| rng.r#gen::<f64>());
        let angle = symmetric(rng, rotation_degrees).to_radians();
        let [x, y, z] = centre;
        Self {
            centre: if keeps_slices { [x, y, z.round()] } else { centre },
            native_spacing,
            spacing,
            shift: if keeps_slices { [shift[0], shift[1], 0.0] } else { shift },
            cosine: angle.cos(),
            sine: angle.sin(),
        }
    }

    /// Working coordinates, in voxels from the centre, of an image voxel.
    fn to_working(&self, voxel: Vec3) -> Vec3 {
        let mm: Vec3 =
            std::array::from_fn(|a| (voxel[a] - self.centre[a]) * self.native_spacing[a]);
        let turned = [
            self.cosine * mm[0] + self.sine * mm[1],
            -self.sine * mm[0] + self.cosine * mm[1],
            mm[2],
        ];
        std::array::from_fn(|a| turned[a] / self.spacing[a] - self.shift[a])
    }

    /// The working grid just large enough for voxels of the image and a margin in working voxels, and
    /// where it starts.
    pub(super) fn grid(&self, voxels: &[Vec3], margin: [usize; 3]) -> (Geometry, Box3) {
        let mut low = [f64::INFINITY; 3];
        let mut high = [f64::NEG_INFINITY; 3];
        for &voxel in voxels {
            let at = self.to_working(voxel);
            for a in 0..3 {
                low[a] = low[a].min(at[a]);
                high[a] = high[a].max(at[a]);
            }
        }
        let room: [i64; 3] = std::array::from_fn(|a| {
            margin[a] as i64 + (CONTOUR_ROOM_MM / self.spacing[a]).ceil() as i64 + 1
        });
        let min: [i64; 3] = std::array::from_fn(|a| low[a].floor() as i64 - room[a]);
        let max: [i64; 3] = std::array::from_fn(|a| high[a].ceil() as i64 + room[a] + 1);
        let size = std::array::from_fn(|a| (max[a] - min[a]) as usize);
        (Geometry::axis_aligned(size, self.spacing), Box3 { min, size })
    }

    pub(super) fn sampler(&self, bounds: &Box3) -> Sampler {
        let [nx, ny, nz] = bounds.size;
        let mm = |axis: usize, i: usize| {
            ((bounds.min[axis] + i as i64) as f64 + self.shift[axis]) * self.spacing[axis]
        };
        let mut plane = Vec::with_capacity(nx * ny);
        for y in 0..ny {
            for x in 0..nx {
                let (u, v) = (mm(0, x), mm(1, y));
                plane.push([
                    self.centre[0] + (self.cosine * u - self.sine * v) / self.native_spacing[0],
                    self.centre[1] + (self.sine * u + self.cosine * v) / self.native_spacing[1],
                ]);
            }
        }
        let slices = (0..nz).map(|z| self.centre[2] + mm(2, z) / self.native_spacing[2]).collect();
        Sampler { size: bounds.size, plane, slices }
    }
}

/// A box of working voxels around the centre.
pub(super) struct Box3 {
    min: [i64; 3],
    size: [usize; 3],
}
