//! abscope: IBSI radiomics of lesions on CT, linear signatures, and how a patient's lesions differ.
//!
//! # From a scan to a patient's report
//!
//! ```
//! use std::path::Path;
//!
//! use abscope::{AssessOptions, LoadOptions, Model, load, write_report};
//!
//! # fn main() -> abscope::Result<()> {
//! # let folder = tempfile::tempdir().expect("a temporary folder");
//! # let folder = folder.path().join("report");
//! let image = Path::new("fixtures/ibsi/ct_radiomics_phantom/image.nii.gz");
//! let mask = Path::new("fixtures/ct_phantom_parts.nii.gz");
//! let case = load(image, mask, &LoadOptions::default().kvp(120.0))?;
//! let model = Model::read(Path::new("models/demo-simulated-infiltration.toml"))?;
//! let found = write_report(&case, &model, AssessOptions::default().perturbations(10), &folder)?;
//! for lesion in &found.lesions {
//!     println!("{} {:.2}", lesion.score.lesion, lesion.score.linear_predictor);
//! }
//! assert!(folder.join("report.html").exists());
//! # Ok(())
//! # }
//! ```
//!
//! [`load`] reads an image and its lesions into a [`Case`]; [`extract()`] computes a [`Row`] of values
//! per lesion as a [`Plan`] says; [`Model`] scores rows; [`write_report`] does all of it and leaves a
//! page to open. [`Table`] reads rows back from CSV, JSON lines and Parquet.
//!
//! World coordinates are DICOM patient coordinates (LPS) in mm, intensities of CT are in HU, arrays
//! have the shape (z, y, x).
//!
//! # How it is built
//!
//! ```text
//! image, mask ──ingest──▶ Case ──preprocess──▶ regions ──features──▶ Row (in Plan::columns() order)
//!                                 Settings ──▶ Plan ──────┘            │
//!                            SignatureFile ──▶ Model ──signature──▶ LesionScore
//!                                                                      │
//!                                               Report ◀──report── Assessment ◀── patient
//!
//! training:  rows and outcomes ──train──▶ SignatureFile
//! ```
//!
//! Each arrow is one public type. Layers point one way: each module knows only those on its left
//! (`tests/layers.rs` sees to it).
//!
//! ```text
//! Layers: paths < error < input < value, digest, memory, contained, csv_file < stats < geometry < rows
//!     < volume < mask < region < fft < output < ingest, filters < preprocess < features < row < settings < plan
//!     < extract < table < signature < patient < report < train < selftest < batch < cli
//! ```
//!
//! What comes before `row` is the package `abscope-engine`, compiled for speed. Features never read files, readers never compute a feature, and the library neither prints nor
//! exits. What is not named on this page serves the command line and may change without notice.

#[doc(hidden)]
pub mod batch;
#[doc(hidden)]
pub mod extract;
#[doc(hidden)]
pub mod patient;
#[doc(hidden)]
pub mod plan;
#[doc(hidden)]
pub mod report;
#[doc(hidden)]
pub mod row;
#[doc(hidden)]
pub mod selftest;
#[doc(hidden)]
pub mod settings;
#[doc(hidden)]
pub mod signature;
#[doc(hidden)]
pub mod table;
#[doc(hidden)]
pub mod train;

#[doc(hidden)]
pub use abscope_engine::{
    contained, csv_file, digest, filters, geometry, ingest, input, mask, memory, output, paths,
    preprocess, region, stats, value, volume,
};
#[doc(inline)]
pub use abscope_engine::{error, features};

#[doc(inline)]
pub use error::{Error, Result};
#[doc(inline)]
pub use extract::extract;
#[doc(inline)]
pub use geometry::Geometry;
#[doc(inline)]
pub use ingest::{Case, Lesion, LoadOptions, load};
#[doc(inline)]
pub use mask::Mask;
#[doc(inline)]
pub use patient::{AssessOptions, Assessment, assess_case, assess_rows};
#[doc(inline)]
pub use plan::Plan;
#[doc(inline)]
pub use report::{Report, examine, write as write_report};
#[doc(inline)]
pub use row::Row;
#[doc(inline)]
pub use settings::Settings;
#[doc(inline)]
pub use signature::{LesionScore, Model};
#[doc(inline)]
pub use table::Table;
#[doc(inline)]
pub use value::{Missing, Value};
#[doc(inline)]
pub use volume::Volume;
