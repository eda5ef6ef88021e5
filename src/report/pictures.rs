//! Pictures of a report: three planes through each lesion, and where the lesions lie in the body.
//!
//! Pixels are the image's own, without interpolation; the page stretches them to millimetres and draws
//! outlines over them as paths. Planes follow the grid's axes, seen as radiologists do: the patient's
//! right is on the left.

use base64::Engine;
use ndarray::{Array2, Array3, Axis};
use serde::Serialize;

use crate::geometry::{Geometry, IndexBox, Vec3};
use crate::ingest::{Case, Lesion};
use crate::preprocess::PreparedRegion;
use crate::region::Region;
use crate::region::Roi;
use crate::volume::Volume;

/// Soft tissue: level 40 HU, width 400 HU.
const SOFT_TISSUE: [f32; 2] = [-160.0, 240.0];
/// Maximum intensities: soft tissue dark, bone bright.
const PROJECTION: [f32; 2] = [-200.0, 1000.0];
/// Tissue shown around a lesion, mm.
const SURROUNDINGS_MM: f64 = 20.0;
/// Least width of a picture, mm.
const LEAST_FIELD_MM: f64 = 70.0;
/// Most pixels of the projection along its width.
const PROJECTION_PIXELS: usize = 320;

/// One plane through a lesion. Positions of paths are in mm from the upper left corner.
#[derive(Clone, Debug, Serialize)]
pub(super) struct View {
    /// `axial`, `coronal` or `sagittal`.
    pub(super) plane: &'static str,
    /// Width and height, mm.
    pub(super) size: [f64; 2],
    /// The image as a data URI.
    pub(super) image: String,
    /// Left, top, width and height of the image within the view, mm.
    pub(super) place: [f64; 4],
    /// Outline of the lesion.
    pub(super) tumour: String,
    /// Outline of the ring; empty where there is none.
    pub(super) ring: String,
    /// Letters at the left and the right edge (R/L, A/P).
    pub(super) sides: [&'static str; 2],
}

/// The coronal maximum-intensity projection with the lesions.
#[derive(Clone, Debug, Serialize)]
pub(super) struct BodyMap {
    /// Width and height, mm.
    pub(super) size: [f64; 2],
    /// The image as a data URI.
    pub(super) image: String,
    /// The lesions.
    pub(super) lesions: Vec<Position>,
}

/// A lesion on the projection.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Position {
    /// Its id.
    pub(super) lesion: String,
    /// Outline of its projection.
    pub(super) path: String,
    /// Where its label stands, mm: at the centre, unless another label is there.
    pub(super) label: [f64; 2],
}

/// A plane of a grid: the axes that become the picture's right and down, and the one across.
struct Plane {
    name: &'static str,
    right: usize,
    down: usize,
    across: usize,
    /// Whether the axis must be turned round to point down.
    flip: bool,
    sides: [&'static str; 2],
}

const PLANES: [Plane; 3] = [
    Plane { name: "axial", right: 0, down: 1, across: 2, flip: false, sides: ["R", "L"] },
    Plane { name: "coronal", right: 0, down: 2, across: 1, flip: true, sides: ["R", "L"] },
    Plane { name: "sagittal", right: 1, down: 2, across: 0, flip: true, sides: ["A", "P"] },
];

/// Three planes through a lesion, each where its cross-section is largest.
pub(super) fn views(volume: &Volume, lesion: &Lesion, prepared: &[PreparedRegion]) -> Vec<View> {
    let grid = volume.geometry();
    let bounds = lesion.mask.bounds();
    let region = |wanted: Region| {
        prepared.iter().find(|p| p.facts.region == wanted).and_then(|p| p.roi.as_ref())
    };
    let centre: Vec3 = std::array::from_fn(|a| 0.5 * (bounds.min[a] + bounds.max[a] - 1) as f64);
    let extent = (0..3)
        .map(|a| (bounds.max[a] - bounds.min[a]) as f64 * grid.spacing[a])
        .fold(0.0, f64::max);
    let field = (extent + 2.0 * SURROUNDINGS_MM).max(LEAST_FIELD_MM);
    PLANES
        .iter()
        .map(|plane| {
            let slice =
                largest_section(&lesion.mask.inside(), plane.across) + bounds.min[plane.across];
            let frame = Frame { plane, grid, centre, field, slice };
            let outline = |roi: Option<&Roi>| roi.map(|roi| frame.outline(roi)).unwrap_or_default();
            let (image, place) = frame.image(volume);
            View {
                plane: plane.name,
                size: [field, field],
                image,
                place,
                tumour: outline(region(Region::Tumour)),
                ring: outline(region(Region::Ring)),
                sides: plane.sides,
            }
        })
        .collect()
}

fn largest_section(inside: &Array3<bool>, across: usize) -> usize {
    let areas = inside.axis_iter(Axis(2 - across)).map(|s| s.iter().filter(|&&v| v).count());
    areas.enumerate().max_by_key(|&(index, area)| (area, usize::MAX - index)).map_or(0, |(i, _)| i)
}

struct Frame<'a> {
    plane: &'a Plane,
    grid: &'a Geometry,
    /// Centre of the lesion's box, voxels.
    centre: Vec3,
    field: f64,
    slice: usize,
}

impl Frame<'_> {
    /// Position in the view, mm, of a voxel coordinate along one of the plane's axes.
    fn place(&self, axis: usize, voxel: f64) -> f64 {
        let mm = (voxel - self.centre[axis]) * self.grid.spacing[axis];
        let mm = if axis == self.plane.down && self.plane.flip { -mm } else { mm };
        0.5 * self.field + mm
    }

    fn image(&self, volume: &Volume) -> (String, [f64; 4]) {
        let Plane { right, down, across, flip, .. } = *self.plane;
        let mut bounds = IndexBox::whole(self.grid.size);
        for axis in [right, down] {
            let reach = 0.5 * self.field / self.grid.spacing[axis];
            let n = self.grid.size[axis] as f64;
            bounds.min[axis] = (self.centre[axis] - reach).floor().clamp(0.0, n - 1.0) as usize;
            bounds.max[axis] = (self.centre[axis] + reach).ceil().clamp(0.0, n - 1.0) as usize + 1;
        }
        bounds.min[across] = self.slice;
        bounds.max[across] = self.slice + 1;
        let values = volume.crop(&bounds);
        // Shape (down, right): the arrays' axes are z, y, x, and `down` is always the later axis.
        let mut plane = values.index_axis_move(Axis(2 - across), 0);
        if flip {
            plane.invert_axis(Axis(0));
        }
        let edges = |axis: usize| {
            let ends = [bounds.min[axis] as f64 - 0.5, bounds.max[axis] as f64 - 0.5]
                .map(|v| self.place(axis, v));
            (ends[0].min(ends[1]), (ends[1] - ends[0]).abs())
        };
        let ((left, width), (top, height)) = (edges(right), edges(down));
        (png(&plane, SOFT_TISSUE), [left, top, width, height].map(rounded))
    }

    /// Outline of a region's voxels in the working plane nearest to the slice.
    fn outline(&self, roi: &Roi) -> String {
        let Plane { right, down, across, .. } = *self.plane;
        // Working axes run along the image's: voxel i of the region lies at start + i * step.
        let start = self.grid.world_to_voxel(roi.geometry.origin);
        let step: Vec3 = std::array::from_fn(|a| roi.geometry.spacing[a] / self.grid.spacing[a]);
        let index = ((self.slice as f64 - start[across]) / step[across]).round();
        if index < 0.0 || index >= roi.geometry.size[across] as f64 {
            return String::new();
        }
        let section = roi.morphological.index_axis(Axis(2 - across), index as usize).to_owned();
        let at = |axis: usize, edge: usize| {
            rounded(self.place(axis, start[axis] + (edge as f64 - 0.5) * step[axis]))
        };
        outline(&section, |x| at(right, x), |y| at(down, y))
    }
}

/// Where the lesions lie in the body.
pub(super) fn body_map(case: &Case) -> BodyMap {
    let grid = case.volume.geometry();
    let [nx, _, nz] = grid.size;
    let step = [nx.div_ceil(PROJECTION_PIXELS), nz.div_ceil(2 * PROJECTION_PIXELS)];
    let projection = projection(&case.volume, step);
    let size = [nx as f64 * grid.spacing[0], nz as f64 * grid.spacing[2]];
    let across = |x: f64| rounded((x + 0.5) * grid.spacing[0]);
    let up = |z: f64| rounded(size[1] - (z + 0.5) * grid.spacing[2]);
    let lesions = case
        .lesions
        .iter()
        .map(|lesion| {
            let bounds = lesion.mask.bounds();
            let shadow = lesion.mask.inside().fold_axis(Axis(1), false, |&any, &v| any || v);
            let path = outline(
                &shadow,
                |x| across((bounds.min[0] + x) as f64 - 0.5),
                |z| up((bounds.min[2] + z) as f64 - 0.5),
            );
            let middle = |a: usize| 0.5 * (bounds.min[a] + bounds.max[a] - 1) as f64;
            Position { lesion: lesion.id.clone(), path, label: [across(middle(0)), up(middle(2))] }
        })
        .collect();
    let mut lesions: Vec<Position> = lesions;
    spread_labels(&mut lesions, size);
    BodyMap { size: size.map(rounded), image: png(&projection, PROJECTION), lesions }
}

/// Moves labels down until none covers another.
fn spread_labels(lesions: &mut [Position], size: [f64; 2]) {
    let line = size[1].max(size[0]) / 18.0;
    let mut order: Vec<usize> = (0..lesions.len()).collect();
    order.sort_by(|&a, &b| lesions[a].label[1].total_cmp(&lesions[b].label[1]).then(a.cmp(&b)));
    for (at, &index) in order.iter().enumerate() {
        for &above in &order[..at] {
            let apart = lesions[index].label[1] - lesions[above].label[1];
            if (lesions[index].label[0] - lesions[above].label[0]).abs() < 2.0 * line
                && apart < line
            {
                lesions[index].label[1] = rounded(lesions[above].label[1] + line);
            }
        }
    }
    for lesion in lesions {
        lesion.label = [
            lesion.label[0].clamp(line, size[0] - line),
            lesion.label[1].clamp(line, size[1] - 1.0),
        ]
        .map(rounded);
    }
}

/// Maximum along y of blocks of `step` voxels along x and z; the first row is the highest slice.
fn projection(volume: &Volume, step: [usize; 2]) -> Array2<f32> {
    let [nx, ny, nz] = volume.geometry().size;
    let shape = (nz.div_ceil(step[1]), nx.div_ceil(step[0]));
    let mut highest = Array2::from_elem(shape, f32::NEG_INFINITY);
    let mut line = vec![f32::NEG_INFINITY; nx];
    for z in 0..nz {
        line.fill(f32::NEG_INFINITY);
        for y in 0..ny {
            let row = (z * ny + y) * nx..(z * ny + y + 1) * nx;
            match volume.voxels().whole() {
                Ok(v) => line.iter_mut().zip(&v[row]).for_each(|(m, &v)| *m = m.max(f32::from(v))),
                Err(v) => line.iter_mut().zip(&v[row]).for_each(|(m, &v)| *m = m.max(v)),
            }
        }
        let mut out = highest.row_mut(shape.0 - 1 - z / step[1]);
        for (x, &value) in line.iter().enumerate() {
            out[x / step[0]] = out[x / step[0]].max(value);
        }
    }
    highest
}

/// The edges between set and unset pixels as an SVG path, `x` and `y` giving the position of the edge
/// before a column or row.
fn outline(inside: &Array2<bool>, x: impl Fn(usize) -> f64, y: impl Fn(usize) -> f64) -> String {
    let (rows, columns) = inside.dim();
    let at = |r: isize, c: isize| {
        let set = usize::try_from(r).ok().zip(usize::try_from(c).ok()).map(|p| inside.get(p));
        set.flatten().copied().unwrap_or(false)
    };
    let mut path = String::new();
    let mut runs =
        |lines: usize, length: usize, edge: &dyn Fn(isize, isize) -> bool, across: bool| {
            for line in 0..=lines {
                let mut start = None;
                for i in 0..=length {
                    let is_edge = i < length && edge(line as isize, i as isize);
                    match (is_edge, start) {
                        (true, None) => start = Some(i),
                        (false, Some(from)) => {
                            path.push_str(&if across {
                                format!("M{} {}H{}", x(from), y(line), x(i))
                            } else {
                                format!("M{} {}V{}", x(line), y(from), y(i))
                            });
                            start = None;
                        }
                        _ => {}
                    }
                }
            }
        };
    runs(rows, columns, &|r, c| at(r - 1, c) != at(r, c), true);
    runs(columns, rows, &|c, r| at(r, c - 1) != at(r, c), false);
    path
}

/// Grey values of a window as a PNG data URI.
fn png(values: &Array2<f32>, [low, high]: [f32; 2]) -> String {
    let grey: Vec<u8> = values
        .iter()
        .map(|v| ((v - low) / (high - low) * 255.0).clamp(0.0, 255.0).round() as u8)
        .collect();
    let (height, width) = values.dim();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    encoder.set_filter(png::Filter::Adaptive);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(&grey))
        .expect("writing to memory does not fail");
    format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(bytes))
}

/// Hundredths of a millimetre are enough for a picture.
fn rounded(mm: f64) -> f64 {
    (mm * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Voxels;

    /// Oracle: by hand. An L of three pixels has 8 unit edges that join to six straight ones.
    #[test]
    fn an_outline_follows_the_pixels_edges() {
        let inside = ndarray::arr2(&[[true, false], [true, true]]);
        let path = outline(&inside, |x| x as f64, |y| y as f64);
        assert_eq!(path, "M0 0H1M1 1H2M0 2H2M0 0V2M1 0V1M2 1V2");
    }

    #[test]
    fn the_projection_is_the_maximum_with_the_head_up() {
        let geometry = Geometry::axis_aligned([2, 2, 2], [1.0; 3]);
        let volume = Volume::new(geometry, Voxels::I16(vec![1, 2, 3, 0, 5, 6, 4, 9]));
        assert_eq!(projection(&volume, [1, 1]), ndarray::arr2(&[[5.0, 9.0], [3.0, 2.0]]));
        assert_eq!(projection(&volume, [2, 1]), ndarray::arr2(&[[9.0], [3.0]]));
    }
}
