//! Monotone transformations of a value.

use serde::{Deserialize, Serialize};

/// A monotone transformation of a feature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Transform {
    /// The value itself.
    #[default]
    None,
    /// `ln(1 + x)`, for values above -1.
    Log1p,
    /// Yeo and Johnson's power transformation (Biometrika 2000, doi:10.1093/biomet/87.4.954).
    YeoJohnson {
        /// The power.
        lambda: f64,
    },
}

impl Transform {
    /// Whether values are left as they are.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// The transformed value; not finite outside the transformation's domain.
    pub fn apply(self, x: f64) -> f64 {
        match self {
            Self::None => x,
            Self::Log1p => x.ln_1p(),
            Self::YeoJohnson { lambda } if x >= 0.0 => {
                if lambda == 0.0 {
                    x.ln_1p()
                } else {
                    ((x + 1.0).powf(lambda) - 1.0) / lambda
                }
            }
            Self::YeoJohnson { lambda } => {
                if lambda == 2.0 {
                    -(-x).ln_1p()
                } else {
                    -((1.0 - x).powf(2.0 - lambda) - 1.0) / (2.0 - lambda)
                }
            }
        }
    }
}
