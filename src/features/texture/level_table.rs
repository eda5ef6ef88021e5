//! The sixteen features that run length, size zone, distance zone and dependence matrices share.
//!
//! The matrices differ in what they count: runs by length (IBSI manual, 3.7), zones by size (3.8)
//! or distance to the border (3.9), voxels by dependence (3.11). The definitions are the same.

use super::entries::Entry;
use crate::value::{Missing, Value, finite, ratio};

/// Features of a matrix, in the manual's order: emphasis of small and of large second indices, of
/// low and of high grey levels, the four combinations, grey level non-uniformity and its normalised
/// form, non-uniformity of the second index and its normalised form, percentage, grey level
/// variance, variance of the second index, entropy, and energy (which only NGLDM has).
///
/// `grey` maps ranks to grey levels. `voxels` is N_v, summed over the matrices that were merged.
pub(super) fn features(entries: &[Entry], grey: &[u16], voxels: f64) -> [Value; 17] {
    let total: f64 = entries.iter().map(|e| e.count).sum();
    if total == 0.0 {
        return [Err(Missing::ZeroDenominator); 17];
    }
    let level = |entry: &Entry| f64::from(grey[entry.rank as usize]);

    let mut emphasis = [0.0; 8];
    let (mut level_mean, mut second_mean, mut entropy, mut energy) = (0.0, 0.0, 0.0, 0.0);
    for entry in entries {
        let p = entry.count / total;
        let (i, j) = (level(entry), f64::from(entry.second));
        let (low, high, small, large) = (p / (i * i), p * i * i, 1.0 / (j * j), j * j);
        let terms =
            [p * small, p * large, low, high, low * small, high * small, low * large, high * large];
        for (sum, term) in emphasis.iter_mut().zip(terms) {
            *sum += term;
        }
        level_mean += p * i;
        second_mean += p * j;
        entropy -= p * p.log2();
        energy += p * p;
    }

    let (mut level_variance, mut second_variance) = (0.0, 0.0);
    for entry in entries {
        let p = entry.count / total;
        level_variance += p * (level(entry) - level_mean).powi(2);
        second_variance += p * (f64::from(entry.second) - second_mean).powi(2);
    }

    let by_level: f64 = entries
        .chunk_by(|a, b| a.rank == b.rank)
        .map(|row| row.iter().map(|e| e.count).sum::<f64>().powi(2))
        .sum();
    let by_second = sum_of_squares_by_second(entries);

    let [small, large, low, high, small_low, small_high, large_low, large_high] = emphasis;
    [
        finite(small),
        finite(large),
        finite(low),
        finite(high),
        finite(small_low),
        finite(small_high),
        finite(large_low),
        finite(large_high),
        finite(by_level / total),
        finite(by_level / (total * total)),
        finite(by_second / total),
        finite(by_second / (total * total)),
        ratio(total, voxels),
        finite(level_variance),
        finite(second_variance),
        // -1·log2(1) is a negative zero.
        finite(entropy.max(0.0)),
        finite(energy),
    ]
}

fn sum_of_squares_by_second(entries: &[Entry]) -> f64 {
    // Second indices are mostly small; the few large ones (sizes of large zones) are sorted.
    const SMALL: usize = 1024;
    let mut small = [0.0; SMALL];
    let mut large: Vec<(u32, f64)> = Vec::new();
    for entry in entries {
        match small.get_mut(entry.second as usize) {
            Some(sum) => *sum += entry.count,
            None => large.push((entry.second, entry.count)),
        }
    }
    large.sort_by_key(|&(second, _)| second);
    let small: f64 = small.iter().map(|n| n * n).sum();
    let large: f64 = large
        .chunk_by(|a, b| a.0 == b.0)
        .map(|same| same.iter().map(|&(_, count)| count).sum::<f64>().powi(2))
        .sum();
    small + large
}
