//! Of features that rank lesions alike, one stands for the others.

use crate::stats::ranks::midranks;
use crate::train::design::dot;

/// For each feature the ones it stands for, or `None` where another stands for it.
///
/// The feature with the best repeatability, or else the most correlated neighbours, stands for its
/// neighbours; then the next among those that are left.
pub(super) fn represent(
    columns: &[Vec<f64>],
    icc_lower: &[Option<f64>],
    threshold: f64,
) -> Vec<Option<Vec<usize>>> {
    let p = columns.len();
    let mut represented: Vec<Option<Vec<usize>>> = vec![Some(Vec::new()); p];
    if threshold >= 1.0 || p < 2 {
        return represented;
    }
    let ranks: Vec<Vec<f64>> = columns.iter().map(|c| unit_ranks(c)).collect();
    let mut neighbours: Vec<Vec<usize>> = vec![Vec::new(); p];
    for i in 0..p {
        for j in i + 1..p {
            if dot(&ranks[i], &ranks[j]).abs() >= threshold {
                neighbours[i].push(j);
                neighbours[j].push(i);
            }
        }
    }
    let mut open = vec![true; p];
    let mut count: Vec<usize> = neighbours.iter().map(Vec::len).collect();
    loop {
        let better = |a: usize, b: usize| {
            let (x, y) = (icc_lower[a], icc_lower[b]);
            let by_icc = x.unwrap_or(0.0).total_cmp(&y.unwrap_or(0.0));
            by_icc.then(count[a].cmp(&count[b])).is_gt()
        };
        let mut best: Option<usize> = None;
        for j in (0..p).filter(|j| open[*j] && count[*j] > 0) {
            if best.is_none_or(|b| better(j, b)) {
                best = Some(j);
            }
        }
        let Some(best) = best else { return represented };
        open[best] = false;
        let members: Vec<usize> = neighbours[best].iter().copied().filter(|m| open[*m]).collect();
        for &member in &members {
            open[member] = false;
            represented[member] = None;
        }
        for j in members.iter().chain([&best]) {
            for k in &neighbours[*j] {
                count[*k] = count[*k].saturating_sub(1);
            }
        }
        represented[best] = Some(members);
    }
}

/// Centred ranks of length 1, so that their inner product is Spearman's correlation.
fn unit_ranks(values: &[f64]) -> Vec<f64> {
    let mut ranks = midranks(values);
    let mean = (values.len() + 1) as f64 / 2.0;
    ranks.iter_mut().for_each(|r| *r -= mean);
    let length = dot(&ranks, &ranks).sqrt().max(f64::MIN_POSITIVE);
    ranks.iter_mut().for_each(|r| *r /= length);
    ranks
}
