//! abscope: IBSI radiomics of lesions on CT, linear signatures, and how a patient's lesions differ.

pub mod batch;
pub mod error;
pub mod export;
pub mod extract;
pub mod features;
pub mod filters;
pub mod geometry;
pub mod ingest;
pub mod mask;
pub mod patient;
pub mod plan;
pub mod preprocess;
pub mod row;
pub mod selftest;
pub mod settings;
pub mod signature;
pub mod stats;
pub mod train;
pub mod volume;

pub use error::{Error, Result};
