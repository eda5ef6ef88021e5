//! Which features say nothing, or not the same when measured again.

use std::collections::BTreeSet;

use crate::stats::{icc, quantile};
use crate::train::dataset::Dataset;

/// Share of the commonest value over the next commonest from which a feature is nearly constant, if
/// few values are distinct: caret's rule (Kuhn, J Stat Softw 2008, doi:10.18637/jss.v028.i05).
const FREQUENCY_RATIO: f64 = 95.0 / 5.0;
const DISTINCT_SHARE: f64 = 0.1;

/// Whether a feature says nothing: constant, or (with `near`) nearly so.
pub(super) fn is_constant(known: &[f64], near: bool) -> bool {
    let sorted = quantile::sorted(known);
    let mut counts: Vec<usize> = sorted.chunk_by(|a, b| a == b).map(<[f64]>::len).collect();
    if counts.len() < 2 {
        return true;
    }
    let distinct = counts.len() as f64 / sorted.len() as f64;
    counts.sort_unstable_by(|a, b| b.cmp(a));
    near && counts[0] as f64 > FREQUENCY_RATIO * counts[1] as f64 && distinct < DISTINCT_SHARE
}

/// A feature whose repeats are missing or do not vary between lesions.
pub(super) struct NotRepeated;

/// The lower bound of a feature's intraclass correlation over repeats of lesions that are not held
/// out; `None` without repeats.
pub(super) fn icc_lower(
    data: &Dataset,
    column: usize,
    patients: &BTreeSet<usize>,
    kind: icc::IccKind,
) -> Result<Option<f64>, NotRepeated> {
    let Some(repeated) = &data.repeated else { return Ok(None) };
    let values: Vec<Vec<f64>> = repeated
        .values
        .iter()
        .zip(&repeated.patient)
        .filter(|(_, patient)| patient.is_none_or(|p| patients.contains(&p)))
        .map(|(repeats, _)| repeats.iter().map(|r| r[column]).collect::<Vec<f64>>())
        .filter(|repeats| repeats.iter().all(|v| v.is_finite()))
        .collect();
    icc::icc(&values, kind).map(|icc| Some(icc.interval[0])).ok_or(NotRepeated)
}
