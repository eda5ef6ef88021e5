//! Training of linear signatures.
//!
//! [`Prepared::read`] brings feature table and outcomes together, [`Procedure::fit`] is the whole
//! procedure on some rows, and everything that judges it reruns it: [`cross_validation`],
//! [`stability`], [`permutation`].

pub mod config;
mod cox;
pub mod cross_validation;
pub mod dataset;
mod design;
pub mod elastic_net;
pub mod pipeline;
pub mod procedure;
mod quadratic;
mod split;

pub use config::Config;
pub use dataset::{Dataset, Prepared};
pub use elastic_net::{ElasticNet, ElasticNetError, ElasticNetParams, ElasticNetValidParams};
pub use procedure::{Procedure, Signature};
