//! The area under the ROC curve with its variance: DeLong's for independent cases, Obuchowski's for
//! lesions that cluster in patients.
//!
//! DeLong, DeLong and Clarke-Pearson, Biometrics 1988, doi:10.2307/2531595, by midranks after Sun
//! and Xu, IEEE Signal Process Lett 2014, doi:10.1109/LSP.2014.2337313. Obuchowski, Biometrics 1997,
//! doi:10.2307/2533958.

use std::collections::BTreeMap;

use super::normal::{Z_975, two_sided_p};
use super::ranks::midranks;

/// An area under the ROC curve with its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Auc {
    /// The area, 0 to 1.
    pub value: f64,
    /// Standard error.
    pub standard_error: f64,
}

impl Auc {
    /// The 95 % interval, symmetric as pROC gives it, cut at 0 and 1.
    pub fn interval(&self) -> [f64; 2] {
        let half = Z_975 * self.standard_error;
        [(self.value - half).max(0.0), (self.value + half).min(1.0)]
    }

    /// The 95 % interval that is symmetric in the logit of the area. It stays between 0 and 1, and
    /// covers nominally where the symmetric one falls short, near 1 and with few clusters
    /// (Pepe, The Statistical Evaluation of Medical Tests, 2003, 5.2.4). An area of 0 or 1, whose
    /// logit is infinite, has the symmetric one.
    pub fn logit_interval(&self) -> [f64; 2] {
        let odds = self.value / (1.0 - self.value);
        if !(odds > 0.0 && odds.is_finite()) {
            return self.interval();
        }
        let half = Z_975 * self.standard_error / (self.value * (1.0 - self.value));
        let back = |logit: f64| 1.0 / (1.0 + (-logit).exp());
        [back(odds.ln() - half), back(odds.ln() + half)]
    }
}

/// Two areas on the same cases.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// First area minus second.
    pub difference: f64,
    /// Standard error of the difference.
    pub standard_error: f64,
    /// Two-sided p value; 1 where the two scores rank alike.
    pub p: f64,
}

/// Structural components: for each case, the share of cases of the other class it beats.
struct Components {
    area: f64,
    /// One per case, in the order given; for a negative case the share of positives above it.
    share: Vec<f64>,
}

fn components(scores: &[f64], positive: &[bool]) -> Option<Components> {
    let m = positive.iter().filter(|p| **p).count();
    let n = positive.len() - m;
    if m == 0 || n == 0 || scores.len() != positive.len() || scores.iter().any(|s| s.is_nan()) {
        return None;
    }
    let all = midranks(scores);
    let of = |class: bool| -> Vec<f64> {
        let chosen: Vec<f64> =
            scores.iter().zip(positive).filter(|(_, p)| **p == class).map(|(s, _)| *s).collect();
        midranks(&chosen)
    };
    let (mut own_positive, mut own_negative) = (of(true).into_iter(), of(false).into_iter());
    let share: Vec<f64> = all
        .iter()
        .zip(positive)
        .map(|(rank, positive)| {
            if *positive {
                (rank - own_positive.next().unwrap_or(0.0)) / n as f64
            } else {
                1.0 - (rank - own_negative.next().unwrap_or(0.0)) / m as f64
            }
        })
        .collect();
    let sum: f64 = share.iter().zip(positive).filter(|(_, p)| **p).map(|(s, _)| s).sum();
    Some(Components { area: sum / m as f64, share })
}

/// The area alone: the probability that a positive case scores above a negative one, ties counting
/// half. `None` unless both classes are present and every score is a number.
pub fn area(scores: &[f64], positive: &[bool]) -> Option<f64> {
    components(scores, positive).map(|c| c.area)
}

/// The area with DeLong's standard error, for independent cases. `None` unless both classes have
/// two cases.
pub fn delong(scores: &[f64], positive: &[bool]) -> Option<Auc> {
    let clusters: Vec<usize> = (0..scores.len()).collect();
    clustered(scores, positive, &clusters)
}

/// The area with Obuchowski's standard error, where cases of one cluster (a patient) depend on each
/// other. With one case per cluster it is DeLong's. `None` unless each class is present in two
/// clusters.
pub fn clustered<C: Ord>(scores: &[f64], positive: &[bool], clusters: &[C]) -> Option<Auc> {
    let c = components(scores, positive)?;
    let deviation: Vec<f64> = c.share.iter().map(|s| s - c.area).collect();
    let variance = variance(&deviation, positive, clusters)?;
    Some(Auc { value: c.area, standard_error: variance.max(0.0).sqrt() })
}

/// Whether one score discriminates better than another on the same cases, clustered or not.
pub fn compare<C: Ord>(
    first: &[f64],
    second: &[f64],
    positive: &[bool],
    clusters: &[C],
) -> Option<Comparison> {
    let (a, b) = (components(first, positive)?, components(second, positive)?);
    let deviation: Vec<f64> =
        a.share.iter().zip(&b.share).map(|(one, two)| (one - a.area) - (two - b.area)).collect();
    let difference = a.area - b.area;
    let standard_error = variance(&deviation, positive, clusters)?.max(0.0).sqrt();
    Some(Comparison { difference, standard_error, p: two_sided_p(difference, standard_error) })
}

fn variance<C: Ord>(deviation: &[f64], positive: &[bool], clusters: &[C]) -> Option<f64> {
    let mut sums: BTreeMap<&C, (Option<f64>, Option<f64>)> = BTreeMap::new();
    for ((d, positive), cluster) in deviation.iter().zip(positive).zip(clusters) {
        let entry = sums.entry(cluster).or_default();
        let side = if *positive { &mut entry.0 } else { &mut entry.1 };
        *side = Some(side.unwrap_or(0.0) + d);
    }
    let m = positive.iter().filter(|p| **p).count() as f64;
    let n = positive.len() as f64 - m;
    let with_positive: Vec<f64> = sums.values().filter_map(|s| s.0).collect();
    let with_negative: Vec<f64> = sums.values().filter_map(|s| s.1).collect();
    if with_positive.len() < 2 || with_negative.len() < 2 {
        return None;
    }
    let inflate = |k: usize| k as f64 / (k as f64 - 1.0);
    let squares = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>() * inflate(v.len());
    let cross: f64 = sums.values().filter_map(|s| Some(s.0? * s.1?)).sum();
    let s10 = squares(&with_positive) / (m * m);
    let s01 = squares(&with_negative) / (n * n);
    Some(s10 + s01 + 2.0 * cross * inflate(sums.len()) / (m * n))
}

/// Points of the ROC curve from (0, 0) to (1, 1): share of negatives and of positives above each
/// threshold.
pub fn roc(scores: &[f64], positive: &[bool]) -> Vec<[f64; 2]> {
    let m = positive.iter().filter(|p| **p).count().max(1) as f64;
    let n = positive.iter().filter(|p| !**p).count().max(1) as f64;
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let (mut tp, mut fp) = (0.0, 0.0);
    let mut points = vec![[0.0, 0.0]];
    for (at, index) in order.iter().enumerate() {
        if positive[*index] {
            tp += 1.0
        } else {
            fp += 1.0
        }
        let next = order.get(at + 1).map(|i| scores[*i]);
        if next != Some(scores[*index]) {
            points.push([fp / n, tp / m]);
        }
    }
    points
}

/// Midway between the two scores around the threshold of largest sensitivity plus specificity
/// (Youden, Cancer 1950); the first score where all are alike, `None` where there is none.
pub fn youden(scores: &[f64], positive: &[bool]) -> Option<f64> {
    let m = positive.iter().filter(|p| **p).count() as f64;
    let n = positive.len() as f64 - m;
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let (mut below_positive, mut below_negative) = (0.0, 0.0);
    let mut best: Option<(f64, f64)> = None;
    for pair in order.windows(2) {
        if positive[pair[0]] {
            below_positive += 1.0
        } else {
            below_negative += 1.0
        }
        let (low, high) = (scores[pair[0]], scores[pair[1]]);
        let index = below_negative / n - below_positive / m;
        if low < high && best.is_none_or(|b| index > b.0) {
            best = Some((index, 0.5 * (low + high)));
        }
    }
    best.map(|b| b.1).or_else(|| scores.first().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Closed form: copying every lesion k times within its patient tells nothing new, so the
    /// clustered error is that of one lesion per patient; DeLong's shrinks by sqrt(k) and is wrong.
    #[test]
    fn copies_within_a_patient_do_not_shrink_the_error() {
        let scores = [0.1, 0.4, 0.35, 0.8, 0.7, 0.2, 0.9, 0.5];
        let positive = [false, false, true, true, true, false, true, false];
        let one = delong(&scores, &positive).expect("both classes");
        let copy = |k: usize| -> (Vec<f64>, Vec<bool>, Vec<usize>) {
            let index: Vec<usize> = (0..8 * k).map(|i| i / k).collect();
            (
                index.iter().map(|i| scores[*i]).collect(),
                index.iter().map(|i| positive[*i]).collect(),
                index,
            )
        };
        let (s, p, c) = copy(5);
        let five = clustered(&s, &p, &c).expect("both classes");
        assert!((five.value - one.value).abs() < 1e-15);
        assert!((five.standard_error - one.standard_error).abs() < 1e-15);
        assert!(delong(&s, &p).expect("both classes").standard_error < 0.6 * one.standard_error);
    }

    #[test]
    fn one_class_has_no_area() {
        assert_eq!(area(&[1.0, 2.0], &[true, true]), None);
        assert_eq!(area(&[1.0, f64::NAN], &[true, false]), None);
        assert_eq!(area(&[1.0, 1.0], &[true, false]), Some(0.5));
    }
}
