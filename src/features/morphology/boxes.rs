//! The oriented box of least volume around a convex hull.

use crate::geometry::{Vec3, cross, dot, norm};

/// Edge lengths, mm, of the smallest box that has a face in common with the hull.
///
/// Every face of the hull is tried as the box's base, with the smallest rectangle around the hull's
/// projection, which shares an edge with it. A box that touches the hull with edges only can be
/// smaller still (O'Rourke, doi:10.1007/BF00991005); on delineated lesions it is not by much.
pub(super) fn least_box(vertices: &[Vec3], faces: &[[usize; 3]]) -> Option<Vec3> {
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
    normals.into_iter().filter_map(|normal| box_on(vertices, normal)).min_by(|a, b| {
        let volume = |e: &Vec3| e[0] * e[1] * e[2];
        volume(a).total_cmp(&volume(b))
    })
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
