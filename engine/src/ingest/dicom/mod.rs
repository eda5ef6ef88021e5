//! DICOM as hospitals export it: CT series, structure sets and segmentations.

pub mod catalogue;
mod header;
pub mod identity;
pub mod lesions;
pub mod object;
mod pixel;
mod purpose;
pub mod rtstruct;
pub mod seg;
pub mod select;
pub mod series;
pub mod source;
mod stack;
mod walk;

pub use header::Acquisition;
