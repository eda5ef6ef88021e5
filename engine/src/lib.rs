//! The engine of abscope: from image files to the features of regions.
//!
//! A package of its own for one reason: its loops are compiled as one unit at the highest level, which
//! pays, and everything that calls it is not, which would cost most of a build. Its layers are those of
//! the crate `abscope`, whose documentation shows them; it knows nothing of plans, tables, signatures
//! and reports. Use `abscope`: what is public here serves that crate and may change without notice.

pub mod contained;
pub mod csv_file;
pub mod digest;
pub mod error;
pub mod features;
mod fft;
pub mod filters;
pub mod geometry;
pub mod ingest;
pub mod input;
pub mod mask;
pub mod memory;
pub mod output;
pub mod paths;
pub mod preprocess;
pub mod region;
mod rows;
pub mod stats;
pub mod value;
pub mod volume;

pub use error::{Error, Result};
pub use geometry::Geometry;
pub use ingest::{Case, Lesion, LoadOptions, load};
pub use mask::Mask;
pub use value::{Missing, Value};
pub use volume::Volume;
