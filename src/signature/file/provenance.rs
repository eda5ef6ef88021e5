//! Where a signature comes from: training, performance, calibration and the model card.

use serde::{Deserialize, Serialize};

/// A record that centre and scale do not come from the cohort that gave the coefficients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Name of the cohort.
    pub cohort: String,
    /// Number of its lesions.
    pub n_lesions: usize,
    /// SHA-256 of its feature table.
    pub table_sha256: String,
    /// Columns whose centre and scale were filled in.
    pub columns: Vec<String>,
    /// The statement that results carry.
    pub statement: String,
}

/// The training cohort and procedure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Which cohort.
    pub cohort: String,
    /// Which outcome.
    pub outcome: String,
    /// Number of patients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_patients: Option<usize>,
    /// Number of lesions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_lesions: Option<usize>,
    /// Number of events or of positive cases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_events: Option<usize>,
    /// Number of candidate features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_candidates: Option<usize>,
    /// The procedure in one or two sentences.
    pub procedure: String,
    /// Program and version.
    pub software: String,
    /// Seed of the random numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Elastic-net penalty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lambda: Option<f64>,
    /// Share of the L1 penalty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l1_ratio: Option<f64>,
    /// SHA-256 of the training table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_sha256: Option<String>,
}

/// One measured performance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// On which data.
    pub cohort: String,
    /// Metric, such as `auc`, `c_index`, `spearman`, `r2`.
    pub metric: String,
    /// Its value.
    pub value: f64,
    /// 95 % interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// How value and interval were found, such as `nested cross-validation, patient bootstrap`.
    pub method: String,
}

/// The model card.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Who made it.
    pub authors: Vec<String>,
    /// DOI of the publication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doi: Option<String>,
    /// Licence of the file.
    pub licence: String,
    /// What it is for.
    pub intended_use: String,
    /// What it is not for.
    pub not_for: Vec<String>,
    /// What is known to limit it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limitations: Vec<String>,
    /// Whether it was trained on simulated data; reports say so at the top.
    #[serde(default)]
    pub simulated: bool,
}
