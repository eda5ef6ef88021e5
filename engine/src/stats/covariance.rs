//! Covariance of a few variables from few cases.

use nalgebra::DMatrix;

use super::moments::{mean, sd};

/// Covariance with correlations shrunk towards 0 by the share that minimises the expected squared
/// error (Schäfer and Strimmer, Stat Appl Genet Mol Biol 2005, doi:10.2202/1544-6115.1175), by its rows.
///
/// `columns` are the variables, each of all cases; `None` for no variable or fewer than two cases.
pub fn shrunk(columns: &[Vec<f64>]) -> Option<Vec<Vec<f64>>> {
    let p = columns.len();
    let n = columns.first()?.len() as f64;
    let sds: Vec<f64> = columns.iter().map(|c| sd(c)).collect::<Option<_>>()?;
    let standard: Vec<Vec<f64>> = columns
        .iter()
        .zip(&sds)
        .map(|(c, sd)| {
            let mean = mean(c).unwrap_or(0.0);
            c.iter().map(|v| (v - mean) / sd).collect()
        })
        .collect();
    let mut correlation = DMatrix::identity(p, p);
    let (mut variance, mut squares) = (0.0, 0.0);
    for i in 0..p {
        for j in 0..i {
            let products: Vec<f64> =
                standard[i].iter().zip(&standard[j]).map(|(a, b)| a * b).collect();
            let mean = products.iter().sum::<f64>() / n;
            let r = mean * n / (n - 1.0);
            let spread: f64 = products.iter().map(|w| (w - mean).powi(2)).sum();
            variance += n / (n - 1.0).powi(3) * spread;
            squares += r * r;
            correlation[(i, j)] = r;
            correlation[(j, i)] = r;
        }
    }
    let shrink = if squares > 0.0 { (variance / squares).clamp(0.01, 1.0) } else { 1.0 };
    let covariance = (0..p)
        .map(|i| {
            let entry = |j: usize| {
                let r = if i == j { 1.0 } else { (1.0 - shrink) * correlation[(i, j)] };
                r * sds[i] * sds[j]
            };
            (0..p).map(entry).collect()
        })
        .collect();
    Some(covariance)
}
