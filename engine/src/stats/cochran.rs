//! Whether values differ by more than their measurement errors: Cochran's Q, I² and tau.

use serde::Serialize;
use statrs::distribution::{ChiSquared, ContinuousCDF, Normal};

/// Whether values differ by more than measurement error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct NoiseTest {
    /// Cochran's Q.
    pub q: f64,
    /// Its degrees of freedom, the number of values less one; also Q's expected value where only
    /// measurement error differs.
    pub degrees_of_freedom: usize,
    /// 95 % interval of Q where only measurement error differs.
    pub q_under_error_alone: [f64; 2],
    /// Probability of a Q this large or larger where only measurement error differs.
    pub p: f64,
    /// I², the share of the variance that is not measurement error, 0 to 1.
    pub i_squared: f64,
    /// Its 95 % interval (Higgins and Thompson 2002, doi:10.1002/sim.1186, from the SE of ln H).
    pub i_squared_interval: [f64; 2],
    /// SD between the true values, without measurement error (DerSimonian and Laird 1986).
    pub tau: f64,
}

/// Cochran's Q of two or more values against their measurement SDs; `None` where one is unknown or 0.
pub fn noise_test(values: &[f64], measurement_sd: &[Option<f64>]) -> Option<NoiseTest> {
    let sd: Vec<f64> =
        measurement_sd.iter().copied().collect::<Option<Vec<_>>>().filter(|v| v.len() > 1)?;
    if sd.iter().any(|sd| *sd <= 0.0) {
        return None;
    }
    let weights: Vec<f64> = sd.iter().map(|sd| 1.0 / (sd * sd)).collect();
    let total: f64 = weights.iter().sum();
    let centre = weights.iter().zip(values).map(|(w, v)| w * v).sum::<f64>() / total;
    let q: f64 = weights.iter().zip(values).map(|(w, v)| w * (v - centre).powi(2)).sum();
    let degrees_of_freedom = values.len() - 1;
    let df = degrees_of_freedom as f64;
    let law = ChiSquared::new(df).ok()?;
    let squares: f64 = weights.iter().map(|w| w * w).sum();
    let tau_squared = ((q - df) / (total - squares / total)).max(0.0);
    Some(NoiseTest {
        q,
        degrees_of_freedom,
        q_under_error_alone: [law.inverse_cdf(0.025), law.inverse_cdf(0.975)],
        p: law.sf(q),
        i_squared: i_squared(q, df),
        i_squared_interval: i_squared_interval(q, df),
        tau: tau_squared.sqrt(),
    })
}

fn i_squared(q: f64, df: f64) -> f64 {
    if q > 0.0 { ((q - df) / q).max(0.0) } else { 0.0 }
}

/// The test-based interval: ln H is taken as normal, H² = Q / df.
fn i_squared_interval(q: f64, df: f64) -> [f64; 2] {
    if q <= 0.0 {
        return [0.0, i_squared_of_h(1.96 * se_small_q(df))];
    }
    let ln_h = 0.5 * (q / df).ln();
    let se = if q > df + 1.0 {
        0.5 * (q.ln() - df.ln()) / ((2.0 * q).sqrt() - (2.0 * df - 1.0).sqrt())
    } else {
        se_small_q(df)
    };
    let half = Normal::standard().inverse_cdf(0.975) * se;
    [i_squared_of_h(ln_h - half), i_squared_of_h(ln_h + half)]
}

/// Standard error of ln H for Q at or below the number of values. Its formula has no value at
/// df = 1, where the asymptotic `1 / sqrt(2 df)` takes its place.
fn se_small_q(df: f64) -> f64 {
    let k = df + 1.0;
    if k > 2.0 {
        (1.0 / (2.0 * (k - 2.0)) * (1.0 - 1.0 / (3.0 * (k - 2.0).powi(2)))).sqrt()
    } else {
        (1.0 / (2.0 * df)).sqrt()
    }
}

fn i_squared_of_h(ln_h: f64) -> f64 {
    (1.0 - (-2.0 * ln_h).exp()).clamp(0.0, 1.0)
}
