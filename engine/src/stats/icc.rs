//! Intraclass correlation of repeated measurements, with the lower bound that a robustness filter
//! needs.
//!
//! Shrout and Fleiss, Psychol Bull 1979, doi:10.1037/0033-2909.86.2.420; McGraw and Wong, Psychol
//! Methods 1996, doi:10.1037/1082-989X.1.1.30.

use statrs::distribution::{ContinuousCDF, FisherSnedecor};

/// Which correlation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IccKind {
    /// ICC(2,1): absolute agreement of single measurements, repeats drawn at random.
    Agreement,
    /// ICC(3,1): consistency of single measurements, the repeats fixed.
    Consistency,
}

/// An intraclass correlation with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Icc {
    /// The correlation.
    pub value: f64,
    /// 95 % interval.
    pub interval: [f64; 2],
}

/// The correlation of a complete table `values[target][repeat]`. `None` for fewer than two targets
/// or repeats, a ragged table, or values that do not vary.
pub fn icc(values: &[Vec<f64>], kind: IccKind) -> Option<Icc> {
    let n = values.len();
    let k = values.first()?.len();
    if n < 2 || k < 2 || values.iter().any(|r| r.len() != k || r.iter().any(|v| !v.is_finite())) {
        return None;
    }
    let (nf, kf) = (n as f64, k as f64);
    let grand = values.iter().flatten().sum::<f64>() / (nf * kf);
    let row_mean = |r: &Vec<f64>| r.iter().sum::<f64>() / kf;
    let column_mean = |j: usize| values.iter().map(|r| r[j]).sum::<f64>() / nf;
    let rows: f64 = values.iter().map(|r| (row_mean(r) - grand).powi(2)).sum::<f64>() * kf;
    let columns: f64 = (0..k).map(|j| (column_mean(j) - grand).powi(2)).sum::<f64>() * nf;
    let error: f64 = (0..k)
        .flat_map(|j| {
            let column = column_mean(j);
            values.iter().map(move |r| (r[j] - row_mean(r) - column + grand).powi(2))
        })
        .sum();
    let (df_rows, df_columns, df_error) = (nf - 1.0, kf - 1.0, (nf - 1.0) * (kf - 1.0));
    let (msr, msc, mse) = (rows / df_rows, columns / df_columns, error / df_error);
    if msr <= 0.0 {
        return None;
    }
    if msc == 0.0 && mse == 0.0 {
        return Some(Icc { value: 1.0, interval: [1.0, 1.0] });
    }
    match kind {
        IccKind::Consistency => {
            let value = (msr - mse) / (msr + df_columns * mse);
            if mse == 0.0 {
                return Some(Icc { value, interval: [1.0, 1.0] });
            }
            let f = msr / mse;
            let low = f / f_quantile(0.975, df_rows, df_error)?;
            let high = f * f_quantile(0.975, df_error, df_rows)?;
            let bound = |f: f64| (f - 1.0) / (f + df_columns);
            Some(Icc { value, interval: [bound(low), bound(high)] })
        }
        IccKind::Agreement => {
            let value = (msr - mse) / (msr + df_columns * mse + kf * (msc - mse) / nf);
            let fj = msc / mse.max(f64::MIN_POSITIVE);
            let vn = df_columns
                * df_rows
                * (kf * value * fj + nf * (1.0 + df_columns * value) - kf * value).powi(2);
            let vd = df_rows * (kf * value * fj).powi(2)
                + (nf * (1.0 + df_columns * value) - kf * value).powi(2);
            let v = vn / vd;
            let upper = f_quantile(0.975, df_rows, v)?;
            let lower = f_quantile(0.975, v, df_rows)?;
            let spread = kf * msc + (kf * nf - kf - nf) * mse;
            let low = nf * (msr - upper * mse) / (upper * spread + nf * msr);
            let high = nf * (lower * msr - mse) / (spread + nf * lower * msr);
            Some(Icc { value, interval: [low, high] })
        }
    }
}

/// Quantile of Fisher's F by bisection on its distribution function.
fn f_quantile(p: f64, df1: f64, df2: f64) -> Option<f64> {
    let f = FisherSnedecor::new(df1, df2).ok()?;
    let (mut low, mut high) = (0.0, 1.0);
    while f.cdf(high) < p {
        high *= 2.0;
        if high > 1e300 {
            return None;
        }
    }
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if f.cdf(middle) < p { low = middle } else { high = middle }
    }
    Some(0.5 * (low + high))
}
