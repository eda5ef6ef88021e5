//! Variance between and within groups.

/// Variance between and within groups, by the analysis of variance for groups of unequal size
/// (Searle, Casella and McCulloch, Variance Components, 1992, 3.6).
///
/// `groups` are the indices of each group's `values`, every value in one group. `None` for fewer
/// than two groups, no group of two values, or values that do not vary.
pub fn variance_components(values: &[f64], groups: &[Vec<usize>]) -> Option<Components> {
    let (n, k) = (values.len() as f64, groups.len() as f64);
    if groups.len() < 2 || values.len() <= groups.len() {
        return None;
    }
    let grand = values.iter().sum::<f64>() / n;
    let (mut between, mut within, mut squares) = (0.0, 0.0, 0.0);
    for group in groups {
        let size = group.len() as f64;
        let mean = group.iter().map(|i| values[*i]).sum::<f64>() / size;
        between += size * (mean - grand).powi(2);
        within += group.iter().map(|i| (values[*i] - mean).powi(2)).sum::<f64>();
        squares += size * size;
    }
    let (msb, msw) = (between / (k - 1.0), within / (n - k));
    let typical = (n - squares / n) / (k - 1.0);
    let between = ((msb - msw) / typical).max(0.0);
    (between + msw > 0.0).then_some(Components { between, within: msw })
}

/// The two parts of a variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Components {
    /// Variance of the groups' true means.
    pub between: f64,
    /// Variance within a group.
    pub within: f64,
}

impl Components {
    /// Share of the variance that lies between groups, 0 to 1: two values of one group correlate by
    /// this much.
    pub fn share_between(&self) -> f64 {
        self.between / (self.between + self.within)
    }
}
