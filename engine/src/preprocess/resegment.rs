//! Which voxels of a region take part in intensity features (IBSI manual, 2.6).

use ndarray::Array3;
use rayon::prelude::*;

use crate::preprocess::parameters::Resegmentation;
use crate::rows::extent;

/// Rows that one thread looks through, at least.
const ROWS: usize = 1024;
/// Relative slack of the outliers' bounds, which are kept: of ten voxels of which nine have one intensity,
/// the tenth is three standard deviations from the mean, and rounding would decide.
const BOUND_SLACK: f64 = 1e-12;

/// The voxels of a mask that re-segmentation keeps. Both steps look at the whole mask: mean and
/// (population) standard deviation of the outlier filter are those before the range is applied.
pub fn intensity_mask(
    intensities: &Array3<f32>,
    mask: &Array3<bool>,
    resegmentation: &Resegmentation,
) -> Array3<bool> {
    let mut low = f64::NEG_INFINITY;
    let mut high = f64::INFINITY;
    if let Some([from, to]) = resegmentation.range_hu {
        (low, high) = (from, to);
    }
    if let Some(sigma) = resegmentation.outlier_sigma {
        let (mean, deviation) = moments(intensities, mask);
        let reach = sigma * deviation + BOUND_SLACK * (sigma * deviation + mean.abs());
        low = low.max(mean - reach);
        high = high.min(mean + reach);
    }
    let bounded = low > f64::NEG_INFINITY || high < f64::INFINITY;
    let mut kept = mask.clone();
    let row_length = mask.dim().2.max(1);
    let rows = kept.as_slice_mut().expect("standard layout").par_chunks_mut(row_length);
    let values = intensities.as_slice().expect("standard layout").par_chunks(row_length);
    rows.zip(values).with_min_len(ROWS).for_each(|(row, values)| {
        let Some(extent) = extent(row, |&inside| inside) else { return };
        let (row, values) = (&mut row[extent.clone()], &values[extent]);
        if values.iter().fold(false, |any, value| any | value.is_nan()) {
            for (inside, value) in row.iter_mut().zip(values) {
                *inside &= !value.is_nan();
            }
        }
        if bounded {
            for (inside, &value) in row.iter_mut().zip(values) {
                *inside &= (low..=high).contains(&f64::from(value));
            }
        }
    });
    kept
}

/// Mean and population standard deviation of a mask's intensities.
fn moments(intensities: &Array3<f32>, mask: &Array3<bool>) -> (f64, f64) {
    let values =
        || intensities.iter().zip(mask).filter(|&(_, &inside)| inside).map(|(&v, _)| f64::from(v));
    let n = values().count() as f64;
    let mean = values().sum::<f64>() / n;
    let variance = values().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
    (mean, variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Oracle: the closed form. Of n voxels of which one differs it lies sqrt(n - 1) standard deviations from
    /// the mean, which rounding puts on either side of the bound.
    #[test]
    fn an_intensity_at_the_bound_of_outliers_is_kept() {
        for (n, outlier_sigma) in [(5, 2.0), (10, 3.0), (17, 4.0)] {
            for one in 1..400u16 {
                let shape = (1, 1, n);
                let last = |(_, _, x)| if x + 1 == n { f32::from(one) - 300.0 } else { -471.0 };
                let mask = Array3::from_elem(shape, true);
                let wanted = Resegmentation { range_hu: None, outlier_sigma: Some(outlier_sigma) };
                let kept = intensity_mask(&Array3::from_shape_fn(shape, last), &mask, &wanted);
                assert_eq!(kept, mask, "{n} voxels, one of {}", f32::from(one) - 300.0);
            }
        }
        let values = Array3::from_shape_fn((1, 1, 11), |(_, _, x)| if x == 0 { 50.0 } else { 0.0 });
        let wanted = Resegmentation { range_hu: None, outlier_sigma: Some(3.0) };
        let kept = intensity_mask(&values, &Array3::from_elem((1, 1, 11), true), &wanted);
        assert!(!kept[[0, 0, 0]] && kept[[0, 0, 1]]);
    }
}
