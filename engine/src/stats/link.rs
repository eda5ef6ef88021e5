//! The link between a linear predictor and the response of a generalised linear model.

use serde::{Deserialize, Serialize};

/// How the linear predictor `eta` becomes the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// The response is `eta`.
    Identity,
    /// The response is the probability `1 / (1 + exp(-eta))`.
    Logit,
    /// The response is the hazard relative to a case with `eta` 0, `exp(eta)`.
    Log,
}

impl Link {
    /// The response of a linear predictor.
    pub fn response(self, eta: f64) -> f64 {
        match self {
            Self::Identity => eta,
            // The branch keeps `exp` from overflowing, and with it the last digits.
            Self::Logit if eta >= 0.0 => 1.0 / (1.0 + (-eta).exp()),
            Self::Logit => eta.exp() / (1.0 + eta.exp()),
            Self::Log => eta.exp(),
        }
    }

    /// The linear predictor of a response; `None` outside the link's range.
    pub fn linear_predictor(self, response: f64) -> Option<f64> {
        let eta = match self {
            Self::Identity => response,
            Self::Logit => (response / (1.0 - response)).ln(),
            Self::Log => response.ln(),
        };
        eta.is_finite().then_some(eta)
    }
}

/// The probability of a linear predictor on the logit scale.
pub fn sigmoid(eta: f64) -> f64 {
    Link::Logit.response(eta)
}
