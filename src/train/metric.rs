//! The metrics of performance.

use serde::Serialize;

use super::response::Response;
use crate::signature::Kind;
use crate::stats::{auc, calibration, concordance, moments, ranks};

/// The metrics that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Area under the ROC curve.
    Auc,
    /// Mean squared difference of probability and outcome.
    Brier,
    /// Slope of the calibration model.
    CalibrationSlope,
    /// Intercept of the calibration model with slope 1.
    CalibrationIntercept,
    /// Share of the outcome's variance explained.
    R2,
    /// Spearman's rank correlation of score and outcome.
    Spearman,
    /// Mean absolute error.
    MeanAbsoluteError,
    /// Harrell's C.
    CIndex,
}

impl Metric {
    /// The metrics of a kind, the one that decides first.
    pub fn of(kind: Kind) -> &'static [Self] {
        match kind {
            Kind::Gaussian => {
                &[Self::R2, Self::Spearman, Self::MeanAbsoluteError, Self::CalibrationSlope]
            }
            Kind::Binomial => {
                &[Self::Auc, Self::Brier, Self::CalibrationSlope, Self::CalibrationIntercept]
            }
            Kind::Cox => &[Self::CIndex],
        }
    }

    /// The name in the model file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auc => "auc",
            Self::Brier => "brier",
            Self::CalibrationSlope => "calibration_slope",
            Self::CalibrationIntercept => "calibration_intercept",
            Self::R2 => "r2",
            Self::Spearman => "spearman",
            Self::MeanAbsoluteError => "mean_absolute_error",
            Self::CIndex => "c_index",
        }
    }

    /// The name for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Auc => "AUC",
            Self::Brier => "Brier score",
            Self::CalibrationSlope => "Calibration slope",
            Self::CalibrationIntercept => "Calibration intercept",
            Self::R2 => "R²",
            Self::Spearman => "Spearman correlation",
            Self::MeanAbsoluteError => "Mean absolute error",
            Self::CIndex => "C-index",
        }
    }

    /// Its value for linear predictors `eta` and scores that rank; `None` where it does not exist.
    pub fn value(self, response: &Response, eta: &[f64], score: &[f64]) -> Option<f64> {
        match (self, response) {
            (Self::Auc, Response::Binary(y)) => auc::area(score, y),
            (Self::Brier, Response::Binary(y)) => Some(calibration::calibration(eta, y)?.brier),
            (Self::CalibrationSlope, Response::Binary(y)) => {
                Some(calibration::calibration(eta, y)?.slope)
            }
            (Self::CalibrationIntercept, Response::Binary(y)) => {
                Some(calibration::calibration(eta, y)?.intercept)
            }
            (Self::R2, Response::Continuous(y)) => {
                let mean = moments::mean(y)?;
                let error: f64 = y.iter().zip(eta).map(|(y, e)| (y - e).powi(2)).sum();
                let total: f64 = y.iter().map(|y| (y - mean).powi(2)).sum();
                (total > 0.0).then(|| 1.0 - error / total)
            }
            (Self::Spearman, Response::Continuous(y)) => {
                Some(ranks::spearman(score, y).unwrap_or(0.0))
            }
            (Self::MeanAbsoluteError, Response::Continuous(y)) => {
                let errors: Vec<f64> = y.iter().zip(eta).map(|(y, e)| (y - e).abs()).collect();
                moments::mean(&errors)
            }
            (Self::CalibrationSlope, Response::Continuous(y)) => {
                let ratio = moments::sd(y)? / moments::sd(eta)?;
                Some(ranks::pearson(eta, y)? * ratio)
            }
            (Self::CIndex, Response::Survival { time, event }) => {
                concordance::c_index(score, time, event)
            }
            _ => None,
        }
    }
}
