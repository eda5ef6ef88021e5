//! One patient: how sure each lesion's score is, which lesion is lowest, how different they are.

pub mod assess;
pub mod heterogeneity;
pub mod perturbations;
pub mod ranking;
pub mod scores;
pub mod uncertainty;
pub mod words;

pub use assess::{AssessOptions, AssessedLesion, Assessment, assess, assess_case, assess_rows};
pub use heterogeneity::Heterogeneity;
pub use ranking::Ranking;
pub use uncertainty::{MeasurementError, ScoreDraws};
