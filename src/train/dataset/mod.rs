//! The training data: one row per lesion or patient, with features, covariates and outcome.

mod features;
mod outcomes;
mod prepare;
mod repeated;
mod strata;
mod views;

use std::collections::BTreeMap;

use ndarray::Array2;

use super::response::Response;

pub use prepare::Prepared;
pub use repeated::Repeated;

/// Rows (lesions or patients) with features, covariates and outcomes.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Names of patients.
    pub patients: Vec<String>,
    /// Index into `patients`, one per row.
    pub patient: Vec<usize>,
    /// Lesion of each row; empty where a row is a patient.
    pub lesion: Vec<String>,
    /// Names of the candidate features.
    pub columns: Vec<String>,
    /// Rows × columns; NaN where a value is missing, and nowhere else.
    pub values: Array2<f64>,
    /// Site of each row.
    pub site: Vec<Option<String>>,
    /// Tube voltage of each row, kV.
    pub kvp: Vec<Option<f64>>,
    /// Volume of each row, mL.
    pub volume_ml: Vec<Option<f64>>,
    /// Batch of each row; empty strings without harmonisation.
    pub batch: Vec<String>,
    /// Outcome of each row.
    pub response: Response,
    /// Weight of each row: one over the number of the patient's rows.
    pub weights: Vec<f64>,
    /// Stratum of each patient for folds.
    pub stratum: Vec<usize>,
    /// Whether all rows of a patient have the patient's outcome.
    pub by_patient: bool,
    /// Repeated extractions, for the robustness filter.
    pub repeated: Option<Repeated>,
}

impl Dataset {
    /// A data set of lesions, without covariates.
    ///
    /// `values` is rows × columns with NaN for missing values; `patients`, `lesions` and `response`
    /// have one entry per row.
    pub fn new(
        patients: Vec<String>,
        lesions: Vec<String>,
        columns: Vec<String>,
        values: Array2<f64>,
        response: Response,
    ) -> Self {
        let n = patients.len();
        let mut names: Vec<String> = Vec::new();
        let mut index: BTreeMap<String, usize> = BTreeMap::new();
        let patient: Vec<usize> = patients
            .into_iter()
            .map(|name| {
                *index.entry(name.clone()).or_insert_with(|| {
                    names.push(name);
                    names.len() - 1
                })
            })
            .collect();
        let mut count = vec![0.0; names.len()];
        patient.iter().for_each(|p| count[*p] += 1.0);
        let weights = patient.iter().map(|p| 1.0 / count[*p]).collect();
        let mut data = Self {
            patients: names,
            patient,
            lesion: lesions,
            columns,
            values,
            site: vec![None; n],
            kvp: vec![None; n],
            volume_ml: vec![None; n],
            batch: vec![String::new(); n],
            response,
            weights,
            stratum: Vec::new(),
            by_patient: false,
            repeated: None,
        };
        data.stratum = data.strata();
        data
    }

    /// Names the batch of each row.
    pub fn set_batch(&mut self, batch: Vec<String>) {
        self.batch = batch;
        self.stratum = self.strata();
    }

    /// Replaces the outcomes.
    pub fn set_response(&mut self, response: Response) {
        self.response = response;
        self.stratum = self.strata();
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.patient.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.patient.is_empty()
    }

    /// Rows of each patient.
    pub fn rows_of_patients(&self) -> Vec<Vec<usize>> {
        let mut rows = vec![Vec::new(); self.patients.len()];
        for (row, patient) in self.patient.iter().enumerate() {
            rows[*patient].push(row);
        }
        rows
    }

    /// Number of positive cases or events; rows for a continuous outcome.
    pub fn events(&self) -> usize {
        match &self.response {
            Response::Continuous(y) => y.len(),
            Response::Binary(y) => y.iter().filter(|v| **v).count(),
            Response::Survival { event, .. } => event.iter().filter(|v| **v).count(),
        }
    }
}
