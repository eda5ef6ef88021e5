//! A row of the feature table: one lesion, all its values.

use crate::features::Column;
use crate::region::RegionFacts;
use crate::value::Value;

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
