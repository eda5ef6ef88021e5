//! Section 2.5 (IF9H): which voxels of the region keep their intensities.

use super::exact::{UNIT, all_units, units};
use super::{Image, inside, offset};

/// The intensity mask (SEFI). Several methods leave the voxels that every one of them keeps.
pub fn intensity_mask(
    image: &Image,
    shape: &[bool],
    lower: Option<f64>,
    upper: Option<f64>,
    outliers: Option<f64>,
) -> Vec<bool> {
    let mut kept = shape.to_vec();
    // USB3: a closed range, or one closed on one side.
    for (keep, &value) in kept.iter_mut().zip(&image.values) {
        if lower.is_some_and(|bound| value < bound) || upper.is_some_and(|bound| value > bound) {
            *keep = false;
        }
    }
    if let Some(limit) = outliers {
        let regular = within_deviations(image, shape, limit);
        for (keep, regular) in kept.iter_mut().zip(regular) {
            *keep &= regular;
        }
    }
    kept
}

/// 7ACA: mean - k sigma <= X <= mean + k sigma. Mean and deviation are those of the morphological
/// mask, whatever else leaves voxels out (this order gives the values of configuration E), and the
/// deviation is that of a population, as everywhere in the manual.
fn within_deviations(image: &Image, shape: &[bool], limit: f64) -> Vec<bool> {
    let places: Vec<usize> =
        inside(image.size, shape).into_iter().map(|voxel| offset(image.size, voxel)).collect();
    let values: Vec<f64> = places.iter().map(|&place| image.values[place]).collect();
    let mut regular = vec![false; shape.len()];
    if let (Some(x), Some(k)) = (all_units(&values), units(limit)) {
        // (x - S / n)^2 <= k^2 (Q / n - S^2 / n^2), times n^2: in integers, so the border is kept.
        let n = x.len() as i128;
        let sum: i128 = x.iter().sum();
        let squares: i128 = x.iter().map(|x| x * x).sum();
        for (&place, x) in places.iter().zip(&x) {
            let from_mean = (n * x - sum).abs();
            let spread = n * squares - sum * sum;
            // k is in units: k^2 is in their square.
            regular[place] = at_most(UNIT * from_mean, k, spread);
        }
    } else {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let sigma = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
        for (&place, x) in places.iter().zip(&values) {
            regular[place] = (x - mean).abs() <= limit * sigma;
        }
    }
    regular
}

/// a <= k sqrt(s), for numbers that may be too large to square: compares a / k with the root.
fn at_most(a: i128, k: i128, s: i128) -> bool {
    match (a.checked_mul(a), k.checked_mul(k).and_then(|k| k.checked_mul(s))) {
        (Some(left), Some(right)) => left <= right,
        _ => a as f64 <= k as f64 * (s as f64).sqrt(),
    }
}
