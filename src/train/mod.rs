//! Training of linear signatures.
//!
//! [`Prepared::read`] brings feature table and outcomes together, [`Procedure::fit`] is the whole
//! procedure on some rows, and everything that judges it reruns it: [`cross_validation`],
//! [`stability`], [`permutation`].

pub mod assemble;
pub mod config;
pub mod cross_validation;
pub mod dataset;
mod design;
pub mod elastic_net;
pub mod evaluate;
pub mod fitted;
mod held_out;
pub mod metric;
pub mod permutation;
pub mod pipeline;
pub mod procedure;
pub mod report;
pub mod response;
mod split;
pub mod stability;

pub use config::Config;
pub use dataset::{Dataset, Prepared};
pub use elastic_net::{ElasticNet, ElasticNetError, ElasticNetParams, ElasticNetValidParams};
pub use fitted::Fitted;
pub use procedure::Procedure;
pub use response::Response;

use crate::error::Result;
use crate::signature::Model;

/// Everything that training found.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The model file.
    pub model: Model,
    /// The fit behind it, with its path and cross-validation curve.
    pub fitted: Fitted,
    /// Performance on patients that were held out.
    pub performance: evaluate::Performance,
    /// Patient resamples.
    pub stability: stability::Stability,
    /// Permutation test, where asked for.
    pub permutation: Option<permutation::Permutation>,
}

/// Trains on all rows and measures the same procedure by nested cross-validation, patient resamples
/// and permutations.
///
/// # Errors
/// Whatever the procedure cannot do with these data, in words that name the way out; among them that
/// no feature was selected.
pub fn train(prepared: &Prepared, config: &Config) -> Result<Trained> {
    let procedure = Procedure { config };
    let data = &prepared.data;
    let rows: Vec<usize> = (0..data.len()).collect();
    let fitted = procedure.fit(data, &rows, 0)?;
    let performance = procedure.evaluate(data)?;
    let stability = procedure.stability(data, &fitted)?;
    let permutation = procedure.permutation(data)?;
    let model = assemble::model(prepared, &procedure, &fitted, &stability, &performance)?;
    Ok(Trained { model, fitted, performance, stability, permutation })
}
