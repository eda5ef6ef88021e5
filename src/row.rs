//! A row of a table of features: one lesion, what is known of it, and its values.

use std::sync::Arc;

use crate::features::Columns;
use crate::ingest::Scan;
use crate::region::RegionFacts;
use crate::value::{Missing, Value};

/// One lesion with its values, from an extraction or from a table.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Row {
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
    /// What else is known of the scan that the lesion was measured on.
    pub scan: Scan,
    /// The batch (scanner, centre, protocol) for harmonisation, where known.
    pub batch: Option<String>,
    /// Volume of the lesion's voxels as delineated, mL.
    pub volume_ml: Option<f64>,
    /// Hash of the plan the values were computed with; absent for another engine's.
    pub plan_hash: Option<String>,
    /// Version of abscope that computed the values.
    pub version: Option<String>,
    /// Facts of each region, where known.
    pub facts: Vec<RegionFacts>,
    columns: Arc<Columns>,
    values: Vec<Value>,
}

impl Row {
    /// A lesion of which nothing is known but its values.
    ///
    /// # Panics
    /// If there are not as many values as columns.
    pub fn new(
        patient: impl Into<String>,
        lesion: impl Into<String>,
        columns: Arc<Columns>,
        values: Vec<Value>,
    ) -> Self {
        assert_eq!(columns.len(), values.len(), "a value per column");
        Self {
            patient: patient.into(),
            lesion: lesion.into(),
            name: None,
            site: None,
            kvp: None,
            scan: Scan::default(),
            batch: None,
            volume_ml: None,
            plan_hash: None,
            version: None,
            facts: Vec::new(),
            columns,
            values,
        }
    }

    /// What tells the lesion of a scan from all others of a table: patient, study, series and lesion.
    pub fn identity(&self) -> [&str; 4] {
        let Scan { study, series, .. } = &self.scan;
        let study = study.as_deref().unwrap_or_default();
        let series = series.as_deref().unwrap_or_default();
        [&self.patient, study, series, &self.lesion]
    }

    /// The columns, shared by the rows of a table.
    pub fn columns(&self) -> &Arc<Columns> {
        &self.columns
    }

    /// The values in the order of the columns.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The value in the column of this name; `None` where there is no such column.
    pub fn value(&self, column: &str) -> Option<Value> {
        self.columns.place(column).map(|place| self.values[place])
    }

    /// The names of the columns without a value, and why.
    pub fn missing(&self) -> impl Iterator<Item = (&str, Missing)> {
        let named = self.columns.names().iter().zip(&self.values);
        named.filter_map(|(name, value)| Some((name.as_str(), value.err()?)))
    }

    /// The same lesion with values of these columns.
    ///
    /// # Panics
    /// If there are not as many values as columns.
    #[must_use]
    pub fn of_columns(self, columns: Arc<Columns>, values: Vec<Value>) -> Self {
        assert_eq!(columns.len(), values.len(), "a value per column");
        Self { columns, values, ..self }
    }

    /// The same lesion with other values of the same columns and other facts.
    ///
    /// # Panics
    /// If there are not as many values as columns.
    #[must_use]
    pub fn with(&self, facts: Vec<RegionFacts>, values: Vec<Value>) -> Self {
        assert_eq!(self.columns.len(), values.len(), "a value per column");
        Self { facts, values, ..self.clone() }
    }
}
