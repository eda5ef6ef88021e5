//! Distance in the metric that a covariance gives.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

/// A space of variables with their covariance as its metric.
#[derive(Clone, Debug)]
pub struct Mahalanobis {
    factor: Cholesky<f64, Dyn>,
}

impl Mahalanobis {
    /// The metric of a covariance, given by its rows; `None` unless it is square, finite, symmetric
    /// and positive definite.
    pub fn of(covariance: &[Vec<f64>]) -> Option<Self> {
        let p = covariance.len();
        if p == 0 || covariance.iter().any(|row| row.len() != p) {
            return None;
        }
        let matrix = DMatrix::from_fn(p, p, |i, j| covariance[i][j]);
        let symmetric = |m: &DMatrix<f64>| (m - m.transpose()).abs().max() <= 1e-9 * m.abs().max();
        if matrix.iter().any(|v| !v.is_finite()) || !symmetric(&matrix) {
            return None;
        }
        Some(Self { factor: matrix.cholesky()? })
    }

    /// Number of variables.
    pub fn dimensions(&self) -> usize {
        self.factor.l_dirty().nrows()
    }

    /// Squared distance over `difference`, one entry per variable.
    pub fn squared(&self, difference: &DVector<f64>) -> f64 {
        difference.dot(&self.factor.solve(difference))
    }

    /// The lower triangle that turns independent standard normal variables into ones of this
    /// covariance.
    pub fn factor(&self) -> DMatrix<f64> {
        self.factor.l()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Closed form: variances 4 and 9, no correlation.
    #[test]
    fn distances_are_in_standard_deviations() {
        let metric = Mahalanobis::of(&[vec![4.0, 0.0], vec![0.0, 9.0]]).expect("a covariance");
        let squared = metric.squared(&DVector::from_column_slice(&[2.0, 3.0]));
        assert!((squared - 2.0).abs() < 1e-15);
        assert_eq!(metric.dimensions(), 2);
    }

    #[test]
    fn what_is_no_covariance_is_refused() {
        for rows in [
            vec![],
            vec![vec![1.0, 0.0]],
            vec![vec![1.0, 0.5], vec![0.4, 1.0]],
            vec![vec![1.0, 2.0], vec![2.0, 1.0]],
            vec![vec![f64::NAN]],
        ] {
            assert!(Mahalanobis::of(&rows).is_none(), "{rows:?}");
        }
    }
}
