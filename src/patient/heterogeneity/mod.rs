//! How different a patient's lesions are, against measurement error and against the reference.
//!
//! All measures are on the scale of the linear predictor. Most of them drift with the number of
//! lesions (the minimum falls, the range grows, the SD of few values is small): each comes with the
//! value expected for *that number of lesions* when drawn from the model's reference cohort. The
//! headline is the Gini mean difference, whose expectation does not depend on the number.

mod feature_distance;
mod measures;

use serde::Serialize;

use super::uncertainty::{MeasurementError, ScoreDraws, interval};
use crate::signature::model::Model;
use crate::signature::score::LesionScore;
use crate::stats::cochran::{NoiseTest, noise_test};
use crate::stats::moments::mean;
use measures::{Context, STATISTICS};

/// One measure of a patient's lesions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measure {
    /// Short name, stable for programs.
    pub id: &'static str,
    /// Name for people.
    pub name: &'static str,
    /// Its value; `None` with the reason in `missing`.
    pub value: Option<f64>,
    /// Why there is no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<&'static str>,
    /// 95 % interval for the lesions' true scores, where errors are known.
    pub interval: Option<[f64; 2]>,
    /// What patients of the reference with as many lesions have.
    pub expected: Option<Expected>,
}

/// A measure among patients of the reference with the same number of lesions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Expected {
    /// Mean.
    pub mean: f64,
    /// 2.5 % and 97.5 % quantile.
    pub range: [f64; 2],
    /// Share of them at or below this patient's value.
    pub percentile: f64,
}

/// What the reference gave, and what it lacks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Basis {
    /// Cohort that expected values come from.
    pub reference: Option<String>,
    /// Whether lesions of one patient were drawn as correlated; without the model's
    /// `patient_share` they are drawn as independent.
    pub correlated: bool,
    /// Whether intervals come from posterior draws; otherwise from reflected measured draws.
    pub posterior: bool,
}

/// How different a patient's lesions are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Heterogeneity {
    /// Number of lesions with a score.
    pub n_lesions: usize,
    /// Said where nothing can be computed: one lesion only.
    pub statement: Option<String>,
    /// The measures, the headline (`gini_mean_difference`) first. Empty for one lesion.
    pub measures: Vec<Measure>,
    /// Test against measurement error, where it is known for every lesion.
    pub noise_test: Option<NoiseTest>,
    /// Where intervals and expected values come from.
    pub basis: Basis,
}

impl Heterogeneity {
    /// The heterogeneity of the lesions of one patient, from the scores and errors that `draws` were
    /// made from.
    pub fn new(
        model: &Model,
        lesions: &[(&LesionScore, &MeasurementError)],
        draws: &ScoreDraws,
        seed: u64,
    ) -> Self {
        let n = lesions.len();
        let reference = model.reference();
        let basis = Basis {
            reference: reference.map(|r| r.cohort.clone()),
            correlated: reference.is_some_and(|r| r.patient_share.is_some()),
            posterior: draws.posterior.is_some(),
        };
        if n < 2 {
            return Self {
                n_lesions: n,
                statement: Some(match n {
                    0 => "No lesion has a score, so that differences cannot be computed.".into(),
                    _ => "One lesion only: differences between lesions cannot be computed.".into(),
                }),
                measures: Vec::new(),
                noise_test: None,
                basis,
            };
        }
        let cutoffs = model.ordered_cutoffs();
        let volumes: Option<Vec<f64>> = lesions.iter().map(|(s, _)| s.volume_ml).collect();
        let context = Context { cutoffs: &cutoffs, volumes: volumes.as_deref() };
        let observed: Vec<f64> = lesions.iter().map(|(s, _)| s.linear_predictor).collect();
        let of_draws = context.of_draws(draws);
        let of_reference = reference.map(|r| context.of_reference(r, n, seed));
        let mut measures: Vec<Measure> = STATISTICS
            .iter()
            .enumerate()
            .map(|(index, statistic)| {
                let value = (statistic.of)(&observed, &context);
                Measure {
                    id: statistic.id,
                    name: statistic.name,
                    value: value.as_ref().ok().copied(),
                    missing: value.as_ref().err().copied(),
                    interval: value.ok().and_then(|value| {
                        let drawn = of_draws.as_ref()?.get(index)?;
                        statistic.interval(value, interval(drawn)?, basis.posterior)
                    }),
                    expected: value
                        .ok()
                        .and_then(|value| Expected::of(value, of_reference.as_ref()?.get(index)?)),
                }
            })
            .collect();
        measures.push(feature_distance::measure(model, lesions, seed));
        let noise_test = noise_test(&observed, &draws.measurement_sd);
        Self { n_lesions: n, statement: None, measures, noise_test, basis }
    }

    /// The Gini mean difference, where there are two lesions or more.
    pub fn headline(&self) -> Option<&Measure> {
        self.measures.first()
    }

    /// A measure by its id.
    pub fn measure(&self, id: &str) -> Option<&Measure> {
        self.measures.iter().find(|m| m.id == id)
    }
}

impl Expected {
    fn of(value: f64, drawn: &[f64]) -> Option<Self> {
        let range = interval(drawn)?;
        let at_or_below = drawn.iter().filter(|v| **v <= value).count();
        Some(Self {
            mean: mean(drawn)?,
            range,
            percentile: at_or_below as f64 / drawn.len() as f64,
        })
    }
}
