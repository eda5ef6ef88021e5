//! The convex hull of a mesh's vertices, found in integers (half voxels): whether a point lies
//! beyond a plane does not change when the axes are stretched by the spacing.

use std::collections::{BTreeMap, BTreeSet};

use super::mesh::{Vertex, area, cross, dot, position, volume};

/// Triangles of vertices, all facing outwards.
#[derive(Clone, Debug)]
pub struct Hull {
    pub triangles: Vec<[Vertex; 3]>,
}

fn minus(a: Vertex, b: Vertex) -> Vertex {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// Above 0 where the point lies before the triangle, on the side it faces.
fn side([a, b, c]: [Vertex; 3], point: Vertex) -> i64 {
    let (u, v, w) = (minus(b, a), minus(c, a), minus(point, a));
    (u[1] * v[2] - u[2] * v[1]) * w[0]
        + (u[2] * v[0] - u[0] * v[2]) * w[1]
        + (u[0] * v[1] - u[1] * v[0]) * w[2]
}

fn collinear(a: Vertex, b: Vertex, c: Vertex) -> bool {
    let (u, v) = (minus(b, a), minus(c, a));
    u[1] * v[2] == u[2] * v[1] && u[2] * v[0] == u[0] * v[2] && u[0] * v[1] == u[1] * v[0]
}

/// The hull, point by point: triangles that a point lies before make way for new ones from their rim
/// to the point. `None` for points in a plane.
pub fn hull(points: &[Vertex]) -> Option<Hull> {
    let a = *points.first()?;
    let b = *points.iter().find(|&&point| point != a)?;
    let c = *points.iter().find(|&&point| !collinear(a, b, point))?;
    let d = *points.iter().find(|&&point| side([a, b, c], point) != 0)?;
    let mut triangles = Vec::new();
    for (mut triangle, inner) in [([a, b, c], d), ([a, b, d], c), ([a, c, d], b), ([b, c, d], a)] {
        if side(triangle, inner) > 0 {
            triangle.swap(0, 1);
        }
        triangles.push(triangle);
    }
    for &point in points {
        let (seen, kept): (Vec<_>, Vec<_>) =
            triangles.iter().copied().partition(|&triangle| side(triangle, point) > 0);
        if seen.is_empty() {
            continue;
        }
        let mut edges = BTreeSet::new();
        for [a, b, c] in seen {
            edges.extend([(a, b), (b, c), (c, a)]);
        }
        triangles = kept;
        for &(from, to) in edges.iter().filter(|&&(from, to)| !edges.contains(&(to, from))) {
            triangles.push([from, to, point]);
        }
    }
    Some(Hull { triangles })
}

impl Hull {
    pub fn vertices(&self) -> Vec<Vertex> {
        self.triangles.iter().flatten().copied().collect::<BTreeSet<_>>().into_iter().collect()
    }

    pub fn area(&self, spacing: [f64; 3]) -> f64 {
        self.triangles.iter().map(|t| area(t.map(|vertex| position(vertex, spacing)))).sum()
    }

    pub fn volume(&self, spacing: [f64; 3]) -> f64 {
        let sum: f64 =
            self.triangles.iter().map(|t| volume(t.map(|vertex| position(vertex, spacing)))).sum();
        sum.abs()
    }

    /// L0JK: the largest distance between two vertices; both lie on the hull.
    pub fn diameter(&self, spacing: [f64; 3]) -> f64 {
        let vertices = self.vertices();
        let mut largest: f64 = 0.0;
        for &a in &vertices {
            for &b in &vertices {
                let between = position(minus(a, b), spacing);
                largest = largest.max(dot(between, between));
            }
        }
        largest.sqrt()
    }

    /// ZH1A: volume and area of the smallest box in any orientation. Two adjacent sides of it each
    /// hold an edge of the hull (O'Rourke 1985): for every two edges the normal of the first side is
    /// turned around its edge, which settles the other two. Turned in steps, and finer near the best.
    pub fn oriented_box(&self, spacing: [f64; 3]) -> (f64, f64) {
        let points: Vec<[f64; 3]> =
            self.vertices().into_iter().map(|vertex| position(vertex, spacing)).collect();
        // Edges that only cut a flat side in two do no harm.
        let mut edges: BTreeMap<Vertex, [f64; 3]> = BTreeMap::new();
        for [a, b, c] in self.triangles.iter().copied() {
            for edge in [minus(a, b), minus(b, c), minus(c, a)] {
                let step = primitive(edge);
                edges.insert(step, unit(position(step, spacing)));
            }
        }
        let edges: Vec<[f64; 3]> = edges.into_values().collect();
        let mut best = (f64::INFINITY, 0.0);
        for &first in &edges {
            let (u, v) = across(first);
            for &second in &edges {
                let sized = |angle: f64| {
                    let n1 = [0, 1, 2].map(|axis| angle.cos() * u[axis] + angle.sin() * v[axis]);
                    let n2 = cross(second, n1);
                    // The second edge may lie along the first normal: no second side then.
                    if dot(n2, n2) < 1e-18 {
                        return (f64::INFINITY, 0.0);
                    }
                    let n2 = unit(n2);
                    let [a, b, c] = [n1, n2, cross(n1, n2)].map(|normal| extent(&points, normal));
                    (a * b * c, 2.0 * (a * b + b * c + c * a))
                };
                const STEPS: usize = 90;
                let width = std::f64::consts::PI / STEPS as f64;
                for step in 0..STEPS {
                    let middle = sized(step as f64 * width);
                    if middle.0 < best.0 * 1.02 {
                        let (mut low, mut high) =
                            ((step as f64 - 1.0) * width, (step as f64 + 1.0) * width);
                        while high - low > 1e-12 {
                            let third = (high - low) / 3.0;
                            if sized(low + third).0 <= sized(high - third).0 {
                                high -= third;
                            } else {
                                low += third;
                            }
                        }
                        for found in [middle, sized((low + high) / 2.0)] {
                            if found.0 < best.0 {
                                best = found;
                            }
                        }
                    }
                }
            }
        }
        best
    }
}

fn unit(v: [f64; 3]) -> [f64; 3] {
    let length = dot(v, v).sqrt();
    v.map(|part| part / length)
}

/// Two directions that stand on a third and on each other.
fn across(direction: [f64; 3]) -> ([f64; 3], [f64; 3]) {
    let other = if direction[0].abs() < 0.5 { [1.0, 0.0, 0.0] } else { [0.0, 1.0, 0.0] };
    let u = unit(cross(direction, other));
    (u, cross(direction, u))
}

fn extent(points: &[[f64; 3]], normal: [f64; 3]) -> f64 {
    let along = |point: &[f64; 3]| dot(*point, normal);
    let low = points.iter().map(along).fold(f64::INFINITY, f64::min);
    let high = points.iter().map(along).fold(f64::NEG_INFINITY, f64::max);
    high - low
}

/// The shortest integer vector along a line, first part that is not 0 above 0.
fn primitive(edge: Vertex) -> Vertex {
    let mut divisor = 0_i64;
    for part in edge {
        let (mut a, mut b) = (divisor, part.abs());
        while b != 0 {
            (a, b) = (b, a % b);
        }
        divisor = a;
    }
    let first = edge.into_iter().find(|&part| part != 0).unwrap_or(1);
    edge.map(|part| part / divisor.max(1) * first.signum())
}
