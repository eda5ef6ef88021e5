//! The oriented box of least volume around a convex hull.

use crate::geometry::{Vec3, cross, dot, norm};

/// Hulls of delineated lesions have up to some thousand corners; for the search among their faces,
/// this many that lie farthest out in as many directions stand for all.
const DIRECTIONS: usize = 256;
/// Faces that the search leaves for the exact comparison.
const FINALISTS: usize = 24;

/// Edge lengths, mm, of the smallest box that has a face in common with the hull.
///
/// Every face of the hull is tried as the box's base, with the smallest rectangle around the hull's
/// projection, which shares an edge with it. Where there are many faces, they are first compared by
/// the corners that lie farthest out, and the best ones by all corners, so that the box always holds
/// the hull. A box that touches the hull with edges only can be smaller still (O'Rourke,
/// doi:10.1007/BF00991005); on delineated lesions it is not by much.
pub(super) fn least_box(vertices: &[Vec3], faces: &[[usize; 3]]) -> Option<Vec3> {
    let mut normals = normals(vertices, faces);
    let volume = |edges: Vec3| edges.iter().product::<f64>();
    if normals.len() > 4 * FINALISTS {
        let outer = farthest_out(vertices, DIRECTIONS);
        let mut ranked: Vec<(f64, Vec3)> = normals
            .into_iter()
            .filter_map(|normal| Some((volume(box_on(&outer, normal)?), normal)))
            .collect();
        ranked.sort_by(|a, b| a.partial_cmp(b).expect("finite"));
        normals = ranked.into_iter().take(FINALISTS).map(|(_, normal)| normal).collect();
    }
    normals
        .into_iter()
        .filter_map(|normal| box_on(vertices, normal))
        .min_by(|a, b| volume(*a).total_cmp(&volume(*b)))
}

/// The unit normals of the faces, opposite and equal ones once.
fn normals(vertices: &[Vec3], faces: &[[usize; 3]]) -> Vec<Vec3> {
    let mut normals: Vec<Vec3> = faces
        .iter()
        .map(|&[a, b, c]| {
            let to =
                |p: usize| -> Vec3 { std::array::from_fn(|i| vertices[p][i] - vertices[a][i]) };
            let normal = cross(to(b), to(c));
            let length = norm(normal);
            // Opposite faces have the same box; rounding joins the triangles of one plane.
            let sign = normal.iter().find(|v| v.abs() > 1e-9 * length).map_or(1.0, |v| v.signum());
            normal.map(|v| (v * sign / length * 1e9).round() / 1e9)
        })
        .collect();
    normals.sort_by(|a, b| a.partial_cmp(b).expect("finite"));
    normals.dedup();
    normals
}

/// The vertices that lie farthest out in evenly spread directions (a Fibonacci lattice on the
/// sphere).
pub(super) fn farthest_out(vertices: &[Vec3], directions: usize) -> Vec<Vec3> {
    let golden = std::f64::consts::PI * (3.0 - 5f64.sqrt());
    let mut chosen: Vec<usize> = (0..directions)
        .filter_map(|i| {
            let z = 1.0 - (2 * i + 1) as f64 / directions as f64;
            let r = (1.0 - z * z).sqrt();
            let (sin, cos) = (golden * i as f64).sin_cos();
            let direction = [r * cos, r * sin, z];
            let along = |v: usize| dot(vertices[v], direction);
            (0..vertices.len()).max_by(|&a, &b| along(a).total_cmp(&along(b)))
        })
        .collect();
    chosen.sort_unstable();
    chosen.dedup();
    chosen.into_iter().map(|v| vertices[v]).collect()
}

fn box_on(vertices: &[Vec3], normal: Vec3) -> Option<Vec3> {
    let axis = if normal[0].abs() < 0.6 { [1.0, 0.0, 0.0] } else { [0.0, 1.0, 0.0] };
    let unit = |v: Vec3| v.map(|c| c / norm(v));
    let u = unit(cross(normal, axis));
    let v = cross(unit(normal), u);
    let height = extent(vertices.iter().map(|&p| dot(p, unit(normal))));
    let projected: Vec<[f64; 2]> = vertices.iter().map(|&p| [dot(p, u), dot(p, v)]).collect();
    let around = hull_2d(projected);
    let rectangle = (0..around.len())
        .map(|i| {
            let (p, q) = (around[i], around[(i + 1) % around.len()]);
            let d = [q[0] - p[0], q[1] - p[1]];
            let length = d[0].hypot(d[1]);
            let [x, y] = d.map(|c| c / length);
            let along = extent(around.iter().map(|r| r[0] * x + r[1] * y));
            let across = extent(around.iter().map(|r| r[1] * x - r[0] * y));
            [along, across]
        })
        .min_by(|a, b| (a[0] * a[1]).total_cmp(&(b[0] * b[1])))?;
    Some([rectangle[0], rectangle[1], height])
}

fn extent(values: impl Iterator<Item = f64>) -> f64 {
    let (low, high) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    high - low
}

/// Corners of the convex hull in the plane, in order (Andrew's monotone chain).
fn hull_2d(mut points: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    points.sort_by(|a, b| a.partial_cmp(b).expect("finite"));
    points.dedup();
    let turn = |a: [f64; 2], b: [f64; 2], c: [f64; 2]| {
        (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    };
    let chain = |points: &mut dyn Iterator<Item = [f64; 2]>| {
        let mut chain: Vec<[f64; 2]> = Vec::new();
        for p in points {
            while chain.len() > 1 && turn(chain[chain.len() - 2], chain[chain.len() - 1], p) <= 0.0
            {
                chain.pop();
            }
            chain.push(p);
        }
        chain.pop();
        chain
    };
    let mut lower = chain(&mut points.iter().copied());
    lower.extend(chain(&mut points.iter().rev().copied()));
    lower
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::morphology::hull::hull;

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
        let vertices: Vec<Vec3> = hull.vertices.iter().map(|p| p.map(f64::from)).collect();
        let mut edges = least_box(&vertices, &hull.faces).expect("a box");
        edges.sort_by(f64::total_cmp);
        for (edge, expected) in edges.iter().zip([5.0, 7.0, 10.0]) {
            assert!((edge - expected).abs() < 1e-6, "{edges:?}");
        }
    }
}
