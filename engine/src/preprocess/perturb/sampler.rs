//! The image's values at the voxels of a moved grid.

use ndarray::{Array3, Axis};

use crate::geometry::{Geometry, IndexBox};
use crate::preprocess::parameters::Interpolation;
use crate::preprocess::resample::Tap;

/// Where the working voxels lie in the image, in its voxels.
pub(super) struct Sampler {
    pub(super) size: [usize; 3],
    /// x and y of each column, x fastest.
    pub(super) plane: Vec<[f64; 2]>,
    pub(super) slices: Vec<f64>,
}

/// A sampler with the weights of an interpolation.
pub(super) struct Lines {
    size: [usize; 3],
    width: usize,
    plane: Vec<[Tap; 2]>,
    slices: Vec<Tap>,
}

impl Sampler {
    pub(super) fn lines(&self, native: &Geometry, interpolation: Interpolation) -> Lines {
        // On the border itself the outermost voxel has all the weight: beyond it no sum of two weights
        // is rounded.
        let tap = |axis: usize, position: f64| {
            let n = native.size[axis];
            Tap::at(position.clamp(0.0, (n - 1) as f64), n, interpolation)
        };
        Lines {
            size: self.size,
            width: Tap::width(interpolation),
            plane: self.plane.iter().map(|&[x, y]| [tap(0, x), tap(1, y)]).collect(),
            slices: self.slices.iter().map(|&z| tap(2, z)).collect(),
        }
    }

    /// Working voxels whose centre lies in the image.
    pub(super) fn within(&self, native: &Geometry) -> Array3<bool> {
        let inside = |axis: usize, at: f64| at >= -0.5 && at <= native.size[axis] as f64 - 0.5;
        let plane: Vec<bool> =
            self.plane.iter().map(|&[x, y]| inside(0, x) && inside(1, y)).collect();
        let [nx, ny, nz] = self.size;
        Array3::from_shape_fn((nz, ny, nx), |(z, y, x)| {
            plane[y * nx + x] && inside(2, self.slices[z])
        })
    }
}

impl Lines {
    /// Values of `source` (a box of the image) at every working voxel, shape (z, y, x).
    pub(super) fn sample(&self, source: &Array3<f64>, bounds: &IndexBox) -> Array3<f64> {
        let [nx, ny, nz] = self.size;
        let (sz, sy, sx) = source.dim();
        let values = source.as_slice().expect("standard layout");
        // Taps outside the box belong to voxels far from the lesion: the box's edge stands for them.
        let local = |axis: usize, i: usize, n: usize| i.saturating_sub(bounds.min[axis]).min(n - 1);
        // In the plane first: working slices share the image's slices.
        let used: Vec<usize> = {
            let of = |tap: &Tap| tap.index[..self.width].iter().map(|&i| local(2, i, sz)).collect();
            let mut all: Vec<usize> =
                self.slices.iter().flat_map(|t| -> Vec<usize> { of(t) }).collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        let columns: Vec<([usize; 16], [f64; 16])> = self
            .plane
            .iter()
            .map(|[tx, ty]| {
                let (mut index, mut weight) = ([0; 16], [0.0; 16]);
                for j in 0..self.width {
                    for i in 0..self.width {
                        index[j * self.width + i] =
                            local(1, ty.index[j], sy) * sx + local(0, tx.index[i], sx);
                        weight[j * self.width + i] = ty.weight[j] * tx.weight[i];
                    }
                }
                (index, weight)
            })
            .collect();
        let taps = self.width * self.width;
        let mut planes = Array3::<f64>::zeros((used.len(), ny, nx));
        for (&z, mut plane) in used.iter().zip(planes.outer_iter_mut()) {
            let slice = &values[z * sy * sx..(z + 1) * sy * sx];
            for (out, (index, weight)) in plane.iter_mut().zip(&columns) {
                *out = index[..taps].iter().zip(weight).map(|(&i, w)| w * slice[i]).sum();
            }
        }
        let mut out = Array3::zeros((nz, ny, nx));
        for (tap, mut slice) in self.slices.iter().zip(out.outer_iter_mut()) {
            for t in 0..self.width {
                if tap.weight[t] != 0.0 {
                    let at = used.binary_search(&local(2, tap.index[t], sz)).expect("collected");
                    slice.scaled_add(tap.weight[t], &planes.index_axis(Axis(0), at));
                }
            }
        }
        out
    }
}
