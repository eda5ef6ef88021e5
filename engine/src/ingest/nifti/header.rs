//! What a NIfTI header says, checked, and how it says voxels are stored.

use std::path::{Path, PathBuf};

use nifti::NiftiType;

use super::MAX_VOXELS;
use super::layout::Fields;
use super::orientation::orientation;
use super::stream::Stream;
use crate::error::{Error, Problem, Result};
use crate::geometry::{CanonicalOrder, Geometry};

/// What the header says, checked.
pub(super) struct Header {
    pub(super) path: PathBuf,
    /// Bytes before the first voxel.
    pub(super) offset: usize,
    /// Those of the header itself.
    header_bytes: usize,
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
        let raw = Fields::read(stream)?;
        let size = grid_size(&raw, path)?;
        let voxels = size.iter().fold(1u64, |product, &n| product.saturating_mul(n as u64));
        if voxels > MAX_VOXELS {
            return Err(Error::too_big(format!(
                "{} x {} x {} voxels; abscope reads up to {MAX_VOXELS}",
                size[0], size[1], size[2]
            ))
            .with_path(path));
        }
        let kind = raw.data_type().ok_or_else(|| {
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
            header_bytes: raw.length,
            big_endian: raw.big_endian,
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
        let mut gap = vec![0u8; self.offset - self.header_bytes];
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
fn data_offset(raw: &Fields) -> Result<usize, Problem> {
    // Four bytes that say whether there are extensions follow the header.
    let usual = raw.length as f64 + 4.0;
    let offset = if raw.vox_offset == 0.0 { usual } else { raw.vox_offset };
    if !(raw.length as f64..=16_777_216.0).contains(&offset) {
        return Err(format!("vox_offset is {offset}; it must be {usual} or a little more").into());
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

fn grid_size(raw: &Fields, path: &Path) -> Result<[usize; 3]> {
    let dim = raw.dim;
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

fn scaling(raw: &Fields, warnings: &mut Vec<String>) -> (f64, f64) {
    let (slope, inter) = (raw.scl_slope, raw.scl_inter);
    if slope == 0.0 || !slope.is_finite() {
        return (1.0, 0.0);
    }
    if !inter.is_finite() {
        warnings.push(format!("scl_inter is {inter} and was taken as 0"));
        return (slope, 0.0);
    }
    (slope, inter)
}
