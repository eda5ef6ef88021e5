//! Gabor filter, modulus of the response (IBSI 2, 3.4).
//!
//! The kernel is `exp(−(u² + γ² v²) / 2σ² + 2πi u / λ)` with `u` along the wave, `v` across it, not
//! normalised, in the plane of a slice; in 3D the responses of the axial, coronal and sagittal
//! planes are pooled. One forward FFT of a slice serves every orientation.

use ndarray::Array3;
use rayon::prelude::*;
use rustfft::num_complex::Complex64;
use serde::{Deserialize, Serialize};

use super::operator::{Grid, Local, Operator, Scene};
use super::parameter::{Absent, Accepted, CUTOFF, Parameter, SIGMA, WAVELENGTH};
use super::pooling::Pooling;
use super::problem::Problem;
use super::settings::Dimension;
use super::table::Kind;
use super::tile::Tile;
use crate::fft::{Plane, fast_length};

/// Axes (u, v, across) of the axial, coronal and sagittal planes.
const PLANES: [[usize; 3]; 3] = [[0, 1, 2], [0, 2, 1], [1, 2, 0]];
/// Most orientations of a filter.
const MAX_ANGLES: f64 = 360.0;

/// Gabor filter, modulus of the response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gabor {
    /// Standard deviation of the envelope along the wave, mm.
    pub sigma_mm: f64,
    /// Wavelength, mm.
    pub wavelength_mm: f64,
    /// Standard deviation along the wave over the one across it.
    pub gamma: f64,
    /// Orientation, or the first of several, in degrees.
    #[serde(default)]
    pub theta_degrees: f64,
    /// Pools orientations in steps of this many degrees over the full circle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theta_step_degrees: Option<f64>,
    /// How orientations and planes are pooled.
    #[serde(default = "mean")]
    pub pooling: Pooling,
    /// Half width of the kernel in standard deviations.
    #[serde(default = "six")]
    pub cutoff_sigma: f64,
}

fn mean() -> Pooling {
    Pooling::Mean
}

fn six() -> f64 {
    6.0
}

const ENVELOPE: Parameter =
    Parameter { meaning: "standard deviation of the envelope along the wave", ..SIGMA };
const GAMMA: Parameter = Parameter {
    key: "gamma",
    unit: "",
    meaning: "standard deviation along the wave over the one across it",
    absent: Absent::Required,
    accepted: Accepted::Above(0.0, 100.0),
};
const THETA: Parameter = Parameter {
    key: "theta_degrees",
    unit: "degrees",
    meaning: "orientation, or the first of several",
    absent: Absent::Default("0.0"),
    accepted: Accepted::From(-360.0, 360.0),
};
const THETA_STEP: Parameter = Parameter {
    key: "theta_step_degrees",
    unit: "degrees",
    meaning: "pools orientations in these steps over the full circle",
    absent: Absent::Means("one orientation"),
    accepted: Accepted::Checked("a step that divides 180 degrees, such as 22.5 or 45"),
};
const POOLING: Parameter = Parameter {
    key: "pooling",
    unit: "",
    meaning: "how orientations and planes are pooled",
    absent: Absent::Default("\"mean\""),
    accepted: Accepted::Checked("\"mean\" or \"max\""),
};

pub(crate) const PARAMETERS: &[Parameter] = &[
    ENVELOPE,
    WAVELENGTH,
    GAMMA,
    THETA,
    THETA_STEP,
    POOLING,
    Parameter { absent: Absent::Default("6.0"), ..CUTOFF },
];

impl Kind for Gabor {
    fn check(&self, _dimension: Dimension) -> Result<(), Problem> {
        ENVELOPE.check(self.sigma_mm)?;
        WAVELENGTH.check(self.wavelength_mm)?;
        GAMMA.check(self.gamma)?;
        CUTOFF.check(self.cutoff_sigma)?;
        THETA.check(self.theta_degrees)?;
        if let Some(step) = self.theta_step_degrees {
            let count = 180.0 / step;
            if !(count > 0.5 && count <= MAX_ANGLES && (count - count.round()).abs() < 1e-6) {
                return Err(THETA_STEP.refused(step));
            }
        }
        Ok(())
    }

    fn operator(&self, grid: Grid) -> Result<Operator, Problem> {
        Ok(Operator::local(GaborKernels {
            sigma_mm: self.sigma_mm,
            wavelength_mm: self.wavelength_mm,
            gamma: self.gamma,
            angles: self.angles(),
            cutoff: self.cutoff_sigma,
            pooling: self.pooling,
            grid,
        }))
    }
}

impl Gabor {
    /// Orientations in radians.
    fn angles(&self) -> Vec<f64> {
        // Opposite orientations have conjugate kernels and so the same modulus.
        let count = self.theta_step_degrees.map_or(1, |step| (180.0 / step).round() as usize);
        let step = self.theta_step_degrees.unwrap_or(0.0);
        (0..count).map(|i| (self.theta_degrees + step * i as f64).to_radians()).collect()
    }
}

/// Kernels of one wavelength in one or three planes.
struct GaborKernels {
    sigma_mm: f64,
    wavelength_mm: f64,
    gamma: f64,
    /// Orientations, radians.
    angles: Vec<f64>,
    /// Half width of the kernel, in standard deviations.
    cutoff: f64,
    pooling: Pooling,
    grid: Grid,
}

impl Local for GaborKernels {
    fn reach(&self) -> [usize; 3] {
        let mut reach = [0; 3];
        for &plane in self.planes() {
            for (axis, half) in plane.into_iter().zip(self.half_widths(plane)) {
                reach[axis] = reach[axis].max(half);
            }
        }
        reach
    }

    fn respond(&self, scene: &Scene<'_>, min: [isize; 3], max: [isize; 3]) -> Vec<Tile> {
        let tile = scene.around(min, max, self.reach());
        let mut response = Tile::zeros(min, max);
        let planes = self.planes();
        for (i, &plane) in planes.iter().enumerate() {
            let in_plane = self.respond_in_plane(&tile, plane, min, max);
            self.pooling.take(&mut response, &in_plane, planes.len(), i == 0);
        }
        vec![response]
    }
}

impl GaborKernels {
    fn planes(&self) -> &'static [[usize; 3]] {
        match self.grid.dimension {
            Dimension::ThreeD => &PLANES,
            Dimension::TwoD => &PLANES[..1],
        }
    }

    /// Voxels that a kernel covers to each side along the two axes of a plane.
    fn half_widths(&self, [a, b, _]: [usize; 3]) -> [usize; 2] {
        let (along, across) =
            (self.cutoff * self.sigma_mm, self.cutoff * self.sigma_mm / self.gamma);
        let mut widest = [0.0f64; 2];
        for angle in &self.angles {
            let (sin, cos) = angle.sin_cos();
            widest[0] = widest[0].max((along * cos).hypot(across * sin) / self.grid.spacing[a]);
            widest[1] = widest[1].max((along * sin).hypot(across * cos) / self.grid.spacing[b]);
        }
        widest.map(|w| w.ceil() as usize)
    }

    fn respond_in_plane(
        &self,
        tile: &Tile,
        plane @ [a, b, across]: [usize; 3],
        min: [isize; 3],
        max: [isize; 3],
    ) -> Tile {
        let half = self.half_widths(plane);
        let start: [usize; 3] = std::array::from_fn(|axis| {
            let half = if axis == a {
                half[0]
            } else if axis == b {
                half[1]
            } else {
                0
            };
            (min[axis] - tile.min[axis]) as usize - half
        });
        let size: [usize; 3] = std::array::from_fn(|axis| (max[axis] - min[axis]) as usize);
        let fft =
            Plane::new(fast_length(size[a] + 2 * half[0]), fast_length(size[b] + 2 * half[1]));
        let spectra: Vec<Vec<Complex64>> = self
            .angles
            .iter()
            .map(|&angle| self.kernel_spectrum(&fft, plane, half, angle))
            .collect();
        let voxels = tile.view();
        let slices: Vec<Vec<f32>> = (0..size[across])
            .into_par_iter()
            .map(|slice| {
                let mut spectrum = fft.empty();
                for j in 0..size[b] + 2 * half[1] {
                    for i in 0..size[a] + 2 * half[0] {
                        let mut at = [0; 3];
                        (at[a], at[b], at[across]) =
                            (start[a] + i, start[b] + j, start[across] + slice);
                        let value = f64::from(voxels[[at[2], at[1], at[0]]]);
                        spectrum[j * fft.width + i] = Complex64::new(value, 0.0);
                    }
                }
                let spectrum = fft.forward(spectrum);
                let mut pooled = vec![0.0f64; size[a] * size[b]];
                for (k, kernel) in spectra.iter().enumerate() {
                    let product = spectrum.iter().zip(kernel).map(|(s, k)| s * k).collect();
                    let response = fft.inverse(product);
                    for (j, row) in pooled.chunks_mut(size[a]).enumerate() {
                        let from = (j + half[1]) * fft.width + half[0];
                        for (pooled, value) in row.iter_mut().zip(&response[from..]) {
                            let modulus = value.norm();
                            match self.pooling {
                                Pooling::Mean => *pooled += modulus / spectra.len() as f64,
                                Pooling::Max if k == 0 => *pooled = modulus,
                                Pooling::Max => *pooled = pooled.max(modulus),
                            }
                        }
                    }
                }
                pooled.into_iter().map(|v| v as f32).collect()
            })
            .collect();
        let values = Array3::from_shape_fn((size[2], size[1], size[0]), |(z, y, x)| {
            let at = [x, y, z];
            slices[at[across]][at[b] * size[a] + at[a]]
        });
        Tile { min, max, values: values.into_raw_vec_and_offset().0 }
    }

    fn kernel_spectrum(
        &self,
        fft: &Plane,
        [a, b, _]: [usize; 3],
        half: [usize; 2],
        angle: f64,
    ) -> Vec<Complex64> {
        let mut kernel = fft.empty();
        let (sin, cos) = angle.sin_cos();
        let [half_a, half_b] = half.map(|h| h as isize);
        for j in -half_b..=half_b {
            for i in -half_a..=half_a {
                let (p, q) = (i as f64 * self.grid.spacing[a], j as f64 * self.grid.spacing[b]);
                let (u, v) = (p * cos + q * sin, -p * sin + q * cos);
                let distance = (u * u + (self.gamma * v).powi(2)) / (self.sigma_mm * self.sigma_mm);
                if distance <= self.cutoff * self.cutoff {
                    let wave = 2.0 * std::f64::consts::PI * u / self.wavelength_mm;
                    let row = j.rem_euclid(fft.height as isize) as usize;
                    let column = i.rem_euclid(fft.width as isize) as usize;
                    kernel[row * fft.width + column] =
                        Complex64::from_polar((-distance / 2.0).exp(), wave);
                }
            }
        }
        fft.forward(kernel)
    }
}
