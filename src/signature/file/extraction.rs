//! How the features of a signature are extracted.

use serde::{Deserialize, Serialize};

use crate::plan::Plan;
use crate::settings::Settings;

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
        let mut settings = Settings::parse(&plan.to_toml()).expect("a plan is a settings file");
        // What names no schema is of the first: files of today are those of the first release.
        settings.schema = settings.schema.filter(|schema| *schema > 1);
        Self { hash: Some(plan.hash()), settings: Some(settings), foreign: None }
    }

    /// Extraction by another engine.
    pub fn foreign(engine: impl Into<String>) -> Self {
        let foreign = Foreign { engine: engine.into(), version: None, settings: None };
        Self { hash: None, settings: None, foreign: Some(foreign) }
    }
}
