//! DICOM as hospitals export it: CT series, structure sets and segmentations.

pub mod object;
mod walk;
