//! NIfTI-1 and NIfTI-2 images and label maps, `.nii` or gzipped; the content decides, not the name.
//!
//! Rules, as in the NIfTI standards (nifti1.h, nifti2.h) unless said otherwise:
//!
//! - Orientation: sform where its code is above 0, else qform where its code is above 0, else the
//!   spacing alone with a warning. Where both are given and disagree, sform wins with a warning.
//! - `scl_slope` 0 or NaN means no scaling; a `scl_inter` that is not finite counts as 0.
//! - Axes must be orthogonal: a sheared sform is refused, since no voxel spacing describes it.
//! - Three dimensions; a fourth and further ones only of length 1.
//!
//! - A file ends with its last voxel, and its gzip stream there: what follows is an error.
//!
//! Voxels are read as a stream and memory grows with what has really arrived, so that a header that
//! claims a huge grid costs nothing. The usual CT, whole numbers of 16 bits, is not converted at all.

use std::collections::BTreeMap;
use std::path::Path;

use super::open_file::OpenFile;
use crate::error::Result;
use crate::geometry::Geometry;
use crate::mask::Mask;
use crate::volume::Volume;

mod gzip;
mod header;
mod image;
mod labels;
mod layout;
mod orientation;
mod stream;
mod survey;
#[cfg(test)]
mod tests;

pub(super) use image::{read as image_of, reorder};
pub(super) use labels::read as labels_of;
pub(super) use stream::looks_like_nifti;
pub use survey::NiftiSurvey;

/// Voxels of the largest grid that is read (2³¹): 16 times a 512 x 512 x 512 CT.
const MAX_VOXELS: u64 = 1 << 31;

/// An image with what its reader noticed.
#[derive(Debug)]
pub struct NiftiImage {
    /// The image in canonical axis order.
    pub volume: Volume,
    /// Oddities of the file that do not stop the reading.
    pub warnings: Vec<String>,
    /// SHA-256 of the file's bytes, those that were decoded, in hexadecimal.
    pub sha256: String,
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
    /// SHA-256 of the file's bytes, those that were decoded, in hexadecimal.
    pub sha256: String,
}

/// Whether a file's first bytes look like NIfTI, plain or inside gzip.
pub fn is_nifti(path: &Path) -> bool {
    OpenFile::open(path).is_ok_and(|file| looks_like_nifti(&file))
}

/// Reads an image.
///
/// # Errors
/// [`Io`](crate::Error::Io) if the file cannot be read, [`BadData`](crate::Error::BadData) if it is no
/// file, is truncated, contradictory, goes on after its voxels, or changes while it is read,
/// [`Unsupported`](crate::Error::Unsupported) for other dimensions or voxel types,
/// [`TooBig`](crate::Error::TooBig) beyond 2³¹ voxels.
pub fn read_image(path: &Path) -> Result<NiftiImage> {
    image_of(OpenFile::open(path)?)
}

/// Reads what a file says of itself: the header, and of a label map the number of its voxels.
///
/// Of an image no more is read than shows that it is none: a value that is no label. Memory is bounded,
/// whatever the size of the file.
///
/// # Errors
/// As [`read_image`], as far as was read.
pub fn survey(path: &Path) -> Result<NiftiSurvey> {
    survey::read(OpenFile::open(path)?)
}

/// Reads a label map: every label above 0 is a lesion.
///
/// # Errors
/// As [`read_image`]; also [`BadData`](crate::Error::BadData) for values that are not whole numbers
/// from 0, and for more than 4,096 distinct labels.
pub fn read_labels(path: &Path) -> Result<NiftiLabels> {
    labels_of(OpenFile::open(path)?)
}
