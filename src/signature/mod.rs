//! Trained linear signatures: the file, the model that it resolves to, and the score it gives a
//! lesion.
//!
//! [`SignatureFile`] is what is written, [`SignatureFile::resolve`] finds everything that is wrong with
//! it, and [`Model`] is what can score. [`Model::scorer`] checks that the values at hand are those that
//! the model was trained on, and [`Scorer::score`] gives one lesion's score with what each term
//! contributed.

pub mod domain;
pub mod file;
mod finding;
pub mod incomplete;
pub mod model;
mod resolve;
pub mod score;

pub use domain::{Flag, FlagCode, Severity};
pub use file::{Kind, SignatureFile};
pub use finding::{Finding, Findings};
pub use incomplete::Incomplete;
pub use model::Model;
pub use resolve::Resolved;
pub use score::{LesionScore, Origin, Refusal, Scorer};
