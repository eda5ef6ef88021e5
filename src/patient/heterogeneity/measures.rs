//! The measures that are functions of a patient's scores, and what they are expected to be.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use statrs::distribution::{ContinuousCDF, Normal};

use crate::patient::uncertainty::ScoreDraws;
use crate::signature::file::Reference;
use crate::stats::moments::{gini_mean_difference, mean, sd};
use crate::stats::quantile::quantile;

/// Patients drawn from the reference for the expected values.
const REFERENCE_PATIENTS: usize = 4000;
/// Stream of the random numbers of the reference, apart from those of the score draws.
const REFERENCE_STREAM: u64 = 1 << 40;

/// Everything besides the scores that a statistic needs.
pub(super) struct Context<'a> {
    pub(super) cutoffs: &'a [f64],
    pub(super) volumes: Option<&'a [f64]>,
}

/// A value, or why there is none.
type Statistical = Result<f64, &'static str>;

/// Never shown: a patient with fewer than two scores has no measures at all.
const NO_SCORES: &str = "there are fewer than two scores";

pub(super) struct Statistic {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    /// Location measures may be negative; dispersions and entropies may not.
    dispersion: bool,
    pub(super) of: fn(&[f64], &Context<'_>) -> Statistical,
}

/// In the order of the report.
pub(super) const STATISTICS: [Statistic; 11] = [
    Statistic {
        id: "gini_mean_difference",
        name: "Gini mean difference",
        dispersion: true,
        of: |s, _| Ok(gini_mean_difference(s)),
    },
    Statistic {
        id: "standard_deviation",
        name: "Standard deviation",
        dispersion: true,
        of: |s, _| sd(s).ok_or(NO_SCORES),
    },
    Statistic {
        id: "range",
        name: "Range",
        dispersion: true,
        of: |s, _| Ok(at(s, 1.0)? - at(s, 0.0)?),
    },
    Statistic {
        id: "interquartile_range",
        name: "Interquartile range",
        dispersion: true,
        of: |s, _| Ok(at(s, 0.75)? - at(s, 0.25)?),
    },
    Statistic {
        id: "category_entropy",
        name: "Entropy of score classes (bits)",
        dispersion: true,
        of: category_entropy,
    },
    Statistic { id: "minimum", name: "Minimum", dispersion: false, of: |s, _| at(s, 0.0) },
    Statistic { id: "median", name: "Median", dispersion: false, of: |s, _| at(s, 0.5) },
    Statistic { id: "maximum", name: "Maximum", dispersion: false, of: |s, _| at(s, 1.0) },
    Statistic { id: "mean", name: "Mean", dispersion: false, of: |s, _| mean(s).ok_or(NO_SCORES) },
    Statistic {
        id: "volume_weighted_mean",
        name: "Volume-weighted mean",
        dispersion: false,
        of: volume_weighted_mean,
    },
    Statistic {
        id: "low_share",
        name: "Share of lesions at or below the first cut-off",
        dispersion: true,
        of: low_share,
    },
];

impl Statistic {
    /// Posterior draws give the interval as it is. Draws around measured scores carry the
    /// measurement error a second time and are wider and, for dispersions, higher than the truth:
    /// reflecting them at the measured value (basic bootstrap interval) moves them back.
    pub(super) fn interval(
        &self,
        value: f64,
        drawn: [f64; 2],
        posterior: bool,
    ) -> Option<[f64; 2]> {
        let [low, high] =
            if posterior { drawn } else { [2.0 * value - drawn[1], 2.0 * value - drawn[0]] };
        let floor = if self.dispersion { 0.0 } else { f64::NEG_INFINITY };
        let ceiling = if self.id == "low_share" { 1.0 } else { f64::INFINITY };
        Some([low.clamp(floor, ceiling), high.clamp(floor, ceiling)])
    }
}

impl Context<'_> {
    /// Each statistic's values over the draws; `None` where there are no draws.
    pub(super) fn of_draws(&self, draws: &ScoreDraws) -> Option<Vec<Vec<f64>>> {
        let drawn = draws.best();
        let n_draws = drawn.first()?.len();
        let patients = (0..n_draws).map(|d| drawn.iter().map(|lesion| lesion[d]).collect());
        Some(self.over(patients))
    }

    /// Each statistic's values over patients with `n` lesions drawn from the reference: Gaussian
    /// copula over the reference's quantiles, correlation the share of variance between patients.
    pub(super) fn of_reference(&self, reference: &Reference, n: usize, seed: u64) -> Vec<Vec<f64>> {
        let share = reference.patient_share.unwrap_or(0.0);
        let (between, within) = (share.sqrt(), (1.0 - share).sqrt());
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(REFERENCE_STREAM);
        let law = Normal::standard();
        self.over((0..REFERENCE_PATIENTS).map(|_| {
            let patient: f64 = StandardNormal.sample(&mut rng);
            (0..n)
                .map(|_| {
                    let lesion: f64 = StandardNormal.sample(&mut rng);
                    reference.quantiles.at(law.cdf(between * patient + within * lesion))
                })
                .collect()
        }))
    }

    fn over(&self, patients: impl Iterator<Item = Vec<f64>>) -> Vec<Vec<f64>> {
        let mut values = vec![Vec::new(); STATISTICS.len()];
        for scores in patients {
            for (list, statistic) in values.iter_mut().zip(&STATISTICS) {
                if let Ok(value) = (statistic.of)(&scores, self) {
                    list.push(value);
                }
            }
        }
        values
    }
}

fn at(scores: &[f64], p: f64) -> Statistical {
    quantile(scores, p).ok_or(NO_SCORES)
}

/// Shannon entropy, in bits, of the classes that the model's cut-offs make.
fn category_entropy(scores: &[f64], context: &Context<'_>) -> Statistical {
    if context.cutoffs.is_empty() {
        return Err("the model has no cut-off");
    }
    let mut counts = vec![0usize; context.cutoffs.len() + 1];
    for score in scores {
        counts[context.cutoffs.iter().filter(|c| score > c).count()] += 1;
    }
    let n = scores.len() as f64;
    let entropy = counts.iter().filter(|c| **c > 0).map(|&c| {
        let p = c as f64 / n;
        -p * p.log2()
    });
    // The sum of one class is -0.
    Ok(entropy.sum::<f64>().max(0.0))
}

fn low_share(scores: &[f64], context: &Context<'_>) -> Statistical {
    let first = context.cutoffs.first().ok_or("the model has no cut-off")?;
    Ok(scores.iter().filter(|s| *s <= first).count() as f64 / scores.len() as f64)
}

fn volume_weighted_mean(scores: &[f64], context: &Context<'_>) -> Statistical {
    let volumes = context.volumes.ok_or("the volume of a lesion is not known")?;
    let total: f64 = volumes.iter().sum();
    if total <= 0.0 {
        return Err("the lesions have no volume");
    }
    Ok(scores.iter().zip(volumes).map(|(s, v)| s * v).sum::<f64>() / total)
}
