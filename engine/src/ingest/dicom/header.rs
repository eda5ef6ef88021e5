//! What the header of a CT file says of its image: classic single-frame CT (PS3.3, A.3) and enhanced
//! multi-frame CT (PS3.3, A.38), whose frames have their values in functional groups.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::object::{Fields, Opened, decimal, name};
use super::phase;
use super::pixel;
use crate::error::{Error, Result};
use crate::geometry::{Vec3, cross, dot, norm};

/// Rows and columns beyond this are no CT.
const MAX_SIDE: i64 = 16_384;
/// Frames of one file; the largest enhanced CT have some thousands.
const MAX_FRAMES: i64 = 65_536;
/// Rescale slopes and intercepts beyond this would leave the 32-bit numbers that hold HU.
const MAX_RESCALE: f64 = 1e9;

/// How stored values are encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PixelFormat {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) bits_allocated: u16,
    pub(super) bits_stored: u16,
    pub(super) high_bit: u16,
    pub(super) signed: bool,
    /// Stored values that are no measurement, from and to.
    pub(super) padding: Option<(i64, i64)>,
}

impl PixelFormat {
    pub(super) fn frame_bytes(&self) -> usize {
        self.rows * self.columns * usize::from(self.bits_allocated / 8)
    }
}

/// One plane of voxels.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Frame {
    /// World position of the centre of the first voxel, LPS mm.
    pub(super) position: Vec3,
    /// Directions of increasing column and increasing row.
    pub(super) axes: [Vec3; 2],
    /// Distance of columns (along a row) and of rows, mm.
    pub(super) spacing: [f64; 2],
    pub(super) slope: f64,
    pub(super) intercept: f64,
}

impl Frame {
    pub(super) fn normal(&self) -> Vec3 {
        cross(self.axes[0], self.axes[1])
    }
}

/// A file's image.
#[derive(Clone, Debug)]
pub(super) struct ImageHeader {
    pub(super) sop_instance: String,
    pub(super) format: PixelFormat,
    /// PhotometricInterpretation, where the file says it.
    pub(super) photometric: Option<String>,
    pub(super) frames: Vec<Frame>,
    pub(super) warnings: Vec<String>,
}

/// What a series says of its acquisition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Acquisition {
    /// Tube voltage, kV.
    pub kvp: Option<f64>,
    /// Convolution kernel of the reconstruction.
    pub kernel: Option<String>,
    /// Contrast agent, as the scanner or the technician wrote it.
    pub contrast: Option<String>,
    /// Phase of contrast: `native`, `arterial`, `venous`, `delayed`, what ContrastBolusAgentPhase says,
    /// or `contrast` where only an agent is named.
    pub phase: Option<String>,
    /// Nominal thickness of a slice, mm.
    pub slice_thickness: Option<f64>,
}

impl Acquisition {
    /// Reads it from a file's header.
    ///
    /// # Errors
    /// A number that is none.
    pub fn read(fields: &Fields<'_>) -> Result<Self> {
        let groups =
            Groups::new(*fields, 0, fields.item(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE));
        let kvp = match fields.decimal(tags::KVP)? {
            Some(kvp) => Some(kvp),
            None => groups.decimal(tags::CTX_RAY_DETAILS_SEQUENCE, tags::KVP)?,
        };
        let kernel = fields.text(tags::CONVOLUTION_KERNEL).or_else(|| {
            groups
                .find(tags::CT_RECONSTRUCTION_SEQUENCE, tags::CONVOLUTION_KERNEL)?
                .text(tags::CONVOLUTION_KERNEL)
        });
        let contrast = fields.text(tags::CONTRAST_BOLUS_AGENT).or_else(|| {
            let agent = fields.item(tags::CONTRAST_BOLUS_AGENT_SEQUENCE)?;
            agent.text(tags::CODE_MEANING)
        });
        let slice_thickness = match fields.decimal(tags::SLICE_THICKNESS)? {
            Some(thickness) => Some(thickness),
            None => groups.decimal(tags::PIXEL_MEASURES_SEQUENCE, tags::SLICE_THICKNESS)?,
        };
        Ok(Self {
            kvp: kvp.filter(|v| *v > 0.0),
            kernel: kernel.map(|k| k.replace('\\', " ")),
            contrast,
            phase: phase::of(fields, &groups),
            slice_thickness: slice_thickness.filter(|v| *v > 0.0),
        })
    }
}

impl ImageHeader {
    /// Reads the header of a CT file.
    ///
    /// # Errors
    /// It is no CT image, not monochrome, or lacks what places its voxels.
    pub(super) fn read(opened: &Opened) -> Result<Self> {
        let fields = opened.fields();
        let modality = fields.text(tags::MODALITY).unwrap_or_else(|| "missing".into());
        if modality != "CT" {
            return Err(Error::unsupported(
                &opened.path,
                format!("its modality is {modality}; abscope measures CT, in HU"),
            ));
        }
        let sop_instance = fields.need_text(tags::SOP_INSTANCE_UID)?;
        let format = format(&fields)?;
        let mut warnings = Vec::new();
        if let Some(kind) = fields.text(tags::RESCALE_TYPE).filter(|kind| kind != "HU") {
            warnings.push(format!("its values are of type {kind}, not HU"));
        }
        let count = match fields.integer(tags::NUMBER_OF_FRAMES)? {
            None => 1,
            Some(_) => fields.need_integer(tags::NUMBER_OF_FRAMES, 1, MAX_FRAMES)? as usize,
        };
        if fields.text(tags::LOSSY_IMAGE_COMPRESSION).as_deref() == Some("01")
            || pixel::is_approximate(opened, count)
        {
            warnings.push("the image was compressed with loss, which changes texture".to_owned());
        }
        let per_frame: Vec<Fields<'_>> =
            fields.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).collect();
        let functional = !per_frame.is_empty();
        if functional && per_frame.len() != count {
            return Err(fields.bad(format!(
                "has {count} frames and {} items in {}",
                per_frame.len(),
                name(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE)
            )));
        }
        if !functional && count > 1 {
            return Err(Error::unsupported(
                &opened.path,
                format!(
                    "has {count} frames without functional groups, so that their places are unknown"
                ),
            ));
        }
        let frames = if functional {
            let of = |(at, own)| grouped(&Groups::new(fields, at, Some(own)));
            per_frame.into_iter().enumerate().map(of).collect::<Result<Vec<_>>>()?
        } else {
            vec![classic(&fields)?]
        };
        if let Some(f) = frames.iter().find(|f| f.slope <= 0.0) {
            let wrong = if f.slope == 0.0 {
                "so that every voxel is the same"
            } else {
                "so that dense tissue has the lowest HU"
            };
            return Err(fields.bad(format!(
                "{} is {}, {wrong}; mend the header",
                name(tags::RESCALE_SLOPE),
                f.slope
            )));
        }
        let beyond = |f: &&Frame| f.slope.abs().max(f.intercept.abs()) > MAX_RESCALE;
        if let Some(f) = frames.iter().find(beyond) {
            return Err(fields.bad(format!(
                "{} is {} and {} is {}, which give no HU; mend the header",
                name(tags::RESCALE_SLOPE),
                f.slope,
                name(tags::RESCALE_INTERCEPT),
                f.intercept
            )));
        }
        if !functional && !fields.has(tags::RESCALE_INTERCEPT) {
            warnings.push("has no rescale intercept; its stored values were taken as HU".into());
        } else if !functional && !fields.has(tags::RESCALE_SLOPE) {
            warnings.push("has no rescale slope, which was taken as 1".into());
        }
        let photometric = fields.text(tags::PHOTOMETRIC_INTERPRETATION);
        Ok(Self { sop_instance, format, photometric, frames, warnings })
    }
}

/// Whether a file is a localizer (scout, topogram), which is not part of the volume.
pub(super) fn is_localizer(fields: &Fields<'_>) -> bool {
    fields.texts(tags::IMAGE_TYPE).iter().any(|v| v == "LOCALIZER")
}

pub(super) fn format(fields: &Fields<'_>) -> Result<PixelFormat> {
    let photometric = fields.text(tags::PHOTOMETRIC_INTERPRETATION).unwrap_or_default();
    let samples = fields.integer(tags::SAMPLES_PER_PIXEL)?.unwrap_or(1);
    if samples != 1 || !(photometric.is_empty() || photometric.starts_with("MONOCHROME")) {
        return Err(Error::unsupported(
            fields.path(),
            format!("is a picture ({photometric}, {samples} values per pixel), not a CT slice"),
        ));
    }
    let rows = fields.need_integer(tags::ROWS, 1, MAX_SIDE)? as usize;
    let columns = fields.need_integer(tags::COLUMNS, 1, MAX_SIDE)? as usize;
    let bits_allocated = fields.need_integer(tags::BITS_ALLOCATED, 1, 32)? as u16;
    if ![8, 16, 32].contains(&bits_allocated) {
        return Err(fields.bad(format!(
            "{} is {bits_allocated}; CT slices have 8, 16 or 32",
            name(tags::BITS_ALLOCATED)
        )));
    }
    let bits_stored = match fields.integer(tags::BITS_STORED)? {
        None => bits_allocated,
        Some(_) => fields.need_integer(tags::BITS_STORED, 1, i64::from(bits_allocated))? as u16,
    };
    let low = i64::from(bits_stored) - 1;
    let high_bit = match fields.integer(tags::HIGH_BIT)? {
        None => bits_stored - 1,
        Some(_) => fields.need_integer(tags::HIGH_BIT, low, i64::from(bits_allocated) - 1)? as u16,
    };
    let signed = match fields.integer(tags::PIXEL_REPRESENTATION)? {
        None => false,
        Some(_) => fields.need_integer(tags::PIXEL_REPRESENTATION, 0, 1)? == 1,
    };
    let padding = padding(fields, bits_stored, signed)?;
    Ok(PixelFormat { rows, columns, bits_allocated, bits_stored, high_bit, signed, padding })
}

/// The stored values that stand for no measurement (PS3.3, C.7.5.1.1.2). Writers mix up signed and
/// unsigned, so that the value is taken by its low bits.
fn padding(fields: &Fields<'_>, bits: u16, signed: bool) -> Result<Option<(i64, i64)>> {
    let Some(value) = fields.integer(tags::PIXEL_PADDING_VALUE)? else { return Ok(None) };
    let as_stored = |value: i64| {
        // A padding value may use bits above BitsStored only if it cannot be a measurement; 16 bits
        // are what the element itself has.
        let width = if bits <= 16 { 16 } else { u32::from(bits) };
        let unsigned = value & ((1i64 << width) - 1);
        if signed && unsigned >> (width - 1) & 1 == 1 {
            unsigned - (1i64 << width)
        } else {
            unsigned
        }
    };
    let first = as_stored(value);
    let limit = fields.integer(tags::PIXEL_PADDING_RANGE_LIMIT)?.map_or(first, as_stored);
    Ok(Some((first.min(limit), first.max(limit))))
}

fn classic(fields: &Fields<'_>) -> Result<Frame> {
    let slope = rescale(fields, tags::RESCALE_SLOPE)?.unwrap_or(1.0);
    let intercept = rescale(fields, tags::RESCALE_INTERCEPT)?.unwrap_or(0.0);
    frame(
        fields,
        fields.need_vector(tags::IMAGE_POSITION_PATIENT)?,
        fields.need_vector(tags::IMAGE_ORIENTATION_PATIENT)?,
        fields.need_vector(tags::PIXEL_SPACING)?,
        (slope, intercept),
    )
}

/// A rescale value; `None` where its element is absent.
///
/// # Errors
/// It is there and empty, or is not one number: an empty one is not 0.
fn rescale(fields: &Fields<'_>, tag: Tag) -> Result<Option<f64>> {
    match fields.vector::<1>(tag)? {
        Some([value]) => Ok(Some(value)),
        None if fields.has(tag) => {
            Err(fields.bad(format!("{} is empty, so that its HU are unknown", name(tag))))
        }
        None => Ok(None),
    }
}

fn grouped(groups: &Groups<'_>) -> Result<Frame> {
    let of = |tag| {
        let group = groups.find(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, tag);
        group.map_or(Ok(None), |group| rescale(&group, tag))
    };
    let slope = of(tags::RESCALE_SLOPE)?.unwrap_or(1.0);
    let intercept = of(tags::RESCALE_INTERCEPT)?.unwrap_or(0.0);
    Ok(Frame { slope, intercept, ..placed(groups)? })
}

/// Where a frame of functional groups lies; its values are not rescaled.
pub(super) fn placed(groups: &Groups<'_>) -> Result<Frame> {
    let need = |sequence: Tag, tag: Tag| {
        groups.find(sequence, tag).ok_or_else(|| {
            groups.whole.bad(format!(
                "frame {} has no {} in {}",
                groups.index + 1,
                name(tag),
                name(sequence)
            ))
        })
    };
    let position = need(tags::PLANE_POSITION_SEQUENCE, tags::IMAGE_POSITION_PATIENT)?;
    let orientation = need(tags::PLANE_ORIENTATION_SEQUENCE, tags::IMAGE_ORIENTATION_PATIENT)?;
    let spacing = need(tags::PIXEL_MEASURES_SEQUENCE, tags::PIXEL_SPACING)?;
    frame(
        &groups.whole,
        position.need_vector(tags::IMAGE_POSITION_PATIENT)?,
        orientation.need_vector(tags::IMAGE_ORIENTATION_PATIENT)?,
        spacing.need_vector(tags::PIXEL_SPACING)?,
        (1.0, 0.0),
    )
}

fn frame(
    fields: &Fields<'_>,
    position: [f64; 3],
    orientation: [f64; 6],
    [row_spacing, column_spacing]: [f64; 2],
    (slope, intercept): (f64, f64),
) -> Result<Frame> {
    let spacing = [column_spacing, row_spacing].map(decimal);
    let position = position.map(decimal);
    if !spacing.iter().all(|s| (1e-3..=1e3).contains(s)) {
        return Err(fields.bad(format!(
            "{} is {row_spacing} x {column_spacing} mm, which is impossible",
            name(tags::PIXEL_SPACING)
        )));
    }
    let [a, b, c, d, e, f] = orientation;
    let axes = orthonormal([a, b, c], [d, e, f]).ok_or_else(|| {
        fields.bad(format!(
            "{} is {orientation:?}, which are not two directions at right angles",
            name(tags::IMAGE_ORIENTATION_PATIENT)
        ))
    })?;
    Ok(Frame { position, axes, spacing, slope, intercept })
}

/// Two directions without the rounding of their decimal strings. `None` where they are none.
fn orthonormal(x: Vec3, y: Vec3) -> Option<[Vec3; 2]> {
    let near_one = |v: Vec3| (norm(v) - 1.0).abs() < 1e-2;
    if !(near_one(x) && near_one(y) && dot(x, y).abs() < 1e-3) {
        return None;
    }
    let unit = |v: Vec3| v.map(|c| c / norm(v));
    let x = unit(x);
    let along = dot(x, y);
    let y = unit(std::array::from_fn(|i| y[i] - along * x[i]));
    // A minus sign before zero would show in the output.
    Some([x, y].map(|v| v.map(|c| c + 0.0)))
}

/// The functional groups of one frame: its own, else the shared ones.
pub(super) struct Groups<'a> {
    whole: Fields<'a>,
    index: usize,
    own: Option<Fields<'a>>,
    shared: Option<Fields<'a>>,
}

impl<'a> Groups<'a> {
    pub(super) fn new(whole: Fields<'a>, index: usize, own: Option<Fields<'a>>) -> Self {
        Self { whole, index, own, shared: whole.item(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE) }
    }

    /// The group `sequence` that has `tag`.
    pub(super) fn find(&self, sequence: Tag, tag: Tag) -> Option<Fields<'a>> {
        let groups = [self.own, self.shared].into_iter().flatten();
        groups.filter_map(|g| g.item(sequence)).find(|g| g.has(tag))
    }

    pub(super) fn decimal(&self, sequence: Tag, tag: Tag) -> Result<Option<f64>> {
        self.find(sequence, tag).map_or(Ok(None), |group| group.decimal(tag))
    }
}
