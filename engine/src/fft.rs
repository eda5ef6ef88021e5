//! Discrete Fourier transforms of images: lengths, transforms axis by axis, transposes.
//!
//! Arrays are x fastest. A transform runs along the fastest axis only; turning the array between
//! transforms brings the next axis there, and three turns restore the order.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;
use rustfft::num_complex::Complex64;
use rustfft::{Fft, FftPlanner};

/// Rows that a transpose reads at once, so that what it writes stays in the processor's cache.
const BLOCK: usize = 16;

/// The smallest length from `n` on with no prime factor above 5, for which transforms are fast.
pub(crate) fn fast_length(n: usize) -> usize {
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

/// Transforms one or two lines in place: a cosine transform packs two into one complex transform.
pub(crate) type Lines<T> = Box<dyn Fn(&mut [T]) + Sync>;

/// Applies the transform that `plan` gives for an axis (with its length) along each of the axes,
/// and returns to the order x fastest.
pub(crate) fn along_each<T: Copy + Send + Sync>(
    mut values: Vec<T>,
    size: [usize; 3],
    axes: Range<usize>,
    plan: impl Fn(usize, usize) -> Lines<T>,
) -> Vec<T> {
    for (axis, &n) in size.iter().enumerate() {
        if axes.contains(&axis) {
            let transform = plan(axis, n);
            values.par_chunks_mut(2 * n).for_each(&*transform);
        }
        values = turned(&values, n);
    }
    values
}

/// The complex transform of lines of `n`; the inverse is scaled to undo the forward one.
pub(crate) fn complex(n: usize, inverse: bool) -> Lines<Complex64> {
    let mut planner = FftPlanner::new();
    if inverse {
        let fft = planner.plan_fft_inverse(n);
        let scale = 1.0 / n as f64;
        Box::new(move |lines| {
            fft.process(lines);
            lines.iter_mut().for_each(|v| *v *= scale);
        })
    } else {
        let fft = planner.plan_fft_forward(n);
        Box::new(move |lines| fft.process(lines))
    }
}

/// Transforms of a slice; spectra are kept transposed.
pub(crate) struct Plane {
    pub(crate) width: usize,
    pub(crate) height: usize,
    rows: [Arc<dyn Fft<f64>>; 2],
    columns: [Arc<dyn Fft<f64>>; 2],
}

impl Plane {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        let mut planner = FftPlanner::new();
        Self {
            width,
            height,
            rows: [planner.plan_fft_forward(width), planner.plan_fft_inverse(width)],
            columns: [planner.plan_fft_forward(height), planner.plan_fft_inverse(height)],
        }
    }

    /// A slice of zeros, x fastest.
    pub(crate) fn empty(&self) -> Vec<Complex64> {
        vec![Complex64::new(0.0, 0.0); self.width * self.height]
    }

    pub(crate) fn forward(&self, mut slice: Vec<Complex64>) -> Vec<Complex64> {
        self.rows[0].process(&mut slice);
        let mut spectrum = transposed(&slice, self.width);
        self.columns[0].process(&mut spectrum);
        spectrum
    }

    pub(crate) fn inverse(&self, mut spectrum: Vec<Complex64>) -> Vec<Complex64> {
        self.columns[1].process(&mut spectrum);
        let mut slice = transposed(&spectrum, self.height);
        self.rows[1].process(&mut slice);
        let scale = 1.0 / (self.width * self.height) as f64;
        slice.iter_mut().for_each(|v| *v *= scale);
        slice
    }
}

/// Rows of `n` become columns, on all threads: the fastest axis becomes the slowest.
fn turned<T: Copy + Send + Sync>(values: &[T], n: usize) -> Vec<T> {
    let mut out = values.to_vec();
    if let Some(rows) = values.len().checked_div(n).filter(|rows| *rows > 0) {
        out.par_chunks_mut(rows * BLOCK)
            .enumerate()
            .for_each(|(block, out)| turn_columns(values, n, block * BLOCK, out));
    }
    out
}

/// Rows of `n` become columns, on this thread.
fn transposed<T: Copy>(values: &[T], n: usize) -> Vec<T> {
    let mut out = values.to_vec();
    if let Some(rows) = values.len().checked_div(n).filter(|rows| *rows > 0) {
        for (block, out) in out.chunks_mut(rows * BLOCK).enumerate() {
            turn_columns(values, n, block * BLOCK, out);
        }
    }
    out
}

/// Writes columns of rows of `n` one after the other, from column `first` until `out` is full.
fn turn_columns<T: Copy>(values: &[T], n: usize, first: usize, out: &mut [T]) {
    let rows = values.len() / n;
    let columns = out.len() / rows;
    for row in 0..rows {
        let line = &values[row * n + first..row * n + first + columns];
        for (column, value) in line.iter().enumerate() {
            out[column * rows + row] = *value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_lengths_are_the_next_products_of_2_3_and_5() {
        let expected = [(0, 1), (1, 1), (7, 8), (11, 12), (17, 18), (31, 32), (97, 100)];
        for (n, length) in expected {
            assert_eq!(fast_length(n), length);
        }
    }

    #[test]
    fn both_transposes_swap_rows_and_columns_and_three_turns_restore_the_order() {
        for [nx, ny, nz] in [[3, 5, 2], [1, 40, 1], [33, 17, 4]] {
            let values: Vec<usize> = (0..nx * ny * nz).collect();
            let once = turned(&values, nx);
            assert_eq!(once, transposed(&values, nx));
            assert!(
                (0..ny * nz).all(|row| (0..nx).all(|x| once[x * ny * nz + row] == row * nx + x))
            );
            assert_eq!(turned(&turned(&once, ny), nz), values);
        }
        assert!(turned::<f64>(&[], 0).is_empty());
    }
}
