//! The surface of a mask by marching cubes at 0.5 (IBSI manual 3.1; Lorensen and Cline,
//! doi:10.1145/37401.37422).
//!
//! A mask is 0 or 1, so every vertex lies half way between two voxel centres and there are 256
//! kinds of cubes. Their triangles are derived, not typed: on each face of the cube the crossings
//! are joined so that voxels that touch along an edge only are kept apart, and the loops that arise
//! are cut into the triangles that have most area on a cube. Neighbouring cubes share a face and its
//! rule, so that the surface is closed; most area is what the published tables have, on which the
//! reference values rest (least area moves the CT phantom's tumour by 0.4 %). Where several cuts have
//! most area, as mirror images do, area and volume are the mean of them all, so that no value
//! depends on which way the axes run.

use std::sync::LazyLock;

use ndarray::Array3;
use rayon::prelude::*;

use super::hull::{Point, RowExtremes};
use crate::geometry::{Vec3, cross, dot, norm};

/// Layers of cubes that one thread counts, at least: fewer cost more to join than to count.
const LAYERS: usize = 16;

/// What the surface of a mask measures.
#[derive(Clone, Debug)]
pub(super) struct Surface {
    /// Volume enclosed, mm³.
    pub(super) volume: f64,
    /// Area, mm².
    pub(super) area: f64,
    /// Vertices that are corners of the convex hull of their own plane of equal z, sorted: no other
    /// can be a corner of the whole hull, and there are far fewer.
    pub(super) outermost: Vec<Point>,
}

/// The surface of a mask of shape (z, y, x) with voxels of `spacing` mm. What lies beyond the array
/// is outside.
pub(super) fn surface(mask: &Array3<bool>, spacing: Vec3) -> Surface {
    let (nz, ny, _) = mask.dim();
    // Whole numbers all: their sums do not depend on which thread comes first.
    let cubes = (0..nz + 1)
        .into_par_iter()
        .with_min_len(LAYERS)
        .fold(
            || Cubes::new(ny, nz),
            |mut cubes, layer| {
                cubes.add_layer(mask, layer as isize - 1);
                cubes
            },
        )
        .reduce_with(Cubes::join)
        .expect("at least one layer");

    let (mut volume, mut area) = (0.0, 0.0);
    for kind in 0..256 {
        let n = cubes.kinds[kind] as f64;
        for triangle in &CUBES[kind] {
            let [a, b, c] = triangle.vertices.map(|v| -> Vec3 {
                std::array::from_fn(|i| f64::from(VERTICES[v][i]) * 0.5 * spacing[i])
            });
            let normal =
                cross(std::array::from_fn(|i| b[i] - a[i]), std::array::from_fn(|i| c[i] - a[i]));
            area += triangle.share * n * 0.5 * norm(normal);
            // Divergence theorem: a sixth of (corner + a) · normal, summed over all cubes at once.
            let corners: Vec3 = std::array::from_fn(|i| cubes.places[kind][i] as f64 * spacing[i]);
            volume += triangle.share * (n * dot(a, normal) + dot(corners, normal)) / 6.0;
        }
    }
    Surface { volume, area, outermost: cubes.extremes.corners_of_planes() }
}

/// How often each kind of cube occurs, and where.
struct Cubes {
    kinds: [u64; 256],
    /// Moment of the cubes' places, for the volume: sum over cubes of the corner's coordinates.
    places: Vec<[i64; 3]>,
    extremes: RowExtremes,
}

impl Cubes {
    fn new(ny: usize, nz: usize) -> Self {
        Self { kinds: [0; 256], places: vec![[0; 3]; 256], extremes: RowExtremes::new(ny, nz) }
    }

    /// Counts the cubes between the slices z and z + 1.
    fn add_layer(&mut self, mask: &Array3<bool>, z: isize) {
        let (nz, ny, nx) = mask.dim();
        let voxels = mask.as_slice().expect("standard layout");
        let outside = vec![false; nx];
        let row = |z: isize, y: isize| -> &[bool] {
            if z < 0 || y < 0 || z as usize >= nz || y as usize >= ny {
                return &outside;
            }
            &voxels[(z as usize * ny + y as usize) * nx..][..nx]
        };
        const BLOCK: usize = 16;
        /// A column of voxels of the mask.
        const WITHIN: u8 = 0b0101_0101;
        // The four voxels of a cube that have the same x, as the even bits of its kind.
        let mut columns = vec![0u8; nx + 1];
        // First and last cube of each kind in a row, and the row.
        let mut ends = [(-2, 0, 0); 256];
        let mut occurring = Vec::new();
        for y in -1..ny as isize {
            let [a, b, c, d] = [row(z, y), row(z, y + 1), row(z + 1, y), row(z + 1, y + 1)];
            let mut any = 0;
            for (x, column) in columns[..nx].iter_mut().enumerate() {
                let pair = |low: bool, high: bool| u8::from(low) | u8::from(high) << 2;
                *column = pair(a[x], b[x]) | pair(c[x], d[x]) << 4;
                any |= *column;
            }
            if any == 0 {
                continue;
            }
            occurring.clear();
            let mut left = 0u8;
            for (start, columns) in (-1..).step_by(BLOCK).zip(columns.chunks(BLOCK)) {
                // Deep inside the mask and far outside of it there is no surface.
                let is_plain = matches!(left, 0 | WITHIN);
                if is_plain && columns.iter().fold(true, |equal, &c| equal & (c == left)) {
                    continue;
                }
                for (x, &right) in (start..).zip(columns) {
                    let kind = left | right << 1;
                    left = right;
                    if kind == 0 || kind == 255 {
                        continue;
                    }
                    self.kinds[usize::from(kind)] += 1;
                    let place = &mut self.places[usize::from(kind)];
                    for (sum, at) in place.iter_mut().zip([x, y, z]) {
                        *sum += at as i64;
                    }
                    let end = &mut ends[usize::from(kind)];
                    if end.0 != y {
                        *end = (y, x, x);
                        occurring.push(kind);
                    }
                    end.2 = x;
                }
            }
            for &kind in &occurring {
                let (_, first, last) = ends[usize::from(kind)];
                let [lowest, highest] = &OUTERMOST[usize::from(kind)];
                let place = |x: isize, vertex: &[u8; 3]| -> Point {
                    let corner = [x, y, z].map(|i| 2 * i as i32);
                    std::array::from_fn(|a| corner[a] + i32::from(vertex[a]))
                };
                for vertex in lowest {
                    self.extremes.lower(place(first, vertex));
                }
                for vertex in highest {
                    self.extremes.raise(place(last, vertex));
                }
            }
        }
    }

    fn join(mut self, other: Self) -> Self {
        for (sum, add) in self.kinds.iter_mut().zip(other.kinds) {
            *sum += add;
        }
        for (sum, add) in self.places.iter_mut().flatten().zip(other.places.iter().flatten()) {
            *sum += add;
        }
        self.extremes.join(&other.extremes);
        self
    }
}

/// Corners of a cube: bit 0 is x, bit 1 is y, bit 2 is z. The twelve edges join corners that differ
/// in one bit; a vertex is the middle of an edge, in half voxels.
const EDGES: [[u8; 2]; 12] = [
    [0, 1],
    [2, 3],
    [4, 5],
    [6, 7],
    [0, 2],
    [1, 3],
    [4, 6],
    [5, 7],
    [0, 4],
    [1, 5],
    [2, 6],
    [3, 7],
];

const VERTICES: [[u8; 3]; 12] = {
    let mut out = [[0; 3]; 12];
    let mut e = 0;
    while e < 12 {
        let [a, b] = EDGES[e];
        let mut axis = 0;
        while axis < 3 {
            out[e][axis] = (a >> axis & 1) + (b >> axis & 1);
            axis += 1;
        }
        e += 1;
    }
    out
};

/// The faces of a cube, each with its four corners in order around it, seen from outside
/// anticlockwise.
const FACES: [[u8; 4]; 6] =
    [[0, 4, 6, 2], [1, 3, 7, 5], [0, 1, 5, 4], [2, 6, 7, 3], [0, 2, 3, 1], [4, 5, 7, 6]];

/// A triangle of the surface within a cube.
struct Triangle {
    /// The edges on which its corners lie; the normal points out of the mask.
    vertices: [usize; 3],
    /// Its weight: one over the number of ways in which its loop may be cut.
    share: f64,
}

/// The triangles of every kind of cube.
static CUBES: LazyLock<Vec<Vec<Triangle>>> = LazyLock::new(|| (0..=255).map(triangles).collect());

/// Of every kind of cube, the vertices that have the lowest and those that have the highest x among
/// those of equal y and z.
static OUTERMOST: LazyLock<Vec<[Vec<[u8; 3]>; 2]>> = LazyLock::new(|| {
    let ends = |triangles: &Vec<Triangle>| {
        let mut vertices: Vec<[u8; 3]> =
            triangles.iter().flat_map(|t| t.vertices).map(|v| VERTICES[v]).collect();
        vertices.sort_unstable_by_key(|&[x, y, z]| [y, z, x]);
        let rows = || vertices.chunk_by(|a, b| a[1..] == b[1..]);
        [rows().map(|row| row[0]).collect(), rows().map(|row| row[row.len() - 1]).collect()]
    };
    CUBES.iter().map(ends).collect()
});

fn triangles(kind: u8) -> Vec<Triangle> {
    let inside = |corner: u8| kind >> corner & 1 == 1;
    let edge = |a: u8, b: u8| {
        EDGES.iter().position(|e| *e == [a.min(b), a.max(b)]).expect("neighbours share an edge")
    };
    // Walking around a face, a piece of the surface runs from where the walk enters the mask to
    // where it leaves it next: corners that are inside but not adjacent stay apart.
    let mut next = [None; 12];
    for face in FACES {
        let step = |i: usize| (face[i % 4], face[(i + 1) % 4]);
        for i in 0..4 {
            let (from, to) = step(i);
            if !inside(from) && inside(to) {
                let leave = (i + 1..i + 4)
                    .map(step)
                    .find(|&(from, to)| inside(from) && !inside(to))
                    .expect("a walk that enters the mask leaves it");
                next[edge(from, to)] = Some(edge(leave.0, leave.1));
            }
        }
    }
    let mut triangles = Vec::new();
    for start in 0..12 {
        let mut around = Vec::new();
        let mut at = start;
        while let Some(following) = next[at].take() {
            around.push(at);
            at = following;
        }
        if around.len() > 2 {
            let cuts = largest(triangulations(&around));
            let share = 1.0 / cuts.len() as f64;
            triangles
                .extend(cuts.into_iter().flatten().map(|vertices| Triangle { vertices, share }));
        }
    }
    triangles
}

/// All ways to cut a loop into triangles.
fn triangulations(around: &[usize]) -> Vec<Vec<[usize; 3]>> {
    let &[first, .., last] = around else { return vec![Vec::new()] };
    if around.len() == 2 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for middle in 1..around.len() - 1 {
        for before in triangulations(&around[..=middle]) {
            for after in triangulations(&around[middle..]) {
                let closing = [first, around[middle], last];
                all.push([before.clone(), after, vec![closing]].concat());
            }
        }
    }
    all
}

/// Those that have most area on a cube.
fn largest(all: Vec<Vec<[usize; 3]>>) -> Vec<Vec<[usize; 3]>> {
    let area = |triangles: &Vec<[usize; 3]>| -> f64 {
        triangles
            .iter()
            .map(|t| {
                let [a, b, c] = t.map(|v| VERTICES[v].map(f64::from));
                let to = |p: Vec3| -> Vec3 { std::array::from_fn(|i| p[i] - a[i]) };
                norm(cross(to(b), to(c)))
            })
            .sum()
    };
    let most = all.iter().map(area).fold(0.0, f64::max);
    all.into_iter().filter(|triangles| area(triangles) > most - 1e-9).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Oracle: closed form, an octahedron with the half diagonals dx/2, dy/2, dz/2.
    #[test]
    fn one_voxel_is_an_octahedron() {
        let mask = Array3::from_elem((1, 1, 1), true);
        let surface = surface(&mask, [2.0, 3.0, 5.0]);
        let [a, b, c] = [1.0, 1.5, 2.5];
        assert!((surface.volume - 4.0 / 3.0 * a * b * c).abs() < 1e-12);
        let face = 0.5 * ((a * b).hypot(b * c)).hypot(a * c);
        assert!((surface.area - 8.0 * face).abs() < 1e-12);
        assert_eq!(surface.outermost.len(), 6);
    }

    /// Oracle: the divergence theorem; the volume of a closed surface does not depend on where it is,
    /// and each kind of cube together with its complement is closed.
    #[test]
    fn the_surface_of_any_mask_is_closed() {
        for seed in 0..40u64 {
            let mut state = seed * 2 + 1;
            let mut random = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
                state >> 33 & 1 == 1
            };
            let mask = Array3::from_shape_simple_fn((4, 5, 6), &mut random);
            let mut shifted = Array3::from_elem((14, 15, 16), false);
            shifted.slice_mut(ndarray::s![10.., 10.., 10..]).assign(&mask);
            let spacing = [0.7, 1.1, 2.5];
            let (here, there) = (surface(&mask, spacing), surface(&shifted, spacing));
            assert!((here.volume - there.volume).abs() < 1e-9 * here.volume, "{seed}");
            assert_eq!(here.area, there.area);
        }
    }
}
