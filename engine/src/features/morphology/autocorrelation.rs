//! Moran's I (N365) and Geary's C (NPT7), exact: every pair of voxels counts, with the inverse of
//! its distance in mm as weight.
//!
//! Sums over pairs of a weight that depends on the distance alone are correlations, and so products
//! of Fourier transforms: n log n instead of n² operations. By Parseval's theorem the sums are read
//! from the transforms without going back.

use ndarray::Array3;
use rustfft::num_complex::Complex64;

use crate::fft::{fast_length, half_spectrum};
use crate::geometry::Vec3;
use crate::value::{Missing, Value, ratio};

/// Moran's I and Geary's C of intensities within a mask, both cut to the mask's box, shape
/// (z, y, x).
pub(super) fn moran_and_geary(
    intensities: &Array3<f32>,
    mask: &Array3<bool>,
    spacing: Vec3,
) -> [Value; 2] {
    let inside = || intensities.iter().zip(mask).filter(|&(_, &m)| m).map(|(&v, _)| f64::from(v));
    let n = inside().count() as f64;
    if n == 0.0 {
        return [Err(Missing::EmptyRegion); 2];
    }
    if n == 1.0 {
        return [Err(Missing::TooFewVoxels); 2];
    }
    let mean = inside().sum::<f64>() / n;
    let squares: f64 = inside().map(|v| (v - mean).powi(2)).sum();
    if squares == 0.0 {
        return [Err(Missing::FlatRegion); 2];
    }
    let (nz, ny, nx) = mask.dim();
    let size = [nx, ny, nz].map(|n| fast_length(2 * n - 1));
    let field = |f: &(dyn Fn(f64) -> f64 + Sync)| {
        let mut padded = vec![0.0; size.iter().product()];
        for ((z, y, x), &m) in mask.indexed_iter() {
            if m {
                let v = f64::from(intensities[[z, y, x]]) - mean;
                padded[(z * size[1] + y) * size[0] + x] = f(v);
            }
        }
        half_spectrum(padded, size)
    };
    let kernel = half_spectrum(inverse_distances(size, spacing), size);
    let ones = field(&|_| 1.0);
    let centred = field(&|v| v);
    let squared = field(&|v| v * v);
    // A real transform keeps half of the spectrum: inner columns stand for two.
    let columns = size[0] / 2 + 1;
    let correlate = |a: &[Complex64], b: &[Complex64]| -> f64 {
        let sum: f64 = (0..a.len())
            .map(|i| {
                let column = i % columns;
                let twice = if column == 0 || 2 * column == size[0] { 1.0 } else { 2.0 };
                twice * kernel[i].re * (a[i].conj() * b[i]).re
            })
            .sum();
        sum / size.iter().product::<usize>() as f64
    };
    let weights = correlate(&ones, &ones);
    let products = correlate(&centred, &centred);
    let moran = ratio(n * products, weights * squares);
    let differences = 2.0 * (correlate(&squared, &ones) - products);
    let geary = ratio((n - 1.0) * differences, 2.0 * weights * squares);
    [moran, geary]
}

/// 1 / distance from the first sample, periodic; 0 for no distance.
fn inverse_distances([nx, ny, nz]: [usize; 3], spacing: Vec3) -> Vec<f64> {
    let along = |i: usize, n: usize, s: f64| (i.min(n - i) as f64 * s).powi(2);
    let mut out = Vec::with_capacity(nx * ny * nz);
    for z in 0..nz {
        for y in 0..ny {
            let rest = along(y, ny, spacing[1]) + along(z, nz, spacing[2]);
            out.extend((0..nx).map(|x| {
                let squared = rest + along(x, nx, spacing[0]);
                if squared == 0.0 { 0.0 } else { 1.0 / squared.sqrt() }
            }));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Oracle: the definition, pair by pair.
    #[test]
    fn the_sums_over_all_pairs_are_those_of_the_definition() {
        let spacing = [0.7, 1.1, 2.5];
        let shape = (4, 5, 6);
        let intensities = Array3::from_shape_fn(shape, |(z, y, x)| {
            ((x * 7 + y * 13 + z * 29) % 17) as f32 + 100.0
        });
        let mask = Array3::from_shape_fn(shape, |(z, y, x)| (x + 2 * y + 3 * z) % 4 != 0);
        let voxels: Vec<([f64; 3], f64)> = mask
            .indexed_iter()
            .filter(|&(_, &m)| m)
            .map(|((z, y, x), _)| {
                let at = [x as f64 * 0.7, y as f64 * 1.1, z as f64 * 2.5];
                (at, f64::from(intensities[[z, y, x]]))
            })
            .collect();
        let n = voxels.len() as f64;
        let mean = voxels.iter().map(|v| v.1).sum::<f64>() / n;
        let (mut weights, mut products, mut differences) = (0.0, 0.0, 0.0);
        for (p, a) in &voxels {
            for (q, b) in &voxels {
                let distance = (0..3).map(|i| (p[i] - q[i]).powi(2)).sum::<f64>().sqrt();
                if distance > 0.0 {
                    weights += 1.0 / distance;
                    products += (a - mean) * (b - mean) / distance;
                    differences += (a - b).powi(2) / distance;
                }
            }
        }
        let squares: f64 = voxels.iter().map(|v| (v.1 - mean).powi(2)).sum();
        let [moran, geary] = moran_and_geary(&intensities, &mask, spacing);
        let exact =
            [n / weights * products / squares, (n - 1.0) / (2.0 * weights) * differences / squares];
        for (value, exact) in [moran, geary].into_iter().zip(exact) {
            let value = value.expect("defined");
            assert!((value - exact).abs() < 1e-12 * (1.0 + exact.abs()), "{value} {exact}");
        }
    }
}
