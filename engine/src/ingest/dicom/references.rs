//! What structure sets and segmentations refer to.

use std::collections::{BTreeMap, BTreeSet};

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::object::Fields;
use super::preference::About;
use crate::error::Result;

/// What a structure set or segmentation refers to, and what it delineates.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct References {
    /// SeriesInstanceUIDs.
    pub series: BTreeSet<String>,
    /// SOPInstanceUIDs of images, by SeriesInstanceUID; under an empty one where none is named.
    pub images: BTreeMap<String, BTreeSet<String>>,
    /// SOPInstanceUIDs of images that single contours or frames name, where no series has a list.
    pub drawn_on: BTreeSet<String>,
    /// FrameOfReferenceUIDs.
    pub frames: BTreeSet<String>,
    /// Its regions.
    pub regions: Vec<Region>,
    /// What it says of itself.
    pub about: About,
}

/// A region as a structure set or segmentation calls it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Region {
    /// ROI or segment number.
    pub number: i64,
    /// ROI name or segment label; empty where there is none.
    pub name: String,
    /// RTROIInterpretedType; empty where there is none.
    pub kind: String,
}

impl References {
    /// Those of a structure set (PS3.3, C.8.8.5).
    pub(super) fn of_structure_set(fields: &Fields<'_>) -> Result<Self> {
        let mut references = Self { about: About::structure_set(fields), ..Self::default() };
        let mut kinds: BTreeMap<i64, String> = BTreeMap::new();
        for observed in fields.items(tags::RTROI_OBSERVATIONS_SEQUENCE) {
            let number = observed.integer(tags::REFERENCED_ROI_NUMBER).ok().flatten();
            kinds.extend(number.zip(observed.text(tags::RTROI_INTERPRETED_TYPE)));
        }
        for frame in fields.items(tags::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE) {
            references.frames.extend(frame.text(tags::FRAME_OF_REFERENCE_UID));
            for study in frame.items(tags::RT_REFERENCED_STUDY_SEQUENCE) {
                for series in study.items(tags::RT_REFERENCED_SERIES_SEQUENCE) {
                    references.list(&series, tags::CONTOUR_IMAGE_SEQUENCE);
                }
            }
        }
        for roi in fields.items(tags::STRUCTURE_SET_ROI_SEQUENCE) {
            references.frames.extend(roi.text(tags::REFERENCED_FRAME_OF_REFERENCE_UID));
            let number =
                roi.integer(tags::ROI_NUMBER)?.ok_or_else(|| roi.missing(tags::ROI_NUMBER))?;
            let name = roi.text(tags::ROI_NAME).unwrap_or_default();
            let kind = kinds.get(&number).cloned().unwrap_or_default();
            references.regions.push(Region { number, name, kind });
        }
        if references.images.is_empty() {
            let rois = fields.items(tags::ROI_CONTOUR_SEQUENCE);
            let contours = rois.flat_map(|roi| roi.items(tags::CONTOUR_SEQUENCE));
            let images = contours.flat_map(|c| c.items(tags::CONTOUR_IMAGE_SEQUENCE));
            references.drawn_on = sop_instances(images).collect();
        }
        Ok(references)
    }

    /// Those of a segmentation (PS3.3, C.8.20.2).
    pub(super) fn of_segmentation(fields: &Fields<'_>) -> Result<Self> {
        let mut references = Self { about: About::segmentation(fields), ..Self::default() };
        for series in fields.items(tags::REFERENCED_SERIES_SEQUENCE) {
            references.list(&series, tags::REFERENCED_INSTANCE_SEQUENCE);
        }
        references.frames.extend(fields.text(tags::FRAME_OF_REFERENCE_UID));
        for segment in fields.items(tags::SEGMENT_SEQUENCE) {
            let number = segment
                .integer(tags::SEGMENT_NUMBER)?
                .ok_or_else(|| segment.missing(tags::SEGMENT_NUMBER))?;
            let name = segment.text(tags::SEGMENT_LABEL).unwrap_or_default();
            references.regions.push(Region { number, name, kind: String::new() });
        }
        if references.images.is_empty() {
            let frames = fields.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
            let derived = frames.flat_map(|f| f.items(tags::DERIVATION_IMAGE_SEQUENCE));
            let images = derived.flat_map(|d| d.items(tags::SOURCE_IMAGE_SEQUENCE));
            references.drawn_on = sop_instances(images).collect();
        }
        Ok(references)
    }

    /// Adds a referenced series with the images that it lists in `sequence`.
    fn list(&mut self, series: &Fields<'_>, sequence: Tag) {
        let uid = series.text(tags::SERIES_INSTANCE_UID);
        self.series.extend(uid.clone());
        let images: BTreeSet<String> = sop_instances(series.items(sequence)).collect();
        if !images.is_empty() {
            self.images.entry(uid.unwrap_or_default()).or_default().extend(images);
        }
    }
}

fn sop_instances<'a>(images: impl Iterator<Item = Fields<'a>>) -> impl Iterator<Item = String> {
    images.filter_map(|image| image.text(tags::REFERENCED_SOP_INSTANCE_UID))
}
