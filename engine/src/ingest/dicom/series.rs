//! A CT series to a volume in HU.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use dicom_dictionary_std::tags;
use rayon::prelude::*;

use super::agree;
use super::header::{self, Acquisition, ImageHeader};
use super::object::{Bytes, Opened};
use super::patient::PatientKey;
use super::pixel::{self, FrameBytes, PADDING_HU};
use super::source::{self, Source};
pub use super::stack::SlicePolicy;
use super::stack::{self, Plane, Stack};
use crate::error::{Error, Result, private};
use crate::geometry::{CanonicalOrder, Geometry};
use crate::ingest::bytes;
use crate::ingest::nifti::reorder;
use crate::paths::shown;
use crate::volume::{StoredI16, Volume, Voxels};

/// Voxels of the largest series that is read (2³¹).
const MAX_VOXELS: usize = 1 << 31;

/// A CT series, read.
#[derive(Clone, Debug)]
pub struct CtSeries {
    /// The image in canonical axis order, HU.
    pub volume: Volume,
    /// The patient.
    pub patient: PatientKey,
    /// SeriesInstanceUID.
    pub series: String,
    /// FrameOfReferenceUID.
    pub frame_of_reference: Option<String>,
    /// SOPInstanceUIDs of the slices.
    pub instances: BTreeSet<String>,
    /// Tube voltage, kernel, contrast and slice thickness.
    pub acquisition: Acquisition,
    /// SHA-256 over the sorted SHA-256 of all files, of the bytes that were decoded, in hexadecimal.
    pub sha256: String,
    /// What was noticed.
    pub warnings: Vec<String>,
}

/// A file of the series with what its header says.
pub(super) struct Slice {
    pub(super) opened: Opened,
    pub(super) header: ImageHeader,
}

/// What the headers of a series say, without its voxels.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The grid in canonical axis order.
    pub geometry: Geometry,
    /// Tube voltage, kernel, contrast and slice thickness.
    pub acquisition: Acquisition,
    /// What was noticed; gaps and tilt, which reading refuses, are among it.
    pub warnings: Vec<String>,
}

/// Reads a series from its files: slices in order of their position, HU by each slice's own rescale
/// slope and intercept, in canonical axis order.
///
/// Localizers are left out with a warning. Copies of a slice are taken once. Padded pixels (PixelPaddingValue) become -1024 HU and are counted in a warning.
///
/// # Errors
/// A file cannot be read, is no CT slice or belongs to another series; two different slices share a
/// place; slices differ in size, depth, orientation or pixel spacing; slices are missing, unevenly
/// spaced or tilted and `policy` is to refuse them; the pixel data is cut off, longer than its header
/// says, or compressed in a way that this build does not read.
pub fn read(sources: &[Source], policy: SlicePolicy) -> Result<CtSeries> {
    let Prepared { place, files, slices, identity, acquisition, stack, mut warnings } =
        prepare(sources, open(sources, Ok)?, policy)?;
    let voxels = stack.planes.len().checked_mul(stack.grid.size[0] * stack.grid.size[1]);
    if voxels.is_none_or(|n| n > MAX_VOXELS) || stack.grid.voxel_count() > MAX_VOXELS {
        return Err(Error::too_big(format!(
            "{} slices of {} x {} voxels; abscope reads up to {MAX_VOXELS} voxels",
            stack.planes.len(),
            stack.grid.size[0],
            stack.grid.size[1]
        ))
        .with_path(place));
    }
    let (read, sha256) = rayon::join(|| voxels_of(&stack, &slices), || source::digest(&files));
    let (volume, padded) = read?;
    if padded > 0 {
        warnings.push(format!("{padded} padded voxels were taken as {PADDING_HU} HU"));
    }
    Ok(CtSeries {
        volume,
        patient: PatientKey::read(&slices[0].opened.fields()),
        series: identity.0,
        frame_of_reference: identity.1,
        instances: slices.iter().map(|s| s.header.sop_instance.clone()).collect(),
        acquisition,
        sha256,
        warnings,
    })
}

/// Reads the headers of a series, and checks that its pixel data is there; of that no more than a file on
/// each thread is held at once.
///
/// # Errors
/// As [`read`], but for gaps and tilt.
pub fn survey(sources: &[Source]) -> Result<Survey> {
    let opened = open(sources, without_pixels)?;
    let Prepared { acquisition, stack, warnings, .. } =
        prepare(sources, opened, SlicePolicy::Resample)?;
    let geometry = CanonicalOrder::of(&stack.grid.direction).geometry(&stack.grid);
    Ok(Survey { geometry, acquisition, warnings })
}

/// A series whose headers are read.
struct Prepared {
    place: PathBuf,
    /// All files as they were read, also those that are no slices.
    files: Vec<Bytes>,
    slices: Vec<Slice>,
    /// SeriesInstanceUID and FrameOfReferenceUID.
    identity: (String, Option<String>),
    acquisition: Acquisition,
    stack: Stack,
    warnings: Vec<String>,
}

/// Opens files, and makes of each what is wanted of it before the next is opened.
fn open(sources: &[Source], wanted: fn(Opened) -> Result<Opened>) -> Result<Vec<Opened>> {
    let open = |source: &Source| {
        let opened = source.open_header()?;
        wanted(opened.ok_or_else(|| Error::bad_data(source.display(), "is not a DICOM file"))?)
    };
    sources.par_iter().map(open).collect()
}

/// A slice whose pixel data is there, without it; a localizer as it is, since nothing is asked of it.
fn without_pixels(opened: Opened) -> Result<Opened> {
    if !header::is_localizer(&opened.fields()) {
        let header = ImageHeader::read(&opened)?;
        pixel::locate(&opened, &header.format, header.frames.len())?;
    }
    Ok(opened.without_pixels())
}

fn prepare(sources: &[Source], opened: Vec<Opened>, policy: SlicePolicy) -> Result<Prepared> {
    let Some(first) = opened.first() else {
        return Err(Error::bad_request("a series without files was to be read"));
    };
    let place = series_place(sources, first);
    let files = opened.iter().map(|opened| opened.file.clone()).collect();
    let mut warnings = Vec::new();
    let opened = without_localizers(opened, &mut warnings);
    let slices = opened
        .into_par_iter()
        .map(|opened| ImageHeader::read(&opened).map(|header| Slice { opened, header }))
        .collect::<Result<Vec<Slice>>>()?;
    let slices = without_copies(slices, &mut warnings)?;
    if slices.is_empty() {
        return Err(Error::bad_data(&place, "holds localizers only, no CT volume"));
    }
    let identity = identity(&place, &slices)?;
    agree::format(&slices)?;
    let acquisition = agree::acquisition(&slices, &mut warnings)?;
    gather(&slices, &mut warnings);
    let planes = planes(&place, &slices)?;
    let planes = one_per_place(&place, planes, &slices, &mut warnings)?;
    let mut stack = stack::arrange(&place, planes, acquisition.slice_thickness, policy)?;
    warnings.append(&mut stack.warnings);
    Ok(Prepared { place, files, slices, identity, acquisition, stack, warnings })
}

/// What errors about the series as a whole name: its folder or archive.
fn series_place(sources: &[Source], first: &Opened) -> PathBuf {
    match sources {
        [only] => only.display(),
        _ => {
            let uid = first.fields().text(tags::SERIES_INSTANCE_UID).unwrap_or_default();
            let folder = match &sources[0].member {
                Some(_) => Some(sources[0].file.as_path()),
                None => sources[0].file.parent(),
            };
            let folder = folder.unwrap_or(Path::new("")).to_owned();
            if uid.is_empty() { folder } else { folder.join(format!("[series {uid}]")) }
        }
    }
}

fn without_localizers(opened: Vec<Opened>, warnings: &mut Vec<String>) -> Vec<Opened> {
    let before = opened.len();
    let kept: Vec<Opened> =
        opened.into_iter().filter(|o| !header::is_localizer(&o.fields())).collect();
    if kept.len() < before {
        warnings.push(format!("{} localizers were left out", before - kept.len()));
    }
    kept
}

/// Each SOP instance once.
fn without_copies(slices: Vec<Slice>, warnings: &mut Vec<String>) -> Result<Vec<Slice>> {
    let mut by_instance: BTreeMap<String, Slice> = BTreeMap::new();
    let mut copies = 0;
    for slice in slices {
        let uid = slice.header.sop_instance.clone();
        match by_instance.get(&uid) {
            None => {
                by_instance.insert(uid, slice);
            }
            Some(kept) if same_image(kept, &slice) => copies += 1,
            Some(kept) => {
                return Err(Error::bad_data(
                    &slice.opened.path,
                    format!(
                        "has the SOPInstanceUID of {} and other content; remove one of them",
                        private(shown(&kept.opened.path))
                    ),
                ));
            }
        }
    }
    if copies > 0 {
        warnings.push(format!("{copies} copies of slices were left out"));
    }
    // From here on nothing depends on the order in which files were found.
    Ok(by_instance.into_values().collect())
}

fn same_image(a: &Slice, b: &Slice) -> bool {
    fn pixels(slice: &Slice) -> Option<&[u8]> {
        let span = slice.opened.pixels.as_ref()?;
        Some(&slice.opened.data_set()[span.bytes.clone()])
    }
    let (one, other) = (&a.header, &b.header);
    one.frames == other.frames && one.format == other.format && pixels(a) == pixels(b)
}

/// Series and frame of reference, which all slices share.
fn identity(place: &Path, slices: &[Slice]) -> Result<(String, Option<String>)> {
    let of = |tag| slices.iter().map(|s| s.opened.fields().text(tag)).collect::<BTreeSet<_>>();
    let series = of(tags::SERIES_INSTANCE_UID);
    if series.len() > 1 {
        let problem = format!("{} series were to be read as one", series.len());
        return Err(Error::bad_request(problem).with_path(place));
    }
    agree::belonging(slices)?;
    let frame = of(tags::FRAME_OF_REFERENCE_UID).pop_first().flatten();
    Ok((series.into_iter().next().flatten().unwrap_or_default(), frame))
}

/// Warnings of the files, each once with the number of files.
fn gather(slices: &[Slice], warnings: &mut Vec<String>) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for warning in slices.iter().flat_map(|s| &s.header.warnings) {
        *counts.entry(warning).or_default() += 1;
    }
    for (warning, count) in counts {
        warnings.push(format!("{count} of {} files: {warning}", slices.len()));
    }
}

/// The planes of all files.
fn planes(place: &Path, slices: &[Slice]) -> Result<Vec<Plane>> {
    let mut planes = Vec::new();
    for (file, slice) in slices.iter().enumerate() {
        for (index, frame) in slice.header.frames.iter().enumerate() {
            if !stack::is_sound(frame) {
                return Err(Error::bad_data(
                    &slice.opened.path,
                    format!("ImagePositionPatient is {:?} mm, which is impossible", frame.position),
                ));
            }
            let format = &slice.header.format;
            let (rows, columns) = (format.rows, format.columns);
            planes.push(Plane { file, index, rows, columns, frame: frame.clone() });
        }
    }
    agree::placement(slices, &planes)?;
    if planes.is_empty() {
        return Err(Error::bad_data(place, "holds no slice"));
    }
    Ok(planes)
}

/// Planes of one place: copies under another UID are taken once, different ones are refused.
fn one_per_place(
    place: &Path,
    mut planes: Vec<Plane>,
    slices: &[Slice],
    warnings: &mut Vec<String>,
) -> Result<Vec<Plane>> {
    let normal = planes[0].frame.normal();
    let along = |p: &Plane| crate::geometry::dot(p.frame.position, normal);
    planes.sort_by(|a, b| along(a).total_cmp(&along(b)));
    let mut kept: Vec<Plane> = Vec::with_capacity(planes.len());
    let mut copies = 0;
    for plane in planes {
        let Some(last) = kept.last().filter(|last| along(&plane) - along(last) < 1e-3) else {
            kept.push(plane);
            continue;
        };
        let (a, b) = (&slices[last.file], &slices[plane.file]);
        if last.file != plane.file && same_image(a, b) {
            copies += 1;
            continue;
        }
        return Err(Error::bad_data(
            place,
            format!(
                "two different slices lie at the same place, ({:.3}, {:.3}, {:.3}) mm: {} and {}; \
                 the series holds several volumes (phases or reconstructions), separate them first",
                plane.frame.position[0],
                plane.frame.position[1],
                plane.frame.position[2],
                private(file_name(&a.opened.path)),
                private(file_name(&b.opened.path))
            ),
        ));
    }
    if copies > 0 {
        warnings.push(format!("{copies} copies of slices under another UID were left out"));
    }
    Ok(kept)
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
}

/// The voxels in canonical order, and how many are padding.
fn voxels_of(stack: &Stack, slices: &[Slice]) -> Result<(Volume, u64)> {
    let used: BTreeSet<usize> = stack.planes.iter().map(|p| p.file).collect();
    let located = slices
        .iter()
        .enumerate()
        .map(|(at, s)| {
            let frames = s.header.frames.len();
            used.contains(&at)
                .then(|| pixel::locate(&s.opened, &s.header.format, frames))
                .transpose()
        })
        .collect::<Result<Vec<Option<FrameBytes<'_>>>>>()?;
    let count = stack.planes.len();
    let stored =
        Geometry { size: [stack.grid.size[0], stack.grid.size[1], count], ..stack.grid.clone() };
    let order = CanonicalOrder::of(&stored.direction);
    // Axial series need no more than the order of their slices.
    let axial = order.source == [0, 1, 2] && !order.flip[0] && !order.flip[1];
    let backward = (axial && stack.uneven.is_none()).then_some(order.flip[2]);
    let (voxels, padded) = match whole(stack, slices, &located, backward)? {
        Some(found) => found,
        None => real(stack, slices, &located)?,
    };
    let voxels = match voxels {
        Read::Ordered(voxels) => return Ok((Volume::new(order.geometry(&stored), voxels), padded)),
        Read::Stored(voxels) => voxels,
    };
    let voxels = match &stack.uneven {
        None => voxels,
        Some(places) => Voxels::F32(match voxels.whole() {
            Ok(v) => stack::resampled(&|at| f32::from(v[at]), &stack.grid, places),
            Err(v) => stack::resampled(&|at| v[at], &stack.grid, places),
        }),
    };
    let order = CanonicalOrder::of(&stack.grid.direction);
    let size = stack.grid.size;
    let voxels = match voxels {
        Voxels::F32(v) => Voxels::F32(reorder(v, &order, size)),
        Voxels::I16(v) => Voxels::I16(reorder(v, &order, size)),
        Voxels::Stored(_) => Voxels::I16(reorder(
            voxels.whole().map_or_else(|_| Vec::new(), <[i16]>::to_vec),
            &order,
            size,
        )),
    };
    Ok((Volume::new(order.geometry(&stack.grid), voxels), padded))
}

/// Voxels as they were read.
enum Read {
    /// In canonical order already.
    Ordered(Voxels),
    /// In stored order.
    Stored(Voxels),
}

/// All planes as whole HU; in canonical order where that is their own or, `backward`, its reverse.
/// `None` where some value is not a whole number of 16 bits.
fn whole(
    stack: &Stack,
    slices: &[Slice],
    located: &[Option<FrameBytes<'_>>],
    backward: Option<bool>,
) -> Result<Option<(Read, u64)>> {
    let as_whole = |v: f64| (v.fract() == 0.0 && v.abs() <= 1e9).then_some(v as i32);
    let scales: Option<Vec<(i32, i32)>> = stack
        .planes
        .iter()
        .map(|p| Some((as_whole(p.frame.slope)?, as_whole(p.frame.intercept)?)))
        .collect();
    let Some(scales) = scales else { return Ok(None) };
    let plane_len = stack.grid.size[0] * stack.grid.size[1];
    let count = stack.planes.len();
    let mut memory = bytes::room(2 * plane_len * count).map_err(|e| {
        Error::too_big(format!("{count} slices need more memory than there is ({e})"))
    })?;
    let out: &mut [i16] = &mut bytemuck::cast_slice_mut(&mut memory)[..plane_len * count];
    let padded = out
        .par_chunks_mut(plane_len)
        .enumerate()
        .map(|(z, out)| {
            let at = if backward == Some(true) { count - 1 - z } else { z };
            let (plane, (slope, intercept)) = (&stack.planes[at], scales[at]);
            let slice = &slices[plane.file];
            let frames = located[plane.file].as_ref().expect("planes in use were located");
            let stored = pixel::stored(&slice.opened, &slice.header.format, frames, plane.index)?;
            Ok(pixel::whole(&stored, &slice.header.format, slope, intercept, out))
        })
        .collect::<Result<Vec<Option<u64>>>>()?;
    let Some(padded) = padded.into_iter().sum::<Option<u64>>() else { return Ok(None) };
    let span = 0..2 * plane_len * count;
    let voxels =
        StoredI16::new(std::sync::Arc::new(memory), span).expect("memory of whole numbers");
    let voxels = Voxels::Stored(voxels);
    Ok(Some((
        if backward.is_some() { Read::Ordered(voxels) } else { Read::Stored(voxels) },
        padded,
    )))
}

/// All planes as real HU.
fn real(
    stack: &Stack,
    slices: &[Slice],
    located: &[Option<FrameBytes<'_>>],
) -> Result<(Read, u64)> {
    let plane_len = stack.grid.size[0] * stack.grid.size[1];
    let mut out = vec![0.0f32; plane_len * stack.planes.len()];
    let padded = out
        .par_chunks_mut(plane_len)
        .zip(&stack.planes)
        .map(|(out, plane)| {
            let slice = &slices[plane.file];
            let frames = located[plane.file].as_ref().expect("planes in use were located");
            let stored = pixel::stored(&slice.opened, &slice.header.format, frames, plane.index)?;
            let Plane { frame, .. } = plane;
            Ok(pixel::real(&stored, &slice.header.format, frame.slope, frame.intercept, out))
        })
        .collect::<Result<Vec<u64>>>()?;
    Ok((Read::Stored(Voxels::F32(out)), padded.into_iter().sum()))
}
