//! Tables as Apache Parquet: typed columns that say what they are.
//!
//! The metadata of the file holds what the table was made with (`abscope.plan`, `abscope.plan_hash`,
//! `abscope.version`) and what its columns are (`abscope.columns`, JSON): unit (UCUM), the feature's
//! name and IBSI code and the aggregation's IBSI code. Readers built on Arrow find the same in the
//! metadata of each column, under `abscope`. Pages have a CRC-32, and the metadata the digest of the
//! whole file (`abscope.sha256`).
//!
//! Columns are read and written as Parquet has them: Arrow's arrays in between would double what
//! abscope costs to build.

mod arrow_schema;
mod digest;
mod page;
mod read;
mod write;

pub(super) use read::read;
pub(super) use write::Writer;

/// Rows held at once: with 500 columns, about a megabyte.
const ROWS_PER_GROUP: usize = 256;
