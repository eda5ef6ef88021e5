//! What the procedure fits: pipeline, coefficients and cut-off.

use super::dataset::Dataset;
use super::elastic_net::ElasticNet;
use super::pipeline::Pipeline;
use crate::error::Result;

/// A pipeline with the coefficients on its design columns, as the procedure fitted them.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// The fitted pipeline.
    pub pipeline: Pipeline,
    /// The solution on the pipeline's design columns.
    pub solution: ElasticNet,
    /// The chosen L1 ratio.
    pub l1_ratio: f64,
    /// The path at the chosen L1 ratio.
    pub path: Vec<ElasticNet>,
    /// Cross-validated loss along that path.
    pub curve: Curve,
    /// Cut-off on the linear predictor, out of fold.
    pub cutoff: f64,
    /// Number of rows that the cut-off was chosen on.
    pub cutoff_n: usize,
}

/// Cross-validated loss along a path.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Penalties, descending.
    pub lambda: Vec<f64>,
    /// Mean loss over folds.
    pub loss: Vec<f64>,
    /// Standard error of the mean.
    pub standard_error: Vec<f64>,
    /// Index of the least loss.
    pub min: usize,
    /// Index of the chosen penalty.
    pub chosen: usize,
}

impl Fitted {
    /// Linear predictor of `rows`.
    ///
    /// # Errors
    /// A batch that was not there when it was fitted.
    pub fn linear_predictor(&self, data: &Dataset, rows: &[usize]) -> Result<Vec<f64>> {
        Ok(self.solution.linear_predictor(self.pipeline.apply(data, rows)?.view()).to_vec())
    }

    /// Columns of the data set that were selected.
    pub fn selected(&self) -> Vec<usize> {
        let features = self.pipeline.features.iter().zip(&self.solution.coefficients);
        features.filter(|(_, b)| **b != 0.0).map(|(f, _)| f.column).collect()
    }

    /// Design columns with a coefficient.
    pub fn active(&self) -> Vec<usize> {
        let coefficients = self.solution.coefficients.iter().enumerate();
        coefficients.filter(|(_, b)| **b != 0.0).map(|(j, _)| j).collect()
    }
}
