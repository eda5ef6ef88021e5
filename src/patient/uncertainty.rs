//! How sure a score is: draws from measurement error and from the model's own coefficients.
//!
//! A draw takes one bootstrap vector of coefficients for *all* lesions of the patient (they share
//! the model's error: drawn one by one, ranks would look less sure than they are) and an own
//! measurement error for each lesion. The measurement error is normal with the covariance of the
//! standardised terms over perturbations of image and mask; because that covariance is itself
//! estimated from `K` perturbations, the error is widened to Student's t with `K - 1` degrees of
//! freedom, which makes the interval of a score exact for normal errors.
//!
//! Two kinds of draws come of it. *Measured* draws spread around the measured score and give its
//! interval. *Posterior* draws also use the SD between lesions of one patient in the reference
//! cohort and pull noisy scores towards the patient's mean: without it, the lowest of several noisy
//! scores would be called the lowest too often (the winner's curse).

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{ChiSquared, Distribution, StandardNormal};
use serde::Serialize;

use crate::signature::model::Model;
use crate::signature::score::{LesionScore, Scorer};
use crate::stats::moments::sd;
use crate::stats::quantile::{of_sorted, sorted};

/// Coverage of all intervals.
pub const LEVEL: f64 = 0.95;
/// Draws that probabilities and intervals are read from; their Monte Carlo error is below 0.008.
pub const DRAWS: usize = 4000;

/// What is known of a lesion's measurement error.
#[derive(Clone, Debug, PartialEq)]
pub enum MeasurementError {
    /// Standardised image terms under perturbations of image and mask, one row per perturbation.
    Perturbations(Vec<Vec<f64>>),
    /// SD of the linear predictor for lesions of this volume, from the model file.
    Reliability(f64),
    /// Nothing.
    Unknown,
}

/// Where a lesion's measurement error comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorSource {
    /// Perturbations of this image and mask.
    Perturbations,
    /// The model's reliability for this volume.
    Reliability,
    /// Not known: the interval holds the model's error only, or there is none.
    Unknown,
}

impl MeasurementError {
    /// The error of a lesion of this volume without perturbations.
    pub fn from_model(model: &Model, volume_ml: Option<f64>) -> Self {
        let sd = model.reliability().zip(volume_ml).and_then(|(r, v)| r.sd_at(v));
        sd.map_or(Self::Unknown, Self::Reliability)
    }

    /// Where it comes from.
    pub fn source(&self) -> ErrorSource {
        match self {
            Self::Perturbations(rows) if rows.len() > 1 => ErrorSource::Perturbations,
            Self::Reliability(_) => ErrorSource::Reliability,
            _ => ErrorSource::Unknown,
        }
    }

    /// SD of the linear predictor under these coefficients (intercept first, then the terms).
    pub fn score_sd(&self, coefficients: &[f64]) -> Option<f64> {
        match self {
            Self::Perturbations(rows) if rows.len() > 1 => {
                let scores: Vec<f64> =
                    rows.iter().map(|row| Scorer::predict(&coefficients[1..], row)).collect();
                sd(&scores)
            }
            Self::Reliability(sd) => Some(*sd),
            _ => None,
        }
    }

    /// Mean shift of the score under perturbation, in units of its SD.
    pub fn shift(&self, coefficients: &[f64], design: &[f64]) -> Option<f64> {
        let Self::Perturbations(rows) = self else { return None };
        let sd = self.score_sd(coefficients).filter(|sd| *sd > 0.0)?;
        let terms = rows.first()?.len();
        let own = Scorer::predict(&coefficients[1..=terms], &design[1..=terms]);
        let mean = rows.iter().map(|r| Scorer::predict(&coefficients[1..], r)).sum::<f64>()
            / rows.len() as f64;
        Some((mean - own) / sd)
    }

    fn degrees_of_freedom(&self) -> Option<f64> {
        match self {
            Self::Perturbations(rows) if rows.len() > 1 => Some(rows.len() as f64 - 1.0),
            _ => None,
        }
    }
}

/// Draws of all lesions' linear predictors.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreDraws {
    /// The scores themselves, one per lesion.
    pub scores: Vec<f64>,
    /// Measurement SD of each lesion's score, where known.
    pub measurement_sd: Vec<Option<f64>>,
    /// Where the measurement error comes from.
    pub sources: Vec<ErrorSource>,
    /// Whether the model's own error is part of the draws.
    pub with_model_error: bool,
    /// Draws around the measured scores: `measured[lesion][draw]`. Empty where neither measurement
    /// nor model error is known.
    pub measured: Vec<Vec<f64>>,
    /// Posterior draws, where the model's reference gives the SD between lesions of a patient and
    /// every lesion's measurement error is known.
    pub posterior: Option<Vec<Vec<f64>>>,
}

/// A score's interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ScoreInterval {
    /// Lower end, linear predictor.
    pub low: f64,
    /// Upper end, linear predictor.
    pub high: f64,
    /// SD of the draws.
    pub sd: f64,
    /// The part of the SD that is measurement error.
    pub measurement_sd: Option<f64>,
    /// Where the measurement error comes from.
    pub source: ErrorSource,
}

impl ScoreDraws {
    /// Draws for the lesions of one patient. The same seed gives the same draws, and a lesion's own
    /// errors do not depend on how many lesions follow it.
    pub fn new(model: &Model, lesions: &[(&LesionScore, &MeasurementError)], seed: u64) -> Self {
        Self::with(model, lesions, DRAWS, seed)
    }

    /// The same with another number of draws.
    pub fn with(
        model: &Model,
        lesions: &[(&LesionScore, &MeasurementError)],
        n_draws: usize,
        seed: u64,
    ) -> Self {
        let own = model.coefficients();
        let coefficients = coefficient_draws(model);
        let errors: Vec<_> = lesions.iter().map(|(_, error)| *error).collect();
        let measurement_sd: Vec<_> = errors.iter().map(|e| e.score_sd(&own)).collect();
        let with_model_error = !coefficients.is_empty();
        let mut draws = Self {
            scores: lesions.iter().map(|(score, _)| score.linear_predictor).collect(),
            sources: errors.iter().map(|e| e.source()).collect(),
            with_model_error,
            measured: Vec::new(),
            posterior: None,
            measurement_sd,
        };
        if !with_model_error && draws.measurement_sd.iter().all(Option::is_none) {
            return draws;
        }
        // One row per bootstrap draw (one for the model itself): each lesion's score and its
        // measurement SD under these coefficients.
        let rows: Vec<Vec<(f64, f64)>> =
            if coefficients.is_empty() { vec![own] } else { coefficients }
                .iter()
                .map(|b| {
                    let of = |(score, error): &(&LesionScore, &MeasurementError)| {
                        let sd = error.score_sd(b).unwrap_or(0.0);
                        (Scorer::predict(b, &score.design), sd)
                    };
                    lesions.iter().map(of).collect()
                })
                .collect();
        let within = model.reference().and_then(|r| r.within_patient_sd);
        let known = draws.measurement_sd.iter().all(Option::is_some);
        let mut sampler = Sampler::new(&errors, seed);
        let mut measured = vec![Vec::with_capacity(n_draws); lesions.len()];
        let mut posterior = vec![Vec::with_capacity(n_draws); lesions.len()];
        for _ in 0..n_draws {
            let row = &rows[sampler.shared.gen_range(0..rows.len())];
            let drawn = sampler.draw(row);
            for (lesion, one) in measured.iter_mut().zip(&drawn) {
                lesion.push(one.score + one.sd * one.normal);
            }
            if let Some(within) = within.filter(|_| known) {
                let scores = posterior_draw(&drawn, within, &mut sampler.shared);
                for (lesion, score) in posterior.iter_mut().zip(scores) {
                    lesion.push(score);
                }
            }
        }
        draws.measured = measured;
        draws.posterior = within.filter(|_| known).map(|_| posterior);
        draws
    }

    /// The draws that probabilities are read from: posterior where there, measured otherwise.
    pub fn best(&self) -> &[Vec<f64>] {
        self.posterior.as_deref().unwrap_or(&self.measured)
    }

    /// Each lesion's interval at [`LEVEL`]; `None` where nothing is known of its error.
    pub fn intervals(&self) -> Vec<Option<ScoreInterval>> {
        (0..self.scores.len())
            .map(|i| {
                if !self.with_model_error && self.measurement_sd[i].is_none() {
                    return None;
                }
                let [low, high] = interval(self.measured.get(i)?)?;
                Some(ScoreInterval {
                    low,
                    high,
                    sd: sd(&self.measured[i])?,
                    measurement_sd: self.measurement_sd[i],
                    source: self.sources[i],
                })
            })
            .collect()
    }

    /// Each lesion's probability of a score above `cutoff`.
    pub fn above(&self, cutoff: f64) -> Option<Vec<f64>> {
        if self.best().is_empty() {
            return None;
        }
        let share = |draws: &Vec<f64>| {
            draws.iter().filter(|s| **s > cutoff).count() as f64 / draws.len() as f64
        };
        Some(self.best().iter().map(share).collect())
    }
}

/// The central interval of draws at [`LEVEL`].
pub(crate) fn interval(draws: &[f64]) -> Option<[f64; 2]> {
    if draws.len() < 2 {
        return None;
    }
    let sorted = sorted(draws);
    let tail = 0.5 * (1.0 - LEVEL);
    Some([of_sorted(&sorted, tail)?, of_sorted(&sorted, 1.0 - tail)?])
}

/// The bootstrap draws moved so that their mean is the model: a penalised fit to a resample selects
/// other terms, and the mean of such fits is not the model that is scored with.
fn coefficient_draws(model: &Model) -> Vec<Vec<f64>> {
    let Some(bootstrap) = model.bootstrap() else { return Vec::new() };
    let own = model.coefficients();
    let n = bootstrap.draws.len() as f64;
    let mean: Vec<f64> =
        (0..own.len()).map(|j| bootstrap.draws.iter().map(|row| row[j]).sum::<f64>() / n).collect();
    let centred = |row: &Vec<f64>| (0..own.len()).map(|j| own[j] + row[j] - mean[j]).collect();
    bootstrap.draws.iter().map(centred).collect()
}

/// One lesion in one draw.
struct Drawn {
    score: f64,
    /// Measurement SD, itself drawn.
    sd: f64,
    normal: f64,
}

/// Random numbers: one stream for what lesions share, and one for each lesion.
struct Sampler {
    shared: ChaCha8Rng,
    /// With the law of the estimated variance and its degrees of freedom.
    own: Vec<(ChaCha8Rng, Option<(ChiSquared<f64>, f64)>)>,
}

impl Sampler {
    fn new(errors: &[&MeasurementError], seed: u64) -> Self {
        let stream = |number: u64| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(number);
            rng
        };
        let own = errors.iter().zip(1..).map(|(error, number)| {
            let spread =
                error.degrees_of_freedom().and_then(|df| Some((ChiSquared::new(df).ok()?, df)));
            (stream(number), spread)
        });
        Self { shared: stream(0), own: own.collect() }
    }

    fn draw(&mut self, row: &[(f64, f64)]) -> Vec<Drawn> {
        self.own
            .iter_mut()
            .zip(row)
            .map(|((rng, spread), &(score, sd))| {
                let normal: f64 = StandardNormal.sample(rng);
                let widening = spread.map_or(1.0, |(law, df)| (df / law.sample(rng)).sqrt());
                Drawn { score, sd: sd * widening, normal }
            })
            .collect()
    }
}

/// A draw of the true scores given the measured ones: measurement errors normal, lesions of a
/// patient normal around the patient's mean with SD `within`, the mean unknown (flat prior).
fn posterior_draw(drawn: &[Drawn], within: f64, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let between = within * within;
    let weights: Vec<f64> = drawn.iter().map(|d| 1.0 / (between + d.sd * d.sd)).collect();
    let total: f64 = weights.iter().sum();
    let mean = weights.iter().zip(drawn).map(|(w, d)| w * d.score).sum::<f64>() / total;
    let normal: f64 = StandardNormal.sample(rng);
    let mean = mean + normal / total.sqrt();
    drawn
        .iter()
        .map(|d| {
            let kept = between / (between + d.sd * d.sd);
            kept * d.score + (1.0 - kept) * mean + kept.sqrt() * d.sd * d.normal
        })
        .collect()
}
