//! Why one lesion has no score.

use crate::error::{Error, Remedy};
use crate::value::Missing;

/// Why one lesion has no score.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A feature of the model has no value.
    #[error("lesion {lesion}: {column} has no value: {reason}")]
    MissingFeature {
        /// The lesion.
        lesion: String,
        /// The column.
        column: String,
        /// Why.
        reason: Missing,
    },
    /// A feature of the model lies outside its transformation's domain.
    #[error("lesion {lesion}: {column} is {value}, which the model's transformation cannot take")]
    OutsideTransform {
        /// The lesion.
        lesion: String,
        /// The column.
        column: String,
        /// Its value.
        value: f64,
    },
    /// A covariate is not known and the model refuses that.
    #[error("lesion {lesion}: {covariate} is not known, and the model refuses that; {remedy}")]
    MissingCovariate {
        /// The lesion.
        lesion: String,
        /// `site` or `kvp`.
        covariate: String,
        /// What gives it.
        remedy: Remedy,
    },
    /// The lesion's site was not seen in training and the model refuses that.
    #[error(
        "lesion {lesion}: site \"{site}\" was not seen in training, and the model refuses that; \
         it knows {known}"
    )]
    UnseenSite {
        /// The lesion.
        lesion: String,
        /// Its site.
        site: String,
        /// Sites that the model knows.
        known: String,
    },
    /// The lesion's batch was not seen in training and the model refuses that.
    #[error(
        "lesion {lesion}: batch {batch} is not in the model's harmonisation, and the model refuses \
         that; it knows {known}"
    )]
    UnknownBatch {
        /// The lesion.
        lesion: String,
        /// Its batch, or `not given`.
        batch: String,
        /// Batches that the model knows.
        known: String,
    },
    /// The score is not a finite number.
    #[error("lesion {lesion}: the score is not a finite number")]
    NotFinite {
        /// The lesion.
        lesion: String,
    },
}

impl Refusal {
    /// What the caller can do about it.
    pub fn remedy(&self) -> Option<&Remedy> {
        match self {
            Self::MissingCovariate { remedy, .. } => Some(remedy),
            _ => None,
        }
    }

    /// Whether the request, not the lesion, lacks something: a covariate that the user can give.
    pub fn is_request(&self) -> bool {
        matches!(
            self,
            Self::MissingCovariate { .. } | Self::UnseenSite { .. } | Self::UnknownBatch { .. }
        )
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::MissingCovariate { lesion, covariate, remedy } => Self::bad_request(format!(
                "lesion {lesion}: {covariate} is not known, and the model refuses that"
            ))
            .with_remedy(remedy),
            other => Self::bad_request(other.to_string()),
        }
    }
}
