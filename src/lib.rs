//! abscope: IBSI radiomics of lesions on CT, linear signatures, and how a patient's lesions differ.
//!
//! ```text
//! image, mask ──ingest──▶ Case ──preprocess──▶ regions ──features──▶ FeatureRow
//!                                  Plan ──────────┘                      │
//!                                 Model ───────────signature──────▶ LesionScore
//!                                                                        │
//!                                                                    Assessment ◀── patient
//!
//! training:  feature table + outcomes ──train──▶ Model
//! ```
//!
//! Each arrow is one public type. Layers point one way: each module knows only those on its left
//! (`tests/layers.rs` sees to it).
//!
//! ```text
//! Layers: error < value < digest < stats < geometry < volume < mask < region < fft
//!     < ingest, filters < preprocess < features < settings < plan < extract < table < signature
//!     < patient < report < train < selftest < batch < cli
//! ```
//!
//! Features never read files, readers never compute a feature, and the library neither prints nor
//! exits.
//!
//! World coordinates are DICOM patient coordinates (LPS) in mm, intensities of CT are in HU, arrays
//! have the shape (z, y, x).
//!
//! # From a scan to the order of a patient's lesions
//!
//! ```
//! use std::path::Path;
//!
//! use abscope::extract::extract;
//! use abscope::ingest::{LoadOptions, load};
//! use abscope::patient::{AssessOptions, MeasurementError, assess};
//! use abscope::signature::{LesionValues, Model, score::Origin};
//!
//! # fn main() -> abscope::Result<()> {
//! let case = load(
//!     Path::new("fixtures/ibsi/ct_radiomics_phantom/image.nii.gz"),
//!     Path::new("fixtures/ct_phantom_parts.nii.gz"),
//!     &LoadOptions::default().kvp(120.0),
//! )?;
//! let model = Model::read(Path::new("models/demo-simulated-infiltration.toml"))?;
//! let plan = model.plan()?;
//!
//! let rows = extract(&case, &plan);
//! let lesions: Vec<LesionValues> = rows.iter().map(LesionValues::from).collect();
//! let errors: Vec<_> =
//!     lesions.iter().map(|l| MeasurementError::from_model(&model, l.volume_ml)).collect();
//! let scorer = model.scorer(Origin::Plan(&plan))?;
//! let assessment = assess(&scorer, &lesions, &errors, AssessOptions::default())?;
//! assert_eq!(assessment.lesions.len(), 4);
//! # Ok(())
//! # }
//! ```

pub mod batch;
pub mod csv_file;
pub mod digest;
pub mod error;
pub mod extract;
pub mod features;
mod fft;
pub mod filters;
pub mod geometry;
pub mod ingest;
pub mod mask;
pub mod memory;
pub mod output;
mod paths;
pub mod patient;
pub mod plan;
pub mod preprocess;
pub mod region;
pub mod report;
pub mod row;
pub mod selftest;
pub mod settings;
pub mod signature;
pub mod stats;
pub mod table;
pub mod train;
pub mod value;
pub mod volume;

pub use error::{Error, Result};
