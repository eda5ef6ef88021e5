//! The fields of a header, whichever version of the format it is of.

use std::path::Path;

use nifti::{Endianness, NiftiHeader, NiftiType};

use super::stream::{Stream, has_magic};
use crate::error::{Error, Result};

/// Bytes of a NIfTI-1 header.
pub(super) const NIFTI_1: usize = 348;
/// Bytes of a NIfTI-2 header.
pub(super) const NIFTI_2: usize = 540;

/// What a header says, unchecked, in the widest type that either version has.
pub(super) struct Fields {
    /// Bytes that were read.
    pub(super) length: usize,
    pub(super) big_endian: bool,
    pub(super) datatype: i16,
    pub(super) dim: [i64; 8],
    pub(super) pixdim: [f64; 8],
    pub(super) vox_offset: f64,
    pub(super) scl_slope: f64,
    pub(super) scl_inter: f64,
    pub(super) qform_code: i32,
    pub(super) sform_code: i32,
    pub(super) quatern: [f64; 3],
    pub(super) qoffset: [f64; 3],
    pub(super) srow: [[f64; 4]; 3],
    pub(super) xyzt_units: i32,
}

impl Fields {
    /// The type of the voxels, if it is a known one.
    pub(super) fn data_type(&self) -> Option<NiftiType> {
        NiftiHeader { datatype: self.datatype, ..NiftiHeader::default() }.data_type().ok()
    }

    /// A length in mm as it was meant: of a 32-bit number the shortest decimal that reads back as it, so
    /// that a header's 0.977 stays 0.977, as it stands in the DICOM file it came from, and does not
    /// become 0.97699999809. NIfTI-2 has 64-bit numbers, of which many were 32-bit ones before.
    pub(super) fn decimal(&self, value: f64) -> f64 {
        let single = value as f32;
        if self.length == NIFTI_2 && f64::from(single) != value {
            return value;
        }
        single.to_string().parse().unwrap_or(value)
    }

    pub(super) fn read(stream: &mut Stream<'_>) -> Result<Self> {
        let path = stream.path;
        let mut bytes = [0u8; NIFTI_2];
        let (first, rest) = bytes.split_at_mut(NIFTI_1);
        stream.read_exact(first, || {
            "is shorter than a NIfTI header of 348 bytes; is it a NIfTI file?".into()
        })?;
        if let Some(big_endian) = byte_order_of_nifti_2(first) {
            stream.read_exact(rest, || {
                "is shorter than a NIfTI-2 header of 540 bytes; fetch the file again".into()
            })?;
            return Self::nifti_2(&bytes, big_endian, path);
        }
        let first: &[u8; NIFTI_1] = bytes.first_chunk().expect("more bytes than that");
        Self::nifti_1(first, path)
    }

    fn nifti_1(bytes: &[u8; NIFTI_1], path: &Path) -> Result<Self> {
        if !has_magic(bytes) {
            let problem = "is not a NIfTI file (no n+1 magic at byte 344)";
            return Err(Error::bad_data(path, problem));
        }
        if &bytes[344..347] == b"ni1" {
            return Err(pair(path));
        }
        let raw = NiftiHeader::from_reader(&bytes[..])
            .map_err(|e| Error::bad_data(path, format!("has a damaged NIfTI header ({e})")))?;
        Ok(Self {
            length: NIFTI_1,
            big_endian: raw.endianness == Endianness::Big,
            datatype: raw.datatype,
            dim: raw.dim.map(|d| i64::from(d as i16)),
            pixdim: raw.pixdim.map(f64::from),
            vox_offset: raw.vox_offset.into(),
            scl_slope: raw.scl_slope.into(),
            scl_inter: raw.scl_inter.into(),
            qform_code: raw.qform_code.into(),
            sform_code: raw.sform_code.into(),
            quatern: [raw.quatern_b, raw.quatern_c, raw.quatern_d].map(f64::from),
            qoffset: [raw.quatern_x, raw.quatern_y, raw.quatern_z].map(f64::from),
            srow: [raw.srow_x, raw.srow_y, raw.srow_z].map(|row| row.map(f64::from)),
            xyzt_units: raw.xyzt_units.into(),
        })
    }

    /// Offsets are those of the published layout (nifti2.h).
    fn nifti_2(bytes: &[u8; NIFTI_2], big_endian: bool, path: &Path) -> Result<Self> {
        match &bytes[4..12] {
            b"n+2\0\r\n\x1a\n" => {}
            b"ni2\0\r\n\x1a\n" => return Err(pair(path)),
            [b'n', b'+' | b'i', b'2', 0, ..] => {
                let problem = "is NIfTI-2 whose line ends were changed, as by a transfer as text; \
                               fetch the file again in binary mode";
                return Err(Error::bad_data(path, problem));
            }
            _ => {
                let problem =
                    "is not a NIfTI file (540 bytes of header, but no n+2 magic at byte 4)";
                return Err(Error::bad_data(path, problem));
            }
        }
        fn at<const N: usize>(bytes: &[u8; NIFTI_2], offset: usize, big_endian: bool) -> [u8; N] {
            let mut number: [u8; N] =
                bytes[offset..][..N].try_into().expect("the header holds its fields");
            if big_endian {
                number.reverse();
            }
            number
        }
        let i16_at = |offset| i16::from_le_bytes(at(bytes, offset, big_endian));
        let i32_at = |offset| i32::from_le_bytes(at(bytes, offset, big_endian));
        let i64_at = |offset| i64::from_le_bytes(at(bytes, offset, big_endian));
        let f64_at = |offset| f64::from_le_bytes(at(bytes, offset, big_endian));
        let vox_offset = i64_at(168);
        Ok(Self {
            length: NIFTI_2,
            big_endian,
            datatype: i16_at(12),
            dim: std::array::from_fn(|i| i64_at(16 + 8 * i)),
            pixdim: std::array::from_fn(|i| f64_at(104 + 8 * i)),
            vox_offset: vox_offset as f64,
            scl_slope: f64_at(176),
            scl_inter: f64_at(184),
            qform_code: i32_at(344),
            sform_code: i32_at(348),
            quatern: [352, 360, 368].map(f64_at),
            qoffset: [376, 384, 392].map(f64_at),
            srow: [400, 432, 464].map(|row| std::array::from_fn(|column| f64_at(row + 8 * column))),
            xyzt_units: i32_at(500),
        })
    }
}

/// The byte order of a NIfTI-2 header, by its first number, which is its length; `None` of another.
pub(super) fn byte_order_of_nifti_2(start: &[u8]) -> Option<bool> {
    let length = start.first_chunk::<4>()?;
    match (i32::from_le_bytes(*length), i32::from_be_bytes(*length)) {
        (540, _) => Some(false),
        (_, 540) => Some(true),
        _ => None,
    }
}

fn pair(path: &Path) -> Error {
    let problem = "is the header of a .hdr/.img pair; convert it to a single .nii file first";
    Error::unsupported(path, problem)
}
