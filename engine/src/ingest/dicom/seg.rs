//! Segmentations (SEG, PS3.3, A.51; label maps, A.51 with SegmentationType LABELMAP) to masks.
//!
//! Frames are placed by their functional groups, in whatever order they come; slices without a frame
//! are empty. Masks are on the segmentation's own grid.

use std::collections::BTreeMap;

use dicom_dictionary_std::tags;
use ndarray::Array3;

use super::header::{self, Frame, Groups};
use super::object::{Fields, Opened};
use super::{pixel, stack};
use crate::error::{Error, Result};
use crate::geometry::{CanonicalOrder, Geometry, IndexBox, Vec3, dot};
use crate::mask::Mask;

/// Frames of one file.
const MAX_FRAMES: i64 = 1 << 20;
/// A mask's box may hold this many times the pixels that the file has: planes further apart than
/// that are a damaged header.
const MAX_SPARSITY: usize = 1000;
/// Voxels of the largest box around a segment (2³¹).
const MAX_VOXELS: usize = 1 << 31;

/// A segmentation.
pub struct Segmentation<'a> {
    opened: &'a Opened,
    kind: Kind,
    size: [usize; 2],
    frames: Vec<PlacedFrame>,
    /// The segments, by number.
    pub segments: Vec<Segment>,
}

/// A segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// SegmentNumber.
    pub number: i64,
    /// SegmentLabel; empty where there is none.
    pub label: String,
}

/// Masks of some segments.
#[derive(Debug)]
pub struct Masks {
    /// Number, label and voxels.
    pub regions: Vec<(i64, String, Mask)>,
    /// Empty segments and the like.
    pub warnings: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Binary,
    /// With the value that stands for 1.
    Fractional(f64),
    LabelMap,
}

struct PlacedFrame {
    frame: Frame,
    /// `None` in a label map.
    segment: Option<i64>,
}

impl<'a> Segmentation<'a> {
    /// Reads the header of a segmentation.
    ///
    /// # Errors
    /// It is no segmentation, or does not say where its frames lie or which segments they show.
    pub fn read(opened: &'a Opened) -> Result<Self> {
        let fields = opened.fields();
        let modality = fields.text(tags::MODALITY).unwrap_or_else(|| "missing".into());
        if modality != "SEG" {
            return Err(Error::unsupported(
                &opened.path,
                format!("is no SEG: its modality is {modality}"),
            ));
        }
        let kind = match fields.need_text(tags::SEGMENTATION_TYPE)?.as_str() {
            "BINARY" => Kind::Binary,
            "FRACTIONAL" => {
                let max = fields.need_integer(tags::MAXIMUM_FRACTIONAL_VALUE, 1, 65_535)?;
                Kind::Fractional(max as f64)
            }
            "LABELMAP" => Kind::LabelMap,
            other => {
                return Err(Error::unsupported(
                    &opened.path,
                    format!(
                        "is a segmentation of type {other}; abscope reads BINARY, FRACTIONAL and LABELMAP"
                    ),
                ));
            }
        };
        let rows = fields.need_integer(tags::ROWS, 1, 16_384)? as usize;
        let columns = fields.need_integer(tags::COLUMNS, 1, 16_384)? as usize;
        let count = fields.need_integer(tags::NUMBER_OF_FRAMES, 1, MAX_FRAMES)? as usize;
        let groups: Vec<Fields<'_>> =
            fields.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).collect();
        if groups.len() != count {
            return Err(fields.bad(format!(
                "has {count} frames and functional groups for {} of them",
                groups.len()
            )));
        }
        let mut frames = Vec::with_capacity(count);
        for (index, own) in groups.into_iter().enumerate() {
            let groups = Groups::new(fields, index, Some(own));
            let segment = match kind {
                Kind::LabelMap => None,
                _ => Some(segment_of(&groups, &fields, index)?),
            };
            let frame = header::placed(&groups)?;
            if !stack::is_sound(&frame) {
                return Err(fields.bad(format!(
                    "frame {} has the ImagePositionPatient {:?} mm, which is impossible",
                    index + 1,
                    frame.position
                )));
            }
            frames.push(PlacedFrame { frame, segment });
        }
        let mut segments: BTreeMap<i64, Segment> = BTreeMap::new();
        for item in fields.items(tags::SEGMENT_SEQUENCE) {
            let number = item
                .integer(tags::SEGMENT_NUMBER)?
                .ok_or_else(|| item.missing(tags::SEGMENT_NUMBER))?;
            let label = item.text(tags::SEGMENT_LABEL).unwrap_or_default();
            if segments.insert(number, Segment { number, label }).is_some() {
                return Err(fields.bad(format!("two segments have the number {number}")));
            }
        }
        let listed = |frame: &PlacedFrame| frame.segment.is_none_or(|n| segments.contains_key(&n));
        if let Some((index, frame)) = frames.iter().enumerate().find(|(_, f)| !listed(f)) {
            let number = frame.segment.unwrap_or_default();
            return Err(fields.bad(format!(
                "frame {} shows segment {number}, which it does not list; fetch it again",
                index + 1
            )));
        }
        Ok(Self {
            opened,
            kind,
            size: [columns, rows],
            frames,
            segments: segments.into_values().collect(),
        })
    }

    /// Masks of the segments that `wanted` takes by number and label. A voxel of a fractional
    /// segment belongs to it from the fraction `threshold` on. `image` is the grid on which the
    /// segments were drawn, if it is known: it tells the distance of slices where frames are sparse.
    ///
    /// # Errors
    /// The frames are no parallel, evenly placed planes; the pixel data is cut off or cannot be
    /// decoded.
    pub fn masks(
        &self,
        image: Option<&Geometry>,
        threshold: f64,
        wanted: &dyn Fn(i64, &str) -> bool,
    ) -> Result<Masks> {
        let (grid, slices) = self.grid(image)?;
        let pixels = self.pixels()?;
        let mut masks = Masks { regions: Vec::new(), warnings: Vec::new() };
        for segment in self.segments.iter().filter(|s| wanted(s.number, &s.label)) {
            // Value 0 of a label map is the background, even where it is listed.
            if self.kind == Kind::LabelMap && segment.number == 0 {
                continue;
            }
            let called = format!("segment {} ({})", segment.number, segment.label);
            if segment.label.is_empty() {
                masks.warnings.push(format!("segment {} has no label", segment.number));
            }
            match self.mask(segment.number, &grid, &slices, &pixels, threshold)? {
                Some(mask) => {
                    masks.regions.push((segment.number, segment.label.clone(), mask));
                }
                None => masks.warnings.push(format!("{called} is empty and was left out")),
            }
        }
        Ok(masks)
    }

    /// The grid in stored order (columns, rows, planes) and the plane of each frame.
    fn grid(&self, image: Option<&Geometry>) -> Result<(Geometry, Vec<usize>)> {
        let bad = |problem: String| Error::bad_data(&self.opened.path, problem);
        let first = &self.frames[0].frame;
        let normal = first.normal();
        let along = |f: &PlacedFrame| dot(f.frame.position, normal);
        let low = self.frames.iter().map(along).fold(f64::INFINITY, f64::min);
        for (index, f) in self.frames.iter().enumerate() {
            let offset: Vec3 = std::array::from_fn(|i| f.frame.position[i] - first.position[i]);
            let parallel = (0..2).all(|a| dot(f.frame.axes[a], first.axes[a]) > 1.0 - 1e-6);
            let aligned =
                (0..2).all(|a| dot(offset, first.axes[a]).abs() < 0.05 * first.spacing[a]);
            if !parallel || !aligned || f.frame.spacing != first.spacing {
                return Err(bad(format!(
                    "frame {} is not parallel to the first or shifted sideways against it",
                    index + 1
                )));
            }
        }
        let mut distances: Vec<f64> = self.frames.iter().map(|f| along(f) - low).collect();
        let places = distances.clone();
        distances.sort_by(f64::total_cmp);
        let gap = distances.windows(2).map(|w| w[1] - w[0]).filter(|g| *g > 1e-3);
        let gap = gap.fold(f64::INFINITY, f64::min);
        let of_image = image.and_then(|g| {
            (0..3).find(|&a| dot(g.direction[a], normal).abs() > 1.0 - 1e-6).map(|a| g.spacing[a])
        });
        let fields = self.opened.fields();
        let groups =
            Groups::new(fields, 0, fields.item(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE));
        let measures = tags::PIXEL_MEASURES_SEQUENCE;
        let declared = groups.decimal(measures, tags::SPACING_BETWEEN_SLICES)?;
        let thickness = groups.decimal(measures, tags::SLICE_THICKNESS)?;
        let even = |spacing: &f64| {
            // A distance wider than the frames' own would put several of them into one slice.
            (1e-3..=1e3).contains(spacing)
                && *spacing < 1.05 * gap
                && places.iter().all(|p| (p / spacing - (p / spacing).round()).abs() < 0.05)
        };
        let candidates = if gap.is_finite() {
            [declared, of_image, Some(gap), None]
        } else {
            [of_image, declared, thickness, Some(1.0)]
        };
        let spacing = candidates.into_iter().flatten().find(even).ok_or_else(|| {
            bad("its frames are not evenly placed along their normal; export it on even slices"
                .into())
        })?;
        let slices: Vec<usize> = places.iter().map(|p| (p / spacing).round() as usize).collect();
        let count = slices.iter().max().map_or(1, |m| m + 1);
        let lowest = self.frames.iter().min_by(|a, b| along(a).total_cmp(&along(b)));
        let origin = lowest.map_or(first.position, |f| f.frame.position);
        let grid = Geometry {
            size: [self.size[0], self.size[1], count],
            spacing: [first.spacing[0], first.spacing[1], spacing],
            origin,
            direction: [first.axes[0], first.axes[1], normal.map(|c| c + 0.0)],
        };
        Ok((grid, slices))
    }

    fn mask(
        &self,
        number: i64,
        grid: &Geometry,
        slices: &[usize],
        pixels: &Pixels<'_>,
        threshold: f64,
    ) -> Result<Option<Mask>> {
        let of_segment = self.frames.iter().enumerate();
        let mine: Vec<usize> = of_segment
            .filter(|(_, f)| f.segment.is_none_or(|s| s == number))
            .map(|(index, _)| index)
            .collect();
        let mut there = BTreeMap::new();
        for &index in &mine {
            if let Some(first) = there.insert(slices[index], index) {
                return Err(Error::bad_data(
                    &self.opened.path,
                    format!(
                        "frames {} and {} both show segment {number} at one place; export it with \
                         one of them",
                        first + 1,
                        index + 1
                    ),
                ));
            }
        }
        let Some(low) = mine.iter().map(|&i| slices[i]).min() else { return Ok(None) };
        let high = mine.iter().map(|&i| slices[i]).max().unwrap_or(low);
        if high - low >= MAX_SPARSITY * mine.len() {
            return Err(Error::bad_data(
                &self.opened.path,
                format!(
                    "segment {number} spans {} slices with {} frames",
                    high - low + 1,
                    mine.len()
                ),
            ));
        }
        // Rows, columns and places come from the header, so that no memory follows from them before
        // pixels are there: of a frame only the part around its set voxels is kept.
        let [nx, ny, _] = grid.size;
        let mut plane = vec![false; nx * ny];
        let mut pieces: Vec<(usize, Rectangle, Vec<bool>)> = Vec::new();
        for index in mine {
            pixels.mark(index, number, threshold, &mut plane)?;
            if let Some(at) = Rectangle::around(&plane, nx) {
                pieces.push((slices[index], at, at.cut(&plane, nx)));
            }
            plane.fill(false);
        }
        let Some(bounds) =
            pieces.iter().map(|(z, at, _)| at.on_slice(*z)).reduce(|a, b| a.union(&b))
        else {
            return Ok(None);
        };
        let [sx, sy, sz] = bounds.size();
        if bounds.voxel_count() > MAX_VOXELS {
            return Err(Error::too_big(format!(
                "segment {number} spans {sx} x {sy} x {sz} voxels; abscope reads up to {MAX_VOXELS}"
            ))
            .with_path(&self.opened.path));
        }
        let mut inside = Array3::from_elem((sz, sy, sx), false);
        for (z, at, voxels) in &pieces {
            let mut plane = inside.index_axis_mut(ndarray::Axis(0), z - bounds.min[2]);
            for (row, set) in voxels.chunks_exact(at.max[0] - at.min[0]).enumerate() {
                let y = at.min[1] + row - bounds.min[1];
                for (column, set) in set.iter().enumerate() {
                    plane[[y, at.min[0] + column - bounds.min[0]]] |= set;
                }
            }
        }
        let order = CanonicalOrder::of(&grid.direction);
        let canonical = order.geometry(grid);
        // The box in canonical order: permuted and flipped like the axes.
        let (box_low, box_high) = (bounds.min, bounds.max);
        let bounds = IndexBox {
            min: std::array::from_fn(|a| {
                let s = order.source[a];
                if order.flip[a] { grid.size[s] - box_high[s] } else { box_low[s] }
            }),
            max: std::array::from_fn(|a| {
                let s = order.source[a];
                if order.flip[a] { grid.size[s] - box_low[s] } else { box_high[s] }
            }),
        };
        // Array axes count from the slowest: array axis 2 - a is grid axis a.
        let [x, y, z] = order.source.map(|s| 2 - s);
        let mut view = inside.view().permuted_axes([z, y, x]);
        for a in 0..3 {
            if order.flip[a] {
                view.invert_axis(ndarray::Axis(2 - a));
            }
        }
        Ok(Mask::new(canonical, bounds, &view.as_standard_layout().into_owned()))
    }

    fn pixels(&self) -> Result<Pixels<'a>> {
        let opened = self.opened;
        let fields = opened.fields();
        let frame_len = self.size[0] * self.size[1];
        let bits = fields.need_integer(tags::BITS_ALLOCATED, 1, 32)?;
        if bits == 1 {
            let span = opened.pixels.as_ref();
            let native = span.filter(|s| s.declared.is_some());
            let Some(span) = native else {
                return Err(Error::unsupported(
                    &opened.path,
                    "has no pixel data, or compressed pixel data of 1 bit; convert it to explicit \
                     little endian",
                ));
            };
            let bytes = &opened.data_set()[span.bytes.clone()];
            let needed = (frame_len as u64 * self.frames.len() as u64).div_ceil(8);
            if (bytes.len() as u64) < needed {
                return Err(fields.bad(format!(
                    "has {} bytes of pixel data where {} frames need {needed}; fetch it again",
                    bytes.len(),
                    self.frames.len()
                )));
            }
            let declared = span.declared.unwrap_or(bytes.len() as u64);
            if declared > needed.next_multiple_of(2) {
                return Err(fields.bad(format!(
                    "has {declared} bytes of pixel data where {} frames of {} x {} bits need \
                     {needed}; its header is wrong, fetch it again",
                    self.frames.len(),
                    self.size[0],
                    self.size[1]
                )));
            }
            pixel::check_rest(opened, span)?;
            return Ok(Pixels::Bits { bytes, frame_len });
        }
        if pixel::is_approximate(opened, self.frames.len()) {
            return Err(fields.bad(
                "is a segmentation that was compressed with loss, so that its voxels may belong to \
                 other segments; fetch it without",
            ));
        }
        let format = header::format(&fields)?;
        let frames = pixel::locate(opened, &format, self.frames.len())?;
        Ok(Pixels::Values { opened, format, frames, kind: self.kind })
    }
}

/// The part of a frame around the voxels that are set: columns and rows.
#[derive(Clone, Copy)]
struct Rectangle {
    min: [usize; 2],
    /// One past the last.
    max: [usize; 2],
}

impl Rectangle {
    /// `None` where no voxel is set.
    fn around(plane: &[bool], columns: usize) -> Option<Self> {
        let mut around: Option<Self> = None;
        for (y, row) in plane.chunks_exact(columns).enumerate() {
            let Some(first) = row.iter().position(|&set| set) else { continue };
            let end = row.iter().rposition(|&set| set).unwrap_or(first) + 1;
            let so_far = around.get_or_insert(Self { min: [first, y], max: [end, y + 1] });
            so_far.min[0] = so_far.min[0].min(first);
            so_far.max = [so_far.max[0].max(end), y + 1];
        }
        around
    }

    fn cut(self, plane: &[bool], columns: usize) -> Vec<bool> {
        let rows = plane.chunks_exact(columns).take(self.max[1]).skip(self.min[1]);
        rows.flat_map(|row| &row[self.min[0]..self.max[0]]).copied().collect()
    }

    fn on_slice(self, z: usize) -> IndexBox {
        IndexBox { min: [self.min[0], self.min[1], z], max: [self.max[0], self.max[1], z + 1] }
    }
}

fn segment_of(groups: &Groups<'_>, fields: &Fields<'_>, index: usize) -> Result<i64> {
    let sequence = tags::SEGMENT_IDENTIFICATION_SEQUENCE;
    let group = groups.find(sequence, tags::REFERENCED_SEGMENT_NUMBER);
    let number = group.map(|g| g.integer(tags::REFERENCED_SEGMENT_NUMBER)).transpose()?.flatten();
    number.ok_or_else(|| fields.bad(format!("frame {} names no segment", index + 1)))
}

/// The pixels of all frames.
enum Pixels<'a> {
    /// One bit each, lowest bit first, frames following without a gap (PS3.5, 8.1.1).
    Bits { bytes: &'a [u8], frame_len: usize },
    Values {
        opened: &'a Opened,
        format: header::PixelFormat,
        frames: pixel::FrameBytes<'a>,
        kind: Kind,
    },
}

impl Pixels<'_> {
    /// Sets those voxels of a plane that a frame gives to a segment.
    fn mark(&self, frame: usize, number: i64, threshold: f64, plane: &mut [bool]) -> Result<()> {
        match self {
            Self::Bits { bytes, frame_len } => {
                let start = frame * frame_len;
                for (i, voxel) in plane.iter_mut().enumerate() {
                    let bit = start + i;
                    *voxel |= bytes[bit / 8] >> (bit % 8) & 1 == 1;
                }
            }
            Self::Values { opened, format, frames, kind } => {
                let stored = pixel::stored(opened, format, frames, frame)?;
                let mut voxels = plane.iter_mut();
                pixel::each(&stored, format, |value| {
                    let value = value.unwrap_or(0);
                    *voxels.next()? |= match kind {
                        Kind::Binary => value != 0,
                        // Rounding of a fraction to the file's steps must not decide: 0.5 of 255
                        // is 127.5.
                        Kind::Fractional(max) => value as f64 >= threshold * max - 1e-9,
                        Kind::LabelMap => value == number,
                    };
                    Some(())
                });
            }
        }
        Ok(())
    }
}
