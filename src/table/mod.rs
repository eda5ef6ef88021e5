//! Tables of features and of scores: typed columns, read and written as CSV, JSON lines and Parquet.
//!
//! ```text
//! Row ──cells──▶ Field, Cell ──▶ csv, jsonl, parquet ──▶ Cell ──builder──▶ Table { Row }
//! ```
//!
//! A row of a feature table is one lesion of one patient. The first columns identify it; `missing`
//! lists every empty value as `column=reason`; columns `{region}_fact_*` hold what is known of a region
//! besides its features. Columns of other programs are kept: numbers as values, anything else as text.

mod builder;
mod cell;
mod csv;
pub mod diagnostics;
mod field;
pub mod json;
mod jsonl;
#[cfg(feature = "parquet")]
mod parquet;
mod read;
pub mod scores;
mod write;

pub use cell::{Cell, CellKind};
pub use field::{Carried, Field, is_own_name};
pub use read::{Entry, Table};
pub use write::{FeatureWriter, Format, write_csv};

pub(crate) use csv::finish as finish_csv;
