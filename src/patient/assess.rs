//! One patient's lesions scored, ranked and compared: what reports and tables are made from.

use serde::Serialize;

use super::heterogeneity::Heterogeneity;
use super::perturbations::measurement_errors;
use super::ranking::{Certainty, Ranking};
use super::uncertainty::{DRAWS, ErrorSource, LEVEL, MeasurementError, ScoreDraws, ScoreInterval};
use crate::error::Result;
use crate::ingest::{Case, Scan};
use crate::row::Row;
use crate::signature::domain::{Flag, FlagCode, Severity};
use crate::signature::model::Model;
use crate::signature::score::{LesionScore, Scorer};

/// A mean shift of the perturbed scores beyond this many of their SDs is said.
const SHIFT: f64 = 1.0;

/// A lesion with its score, interval and place.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AssessedLesion {
    /// The score and its parts.
    #[serde(flatten)]
    pub score: LesionScore,
    /// 95 % interval of the linear predictor, where errors are known.
    pub interval: Option<ScoreInterval>,
    /// The same on the scale of the response.
    pub response_interval: Option<[f64; 2]>,
    /// Probability of a true score above the first cut-off.
    pub p_above_cutoff: Option<f64>,
    /// Rank by score, 1 for the lowest.
    pub rank: usize,
    /// Mean rank over the draws.
    pub expected_rank: Option<f64>,
    /// Probability of being the lowest.
    pub p_lowest: Option<f64>,
    /// Probability of being among the `k` lowest, for `k` from 1.
    pub p_among_lowest: Option<Vec<f64>>,
    /// Perturbed copies that gave a score.
    pub perturbations: usize,
}

/// A lesion without a score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unscored {
    /// The lesion's id.
    pub lesion: String,
    /// Its name, where it has one.
    pub name: Option<String>,
    /// Its site, where it is known.
    pub site: Option<String>,
    /// Tube voltage, kV.
    pub kvp: Option<f64>,
    /// Volume, mL.
    pub volume_ml: Option<f64>,
    /// Why.
    pub reason: String,
}

/// Two lesions whose order is not sure, by id.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// The lesion with the lower score.
    pub lower: String,
    /// The other.
    pub higher: String,
    /// Probability that their true scores are in this order.
    pub p_order: f64,
}

/// How uncertainty was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UncertaintyBasis {
    /// Coverage of the intervals.
    pub level: f64,
    /// Number of draws behind intervals and probabilities.
    pub draws: usize,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Perturbations asked for.
    pub perturbations: usize,
    /// Bootstrap draws of the coefficients in the model.
    pub coefficient_draws: usize,
    /// Whether probabilities use the SD between lesions of a patient in the reference cohort.
    pub posterior: bool,
    /// One sentence for people.
    pub statement: String,
}

/// A patient's lesions, scored, ranked and compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Assessment {
    /// The patient's pseudonymous id.
    pub patient: String,
    /// The scan that the lesions were measured on.
    pub scan: Scan,
    /// What was found, in plain words.
    pub headline: Vec<String>,
    /// The lesions from the lowest score to the highest.
    pub lesions: Vec<AssessedLesion>,
    /// Lesions without a score.
    pub unscored: Vec<Unscored>,
    /// How sure it is which lesion is lowest.
    pub certainty: Certainty,
    /// The fewest lesions that hold the lowest one with a probability of 0.9.
    pub lowest_candidates: Vec<String>,
    /// Pairs that cannot be told apart.
    pub unclear_pairs: Vec<Pair>,
    /// How different the lesions are.
    pub heterogeneity: Heterogeneity,
    /// How uncertainty was found.
    pub uncertainty: UncertaintyBasis,
}

/// How a patient's lesions are assessed. The defaults are those of every report.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct AssessOptions {
    /// Perturbed copies of each lesion from which the measurement error of its score is found; 0
    /// takes the model's reliability instead.
    pub perturbations: usize,
    /// Seed of all random numbers.
    pub seed: u64,
}

impl Default for AssessOptions {
    fn default() -> Self {
        Self { perturbations: 30, seed: 1 }
    }
}

impl AssessOptions {
    /// Perturbed copies of each lesion; 0 takes the model's reliability instead.
    pub fn perturbations(mut self, perturbations: usize) -> Self {
        self.perturbations = perturbations;
        self
    }

    /// Seed of all random numbers.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

/// Scores, ranks and compares the lesions of a case, whose values are `rows`.
///
/// # Errors
/// As [`assess`]; or there are perturbations to do, and the model's plan has a filter that sees the
/// whole image.
pub fn assess_case(
    scorer: &Scorer<'_>,
    case: &Case,
    rows: &[Row],
    options: AssessOptions,
) -> Result<Assessment> {
    if options.perturbations == 0 {
        return assess_rows(scorer, rows, options);
    }
    for row in rows {
        // A covariate that the user can give is asked for before the long part of the work.
        match scorer.score(row) {
            Err(refusal) if refusal.is_request() => return Err(refusal.into()),
            _ => {}
        }
    }
    let plan = scorer.model().plan()?;
    let AssessOptions { perturbations, seed } = options;
    let errors = measurement_errors(case, rows, scorer, plan, perturbations, seed)?;
    assess(scorer, rows, &errors, options)
}

/// Scores, ranks and compares lesions of one patient of which only values are known: measurement
/// errors are the model's own, by volume.
///
/// # Errors
/// As [`assess`].
pub fn assess_rows(
    scorer: &Scorer<'_>,
    rows: &[Row],
    options: AssessOptions,
) -> Result<Assessment> {
    let of = |row: &Row| MeasurementError::from_model(scorer.model(), row.volume_ml);
    let errors: Vec<MeasurementError> = rows.iter().map(of).collect();
    assess(scorer, rows, &errors, options.perturbations(0))
}

/// Scores, ranks and compares the lesions of one patient.
///
/// `errors` holds each lesion's measurement error in the order of `lesions`.
///
/// # Errors
/// A covariate that the user can give is missing or unseen and the model refuses that. Lesions that
/// lack a feature are listed under [`Assessment::unscored`] instead.
///
/// # Panics
/// If `errors` is not as long as `lesions`.
pub fn assess(
    scorer: &Scorer<'_>,
    lesions: &[Row],
    errors: &[MeasurementError],
    options: AssessOptions,
) -> Result<Assessment> {
    assert_eq!(lesions.len(), errors.len(), "one measurement error per lesion");
    let model = scorer.model();
    let mut scored: Vec<(LesionScore, &MeasurementError)> = Vec::new();
    let mut unscored = Vec::new();
    for (lesion, error) in lesions.iter().zip(errors) {
        match scorer.score(lesion) {
            Ok(score) => scored.push((score, error)),
            Err(refusal) if refusal.is_request() => return Err(refusal.into()),
            Err(refusal) => unscored.push(Unscored {
                lesion: lesion.lesion.clone(),
                name: lesion.name.clone(),
                site: lesion.site.clone(),
                kvp: lesion.kvp,
                volume_ml: lesion.volume_ml,
                reason: refusal.to_string(),
            }),
        }
    }
    let own = model.coefficients();
    for (score, error) in &mut scored {
        if let Some(shift) = error.shift(&own, &score.design).filter(|s| s.abs() > SHIFT) {
            score.flags.push(Flag::new(
                FlagCode::PerturbationShift,
                Severity::Caution,
                format!(
                    "Small changes of image and contour move the score to one side (by {shift:+.1} \
                     of their SD); the contour or the image may be unusual."
                ),
            ));
        }
    }
    let pairs: Vec<_> = scored.iter().map(|(score, error)| (score, *error)).collect();
    let draws = ScoreDraws::new(model, &pairs, options.seed);
    let ranking = Ranking::new(&draws);
    let heterogeneity = Heterogeneity::new(model, &pairs, &draws, options.seed);
    let id = |index: usize| scored[index].0.lesion.clone();
    let lowest_candidates: Vec<String> = ranking.candidates.iter().map(|&i| id(i)).collect();
    let unclear_pairs = ranking
        .unclear
        .iter()
        .map(|p| Pair { lower: id(p.lower), higher: id(p.higher), p_order: p.p_order })
        .collect();
    let assessed = assessed(model, &scored, &draws, &ranking);
    let mut assessment = Assessment {
        patient: lesions.first().map(|l| l.patient.clone()).unwrap_or_default(),
        scan: lesions.first().map(|l| l.scan.clone()).unwrap_or_default(),
        headline: Vec::new(),
        lesions: assessed,
        unscored,
        certainty: ranking.certainty,
        lowest_candidates,
        unclear_pairs,
        uncertainty: basis(model, &draws, options),
        heterogeneity,
    };
    assessment.headline = super::words::headline(model, &assessment);
    Ok(assessment)
}

fn assessed(
    model: &Model,
    scored: &[(LesionScore, &MeasurementError)],
    draws: &ScoreDraws,
    ranking: &Ranking,
) -> Vec<AssessedLesion> {
    let intervals = draws.intervals();
    let above = model.cutoffs().first().and_then(|c| {
        // Without any known error a probability would be 0 or 1.
        draws.above(c.linear_predictor())
    });
    ranking
        .places
        .iter()
        .map(|place| {
            let (score, error) = &scored[place.lesion];
            let interval = intervals[place.lesion];
            AssessedLesion {
                score: score.clone(),
                interval,
                response_interval: interval
                    .map(|i| [model.link().response(i.low), model.link().response(i.high)]),
                p_above_cutoff: interval
                    .and_then(|_| above.as_ref().map(|above| above[place.lesion])),
                rank: place.rank,
                expected_rank: place.expected_rank,
                p_lowest: place.p_lowest,
                p_among_lowest: place.p_among_lowest.clone(),
                perturbations: match error {
                    MeasurementError::Perturbations(rows) => rows.len(),
                    _ => 0,
                },
            }
        })
        .collect()
}

fn basis(model: &Model, draws: &ScoreDraws, options: AssessOptions) -> UncertaintyBasis {
    let coefficient_draws = model.bootstrap().map_or(0, |b| b.draws.len());
    let all = |source| draws.sources.iter().all(|s| *s == source);
    let measurement = if draws.sources.is_empty() || all(ErrorSource::Unknown) {
        "measurement error is not known".to_owned()
    } else if all(ErrorSource::Perturbations) {
        format!(
            "measurement error from {} perturbations of image and contour per lesion",
            options.perturbations
        )
    } else if all(ErrorSource::Reliability) {
        "measurement error from the model's reliability by volume, not from this image".to_owned()
    } else {
        "measurement error known for some lesions only".to_owned()
    };
    let of_model = if coefficient_draws > 0 {
        format!("the model's own error from {coefficient_draws} bootstrap fits")
    } else {
        "the model's own error is not known and left out".to_owned()
    };
    UncertaintyBasis {
        level: LEVEL,
        draws: DRAWS,
        seed: options.seed,
        perturbations: options.perturbations,
        coefficient_draws,
        posterior: draws.posterior.is_some(),
        statement: format!("Intervals cover 95 %: {measurement}; {of_model}."),
    }
}
