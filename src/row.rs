//! A row of the feature table: one lesion, all its values.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::features::family::Aggregation;
use crate::features::table::{FEATURES, Feature};
use crate::features::value::Value;

/// What a value describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Region {
    /// The lesion.
    Tumour,
    /// The shell around it.
    Ring,
}

impl Region {
    /// The name in columns.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tumour => "tumour",
            Self::Ring => "ring",
        }
    }
}

/// The filter id of the unfiltered image.
pub const ORIGINAL: &str = "original";

/// What one value is: region, filter, feature, aggregation.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Tumour or ring.
    pub region: Region,
    /// The filter's name in the settings; [`ORIGINAL`] for the image itself.
    pub filter: String,
    /// The feature.
    pub feature: &'static Feature,
    /// How its matrices were aggregated.
    pub aggregation: Aggregation,
}

impl Column {
    /// The column's name, `{region}_{filter}_{tag}`, such as `tumour_original_cm_joint_max_3D_comb`.
    pub fn name(&self) -> String {
        let Self { region, filter, feature, aggregation } = self;
        let mut name = format!("{}_{filter}_{}", region.name(), feature.id);
        if !aggregation.suffix().is_empty() {
            name.push('_');
            name.push_str(aggregation.suffix());
        }
        name
    }

    /// The column of this name, where its region, feature and aggregation are abscope's.
    pub fn parse(name: &str) -> Option<Self> {
        static TAGS: LazyLock<BTreeMap<String, (&'static Feature, Aggregation)>> =
            LazyLock::new(tags);
        let (region, rest) = [Region::Tumour, Region::Ring].into_iter().find_map(|region| {
            let rest = name.strip_prefix(region.name())?.strip_prefix('_')?;
            Some((region, rest))
        })?;
        // A filter's name may hold underscores itself: the longest tag that is known ends it.
        rest.match_indices('_').find_map(|(at, _)| {
            let (feature, aggregation) = *TAGS.get(&rest[at + 1..])?;
            let filter = rest[..at].to_owned();
            (!filter.is_empty()).then_some(Self { region, filter, feature, aggregation })
        })
    }
}

/// Every feature's id with every aggregation of its family.
fn tags() -> BTreeMap<String, (&'static Feature, Aggregation)> {
    let tag = |id: &str, a: Aggregation| match a.suffix() {
        "" => id.to_owned(),
        suffix => format!("{id}_{suffix}"),
    };
    FEATURES
        .iter()
        .flat_map(|f| f.family.aggregations().iter().map(move |&a| (tag(f.id, a), (f, a))))
        .collect()
}

/// What is known of a region besides its features; warnings come from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegionFacts {
    /// Which region.
    pub region: Region,
    /// Voxels of the morphological mask on the working grid.
    pub voxels: usize,
    /// Voxels left by re-segmentation.
    pub voxels_kept: usize,
    /// Grey levels that discretisation gives (N_g); absent where it cannot.
    pub levels: Option<usize>,
    /// Lowest and highest intensity of the morphological mask, HU.
    pub intensity_range: Option<[f64; 2]>,
    /// Share of the region (before its HU range and re-segmentation) below -500 HU.
    pub air_fraction: f64,
    /// Share of the region (before its HU range and re-segmentation) above 300 HU.
    pub bone_fraction: f64,
    /// Whether the region lies on the border of the image.
    pub touches_border: bool,
}

/// All values of one lesion.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureRow {
    /// The patient's pseudonymous id.
    pub patient: String,
    /// The lesion's id within the patient: its label, ROI number or segment number.
    pub lesion: String,
    /// The lesion's name where the source has one (ROI name, segment label).
    pub name: Option<String>,
    /// The lesion's site, where the user or a table of names gave it.
    pub site: Option<String>,
    /// Tube voltage of the series, kV.
    pub kvp: Option<f64>,
    /// Volume of the lesion's voxels as delineated, mL.
    pub volume_ml: f64,
    /// Hash of the plan the values were computed with.
    pub plan_hash: String,
    /// Version of abscope.
    pub version: String,
    /// Facts of each region computed.
    pub facts: Vec<RegionFacts>,
    /// The values, in the plan's order; the same columns for all lesions of a plan.
    pub values: Vec<(Column, Value)>,
}

impl FeatureRow {
    /// The value in the column of this name.
    pub fn value(&self, column: &str) -> Option<Value> {
        self.values.iter().find(|(c, _)| c.name() == column).map(|(_, v)| *v)
    }
}
