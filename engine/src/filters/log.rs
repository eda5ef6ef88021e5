//! Laplacian of Gaussian (IBSI 2, 3.2).
//!
//! The kernel is the sampled Laplacian of a Gaussian in voxel coordinates, cut to a cube of half
//! width `floor(cutoff · σ + 1/2)` voxels and not normalised again. The Laplacian is a sum of
//! second derivatives, and each is a product of kernels per axis: seven passes in 3D instead of
//! one sum over the cube.

use serde::{Deserialize, Serialize};

use super::operator::{Grid, Local, Operator, Scene};
use super::parameter::{Absent, CUTOFF, Parameter, SIGMA};
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
}

fn four() -> f64 {
    4.0
}

pub(crate) const PARAMETERS: &[Parameter] =
    &[SIGMA, Parameter { absent: Absent::Default("4.0"), ..CUTOFF }];

impl Kind for Log {
    fn check(&self, _dimension: Dimension) -> Result<(), Problem> {
        SIGMA.check(self.sigma_mm)?;
        CUTOFF.check(self.cutoff_sigma)
    }

    fn operator(&self, grid: Grid) -> Result<Operator, Problem> {
        let sigma = grid.voxels(self.sigma_mm);
        let axes = &sigma[..grid.dimension.axes()];
        Ok(Operator::local(LogKernels::new(axes, self.cutoff_sigma)))
    }
}

/// Gaussians and their second derivatives per axis.
struct LogKernels {
    axes: Vec<AxisKernels>,
}

struct AxisKernels {
    gaussian: Kernel,
    curvature: Kernel,
}

impl LogKernels {
    /// `sigma`: standard deviations in voxels along x, y and, in 3D, z. `cutoff` is in standard
    /// deviations.
    fn new(sigma: &[f64], cutoff: f64) -> Self {
        let axes = sigma
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
        Self { axes }
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

/// Half width of the kernel in voxels.
fn half_width(sigma: f64, cutoff: f64) -> usize {
    (cutoff * sigma + 0.5).floor() as usize
}
