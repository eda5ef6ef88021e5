//! The signature file `abscope.signature/1`.
//!
//! A file holds everything that is needed to score one new lesion and to judge the score, so that a
//! score never depends on the company a lesion keeps: the extraction settings with their hash, one
//! term per feature with its own centre and scale, covariates with their policies, cut-offs with
//! their provenance, the reference distribution, and bootstrap draws of the coefficients. Unknown
//! keys are refused.

mod covariate;
mod extraction;
mod judgement;
mod provenance;
mod term;

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::digest::{hex, sorted};
use crate::error::{Error, Result};
use crate::input;
use crate::settings::toml_problem;
pub use crate::stats::{CombatBatch, Link, QuantileTable, Transform};

pub use covariate::{Covariate, Level, Policy};
pub use extraction::{Extraction, Foreign};
pub use judgement::{Bootstrap, Cutoff, CutoffScale, Reference, Reliability, VolumeBand};
pub use provenance::{Calibration, Card, Evaluation, Training};
pub use term::{Combat, FeatureReference, Term, TrainingQuantiles};

pub(super) use term::label;

/// The schema this version reads and writes.
pub const SCHEMA: &str = "abscope.signature/1";

/// A linear signature as written. Nothing of it is checked but keys and types: what can score is the
/// [`Model`](super::Model) that it resolves to ([`SignatureFile::resolve`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureFile {
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

impl SignatureFile {
    /// Reads a signature file.
    ///
    /// # Errors
    /// The file cannot be read; or it is not TOML, of another schema, or has an unknown key, a key too
    /// few or a wrong type, with its line.
    pub fn read(path: &Path) -> Result<Self> {
        let text = input::read_text(path)?;
        Self::parse(&text).map_err(|problem| Error::bad_data(path, problem))
    }

    /// Parses a signature from TOML text.
    ///
    /// # Errors
    /// What is wrong and where, without a file name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let table: toml::Table =
            toml::from_str(text).map_err(|e| format!("not TOML: {}", toml_problem(&e, text)))?;
        known_schema(&table)?;
        toml::from_str(text).map_err(|e| format!("not a signature: {}", toml_problem(&e, text)))
    }

    /// The signature as TOML text.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a signature is plain data")
    }

    /// SHA-256, in hexadecimal, of the canonical JSON of everything in the file.
    pub fn hash(&self) -> String {
        let value = serde_json::to_value(self).expect("a signature is plain data");
        hex(&Sha256::digest(sorted(value).to_string()))
    }

    /// Columns of the terms that lack centre or scale, in their order.
    pub fn without_scaling(&self) -> Vec<String> {
        let lacking = self.terms.iter().filter(|term| term.standard().is_none());
        lacking.map(Term::column_name).collect()
    }

    /// The coefficients in the order of [`Bootstrap::draws`]: intercept, terms, covariates.
    pub fn coefficients(&self) -> Vec<f64> {
        let mut all = vec![self.intercept];
        all.extend(self.terms.iter().map(|t| t.coefficient));
        all.extend(self.covariates.iter().flat_map(Covariate::coefficients));
        all
    }
}

/// Refuses files of another or a newer schema before their keys are looked at.
fn known_schema(table: &toml::Table) -> Result<(), String> {
    let Some(schema) = table.get("schema").and_then(|s| s.as_str()) else {
        return Err(format!("no schema; a signature file starts with schema = \"{SCHEMA}\""));
    };
    if schema == SCHEMA {
        return Ok(());
    }
    let number = schema.strip_prefix("abscope.signature/").and_then(|n| n.parse::<u32>().ok());
    Err(match number {
        Some(number) if number > 1 => format!(
            "schema \"{schema}\" is newer than this abscope {} reads (\"{SCHEMA}\"); update abscope",
            env!("CARGO_PKG_VERSION")
        ),
        _ => format!("schema is \"{schema}\"; this abscope reads \"{SCHEMA}\""),
    })
}
