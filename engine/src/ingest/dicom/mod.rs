//! DICOM as hospitals export it: CT series, structure sets and segmentations.

mod agree;
mod archive;
pub mod catalogue;
mod characters;
mod complete;
mod dates;
mod deflated;
mod header;
pub mod lesions;
pub mod object;
mod parts;
pub mod patient;
mod phase;
mod pixel;
mod preference;
mod purpose;
mod references;
pub mod rtstruct;
mod scan;
pub mod seg;
pub mod select;
pub mod series;
pub mod source;
mod stack;
mod stray;
mod tree;
mod unknown;
mod walk;

pub use header::Acquisition;
