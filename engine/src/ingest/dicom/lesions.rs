//! The lesions of a structure set or segmentation.

use std::collections::BTreeSet;

use super::catalogue::Delineation;
use super::purpose::is_lesion;
use super::rtstruct::StructureSet;
use super::seg::Segmentation;
use super::select::DelineationChoice;
use super::source::{self, Source};
use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::mask::Mask;

/// Which regions are to be read.
pub enum Take<'a> {
    /// Those that this takes, by number and name.
    Asked(Box<dyn Fn(i64, &str) -> bool + 'a>),
    /// Those whose name and type are a lesion's.
    Lesions,
    /// All.
    All,
}

/// What was read of a structure set or segmentation.
#[derive(Debug)]
pub struct Delineated {
    /// Number, name and voxels of those that were taken.
    pub regions: Vec<(i64, String, Mask)>,
    /// Number and name of all.
    pub there: Vec<(i64, String)>,
    /// Number, name and type of those that are no lesions by name or type; empty where some regions
    /// were asked for.
    pub others: Vec<String>,
    /// SHA-256 of the file's bytes, those that were decoded, in hexadecimal.
    pub sha256: String,
    /// What was noticed.
    pub warnings: Vec<String>,
}

/// Reads regions: contours on the image's grid, segments on their own.
///
/// # Errors
/// The file cannot be read, or is of another kind.
pub fn read(
    choice: &DelineationChoice,
    grid: &Geometry,
    threshold: f64,
    take: &Take<'_>,
) -> Result<Delineated> {
    read_from(&choice.source, &choice.modality, Some(grid), threshold, take)
}

/// Reads all of a catalogue's structure set or segmentation; contours need the image's grid to
/// become voxels, and are left out without it.
///
/// # Errors
/// As [`read`].
pub fn measure(found: &Delineation<'_>, grid: Option<&Geometry>) -> Result<Delineated> {
    read_from(&found.instance.source, &found.series.modality, grid, 0.5, &Take::All)
}

fn read_from(
    source: &Source,
    modality: &str,
    grid: Option<&Geometry>,
    threshold: f64,
    take: &Take<'_>,
) -> Result<Delineated> {
    if modality == "SEG" {
        let opened = source.open_header()?;
        let opened =
            opened.ok_or_else(|| Error::bad_data(source.display(), "is not a DICOM file"))?;
        let segmentation = Segmentation::read(&opened)?;
        let named = segmentation.segments.iter().map(|s| (s.number, s.label.as_str(), ""));
        let (taken, others) = take.of(named);
        let masks = segmentation.masks(grid, threshold, &|number, _| taken.contains(&number))?;
        let there = segmentation.segments.into_iter().map(|s| (s.number, s.label));
        return Ok(Delineated {
            regions: masks.regions,
            there: there.collect(),
            others,
            sha256: source::digest(std::slice::from_ref(&opened.file)),
            warnings: masks.warnings,
        });
    }
    let opened = source.open()?;
    let set = StructureSet::read(&opened.object, &opened.path)?;
    let named = set.rois.iter().map(|r| (r.number, r.name.as_str(), r.kind.as_str()));
    let (taken, others) = take.of(named);
    let (regions, warnings) = match grid {
        Some(grid) => {
            let masks = set.masks(grid, &|number, _| taken.contains(&number))?;
            (masks.regions, masks.warnings)
        }
        None => (Vec::new(), Vec::new()),
    };
    let there = set.rois.into_iter().map(|r| (r.number, r.name)).collect();
    let sha256 = source::digest(std::slice::from_ref(&opened.file));
    Ok(Delineated { regions, there, others, sha256, warnings })
}

impl Take<'_> {
    /// Whether a region is taken that has this number, name and type.
    pub(super) fn takes(&self, number: i64, name: &str, kind: &str) -> bool {
        match self {
            Self::Asked(wanted) => wanted(number, name),
            Self::Lesions => is_lesion(name, kind),
            Self::All => true,
        }
    }

    /// The numbers of those that are taken, and what those that are no lesions are called. Each region
    /// is given by its number, which it shares with no other, its name and its type.
    fn of<'a>(
        &self,
        regions: impl Iterator<Item = (i64, &'a str, &'a str)>,
    ) -> (BTreeSet<i64>, Vec<String>) {
        let (mut taken, mut others) = (BTreeSet::new(), Vec::new());
        for (number, name, kind) in regions {
            if self.takes(number, name, kind) {
                taken.insert(number);
            }
            if !matches!(self, Self::Asked(_)) && !is_lesion(name, kind) {
                let kind = if kind.is_empty() { String::new() } else { format!(", {kind}") };
                others.push(format!("{number} ({name}{kind})"));
            }
        }
        (taken, others)
    }
}
