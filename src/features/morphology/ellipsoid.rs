//! Ellipsoids around a lesion: their areas, and the one of least volume.

use nalgebra::{Matrix3, Matrix4, SymmetricEigen, Vector3, Vector4};

use super::boxes::farthest_out;
use crate::geometry::Vec3;

/// Degrees of the Legendre series of an ellipsoid's area, as the IBSI manual (3.1, RDD2) has it.
const DEGREES: usize = 20;
/// How far the squared radius of the farthest point may exceed 1: the volume is then within 2e-7.
const TOLERANCE: f64 = 1e-7;
const MAX_STEPS: usize = 100_000;
/// Points that the search starts from, at most.
const DIRECTIONS: usize = 128;

/// Volume of an ellipsoid of these semi-axes, mm³.
pub(super) fn volume([a, b, c]: Vec3) -> f64 {
    4.0 / 3.0 * std::f64::consts::PI * a * b * c
}

/// Area of an ellipsoid of semi-axes a >= b >= c > 0, mm², by the series of the IBSI manual (3.1,
/// RDD2), which the reference values follow.
///
/// For a flattened ellipsoid the manual's series gives up to some percent more than the surface
/// integral: its eccentricities are both taken against the longest axis. The standard's values are
/// what other engines are compared with, so it is kept.
pub(super) fn area([a, b, c]: Vec3) -> f64 {
    let alpha_squared = 1.0 - (b * b) / (a * a);
    let beta_squared = 1.0 - (c * c) / (a * a);
    let product_squared = alpha_squared * beta_squared;
    let mean = 0.5 * (alpha_squared + beta_squared);
    // (alpha beta)^n P_n((alpha² + beta²) / (2 alpha beta)) by the Legendre recurrence, multiplied
    // through so that a sphere divides by nothing.
    let (mut previous, mut current) = (0.0, 1.0);
    let mut sum = 0.0;
    for n in 0..=DEGREES {
        let nf = n as f64;
        sum += current / (1.0 - 4.0 * nf * nf);
        let next =
            ((2.0 * nf + 1.0) * mean * current - nf * product_squared * previous) / (nf + 1.0);
        (previous, current) = (current, next);
    }
    4.0 * std::f64::consts::PI * a * b * sum
}

/// Semi-axes, longest first, of the ellipsoid of least volume that holds all points (Khachiyan's
/// algorithm with the away steps of Todd and Yıldırım, doi:10.1016/j.dam.2007.02.013).
///
/// `None` where the points lie in one plane.
///
/// The points that lie farthest out come first; those that their ellipsoid leaves outside join them
/// until none is left.
pub(super) fn least_enclosing(points: &[Vec3]) -> Option<Vec3> {
    if points.len() < 4 {
        return None;
    }
    // Scaled to about one, so that the arithmetic does not depend on units.
    let scale = points.iter().flatten().fold(0.0f64, |m, v| m.max(v.abs())).max(1e-300);
    let lift = |p: &Vec3| Vector3::from(p.map(|v| v / scale)).push(1.0);
    let mut chosen: Vec<Vector4<f64>> = farthest_out(points, DIRECTIONS).iter().map(lift).collect();
    let all: Vec<Vector4<f64>> = points.iter().map(lift).collect();
    loop {
        let (inverse, axes) = around(&chosen)?;
        let outside = |q: &&Vector4<f64>| q.dot(&(inverse * **q)) > 4.0 * (1.0 + 2.0 * TOLERANCE);
        let before = chosen.len();
        chosen.extend(all.iter().filter(outside));
        if chosen.len() == before {
            return (axes[2] > 0.0).then(|| axes.map(|a| a * scale));
        }
    }
}

/// The inverse moment of the least ellipsoid around some points, and its semi-axes.
fn around(lifted: &[Vector4<f64>]) -> Option<(Matrix4<f64>, Vec3)> {
    let n = lifted.len();
    let mut weights = vec![1.0 / n as f64; n];
    let mut found = None;
    for _ in 0..MAX_STEPS {
        let moment: Matrix4<f64> =
            lifted.iter().zip(&weights).map(|(q, &w)| q * q.transpose() * w).sum();
        let inverse = moment.try_inverse()?;
        found = Some(inverse);
        let distances: Vec<f64> = lifted.iter().map(|q| q.dot(&(inverse * q))).collect();
        let farthest = argmax((0..n).map(|i| distances[i]));
        let nearest = argmax(
            (0..n).map(|i| if weights[i] > 0.0 { -distances[i] } else { f64::NEG_INFINITY }),
        );
        let (out, within) = (distances[farthest] / 4.0 - 1.0, 1.0 - distances[nearest] / 4.0);
        if out.max(within) < TOLERANCE {
            break;
        }
        let (at, distance) = if out >= within {
            (farthest, distances[farthest])
        } else {
            (nearest, distances[nearest])
        };
        let mut step = (distance - 4.0) / (4.0 * (distance - 1.0));
        if out < within {
            step = step.max(-weights[at] / (1.0 - weights[at]));
        }
        weights.iter_mut().for_each(|w| *w *= 1.0 - step);
        weights[at] += step;
        weights[at] = weights[at].max(0.0);
    }
    let centre: Vector3<f64> = lifted.iter().zip(&weights).map(|(q, &w)| q.xyz() * w).sum();
    let spread: Matrix3<f64> = lifted
        .iter()
        .zip(&weights)
        .map(|(q, &w)| {
            let d = q.xyz() - centre;
            d * d.transpose() * w
        })
        .sum();
    let mut axes: Vec<f64> =
        SymmetricEigen::new(spread).eigenvalues.iter().map(|l| (3.0 * l.max(0.0)).sqrt()).collect();
    axes.sort_by(|a, b| b.total_cmp(a));
    Some((found?, [axes[0], axes[1], axes[2]]))
}

fn argmax(values: impl Iterator<Item = f64>) -> usize {
    values
        .enumerate()
        .fold((0, f64::NEG_INFINITY), |best, (i, v)| if v > best.1 { (i, v) } else { best })
        .0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Oracle: closed form. Other shapes have the IBSI reference values of `morph_area_dens_aee`.
    #[test]
    fn the_area_of_a_sphere() {
        assert!((area([3.0; 3]) - 36.0 * std::f64::consts::PI).abs() < 1e-9);
    }

    /// Oracle: the least ellipsoid around a box has semi-axes of sqrt(3) times its half edges.
    #[test]
    fn the_ellipsoid_around_a_box() {
        let half = [5.0, 3.0, 1.0];
        let corners: Vec<Vec3> = (0..8)
            .map(|bits| {
                std::array::from_fn(|a| 10.0 + if bits >> a & 1 == 1 { half[a] } else { -half[a] })
            })
            .collect();
        let axes = least_enclosing(&corners).expect("not flat");
        for (axis, h) in axes.iter().zip(half) {
            assert!((axis / (3f64.sqrt() * h) - 1.0).abs() < 1e-3, "{axis} {h}");
        }
    }
}
