//! The standard normal law.

use statrs::distribution::{ContinuousCDF, Normal};

/// Its 97.5 % quantile: half the width of a 95 % interval, in standard errors.
pub const Z_975: f64 = 1.959963984540054;

/// The probability of a value as far from 0 as `difference` in units of its standard error, or
/// farther; 1 where there is no error to measure by.
pub fn two_sided_p(difference: f64, standard_error: f64) -> f64 {
    if standard_error > 0.0 {
        2.0 * Normal::standard().sf((difference / standard_error).abs())
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantile_is_that_of_the_law() {
        assert!((Normal::standard().inverse_cdf(0.975) - Z_975).abs() < 1e-14);
    }
}
