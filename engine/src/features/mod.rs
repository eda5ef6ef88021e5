//! The features of the Image Biomarker Standardisation Initiative (IBSI), one module per family.
//!
//! [`FEATURES`] is the table: a row says what a feature is and how it is computed from what its family
//! prepares of a region. [`describe()`] computes the selected rows of an image. Nothing here reads a
//! file or knows any settings but the families' own parameters.

pub mod column;
mod compute;
mod describe;
mod distribution;
pub mod documentation;
pub mod family;
mod intensity_histogram;
mod intensity_statistics;
mod intensity_volume_histogram;
mod local_intensity;
pub mod lookup;
mod morphology;
pub mod parameters;
mod selection;
pub mod table;
pub mod texture;

pub use column::{Column, ColumnKey, Columns, ORIGINAL};
pub use describe::{Image, describe, missing};
pub use family::{Aggregation, Family};
pub use local_intensity::RADIUS_MM;
pub use selection::Selected;
pub use table::{FEATURES, Feature, Oracle};
