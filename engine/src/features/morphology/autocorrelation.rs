//! Moran's I (N365) and Geary's C (NPT7), exact: every pair of voxels counts, with the inverse of
//! its distance in mm as weight.
//!
//! Sums over pairs of a weight that depends on the distance alone are correlations, and so products
//! of Fourier transforms: n log n instead of n² operations. By Parseval's theorem the sums are read
//! from the transforms without going back. Few voxels in a large box are taken pair by pair instead.

use std::sync::Arc;

use ndarray::Array3;
use rayon::prelude::*;
use realfft::{RealFftPlanner, RealToComplex};
use rustfft::num_complex::Complex64;
use rustfft::{Fft, FftPlanner};

use crate::fft::fast_length;
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
    let [weights, products, mixed] = if is_sparse(n, mask.dim()) {
        pairs(intensities, mask, mean, spacing)
    } else {
        transforms(intensities, mask, mean, spacing)
    };
    let moran = ratio(n * products, weights * squares);
    let differences = 2.0 * (mixed - products);
    let geary = ratio((n - 1.0) * differences, 2.0 * weights * squares);
    [moran, geary]
}

/// Whether pairs cost less than transforms, and nothing of the box that is not the region's.
fn is_sparse(n: f64, (nz, ny, nx): (usize, usize, usize)) -> bool {
    /// What a voxel of the box costs, in pairs.
    const PAIRS_PER_VOXEL: f64 = 2.0;
    n * n < PAIRS_PER_VOXEL * (nx as f64) * (ny as f64) * (nz as f64)
}

/// Sums over all ordered pairs of voxels of the inverse distance (1/mm), of that times the product of
/// both differences from the mean, and times the square of one of them.
fn pairs(intensities: &Array3<f32>, mask: &Array3<bool>, mean: f64, spacing: Vec3) -> [f64; 3] {
    let voxels: Vec<(Vec3, f64)> = mask
        .indexed_iter()
        .filter(|&(_, &inside)| inside)
        .map(|((z, y, x), _)| {
            let at = [x as f64 * spacing[0], y as f64 * spacing[1], z as f64 * spacing[2]];
            (at, f64::from(intensities[[z, y, x]]) - mean)
        })
        .collect();
    let of_voxel = |(i, (at, value)): (usize, &(Vec3, f64))| {
        let mut sums = [0.0; 3];
        for (other, with) in &voxels[i + 1..] {
            let squared: f64 = at.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum();
            let weight = 1.0 / squared.sqrt();
            sums[0] += 2.0 * weight;
            sums[1] += 2.0 * weight * value * with;
            sums[2] += weight * (value * value + with * with);
        }
        sums
    };
    // Added up in the order of the voxels, whichever thread had them.
    let of_voxels: Vec<[f64; 3]> = voxels.par_iter().enumerate().map(of_voxel).collect();
    of_voxels.iter().fold([0.0; 3], |total, sums| std::array::from_fn(|i| total[i] + sums[i]))
}

/// As [`pairs`], by Fourier transforms.
fn transforms(
    intensities: &Array3<f32>,
    mask: &Array3<bool>,
    mean: f64,
    spacing: Vec3,
) -> [f64; 3] {
    let padded = Padded::new(mask.dim());
    let field = |f: &(dyn Fn(f64) -> f64 + Sync)| {
        padded.rows(|z, y, row| {
            let mut any = false;
            for (x, to) in row.iter_mut().enumerate() {
                if mask[[z, y, x]] {
                    *to = f(f64::from(intensities[[z, y, x]]) - mean);
                    any = true;
                }
            }
            any
        })
    };
    padded.correlations(&field(&|_| 1.0), &field(&|v| v), &field(&|v| v * v), spacing)
}

/// A box within zeros, so wide that nothing meets itself from behind.
///
/// The transform along x is taken of the box's own rows; the other two, for which the zeros count, of one
/// column of that at a time. So a voxel takes 56 bytes, where the whole transform takes 320.
struct Padded {
    /// The box.
    within: [usize; 3],
    /// With the zeros.
    size: [usize; 3],
    along_x: Arc<dyn RealToComplex<f64>>,
    along_y: Arc<dyn Fft<f64>>,
    along_z: Arc<dyn Fft<f64>>,
}

impl Padded {
    fn new((nz, ny, nx): (usize, usize, usize)) -> Self {
        let within = [nx, ny, nz];
        let size = within.map(|n| fast_length(2 * n - 1));
        let mut planner = FftPlanner::new();
        Self {
            within,
            size,
            along_x: RealFftPlanner::new().plan_fft_forward(size[0]),
            along_y: planner.plan_fft_forward(size[1]),
            along_z: planner.plan_fft_forward(size[2]),
        }
    }

    /// Columns along x that the others follow from, samples being real.
    fn columns(&self) -> usize {
        self.size[0] / 2 + 1
    }

    /// The box's rows, transformed; `fill` says whether a row has anything but zeros. Shape (z, y,
    /// column).
    fn rows(&self, fill: impl Fn(usize, usize, &mut [f64]) -> bool + Sync) -> Vec<Complex64> {
        let [nx, ny, nz] = self.within;
        let mut out = vec![Complex64::default(); self.columns() * ny * nz];
        out.par_chunks_mut(self.columns()).enumerate().for_each_init(
            || vec![0.0; self.size[0]],
            |row, (at, out)| {
                row.fill(0.0);
                if fill(at / ny, at % ny, &mut row[..nx]) {
                    self.along_x.process(row, out).expect("lengths are the plan's");
                }
            },
        );
        out
    }

    /// 1 / distance from the first sample, periodic, and 0 for no distance; transformed along x, which
    /// leaves it real. Shape (z, y, column), each axis up to the middle, from where it is its own mirror
    /// image.
    fn kernel(&self, spacing: Vec3) -> Vec<f64> {
        let [sx, sy, sz] = self.size;
        let columns = self.columns();
        let mut out = vec![0.0; columns * (sy / 2 + 1) * (sz / 2 + 1)];
        let line = || (vec![0.0; sx], vec![Complex64::default(); columns]);
        out.par_chunks_mut(columns).enumerate().for_each_init(
            line,
            |(row, spectrum), (at, out)| {
                let away = |i: usize, s: f64| (i as f64 * s).powi(2);
                let rest =
                    away(at % (sy / 2 + 1), spacing[1]) + away(at / (sy / 2 + 1), spacing[2]);
                for (x, to) in row.iter_mut().enumerate() {
                    let squared = rest + away(x.min(sx - x), spacing[0]);
                    *to = if squared == 0.0 { 0.0 } else { 1.0 / squared.sqrt() };
                }
                self.along_x.process(row, spectrum).expect("lengths are the plan's");
                for (to, value) in out.iter_mut().zip(spectrum) {
                    *to = value.re;
                }
            },
        );
        out
    }

    /// The transforms along y and z of one column of lines along y. Shape (y, z).
    fn plane(&self, lines: &mut [Complex64]) -> Vec<Complex64> {
        let [_, sy, sz] = self.size;
        self.along_y.process(lines);
        let mut turned = vec![Complex64::default(); sy * sz];
        for (z, line) in lines.chunks_exact(sy).enumerate() {
            for (y, &value) in line.iter().enumerate() {
                turned[y * sz + z] = value;
            }
        }
        self.along_z.process(&mut turned);
        turned
    }

    /// The sums over all pairs of samples, weighted with the inverse of their distance: of the first
    /// field with itself, of the second with itself, and of the third with the first.
    fn correlations(
        &self,
        ones: &[Complex64],
        centred: &[Complex64],
        squared: &[Complex64],
        spacing: Vec3,
    ) -> [f64; 3] {
        let [sx, sy, sz] = self.size;
        let [_, ny, nz] = self.within;
        let columns = self.columns();
        let kernel = self.kernel(spacing);
        let of_column = |column: usize| {
            let spectrum = |field: &[Complex64]| {
                let mut lines = vec![Complex64::default(); sy * nz];
                for (z, line) in lines.chunks_exact_mut(sy).enumerate() {
                    for (y, to) in line[..ny].iter_mut().enumerate() {
                        *to = field[(z * ny + y) * columns + column];
                    }
                }
                self.plane(&mut lines)
            };
            let mut lines = vec![Complex64::default(); sy * sz];
            for (z, line) in lines.chunks_exact_mut(sy).enumerate() {
                for (y, to) in line.iter_mut().enumerate() {
                    let (y, z) = (y.min(sy - y), z.min(sz - z));
                    let value = kernel[(z * (sy / 2 + 1) + y) * columns + column];
                    *to = Complex64::new(value, 0.0);
                }
            }
            let weight = self.plane(&mut lines);
            let [ones, centred, squared] = [ones, centred, squared].map(spectrum);
            let mut sums = [0.0; 3];
            for (i, weight) in weight.iter().enumerate() {
                sums[0] += weight.re * ones[i].norm_sqr();
                sums[1] += weight.re * centred[i].norm_sqr();
                sums[2] += weight.re * (squared[i].conj() * ones[i]).re;
            }
            // An inner column stands for its mirror image as well.
            let twice = if column == 0 || 2 * column == sx { 1.0 } else { 2.0 };
            sums.map(|sum| twice * sum)
        };
        // In the order of the columns, whichever thread had them.
        let of_columns: Vec<[f64; 3]> = (0..columns).into_par_iter().map(of_column).collect();
        let count = (sx * sy * sz) as f64;
        let total = |i: usize| of_columns.iter().map(|sums| sums[i]).sum::<f64>() / count;
        [total(0), total(1), total(2)]
    }
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
        let dense = Array3::from_shape_fn(shape, |(z, y, x)| (x + 2 * y + 3 * z) % 4 != 0);
        let sparse = Array3::from_shape_fn(shape, |(z, y, x)| (x + 6 * y + 30 * z) % 23 == 0);
        for (mask, few) in [(dense, false), (sparse, true)] {
            let voxels = mask.iter().filter(|&&inside| inside).count() as f64;
            assert_eq!(is_sparse(voxels, shape), few);
            equals_the_definition(&intensities, &mask, spacing);
        }
    }

    fn equals_the_definition(intensities: &Array3<f32>, mask: &Array3<bool>, spacing: Vec3) {
        let voxels: Vec<([f64; 3], f64)> = mask
            .indexed_iter()
            .filter(|&(_, &m)| m)
            .map(|((z, y, x), _)| {
                let at = [x as f64 * spacing[0], y as f64 * spacing[1], z as f64 * spacing[2]];
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
        let [moran, geary] = moran_and_geary(intensities, mask, spacing);
        let exact =
            [n / weights * products / squares, (n - 1.0) / (2.0 * weights) * differences / squares];
        for (value, exact) in [moran, geary].into_iter().zip(exact) {
            let value = value.expect("defined");
            assert!((value - exact).abs() < 1e-12 * (1.0 + exact.abs()), "{value} {exact}");
        }
    }
}
