//! Whether the performance could be chance: outcomes permuted between patients, everything rerun.

use rand::seq::SliceRandom;
use rayon::prelude::*;

use super::dataset::Dataset;
use super::metric::Metric;
use super::procedure::{Procedure, purpose};
use crate::error::Result;
use crate::stats::bootstrap;

/// Result of the test.
#[derive(Clone, Debug, PartialEq)]
pub struct Permutation {
    /// Performance with the true outcomes, one repeat of the nested cross-validation.
    pub observed: f64,
    /// Performances with permuted outcomes.
    pub permuted: Vec<f64>,
    /// `(1 + number at least as good) / (1 + number of permutations)`.
    pub p: f64,
}

impl Procedure<'_> {
    /// Runs the test; `None` without permutations.
    ///
    /// # Errors
    /// Those of the nested cross-validation with the true outcomes. Permutations that cannot be
    /// fitted count as good as the observed, which errs on the safe side.
    pub fn permutation(&self, data: &Dataset) -> Result<Option<Permutation>> {
        let validation = &self.config.validation;
        if validation.permutations == 0 {
            return Ok(None);
        }
        let metric = Metric::of(self.config.outcome.kind())[0];
        let performance = |data: &Dataset| -> Result<Option<f64>> {
            let out = self.nested(data, 1)?;
            Ok(metric.value(&data.response, &out.linear_predictor[0], &out.score[0]))
        };
        let Some(observed) = performance(data)? else { return Ok(None) };
        let permuted: Vec<f64> = (0..validation.permutations)
            .into_par_iter()
            .map(|index| {
                let permuted = permute(data, validation.seed, index as u64);
                performance(&permuted).ok().flatten().unwrap_or(f64::INFINITY)
            })
            .collect();
        let at_least = permuted.iter().filter(|v| **v >= observed).count();
        let p = (1 + at_least) as f64 / (1 + permuted.len()) as f64;
        Ok(Some(Permutation { observed, permuted, p }))
    }
}

/// The data with outcomes moved between patients. A patient's outcomes stay together: they are laid
/// end to end in one random order of patients and dealt out in another.
fn permute(data: &Dataset, seed: u64, index: u64) -> Dataset {
    let mut rng = bootstrap::generator(seed, purpose::PERMUTE, index);
    let rows = data.rows_of_patients();
    let mut givers: Vec<usize> = (0..rows.len()).collect();
    let mut takers = givers.clone();
    givers.shuffle(&mut rng);
    takers.shuffle(&mut rng);
    let mut source = vec![0; data.len()];
    if data.by_patient {
        for (giver, taker) in givers.iter().zip(&takers) {
            for row in &rows[*taker] {
                source[*row] = rows[*giver][0];
            }
        }
    } else {
        let from = givers.iter().flat_map(|p| &rows[*p]);
        let to = takers.iter().flat_map(|p| &rows[*p]);
        for (from, to) in from.zip(to) {
            source[*to] = *from;
        }
    }
    let mut permuted = data.clone();
    permuted.set_response(data.response.select(&source));
    permuted
}
