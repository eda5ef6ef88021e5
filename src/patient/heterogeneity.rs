//! How different a patient's lesions are, against measurement error and against the reference.
//!
//! All measures are on the scale of the linear predictor. Most of them drift with the number of
//! lesions (the minimum falls, the range grows, the SD of few values is small): each comes with the
//! value expected for *that number of lesions* when drawn from the model's reference cohort. The
//! headline is the Gini mean difference, whose expectation does not depend on the number.

use nalgebra::DVector;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::Serialize;
use statrs::distribution::{ChiSquared, ContinuousCDF, Normal};

use super::uncertainty::{MeasurementError, ScoreDraws, interval};
use crate::signature::model::{Model, Reference, quantile};
use crate::signature::score::LesionScore;

/// Patients drawn from the reference for the expected values.
const REFERENCE_PATIENTS: usize = 4000;
/// Stream of the random numbers of the reference, apart from those of the score draws.
const REFERENCE_STREAM: u64 = 1 << 40;
/// Stream of those of the distance in feature space.
const DISTANCE_STREAM: u64 = 1 << 41;
/// Draws of that distance, each of which compares all pairs of lesions.
const DISTANCE_DRAWS: usize = 1000;

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

/// Whether the scores differ by more than measurement error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct NoiseTest {
    /// Cochran's Q.
    pub q: f64,
    /// Its degrees of freedom, the number of lesions less one; also Q's expected value where only
    /// measurement error differs.
    pub degrees_of_freedom: usize,
    /// 95 % interval of Q where only measurement error differs.
    pub q_under_error_alone: [f64; 2],
    /// Probability of a Q this large or larger where only measurement error differs.
    pub p: f64,
    /// I², the share of the variance that is not measurement error, 0 to 1.
    pub i_squared: f64,
    /// Its 95 % interval (Higgins and Thompson 2002, doi:10.1002/sim.1186, from the SE of ln H).
    pub i_squared_interval: [f64; 2],
    /// SD between lesions without measurement error (DerSimonian and Laird 1986).
    pub tau: f64,
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
        let reference = model.reference.as_ref();
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
        measures.push(feature_distance(model, lesions, seed));
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

/// Everything besides the scores that a statistic needs.
struct Context<'a> {
    cutoffs: &'a [f64],
    volumes: Option<&'a [f64]>,
}

type Statistical = Result<f64, &'static str>;

struct Statistic {
    id: &'static str,
    name: &'static str,
    /// Location measures may be negative; dispersions and entropies may not.
    dispersion: bool,
    of: fn(&[f64], &Context<'_>) -> Statistical,
}

/// In the order of the report.
const STATISTICS: [Statistic; 11] = [
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
        of: |s, _| Ok(standard_deviation(s)),
    },
    Statistic {
        id: "range",
        name: "Range",
        dispersion: true,
        of: |s, _| Ok(at(s, 1.0) - at(s, 0.0)),
    },
    Statistic {
        id: "interquartile_range",
        name: "Interquartile range",
        dispersion: true,
        of: |s, _| Ok(at(s, 0.75) - at(s, 0.25)),
    },
    Statistic {
        id: "category_entropy",
        name: "Entropy of score classes (bits)",
        dispersion: true,
        of: category_entropy,
    },
    Statistic { id: "minimum", name: "Minimum", dispersion: false, of: |s, _| Ok(at(s, 0.0)) },
    Statistic { id: "median", name: "Median", dispersion: false, of: |s, _| Ok(at(s, 0.5)) },
    Statistic { id: "maximum", name: "Maximum", dispersion: false, of: |s, _| Ok(at(s, 1.0)) },
    Statistic { id: "mean", name: "Mean", dispersion: false, of: |s, _| Ok(mean(s)) },
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
    fn interval(&self, value: f64, drawn: [f64; 2], posterior: bool) -> Option<[f64; 2]> {
        let [low, high] =
            if posterior { drawn } else { [2.0 * value - drawn[1], 2.0 * value - drawn[0]] };
        let floor = if self.dispersion { 0.0 } else { f64::NEG_INFINITY };
        let ceiling = if self.id == "low_share" { 1.0 } else { f64::INFINITY };
        Some([low.clamp(floor, ceiling), high.clamp(floor, ceiling)])
    }
}

impl Context<'_> {
    /// Each statistic's values over the draws; `None` where there are no draws.
    fn of_draws(&self, draws: &ScoreDraws) -> Option<Vec<Vec<f64>>> {
        let drawn = draws.best();
        let n_draws = drawn.first()?.len();
        let patients = (0..n_draws).map(|d| drawn.iter().map(|lesion| lesion[d]).collect());
        Some(self.over(patients))
    }

    /// Each statistic's values over patients with `n` lesions drawn from the reference: Gaussian
    /// copula over the reference's quantiles, correlation the share of variance between patients.
    fn of_reference(&self, reference: &Reference, n: usize, seed: u64) -> Vec<Vec<f64>> {
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

impl Expected {
    fn of(value: f64, drawn: &[f64]) -> Option<Self> {
        let range = interval(drawn)?;
        let at_or_below = drawn.iter().filter(|v| **v <= value).count();
        Some(Self { mean: mean(drawn), range, percentile: at_or_below as f64 / drawn.len() as f64 })
    }
}

/// Arithmetic mean.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Sample standard deviation (divisor n - 1).
pub fn standard_deviation(values: &[f64]) -> f64 {
    let centre = mean(values);
    let squares: f64 = values.iter().map(|v| (v - centre).powi(2)).sum();
    (squares / (values.len() as f64 - 1.0)).sqrt()
}

/// Mean absolute difference of all pairs of two different lesions, for two or more values. Its
/// expectation is that of two random lesions, whatever their number.
pub fn gini_mean_difference(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    // Sum over pairs of the higher less the lower: value i is higher in i pairs, lower in n-1-i.
    let sum: f64 = sorted.iter().zip(0u32..).map(|(v, i)| v * (2.0 * f64::from(i) - n + 1.0)).sum();
    sum / (n * (n - 1.0) / 2.0)
}

fn at(values: &[f64], p: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    quantile(&sorted, p)
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

/// Cochran's Q against the measurement SDs; `None` where one is unknown or 0.
pub fn noise_test(scores: &[f64], measurement_sd: &[Option<f64>]) -> Option<NoiseTest> {
    let sd: Vec<f64> =
        measurement_sd.iter().copied().collect::<Option<Vec<_>>>().filter(|v| v.len() > 1)?;
    if sd.iter().any(|sd| *sd <= 0.0) {
        return None;
    }
    let weights: Vec<f64> = sd.iter().map(|sd| 1.0 / (sd * sd)).collect();
    let total: f64 = weights.iter().sum();
    let centre = weights.iter().zip(scores).map(|(w, s)| w * s).sum::<f64>() / total;
    let q: f64 = weights.iter().zip(scores).map(|(w, s)| w * (s - centre).powi(2)).sum();
    let degrees_of_freedom = scores.len() - 1;
    let df = degrees_of_freedom as f64;
    let law = ChiSquared::new(df).ok()?;
    let squares: f64 = weights.iter().map(|w| w * w).sum();
    let tau_squared = ((q - df) / (total - squares / total)).max(0.0);
    Some(NoiseTest {
        q,
        degrees_of_freedom,
        q_under_error_alone: [law.inverse_cdf(0.025), law.inverse_cdf(0.975)],
        p: law.sf(q),
        i_squared: i_squared(q, df),
        i_squared_interval: i_squared_interval(q, df),
        tau: tau_squared.sqrt(),
    })
}

fn i_squared(q: f64, df: f64) -> f64 {
    if q > 0.0 { ((q - df) / q).max(0.0) } else { 0.0 }
}

/// The test-based interval: ln H is taken as normal, H² = Q / df.
fn i_squared_interval(q: f64, df: f64) -> [f64; 2] {
    if q <= 0.0 {
        return [0.0, i_squared_of_h(1.96 * se_small_q(df))];
    }
    let ln_h = 0.5 * (q / df).ln();
    let se = if q > df + 1.0 {
        0.5 * (q.ln() - df.ln()) / ((2.0 * q).sqrt() - (2.0 * df - 1.0).sqrt())
    } else {
        se_small_q(df)
    };
    let half = Normal::standard().inverse_cdf(0.975) * se;
    [i_squared_of_h(ln_h - half), i_squared_of_h(ln_h + half)]
}

/// Standard error of ln H for Q at or below the number of lesions. Its formula has no value at
/// df = 1, where the asymptotic `1 / sqrt(2 df)` takes its place.
fn se_small_q(df: f64) -> f64 {
    let k = df + 1.0;
    if k > 2.0 {
        (1.0 / (2.0 * (k - 2.0)) * (1.0 - 1.0 / (3.0 * (k - 2.0).powi(2)))).sqrt()
    } else {
        (1.0 / (2.0 * df)).sqrt()
    }
}

fn i_squared_of_h(ln_h: f64) -> f64 {
    (1.0 - (-2.0 * ln_h).exp()).clamp(0.0, 1.0)
}

/// Mean Mahalanobis distance of all pairs of lesions in the space of the model's image terms, by the
/// reference's covariance.
fn feature_distance(
    model: &Model,
    lesions: &[(&LesionScore, &MeasurementError)],
    seed: u64,
) -> Measure {
    let mut measure = Measure {
        id: "feature_distance",
        name: "Distance between lesions in feature space",
        value: None,
        missing: Some("the model's reference has no covariance of its terms"),
        interval: None,
        expected: None,
    };
    let Some(space) = FeatureSpace::of(model) else { return measure };
    let points: Vec<DVector<f64>> = lesions
        .iter()
        .map(|(s, _)| DVector::from_column_slice(&s.design[1..=space.dimensions]))
        .collect();
    let value = space.mean_distance(&points);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(DISTANCE_STREAM);
    measure.value = Some(value);
    measure.missing = None;
    measure.interval = space.interval(value, &points, lesions, &mut rng);
    measure.expected = Expected::of(value, &space.reference(points.len(), &mut rng));
    measure
}

/// The space of the model's image terms with the reference's covariance as its metric.
struct FeatureSpace {
    dimensions: usize,
    cholesky: nalgebra::Cholesky<f64, nalgebra::Dyn>,
    patient_share: f64,
}

impl FeatureSpace {
    fn of(model: &Model) -> Option<Self> {
        let reference = model.reference.as_ref()?;
        let covariance = reference.covariance.as_ref()?;
        let p = model.terms.len();
        let matrix = nalgebra::DMatrix::from_fn(p, p, |i, j| covariance[i][j]);
        Some(Self {
            dimensions: p,
            cholesky: matrix.cholesky()?,
            patient_share: reference.patient_share.unwrap_or(0.0),
        })
    }

    fn mean_distance(&self, points: &[DVector<f64>]) -> f64 {
        let mut distances = Vec::new();
        for (i, a) in points.iter().enumerate() {
            for b in &points[i + 1..] {
                let apart = a - b;
                distances.push(apart.dot(&self.cholesky.solve(&apart)).max(0.0).sqrt());
            }
        }
        mean(&distances)
    }

    /// From the perturbed terms of every lesion, reflected at the value (see [`Statistic::interval`]).
    fn interval(
        &self,
        value: f64,
        points: &[DVector<f64>],
        lesions: &[(&LesionScore, &MeasurementError)],
        rng: &mut ChaCha8Rng,
    ) -> Option<[f64; 2]> {
        let residuals: Vec<Vec<DVector<f64>>> = lesions
            .iter()
            .map(|(_, error)| match error {
                MeasurementError::Perturbations(rows) if rows.len() > 1 => Some(residuals(rows)),
                _ => None,
            })
            .collect::<Option<_>>()?;
        let drawn: Vec<f64> = (0..DISTANCE_DRAWS)
            .map(|_| {
                let moved: Vec<DVector<f64>> = points
                    .iter()
                    .zip(&residuals)
                    .map(|(point, own)| point + &own[rng.gen_range(0..own.len())])
                    .collect();
                self.mean_distance(&moved)
            })
            .collect();
        let [low, high] = interval(&drawn)?;
        Some([(2.0 * value - high).max(0.0), (2.0 * value - low).max(0.0)])
    }

    /// Mean distances of `n` lesions of reference patients with normal features.
    fn reference(&self, n: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let factor = self.cholesky.l() * (1.0 - self.patient_share).sqrt();
        (0..DISTANCE_DRAWS)
            .map(|_| {
                let points: Vec<DVector<f64>> = (0..n)
                    .map(|_| {
                        let normal =
                            DVector::from_fn(self.dimensions, |_, _| StandardNormal.sample(rng));
                        &factor * normal
                    })
                    .collect();
                self.mean_distance(&points)
            })
            .collect()
    }
}

/// Perturbed terms less their mean, widened because the mean was taken from them.
fn residuals(rows: &[Vec<f64>]) -> Vec<DVector<f64>> {
    let n = rows.len() as f64;
    let points: Vec<DVector<f64>> = rows.iter().map(|r| DVector::from_column_slice(r)).collect();
    let centre = points.iter().fold(DVector::zeros(rows[0].len()), |sum, p| sum + p) / n;
    let widening = (n / (n - 1.0)).sqrt();
    points.iter().map(|p| (p - &centre) * widening).collect()
}
