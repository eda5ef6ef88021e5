//! Section 2.4 (VTM2): an image and a mask on a grid of another spacing. Both grids share their
//! centre (3WE3), and the old image goes on beyond its edge with the intensities of the edge (026Q).

use super::exact::{UNIT, all_units, float, floor, units};
use super::{Image, Interpolation, Rounding, offset, voxels};

/// A place on an axis of the old grid, `above / below` voxels from its first voxel.
#[derive(Clone, Copy, Debug)]
struct Place {
    above: i128,
    below: i128,
}

impl Place {
    /// The voxel at or before the place.
    fn before(self) -> i128 {
        floor(self.above, self.below)
    }

    /// How far it lies beyond that voxel, as a part of `below`.
    fn beyond(self) -> i128 {
        self.above - self.before() * self.below
    }
}

/// 026Q: the number of voxels along an axis, rounded up.
pub fn dimension(n: usize, from: f64, to: f64) -> usize {
    match (units(from), units(to)) {
        (Some(from), Some(to)) => (n as i128 * from + to - 1).div_euclid(to) as usize,
        _ => (n as f64 * from / to).ceil() as usize,
    }
}

/// QCY4: x_b = (n_a - 1 - s_b / s_a (n_b - 1)) / 2, and then steps of s_b / s_a.
fn places(n: usize, from: f64, to: f64) -> Vec<Place> {
    let new = dimension(n, from, to);
    let mut all = Vec::new();
    for step in 0..new {
        if let (Some(from), Some(to)) = (units(from), units(to)) {
            let start = from * (n as i128 - 1) - to * (new as i128 - 1);
            all.push(Place { above: start + 2 * step as i128 * to, below: 2 * from });
        } else {
            // Spacings that are no binary fractions: to the nearest 2^-30 of a voxel, which keeps
            // a place that is meant to lie half-way between two voxels half-way.
            let below = 1_i128 << 30;
            let start = 0.5 * (n as f64 - 1.0 - to / from * (new as f64 - 1.0));
            let at = start + step as f64 * to / from;
            all.push(Place { above: (at * below as f64).round() as i128, below });
        }
    }
    all
}

/// The voxel of the old grid that a place beyond its edge goes on with.
fn clamped(index: i128, n: usize) -> usize {
    index.clamp(0, n as i128 - 1) as usize
}

/// Weights that sum to the second number, each with a voxel of the old grid.
fn weights(size: [usize; 3], at: [Place; 3], method: Interpolation) -> (Vec<(usize, i128)>, i128) {
    let mut corners = vec![([0; 3], 1)];
    let mut total = 1;
    for axis in 0..3 {
        let (place, n) = (at[axis], size[axis]);
        let mut next = Vec::new();
        for (voxel, weight) in corners {
            let mut add = |index: i128, part: i128| {
                let mut voxel: [usize; 3] = voxel;
                voxel[axis] = clamped(index, n);
                if part != 0 {
                    next.push((voxel, weight * part));
                }
            };
            if method == Interpolation::Nearest {
                // The manual does not say which of two voxels at the same distance; here the later.
                let later = 2 * place.beyond() >= place.below;
                add(place.before() + i128::from(later), 1);
            } else {
                add(place.before(), place.below - place.beyond());
                add(place.before() + 1, place.beyond());
            }
        }
        corners = next;
        if method != Interpolation::Nearest {
            total *= place.below;
        }
    }
    (corners.into_iter().map(|(voxel, weight)| (offset(size, voxel), weight)).collect(), total)
}

struct Grid {
    size: [usize; 3],
    axes: [Vec<Place>; 3],
}

fn grid(image: &Image, spacing: [f64; 3]) -> Grid {
    let axes = [0, 1, 2].map(|axis| places(image.size[axis], image.spacing[axis], spacing[axis]));
    Grid { size: [axes[0].len(), axes[1].len(), axes[2].len()], axes }
}

impl Grid {
    fn at(&self, [z, y, x]: [usize; 3]) -> [Place; 3] {
        [self.axes[0][z], self.axes[1][y], self.axes[2][x]]
    }
}

/// The image on the new grid.
pub fn image(image: &Image, spacing: [f64; 3], method: Interpolation, rounding: Rounding) -> Image {
    let grid = grid(image, spacing);
    let values = if method == Interpolation::Cubic {
        cubic(image, &grid).into_iter().map(|value| rounded_float(value, rounding)).collect()
    } else {
        let exact = all_units(&image.values);
        let mut values = Vec::new();
        for voxel in voxels(grid.size) {
            let (corners, total) = weights(image.size, grid.at(voxel), method);
            values.push(match &exact {
                Some(exact) => {
                    let sum: i128 = corners.iter().map(|&(place, w)| w * exact[place]).sum();
                    rounded(sum, total * UNIT, rounding)
                }
                None => {
                    let mut sum = 0.0;
                    for (place, weight) in corners {
                        sum += float(weight, total) * image.values[place];
                    }
                    rounded_float(sum, rounding)
                }
            });
        }
        values
    };
    Image { size: grid.size, spacing, values }
}

/// E8H9: the mask is interpolated as an image of 0 and 1; a voxel of at least the threshold is in.
pub fn mask(
    image: &Image,
    mask: &[bool],
    spacing: [f64; 3],
    method: Interpolation,
    threshold: f64,
) -> Vec<bool> {
    let grid = grid(image, spacing);
    let mut new = Vec::new();
    for voxel in voxels(grid.size) {
        let (corners, total) = weights(image.size, grid.at(voxel), method);
        let sum: i128 = corners.iter().filter(|&&(place, _)| mask[place]).map(|&(_, w)| w).sum();
        new.push(match units(threshold) {
            Some(threshold) => sum * UNIT >= threshold * total,
            None => float(sum, total) >= threshold,
        });
    }
    new
}

/// 68QD, for a fraction.
fn rounded(above: i128, below: i128, rounding: Rounding) -> f64 {
    let low = floor(above, below);
    // The fraction is `low + rest / below`; twice the rest against one tells the nearer integer.
    let twice = 2 * (above - low * below);
    let up = match rounding {
        Rounding::None => return float(above, below),
        _ if twice != below => twice > below,
        Rounding::HalfUp => true,
        Rounding::HalfAwayFromZero => low >= 0,
        Rounding::HalfToEven => low.rem_euclid(2) == 1,
    };
    (low + i128::from(up)) as f64
}

/// The same for a float, whose last digits are noise: first to the nearest 2^-24.
fn rounded_float(value: f64, rounding: Rounding) -> f64 {
    if rounding == Rounding::None {
        return value;
    }
    let below = 1_i128 << 24;
    rounded((value * below as f64).round() as i128, below, rounding)
}

/// Tricubic spline: along x, then y, then z the interpolating cubic spline of every line. (It is
/// linear in the intensities of each axis, so the order of the axes makes no difference.)
fn cubic(image: &Image, grid: &Grid) -> Vec<f64> {
    let mut size = image.size;
    let mut values = image.values.clone();
    for axis in [2, 1, 0] {
        let mut new_size = size;
        new_size[axis] = grid.size[axis];
        let at: Vec<f64> =
            grid.axes[axis].iter().map(|place| float(place.above, place.below)).collect();
        let mut new = vec![0.0; new_size.iter().product()];
        for start in voxels(size).into_iter().filter(|voxel| voxel[axis] == 0) {
            let mut line = Vec::new();
            for step in 0..size[axis] {
                let mut voxel = start;
                voxel[axis] = step;
                line.push(values[offset(size, voxel)]);
            }
            for (step, value) in spline(&line, &at).into_iter().enumerate() {
                let mut voxel = start;
                voxel[axis] = step;
                new[offset(new_size, voxel)] = value;
            }
        }
        size = new_size;
        values = new;
    }
    values
}

/// Voxels added at each end of a line: what lies at its far ends reaches the image weakened by
/// 0.27 per voxel, so by 10^-17.
const PADDING: usize = 30;

/// The cubic spline through the values of a line, at some places. The line goes on at both ends
/// with its edge values.
fn spline(line: &[f64], at: &[f64]) -> Vec<f64> {
    let n = line.len() + 2 * PADDING;
    let padded: Vec<f64> =
        (0..n).map(|index| line[index.saturating_sub(PADDING).min(line.len() - 1)]).collect();
    // Second derivatives m: m[i-1] + 4 m[i] + m[i+1] = 6 (v[i-1] - 2 v[i] + v[i+1]), 0 at the ends.
    // Forward elimination, then back substitution.
    let mut factor = vec![0.0; n];
    let mut right = vec![0.0; n];
    for i in 1..n - 1 {
        let below = 4.0 - factor[i - 1];
        factor[i] = 1.0 / below;
        right[i] = (6.0 * (padded[i - 1] - 2.0 * padded[i] + padded[i + 1]) - right[i - 1]) / below;
    }
    let mut second = vec![0.0; n];
    for i in (1..n - 1).rev() {
        second[i] = right[i] - factor[i] * second[i + 1];
    }
    at.iter()
        .map(|&at| {
            let at = at + PADDING as f64;
            let i = (at.floor() as usize).min(n - 2);
            let t = at - i as f64;
            let s = 1.0 - t;
            s * padded[i]
                + t * padded[i + 1]
                + ((s.powi(3) - s) * second[i] + (t.powi(3) - t) * second[i + 1]) / 6.0
        })
        .collect()
}
