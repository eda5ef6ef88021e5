//! The features of the Image Biomarker Standardisation Initiative (IBSI), one module per family.
//!
//! Every family is a function from a prepared region to [`FeatureValues`]; it reads no file and
//! knows no settings but its own parameters.

pub mod column;
pub mod distribution;
pub mod documentation;
pub mod family;
pub mod intensity_histogram;
pub mod intensity_statistics;
pub mod intensity_volume_histogram;
pub mod local_intensity;
pub mod lookup;
pub mod morphology;
pub mod parameters;
pub mod table;
pub mod texture;

pub use family::{Aggregation, Family};
pub use parameters::Parameters;
pub use table::{FEATURES, Feature};

use crate::value::Value;

/// Values of one family for one region, each under its feature's id, in the table's order.
pub type FeatureValues = Vec<(&'static str, Value)>;
pub use column::{Column, ORIGINAL};
