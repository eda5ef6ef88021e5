//! What a score is judged by: cut-offs, reliability, a reference cohort and draws.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::stats::{Link, QuantileTable};

/// The scale on which a cut-off is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CutoffScale {
    /// The linear predictor.
    LinearPredictor,
    /// The response, such as a probability.
    Response,
}

/// A cut-off: scores above it are high.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cutoff {
    /// Name, such as `training median`.
    pub name: String,
    /// The value; a score above it falls into `high`, others into `low`.
    pub value: f64,
    /// Scale of `value`.
    pub scale: CutoffScale,
    /// Class at or below the value.
    pub low: String,
    /// Class above the value.
    pub high: String,
    /// How and on which data it was chosen.
    pub provenance: String,
}

impl Cutoff {
    /// The cut-off on the scale of the linear predictor.
    pub fn linear_predictor(&self, link: Link) -> Option<f64> {
        match self.scale {
            CutoffScale::LinearPredictor => Some(self.value),
            CutoffScale::Response => link.linear_predictor(self.value),
        }
    }
}

/// How far a score can be trusted, by volume.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reliability {
    /// Lesions below this volume are outside the model's domain, mL.
    pub min_volume_ml: f64,
    /// Measurement SD of the linear predictor by volume, smallest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub score_sd: Vec<VolumeBand>,
    /// Where the SDs come from.
    pub source: String,
}

/// A band of volumes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeBand {
    /// Upper bound of the band, mL; absent for the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ml: Option<f64>,
    /// SD of the linear predictor over perturbations.
    pub sd: f64,
}

impl Reliability {
    /// The measurement SD of the linear predictor of a lesion of `volume_ml`.
    pub fn sd_at(&self, volume_ml: f64) -> Option<f64> {
        self.score_sd
            .iter()
            .find(|band| band.max_ml.is_none_or(|max| volume_ml <= max))
            .map(|band| band.sd)
    }
}

/// Scores of a reference cohort. All on the scale of the linear predictor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Which cohort.
    pub cohort: String,
    /// Number of lesions.
    pub n_lesions: usize,
    /// Number of patients.
    pub n_patients: usize,
    /// Share of the variance of scores that lies between patients, 0 to 1. Two lesions of one
    /// patient correlate by this much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient_share: Option<f64>,
    /// SD of the scores between lesions of one patient, measurement error taken out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within_patient_sd: Option<f64>,
    /// Quantiles of all lesions' scores.
    pub quantiles: QuantileTable,
    /// Covariance of the standardised terms, in their order, shrunk towards a diagonal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covariance: Option<Vec<Vec<f64>>>,
    /// Quantiles per site.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_site: BTreeMap<String, QuantileTable>,
}

/// Bootstrap draws of the coefficients, resampled by patient. One draw is shared by all lesions of
/// a patient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    /// How the draws were made.
    pub method: String,
    /// One row per draw: the intercept, the terms in their order, then each covariate's
    /// coefficients; all on the centre and scale of this file.
    pub draws: Vec<Vec<f64>>,
}
