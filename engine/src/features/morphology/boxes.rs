//! The oriented box of least volume around a convex hull.

use multiversion::multiversion;

use super::hull::{Hull, Point, hull};
use crate::geometry::{Vec3, cross, dot, norm};

/// Hulls of delineated lesions have up to some thousand corners; for the search among their faces,
/// this many that lie farthest out in as many directions stand for all.
const DIRECTIONS: usize = 256;
/// Faces that the search leaves for the exact comparison.
const FINALISTS: usize = 24;
/// Cosine of the angle to a direction below which a face is seen edge-on.
const EDGE_ON: f64 = 1e-9;

/// Edge lengths, mm, of the smallest box that has a face in common with the hull; `None` where the
/// hull has no face. `spacing` is in mm per voxel.
///
/// Every face of the hull is tried as the box's base, with the smallest rectangle around the hull's
/// projection, which shares an edge with it. Where there are many faces, they are first compared by
/// the corners that lie farthest out, and the best ones by all corners, so that the box always holds
/// the hull. A box that touches the hull with edges only can be smaller still (O'Rourke,
/// doi:10.1007/BF00991005); on delineated lesions it is not by much.
pub(super) fn least_box(around: &Hull, spacing: Vec3) -> Option<Vec3> {
    let whole = Outline::of(around, spacing);
    let mut normals = whole.normals();
    let volume = |edges: Vec3| edges.iter().product::<f64>();
    if normals.len() > 4 * FINALISTS {
        let outer = Outline::of(&hull(&farthest_out(around, spacing))?, spacing);
        let mut ranked: Vec<(f64, Vec3)> = normals
            .into_iter()
            .filter_map(|normal| Some((volume(outer.box_on(normal)?), normal)))
            .collect();
        ranked.sort_by(|a, b| a.partial_cmp(b).expect("finite"));
        normals = ranked.into_iter().take(FINALISTS).map(|(_, normal)| normal).collect();
    }
    normals
        .into_iter()
        .filter_map(|normal| whole.box_on(normal))
        .min_by(|a, b| volume(*a).total_cmp(&volume(*b)))
}

/// The corners that lie farthest out in evenly spread directions (a Fibonacci lattice on the
/// sphere).
fn farthest_out(hull: &Hull, spacing: Vec3) -> Vec<Point> {
    let golden = std::f64::consts::PI * (3.0 - 5f64.sqrt());
    let places = Columns::of(&hull.places(spacing));
    let mut along = Vec::new();
    let mut chosen: Vec<Point> = (0..DIRECTIONS)
        .filter_map(|i| {
            let z = 1.0 - (2 * i + 1) as f64 / DIRECTIONS as f64;
            let r = (1.0 - z * z).sqrt();
            let (sin, cos) = (golden * i as f64).sin_cos();
            products(&places, [r * cos, r * sin, z], &mut along);
            let farthest = along.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let at = along.iter().rposition(|&place| place == farthest)?;
            Some(hull.vertices[at])
        })
        .collect();
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

/// Vectors as one list per component, for sums over all of them at once.
struct Columns([Vec<f64>; 3]);

impl Columns {
    fn of(vectors: &[Vec3]) -> Self {
        Self(std::array::from_fn(|a| vectors.iter().map(|v| v[a]).collect()))
    }
}

/// Scalar products of vectors with a direction.
#[multiversion(targets("x86_64+avx2+bmi1+bmi2"))]
fn products(vectors: &Columns, [x, y, z]: Vec3, out: &mut Vec<f64>) {
    let Columns([xs, ys, zs]) = vectors;
    out.clear();
    out.extend(xs.iter().zip(ys).zip(zs).map(|((a, b), c)| a * x + b * y + c * z));
}

/// A hull in mm, as its outline is looked for from any direction.
struct Outline {
    corners: Columns,
    /// Unit normals of the faces.
    normals: Columns,
    edges: Vec<Edge>,
}

/// Where two faces meet.
struct Edge {
    faces: [usize; 2],
    along: Vec3,
}

impl Outline {
    fn of(hull: &Hull, spacing: Vec3) -> Self {
        let corners = hull.places(spacing);
        let between =
            |a: usize, b: usize| -> Vec3 { std::array::from_fn(|i| corners[b][i] - corners[a][i]) };
        let normals: Vec<Vec3> = hull
            .faces
            .iter()
            .map(|&[a, b, c]| {
                let normal = cross(between(a, b), between(a, c));
                let length = norm(normal);
                normal.map(|v| v / length)
            })
            .collect();
        let mut sides: Vec<([usize; 2], usize)> = Vec::with_capacity(3 * hull.faces.len());
        for (face, corners) in hull.faces.iter().enumerate() {
            for i in 0..3 {
                let [a, b] = [corners[i], corners[(i + 1) % 3]];
                sides.push(([a.min(b), a.max(b)], face));
            }
        }
        sides.sort_unstable();
        let edges = sides
            .chunks_exact(2)
            .map(|both| Edge {
                faces: [both[0].1, both[1].1],
                along: between(both[0].0[0], both[0].0[1]),
            })
            .collect();
        Self { corners: Columns::of(&corners), normals: Columns::of(&normals), edges }
    }

    /// The normals of the faces, opposite and equal ones once: they have the same box.
    fn normals(&self) -> Vec<Vec3> {
        let Columns([xs, ys, zs]) = &self.normals;
        let mut normals: Vec<Vec3> = xs
            .iter()
            .zip(ys)
            .zip(zs)
            .map(|((&x, &y), &z)| {
                let normal = [x, y, z];
                let sign = normal.iter().find(|v| v.abs() > 1e-9).map_or(1.0, |v| v.signum());
                // Rounding joins the triangles of one plane.
                normal.map(|v| (v * sign * 1e9).round() / 1e9)
            })
            .collect();
        normals.sort_by(|a, b| a.partial_cmp(b).expect("finite"));
        normals.dedup();
        normals
    }

    /// Edge lengths of the smallest box with a base at right angles to a normal.
    ///
    /// The outline of the hull, seen along the normal, consists of the edges between faces that are
    /// turned towards the viewer and those that are not.
    fn box_on(&self, normal: Vec3) -> Option<Vec3> {
        let unit = |v: Vec3| v.map(|c| c / norm(v));
        let normal = unit(normal);
        let axis = if normal[0].abs() < 0.6 { [1.0, 0.0, 0.0] } else { [0.0, 1.0, 0.0] };
        let u = unit(cross(normal, axis));
        let v = cross(normal, u);
        // Faces that are seen edge-on all count as turned away: what is left is one piece.
        let mut along = Vec::with_capacity(self.edges.len());
        products(&self.normals, normal, &mut along);
        let towards: Vec<bool> = along.iter().map(|&cosine| cosine > EDGE_ON).collect();
        let outline = self
            .edges
            .iter()
            .filter(|e| towards[e.faces[0]] != towards[e.faces[1]])
            .map(|edge| [dot(edge.along, u), dot(edge.along, v)])
            .collect();
        let rectangle = least_rectangle(outline)?;
        products(&self.corners, normal, &mut along);
        let (low, high) = along
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
        Some([rectangle[0], rectangle[1], high - low])
    }
}

/// Sides of the smallest rectangle around a convex outline, given the outline's edges in any order
/// and either sense. It shares an edge with the outline (Freeman and Shapira,
/// doi:10.1145/360881.360919).
///
/// The width of a convex outline across any direction is half the sum of its edges' lengths across
/// it. With the edges turned into the upper half plane and sorted by angle, those that have a
/// positive length along a direction come one after the other, and the sum of the lengths is a
/// difference of two running sums.
fn least_rectangle(mut edges: Vec<[f64; 2]>) -> Option<[f64; 2]> {
    for edge in &mut edges {
        if edge[1] < 0.0 || (edge[1] == 0.0 && edge[0] < 0.0) {
            *edge = edge.map(|c| -c);
        }
    }
    // Grows with the angle, from -1 to 1.
    let angle = |[x, y]: [f64; 2]| -x / (x.abs() + y);
    let mut by_angle: Vec<(f64, [f64; 2])> =
        edges.iter().map(|&edge| (angle(edge), edge)).collect();
    by_angle.sort_unstable_by(|(a, _), (b, _)| a.total_cmp(b));
    for (edge, (_, sorted)) in edges.iter_mut().zip(by_angle) {
        *edge = sorted;
    }
    let mut before = Vec::with_capacity(edges.len());
    let mut total = [0.0; 2];
    for edge in &edges {
        before.push(total);
        total = [total[0] + edge[0], total[1] + edge[1]];
    }

    let n = edges.len();
    // The first edge at more than a right angle to the current one; from `n` on, edges the other way
    // round.
    let mut beyond = 0;
    let widths = edges.iter().enumerate().map(|(i, &[x, y])| {
        let turned_back = |k: usize| {
            let [a, b] = edges[k % n];
            let along = x * a + y * b;
            if k < n { along < 0.0 } else { along > 0.0 }
        };
        while beyond < i + n && !turned_back(beyond) {
            beyond += 1;
        }
        let length = (x * x + y * y).sqrt();
        let (x, y) = (x / length, y / length);
        let half_turn =
            |k: usize| -> [f64; 2] { std::array::from_fn(|c| total[c] - 2.0 * before[k % n][c]) };
        let ([a, b], [c, d]) = (half_turn(beyond), half_turn(i));
        [0.5 * (a * x + b * y).abs(), 0.5 * (d * x - c * y).abs()]
    });
    widths.min_by(|a, b| (a[0] * a[1]).total_cmp(&(b[0] * b[1])))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Oracle: closed form; a box turned by a whole-number rotation (3, 4, 5) is its own smallest
    /// box.
    #[test]
    fn a_turned_box_is_found() {
        let mut points = Vec::new();
        for (a, b, c) in (0..8).map(|i| (i & 1, i >> 1 & 1, i >> 2 & 1)) {
            // 10 along (3, 4, 0)/5, 5 along (-4, 3, 0)/5, 7 along z.
            points.push([6 * a - 4 * b, 8 * a + 3 * b, 7 * c]);
        }
        let hull = hull(&points).expect("not flat");
        let mut edges = least_box(&hull, [2.0; 3]).expect("a box");
        edges.sort_by(f64::total_cmp);
        for (edge, expected) in edges.iter().zip([5.0, 7.0, 10.0]) {
            assert!((edge - expected).abs() < 1e-6, "{edges:?}");
        }
    }

    /// Oracle: the definition, every edge's rectangle from the corners.
    #[test]
    fn the_least_rectangle_is_that_of_the_corners() {
        for n in 3..40 {
            let corner = |i: usize| {
                let angle = (i % n) as f64 * std::f64::consts::TAU / n as f64 + 0.1;
                [5.0 * angle.cos() + 0.3, 2.0 * angle.sin()]
            };
            let edge =
                |i: usize| -> [f64; 2] { std::array::from_fn(|c| corner(i + 1)[c] - corner(i)[c]) };
            let width = |[x, y]: [f64; 2]| {
                let along = (0..n).map(|i| corner(i)[0] * x + corner(i)[1] * y);
                let (low, high) = along
                    .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
                high - low
            };
            let area = |i: usize| {
                let [x, y] = edge(i);
                width([x, y]) * width([-y, x]) / (x * x + y * y)
            };
            let expected = (0..n).map(area).fold(f64::INFINITY, f64::min);
            let mut edges: Vec<[f64; 2]> = (0..n).map(edge).collect();
            // Neither order nor sense matters.
            edges.reverse();
            edges[n / 2] = edges[n / 2].map(|c| -c);
            let [a, b] = least_rectangle(edges).expect("edges");
            approx::assert_relative_eq!(a * b, expected, max_relative = 1e-12);
        }
    }
}
