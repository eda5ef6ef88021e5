//! Resampling of patients, never of lesions.

use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::quantile::{of_sorted, sorted};

/// A random generator of its own for task `index`, so that results do not depend on threads.
pub fn generator(seed: u64, purpose: u64, index: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ purpose.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    rng.set_stream(index);
    rng
}

/// Rows of each group, in order of first appearance.
pub fn members<G: Ord + Copy>(groups: &[G]) -> Vec<Vec<usize>> {
    let mut at = std::collections::BTreeMap::new();
    let mut members: Vec<Vec<usize>> = Vec::new();
    for (row, group) in groups.iter().enumerate() {
        let index = *at.entry(*group).or_insert_with(|| {
            members.push(Vec::new());
            members.len() - 1
        });
        members[index].push(row);
    }
    members
}

/// Rows of as many groups as there are, drawn with replacement.
pub fn resample(members: &[Vec<usize>], rng: &mut ChaCha8Rng) -> Vec<usize> {
    (0..members.len())
        .flat_map(|_| members[rng.gen_range(0..members.len())].iter().copied())
        .collect()
}

/// 95 % percentile interval of a statistic over patient resamples; resamples where the statistic
/// does not exist are left out, and more than a tenth of them means no interval.
pub fn percentile_interval<G: Ord + Copy>(
    groups: &[G],
    draws: usize,
    seed: u64,
    statistic: impl Fn(&[usize]) -> Option<f64> + Sync,
) -> Option<[f64; 2]> {
    let members = members(groups);
    if members.len() < 2 || draws < 2 {
        return None;
    }
    let values: Vec<f64> = (0..draws)
        .into_par_iter()
        .filter_map(|i| statistic(&resample(&members, &mut generator(seed, 1, i as u64))))
        .filter(|v| v.is_finite())
        .collect();
    if values.len() * 10 < draws * 9 {
        return None;
    }
    let values = sorted(&values);
    Some([of_sorted(&values, 0.025)?, of_sorted(&values, 0.975)?])
}
