//! NIfTI-1 images and label maps, `.nii` or gzipped; the content decides, not the name.
//!
//! Rules, as in the NIfTI-1 standard (nifti1.h) unless said otherwise:
//!
//! - Orientation: sform where its code is above 0, else qform where its code is above 0, else the
//!   spacing alone with a warning. Where both are given and disagree, sform wins with a warning.
//! - `scl_slope` 0 or NaN means no scaling; a `scl_inter` that is not finite counts as 0.
//! - Axes must be orthogonal: a sheared sform is refused, since no voxel spacing describes it.
//! - Three dimensions; a fourth and further ones only of length 1.
//!
//! Voxels are read as a stream and memory grows with what has really arrived, so that a header that
//! claims a huge grid costs nothing. The usual CT, whole numbers of 16 bits, is not converted at all.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use libdeflater::Decompressor;
use ndarray::Array3;
use nifti::{Endianness, NiftiHeader, NiftiType};

use super::bytes;
use crate::error::{Error, Result};
use crate::geometry::{CanonicalOrder, Geometry, IndexBox, Vec3, cross, dot, norm};
use crate::mask::Mask;
use crate::volume::{StoredI16, Volume, Voxels};

/// Voxels of the largest grid that is read (2³¹): 16 times a 512 x 512 x 512 CT.
const MAX_VOXELS: u64 = 1 << 31;
/// Deflate cannot expand by more than this (zlib technical details: 1032 to 1).
const MAX_GZIP_RATIO: u64 = 1032;
/// Bytes per read: small enough for the second-level cache, a multiple of every voxel size.
const CHUNK: usize = 1 << 18;
/// A label map with more distinct labels than this is an image taken for a mask.
const MAX_LABELS: usize = 4096;

/// An image with what its reader noticed.
#[derive(Debug)]
pub struct NiftiImage {
    /// The image in canonical axis order.
    pub volume: Volume,
    /// Oddities of the file that do not stop the reading.
    pub warnings: Vec<String>,
}

/// The lesions of a label map, by label.
#[derive(Debug)]
pub struct NiftiLabels {
    /// The grid, in canonical axis order.
    pub geometry: Geometry,
    /// The voxels of each label but 0.
    pub masks: BTreeMap<u32, Mask>,
    /// Oddities of the file that do not stop the reading.
    pub warnings: Vec<String>,
}

/// Whether a file's first bytes look like NIfTI-1, plain or inside gzip.
pub fn is_nifti(path: &Path) -> bool {
    bytes::map(path).is_ok_and(|file| {
        let mut start = [0u8; 348];
        Stream::new(path, &file).reader.read_exact(&mut start).is_ok() && has_magic(&start)
    })
}

/// Reads an image.
///
/// # Errors
/// [`Error::Io`] if the file cannot be opened, [`Error::BadData`] if it is truncated, contradictory
/// or holds voxels that are not finite, [`Error::Unsupported`] for other dimensions, voxel types or
/// NIfTI-2, [`Error::TooBig`] beyond 2³¹ voxels.
pub fn read_image(path: &Path) -> Result<NiftiImage> {
    let file = Arc::new(bytes::map(path)?);
    let mut stream = Stream::new(path, &file);
    let header = Header::read(&mut stream)?;
    if let Some(voxels) = header.stored(&file) {
        return Ok(NiftiImage {
            volume: Volume::new(header.geometry, Voxels::Stored(voxels)),
            warnings: header.warnings,
        });
    }
    let mut voxels = Narrowing::new();
    let mut values = Vec::with_capacity(CHUNK);
    let mut read = 0usize;
    stream.for_each_chunk(&header, |bytes| {
        values.clear();
        header.decode(bytes, &mut values);
        // A volume holds 32-bit numbers.
        if let Some(at) = values.iter().position(|v| !(*v as f32).is_finite()) {
            let [x, y, z] = header.stored_voxel(read + at);
            return Err(Error::bad_data(
                path,
                format!(
                    "voxel ({x}, {y}, {z}) is {}; replace voxels that are no finite numbers of 32 \
                     bits first, for instance by the value of air",
                    values[at]
                ),
            ));
        }
        read += values.len();
        voxels.extend(&values);
        Ok(())
    })?;
    let order = CanonicalOrder::of(&header.geometry.direction);
    let voxels = voxels.reordered(&order, header.geometry.size);
    Ok(NiftiImage {
        volume: Volume::new(order.geometry(&header.geometry), voxels),
        warnings: header.warnings,
    })
}

/// Reads a label map: every label above 0 is a lesion.
///
/// # Errors
/// As [`read_image`]; also [`Error::BadData`] for values that are not whole numbers from 0, and for
/// more than 4,096 distinct labels.
pub fn read_labels(path: &Path) -> Result<NiftiLabels> {
    let file = bytes::map(path)?;
    let mut stream = Stream::new(path, &file);
    let header = Header::read(&mut stream)?;
    let mut runs: BTreeMap<u32, Vec<Run>> = BTreeMap::new();
    let mut values = Vec::with_capacity(CHUNK);
    let mut start = 0usize;
    // Zero bytes are label 0 in every voxel type unless an offset is added: most of a label map can
    // be skipped without looking at its voxels.
    let zero_is_zero = header.inter == 0.0;
    let voxel_bytes = header.voxel_bytes;
    stream.for_each_chunk(&header, |bytes| {
        for block in bytes.chunks(4096 * voxel_bytes) {
            let count = block.len() / voxel_bytes;
            if !(zero_is_zero && all_zero(block)) {
                values.clear();
                header.decode(block, &mut values);
                collect_runs(&values, start, &header, &mut runs)?;
            }
            start += count;
        }
        Ok(())
    })?;
    let order = CanonicalOrder::of(&header.geometry.direction);
    let geometry = order.geometry(&header.geometry);
    let place = Place { stored: &header.geometry, order: &order };
    let boxes: BTreeMap<u32, IndexBox> =
        runs.iter().map(|(&label, runs)| (label, place.bounds(runs))).collect();
    // Labels of a few voxels each can still span the grid, thousands of times over.
    let together: u64 = boxes.values().map(|b| b.voxel_count() as u64).sum();
    if together > MAX_VOXELS {
        return Err(Error::too_big(format!(
            "the boxes around its {} labels hold {together} voxels together; abscope reads up to \
             {MAX_VOXELS} (are the labels scattered over the image? split the file)",
            boxes.len()
        ))
        .with_path(path));
    }
    let masks = boxes
        .into_iter()
        .filter_map(|(label, bounds)| {
            let inside = place.voxels(&runs[&label], &bounds);
            Some((label, Mask::new(geometry.clone(), bounds, inside)?))
        })
        .collect();
    Ok(NiftiLabels { geometry, masks, warnings: header.warnings })
}

/// Consecutive stored voxels of one label.
struct Run {
    start: usize,
    len: usize,
}

fn all_zero(bytes: &[u8]) -> bool {
    bytes.iter().fold(0u8, |any, b| any | b) == 0
}

fn collect_runs(
    values: &[f64],
    start: usize,
    header: &Header,
    runs: &mut BTreeMap<u32, Vec<Run>>,
) -> Result<()> {
    let mut at = 0;
    while at < values.len() {
        let value = values[at];
        let len = values[at..].iter().take_while(|v| **v == value).count().max(1);
        if value != 0.0 {
            if !(value.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(&value)) {
                let [x, y, z] = header.stored_voxel(start + at);
                return Err(Error::bad_data(
                    &header.path,
                    format!(
                        "voxel ({x}, {y}, {z}) is {value}; a label map holds whole numbers from 0 \
                         (is this an image, or a probability map to be thresholded first?)"
                    ),
                ));
            }
            let label = value as u32;
            let list = runs.entry(label).or_default();
            match list.last_mut() {
                Some(last) if last.start + last.len == start + at => last.len += len,
                _ => list.push(Run { start: start + at, len }),
            }
            if runs.len() > MAX_LABELS {
                return Err(Error::bad_data(
                    &header.path,
                    format!(
                        "more than {MAX_LABELS} distinct labels; this looks like an image, not a \
                         label map"
                    ),
                ));
            }
        }
        at += len;
    }
    Ok(())
}

/// Where stored voxels lie in canonical order.
struct Place<'a> {
    stored: &'a Geometry,
    order: &'a CanonicalOrder,
}

impl Place<'_> {
    fn canonical(&self, index: usize) -> [usize; 3] {
        let [nx, ny, _] = self.stored.size;
        let at = [index % nx, index / nx % ny, index / (nx * ny)];
        std::array::from_fn(|a| {
            let s = self.order.source[a];
            if self.order.flip[a] { self.stored.size[s] - 1 - at[s] } else { at[s] }
        })
    }

    /// Runs, cut at the ends of rows, since both ends of one that spans rows do not bound it: first
    /// voxel, and one past the last.
    fn rows(&self, runs: &[Run]) -> impl Iterator<Item = (usize, usize)> {
        let nx = self.stored.size[0];
        runs.iter().flat_map(move |run| {
            let end = run.start + run.len;
            let mut at = run.start;
            std::iter::from_fn(move || {
                let row_end = (at / nx + 1) * nx;
                let piece = (at < end).then(|| (at, row_end.min(end)));
                at = row_end.min(end);
                piece
            })
        })
    }

    /// The box around runs, in canonical order.
    fn bounds(&self, runs: &[Run]) -> IndexBox {
        let mut min = [usize::MAX; 3];
        let mut max = [0; 3];
        for (start, end) in self.rows(runs) {
            for corner in [self.canonical(start), self.canonical(end - 1)] {
                for a in 0..3 {
                    min[a] = min[a].min(corner[a]);
                    max[a] = max[a].max(corner[a] + 1);
                }
            }
        }
        IndexBox { min, max }
    }

    /// The voxels of runs within the box around them.
    fn voxels(&self, runs: &[Run], bounds: &IndexBox) -> Array3<bool> {
        let [sx, sy, sz] = bounds.size();
        let mut inside = Array3::from_elem((sz, sy, sx), false);
        for (start, end) in self.rows(runs) {
            for index in start..end {
                let at = self.canonical(index);
                let [x, y, z]: [usize; 3] = std::array::from_fn(|a| at[a] - bounds.min[a]);
                inside[[z, y, x]] = true;
            }
        }
        inside
    }
}

/// Voxels in the narrowest type that has held them so far.
enum Narrowing {
    Whole(Vec<i16>),
    Real(Vec<f32>),
}

impl Narrowing {
    fn new() -> Self {
        Self::Whole(Vec::new())
    }

    fn extend(&mut self, values: &[f64]) {
        if let Self::Whole(whole) = self {
            // Truncation and back leaves exactly the whole numbers within range unchanged.
            if values.iter().fold(true, |fits, &v| fits & (f64::from(v as i16) == v)) {
                whole.extend(values.iter().map(|&v| v as i16));
                return;
            }
            *self = Self::Real(whole.iter().map(|&v| f32::from(v)).collect());
        }
        if let Self::Real(real) = self {
            real.extend(values.iter().map(|&v| v as f32));
        }
    }

    fn reordered(self, order: &CanonicalOrder, stored_size: [usize; 3]) -> Voxels {
        match self {
            Self::Whole(v) => Voxels::I16(reorder(v, order, stored_size)),
            Self::Real(v) => Voxels::F32(reorder(v, order, stored_size)),
        }
    }
}

pub(super) fn reorder<T: Copy>(
    stored: Vec<T>,
    order: &CanonicalOrder,
    stored_size: [usize; 3],
) -> Vec<T> {
    if order.is_identity() {
        return stored;
    }
    let (start, [sx, sy, sz]) = order.strides(stored_size);
    let [nx, ny, nz] = order.source.map(|s| stored_size[s] as isize);
    let mut out = Vec::with_capacity(stored.len());
    for z in 0..nz {
        for y in 0..ny {
            let row = start as isize + y * sy + z * sz;
            out.extend((0..nx).map(|x| stored[(row + x * sx) as usize]));
        }
    }
    out
}

/// The bytes of a file, decompressed where it is gzip.
struct Stream<'a> {
    path: PathBuf,
    reader: Box<dyn Read + 'a>,
    /// The most bytes that the file can hold once decompressed.
    capacity: u64,
}

impl<'a> Stream<'a> {
    fn new(path: &Path, file: &'a [u8]) -> Self {
        let len = file.len() as u64;
        let (reader, capacity): (Box<dyn Read + 'a>, u64) = if is_gzip(file) {
            (Box::new(MultiGzDecoder::new(file)), len.saturating_mul(MAX_GZIP_RATIO))
        } else {
            (Box::new(file), len)
        };
        Self { path: path.to_owned(), reader, capacity }
    }

    /// Hands over the voxels' bytes in order, whole voxels at a time.
    fn for_each_chunk(
        &mut self,
        header: &Header,
        mut each: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut left = header.data_bytes();
        let mut buffer = vec![0u8; CHUNK.min(left as usize)];
        while left > 0 {
            let want = (CHUNK as u64).min(left) as usize;
            self.read_exact(&mut buffer[..want], || {
                format!(
                    "ends {left} bytes early: the header promises {} voxels; the file was cut off \
                     or damaged, fetch it again",
                    header.geometry.voxel_count()
                )
            })?;
            each(&buffer[..want])?;
            left -= want as u64;
        }
        // The gzip checksum is only verified at the end of the stream.
        let beyond = std::io::copy(&mut self.reader.by_ref().take(1), &mut std::io::sink());
        beyond.map(|_| ()).map_err(|e| damaged(&self.path, &e))
    }

    fn read_exact(&mut self, buffer: &mut [u8], short: impl Fn() -> String) -> Result<()> {
        self.reader.read_exact(buffer).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => Error::bad_data(&self.path, short()),
            _ => damaged(&self.path, &e),
        })
    }
}

fn is_gzip(file: &[u8]) -> bool {
    file.starts_with(&[0x1f, 0x8b])
}

fn damaged(path: &Path, error: &std::io::Error) -> Error {
    Error::bad_data(path, format!("cannot be decompressed ({error}); fetch the file again"))
}

fn has_magic(header: &[u8; 348]) -> bool {
    matches!(&header[344..348], b"n+1\0" | b"ni1\0")
}

/// What the header says, checked.
struct Header {
    path: PathBuf,
    /// Bytes before the first voxel.
    offset: usize,
    geometry: Geometry,
    kind: NiftiType,
    voxel_bytes: usize,
    big_endian: bool,
    slope: f64,
    inter: f64,
    warnings: Vec<String>,
}

impl Header {
    fn read(stream: &mut Stream) -> Result<Self> {
        let path = stream.path.clone();
        let bad = |problem: String| Error::bad_data(&path, problem);
        let mut bytes = [0u8; 348];
        stream.read_exact(&mut bytes, || {
            "is shorter than a NIfTI header of 348 bytes; is it a NIfTI file?".into()
        })?;
        if bytes[..4] == 540i32.to_le_bytes() || bytes[..4] == 540i32.to_be_bytes() {
            return Err(Error::unsupported(&path, "is NIfTI-2; convert it to NIfTI-1 first"));
        }
        if !has_magic(&bytes) {
            return Err(bad("is not a NIfTI file (no n+1 magic at byte 344)".into()));
        }
        if &bytes[344..347] == b"ni1" {
            return Err(Error::unsupported(
                &path,
                "is the header of a .hdr/.img pair; convert it to a single .nii file first",
            ));
        }
        let raw = NiftiHeader::from_reader(&bytes[..])
            .map_err(|e| bad(format!("has a damaged NIfTI header ({e})")))?;
        let size = grid_size(&raw, &path)?;
        let voxels: u64 = size.iter().map(|&n| n as u64).product();
        if voxels > MAX_VOXELS {
            return Err(Error::too_big(format!(
                "{} x {} x {} voxels; abscope reads up to {MAX_VOXELS}",
                size[0], size[1], size[2]
            ))
            .with_path(&path));
        }
        let kind = raw.data_type().map_err(|_| {
            Error::unsupported(&path, format!("has voxel type code {}", raw.datatype))
        })?;
        let voxel_bytes = bytes_per_voxel(kind).ok_or_else(|| {
            Error::unsupported(&path, format!("has voxels of type {kind:?}; convert to numbers"))
        })?;
        let mut warnings = Vec::new();
        let geometry = orientation(&raw, size, &path, &mut warnings)?;
        let (slope, inter) = scaling(&raw, &mut warnings);
        let header = Self {
            offset: data_offset(&raw).map_err(bad)?,
            big_endian: raw.endianness == Endianness::Big,
            path: path.clone(),
            geometry,
            kind,
            voxel_bytes,
            slope,
            inter,
            warnings,
        };
        header.skip_to_data(stream)?;
        Ok(header)
    }

    fn skip_to_data(&self, stream: &mut Stream) -> Result<()> {
        let promised = self.offset as u64 + self.data_bytes();
        if promised > stream.capacity {
            return Err(Error::bad_data(
                &self.path,
                format!(
                    "is too short for its {} voxels of {} bytes; the file was cut off, fetch it \
                     again",
                    self.geometry.voxel_count(),
                    self.voxel_bytes
                ),
            ));
        }
        let mut gap = vec![0u8; self.offset - 348];
        stream.read_exact(&mut gap, || "ends before its voxels; fetch the file again".into())
    }

    /// The voxels without conversion, where they are what a volume holds: whole numbers of 16 bits
    /// in the machine's byte order, not scaled, in canonical axis order. `None` for any other file,
    /// and for a damaged one, which is then read voxel by voxel and reported.
    fn stored(&self, file: &Arc<bytes::Mapped>) -> Option<StoredI16> {
        let plain = self.kind == NiftiType::Int16
            && self.big_endian == cfg!(target_endian = "big")
            && (self.slope, self.inter) == (1.0, 0.0)
            && CanonicalOrder::of(&self.geometry.direction).is_identity();
        if !plain {
            return None;
        }
        let len = self.offset + usize::try_from(self.data_bytes()).ok()?;
        if !is_gzip(file) {
            return StoredI16::new(file.clone(), self.offset..len);
        }
        // The header was checked against what the file can hold, and memory that decompression
        // does not reach is never touched.
        let mut memory = bytes::zeroed(len).ok()?;
        let written = Decompressor::new().gzip_decompress(file, &mut memory).ok()?;
        (written == len).then_some(())?;
        StoredI16::new(Arc::new(memory), self.offset..len)
    }

    fn data_bytes(&self) -> u64 {
        self.geometry.voxel_count() as u64 * self.voxel_bytes as u64
    }

    fn stored_voxel(&self, index: usize) -> [usize; 3] {
        let [nx, ny, _] = self.geometry.size;
        [index % nx, index / nx % ny, index / (nx * ny)]
    }

    fn decode(&self, bytes: &[u8], out: &mut Vec<f64>) {
        macro_rules! numbers {
            ($type:ty) => {{
                const N: usize = size_of::<$type>();
                let take = |c: &[u8]| -> [u8; N] { c.try_into().expect("chunks are whole voxels") };
                if self.big_endian {
                    out.extend(
                        bytes.chunks_exact(N).map(|c| <$type>::from_be_bytes(take(c)) as f64),
                    );
                } else {
                    out.extend(
                        bytes.chunks_exact(N).map(|c| <$type>::from_le_bytes(take(c)) as f64),
                    );
                }
            }};
        }
        match self.kind {
            NiftiType::Uint8 => numbers!(u8),
            NiftiType::Int8 => numbers!(i8),
            NiftiType::Int16 => numbers!(i16),
            NiftiType::Uint16 => numbers!(u16),
            NiftiType::Int32 => numbers!(i32),
            NiftiType::Uint32 => numbers!(u32),
            NiftiType::Int64 => numbers!(i64),
            NiftiType::Uint64 => numbers!(u64),
            NiftiType::Float32 => numbers!(f32),
            NiftiType::Float64 => numbers!(f64),
            _ => unreachable!("the header admits the types above only"),
        }
        if self.slope != 1.0 || self.inter != 0.0 {
            for value in out {
                *value = *value * self.slope + self.inter;
            }
        }
    }
}

/// Bytes before the first voxel. Some writers leave the offset 0 in a single file; the voxels then
/// follow the header.
fn data_offset(raw: &NiftiHeader) -> Result<usize, String> {
    let offset = if raw.vox_offset == 0.0 { 352.0 } else { f64::from(raw.vox_offset) };
    if !(348.0..=16_777_216.0).contains(&offset) {
        return Err(format!("vox_offset is {offset}; it must be 352 or a little more"));
    }
    Ok(offset as usize)
}

fn bytes_per_voxel(kind: NiftiType) -> Option<usize> {
    Some(match kind {
        NiftiType::Uint8 | NiftiType::Int8 => 1,
        NiftiType::Int16 | NiftiType::Uint16 => 2,
        NiftiType::Int32 | NiftiType::Uint32 | NiftiType::Float32 => 4,
        NiftiType::Int64 | NiftiType::Uint64 | NiftiType::Float64 => 8,
        _ => return None,
    })
}

fn grid_size(raw: &NiftiHeader, path: &Path) -> Result<[usize; 3]> {
    let dim = raw.dim.map(|d| d as i16);
    let n = dim[0];
    if !(1..=7).contains(&n) {
        return Err(Error::bad_data(path, format!("dim[0] is {n}; a NIfTI file has 1 to 7 axes")));
    }
    let axes = &dim[1..=n as usize];
    if let Some(bad) = axes.iter().find(|&&d| d < 1) {
        return Err(Error::bad_data(path, format!("an axis has {bad} voxels")));
    }
    if axes.iter().skip(3).any(|&d| d > 1) {
        return Err(Error::unsupported(
            path,
            format!("has {n} dimensions {axes:?}; split it into 3D volumes first"),
        ));
    }
    Ok(std::array::from_fn(|a| axes.get(a).map_or(1, |&d| d as usize)))
}

fn scaling(raw: &NiftiHeader, warnings: &mut Vec<String>) -> (f64, f64) {
    let (slope, inter) = (f64::from(raw.scl_slope), f64::from(raw.scl_inter));
    if slope == 0.0 || !slope.is_finite() {
        return (1.0, 0.0);
    }
    if !inter.is_finite() {
        warnings.push(format!("scl_inter is {inter} and was taken as 0"));
        return (slope, 0.0);
    }
    (slope, inter)
}

fn orientation(
    raw: &NiftiHeader,
    size: [usize; 3],
    path: &Path,
    warnings: &mut Vec<String>,
) -> Result<Geometry> {
    let sform = (raw.sform_code > 0)
        .then(|| from_sform(raw, size))
        .transpose()
        .map_err(|problem| Error::bad_data(path, problem))?;
    let qform = (raw.qform_code > 0)
        .then(|| from_qform(raw, size))
        .transpose()
        .map_err(|problem| Error::bad_data(path, problem));
    match (sform, qform) {
        (Some(sform), qform) => {
            if let Ok(Some(qform)) = qform
                && let Some(difference) = sform.difference(&qform, 0.1)
            {
                warnings.push(format!("sform and qform disagree, sform is used: {difference}"));
            }
            Ok(sform)
        }
        (None, Ok(Some(qform))) => Ok(qform),
        (None, Err(problem)) => Err(problem),
        (None, Ok(None)) => {
            let spacing = pixel_spacing(raw).map_err(|p| Error::bad_data(path, p))?;
            warnings.push(
                "neither sform nor qform is set: the axes were taken as right, anterior, superior, \
                 and left and right may be swapped"
                    .into(),
            );
            let mut geometry = Geometry::axis_aligned(size, spacing);
            geometry.direction[0][0] = -1.0;
            geometry.direction[1][1] = -1.0;
            Ok(geometry)
        }
    }
}

/// The shortest decimal that reads back as this 32-bit number: a header's 0.977 stays 0.977, as it
/// stands in the DICOM file it came from, and does not become 0.97699999809.
fn decimal(value: f64) -> f64 {
    (value as f32).to_string().parse().unwrap_or(value)
}

/// Millimetres per unit of the header (NIfTI `xyzt_units`); an unknown unit is mm, as everywhere.
fn unit(raw: &NiftiHeader) -> f64 {
    match raw.xyzt_units & 0x07 {
        1 => 1000.0,
        3 => 0.001,
        _ => 1.0,
    }
}

fn pixel_spacing(raw: &NiftiHeader) -> Result<Vec3, String> {
    let spacing: Vec3 =
        std::array::from_fn(|a| decimal(f64::from(raw.pixdim[a + 1]).abs() * unit(raw)));
    check_spacing(spacing)
}

fn check_spacing(spacing: Vec3) -> Result<Vec3, String> {
    if spacing.iter().all(|s| s.is_finite() && (1e-3..=1e3).contains(s)) {
        return Ok(spacing);
    }
    Err(format!(
        "voxel spacing {} x {} x {} mm is impossible; mend the header's pixdim or sform",
        spacing[0], spacing[1], spacing[2]
    ))
}

fn from_sform(raw: &NiftiHeader, size: [usize; 3]) -> Result<Geometry, String> {
    let rows = [raw.srow_x, raw.srow_y, raw.srow_z].map(|r| r.map(f64::from));
    if rows.iter().flatten().any(|v| !v.is_finite()) {
        return Err("the sform matrix holds numbers that are not finite".into());
    }
    let unit = unit(raw);
    let columns: [Vec3; 3] = std::array::from_fn(|c| std::array::from_fn(|r| rows[r][c] * unit));
    let spacing = check_spacing(columns.map(norm).map(decimal))?;
    let axes: [Vec3; 3] = std::array::from_fn(|a| columns[a].map(|v| v / spacing[a]));
    let offset: Vec3 = std::array::from_fn(|r| decimal(rows[r][3] * unit));
    grid(size, spacing, axes, offset)
}

fn from_qform(raw: &NiftiHeader, size: [usize; 3]) -> Result<Geometry, String> {
    let [b, c, d] = [raw.quatern_b, raw.quatern_c, raw.quatern_d].map(f64::from);
    let rest = 1.0 - (b * b + c * c + d * d);
    if !(rest.is_finite() && rest > -1e-5) {
        return Err(format!("the qform quaternion ({b}, {c}, {d}) is longer than 1"));
    }
    let a = rest.max(0.0).sqrt();
    let spacing = pixel_spacing(raw)?;
    // A handedness of 0 counts as 1 (nifti1.h, method 2).
    let hand = if raw.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
    let axes = [
        [a * a + b * b - c * c - d * d, 2.0 * (b * c + a * d), 2.0 * (b * d - a * c)],
        [2.0 * (b * c - a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d + a * b)],
        [
            hand * 2.0 * (b * d + a * c),
            hand * 2.0 * (c * d - a * b),
            hand * (a * a + d * d - b * b - c * c),
        ],
    ];
    let offset =
        [raw.quatern_x, raw.quatern_y, raw.quatern_z].map(|v| decimal(f64::from(v) * unit(raw)));
    grid(size, spacing, axes, offset)
}

/// A grid from RAS axes and offset: orthogonality checked, turned to LPS.
fn grid(
    size: [usize; 3],
    spacing: Vec3,
    axes: [Vec3; 3],
    offset: Vec3,
) -> Result<Geometry, String> {
    let worst = [(0, 1), (0, 2), (1, 2)]
        .map(|(a, b)| dot(axes[a], axes[b]).abs())
        .into_iter()
        .fold(0.0, f64::max);
    if !(worst <= 1e-3 && offset.iter().all(|v| v.is_finite())) {
        return Err(format!(
            "the axes are sheared (cosine {worst:.4} between two of them, as with gantry tilt); \
             resample the volume to orthogonal axes first"
        ));
    }
    let to_lps = |[x, y, z]: Vec3| [-x, -y, z];
    Ok(Geometry { size, spacing, origin: to_lps(offset), direction: orthonormal(axes).map(to_lps) })
}

/// Removes the rounding of 32-bit headers from nearly orthogonal unit axes, keeping handedness.
fn orthonormal([x, y, z]: [Vec3; 3]) -> [Vec3; 3] {
    let unit = |v: Vec3| v.map(|c| c / norm(v));
    let x = unit(x);
    let along = dot(x, y);
    let y = unit(std::array::from_fn(|i| y[i] - along * x[i]));
    let normal = cross(x, y);
    let hand = dot(normal, z).signum();
    [x, y, normal.map(|c| c * hand)]
}
