//! The lesions of a structure set or segmentation.

use super::catalogue::Delineation;
use super::rtstruct::StructureSet;
use super::seg::Segmentation;
use super::select::DelineationChoice;
use super::source::{self, Source};
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
    /// SHA-256 of the file's bytes, those that were decoded, in hexadecimal.
    pub sha256: String,
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
    read_from(&choice.source, &choice.modality, Some(grid), threshold, wanted)
}

/// Reads all of a catalogue's structure set or segmentation; contours need the image's grid to
/// become voxels, and are left out without it.
///
/// # Errors
/// As [`read`].
pub fn measure(found: &Delineation<'_>, grid: Option<&Geometry>) -> Result<Delineated> {
    read_from(&found.instance.source, &found.series.modality, grid, 0.5, &|_, _| true)
}

fn read_from(
    source: &Source,
    modality: &str,
    grid: Option<&Geometry>,
    threshold: f64,
    wanted: &dyn Fn(i64, &str) -> bool,
) -> Result<Delineated> {
    if modality == "SEG" {
        let opened = source.open_header()?;
        let opened =
            opened.ok_or_else(|| Error::bad_data(source.display(), "is not a DICOM file"))?;
        let segmentation = Segmentation::read(&opened)?;
        let masks = segmentation.masks(grid, threshold, wanted)?;
        let there = segmentation.segments.into_iter().map(|s| (s.number, s.label));
        return Ok(Delineated {
            regions: masks.regions,
            there: there.collect(),
            sha256: source::digest(std::slice::from_ref(&opened.file)),
            warnings: masks.warnings,
        });
    }
    let opened = source.open()?;
    let set = StructureSet::read(&opened.object, &opened.path)?;
    let (regions, warnings) = match grid {
        Some(grid) => {
            let masks = set.masks(grid, wanted)?;
            (masks.regions, masks.warnings)
        }
        None => (Vec::new(), Vec::new()),
    };
    let there = set.rois.into_iter().map(|r| (r.number, r.name)).collect();
    let sha256 = source::digest(std::slice::from_ref(&opened.file));
    Ok(Delineated { regions, there, sha256, warnings })
}
