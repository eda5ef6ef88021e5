//! Gabor filter, modulus of the response (IBSI 2, 3.4).
//!
//! The kernel is `exp(−(u² + γ² v²) / 2σ² + 2πi u / λ)` with `u` along the wave, `v` across it, not
//! normalised, in the plane of a slice; in 3D the responses of the axial, coronal and sagittal
//! planes are pooled. One forward FFT of a slice serves every orientation.

use std::sync::Arc;

use ndarray::Array3;
use rayon::prelude::*;
use rustfft::num_complex::Complex64;
use rustfft::{Fft, FftPlanner};

use super::pooling::Pooling;
use super::tile::Tile;

/// Axes (u, v, across) of the axial, coronal and sagittal planes.
const PLANES: [[usize; 3]; 3] = [[0, 1, 2], [0, 2, 1], [1, 2, 0]];

/// Kernels of one wavelength in one or three planes.
pub(crate) struct Gabor {
    pub(crate) sigma_mm: f64,
    pub(crate) wavelength_mm: f64,
    pub(crate) gamma: f64,
    /// Orientations, radians.
    pub(crate) angles: Vec<f64>,
    /// Half width of the kernel, in standard deviations.
    pub(crate) cutoff: f64,
    pub(crate) pooling: Pooling,
    pub(crate) in_slice: bool,
    pub(crate) spacing: [f64; 3],
}

impl Gabor {
    fn planes(&self) -> &'static [[usize; 3]] {
        if self.in_slice { &PLANES[..1] } else { &PLANES }
    }

    /// Voxels that a kernel covers to each side along the two axes of a plane.
    fn half_widths(&self, [a, b, _]: [usize; 3]) -> [usize; 2] {
        let (along, across) =
            (self.cutoff * self.sigma_mm, self.cutoff * self.sigma_mm / self.gamma);
        let mut widest = [0.0f64; 2];
        for angle in &self.angles {
            let (sin, cos) = angle.sin_cos();
            widest[0] = widest[0].max((along * cos).hypot(across * sin) / self.spacing[a]);
            widest[1] = widest[1].max((along * sin).hypot(across * cos) / self.spacing[b]);
        }
        widest.map(|w| w.ceil() as usize)
    }

    /// Voxels needed beyond a box along x, y, z.
    pub(crate) fn reach(&self) -> [usize; 3] {
        let mut reach = [0; 3];
        for &plane in self.planes() {
            for (axis, half) in plane.into_iter().zip(self.half_widths(plane)) {
                reach[axis] = reach[axis].max(half);
            }
        }
        reach
    }

    /// The response within `min..max` of a tile that holds [`Self::reach`] more.
    pub(crate) fn apply(&self, tile: &Tile, min: [isize; 3], max: [isize; 3]) -> Tile {
        let mut response = Tile::zeros(min, max);
        let planes = self.planes();
        for (i, &plane) in planes.iter().enumerate() {
            let in_plane = self.respond_in_plane(tile, plane, min, max);
            self.pooling.take(&mut response, &in_plane, planes.len(), i == 0);
        }
        response
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
            PlaneFft::new(fast_length(size[a] + 2 * half[0]), fast_length(size[b] + 2 * half[1]));
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
        fft: &PlaneFft,
        [a, b, _]: [usize; 3],
        half: [usize; 2],
        angle: f64,
    ) -> Vec<Complex64> {
        let mut kernel = fft.empty();
        let (sin, cos) = angle.sin_cos();
        let [half_a, half_b] = half.map(|h| h as isize);
        for j in -half_b..=half_b {
            for i in -half_a..=half_a {
                let (p, q) = (i as f64 * self.spacing[a], j as f64 * self.spacing[b]);
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

/// The next length from `n` with no prime factor above 5, for which FFTs are fast.
fn fast_length(n: usize) -> usize {
    (n.max(1)..)
        .find(|&n| {
            let mut rest = n;
            for prime in [2, 3, 5] {
                while rest % prime == 0 {
                    rest /= prime;
                }
            }
            rest == 1
        })
        .expect("there is a power of two")
}

/// Discrete Fourier transforms of a slice; spectra are kept transposed.
struct PlaneFft {
    width: usize,
    height: usize,
    rows: [Arc<dyn Fft<f64>>; 2],
    columns: [Arc<dyn Fft<f64>>; 2],
}

impl PlaneFft {
    fn new(width: usize, height: usize) -> Self {
        let mut planner = FftPlanner::new();
        Self {
            width,
            height,
            rows: [planner.plan_fft_forward(width), planner.plan_fft_inverse(width)],
            columns: [planner.plan_fft_forward(height), planner.plan_fft_inverse(height)],
        }
    }

    fn empty(&self) -> Vec<Complex64> {
        vec![Complex64::new(0.0, 0.0); self.width * self.height]
    }

    fn forward(&self, mut slice: Vec<Complex64>) -> Vec<Complex64> {
        self.rows[0].process(&mut slice);
        let mut turned = transposed(&slice, self.width);
        self.columns[0].process(&mut turned);
        turned
    }

    fn inverse(&self, mut spectrum: Vec<Complex64>) -> Vec<Complex64> {
        self.columns[1].process(&mut spectrum);
        let mut slice = transposed(&spectrum, self.height);
        self.rows[1].process(&mut slice);
        let scale = 1.0 / (self.width * self.height) as f64;
        slice.iter_mut().for_each(|v| *v *= scale);
        slice
    }
}

fn transposed(values: &[Complex64], width: usize) -> Vec<Complex64> {
    let height = values.len() / width;
    let mut out = Vec::with_capacity(values.len());
    for column in 0..width {
        out.extend((0..height).map(|row| values[row * width + column]));
    }
    out
}
