//! Results as files, one module per format.

pub mod csv;
pub mod diagnostics;
pub mod json;
pub mod jsonl;
pub mod nifti;
pub mod output;
#[cfg(feature = "parquet")]
pub mod parquet;
mod replacement;
pub mod scores;
pub mod table;
pub mod unit;
