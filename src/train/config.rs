//! `train.toml`: what to train and how.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::input;
use crate::settings::toml_problem;
use crate::signature::Kind;
use crate::stats::icc::IccKind;

/// The whole configuration. Unknown keys are refused; everything but `[model]` and `[outcome]` has a
/// default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What the file says of itself.
    pub model: About,
    /// What is predicted.
    pub outcome: Outcome,
    /// Which columns are candidates.
    #[serde(default)]
    pub features: Features,
    /// What is done to them, inside every fold.
    #[serde(default)]
    pub pipeline: Preparation,
    /// The elastic net.
    #[serde(default)]
    pub elastic_net: Penalty,
    /// Folds, repeats and resamples.
    #[serde(default)]
    pub validation: Validation,
    /// The cut-off.
    #[serde(default)]
    pub cutoff: CutoffRule,
}

/// Identity and card of the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Identifier.
    pub id: String,
    /// Version, `major.minor.patch`.
    #[serde(default = "first_version")]
    pub version: String,
    /// One line for headings.
    pub title: String,
    /// Completes "a higher score means …".
    pub higher_means: String,
    /// Unit of the response; that of the kind where not given.
    #[serde(default)]
    pub units: Option<String>,
    /// Description of the cohort.
    pub cohort: String,
    /// Who made it.
    #[serde(default)]
    pub authors: Vec<String>,
    /// DOI of the publication.
    #[serde(default)]
    pub doi: Option<String>,
    /// Licence of the model file.
    #[serde(default = "no_licence")]
    pub licence: String,
    /// What it is for.
    #[serde(default = "research")]
    pub intended_use: String,
    /// What it is not for.
    #[serde(default = "not_clinical")]
    pub not_for: Vec<String>,
    /// What is known to limit it.
    #[serde(default)]
    pub limitations: Vec<String>,
    /// Whether the cohort is simulated.
    #[serde(default)]
    pub simulated: bool,
}

fn first_version() -> String {
    "0.1.0".into()
}

fn no_licence() -> String {
    "not stated".into()
}

fn research() -> String {
    "Research use only.".into()
}

fn not_clinical() -> Vec<String> {
    vec!["clinical decisions".into()]
}

/// What is predicted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// A number.
    Gaussian {
        /// Column of the outcome table.
        column: String,
    },
    /// One of two classes.
    Binomial {
        /// Column of the outcome table.
        column: String,
        /// The class whose probability is modelled, as it is written in the column.
        positive: String,
    },
    /// A time to an event.
    Cox {
        /// Column with the time to event or censoring.
        time: String,
        /// Column with 1 for the event and 0 for censoring.
        event: String,
    },
}

impl Outcome {
    /// The kind of model.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Gaussian { .. } => Kind::Gaussian,
            Self::Binomial { .. } => Kind::Binomial,
            Self::Cox { .. } => Kind::Cox,
        }
    }

    /// Name of the outcome.
    pub fn name(&self) -> &str {
        match self {
            Self::Gaussian { column } | Self::Binomial { column, .. } => column,
            Self::Cox { time, .. } => time,
        }
    }
}

/// What one row of the training table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A lesion, weighted so that every patient counts alike.
    Lesion,
    /// A patient: the mean of the lesions' features.
    Patient,
}

/// Which columns are candidates.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Features {
    /// The extraction settings, relative to the configuration file; their hash must be the table's.
    pub settings: Option<PathBuf>,
    /// Name of the engine that made a foreign table.
    pub engine: Option<String>,
    /// Patterns with `*` of columns to take; all where empty.
    pub include: Vec<String>,
    /// Patterns with `*` of columns to leave out.
    pub exclude: Vec<String>,
    /// `site` (a category) and `kvp` (a number), as terms besides the features.
    pub covariates: Vec<String>,
    /// Whether covariates are always in the model, free of penalty.
    pub keep_covariates: bool,
    /// Column that names the scanner or centre of each lesion, for ComBat.
    pub batch: Option<String>,
    /// Repeated extraction of some lesions (repeated scans or perturbed masks), relative to the
    /// configuration file: the columns of the feature table and a column `repeat`.
    pub repeated: Option<PathBuf>,
    /// Lesion or patient; where not given, what the outcome table is keyed by.
    pub unit: Option<Unit>,
    /// Lesions below this volume are outside the model's domain, mL; the smallest in training
    /// where not given.
    pub min_volume_ml: Option<f64>,
}

/// Transformation before scaling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// None.
    #[default]
    None,
    /// `ln(1 + x)`, of features that are never negative in training.
    Log1p,
    /// Yeo-Johnson's power by maximum likelihood, per feature.
    YeoJohnson,
}

/// Centre and scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scaling {
    /// Mean and (population) standard deviation.
    #[default]
    Z,
    /// Median and interquartile range over 1.349.
    Robust,
}

/// What is done to features inside every fold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Preparation {
    /// Features with a larger share of missing values are left out; others get the median.
    pub max_missing: f64,
    /// Whether features are left out of which nearly all values are one.
    pub near_zero_variance: bool,
    /// Which intraclass correlation a repeated extraction is judged by.
    pub icc: IccKind,
    /// Lower bound of its 95 % interval that a feature must reach.
    pub icc_lower: f64,
    /// Features whose Spearman correlation is at least this (absolute) form a cluster, of which one
    /// is kept; 1 keeps all.
    pub correlation: f64,
    /// Whether batches are harmonised by ComBat.
    pub combat: bool,
    /// Transformation.
    pub transform: Shape,
    /// Centre and scale.
    pub scale: Scaling,
}

impl Default for Preparation {
    fn default() -> Self {
        Self {
            max_missing: 0.1,
            near_zero_variance: true,
            icc: IccKind::Agreement,
            icc_lower: 0.75,
            correlation: 0.9,
            combat: false,
            transform: Shape::None,
            scale: Scaling::Z,
        }
    }
}

/// Which penalty of the path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LambdaRule {
    /// The one with the least cross-validated loss.
    Min,
    /// The largest within one standard error of the least.
    #[default]
    OneSe,
}

/// The elastic net.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Penalty {
    /// L1 ratios to choose from, 0 (ridge) to 1 (lasso).
    pub l1_ratio: Vec<f64>,
    /// Number of penalties on the path.
    pub n_lambdas: usize,
    /// Smallest penalty as a share of the largest.
    pub lambda_ratio: f64,
    /// Which penalty of the path.
    pub rule: LambdaRule,
}

impl Default for Penalty {
    fn default() -> Self {
        Self {
            l1_ratio: vec![0.1, 0.25, 0.5, 0.75, 0.9, 1.0],
            n_lambdas: 100,
            lambda_ratio: 0.01,
            rule: LambdaRule::OneSe,
        }
    }
}

/// Folds, repeats and resamples. Folds never divide a patient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Validation {
    /// Folds that performance is measured on.
    pub outer_folds: usize,
    /// Folds within each training part, for the penalty and the cut-off.
    pub inner_folds: usize,
    /// Repeats of the outer folds.
    pub repeats: usize,
    /// Patient resamples for optimism, stability and coefficient draws.
    pub bootstrap: usize,
    /// Patient resamples for intervals of metrics.
    pub interval_draws: usize,
    /// Permutations of outcomes between patients; 0 leaves the test out.
    pub permutations: usize,
    /// Seed of all random numbers.
    pub seed: u64,
}

impl Default for Validation {
    fn default() -> Self {
        Self {
            outer_folds: 5,
            inner_folds: 5,
            repeats: 10,
            bootstrap: 200,
            interval_draws: 2000,
            permutations: 200,
            seed: 1,
        }
    }
}

/// How the cut-off is chosen, on out-of-fold scores of the training data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CutoffRule {
    /// The rule.
    pub rule: CutoffKind,
    /// The quantile, for the rule `quantile`.
    pub quantile: f64,
    /// Name of the class at or below it.
    pub low: String,
    /// Name of the class above it.
    pub high: String,
}

/// A rule for a cut-off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CutoffKind {
    /// The median score.
    Median,
    /// The score of largest sensitivity plus specificity, for binary outcomes.
    Youden,
    /// A quantile of the scores.
    Quantile,
}

impl Default for CutoffRule {
    fn default() -> Self {
        Self { rule: CutoffKind::Median, quantile: 0.25, low: "low".into(), high: "high".into() }
    }
}

impl Config {
    /// Reads a configuration; paths in it are taken relative to its folder.
    ///
    /// # Errors
    /// The file cannot be read, or a key or value in it is wrong.
    pub fn read(path: &Path) -> Result<Self> {
        let text = input::read_text(path)?;
        let mut config: Self =
            toml::from_str(&text).map_err(|e| Error::bad_data(path, toml_problem(&e, &text)))?;
        config.check().map_err(|problem| Error::bad_data(path, problem))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for file in [&mut config.features.settings, &mut config.features.repeated] {
            *file = file.as_ref().map(|f| folder.join(f));
        }
        Ok(config)
    }

    /// Checks that values are within their ranges.
    ///
    /// # Errors
    /// The key, its value and what it may be.
    pub fn check(&self) -> Result<(), String> {
        let p = &self.pipeline;
        let shares = [
            ("pipeline.max_missing", p.max_missing),
            ("pipeline.icc_lower", p.icc_lower),
            ("pipeline.correlation", p.correlation),
            ("cutoff.quantile", self.cutoff.quantile),
        ];
        for (key, value) in shares {
            if !(0.0..=1.0).contains(&value) {
                return Err(format!("{key} is {value}; give 0 to 1"));
            }
        }
        let e = &self.elastic_net;
        if e.l1_ratio.is_empty() || e.l1_ratio.iter().any(|r| !(0.0..=1.0).contains(r)) {
            return Err(format!("elastic_net.l1_ratio is {:?}; give numbers 0 to 1", e.l1_ratio));
        }
        if !(2..=1000).contains(&e.n_lambdas) {
            return Err(format!("elastic_net.n_lambdas is {}; give 2 to 1000", e.n_lambdas));
        }
        if !(e.lambda_ratio > 0.0 && e.lambda_ratio < 1.0) {
            return Err("elastic_net.lambda_ratio must lie between 0 and 1".into());
        }
        let v = &self.validation;
        for (key, value, low, high) in [
            ("outer_folds", v.outer_folds, 2, 100),
            ("inner_folds", v.inner_folds, 2, 100),
            ("repeats", v.repeats, 1, 1000),
            ("bootstrap", v.bootstrap, 2, 10_000),
            ("interval_draws", v.interval_draws, 100, 100_000),
            ("permutations", v.permutations, 0, 10_000),
        ] {
            if !(low..=high).contains(&value) {
                return Err(format!("validation.{key} is {value}; give {low} to {high}"));
            }
        }
        for covariate in &self.features.covariates {
            if covariate != "site" && covariate != "kvp" {
                return Err(format!(
                    "features.covariates names \"{covariate}\"; there are site and kvp"
                ));
            }
        }
        if self.cutoff.rule == CutoffKind::Youden && self.outcome.kind() != Kind::Binomial {
            return Err("cutoff.rule youden needs a binary outcome; use median or quantile".into());
        }
        if self.cutoff.low == self.cutoff.high {
            return Err("cutoff.low and cutoff.high are the same".into());
        }
        if p.combat && self.features.batch.is_none() {
            return Err(
                "pipeline.combat needs features.batch, the column that names the batch".into()
            );
        }
        Ok(())
    }
}
