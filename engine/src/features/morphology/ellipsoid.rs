//! Ellipsoids around a lesion: their areas, and the one of least volume.

use nalgebra::{DMatrix, DVector, Matrix3, Matrix4, SymmetricEigen, Vector3, Vector4};

use crate::geometry::Vec3;

/// Degrees of the Legendre series of an ellipsoid's area, as the IBSI manual (3.1, RDD2) has it.
const DEGREES: usize = 20;
/// How far the squared radius of the farthest point may exceed 1: the volume is then within 2e-9.
const TOLERANCE: f64 = 1e-9;
const MAX_STEPS: usize = 10_000;
/// Thickness, in parts of the size, below which points count as lying in one plane.
const FLAT: f64 = 1e-12;
/// Of the points with the 1 that lifts them: the mean of their squared radii.
const DIMENSION: f64 = 4.0;

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

/// Semi-axes, longest first, of the ellipsoid of least volume that holds all points.
///
/// `None` where the points lie in one plane.
///
/// The dual problem is solved: weights of the points that make the determinant of their second
/// moments greatest. As in Khachiyan's algorithm (Todd and Yıldırım, doi:10.1016/j.dam.2007.02.013,
/// with the start of Kumar and Yıldırım, doi:10.1007/s10957-005-2653-6), the farthest point outside
/// joins the few that have a weight; among these, Newton's method finds the best weights.
pub(super) fn least_enclosing(points: &[Vec3]) -> Option<Vec3> {
    // Scaled to about one, so that the arithmetic does not depend on units.
    let scale = points.iter().flatten().fold(0.0f64, |m, v| m.max(v.abs())).max(1e-300);
    let lifted: Vec<Vector4<f64>> =
        points.iter().map(|p| Vector3::from(p.map(|v| v / scale)).push(1.0)).collect();
    let mut support = start(&lifted)?;
    for _ in 0..MAX_STEPS {
        balance(&lifted, &mut support)?;
        let inverse = moment(&lifted, &support).try_inverse()?;
        let (farthest, distance) = lifted
            .iter()
            .map(|q| q.dot(&(inverse * q)))
            .enumerate()
            .fold((0, 0.0), |most, next| if next.1 > most.1 { next } else { most });
        if distance < DIMENSION * (1.0 + TOLERANCE) {
            break;
        }
        // The step that raises the determinant most.
        let share = (distance - DIMENSION) / (DIMENSION * (distance - 1.0));
        support.iter_mut().for_each(|(_, weight)| *weight *= 1.0 - share);
        match support.iter_mut().find(|(point, _)| *point == farthest) {
            Some((_, weight)) => *weight += share,
            None => support.push((farthest, share)),
        }
    }
    let axes = semi_axes(&lifted, &support);
    (axes[2] > 0.0).then(|| axes.map(|a| a * scale))
}

/// Points by index, with their weights, which are above 0 and add up to 1.
type Support = Vec<(usize, f64)>;

/// The points that lie farthest along three directions, each at right angles to the differences
/// found so far: they do not lie in one plane unless all points do.
fn start(lifted: &[Vector4<f64>]) -> Option<Support> {
    let mut spanned: Vec<Vector3<f64>> = Vec::new();
    let mut chosen = Vec::new();
    for _ in 0..3 {
        let direction = (0..3)
            .map(|axis| {
                let unit = Vector3::ith(axis, 1.0);
                spanned.iter().fold(unit, |rest, s| rest - s * s.dot(&rest))
            })
            .fold(
                Vector3::zeros(),
                |most, next| if next.norm() > most.norm() { next } else { most },
            )
            .normalize();
        let along = |&i: &usize, &j: &usize| {
            let at = |i: usize| direction.dot(&lifted[i].xyz());
            at(i).total_cmp(&at(j))
        };
        let low = (0..lifted.len()).min_by(along)?;
        let high = (0..lifted.len()).max_by(along)?;
        let between = lifted[high].xyz() - lifted[low].xyz();
        let rest = spanned.iter().fold(between, |rest, s| rest - s * s.dot(&rest));
        spanned.push(rest.try_normalize(FLAT)?);
        chosen.extend([low, high]);
    }
    chosen.sort_unstable();
    chosen.dedup();
    let weight = 1.0 / chosen.len() as f64;
    Some(chosen.into_iter().map(|point| (point, weight)).collect())
}

/// Moves weight between the points of the support until all of them lie on their ellipsoid; a point
/// that is left without weight goes.
fn balance(lifted: &[Vector4<f64>], support: &mut Support) -> Option<()> {
    for _ in 0..MAX_STEPS {
        let n = support.len();
        let inverse = moment(lifted, support).try_inverse()?;
        let q = |i: usize| &lifted[support[i].0];
        let products = DMatrix::from_fn(n, n, |i, j| q(i).dot(&(inverse * q(j))));
        let distances = products.diagonal();
        if distances.iter().all(|d| (d / DIMENSION - 1.0).abs() < 0.1 * TOLERANCE) {
            return Some(());
        }
        // Newton's step with the sum of the weights held. The second derivatives are of rank 10 at
        // most; a small ridge chooses among the steps that are equally good.
        let ridge = 1e-10 * DIMENSION * DIMENSION;
        let curvature = products.map(|p| p * p) + DMatrix::identity(n, n) * ridge;
        let factor = curvature.cholesky()?;
        let (to_gradient, to_ones) =
            (factor.solve(&distances), factor.solve(&DVector::from_element(n, 1.0)));
        let step: DVector<f64> = &to_gradient - &to_ones * (to_gradient.sum() / to_ones.sum());
        // Damped far from the optimum, where the function is not yet a parabola.
        let decrement = step.dot(&distances).max(0.0).sqrt();
        let damped = if decrement > 0.25 { 1.0 / (1.0 + decrement) } else { 1.0 };
        let room = |i: usize| if step[i] < 0.0 { -support[i].1 / step[i] } else { f64::INFINITY };
        let (first, room) = (0..n)
            .map(|i| (i, room(i)))
            .fold((0, f64::INFINITY), |least, next| if next.1 < least.1 { next } else { least });
        let length = damped.min(room);
        for (i, (_, weight)) in support.iter_mut().enumerate() {
            *weight += length * step[i];
        }
        if room <= damped {
            support.remove(first);
        }
        support.retain(|&(_, weight)| weight > 0.0);
        let total: f64 = support.iter().map(|(_, weight)| weight).sum();
        support.iter_mut().for_each(|(_, weight)| *weight /= total);
    }
    Some(())
}

fn moment(lifted: &[Vector4<f64>], support: &Support) -> Matrix4<f64> {
    support.iter().map(|&(i, weight)| lifted[i] * lifted[i].transpose() * weight).sum()
}

/// The semi-axes of the ellipsoid that the weights stand for, longest first.
fn semi_axes(lifted: &[Vector4<f64>], support: &Support) -> Vec3 {
    let centre: Vector3<f64> = support.iter().map(|&(i, w)| lifted[i].xyz() * w).sum();
    let spread: Matrix3<f64> = support
        .iter()
        .map(|&(i, weight)| {
            let d = lifted[i].xyz() - centre;
            d * d.transpose() * weight
        })
        .sum();
    let mut axes: Vec3 =
        SymmetricEigen::new(spread).eigenvalues.map(|l| (3.0 * l.max(0.0)).sqrt()).into();
    axes.sort_by(|a, b| b.total_cmp(a));
    axes
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
