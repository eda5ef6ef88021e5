//! Terms that do not come from the image, and what to do where they are not known.

use serde::{Deserialize, Serialize};

/// What to do with a covariate that is missing, or a level that training did not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Give no score.
    Refuse,
    /// Take the reference level (or the centre): no contribution, with a note.
    Reference,
    /// The same, with a warning at the top of the report.
    Warn,
}

/// A term that does not come from the image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Covariate {
    /// A category, one coefficient per level on the plain 0/1 indicator.
    OneHot {
        /// `site`, the lesion's organ or region of the body.
        name: String,
        /// The level whose coefficient is 0.
        reference: String,
        /// No level is known for the lesion.
        missing: Policy,
        /// The lesion's level was not seen in training.
        unseen: Policy,
        /// Levels besides the reference.
        levels: Vec<Level>,
    },
    /// A number: `coefficient * (x - centre) / scale`.
    Numeric {
        /// `kvp`, the tube voltage in kV.
        name: String,
        /// Mean in training.
        centre: f64,
        /// Standard deviation in training, above 0.
        scale: f64,
        /// Coefficient of the standardised number.
        coefficient: f64,
        /// No value is known for the lesion.
        missing: Policy,
        /// Lowest and highest value in training.
        range: [f64; 2],
    },
}

/// A level of a category.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// Name, compared without regard to case.
    pub name: String,
    /// Coefficient of the indicator.
    pub coefficient: f64,
}

impl Covariate {
    /// The covariate's name.
    pub fn name(&self) -> &str {
        match self {
            Self::OneHot { name, .. } | Self::Numeric { name, .. } => name,
        }
    }

    /// Its coefficients, in the order of [`Bootstrap::draws`].
    pub fn coefficients(&self) -> Vec<f64> {
        match self {
            Self::OneHot { levels, .. } => levels.iter().map(|l| l.coefficient).collect(),
            Self::Numeric { coefficient, .. } => vec![*coefficient],
        }
    }
}
