//! The signature file `abscope.signature/1`.
//!
//! A file holds everything that is needed to score one new lesion and to judge the score, so that a
//! score never depends on the company a lesion keeps: the extraction settings with their hash, one
//! term per feature with its own centre and scale, covariates with their policies, cut-offs with
//! their provenance, the reference distribution, and bootstrap draws of the coefficients. Unknown
//! keys are refused.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::digest::hex;
use crate::error::{Error, Remedy, Result};
use crate::features::column::Column;
use crate::features::family::Aggregation;
use crate::plan::Plan;
use crate::region::Region;
use crate::settings::{Settings, toml_problem};
pub use crate::stats::{CombatBatch, Link, QuantileTable, Transform};

/// The schema this version reads and writes.
pub const SCHEMA: &str = "abscope.signature/1";

/// A trained linear signature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// [`SCHEMA`].
    pub schema: String,
    /// Identifier, such as `demo-simulated-infiltration`.
    pub id: String,
    /// Version of the signature, `major.minor.patch`.
    pub version: String,
    /// One line for headings.
    pub title: String,
    /// What was modelled.
    pub kind: Kind,
    /// How the linear predictor becomes the response; it must be the kind's own.
    pub link: Link,
    /// Intercept of the linear predictor; 0 for Cox models, which have none.
    pub intercept: f64,
    /// What a higher score means, in words that complete "a higher score means …".
    pub higher_means: String,
    /// Unit of the response: `arbitrary`, `probability`, `relative hazard`.
    pub units: String,
    /// Binomial models: the class whose probability the response is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positive_class: Option<String>,
    /// How the features are extracted.
    pub extraction: Extraction,
    /// The image terms, one per feature.
    #[serde(rename = "term")]
    pub terms: Vec<Term>,
    /// Terms that do not come from the image.
    #[serde(default, rename = "covariate", skip_serializing_if = "Vec::is_empty")]
    pub covariates: Vec<Covariate>,
    /// Cut-offs, the one that classes are reported by first.
    #[serde(default, rename = "cutoff", skip_serializing_if = "Vec::is_empty")]
    pub cutoffs: Vec<Cutoff>,
    /// How far a score can be trusted, by volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reliability: Option<Reliability>,
    /// Scores of a reference cohort.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// Harmonisation of features between scanners or centres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Combat>,
    /// Present where centre and scale come from another cohort than the coefficients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// The training cohort and procedure.
    pub training: Training,
    /// Performance, one entry per cohort and metric.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evaluation: Vec<Evaluation>,
    /// The model card.
    pub card: Card,
    /// Bootstrap draws of the coefficients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<Bootstrap>,
}

/// What was modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A continuous outcome by linear regression.
    Gaussian,
    /// A binary outcome by logistic regression.
    Binomial,
    /// A time to event by proportional hazards.
    Cox,
}

impl Kind {
    /// The canonical link of this kind.
    pub fn link(self) -> Link {
        match self {
            Self::Gaussian => Link::Identity,
            Self::Binomial => Link::Logit,
            Self::Cox => Link::Log,
        }
    }

    /// The name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gaussian => "gaussian",
            Self::Binomial => "binomial",
            Self::Cox => "cox",
        }
    }
}

/// How the features are extracted: by abscope with these settings, or by another engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extraction {
    /// SHA-256 of the resolved settings ([`Plan::hash`]); recomputed on load, and compared with the
    /// hash that came with the feature values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// The whole settings. Absent for a foreign model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Settings>,
    /// The engine whose columns the terms name. Absent for abscope's own features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign: Option<Foreign>,
}

/// Another engine. Such a model scores only tables that hold the same columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Foreign {
    /// Name of the engine, such as `PyRadiomics`.
    pub engine: String,
    /// Its version, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its settings in words, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<String>,
}

impl Extraction {
    /// Extraction by abscope with the settings of `plan`.
    pub fn of(plan: &Plan) -> Self {
        let settings = Settings::parse(&plan.to_toml()).expect("a plan is a settings file");
        Self { hash: Some(plan.hash()), settings: Some(settings), foreign: None }
    }

    /// Extraction by another engine.
    pub fn foreign(engine: impl Into<String>) -> Self {
        let foreign = Foreign { engine: engine.into(), version: None, settings: None };
        Self { hash: None, settings: None, foreign: Some(foreign) }
    }
}

/// One feature of the linear predictor: `coefficient * (transform(x) - centre) / scale`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    /// Coefficient of the standardised feature.
    pub coefficient: f64,
    /// Mean of the transformed feature in training. A model without it cannot score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub centre: Option<f64>,
    /// Standard deviation of the transformed feature in training, above 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<f64>,
    /// Share of bootstrap resamples in which training selected this feature, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection_frequency: Option<f64>,
    /// A foreign model's column. Exactly one of `column` and `feature` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The feature, for abscope's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature: Option<FeatureReference>,
    /// Applied before centre and scale.
    #[serde(default, skip_serializing_if = "Transform::is_none")]
    pub transform: Transform,
    /// Untransformed values seen in training, for the out-of-domain check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training_quantiles: Option<TrainingQuantiles>,
}

/// A feature of abscope by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureReference {
    /// `tumour` or `ring`.
    pub region: Region,
    /// Name of the filter in the settings; `original` for the image itself.
    pub filter: String,
    /// IBSI's tag, such as `cm_joint_entr`.
    pub id: String,
    /// IBSI's four-letter code, such as `TU9B`; it must be the tag's own.
    pub ibsi: String,
    /// How matrices are aggregated; `none` for families without matrices.
    pub aggregation: Aggregation,
}

/// Five quantiles of a feature in training, untransformed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingQuantiles {
    /// Lowest value.
    pub min: f64,
    /// 1 % quantile.
    pub q01: f64,
    /// Median.
    pub q50: f64,
    /// 99 % quantile.
    pub q99: f64,
    /// Highest value.
    pub max: f64,
}

/// What to do with a covariate that is missing, or a level that training did not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Give no score.
    Refuse,
    /// Take the reference level (or the centre): no contribution, with a note.
    Reference,
    /// The same, with a warning at the top of the report.
    Warn,
}

/// A term that does not come from the image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Covariate {
    /// A category, one coefficient per level on the plain 0/1 indicator.
    OneHot {
        /// `site`, the lesion's organ or region of the body.
        name: String,
        /// The level whose coefficient is 0.
        reference: String,
        /// No level is known for the lesion.
        missing: Policy,
        /// The lesion's level was not seen in training.
        unseen: Policy,
        /// Levels besides the reference.
        levels: Vec<Level>,
    },
    /// A number: `coefficient * (x - centre) / scale`.
    Numeric {
        /// `kvp`, the tube voltage in kV.
        name: String,
        /// Mean in training.
        centre: f64,
        /// Standard deviation in training, above 0.
        scale: f64,
        /// Coefficient of the standardised number.
        coefficient: f64,
        /// No value is known for the lesion.
        missing: Policy,
        /// Lowest and highest value in training.
        range: [f64; 2],
    },
}

/// A level of a category.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// Name, compared without regard to case.
    pub name: String,
    /// Coefficient of the indicator.
    pub coefficient: f64,
}

impl Covariate {
    /// The covariate's name.
    pub fn name(&self) -> &str {
        match self {
            Self::OneHot { name, .. } | Self::Numeric { name, .. } => name,
        }
    }

    /// Its coefficients, in the order of [`Bootstrap::draws`].
    pub fn coefficients(&self) -> Vec<f64> {
        match self {
            Self::OneHot { levels, .. } => levels.iter().map(|l| l.coefficient).collect(),
            Self::Numeric { coefficient, .. } => vec![*coefficient],
        }
    }
}

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

/// Harmonisation by ComBat (Johnson 2007, doi:10.1093/biostatistics/kxj037), as estimated in
/// training. A batch that is not listed is not harmonised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Combat {
    /// What to do with a lesion whose batch is not listed.
    pub unknown: Policy,
    /// Grand mean of each term's untransformed feature, in the order of the terms.
    pub grand_mean: Vec<f64>,
    /// Pooled standard deviation of each.
    pub pooled_sd: Vec<f64>,
    /// The batches by name.
    pub batches: BTreeMap<String, CombatBatch>,
}

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

impl Term {
    /// A term of an abscope feature; centre, scale and the rest are left to the caller.
    pub fn of(column: &Column, coefficient: f64) -> Self {
        let feature = FeatureReference {
            region: column.region,
            filter: column.filter.clone(),
            id: column.feature.id.to_owned(),
            ibsi: column.feature.ibsi.to_owned(),
            aggregation: column.aggregation,
        };
        Self { feature: Some(feature), ..Self::bare(coefficient) }
    }

    /// A term of another engine's column.
    pub fn foreign(column: impl Into<String>, coefficient: f64) -> Self {
        Self { column: Some(column.into()), ..Self::bare(coefficient) }
    }

    fn bare(coefficient: f64) -> Self {
        Self {
            coefficient,
            centre: None,
            scale: None,
            selection_frequency: None,
            column: None,
            feature: None,
            transform: Transform::None,
            training_quantiles: None,
        }
    }

    /// The column of a feature table that this term reads.
    pub fn column_name(&self) -> String {
        match (&self.feature, &self.column) {
            (Some(feature), _) => feature.column_name(),
            (None, column) => column.clone().unwrap_or_default(),
        }
    }

    /// Name, region and filter for people: `Joint entropy, ring`.
    pub fn label(&self) -> String {
        let Some(feature) = &self.feature else { return self.column_name() };
        let known = feature.resolve();
        let name = known.as_ref().map_or(feature.id.as_str(), |c| c.feature.name);
        let filter = if feature.filter == crate::features::column::ORIGINAL {
            String::new()
        } else {
            format!(", {}", feature.filter)
        };
        format!("{name}, {}{filter}", feature.region.name())
    }
}

impl FeatureReference {
    /// The column, where the feature table knows the tag.
    pub fn resolve(&self) -> Option<Column> {
        let feature = crate::features::FEATURES.iter().find(|f| f.id == self.id)?;
        Some(Column {
            region: self.region,
            filter: self.filter.clone(),
            feature,
            aggregation: self.aggregation,
        })
    }

    fn column_name(&self) -> String {
        match self.resolve() {
            Some(column) => column.name(),
            None => format!("{}_{}_{}", self.region.name(), self.filter, self.id),
        }
    }
}

impl Model {
    /// Reads and checks a signature file.
    ///
    /// # Errors
    /// The file cannot be read; or it is not a signature of this schema, with the offending key and
    /// the way out.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        Self::parse(&text).map_err(|problem| Error::bad_data(path, problem))
    }

    /// Parses and checks a signature from TOML text.
    ///
    /// # Errors
    /// What is wrong and where, without a file name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let table: toml::Table =
            toml::from_str(text).map_err(|e| format!("not TOML: {}", toml_problem(&e, text)))?;
        super::check::schema(&table)?;
        let model: Self = toml::from_str(text)
            .map_err(|e| format!("not a signature: {}", toml_problem(&e, text)))?;
        model.check()?;
        Ok(model)
    }

    /// The signature as a file.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a signature is plain data")
    }

    /// SHA-256, in hexadecimal, of the canonical JSON of everything in the file.
    pub fn hash(&self) -> String {
        let value = serde_json::to_value(self).expect("a signature is plain data");
        hex(&Sha256::digest(crate::digest::sorted(value).to_string()))
    }

    /// The plan that computes what the signature needs, and nothing else.
    ///
    /// # Errors
    /// A foreign model has no plan.
    pub fn plan(&self) -> Result<Plan> {
        let Some(settings) = &self.extraction.settings else {
            let engine = self.extraction.foreign.as_ref().map_or("another engine", |f| &f.engine);
            return Err(Error::bad_request(format!(
                "model {} was trained on features of {engine}; it scores tables of that engine, \
                 not images",
                self.id
            ))
            .with_remedy(Remedy::ScoreTable));
        };
        let own = self.terms.iter().filter_map(|term| term.feature.as_ref());
        let columns: Vec<Column> = own.filter_map(FeatureReference::resolve).collect();
        Ok(Plan::recorded(settings)?.narrowed(&columns))
    }

    /// What every result of the model must carry: that it is simulated, or completed from another
    /// cohort; empty for any other.
    pub fn note(&self) -> String {
        let simulated = self.card.simulated.then_some(
            "Demonstration signature trained on simulated data; its scores mean nothing for a \
             patient.",
        );
        let calibrated = self.calibration.as_ref().map(|c| c.statement.as_str());
        let parts: Vec<&str> = simulated.into_iter().chain(calibrated).collect();
        parts.join(" ")
    }

    /// Columns of the terms that lack centre or scale; a model with any cannot score.
    pub fn without_scaling(&self) -> Vec<String> {
        self.terms
            .iter()
            .filter(|t| t.centre.is_none() || t.scale.is_none())
            .map(Term::column_name)
            .collect()
    }

    /// The coefficients in the order of [`Bootstrap::draws`]: intercept, terms, covariates.
    pub fn coefficients(&self) -> Vec<f64> {
        let mut all = vec![self.intercept];
        all.extend(self.terms.iter().map(|t| t.coefficient));
        all.extend(self.covariates.iter().flat_map(Covariate::coefficients));
        all
    }

    /// Cut-offs on the scale of the linear predictor, ascending.
    pub fn ordered_cutoffs(&self) -> Vec<f64> {
        let mut values: Vec<f64> =
            self.cutoffs.iter().filter_map(|c| c.linear_predictor(self.link)).collect();
        values.sort_by(f64::total_cmp);
        values
    }
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
