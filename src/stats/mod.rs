//! Statistics that training and evaluation share, each checked against a named outside oracle.

pub mod auc;
pub mod bootstrap;
pub mod calibration;
pub mod combat;
pub mod concordance;
pub mod decision_curve;
pub mod icc;
pub mod quantile;
pub mod yeo_johnson;
