//! The lesions of a structure set or segmentation.

use super::rtstruct::StructureSet;
use super::seg::Segmentation;
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
    grid: &Geometry,
    threshold: f64,
    wanted: &dyn Fn(i64, &str) -> bool,
) -> Result<Delineated> {
    if choice.modality == "SEG" {
        let path = choice.source.display();
        let opened = choice.source.open_header()?;
        let opened = opened.ok_or_else(|| Error::bad_data(path, "is not a DICOM file"))?;
        let segmentation = Segmentation::read(&opened)?;
        let masks = segmentation.masks(Some(grid), threshold, wanted)?;
        let there = segmentation.segments.into_iter().map(|s| (s.number, s.label));
        return Ok(Delineated {
            regions: masks.regions,
            there: there.collect(),
            warnings: masks.warnings,
        });
    }
    let opened = choice.source.open()?;
    let set = StructureSet::read(&opened.object, &opened.path)?;
    let masks = set.masks(grid, wanted)?;
    Ok(Delineated {
        regions: masks.regions,
        there: set.rois.into_iter().map(|r| (r.number, r.name)).collect(),
        warnings: masks.warnings,
    })
}
