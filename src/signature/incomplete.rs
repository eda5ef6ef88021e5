//! Completing a signature that was published without centre and scale.
//!
//! Such a file cannot score: its coefficients are of standardised features, and the standard is
//! missing. Centre and scale can be taken from a named cohort; the scores are then relative to that
//! cohort and not those of the publication, and the file and every result say so from then on.

use super::file::{Calibration, SignatureFile, Term};
use super::model::{Extraction, Model};
use super::score::{self, Origin};
use crate::error::{Error, Remedy, Result};
use crate::plan::corrections::CORRECTIONS;
use crate::row::Row;
use crate::stats::moments::{mean, sd};

/// Fewer lesions do not give a standard deviation worth having (its own SE is then above 20 %).
pub const MIN_LESIONS: usize = 12;

/// A signature file whose terms lack centre or scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Incomplete {
    file: SignatureFile,
    extraction: Extraction,
}

impl Incomplete {
    pub(super) fn new(file: SignatureFile, extraction: Extraction) -> Self {
        Self { file, extraction }
    }

    /// What was written.
    pub fn file(&self) -> &SignatureFile {
        &self.file
    }

    /// How the features are extracted.
    pub fn extraction(&self) -> &Extraction {
        &self.extraction
    }

    /// Columns of the terms that lack centre or scale, in their order.
    pub fn lacking(&self) -> Vec<String> {
        self.file.without_scaling()
    }

    /// The error where this is asked for a score.
    pub(super) fn cannot_score(&self) -> Error {
        Error::bad_request(format!(
            "model {} is incomplete and cannot score: no centre and scale for {}",
            self.file.id,
            self.lacking().join(", ")
        ))
        .with_remedy(Remedy::CalibrateModel)
    }

    /// The model with centre and scale of the incomplete terms taken from a cohort.
    ///
    /// `cohort` names it; `table_sha256` is the hash of its feature table, `origin` how its values were
    /// made. Terms that have a centre and a scale keep them.
    ///
    /// # Errors
    /// The values were made with other settings than the file's; the cohort has no name or fewer than
    /// [`MIN_LESIONS`] lesions; a column is missing, has no value for a lesion, or is the same for all.
    pub fn calibrated(
        &self,
        cohort: &str,
        lesions: &[Row],
        origin: Origin<'_>,
        table_sha256: &str,
    ) -> Result<Model> {
        score::check(&self.file, &self.extraction, origin, CORRECTIONS)?;
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
        let columns = self.lacking();
        let mut file = self.file.clone();
        for term in file.terms.iter_mut().filter(|term| term.standard().is_none()) {
            let (centre, scale) = standard(term, lesions)?;
            term.centre = Some(centre);
            term.scale = Some(scale);
        }
        file.calibration = Some(Calibration {
            cohort: cohort.to_owned(),
            n_lesions: lesions.len(),
            table_sha256: table_sha256.to_owned(),
            statement: format!(
                "The published signature has no centre and scale for {} of {} terms; they were \
                 taken from {} lesions of the cohort \"{cohort}\". Scores are relative to that \
                 cohort and are not those of the publication.",
                columns.len(),
                file.terms.len(),
                lesions.len()
            ),
            columns,
        });
        file.resolve()?.complete()
    }
}

/// Mean and standard deviation of a term's transformed values over a cohort.
fn standard(term: &Term, lesions: &[Row]) -> Result<(f64, f64)> {
    let column = term.column_name();
    let values = lesions
        .iter()
        .map(|lesion| {
            let value = lesion.value(&column).and_then(Result::ok);
            value.map(|v| term.transform.apply(v)).filter(|v| v.is_finite()).ok_or_else(|| {
                Error::bad_request(format!(
                    "patient {} lesion {} has no value for {column}; leave it out of the table",
                    lesion.patient, lesion.lesion
                ))
            })
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
    Ok((centre, scale))
}
