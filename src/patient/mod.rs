//! What the lesions of one patient say together: how sure each score is, which is lowest, and how
//! different they are.

pub mod heterogeneity;
pub mod ranking;
pub mod report;
pub mod uncertainty;

pub use heterogeneity::Heterogeneity;
pub use ranking::Ranking;
pub use report::PatientReport;
pub use uncertainty::Uncertainty;
