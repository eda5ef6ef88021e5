//! The image's values at the voxels of a moved grid.

use ndarray::{Array3, Axis};

use crate::geometry::{Geometry, IndexBox};
use crate::preprocess::parameters::Interpolation;
use crate::preprocess::resample::Tap;

/// Where the working voxels lie in the image, in its voxels.
struct Sampler {
    size: [usize; 3],
    /// x and y of each column, x fastest.
    plane: Vec<[f64; 2]>,
    slices: Vec<f64>,
}

/// Up to four source indices along one axis and their weights.
#[derive(Clone, Copy)]
struct Tap {
    index: [usize; 4],
    weight: [f64; 4],
}

/// A sampler with the weights of an interpolation.
struct Lines {
    size: [usize; 3],
    width: usize,
    plane: Vec<[Tap; 2]>,
    slices: Vec<Tap>,
}

impl Sampler {
    fn lines(&self, native: &Geometry, interpolation: Interpolation) -> Lines {
        let tap = |axis: usize, position: f64| tap(position, native.size[axis], interpolation);
        Lines {
            size: self.size,
            width: match interpolation {
                Interpolation::Nearest => 1,
                Interpolation::Trilinear => 2,
                Interpolation::TricubicSpline => 4,
            },
            plane: self.plane.iter().map(|&[x, y]| [tap(0, x), tap(1, y)]).collect(),
            slices: self.slices.iter().map(|&z| tap(2, z)).collect(),
        }
    }

    /// Working voxels whose centre lies in the image.
    fn within(&self, native: &Geometry) -> Array3<bool> {
        let inside = |axis: usize, at: f64| at >= -0.5 && at <= native.size[axis] as f64 - 0.5;
        let plane: Vec<bool> =
            self.plane.iter().map(|&[x, y]| inside(0, x) && inside(1, y)).collect();
        let [nx, ny, nz] = self.size;
        Array3::from_shape_fn((nz, ny, nx), |(z, y, x)| {
            plane[y * nx + x] && inside(2, self.slices[z])
        })
    }
}

/// The image is continued beyond its border by its outermost voxels.
fn tap(position: f64, n: usize, interpolation: Interpolation) -> Tap {
    let inside = position.clamp(0.0, (n - 1) as f64);
    let base = inside.floor().min((n as f64 - 2.0).max(0.0));
    let f = inside - base;
    let base = base as usize;
    match interpolation {
        Interpolation::Nearest => {
            Tap { index: [(inside + 0.5).floor() as usize, 0, 0, 0], weight: [1.0, 0.0, 0.0, 0.0] }
        }
        Interpolation::Trilinear => {
            Tap { index: [base, (base + 1).min(n - 1), 0, 0], weight: [1.0 - f, f, 0.0, 0.0] }
        }
        Interpolation::TricubicSpline => {
            let at = |offset: isize| mirror(base as isize + offset, n as isize);
            Tap { index: [at(-1), at(0), at(1), at(2)], weight: cubic_weights(f) }
        }
    }
}

impl Lines {
    /// Values of `source` (a box of the image) at every working voxel, shape (z, y, x).
    fn sample(&self, source: &Array3<f64>, bounds: &IndexBox) -> Array3<f64> {
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
