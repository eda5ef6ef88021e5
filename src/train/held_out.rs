//! The loss of rows that a fit has not seen.

use super::dataset::Dataset;
use super::elastic_net::cox::Survival;
use super::response::Response;
use crate::signature::Kind;
use crate::stats::link::sigmoid;

/// The loss of held-out rows.
pub(super) struct HeldOut {
    response: Response,
    weights: Vec<f64>,
    /// Sum of their weights, of events for a time to event.
    pub(super) weight: f64,
    train: Response,
    train_weights: Vec<f64>,
}

impl HeldOut {
    pub(super) fn new(data: &Dataset, train: &[usize], test: &[usize]) -> Self {
        let response = data.response.select(test);
        let weights: Vec<f64> = test.iter().map(|r| data.weights[*r]).collect();
        let weight = match &response {
            Response::Survival { event, .. } => {
                weights.iter().zip(event).filter(|(_, e)| **e).map(|(w, _)| w).sum()
            }
            _ => weights.iter().sum(),
        };
        let survival = response.kind() == Kind::Cox;
        Self {
            train: data.response.select(if survival { train } else { &[] }),
            train_weights: train.iter().map(|r| data.weights[*r]).collect(),
            response,
            weights,
            weight,
        }
    }

    /// Mean loss per unit of weight: squared error, deviance, or the partial likelihood that the
    /// held-out rows add to the training rows (Verweij and van Houwelingen 1993,
    /// doi:10.1002/sim.4780122407).
    pub(super) fn loss(&self, eta: &[f64], train_eta: impl FnOnce() -> Vec<f64>) -> f64 {
        // A fold without event has no weight in the mean either.
        if self.weight == 0.0 {
            return 0.0;
        }
        let weighted = |terms: &mut dyn Iterator<Item = f64>| {
            terms.zip(&self.weights).map(|(t, w)| t * w).sum::<f64>() / self.weight
        };
        match (&self.response, &self.train) {
            (Response::Continuous(y), _) => {
                weighted(&mut y.iter().zip(eta).map(|(y, e)| (y - e).powi(2)))
            }
            (Response::Binary(y), _) => weighted(&mut y.iter().zip(eta).map(|(y, e)| {
                let p = sigmoid(*e).clamp(1e-5, 1.0 - 1e-5);
                -2.0 * if *y { p.ln() } else { (1.0 - p).ln() }
            })),
            (
                Response::Survival { time, event },
                Response::Survival { time: train_time, event: train_event },
            ) => {
                let train_eta = train_eta();
                let loss = |time: &[f64], event: &[bool], weight: &[f64], eta: &[f64]| {
                    Survival::new(time, event, weight).value(eta)
                };
                let all = loss(
                    &[train_time.as_slice(), time].concat(),
                    &[train_event.as_slice(), event].concat(),
                    &[self.train_weights.as_slice(), &self.weights].concat(),
                    &[train_eta.as_slice(), eta].concat(),
                );
                let train = loss(train_time, train_event, &self.train_weights, &train_eta);
                2.0 * (all - train) / self.weight
            }
            (Response::Survival { .. }, _) => f64::NAN,
        }
    }
}
