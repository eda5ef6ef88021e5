//! The surface mesh of section 3.1 (WRJH): marching cubes (Lorensen and Cline 1987) on the mask as 0
//! and 1, level 0.5, with 0 around it.
//!
//! There is no table here. In each cube of eight voxel centres the surface crosses the middle of
//! every edge that has one end in the region; on each face the crossings are joined by segments; the
//! segments of a cube close to loops; a loop is cut into triangles. Two choices are left, and tables
//! differ in them: a face whose corners in the region lie diagonally can separate them or join them,
//! and a loop of more than three crossings can be cut in several ways. Both change area and volume, so
//! the mesh has a range of each that holds all ways of cutting under both rules for faces. The
//! vertices are the same in every case, and so is all that depends on them alone.

use std::collections::BTreeSet;

use super::{Voxel, offset, voxels};

/// A vertex in half voxels from the centre of the first voxel.
pub type Vertex = [i64; 3];

#[derive(Clone, Debug)]
pub struct Mesh {
    pub vertices: Vec<Vertex>,
    /// With separated corners, each loop cut so that its area would be the largest were the voxels
    /// cubes, as a table that knows no spacing cuts it. No definition, but of the obvious rules the
    /// one that gives the reference values: that of the least area, or of the most volume, does not.
    pub area: f64,
    pub volume: f64,
    /// The least and the most of every mesh described above.
    pub areas: (f64, f64),
    pub volumes: (f64, f64),
}

/// How faces with diagonal corners are joined.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    Separate,
    Join,
}

/// The corners of a cube by number: bit 2 is z, bit 1 is y, bit 0 is x.
fn corner(number: usize) -> [i64; 3] {
    [(number >> 2) & 1, (number >> 1) & 1, number & 1].map(|bit| bit as i64)
}

/// The four corners of each face, all faces around in the same sense as seen from outside.
fn faces() -> Vec<[usize; 4]> {
    let mut faces = Vec::new();
    for axis in 0..3 {
        for side in 0..2 {
            let (u, v) = ((axis + 1) % 3, (axis + 2) % 3);
            let mut face = [[0, 0], [1, 0], [1, 1], [0, 1]].map(|[along_u, along_v]| {
                let mut at = [0; 3];
                at[axis] = side;
                at[u] = along_u;
                at[v] = along_v;
                (at[0] << 2) | (at[1] << 1) | at[2]
            });
            if side == 0 {
                face.reverse();
            }
            faces.push(face);
        }
    }
    faces
}

/// The loops of one cube; each vertex is the sum of two corners.
fn loops(inside: [bool; 8], rule: Rule) -> Vec<Vec<Vertex>> {
    let mut segments = Vec::new();
    for face in faces() {
        let crossing = |k: usize| {
            let (a, b) = (corner(face[k % 4]), corner(face[(k + 1) % 4]));
            [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
        };
        let is_in = |k: usize| inside[face[k % 4]];
        for k in 0..4 {
            if !is_in(k) || is_in(k + 1) {
                continue;
            }
            // Here the walk around the face leaves the region. The segment to this crossing comes from
            // where the walk entered: before this stay in the region, or after the next one outside.
            let enters = |k: usize| !is_in(k) && is_in(k + 1);
            let mut other = k;
            while !enters(other) {
                other += if rule == Rule::Separate { 3 } else { 1 };
            }
            segments.push((crossing(other), crossing(k)));
        }
    }
    // The two faces at an edge are walked around in opposite senses there, so each crossing begins
    // one segment and ends one.
    let mut loops = Vec::new();
    while let Some((start, mut end)) = segments.pop() {
        let mut polygon = vec![start];
        while end != start {
            polygon.push(end);
            let next = segments.iter().position(|&(from, _)| from == end);
            let next = next.expect("each crossing begins a segment");
            end = segments.swap_remove(next).1;
        }
        loops.push(polygon);
    }
    loops
}

type Point = [f64; 3];

fn minus(a: Point, b: Point) -> Point {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub fn cross(a: Point, b: Point) -> Point {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

pub fn dot(a: Point, b: Point) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// C0JK: |ab x ac| / 2.
pub fn area([a, b, c]: [Point; 3]) -> f64 {
    let n = cross(minus(b, a), minus(c, a));
    dot(n, n).sqrt() / 2.0
}

/// RNU0: a . (b x c) / 6, signed.
pub fn volume([a, b, c]: [Point; 3]) -> f64 {
    dot(a, cross(b, c)) / 6.0
}

/// A vertex in mm.
pub fn position(vertex: Vertex, spacing: [f64; 3]) -> Point {
    [0, 1, 2].map(|axis| vertex[axis] as f64 * spacing[axis] / 2.0)
}

/// A polygon cut into triangles of its vertices.
type Cut = Vec<[usize; 3]>;

/// What a cut costs, as the sum over its triangles.
fn cut_cost(polygon: &[Point], cut: &Cut, cost: &dyn Fn([Point; 3]) -> f64) -> f64 {
    cut.iter().map(|triangle| cost(triangle.map(|vertex| polygon[vertex]))).sum()
}

/// The cheapest cut. The side from the first to the last vertex belongs to one triangle, whose tip is
/// any of the others; on both sides of it a smaller polygon is left.
fn best_cut(polygon: &[Point], cost: &dyn Fn([Point; 3]) -> f64) -> Cut {
    let last = polygon.len() - 1;
    let mut best: Option<(f64, Cut)> = None;
    for tip in 1..last {
        let mut cut = best_cut(&polygon[..=tip], cost);
        let after = best_cut(&polygon[tip..], cost);
        cut.extend(after.into_iter().map(|triangle| triangle.map(|vertex| vertex + tip)));
        cut.push([0, tip, last]);
        let total = cut_cost(polygon, &cut, cost);
        if best.as_ref().is_none_or(|(held, _)| total < *held) {
            best = Some((total, cut));
        }
    }
    best.map_or_else(Vec::new, |(_, cut)| cut)
}

/// The mesh of a mask.
pub fn mesh(size: [usize; 3], spacing: [f64; 3], shape: &[bool]) -> Mesh {
    let mut vertices = BTreeSet::new();
    let (mut total_area, mut total_volume) = (0.0, 0.0);
    // Of each rule: least and most area, least and most signed volume.
    let mut ranges = [[0.0; 4]; 2];
    let padded = size.map(|n| n + 1);
    for cube in voxels(padded) {
        let inside = corners_of(size, shape, cube);
        if inside == [false; 8] || inside == [true; 8] {
            continue;
        }
        for (range, rule) in ranges.iter_mut().zip([Rule::Separate, Rule::Join]) {
            for polygon in loops(inside, rule) {
                let mut points = Vec::new();
                let cubic: Vec<Point> =
                    polygon.iter().map(|&vertex| position(vertex, [1.0; 3])).collect();
                for vertex in polygon {
                    let at: Vertex =
                        [0, 1, 2].map(|axis| 2 * (cube[axis] as i64 - 1) + vertex[axis]);
                    vertices.insert(at);
                    points.push(position(at, spacing));
                }
                let cost = |cost: &dyn Fn([Point; 3]) -> f64| {
                    cut_cost(&points, &best_cut(&points, cost), cost)
                };
                range[0] += cost(&area);
                range[1] -= cost(&|triangle| -area(triangle));
                range[2] += cost(&volume);
                range[3] -= cost(&|triangle| -volume(triangle));
                if rule == Rule::Separate {
                    let cut = best_cut(&cubic, &|triangle| -area(triangle));
                    total_area += cut_cost(&points, &cut, &area);
                    total_volume += cut_cost(&points, &cut, &volume);
                }
            }
        }
    }
    // All loops turn the same way, outwards, so each volume is positive on the whole.
    let volumes = [ranges[0][2], ranges[0][3], ranges[1][2], ranges[1][3]];
    let areas = [ranges[0][0], ranges[0][1], ranges[1][0], ranges[1][1]];
    let range = |all: [f64; 4]| {
        (
            all.into_iter().fold(f64::INFINITY, f64::min),
            all.into_iter().fold(f64::NEG_INFINITY, f64::max),
        )
    };
    Mesh {
        vertices: vertices.into_iter().collect(),
        area: total_area,
        volume: total_volume,
        areas: range(areas),
        volumes: range(volumes),
    }
}

/// The corners of the cube whose last corner is this voxel; it may lie one beyond the grid.
fn corners_of(size: [usize; 3], shape: &[bool], cube: Voxel) -> [bool; 8] {
    let mut inside = [false; 8];
    for (number, is_in) in inside.iter_mut().enumerate() {
        let mut voxel = [0; 3];
        let mut within = true;
        for axis in 0..3 {
            let at = cube[axis] as i64 - 1 + corner(number)[axis];
            within &= 0 <= at && at < size[axis] as i64;
            voxel[axis] = at.max(0) as usize;
        }
        *is_in = within && shape[offset(size, voxel)];
    }
    inside
}
