//! One patient: how sure each lesion's score is, which lesion is lowest, how different they are.

pub mod heterogeneity;
pub mod ranking;
pub mod uncertainty;

pub use heterogeneity::Heterogeneity;
pub use ranking::Ranking;
pub use uncertainty::{MeasurementError, ScoreDraws};
