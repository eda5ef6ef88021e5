//! Which voxels of a region take part in intensity features (IBSI manual, 2.6).

use ndarray::Array3;

use crate::plan::Resegmentation;

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
        low = low.max(mean - sigma * deviation);
        high = high.min(mean + sigma * deviation);
    }
    let mut kept = mask.clone();
    if low == f64::NEG_INFINITY && high == f64::INFINITY {
        kept.zip_mut_with(intensities, |inside, value| *inside &= !value.is_nan());
        return kept;
    }
    kept.zip_mut_with(intensities, |inside, &value| {
        *inside &= (low..=high).contains(&f64::from(value));
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
