//! Which patients are alike in outcome, and whether there are enough of each kind to validate on.

use std::collections::BTreeSet;

use super::Dataset;
use crate::stats::ranks;
use crate::train::config::Config;
use crate::train::response::Response;

impl Dataset {
    /// One stratum per patient: any positive lesion; a quarter of the mean; event and third of the
    /// time; and the batch where there are several.
    pub(super) fn strata(&self) -> Vec<usize> {
        let rows = self.rows_of_patients();
        let by_quantile = |values: &[f64], parts: usize| -> Vec<usize> {
            let ranks = ranks::midranks(values);
            let n = values.len() as f64;
            ranks.iter().map(|r| (((r - 0.5) / n * parts as f64) as usize).min(parts - 1)).collect()
        };
        let outcome: Vec<usize> = match &self.response {
            Response::Continuous(y) => {
                let means: Vec<f64> = rows
                    .iter()
                    .map(|rows| rows.iter().map(|r| y[*r]).sum::<f64>() / rows.len().max(1) as f64)
                    .collect();
                by_quantile(&means, 4)
            }
            Response::Binary(y) => {
                rows.iter().map(|rows| usize::from(rows.iter().any(|r| y[*r]))).collect()
            }
            Response::Survival { time, event } => {
                let first: Vec<f64> = rows
                    .iter()
                    .map(|rows| rows.iter().map(|r| time[*r]).fold(f64::INFINITY, f64::min))
                    .collect();
                let third = by_quantile(&first, 3);
                rows.iter()
                    .zip(third)
                    .map(|(rows, third)| third + 3 * usize::from(rows.iter().any(|r| event[*r])))
                    .collect()
            }
        };
        let batches: Vec<&String> =
            self.batch.iter().collect::<BTreeSet<_>>().into_iter().collect();
        let classes = outcome.iter().max().map_or(1, |s| s + 1);
        rows.iter()
            .zip(outcome)
            .map(|(rows, outcome)| {
                let batch = rows.first().and_then(|r| batches.binary_search(&&self.batch[*r]).ok());
                outcome + classes * batch.unwrap_or(0)
            })
            .collect()
    }

    /// Refuses what nested cross-validation cannot be run on.
    ///
    /// # Errors
    /// One patient, an outcome that does not vary, or fewer patients with an event (or of a class)
    /// than folds need.
    pub fn check(&self, config: &Config) -> Result<(), String> {
        let patients = self.patients.len();
        if patients < 2 {
            return Err(format!(
                "leaves one patient ({} lesions); a model is validated on other patients than it was \
                 trained on",
                self.len()
            ));
        }
        // Each inner fold of each outer training part needs one patient of every kind.
        let (outer, inner) = (config.validation.outer_folds, config.validation.inner_folds);
        let needed = outer.max((inner * outer).div_ceil(outer - 1));
        let rows = self.rows_of_patients();
        let enough = |what: &str, have: usize| {
            if have >= needed {
                return Ok(());
            }
            Err(format!(
                "has {have} {what}; {outer} outer and {inner} inner folds need {needed} or more; use \
                 fewer folds (validation.outer_folds, validation.inner_folds) or more patients"
            ))
        };
        let name = config.outcome.name();
        match &self.response {
            Response::Continuous(y) => {
                if y.iter().all(|v| *v == y[0]) {
                    return Err(format!("column {name} does not vary: every value is {}", y[0]));
                }
                enough("patients", patients)
            }
            Response::Binary(y) => {
                let positive = y.iter().filter(|v| **v).count();
                if positive == 0 || positive == y.len() {
                    return Err(format!(
                        "column {name} has one class among the lesions with features; a model needs \
                         two"
                    ));
                }
                let with = |class: bool| {
                    rows.iter().filter(|rows| rows.iter().any(|r| y[*r] == class)).count()
                };
                enough("patients of the positive class", with(true))?;
                enough("patients of the negative class", with(false))
            }
            Response::Survival { event, .. } => {
                let with = rows.iter().filter(|rows| rows.iter().any(|r| event[*r])).count();
                if with == 0 {
                    return Err("has no event; there is nothing to predict".into());
                }
                enough("patients with an event", with)
            }
        }
    }
}
