//! Nested, repeated cross-validation, grouped by patient and stratified by outcome.

use rayon::prelude::*;

use super::dataset::Dataset;
use super::procedure::{Procedure, purpose};
use super::split::patient_folds;
use crate::error::Result;
use crate::stats::bootstrap;

/// Predictions for rows by fits that have not seen their patients.
#[derive(Clone, Debug, PartialEq)]
pub struct OutOfFold {
    /// Linear predictors, one line per repeat, one per row.
    pub linear_predictor: Vec<Vec<f64>>,
    /// The same without the intercept. Where several folds are pooled, these rank: the intercept
    /// follows the mean outcome of the training part, which is high where the held-out part's is low.
    pub score: Vec<Vec<f64>>,
    /// Whether the score is above its fold's cut-off.
    pub high: Vec<Vec<bool>>,
    /// Number of selected columns, one per fit.
    pub n_selected: Vec<usize>,
}

impl Procedure<'_> {
    /// Runs the procedure on each training part of each repeat. Results do not depend on threads.
    ///
    /// # Errors
    /// Those of [`Procedure::fit`].
    pub fn nested(&self, data: &Dataset, repeats: usize) -> Result<OutOfFold> {
        let k = self.config.validation.outer_folds;
        let rows: Vec<usize> = (0..data.len()).collect();
        let folds: Vec<Vec<Option<usize>>> = (0..repeats)
            .map(|repeat| {
                let seed = self.config.validation.seed;
                let mut rng = bootstrap::generator(seed, purpose::OUTER, repeat as u64);
                patient_folds(data, &rows, k, &mut rng)
            })
            .collect();
        let parts = (0..repeats * k)
            .into_par_iter()
            .map(|part| {
                let (repeat, f) = (part / k, part % k);
                let (test, train): (Vec<usize>, Vec<usize>) =
                    rows.iter().partition(|r| folds[repeat][data.patient[**r]] == Some(f));
                let fitted = self.fit(data, &train, 1 + part as u64)?;
                let eta = fitted.linear_predictor(data, &test)?;
                Ok((repeat, test, eta, fitted))
            })
            .collect::<Result<Vec<_>>>()?;
        let mut out = OutOfFold {
            linear_predictor: vec![vec![0.0; data.len()]; repeats],
            score: vec![vec![0.0; data.len()]; repeats],
            high: vec![vec![false; data.len()]; repeats],
            n_selected: Vec::new(),
        };
        for (repeat, test, eta, fitted) in parts {
            for (row, eta) in test.into_iter().zip(eta) {
                out.linear_predictor[repeat][row] = eta;
                out.score[repeat][row] = eta - fitted.solution.intercept;
                out.high[repeat][row] = eta > fitted.cutoff;
            }
            out.n_selected.push(fitted.solution.n_selected());
        }
        Ok(out)
    }
}
