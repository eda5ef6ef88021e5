//! The image terms of a signature, and their harmonisation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::covariate::Policy;
use crate::features::{Aggregation, Column, ColumnKey, FEATURES, ORIGINAL};
use crate::region::Region;
use crate::stats::{CombatBatch, Transform};

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

    /// The column that this term reads; `None` where the file names none, or no feature that is known.
    pub fn column(&self) -> Option<ColumnKey> {
        match (&self.feature, &self.column) {
            (Some(feature), None) => feature.column().map(ColumnKey::Own),
            (None, Some(column)) if !column.trim().is_empty() => {
                Some(ColumnKey::Foreign(column.clone()))
            }
            _ => None,
        }
    }

    /// The column's name, or what stands in the file for one that is not known.
    pub fn column_name(&self) -> String {
        match (self.column(), &self.feature) {
            (Some(column), _) => column.to_string(),
            (None, Some(f)) => format!("{}_{}_{}", f.region.name(), f.filter, f.id),
            (None, None) => String::new(),
        }
    }

    /// Name, region and filter for people: `Joint entropy, ring`.
    pub fn label(&self) -> String {
        self.column().map_or_else(|| self.column_name(), |column| label(&column))
    }

    /// Centre and scale, where the file has both.
    pub fn standard(&self) -> Option<(f64, f64)> {
        self.centre.zip(self.scale)
    }
}

/// Name, region and filter of a column for people: `Joint entropy, ring`.
pub(in crate::signature) fn label(column: &ColumnKey) -> String {
    match column {
        ColumnKey::Own(Column { region, filter, feature, .. }) if filter == ORIGINAL => {
            format!("{}, {}", feature.name, region.name())
        }
        ColumnKey::Own(Column { region, filter, feature, .. }) => {
            format!("{}, {}, {filter}", feature.name, region.name())
        }
        ColumnKey::Foreign(name) => name.clone(),
    }
}

impl FeatureReference {
    /// The column, where the feature table knows the id.
    pub fn column(&self) -> Option<Column> {
        let feature = FEATURES.iter().find(|f| f.id == self.id)?;
        Some(Column {
            region: self.region,
            filter: self.filter.clone(),
            feature,
            aggregation: self.aggregation,
        })
    }
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
