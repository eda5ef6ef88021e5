//! A trained linear signature: the file that holds it, and the score it gives a lesion.
//!
//! [`Model`] is the file, [`Model::scorer`] the check that it fits the values at hand, and
//! [`Scorer::score`] the score of one lesion with what each term contributed.

pub mod calibrate;
mod check;
pub mod domain;
pub mod model;
pub mod score;

pub use domain::{Flag, FlagCode, Severity};
pub use model::Model;
pub use score::{LesionScore, Refusal, Scorer};
