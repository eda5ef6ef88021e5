//! The distance of a patient's lesions in the space of the model's image terms.

use nalgebra::DVector;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::{Expected, Measure};
use crate::patient::uncertainty::{MeasurementError, interval};
use crate::signature::model::Model;
use crate::signature::score::LesionScore;
use crate::stats::Mahalanobis;
use crate::stats::moments::mean;

/// Stream of the random numbers, apart from those of the scores.
const DISTANCE_STREAM: u64 = 1 << 41;
/// Draws of the distance, each of which compares all pairs of lesions.
const DISTANCE_DRAWS: usize = 1000;

/// Mean Mahalanobis distance of all pairs of lesions in the space of the model's image terms, by the
/// reference's covariance.
pub(super) fn measure(
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
        .map(|(s, _)| DVector::from_column_slice(&s.design[1..=space.metric.dimensions()]))
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
    metric: Mahalanobis,
    patient_share: f64,
}

impl FeatureSpace {
    fn of(model: &Model) -> Option<Self> {
        let reference = model.reference()?;
        Some(Self {
            metric: Mahalanobis::of(reference.covariance.as_ref()?)?,
            patient_share: reference.patient_share.unwrap_or(0.0),
        })
    }

    fn mean_distance(&self, points: &[DVector<f64>]) -> f64 {
        let mut distances = Vec::new();
        for (i, a) in points.iter().enumerate() {
            for b in &points[i + 1..] {
                distances.push(self.metric.squared(&(a - b)).max(0.0).sqrt());
            }
        }
        mean(&distances).expect("two lesions make a pair")
    }

    /// From the perturbed terms of every lesion, reflected at the value (see `Statistic::interval`).
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
        let factor = self.metric.factor() * (1.0 - self.patient_share).sqrt();
        (0..DISTANCE_DRAWS)
            .map(|_| {
                let points: Vec<DVector<f64>> = (0..n)
                    .map(|_| {
                        let normal =
                            DVector::from_fn(factor.nrows(), |_, _| StandardNormal.sample(rng));
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
