//! Filters in the Fourier domain over a whole image.
//!
//! A mirrored image is even about its faces, so its Fourier series is a cosine series: the discrete
//! cosine transform of the image itself is the transform of the endlessly mirrored image, at an
//! eighth of the size. A periodic image has its ordinary transform. Images that go on as zeros or as
//! their edge voxels are extended by half their size to each side first.

use std::sync::Arc;

use ndarray::{Array3, ArrayView3};
use rayon::prelude::*;
use rustfft::num_complex::Complex64;
use rustfft::{Fft, FftPlanner};

use super::boundary::Boundary;
use super::settings::Dimension;
use crate::fft::{Lines, along_each, complex};

/// The transform of an image, from which every filter's response is made.
pub(crate) struct Spectrum {
    /// Voxels of the image along x, y, z.
    image_size: [usize; 3],
    /// Voxels by which it was extended at the start of each axis.
    margin: [usize; 3],
    /// Samples along x, y, z.
    size: [usize; 3],
    /// Axes that are transformed: x, y and, in 3D, z.
    axes: usize,
    series: Series,
}

enum Series {
    /// Even about the image's faces.
    Cosine(Vec<f64>),
    Periodic(Vec<Complex64>),
}

impl Spectrum {
    /// Transforms an image of shape (z, y, x), in space or slice by slice.
    pub(crate) fn of(image: ArrayView3<f32>, boundary: Boundary, dimension: Dimension) -> Self {
        let (nz, ny, nx) = image.dim();
        let image_size = [nx, ny, nz];
        let axes = dimension.axes();
        if boundary == Boundary::Mirror {
            let values = image.iter().map(|&v| f64::from(v)).collect();
            let series =
                Series::Cosine(along_each(values, image_size, 0..axes, |_, n| cosine_forward(n)));
            return Self { image_size, margin: [0; 3], size: image_size, axes, series };
        }
        let margin: [usize; 3] = std::array::from_fn(|a| {
            if boundary == Boundary::Periodic || a >= axes { 0 } else { image_size[a].div_ceil(2) }
        });
        let size: [usize; 3] = std::array::from_fn(|a| image_size[a] + 2 * margin[a]);
        let min = margin.map(|m| -(m as isize));
        let max = std::array::from_fn(|a| (image_size[a] + margin[a]) as isize);
        let tile = boundary.extend(image, [0; 3], image_size, min, max);
        let values = tile.values.iter().map(|&v| Complex64::new(f64::from(v), 0.0)).collect();
        let series = Series::Periodic(along_each(values, size, 0..axes, |_, n| complex(n, false)));
        Self { image_size, margin, size, axes, series }
    }

    /// The response to a filter with transfer function
    /// `radial(|ω|²) · (−iω_x)^a (−iω_y)^b (−iω_z)^c` for `order = [a, b, c]`; ω in radians per
    /// voxel. Shape (z, y, x) of the image.
    ///
    /// With order 0 a periodic image of n voxels is filtered as in the IBSI reference response maps
    /// of Simoncelli wavelets (8.a.1 to 8.a.3): the transfer function is sampled at n frequencies
    /// from −π to π, both included, instead of at the n frequencies of the transform.
    pub(crate) fn filtered(
        &self,
        radial: &(dyn Fn([f64; 3]) -> f64 + Sync),
        order: [u32; 3],
    ) -> Array3<f32> {
        let [nx, ny, _] = self.size;
        let position = |index: usize| [index % nx, index / nx % ny, index / (nx * ny)];
        let omega = |index: usize, frequency: &dyn Fn(usize, usize) -> f64| -> [f64; 3] {
            let at = position(index);
            std::array::from_fn(|a| if a < self.axes { frequency(at[a], a) } else { 0.0 })
        };
        let gain = |omega: [f64; 3]| {
            let powers: f64 = (0..3).map(|a| omega[a].powi(order[a] as i32)).product();
            radial(omega) * powers
        };
        let pi = std::f64::consts::PI;
        let values: Vec<f32> = match &self.series {
            Series::Cosine(spectrum) => {
                let frequency = |k: usize, a: usize| pi * k as f64 / self.size[a] as f64;
                let product: Vec<f64> = spectrum
                    .par_iter()
                    .enumerate()
                    .map(|(index, value)| value * gain(omega(index, &frequency)))
                    .collect();
                let inverse = |axis: usize, n: usize| cosine_inverse(n, order[axis]);
                let response = along_each(product, self.size, 0..self.axes, inverse);
                response.into_iter().map(|v| v as f32).collect()
            }
            Series::Periodic(spectrum) => {
                let frequency = |k: usize, a: usize| {
                    let n = self.size[a];
                    let signed = if 2 * k > n { k as f64 - n as f64 } else { k as f64 };
                    2.0 * pi * signed / n as f64
                };
                let from_end_to_end = |k: usize, a: usize| {
                    let n = self.size[a];
                    let place = (k + n / 2) % n;
                    if n > 1 { pi * (2.0 * place as f64 / (n - 1) as f64 - 1.0) } else { 0.0 }
                };
                // The response is real, so that each frequency and its opposite have a mean gain.
                let opposite = |k: usize, a: usize| {
                    let n = self.size[a];
                    from_end_to_end((n - k) % n, a)
                };
                let as_reference = self.margin == [0; 3] && order == [0; 3];
                let gain = |index: usize| {
                    if as_reference {
                        let both = [&from_end_to_end as &dyn Fn(usize, usize) -> f64, &opposite];
                        both.map(|f| gain(omega(index, f))).iter().sum::<f64>() / 2.0
                    } else {
                        gain(omega(index, &frequency))
                    }
                };
                let turn = match order.iter().sum::<u32>() % 4 {
                    0 => Complex64::new(1.0, 0.0),
                    1 => Complex64::new(0.0, -1.0),
                    2 => Complex64::new(-1.0, 0.0),
                    _ => Complex64::new(0.0, 1.0),
                };
                let product: Vec<Complex64> = spectrum
                    .par_iter()
                    .enumerate()
                    .map(|(index, value)| value * turn * gain(index))
                    .collect();
                let response =
                    along_each(product, self.size, 0..self.axes, |_, n| complex(n, true));
                response.into_iter().map(|v| v.re as f32).collect()
            }
        };
        let [nx, ny, nz] = self.size;
        let whole = Array3::from_shape_vec((nz, ny, nx), values).expect("one value per sample");
        let span = |a: usize| self.margin[a]..self.margin[a] + self.image_size[a];
        whole.slice(ndarray::s![span(2), span(1), span(0)]).to_owned()
    }
}

/// Discrete cosine transform, type II: `X(k) = sum over j of x(j) cos(πk(2j+1) / 2n)`, by one
/// complex transform of length n for two lines (Makhoul 1980, 10.1109/TASSP.1980.1163351).
fn cosine_forward(n: usize) -> Lines<f64> {
    let fft: Arc<dyn Fft<f64>> = FftPlanner::new().plan_fft_forward(n);
    let twist = quarter_turns(n);
    Box::new(move |lines| {
        let (first, second) = lines.split_at_mut(n);
        let pair = |j: usize| Complex64::new(first[j], second.get(j).copied().unwrap_or(0.0));
        let mut buffer = vec![Complex64::new(0.0, 0.0); n];
        for j in 0..n {
            buffer[if j % 2 == 0 { j / 2 } else { n - 1 - j / 2 }] = pair(j);
        }
        fft.process(&mut buffer);
        for k in 0..n {
            let (a, b) = (buffer[k], buffer[(n - k) % n].conj());
            let one = (a + b) * 0.5;
            let other = (a - b) * Complex64::new(0.0, -0.5);
            first[k] = (one * twist[k].conj()).re;
            if let Some(value) = second.get_mut(k) {
                *value = (other * twist[k].conj()).re;
            }
        }
    })
}

/// The line whose cosine series is given, after multiplication by `(−iω)^order` whose powers of ω
/// are in the series already: an odd order turns cosines to sines, and each pair of orders changes
/// the sign.
fn cosine_inverse(n: usize, order: u32) -> Lines<f64> {
    let fft: Arc<dyn Fft<f64>> = FftPlanner::new().plan_fft_inverse(n);
    let twist = quarter_turns(n);
    let odd = order % 2 == 1;
    let scale = if order % 4 < 2 { 1.0 } else { -1.0 } / n as f64;
    Box::new(move |lines| {
        let (first, second) = lines.split_at_mut(n);
        if odd {
            // sin(πk(2j+1)/2n) = (−1)^j cos(π(n−k)(2j+1)/2n), so the series runs backwards.
            for line in [&mut *first, &mut *second] {
                if let Some(rest) = line.get_mut(1..) {
                    rest.reverse();
                    line[0] = 0.0;
                }
            }
        }
        let mut buffer = vec![Complex64::new(0.0, 0.0); n];
        let at = |line: &[f64], k: usize| line.get(k).copied().unwrap_or(0.0);
        for (k, slot) in buffer.iter_mut().enumerate() {
            let of = |line: &[f64]| {
                twist[k] * Complex64::new(at(line, k), if k == 0 { 0.0 } else { -at(line, n - k) })
            };
            *slot = of(first) + Complex64::new(0.0, 1.0) * of(second);
        }
        fft.process(&mut buffer);
        for j in 0..n {
            let value = buffer[if j % 2 == 0 { j / 2 } else { n - 1 - j / 2 }];
            let sign = if odd && j % 2 == 1 { -scale } else { scale };
            first[j] = value.re * sign;
            if let Some(slot) = second.get_mut(j) {
                *slot = value.im * sign;
            }
        }
    })
}

/// `exp(iπk / 2n)`.
fn quarter_turns(n: usize) -> Vec<Complex64> {
    (0..n)
        .map(|k| Complex64::from_polar(1.0, std::f64::consts::PI * k as f64 / (2 * n) as f64))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(size: [usize; 3]) -> Array3<f32> {
        let mut state = 7u32;
        Array3::from_shape_fn((size[2], size[1], size[0]), |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1u32 << 24) as f32 - 0.5
        })
    }

    fn low_pass([x, y, z]: [f64; 3]) -> f64 {
        (-(x * x + y * y + z * z)).exp()
    }

    /// Oracle: the periodic transform of the image and its mirror images side by side.
    #[test]
    fn the_cosine_series_is_the_fourier_series_of_the_mirrored_image() {
        let size = [7, 4, 5];
        let image = noise(size);
        let doubled = Array3::from_shape_fn((10, 8, 14), |(z, y, x)| {
            let fold = |i: usize, n: usize| i.min(2 * n - 1 - i);
            image[[fold(z, 5), fold(y, 4), fold(x, 7)]]
        });
        for dimension in [Dimension::ThreeD, Dimension::TwoD] {
            let mirror = Spectrum::of(image.view(), Boundary::Mirror, dimension);
            let periodic = Spectrum::of(doubled.view(), Boundary::Periodic, dimension);
            for order in [[1, 0, 0], [0, 2, 0], [3, 1, 0], [1, 1, 1]] {
                if dimension == Dimension::TwoD && order[2] > 0 {
                    continue;
                }
                let got = mirror.filtered(&low_pass, order);
                let expected = periodic.filtered(&low_pass, order);
                for (at, value) in got.indexed_iter() {
                    let expected = expected[at];
                    assert!(
                        (value - expected).abs() < 1e-6,
                        "{order:?} {at:?}: {value} {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_filter_that_passes_everything_returns_the_image() {
        let image = noise([6, 5, 3]);
        for boundary in [Boundary::Zero, Boundary::Nearest, Boundary::Periodic, Boundary::Mirror] {
            let same =
                Spectrum::of(image.view(), boundary, Dimension::ThreeD).filtered(&|_| 1.0, [0; 3]);
            assert!(same.iter().zip(&image).all(|(a, b)| (a - b).abs() < 1e-6), "{boundary:?}");
        }
    }
}
