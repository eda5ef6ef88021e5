//! Laplacian of Gaussian (IBSI 2, 3.2).
//!
//! The kernel is the sampled Laplacian of a Gaussian in voxel coordinates, cut to a cube of half
//! width `floor(cutoff · σ + 1/2)` voxels. The Laplacian is a sum of second derivatives, and each is a
//! product of kernels per axis: seven passes in 3D instead of one sum over the cube.
//!
//! The sum over the cut kernel is not 0 any more, so that a flat image of 1,000 HU would have a response.
//! By default the kernel's mean is subtracted, which is a running sum over the cube. The standard says
//! neither; on the CTs of its third phase most teams agree with the subtraction.

use serde::{Deserialize, Serialize};

use super::operator::{Grid, Local, Operator, Scene};
use super::parameter::{Absent, Accepted, CUTOFF, Parameter, SIGMA};
use super::problem::Problem;
use super::separable::{Kernel, add_convolved, bare, convolve};
use super::settings::Dimension;
use super::table::Kind;
use super::tile::Tile;

/// Laplacian of Gaussian.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Standard deviation of the Gaussian, mm.
    pub sigma_mm: f64,
    /// Half width of the kernel in standard deviations.
    #[serde(default = "four")]
    pub cutoff_sigma: f64,
    /// Whether the kernel's mean is subtracted after it was cut, so that a flat image has no response;
    /// it is where not given. A plan always says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zero_mean: Option<bool>,
}

fn four() -> f64 {
    4.0
}

pub(crate) const PARAMETERS: &[Parameter] = &[
    SIGMA,
    Parameter { absent: Absent::Default("4.0"), ..CUTOFF },
    Parameter {
        key: "zero_mean",
        unit: "",
        meaning: "whether the mean of the cut kernel is subtracted from it",
        absent: Absent::Means("true; in plans of schema 1 false"),
        accepted: Accepted::Checked("true or false"),
    },
];

impl Kind for Log {
    fn check(&self, _dimension: Dimension) -> Result<(), Problem> {
        SIGMA.check(self.sigma_mm)?;
        CUTOFF.check(self.cutoff_sigma)
    }

    fn operator(&self, grid: Grid) -> Result<Operator, Problem> {
        let sigma = grid.voxels(self.sigma_mm);
        let axes = &sigma[..grid.dimension.axes()];
        Ok(Operator::local(LogKernels::new(
            axes,
            self.cutoff_sigma,
            self.zero_mean.unwrap_or(true),
        )))
    }
}

/// Gaussians and their second derivatives per axis.
struct LogKernels {
    axes: Vec<AxisKernels>,
    /// What is subtracted from each value of the kernel.
    mean: Option<f64>,
}

struct AxisKernels {
    gaussian: Kernel,
    curvature: Kernel,
}

impl LogKernels {
    /// `sigma`: standard deviations in voxels along x, y and, in 3D, z. `cutoff` is in standard
    /// deviations.
    fn new(sigma: &[f64], cutoff: f64, zero_mean: bool) -> Self {
        let axes: Vec<AxisKernels> = sigma
            .iter()
            .map(|&s| {
                let half = half_width(s, cutoff) as isize;
                let gaussian = |x: f64| {
                    (-x * x / (2.0 * s * s)).exp() / ((2.0 * std::f64::consts::PI).sqrt() * s)
                };
                let sample = |f: &dyn Fn(f64) -> f64| {
                    Kernel::centred((-half..=half).map(|i| f(i as f64)).collect())
                };
                AxisKernels {
                    gaussian: sample(&gaussian),
                    curvature: sample(&|x| (x * x / (s * s) - 1.0) / (s * s) * gaussian(x)),
                }
            })
            .collect();
        let mean = zero_mean.then(|| mean(&axes));
        Self { axes, mean }
    }

    /// The response within `min..max` of a tile that holds its reach more.
    fn apply(&self, tile: &Tile, min: [isize; 3], max: [isize; 3]) -> Tile {
        let (x, y) = (&self.axes[0], &self.axes[1]);
        let along = |tile: &Tile, axis: usize, kernel: &Kernel| {
            convolve(tile, axis, kernel, min[axis], max[axis])
        };
        // f'' g g + g f'' g + g g f'', written so that passes are shared.
        let (smooth, curved) = match self.axes.get(2) {
            Some(z) => {
                let smooth_z = along(tile, 2, &z.gaussian);
                let curved_z = along(tile, 2, &z.curvature);
                let mut curved = along(&curved_z, 1, &y.gaussian);
                add_convolved(&mut curved, &smooth_z, 1, &y.curvature);
                (along(&smooth_z, 1, &y.gaussian), curved)
            }
            None => (along(tile, 1, &y.gaussian), along(tile, 1, &y.curvature)),
        };
        let mut response = bare(&smooth, 0, min[0], max[0]);
        add_convolved(&mut response, &curved, 0, &x.gaussian);
        add_convolved(&mut response, &smooth, 0, &x.curvature);
        if let Some(mean) = self.mean {
            let sums = box_sums(tile, self.reach(), min, max);
            for (value, sum) in response.values.iter_mut().zip(&sums.values) {
                *value = (f64::from(*value) - mean * f64::from(*sum)) as f32;
            }
        }
        response
    }
}

impl Local for LogKernels {
    fn reach(&self) -> [usize; 3] {
        std::array::from_fn(|a| self.axes.get(a).map_or(0, |k| k.gaussian.taps.len() / 2))
    }

    fn respond(&self, scene: &Scene<'_>, min: [isize; 3], max: [isize; 3]) -> Vec<Tile> {
        vec![self.apply(&scene.around(min, max, self.reach()), min, max)]
    }
}

/// The mean over the cut kernel.
fn mean(axes: &[AxisKernels]) -> f64 {
    let sum = |kernel: &Kernel| kernel.taps.iter().sum::<f64>();
    let curved = |along: usize| -> f64 {
        let of = |(axis, k): (usize, &AxisKernels)| {
            sum(if axis == along { &k.curvature } else { &k.gaussian })
        };
        axes.iter().enumerate().map(of).product()
    };
    let count: usize = axes.iter().map(|k| k.gaussian.taps.len()).product();
    (0..axes.len()).map(curved).sum::<f64>() / count as f64
}

/// Sums over the box of half width `reach` around each voxel within `min..max`.
fn box_sums(tile: &Tile, reach: [usize; 3], min: [isize; 3], max: [isize; 3]) -> Tile {
    let along_z = running_sums(tile, 2, reach[2], min[2], max[2]);
    let along_y = running_sums(&along_z, 1, reach[1], min[1], max[1]);
    running_sums(&along_y, 0, reach[0], min[0], max[0])
}

/// Sums along an axis, for the voxels `from..to` of a tile that holds `reach` more of them.
fn running_sums(tile: &Tile, axis: usize, reach: usize, from: isize, to: isize) -> Tile {
    let mut out = bare(tile, axis, from, to);
    let (n, kept) = (tile.size()[axis], out.size()[axis]);
    let step: usize = tile.size()[..axis].iter().product();
    if out.values.is_empty() {
        return out;
    }
    // What is not finite is not read where it matters, and must not stay in the sums beyond its reach.
    let finite = |value: f32| if value.is_finite() { f64::from(value) } else { 0.0 };
    let first = (from - tile.min[axis]) as usize - reach;
    let mut sums = vec![0.0; step];
    let lines = tile.values.chunks_exact(n * step);
    for (input, out) in lines.zip(out.values.chunks_exact_mut(kept * step)) {
        let row = |i: usize| &input[(first + i) * step..][..step];
        sums.fill(0.0);
        for i in 0..2 * reach {
            sums.iter_mut().zip(row(i)).for_each(|(sum, &value)| *sum += finite(value));
        }
        for (i, out) in out.chunks_exact_mut(step).enumerate() {
            let (enters, leaves) = (row(i + 2 * reach), row(i));
            for (((sum, out), &enters), &leaves) in sums.iter_mut().zip(out).zip(enters).zip(leaves)
            {
                *sum += finite(enters);
                *out = *sum as f32;
                *sum -= finite(leaves);
            }
        }
    }
    out
}

/// Half width of the kernel in voxels.
fn half_width(sigma: f64, cutoff: f64) -> usize {
    (cutoff * sigma + 0.5).floor() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(reach: [usize; 3], size: [isize; 3], of: impl Fn([isize; 3]) -> f32) -> Tile {
        let reach = reach.map(|r| r as isize);
        let mut tile = Tile::zeros(reach.map(|r| -r), std::array::from_fn(|a| size[a] + reach[a]));
        let [nx, ny, _] = tile.size().map(|n| n as isize);
        for (i, value) in (0isize..).zip(&mut tile.values) {
            *value = of([i % nx - reach[0], i / nx % ny - reach[1], i / nx / ny - reach[2]]);
        }
        tile
    }

    /// Oracle: closed form. A kernel whose sum is 0 has no response in a flat image.
    #[test]
    fn a_flat_image_has_no_response_unless_the_kernel_is_left_as_it_was_cut() {
        for sigma in [&[1.5, 1.5, 1.5][..], &[3.0, 2.0]] {
            let worst = |zero_mean: bool| {
                let kernels = LogKernels::new(sigma, 4.0, zero_mean);
                let tile = tile(kernels.reach(), [9, 5, 4], |_| 1000.0);
                let response = kernels.apply(&tile, [0; 3], [9, 5, 4]);
                response.values.iter().fold(0.0, |worst: f32, v| worst.max(v.abs()))
            };
            assert!(worst(true) < 2e-3, "{}", worst(true));
            assert!(worst(false) > 1e-2, "{}", worst(false));
        }
    }

    /// Oracle: the definition, with the mean of the cut kernel subtracted from each of its values.
    #[test]
    fn the_mean_of_the_cut_kernel_is_subtracted() {
        let sigma = [1.2, 0.9, 1.5];
        let (cutoff, size) = (2.0, [4, 3, 3]);
        let kernels = LogKernels::new(&sigma, cutoff, true);
        let reach = kernels.reach().map(|r| r as isize);
        let image = |[x, y, z]: [isize; 3]| ((x * 37 + y * 101 + z * 17).rem_euclid(191)) as f32;
        let found = kernels.apply(&tile(kernels.reach(), size, image), [0; 3], size);
        let mut kernel = Vec::new();
        for z in -reach[2]..=reach[2] {
            for y in -reach[1]..=reach[1] {
                for x in -reach[0]..=reach[0] {
                    let u = [x as f64 / sigma[0], y as f64 / sigma[1], z as f64 / sigma[2]];
                    let gaussian: f64 = (0..3)
                        .map(|a| {
                            (-u[a] * u[a] / 2.0).exp()
                                / ((2.0 * std::f64::consts::PI).sqrt() * sigma[a])
                        })
                        .product();
                    let curvature: f64 =
                        (0..3).map(|a| (u[a] * u[a] - 1.0) / sigma[a].powi(2)).sum();
                    kernel.push(([x, y, z], curvature * gaussian));
                }
            }
        }
        let mean = kernel.iter().map(|(_, k)| k).sum::<f64>() / kernel.len() as f64;
        for ((z, y, x), &value) in found.view().indexed_iter() {
            let at = [x as isize, y as isize, z as isize];
            let terms = kernel.iter().map(|(offset, k)| {
                let there = std::array::from_fn(|a| at[a] - offset[a]);
                (k - mean) * f64::from(image(there))
            });
            let expected: f64 = terms.sum();
            assert!((f64::from(value) - expected).abs() < 1e-3, "{value} {expected}");
        }
    }
}
