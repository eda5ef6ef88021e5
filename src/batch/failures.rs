//! What went wrong with a case, and what to do about it.

use std::any::Any;

use serde::{Deserialize, Serialize};

use super::manifest::CaseRequest;
use crate::error::Error;

/// Where a case failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Its row of the manifest makes no sense.
    Manifest,
    /// Its files could not be read.
    Load,
    /// Its features could not be computed.
    Extract,
    /// Its rows do not fit the table.
    Assemble,
    /// Its patient's report could not be made.
    Report,
}

/// A case that failed: a row of `failures.csv`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The case's place in the manifest.
    #[serde(rename = "case")]
    pub order: usize,
    /// The patient's pseudonymous id.
    pub patient: String,
    /// The image as the manifest names it.
    pub image: String,
    /// The mask as the manifest names it.
    pub mask: String,
    /// Where the case failed.
    pub stage: Stage,
    /// What went wrong.
    #[serde(rename = "error")]
    pub problem: String,
    /// What to do about it.
    pub way_out: String,
}

impl Failure {
    /// The failure of a case.
    pub fn new(case: &CaseRequest, stage: Stage, problem: &str, way_out: &str) -> Self {
        Self {
            order: case.order,
            patient: case.patient.clone(),
            image: case.image.clone(),
            mask: case.mask.clone(),
            stage,
            problem: problem.to_owned(),
            way_out: way_out.to_owned(),
        }
    }

    /// The failure that an error of the library means.
    pub fn of(case: &CaseRequest, stage: Stage, error: &Error) -> Self {
        let way_out = match error {
            Error::BadData { .. } => {
                "mend or export the file anew; then run the same command again"
            }
            Error::BadRequest(_) => "correct the case's row of the manifest or the settings",
            Error::TooBig(_) => "crop the image, or take a coarser working grid",
            Error::Unsupported { .. } => "convert the file, for example to NIfTI",
            Error::Io { .. } => {
                "see that the file is there and may be read; then run the same command again"
            }
        };
        Self::new(case, stage, &error.to_string(), way_out)
    }

    /// The failure that a panic means: a fault of abscope, confined to the case.
    pub fn of_panic(case: &CaseRequest, stage: Stage, payload: &(dyn Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        Self::new(
            case,
            stage,
            &format!("internal error: {text}"),
            "a fault of abscope: report it with this row; the other cases are not concerned",
        )
    }
}
