//! What the run length, size zone, distance zone and dependence matrices have in common (sections
//! 3.7 to 3.9 and 3.11 give each the same sixteen features): counts by grey level i and by a second
//! number j, which is 1 or more.

use std::collections::BTreeMap;

use super::{Features, plogp, ratio};

#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Only cells above 0.
    pub cells: BTreeMap<(usize, usize), usize>,
    /// N_v: the voxels counted; of merged matrices the sum.
    pub voxels: usize,
}

impl Counts {
    pub fn add(&mut self, i: usize, j: usize) {
        *self.cells.entry((i, j)).or_default() += 1;
    }
}

/// Merging sums each cell, and N_v with them.
pub fn merged(all: &[Counts]) -> Counts {
    let mut sum = Counts::default();
    for counts in all {
        sum.voxels += counts.voxels;
        for (&cell, &count) in &counts.cells {
            *sum.cells.entry(cell).or_default() += count;
        }
    }
    sum
}

/// The features, in the order of the manual. A matrix without a count has none.
pub fn features(counts: &Counts, names: [&'static str; 16]) -> Features {
    let total: usize = counts.cells.values().sum();
    let total = total as f64;
    // (1 / N_s) times a sum over all cells.
    let weighted = |weight: fn(f64, f64) -> f64| {
        let mut sum = 0.0;
        for (&(i, j), &count) in &counts.cells {
            sum += weight(i as f64, j as f64) * count as f64;
        }
        ratio(sum, total)
    };
    let squares = |first: bool| {
        let mut marginal: BTreeMap<usize, usize> = BTreeMap::new();
        for (&(i, j), &count) in &counts.cells {
            *marginal.entry(if first { i } else { j }).or_default() += count;
        }
        marginal.values().map(|&count| (count * count) as f64).sum::<f64>()
    };
    // sum of (x - mu)^2 p, with mu the sum of x p.
    let variance = |first: bool| {
        let x = |i: usize, j: usize| if first { i as f64 } else { j as f64 };
        let mut mean = 0.0;
        for (&(i, j), &count) in &counts.cells {
            mean += x(i, j) * count as f64;
        }
        let mean = ratio(mean, total)?;
        let mut sum = 0.0;
        for (&(i, j), &count) in &counts.cells {
            sum += (x(i, j) - mean).powi(2) * count as f64;
        }
        ratio(sum, total)
    };
    let entropy: f64 = counts.cells.values().map(|&count| plogp(count as f64 / total)).sum();
    let values = [
        weighted(|_, j| 1.0 / (j * j)),
        weighted(|_, j| j * j),
        weighted(|i, _| 1.0 / (i * i)),
        weighted(|i, _| i * i),
        weighted(|i, j| 1.0 / (i * i * j * j)),
        weighted(|i, j| i * i / (j * j)),
        weighted(|i, j| j * j / (i * i)),
        weighted(|i, j| i * i * j * j),
        ratio(squares(true), total),
        ratio(squares(true), total * total),
        ratio(squares(false), total),
        ratio(squares(false), total * total),
        ratio(total, counts.voxels as f64).filter(|_| total > 0.0),
        variance(true),
        variance(false),
        (total > 0.0).then_some(0.0 - entropy),
    ];
    names.into_iter().zip(values).collect()
}
