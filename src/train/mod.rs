//! Training of linear signatures.

mod cox;
mod design;
pub mod elastic_net;
mod quadratic;

pub use elastic_net::{ElasticNet, ElasticNetError, ElasticNetParams, ElasticNetValidParams};
