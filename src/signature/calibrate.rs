//! Completing a signature that was published without centre and scale.
//!
//! Such a model cannot score: its coefficients are of standardised features, and the standard is
//! missing. Centre and scale can be taken from a named cohort; the scores are then relative to that
//! cohort and not those of the publication, and the file and every result say so from then on.

use super::model::{Calibration, Model};
use crate::error::{Error, Remedy, Result};
use crate::row::Row;
use crate::stats::moments::{mean, sd};

/// Fewer lesions do not give a standard deviation worth having (its own SE is then above 20 %).
pub const MIN_LESIONS: usize = 12;

impl Model {
    /// The model with centre and scale of its incomplete terms taken from a cohort.
    ///
    /// `cohort` names it; `table_sha256` is the hash of its feature table. Terms that have a centre
    /// and a scale keep them.
    ///
    /// # Errors
    /// The model is complete already; the cohort has no name or fewer than [`MIN_LESIONS`] lesions;
    /// a column is missing, has no value for a lesion, or is the same for all.
    pub fn calibrated(&self, cohort: &str, lesions: &[Row], table_sha256: &str) -> Result<Self> {
        let columns = self.without_scaling();
        if columns.is_empty() {
            return Err(Error::bad_request(format!(
                "model {} has a centre and a scale for every term; there is nothing to calibrate",
                self.id
            )));
        }
        if cohort.trim().is_empty() {
            return Err(
                Error::bad_request("the cohort has no name").with_remedy(Remedy::NameCohort)
            );
        }
        if lesions.len() < MIN_LESIONS {
            return Err(Error::bad_request(format!(
                "{} lesions are too few to calibrate with; give a table of {MIN_LESIONS} or more",
                lesions.len()
            )));
        }
        let mut model = self.clone();
        for term in model.terms.iter_mut().filter(|t| t.centre.is_none() || t.scale.is_none()) {
            let column = term.column_name();
            let values = lesions
                .iter()
                .map(|lesion| {
                    let value = lesion.value(&column).and_then(Result::ok);
                    value.map(|v| term.transform.apply(v)).filter(|v| v.is_finite()).ok_or_else(
                        || {
                            Error::bad_request(format!(
                                "patient {} lesion {} has no value for {column}; leave it out of \
                                 the table",
                                lesion.patient, lesion.lesion
                            ))
                        },
                    )
                })
                .collect::<Result<Vec<f64>>>()?;
            let (centre, scale) = mean(&values)
                .zip(sd(&values))
                .expect("a cohort of two lesions or more has a mean and a standard deviation");
            // Rounding leaves about 1e-16 of the values' size where they are all the same.
            if scale <= 1e-12 * centre.abs() {
                return Err(Error::bad_request(format!(
                    "{column} is {centre} for every lesion; a scale cannot be taken from it"
                )));
            }
            term.centre = Some(centre);
            term.scale = Some(scale);
        }
        model.calibration = Some(Calibration {
            cohort: cohort.to_owned(),
            n_lesions: lesions.len(),
            table_sha256: table_sha256.to_owned(),
            statement: format!(
                "The published signature has no centre and scale for {} of {} terms; they were \
                 taken from {} lesions of the cohort \"{cohort}\". Scores are relative to that \
                 cohort and are not those of the publication.",
                columns.len(),
                model.terms.len(),
                lesions.len()
            ),
            columns,
        });
        model.check().map_err(Error::bad_request)?;
        Ok(model)
    }
}
