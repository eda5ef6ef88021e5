//! Net benefit of acting on a prediction, against acting on all or on none.
//!
//! Vickers and Elkin, Med Decis Making 2006, doi:10.1177/0272989X06295361.

/// Net benefit at one threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NetBenefit {
    /// Threshold probability.
    pub threshold: f64,
    /// Acting where the prediction is at or above the threshold.
    pub model: f64,
    /// Acting on all; acting on none is 0.
    pub all: f64,
}

/// Net benefit `TP/n - FP/n * t/(1-t)` at each threshold between 0 and 1.
pub fn decision_curve(
    probability: &[f64],
    positive: &[bool],
    thresholds: &[f64],
) -> Vec<NetBenefit> {
    let n = probability.len() as f64;
    let prevalence = positive.iter().filter(|p| **p).count() as f64 / n;
    thresholds
        .iter()
        .filter(|t| (0.0..1.0).contains(*t))
        .map(|&threshold| {
            let odds = threshold / (1.0 - threshold);
            let above = |class: bool| {
                let chosen = probability.iter().zip(positive);
                chosen.filter(|(p, y)| **p >= threshold && **y == class).count() as f64
            };
            NetBenefit {
                threshold,
                model: above(true) / n - above(false) / n * odds,
                all: prevalence - (1.0 - prevalence) * odds,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: at 0.5 the odds are 1; two of three above are positive of four cases.
    #[test]
    fn net_benefit_by_hand() {
        let p = [0.9, 0.6, 0.5, 0.1];
        let y = [true, true, false, false];
        let at = decision_curve(&p, &y, &[0.5, 0.2])[0];
        assert!((at.model - 0.25).abs() < 1e-15 && at.all.abs() < 1e-15);
    }
}
