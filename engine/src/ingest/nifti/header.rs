//! What a NIfTI header says, checked, and how it says voxels are stored.

use std::path::{Path, PathBuf};

use nifti::{Endianness, NiftiHeader, NiftiType};

use super::MAX_VOXELS;
use super::orientation::orientation;
use super::stream::{Stream, has_magic};
use crate::error::{Error, Problem, Result};
use crate::geometry::{CanonicalOrder, Geometry};

/// What the header says, checked.
pub(super) struct Header {
    pub(super) path: PathBuf,
    /// Bytes before the first voxel.
    pub(super) offset: usize,
    pub(super) geometry: Geometry,
    kind: NiftiType,
    pub(super) voxel_bytes: usize,
    big_endian: bool,
    slope: f64,
    pub(super) inter: f64,
    pub(super) warnings: Vec<String>,
}

impl Header {
    pub(super) fn read(stream: &mut Stream<'_>) -> Result<Self> {
        let path = stream.path;
        let bad = |problem: String| Error::bad_data(path, problem);
        let mut bytes = [0u8; 348];
        stream.read_exact(&mut bytes, || {
            "is shorter than a NIfTI header of 348 bytes; is it a NIfTI file?".into()
        })?;
        if bytes[..4] == 540i32.to_le_bytes() || bytes[..4] == 540i32.to_be_bytes() {
            return Err(Error::unsupported(path, "is NIfTI-2; convert it to NIfTI-1 first"));
        }
        if !has_magic(&bytes) {
            return Err(bad("is not a NIfTI file (no n+1 magic at byte 344)".into()));
        }
        if &bytes[344..347] == b"ni1" {
            return Err(Error::unsupported(
                path,
                "is the header of a .hdr/.img pair; convert it to a single .nii file first",
            ));
        }
        let raw = NiftiHeader::from_reader(&bytes[..])
            .map_err(|e| bad(format!("has a damaged NIfTI header ({e})")))?;
        let size = grid_size(&raw, path)?;
        let voxels: u64 = size.iter().map(|&n| n as u64).product();
        if voxels > MAX_VOXELS {
            return Err(Error::too_big(format!(
                "{} x {} x {} voxels; abscope reads up to {MAX_VOXELS}",
                size[0], size[1], size[2]
            ))
            .with_path(path));
        }
        let kind = raw.data_type().map_err(|_| {
            Error::unsupported(path, format!("has voxel type code {}", raw.datatype))
        })?;
        let voxel_bytes = bytes_per_voxel(kind).ok_or_else(|| {
            Error::unsupported(path, format!("has voxels of type {kind:?}; convert to numbers"))
        })?;
        let mut warnings = Vec::new();
        let geometry = orientation(&raw, size, path, &mut warnings)?;
        let (slope, inter) = scaling(&raw, &mut warnings);
        let header = Self {
            offset: data_offset(&raw).map_err(|problem| problem.in_file(path))?,
            big_endian: raw.endianness == Endianness::Big,
            path: path.to_owned(),
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

    fn skip_to_data(&self, stream: &mut Stream<'_>) -> Result<()> {
        if self.promised() > stream.capacity {
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

    /// Whether the voxels are stored as a volume holds them: whole numbers of 16 bits in the machine's
    /// byte order, not scaled, in canonical axis order.
    pub(super) fn stores_whole_numbers(&self) -> bool {
        self.kind == NiftiType::Int16
            && self.big_endian == cfg!(target_endian = "big")
            && (self.slope, self.inter) == (1.0, 0.0)
            && CanonicalOrder::of(&self.geometry.direction).is_identity()
    }

    /// Bytes of a file that holds what the header says.
    pub(super) fn promised(&self) -> u64 {
        self.offset as u64 + self.data_bytes()
    }

    pub(super) fn data_bytes(&self) -> u64 {
        self.geometry.voxel_count() as u64 * self.voxel_bytes as u64
    }

    pub(super) fn stored_voxel(&self, index: usize) -> [usize; 3] {
        let [nx, ny, _] = self.geometry.size;
        [index % nx, index / nx % ny, index / (nx * ny)]
    }

    pub(super) fn decode(&self, bytes: &[u8], out: &mut Vec<f64>) {
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
fn data_offset(raw: &NiftiHeader) -> Result<usize, Problem> {
    let offset = if raw.vox_offset == 0.0 { 352.0 } else { f64::from(raw.vox_offset) };
    if !(348.0..=16_777_216.0).contains(&offset) {
        return Err(format!("vox_offset is {offset}; it must be 352 or a little more").into());
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
