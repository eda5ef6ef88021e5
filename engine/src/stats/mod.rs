//! Numbers in, numbers out: statistics that know nothing of lesions, features or files, each checked
//! against a named outside oracle.

pub mod auc;
pub mod bootstrap;
pub mod calibration;
pub mod cochran;
pub mod combat;
pub mod concordance;
pub mod covariance;
pub mod decision_curve;
pub mod icc;
pub mod link;
pub mod mahalanobis;
pub mod moments;
pub mod normal;
pub mod quantile;
pub mod quantile_table;
pub mod ranks;
pub mod transform;
pub mod variance_components;
pub mod yeo_johnson;

pub use combat::CombatBatch;
pub use link::Link;
pub use mahalanobis::Mahalanobis;
pub use quantile_table::QuantileTable;
pub use transform::Transform;
