//! Section 3.3 (UHIW): statistics of the intensities, without bias corrections.

use super::discretisation::extremes;
use super::{Features, mean, ratio};

/// A percentile. The manual does not say how one between two intensities is found; interpolated
/// linearly, at (n - 1) p / 100 from the first, it gives all reference values.
pub fn percentile(x: &[f64], percent: usize) -> Option<f64> {
    let mut sorted = x.to_vec();
    sorted.sort_by(f64::total_cmp);
    let hundredths = x.len().checked_sub(1)? * percent;
    let (index, rest) = (hundredths / 100, hundredths % 100);
    let low = sorted[index];
    // An exact place must give the exact intensity, which the deviation below compares with.
    if rest == 0 { Some(low) } else { Some(low + (sorted[index + 1] - low) * rest as f64 / 100.0) }
}

/// The values that the intensities and the histogram of levels have in common.
pub struct Summary {
    pub mean: f64,
    pub variance: f64,
    pub skewness: f64,
    pub kurtosis: f64,
    pub median: f64,
    pub low: f64,
    pub p10: f64,
    pub p25: f64,
    pub p75: f64,
    pub p90: f64,
    pub high: f64,
    pub mean_deviation: f64,
    pub robust_deviation: Option<f64>,
    pub median_deviation: f64,
    pub variation: Option<f64>,
    pub dispersion: Option<f64>,
}

/// Mean of |x - centre|.
fn deviation(x: &[f64], centre: f64) -> Option<f64> {
    mean(&x.iter().map(|x| (x - centre).abs()).collect::<Vec<_>>())
}

fn central_moment(x: &[f64], centre: f64, power: i32) -> Option<f64> {
    mean(&x.iter().map(|x| (x - centre).powi(power)).collect::<Vec<_>>())
}

/// `None` for an empty region.
pub fn summary(x: &[f64]) -> Option<Summary> {
    let (low, high) = extremes(x)?;
    // A region of one intensity has this mean exactly; a sum would round.
    let centre = if low == high { low } else { mean(x)? };
    let variance = central_moment(x, centre, 2)?;
    // KE2A, IPH6 and 88K1, C3I7: both are 0 where the variance is.
    let (skewness, kurtosis) = if variance == 0.0 {
        (0.0, 0.0)
    } else {
        (
            central_moment(x, centre, 3)? / variance.powf(1.5),
            central_moment(x, centre, 4)? / variance.powi(2) - 3.0,
        )
    };
    let (p10, p25) = (percentile(x, 10)?, percentile(x, 25)?);
    let (p75, p90) = (percentile(x, 75)?, percentile(x, 90)?);
    let median = percentile(x, 50)?;
    // 1128: of the intensities from P10 to P90, both included, about their own mean. Of two
    // different intensities neither lies there, and the mean is undefined.
    let middle: Vec<f64> = x.iter().copied().filter(|&x| p10 <= x && x <= p90).collect();
    Some(Summary {
        mean: centre,
        variance,
        skewness,
        kurtosis,
        median,
        low,
        p10,
        p25,
        p75,
        p90,
        high,
        mean_deviation: deviation(x, centre)?,
        robust_deviation: mean(&middle).and_then(|centre| deviation(&middle, centre)),
        median_deviation: deviation(x, median)?,
        variation: ratio(variance.sqrt(), centre),
        dispersion: ratio(p75 - p25, p75 + p25),
    })
}

pub fn features(x: &[f64]) -> Features {
    let s = summary(x);
    let of = |get: fn(&Summary) -> f64| s.as_ref().map(get);
    let energy: f64 = x.iter().map(|x| x * x).sum();
    vec![
        ("stat_mean", of(|s| s.mean)),
        ("stat_var", of(|s| s.variance)),
        ("stat_skew", of(|s| s.skewness)),
        ("stat_kurt", of(|s| s.kurtosis)),
        ("stat_median", of(|s| s.median)),
        ("stat_min", of(|s| s.low)),
        ("stat_p10", of(|s| s.p10)),
        ("stat_p90", of(|s| s.p90)),
        ("stat_max", of(|s| s.high)),
        ("stat_iqr", of(|s| s.p75 - s.p25)),
        ("stat_range", of(|s| s.high - s.low)),
        ("stat_mad", of(|s| s.mean_deviation)),
        ("stat_rmad", s.as_ref().and_then(|s| s.robust_deviation)),
        ("stat_medad", of(|s| s.median_deviation)),
        ("stat_cov", s.as_ref().and_then(|s| s.variation)),
        ("stat_qcod", s.as_ref().and_then(|s| s.dispersion)),
        ("stat_energy", s.as_ref().map(|_| energy)),
        ("stat_rms", ratio(energy, x.len() as f64).map(f64::sqrt)),
    ]
}
