//! Folds that never divide a patient and are alike in outcome.
//!
//! There is no other way to make folds here: lesions of one patient resemble each other, and a model
//! that has seen one of them recognises the others.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::dataset::Dataset;

/// The fold of each patient that has rows; copies of rows count.
pub(super) fn patient_folds(
    data: &Dataset,
    rows: &[usize],
    k: usize,
    rng: &mut ChaCha8Rng,
) -> Vec<Option<usize>> {
    let mut count = vec![0; data.patients.len()];
    rows.iter().for_each(|r| count[data.patient[*r]] += 1);
    let present: Vec<usize> = (0..count.len()).filter(|p| count[*p] > 0).collect();
    let rows_of: Vec<usize> = present.iter().map(|p| count[*p]).collect();
    let stratum: Vec<usize> = present.iter().map(|p| data.stratum[*p]).collect();
    let folds = folds(&rows_of, &stratum, k, rng);
    let mut fold = vec![None; count.len()];
    for (patient, f) in present.iter().zip(folds) {
        fold[*patient] = Some(f);
    }
    fold
}

/// The fold of each patient, `0..k`. Patients in random order, most rows first, go to the fold that
/// has least of their stratum; among equals to the smallest.
fn folds(rows_of: &[usize], stratum: &[usize], k: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows_of.len()).collect();
    order.shuffle(rng);
    order.sort_by_key(|p| std::cmp::Reverse(rows_of[*p]));
    let strata = stratum.iter().max().map_or(0, |s| s + 1);
    let mut patients = vec![vec![0_usize; strata]; k];
    let mut rows = vec![0_usize; k];
    let mut fold = vec![0; rows_of.len()];
    for patient in order {
        let to = (0..k)
            .min_by_key(|f| {
                let all: usize = patients[*f].iter().sum();
                (patients[*f][stratum[patient]], all, rows[*f])
            })
            .unwrap_or(0);
        patients[to][stratum[patient]] += 1;
        rows[to] += rows_of[patient];
        fold[patient] = to;
    }
    fold
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn folds_are_alike_in_size_and_outcome() {
        let rows: Vec<usize> = (0..60).map(|i| 1 + i % 4).collect();
        let stratum: Vec<usize> = (0..60).map(|i| usize::from(i % 3 == 0)).collect();
        for seed in 0..20 {
            let fold = folds(&rows, &stratum, 5, &mut ChaCha8Rng::seed_from_u64(seed));
            for f in 0..5 {
                let mine: Vec<usize> = (0..60).filter(|p| fold[*p] == f).collect();
                assert_eq!(mine.len(), 12);
                assert_eq!(mine.iter().filter(|p| stratum[**p] == 1).count(), 4);
            }
        }
    }
}
