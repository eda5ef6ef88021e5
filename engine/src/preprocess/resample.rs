//! Interpolation onto the working grid (IBSI manual, 2.4).
//!
//! Old and new grid share their centre. The new grid has `ceil(n * old / new)` voxels along an axis.
//! Nearest-neighbour interpolation takes, half-way between two voxels, the one farther along the axis.
//! Axes are in canonical order, so that this is the voxel farther to the left, to the back or up of the
//! patient, for image and mask, however they were stored (SciPy and ITK take the farther one along the
//! stored axis).
//! Beyond the image its outermost voxels are repeated, unless cubic splines are asked to mirror it
//! ([`SplineEdge`]). Interpolation is separable: x, then y, then z,
//! in 64-bit numbers. Only the box asked for is computed, on the grid of the whole image, so that a
//! lesion's values do not depend on the box.

use multiversion::multiversion;
use ndarray::{Array3, ArrayView3, Axis};
use rayon::prelude::*;

use crate::geometry::{Geometry, IndexBox, Vec3};
use crate::mask::Mask;
use crate::preprocess::parameters::{Interpolation, SplineEdge};
use crate::volume::Volume;

/// Voxels on each side of the box for which spline coefficients are computed: the prefilter's
/// response falls by 0.268 a voxel, so that what lies farther away weighs less than 1e-18.
const SPLINE_MARGIN: usize = 32;
/// Slices that one thread interpolates, at least: at either end some are made twice.
const SLICES: usize = 16;
/// Slack, in voxels of the image, when a position is compared with the middle between two voxels: more
/// than the 32-bit spacing of a file moves it over a thousand voxels.
const MIDDLE_SLACK: f64 = 1e-4;
/// Slack when a resampled mask is compared with its threshold: a fraction of one half computed as
/// 0.4999999999999999 is one half.
const THRESHOLD_SLACK: f64 = 1e-9;

/// The working grid of an image, and how it lies over the image's own grid.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkingGrid {
    /// The working grid.
    pub geometry: Geometry,
    native_size: [usize; 3],
    /// Position of working voxel 0 in voxels of the image.
    offset: Vec3,
    /// Voxels of the image per working voxel.
    scale: Vec3,
}

impl WorkingGrid {
    /// The grid with this spacing (mm) over an image's grid.
    pub fn new(native: &Geometry, spacing: Vec3) -> Self {
        let scale: Vec3 = std::array::from_fn(|a| spacing[a] / native.spacing[a]);
        let size: [usize; 3] = std::array::from_fn(|a| {
            let exact = native.size[a] as f64 / scale[a];
            // Rounding must not add a voxel where the sizes divide without rest.
            ((exact - 1e-6).ceil() as usize).max(1)
        });
        let offset: Vec3 = std::array::from_fn(|a| {
            0.5 * (native.size[a] as f64 - 1.0) - 0.5 * (size[a] as f64 - 1.0) * scale[a]
        });
        Self {
            geometry: Geometry {
                size,
                spacing,
                origin: native.voxel_to_world(offset),
                direction: native.direction,
            },
            native_size: native.size,
            offset,
            scale,
        }
    }

    /// Whether working voxels are the image's own.
    pub fn is_native(&self) -> bool {
        self.scale == [1.0; 3]
    }

    /// Position of a working voxel along an axis, in voxels of the image.
    fn position(&self, axis: usize, index: usize) -> f64 {
        self.offset[axis] + index as f64 * self.scale[axis]
    }

    /// Working voxels of which interpolation can reach a box of the image's voxels.
    pub fn reach(&self, native: &IndexBox) -> IndexBox {
        let size = self.geometry.size;
        let index = |axis: usize, position: f64| (position - self.offset[axis]) / self.scale[axis];
        IndexBox {
            min: std::array::from_fn(|a| {
                if native.min[a] == 0 {
                    return 0;
                }
                index(a, native.min[a] as f64 - 1.0).floor().clamp(0.0, size[a] as f64) as usize
            }),
            max: std::array::from_fn(|a| {
                if native.max[a] == self.native_size[a] {
                    return size[a];
                }
                (index(a, native.max[a] as f64).ceil() + 1.0).clamp(0.0, size[a] as f64) as usize
            }),
        }
    }
}

/// The image's intensities in a box of the working grid, shape (z, y, x), not rounded.
pub fn image(
    volume: &Volume,
    grid: &WorkingGrid,
    bounds: &IndexBox,
    interpolation: Interpolation,
    edge: SplineEdge,
) -> Array3<f32> {
    if grid.is_native() {
        return volume.crop(bounds);
    }
    if interpolation != Interpolation::TricubicSpline {
        let taps = taps(grid, bounds, interpolation, 0);
        let source = source_box(&taps, grid.native_size, 0);
        let values = volume.crop(&source);
        return interpolate(values.view(), &source, &taps, |v| v as f32);
    }
    // Beyond as many repeated voxels it makes no difference how the image goes on.
    let pad = match edge {
        SplineEdge::Nearest => SPLINE_MARGIN,
        SplineEdge::Mirror => 0,
    };
    let taps = taps(grid, bounds, interpolation, pad);
    let size = grid.native_size.map(|n| n + 2 * pad);
    let source = source_box(&taps, size, SPLINE_MARGIN);
    let mut values = extended(volume, &source, pad).mapv(f64::from);
    for axis in 0..3 {
        if !taps[axis].is_copy() {
            spline_coefficients(&mut values, axis);
        }
    }
    interpolate(values.view(), &source, &taps, |v| v as f32)
}

/// A box of an image that goes on with its outermost voxels, `pad` of them on each side; the box counts
/// from the first of these.
fn extended(volume: &Volume, bounds: &IndexBox, pad: usize) -> Array3<f32> {
    let size = volume.geometry().size;
    let of = |a: usize, i: usize| i.saturating_sub(pad).min(size[a] - 1);
    let inner = IndexBox {
        min: std::array::from_fn(|a| of(a, bounds.min[a])),
        max: std::array::from_fn(|a| of(a, bounds.max[a] - 1) + 1),
    };
    let values = volume.crop(&inner);
    if inner.size() == bounds.size() {
        return values;
    }
    let [sx, sy, sz] = bounds.size();
    let from = |a: usize, i: usize| of(a, i + bounds.min[a]) - inner.min[a];
    Array3::from_shape_fn((sz, sy, sx), |(z, y, x)| values[[from(2, z), from(1, y), from(0, x)]])
}

/// A mask put on the working grid: voxels whose interpolated fraction reaches the threshold.
/// `None` if no voxel does.
pub fn mask(
    mask: &Mask,
    grid: &WorkingGrid,
    interpolation: Interpolation,
    threshold: f64,
) -> Option<Mask> {
    if grid.is_native() {
        return Some(mask.clone());
    }
    let bounds = grid.reach(mask.bounds());
    if bounds.voxel_count() == 0 {
        return None;
    }
    let taps = taps(grid, &bounds, interpolation, 0);
    let source = source_box(&taps, grid.native_size, 0);
    let values = mask.within(&source).mapv(u8::from);
    let is_inside = |fraction: f64| fraction >= threshold - THRESHOLD_SLACK;
    let inside = interpolate(values.view(), &source, &taps, is_inside);
    Mask::new(grid.geometry.clone(), bounds, &inside)
}

/// For each output index along an axis: the first of `WIDTH` source indices and their weights.
struct Taps {
    width: usize,
    /// Source indices, `width` per output index, clamped into the image.
    index: Vec<usize>,
    weight: Vec<f64>,
}

impl Taps {
    fn len(&self) -> usize {
        self.index.len() / self.width
    }

    fn is_copy(&self) -> bool {
        self.width == 1
    }
}

/// The taps of a box of the working grid, in an image with `pad` more voxels on each side.
fn taps(
    grid: &WorkingGrid,
    bounds: &IndexBox,
    interpolation: Interpolation,
    pad: usize,
) -> [Taps; 3] {
    std::array::from_fn(|axis| {
        let positions = (bounds.min[axis]..bounds.max[axis]).map(|i| grid.position(axis, i));
        // Along an axis that keeps its spacing every voxel is copied, whatever the interpolation.
        let interpolation =
            if grid.scale[axis] == 1.0 { Interpolation::Nearest } else { interpolation };
        let width = Tap::width(interpolation);
        let mut taps = Taps { width, index: Vec::new(), weight: Vec::new() };
        for position in positions {
            let size = grid.native_size[axis] + 2 * pad;
            let tap = Tap::at(position + pad as f64, size, interpolation);
            taps.index.extend_from_slice(&tap.index[..width]);
            taps.weight.extend_from_slice(&tap.weight[..width]);
        }
        taps
    })
}

/// The voxels along one axis that a position lies between, and their weights: as many of the four as
/// [`Tap::width`] says.
#[derive(Clone, Copy)]
pub(super) struct Tap {
    pub(super) index: [usize; 4],
    pub(super) weight: [f64; 4],
}

impl Tap {
    /// Voxels that take part along an axis.
    pub(super) fn width(interpolation: Interpolation) -> usize {
        match interpolation {
            Interpolation::Nearest => 1,
            Interpolation::Trilinear => 2,
            Interpolation::TricubicSpline => 4,
        }
    }

    /// For a position in voxels among `n`, beyond which the outermost voxels are repeated.
    pub(super) fn at(position: f64, n: usize, interpolation: Interpolation) -> Self {
        let n = n as isize;
        let clamp = |i: isize| i.clamp(0, n - 1) as usize;
        match interpolation {
            Interpolation::Nearest => {
                let nearest = clamp((position + 0.5 + MIDDLE_SLACK).floor() as isize);
                Self { index: [nearest, 0, 0, 0], weight: [1.0, 0.0, 0.0, 0.0] }
            }
            Interpolation::Trilinear => {
                let floor = position.floor();
                let base = floor as isize;
                let f = position - floor;
                Self { index: [clamp(base), clamp(base + 1), 0, 0], weight: [1.0 - f, f, 0.0, 0.0] }
            }
            Interpolation::TricubicSpline => {
                // Outside the image its outermost value is repeated: sample the edge itself.
                let inside = position.clamp(0.0, (n - 1) as f64);
                let base = (inside.floor() as isize).min(n - 2).max(0);
                let f = inside - base as f64;
                Self { index: [-1, 0, 1, 2].map(|o| mirror(base + o, n)), weight: cubic_weights(f) }
            }
        }
    }
}

/// Reflection about the centres of the outermost voxels, as the prefilter assumes.
fn mirror(index: isize, n: isize) -> usize {
    if n == 1 {
        return 0;
    }
    let period = 2 * (n - 1);
    let i = index.rem_euclid(period);
    (if i < n { i } else { period - i }) as usize
}

/// Cubic B-spline at distances 1 + f, f, 1 - f, 2 - f.
fn cubic_weights(f: f64) -> [f64; 4] {
    let g = 1.0 - f;
    [
        g * g * g / 6.0,
        (4.0 - 6.0 * f * f + 3.0 * f * f * f) / 6.0,
        (4.0 - 6.0 * g * g + 3.0 * g * g * g) / 6.0,
        f * f * f / 6.0,
    ]
}

fn source_box(taps: &[Taps; 3], native_size: [usize; 3], margin: usize) -> IndexBox {
    let used = IndexBox {
        min: std::array::from_fn(|a| taps[a].index.iter().copied().min().unwrap_or(0)),
        max: std::array::from_fn(|a| taps[a].index.iter().copied().max().map_or(0, |i| i + 1)),
    };
    used.grown([margin; 3], native_size)
}

/// Interpolates along x, y and z; `finish` makes a voxel of each value.
fn interpolate<'a, T: Sample, V: Copy + Default + Send>(
    values: ArrayView3<'a, T>,
    source: &'a IndexBox,
    taps: &'a [Taps; 3],
    finish: impl Fn(f64) -> V + Sync,
) -> Array3<V> {
    let [nx, ny, nz] = taps.each_ref().map(Taps::len);
    let plane = (nx * ny).max(1);
    let mut voxels = vec![V::default(); nx * ny * nz];
    voxels.par_chunks_mut(plane).enumerate().with_min_len(SLICES).for_each_init(
        || (Planes::new(values, source, taps), vec![0.0; plane]),
        |(planes, sums), (z, voxels)| {
            let at = z * taps[2].width..(z + 1) * taps[2].width;
            planes.make(&taps[2].index[at.clone()]);
            sums.fill(0.0);
            for t in at {
                add_weighted(sums, taps[2].weight[t], planes.of(taps[2].index[t]));
            }
            for (voxel, &sum) in voxels.iter_mut().zip(&*sums) {
                *voxel = finish(sum);
            }
        },
    );
    Array3::from_shape_vec((nz, ny, nx), voxels).expect("one voxel per place")
}

/// What can be interpolated.
trait Sample: Copy + Into<f64> + Sync {}
impl<T: Copy + Into<f64> + Sync> Sample for T {}

/// Slices of the image, interpolated along x and y: those that the current slice of the working grid
/// lies between. They stay in the processor's cache from one step to the next.
struct Planes<'a, T> {
    values: ArrayView3<'a, T>,
    source: &'a IndexBox,
    taps: &'a [Taps; 3],
    /// A slice interpolated along x.
    along_x: Vec<f64>,
    /// Slices by index.
    made: Vec<(usize, Vec<f64>)>,
}

impl<'a, T: Sample> Planes<'a, T> {
    fn new(values: ArrayView3<'a, T>, source: &'a IndexBox, taps: &'a [Taps; 3]) -> Self {
        let along_x = vec![0.0; values.dim().1 * taps[0].len()];
        Self { values, source, taps, along_x, made: Vec::new() }
    }

    /// Makes the slices of these indices; others may be forgotten.
    fn make(&mut self, indices: &[usize]) {
        for &index in indices {
            if self.made.iter().any(|(made, _)| *made == index) {
                continue;
            }
            let unused = self.made.iter().position(|(made, _)| !indices.contains(made));
            let size = self.taps[0].len() * self.taps[1].len();
            let mut plane =
                unused.map_or_else(|| vec![0.0; size], |at| self.made.swap_remove(at).1);
            self.fill(index, &mut plane);
            self.made.push((index, plane));
        }
    }

    fn of(&self, index: usize) -> &[f64] {
        let made = self.made.iter().find(|(made, _)| *made == index);
        made.map(|(_, plane)| plane.as_slice()).expect("made before")
    }

    fn fill(&mut self, index: usize, plane: &mut [f64]) {
        let [x, y, _] = self.taps;
        let nx = x.len().max(1);
        let slice = self.values.index_axis(Axis(0), index - self.source.min[2]);
        for (row, out) in slice.rows().into_iter().zip(self.along_x.chunks_exact_mut(nx)) {
            let row = row.to_slice().expect("x is the innermost axis");
            match x.width {
                1 => along_row::<1, T>(row, self.source.min[0], x, out),
                2 => along_row::<2, T>(row, self.source.min[0], x, out),
                _ => along_row::<4, T>(row, self.source.min[0], x, out),
            }
        }
        plane.fill(0.0);
        for (i, out) in plane.chunks_exact_mut(nx).enumerate() {
            for t in i * y.width..(i + 1) * y.width {
                let row = y.index[t] - self.source.min[1];
                add_weighted(out, y.weight[t], &self.along_x[row * nx..][..nx]);
            }
        }
    }
}

/// Interpolates a row whose first voxel has the index `first` along x.
fn along_row<const WIDTH: usize, T: Sample>(row: &[T], first: usize, taps: &Taps, out: &mut [f64]) {
    let (indices, _) = taps.index.as_chunks::<WIDTH>();
    let (weights, _) = taps.weight.as_chunks::<WIDTH>();
    for ((out, indices), weights) in out.iter_mut().zip(indices).zip(weights) {
        let terms = indices.iter().zip(weights).map(|(&i, weight)| weight * row[i - first].into());
        *out = terms.sum();
    }
}

#[multiversion(targets("x86_64+avx2+bmi1+bmi2"))]
fn add_weighted(sums: &mut [f64], weight: f64, values: &[f64]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += weight * value;
    }
}

/// Turns samples into cubic B-spline coefficients along an axis (0 = x), in place: one causal and one
/// anti-causal recursion with the pole sqrt(3) - 2 (Unser 1999, DOI 10.1109/79.799930), mirrored at
/// both ends.
pub(super) fn spline_coefficients(values: &mut Array3<f64>, axis: usize) {
    const POLE: f64 = -0.267_949_192_431_122_7;
    const GAIN: f64 = 6.0;
    for mut lane in values.lanes_mut(Axis(2 - axis)) {
        let n = lane.len();
        if n < 2 {
            continue;
        }
        lane.mapv_inplace(|v| v * GAIN);
        // The mirrored signal's infinite sum, cut where its terms vanish.
        let mut power = 1.0;
        let mut first = 0.0;
        for k in 0..n.min(60) {
            first += power * lane[k];
            power *= POLE;
        }
        lane[0] = first;
        for k in 1..n {
            lane[k] += POLE * lane[k - 1];
        }
        lane[n - 1] = POLE / (POLE * POLE - 1.0) * (lane[n - 1] + POLE * lane[n - 2]);
        for k in (0..n - 1).rev() {
            lane[k] = POLE * (lane[k + 1] - lane[k]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Voxels;

    fn ramp(size: [usize; 3], spacing: Vec3) -> Volume {
        let geometry = Geometry::axis_aligned(size, spacing);
        let mut voxels = Vec::new();
        for z in 0..size[2] {
            for y in 0..size[1] {
                for x in 0..size[0] {
                    let [px, py, pz] = geometry.voxel_to_world([x, y, z].map(|i| i as f64));
                    voxels.push((2.0 * px - 3.0 * py + 0.5 * pz) as f32);
                }
            }
        }
        Volume::new(geometry, Voxels::F32(voxels))
    }

    /// Oracle: a plane is reproduced by linear and cubic interpolation (closed form).
    #[test]
    fn a_plane_is_reproduced_away_from_the_border() {
        let volume = ramp([80, 75, 70], [0.7, 1.1, 2.5]);
        let grid = WorkingGrid::new(volume.geometry(), [1.0, 0.9, 2.0]);
        let bounds = IndexBox { min: [25, 40, 40], max: [29, 44, 44] };
        for interpolation in [Interpolation::Trilinear, Interpolation::TricubicSpline] {
            let values = image(&volume, &grid, &bounds, interpolation, SplineEdge::Nearest);
            for ((z, y, x), &value) in values.indexed_iter() {
                let at = [x + 25, y + 40, z + 40].map(|i| i as f64);
                let [px, py, pz] = grid.geometry.voxel_to_world(at);
                let expected = 2.0 * px - 3.0 * py + 0.5 * pz;
                assert!((f64::from(value) - expected).abs() < 1e-4, "{value} {expected}");
            }
        }
    }

    /// Oracle: IBSI 1 diagnostics of the CT phantom (`ibsi1_diagnostics_reference.csv`): 204 x 201 x
    /// 60 voxels of 0.977 x 0.977 x 3 mm become 100 x 99 x 90 of 2 mm.
    #[test]
    fn the_working_grid_has_the_size_of_the_reference() {
        let native = Geometry::axis_aligned([204, 201, 60], [0.977, 0.977, 3.0]);
        let grid = WorkingGrid::new(&native, [2.0; 3]);
        assert_eq!(grid.geometry.size, [100, 99, 90]);
    }

    /// Oracle: positions in whole tenths of a voxel. The voxels of 1 mm over those of 2.5 mm are at
    /// (4 i - 3) / 10, every fifth half-way.
    #[test]
    fn half_way_between_two_voxels_the_farther_one_is_nearest() {
        let size = [20, 30, 50];
        for (old, new) in [(2.5, 1.0), (f64::from(0.9f32), 0.36)] {
            let native = Geometry::axis_aligned(size, [old; 3]);
            let grid = WorkingGrid::new(&native, [new; 3]);
            for axis in 0..3 {
                assert_eq!(grid.geometry.size[axis], size[axis] / 2 * 5);
                for index in 0..grid.geometry.size[axis] {
                    let position = grid.position(axis, index);
                    let tap = Tap::at(position, size[axis], Interpolation::Nearest);
                    let expected = (4 * index + 2) / 10;
                    assert_eq!(tap.index[0], expected, "voxel {index} at {position}");
                }
            }
        }
    }

    /// Oracle: the definition. The image with 40 copies of its outermost voxels on every side, where the
    /// edge is too far away to matter; and the same image mirrored, which differs near its edge.
    #[test]
    fn a_spline_goes_on_beyond_the_image_with_its_outermost_voxels() {
        const PAD: usize = 40;
        let size = [20, 20, 20];
        let value = |[x, y, z]: [usize; 3]| ((x * 37 + y * 61 + z * 83) % 101) as i16;
        let at = |i: usize| i.saturating_sub(PAD).min(19);
        let volume = |size: [usize; 3], of: &dyn Fn([usize; 3]) -> i16| {
            let [nx, ny, nz] = size;
            let voxels = (0..nx * ny * nz).map(|i| of([i % nx, i / nx % ny, i / nx / ny]));
            let geometry = Geometry::axis_aligned(size, [1.0; 3]);
            Volume::new(geometry, Voxels::I16(voxels.collect()))
        };
        let small = volume(size, &value);
        let large = volume(size.map(|n| n + 2 * PAD), &|voxel| value(voxel.map(at)));
        let spacing = [0.8; 3];
        let cubic = |volume: &Volume, bounds: &IndexBox, edge| {
            let grid = WorkingGrid::new(volume.geometry(), spacing);
            image(volume, &grid, bounds, Interpolation::TricubicSpline, edge)
        };
        let all = IndexBox::whole([25; 3]);
        let expected = cubic(&large, &IndexBox { min: [50; 3], max: [75; 3] }, SplineEdge::Nearest);
        let worst = |found: &Array3<f32>| {
            let differences = found.iter().zip(&expected).map(|(a, b)| (a - b).abs());
            differences.fold(0.0, f32::max)
        };
        assert!(worst(&cubic(&small, &all, SplineEdge::Nearest)) < 1e-4);
        assert!(worst(&cubic(&small, &all, SplineEdge::Mirror)) > 1.0);
        // A part of it has the values of the whole.
        let part = IndexBox { min: [0, 3, 20], max: [4, 9, 25] };
        let whole = cubic(&small, &all, SplineEdge::Nearest);
        let same = whole.slice(ndarray::s![20..25, 3..9, 0..4]);
        let part = cubic(&small, &part, SplineEdge::Nearest);
        assert!(part.iter().zip(same).all(|(a, b)| (a - b).abs() < 1e-4));
    }

    /// Oracle: the image's own voxels. What is inside is decided for an image and its mask alike.
    #[test]
    fn a_mask_has_the_nearest_voxels_of_its_image() {
        let size = [14, 10, 12];
        let geometry = Geometry::axis_aligned(size, [2.5, 0.7, 3.0]);
        let whole = Array3::from_shape_fn((12, 10, 14), |(z, y, x)| (x / 3 + y / 2 + z) % 2 == 1);
        let voxels = whole.iter().map(|&inside| i16::from(inside)).collect();
        let volume = Volume::new(geometry.clone(), Voxels::I16(voxels));
        let of_mask = Mask::new(geometry.clone(), IndexBox::whole(size), &whole).expect("voxels");
        let grid = WorkingGrid::new(&geometry, [1.0, 0.35, 2.0]);
        let all = IndexBox::whole(grid.geometry.size);
        let image = image(&volume, &grid, &all, Interpolation::Nearest, SplineEdge::Nearest);
        let mask = mask(&of_mask, &grid, Interpolation::Nearest, 0.5).expect("voxels");
        for ((z, y, x), &value) in image.indexed_iter() {
            assert_eq!(mask.contains([x, y, z]), value == 1.0, "({x}, {y}, {z})");
        }
    }

    #[test]
    fn a_box_has_the_values_of_the_whole() {
        let volume = ramp([40, 30, 20], [0.7, 1.1, 2.5]);
        let grid = WorkingGrid::new(volume.geometry(), [1.0; 3]);
        let bounds = IndexBox { min: [3, 5, 0], max: [9, 11, 20] };
        for interpolation in
            [Interpolation::Nearest, Interpolation::Trilinear, Interpolation::TricubicSpline]
        {
            let all = IndexBox::whole(grid.geometry.size);
            let whole = image(&volume, &grid, &all, interpolation, SplineEdge::Nearest);
            let part = image(&volume, &grid, &bounds, interpolation, SplineEdge::Nearest);
            let same = whole.slice(ndarray::s![0..20, 5..11, 3..9]);
            let worst = part
                .iter()
                .zip(same)
                .map(|(a, b)| (a - b).abs() / (1.0 + b.abs()))
                .fold(0.0, f32::max);
            assert!(worst < 1e-6, "{interpolation:?}: {worst}");
        }
    }
}
