//! Other data sets of the same patients: one row per patient, volume alone, covariates alone.

use ndarray::Array2;

use super::Dataset;
use crate::error::{Error, Result};
use crate::stats::moments;
use crate::train::config::{Config, Shape};

impl Dataset {
    /// One row per patient: the mean of the lesions' features. A linear score of the mean is the
    /// mean of the lesions' scores.
    pub(super) fn by_patient(&self, config: &Config) -> Result<Self> {
        if config.pipeline.transform != Shape::None {
            return Err(Error::bad_request(
                "pipeline.transform with features.unit = \"patient\": the score of a mean is the \
                 mean of the scores only without transformation; leave it out",
            ));
        }
        if config.features.covariates.iter().any(|c| c == "site") {
            return Err(Error::bad_request(
                "features.covariates names site, which a patient with several lesions has several \
                 of; use features.unit = \"lesion\" or leave it out",
            ));
        }
        let rows = self.rows_of_patients();
        let first: Vec<usize> = rows.iter().map(|rows| rows[0]).collect();
        let mean = |values: &mut dyn Iterator<Item = f64>| {
            let known: Vec<f64> = values.filter(|v| v.is_finite()).collect();
            moments::mean(&known).unwrap_or(f64::NAN)
        };
        let values = Array2::from_shape_fn((rows.len(), self.columns.len()), |(p, j)| {
            mean(&mut rows[p].iter().map(|r| self.values[[*r, j]]))
        });
        let mut data = Self::new(
            self.patients.clone(),
            vec![String::new(); rows.len()],
            self.columns.clone(),
            values,
            self.response.select(&first),
        );
        data.kvp = first.iter().map(|r| self.kvp[*r]).collect();
        // A patient's volume is the sum over lesions, the tumour burden.
        data.volume_ml = rows
            .iter()
            .map(|rows| rows.iter().map(|r| self.volume_ml[*r]).sum::<Option<f64>>())
            .collect();
        data.by_patient = true;
        data.repeated = self.repeated.clone();
        data.set_batch(first.iter().map(|r| self.batch[*r].clone()).collect());
        Ok(data)
    }

    /// The same rows with the logarithm of the volume as the only feature.
    ///
    /// # Errors
    /// The number of rows whose volume is not known.
    pub fn volume_only(&self) -> Result<Self, usize> {
        let volumes: Vec<f64> =
            self.volume_ml.iter().filter_map(|v| v.filter(|v| *v > 0.0).map(f64::ln)).collect();
        let unknown = self.len() - volumes.len();
        let values = Array2::from_shape_vec((self.len(), 1), volumes).map_err(|_| unknown)?;
        Ok(Self { columns: vec!["ln(volume_ml)".into()], values, repeated: None, ..self.clone() })
    }

    /// The same rows without features.
    pub fn covariates_only(&self) -> Self {
        let values = Array2::zeros((self.len(), 0));
        Self { columns: Vec::new(), values, repeated: None, ..self.clone() }
    }
}
