//! The lesions of a structure set or segmentation.

use super::select::DelineationChoice;
use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::mask::Mask;

/// What was read of a structure set or segmentation.
#[derive(Debug)]
pub struct Delineated {
    /// Number, name and voxels of those that were wanted.
    pub regions: Vec<(i64, String, Mask)>,
    /// Number and name of all.
    pub there: Vec<(i64, String)>,
    /// What was noticed.
    pub warnings: Vec<String>,
}

/// Reads the wanted ones: contours on the image's grid, segments on their own.
///
/// # Errors
/// The file cannot be read, or is of another kind.
pub fn read(
    choice: &DelineationChoice,
    _grid: &Geometry,
    _threshold: f64,
    _wanted: &dyn Fn(i64, &str) -> bool,
) -> Result<Delineated> {
    Err(Error::unsupported(choice.source.display(), format!("{} is not read yet", choice.modality)))
}
