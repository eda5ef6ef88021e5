//! The measurement error of a patient's scores, from perturbed copies of each lesion.

use std::sync::Arc;

use rayon::prelude::*;

use super::uncertainty::MeasurementError;
use crate::error::Result;
use crate::extract::describe_all;
use crate::ingest::Case;
use crate::plan::Plan;
use crate::preprocess::perturb::{Perturber, Ranges, Subject};
use crate::row::Row;
use crate::signature::score::Scorer;

/// Standardised terms of `count` perturbed copies of every lesion of a case, in its order. Copies
/// without a value for a term are left out. Lesions whose own row cannot be scored get none.
///
/// `rows` are the lesions' own rows, `plan` what [`crate::signature::Model::plan`] gives: only what
/// the model needs is computed. Runs on all threads; the result depends on the seed only.
///
/// # Errors
/// The plan has a filter that sees the whole image.
pub fn measurement_errors(
    case: &Case,
    rows: &[Row],
    scorer: &Scorer<'_>,
    plan: &Plan,
    count: usize,
    seed: u64,
) -> Result<Vec<MeasurementError>> {
    let perturbers: Vec<Option<Perturber<'_>>> = case
        .lesions
        .par_iter()
        .zip(rows)
        .map(|(lesion, row)| {
            if scorer.standardised_terms(row).is_err() {
                return Ok(None);
            }
            let subject = Subject {
                id: &lesion.id,
                volume: &case.volume,
                lesion: &lesion.mask,
                others: &case.others(lesion),
            };
            Perturber::new(&subject, plan.preparation(), Ranges::default(), seed).map(Some)
        })
        .collect::<Result<_>>()?;
    let work: Vec<(usize, u64)> = (0..perturbers.len())
        .flat_map(|lesion| (0..count as u64).map(move |index| (lesion, index)))
        .collect();
    let done: Vec<Option<Vec<f64>>> = work
        .into_par_iter()
        .map(|(lesion, index)| {
            let copy = perturbers[lesion].as_ref()?.copy(index)?;
            let (_, values) = describe_all(&copy, plan);
            let own = &rows[lesion];
            let mut row = Row::new(&own.patient, &own.lesion, Arc::clone(plan.columns()), values);
            row.batch.clone_from(&own.batch);
            scorer.standardised_terms(&row).ok()
        })
        .collect();
    Ok(done
        .chunks(count.max(1))
        .map(|copies| MeasurementError::Perturbations(copies.iter().flatten().cloned().collect()))
        .collect())
}
