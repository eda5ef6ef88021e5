//! Results as files, one module per format.

pub mod csv;
pub mod json;
pub mod output;
