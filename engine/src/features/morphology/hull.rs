//! Convex hull in exact arithmetic: points are whole numbers, so no tolerance decides which side of
//! a face a point lies on (quickhull, Barber et al., doi:10.1145/235815.235821).

use crate::geometry::Vec3;

/// Twice the voxel coordinates x, y, z of a point: whole numbers.
pub(super) type Point = [i32; 3];

/// The convex hull of points that do not all lie in one plane.
#[derive(Clone, Debug)]
pub(super) struct Hull {
    /// The corners.
    pub(super) vertices: Vec<Point>,
    /// Triangles by their corners' indices, seen from outside anticlockwise.
    pub(super) faces: Vec<[usize; 3]>,
}

impl Hull {
    /// The places of the corners, mm from the first voxel.
    pub(super) fn places(&self, spacing: Vec3) -> Vec<Vec3> {
        let place = |p: &Point| std::array::from_fn(|a| f64::from(p[a]) * 0.5 * spacing[a]);
        self.vertices.iter().map(place).collect()
    }
}

struct Face {
    corners: [usize; 3],
    plane: Plane,
    /// The face beyond the edge from corner i to corner i + 1.
    neighbours: [usize; 3],
    outside: Vec<usize>,
    alive: bool,
}

impl Face {
    fn new(points: &[Point], corners: [usize; 3], neighbours: [usize; 3]) -> Self {
        let plane = Plane::through(corners.map(|c| points[c]));
        Self { corners, plane, neighbours, outside: Vec::new(), alive: true }
    }
}

/// The plane of three points, and the side from which they are seen anticlockwise.
struct Plane {
    /// At right angles to the plane, as long as twice the triangle's area.
    normal: [i64; 3],
    /// The normal's product with every point of the plane.
    offset: i64,
}

impl Plane {
    fn through([a, b, c]: [Point; 3]) -> Self {
        let from_a =
            |p: Point| -> [i64; 3] { std::array::from_fn(|i| i64::from(p[i]) - i64::from(a[i])) };
        let ([ux, uy, uz], [vx, vy, vz]) = (from_a(b), from_a(c));
        let normal = [uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx];
        Self { normal, offset: product(normal, a) }
    }

    /// Six times the signed volume of the tetrahedron of the three points and another one: above 0
    /// outside.
    fn height(&self, p: Point) -> i64 {
        product(self.normal, p) - self.offset
    }
}

fn product(normal: [i64; 3], p: Point) -> i64 {
    normal.iter().zip(p).map(|(n, p)| n * i64::from(p)).sum()
}

/// The hull, or `None` where the points lie in one plane.
pub(super) fn hull(points: &[Point]) -> Option<Hull> {
    let first = first_tetrahedron(points)?;
    let mut faces: Vec<Face> = Vec::new();
    let [a, b, c, d] = first;
    for corners in [[a, b, c], [a, c, d], [a, d, b], [b, d, c]] {
        faces.push(Face::new(points, corners, [0; 3]));
    }
    for i in 0..4 {
        for e in 0..3 {
            let edge = |f: &Face, e: usize| [f.corners[e], f.corners[(e + 1) % 3]];
            let [from, to] = edge(&faces[i], e);
            let beyond = (0..4)
                .find(|&j| (0..3).any(|k| edge(&faces[j], k) == [to, from]))
                .expect("a tetrahedron is closed");
            faces[i].neighbours[e] = beyond;
        }
    }
    let everyone = (0..points.len()).collect();
    assign(points, everyone, &mut faces, 0);

    let mut pending: Vec<usize> = (0..4).collect();
    while let Some(at) = pending.pop() {
        if !faces[at].alive || faces[at].outside.is_empty() {
            continue;
        }
        let Face { plane, outside, .. } = &faces[at];
        let farthest = *outside
            .iter()
            .max_by_key(|&&p| (plane.height(points[p]), std::cmp::Reverse(p)))
            .expect("not empty");
        let (visible, horizon) = seen_from(points, &faces, at, farthest);
        let mut orphans = Vec::new();
        for &face in &visible {
            faces[face].alive = false;
            orphans.append(&mut faces[face].outside);
        }
        let start = faces.len();
        let count = horizon.len();
        for (i, &(from, to, beyond, back)) in horizon.iter().enumerate() {
            let corners = [from, to, farthest];
            let neighbours = [beyond, start + (i + 1) % count, start + (i + count - 1) % count];
            faces[beyond].neighbours[back] = start + i;
            faces.push(Face::new(points, corners, neighbours));
        }
        orphans.retain(|&p| p != farthest);
        assign(points, orphans, &mut faces, start);
        pending.extend(start..faces.len());
    }
    Some(collect(points, &faces))
}

/// The first and the last point of each row along x of a surface.
#[derive(Debug)]
pub(super) struct RowExtremes {
    rows_per_plane: usize,
    /// Lowest and highest x of each row; the lowest is above the highest where there is no point.
    rows: Vec<[i32; 2]>,
}

impl RowExtremes {
    /// Rows start this far before the first voxel.
    const MARGIN: i32 = 2;

    /// For a surface around a mask of so many voxels along y and z.
    pub(super) fn new(ny: usize, nz: usize) -> Self {
        let [rows_per_plane, planes] = [ny, nz].map(|n| 2 * n + 3);
        Self { rows_per_plane, rows: vec![[i32::MAX, i32::MIN]; rows_per_plane * planes] }
    }

    /// Takes account of a point that may be the first of its row.
    pub(super) fn lower(&mut self, point: Point) {
        let [low, _] = self.row(point);
        *low = point[0].min(*low);
    }

    /// Takes account of a point that may be the last of its row.
    pub(super) fn raise(&mut self, point: Point) {
        let [_, high] = self.row(point);
        *high = point[0].max(*high);
    }

    fn row(&mut self, [_, y, z]: Point) -> &mut [i32; 2] {
        let [y, z] = [y, z].map(|i| (i + Self::MARGIN) as usize);
        &mut self.rows[z * self.rows_per_plane + y]
    }

    /// Takes account of the points of another part of the same surface.
    pub(super) fn join(&mut self, other: &Self) {
        for ([low, high], [other_low, other_high]) in self.rows.iter_mut().zip(&other.rows) {
            *low = (*low).min(*other_low);
            *high = (*high).max(*other_high);
        }
    }

    /// The points that are corners of the convex hull of their own plane of equal z, sorted, by
    /// Andrew's monotone chain along y.
    pub(super) fn corners_of_planes(&self) -> Vec<Point> {
        let mut corners = Vec::new();
        for (z, plane) in (-Self::MARGIN..).zip(self.rows.chunks_exact(self.rows_per_plane)) {
            for (end, outwards) in [(0, -1), (1, 1)] {
                let start = corners.len();
                let occupied = (-Self::MARGIN..).zip(plane).filter(|(_, row)| row[0] <= row[1]);
                for (y, row) in occupied {
                    let next = [row[end], y, z];
                    let is_within = |a: Point, b: Point| {
                        let to = |p: Point, i: usize| i64::from(p[i]) - i64::from(a[i]);
                        outwards * (to(b, 0) * to(next, 1) - to(b, 1) * to(next, 0)) <= 0
                    };
                    while let [.., a, b] = corners[start..]
                        && is_within(a, b)
                    {
                        corners.pop();
                    }
                    corners.push(next);
                }
            }
        }
        corners.sort_unstable();
        corners.dedup();
        corners
    }
}

fn first_tetrahedron(points: &[Point]) -> Option<[usize; 4]> {
    let index = 0..points.len();
    let a = index.clone().min_by_key(|&i| points[i])?;
    let square_distance = |i: usize| -> i64 {
        (0..3).map(|k| (i64::from(points[i][k]) - i64::from(points[a][k])).pow(2)).sum()
    };
    let b = index.clone().max_by_key(|&i| square_distance(i))?;
    let plane = |c: usize| Plane::through([a, b, c].map(|i| points[i]));
    // Squares of normals exceed 64 bits for grids of thousands of voxels.
    let square_area =
        |c: usize| plane(c).normal.iter().map(|&n| i128::from(n) * i128::from(n)).sum::<i128>();
    let c = index.clone().max_by_key(|&i| square_area(i)).filter(|&c| square_area(c) > 0)?;
    let plane = plane(c);
    let d = index.max_by_key(|&i| plane.height(points[i]).abs())?;
    match plane.height(points[d]) {
        0 => None,
        // The fourth corner must lie below the first face.
        h if h < 0 => Some([a, b, c, d]),
        _ => Some([a, c, b, d]),
    }
}

/// Gives every point to the first of the faces from `start` on that it lies above; the others lie
/// within.
fn assign(points: &[Point], candidates: Vec<usize>, faces: &mut [Face], start: usize) {
    for p in candidates {
        let above = |f: &&mut Face| f.plane.height(points[p]) > 0;
        if let Some(face) = faces[start..].iter_mut().find(above) {
            face.outside.push(p);
        }
    }
}

/// The faces that a point sees, and the edges around them in order: corners, the face beyond, and
/// which of its edges it is.
#[allow(clippy::type_complexity, reason = "used once, right above")]
fn seen_from(
    points: &[Point],
    faces: &[Face],
    first: usize,
    p: usize,
) -> (Vec<usize>, Vec<(usize, usize, usize, usize)>) {
    let mut visible = vec![first];
    let mut horizon = Vec::new();
    // Depth first, each face's edges in order from the one it was entered by: the horizon's edges
    // then come one after the other.
    let mut stack = vec![(first, 0, 3)];
    while let Some((face, edge, left)) = stack.pop() {
        if left == 0 {
            continue;
        }
        stack.push((face, (edge + 1) % 3, left - 1));
        let beyond = faces[face].neighbours[edge];
        if visible.contains(&beyond) {
            continue;
        }
        let back = faces[beyond].neighbours.iter().position(|&f| f == face).expect("mutual");
        if faces[beyond].plane.height(points[p]) > 0 {
            visible.push(beyond);
            stack.push((beyond, (back + 1) % 3, 2));
        } else {
            let corners = faces[face].corners;
            horizon.push((corners[edge], corners[(edge + 1) % 3], beyond, back));
        }
    }
    (visible, horizon)
}

fn collect(points: &[Point], faces: &[Face]) -> Hull {
    let alive: Vec<[usize; 3]> = faces.iter().filter(|f| f.alive).map(|f| f.corners).collect();
    let mut used: Vec<usize> = alive.iter().flatten().copied().collect();
    used.sort_unstable();
    used.dedup();
    let place = |p: usize| used.binary_search(&p).expect("every corner is used");
    Hull {
        vertices: used.iter().map(|&p| points[p]).collect(),
        faces: alive.iter().map(|f| f.map(place)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Oracle: closed form; a cube has eight corners and twelve triangles, whatever lies on its
    /// faces and within.
    #[test]
    fn a_cube_full_of_points_has_eight_corners() {
        let mut points = Vec::new();
        for x in 0..7 {
            for y in 0..7 {
                for z in 0..7 {
                    points.push([x, y, z]);
                }
            }
        }
        let hull = hull(&points).expect("not flat");
        assert!(hull.vertices.len() >= 8);
        let volume: i64 = hull
            .faces
            .iter()
            .map(|&[a, b, c]| {
                let v = |i: usize| hull.vertices[i].map(i64::from);
                let ([ax, ay, az], [bx, by, bz], [cx, cy, cz]) = (v(a), v(b), v(c));
                ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx)
            })
            .sum();
        assert_eq!(volume, 6 * 216);
    }

    #[test]
    fn points_in_a_plane_have_no_hull() {
        let points: Vec<Point> = (0..20).map(|i| [i % 5, i / 5, 3 * (i % 5)]).collect();
        assert!(hull(&points).is_none());
    }
}
