//! The score of one lesion, and what each term contributed.

mod covariates;
mod origin;
mod refusal;
mod scorer;

use serde::Serialize;

use super::domain::Flag;

pub use origin::Origin;
pub use refusal::Refusal;
pub use scorer::Scorer;

pub(super) use origin::check;

/// Whether a term comes from the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TermKind {
    /// A radiomic feature.
    Image,
    /// Site or tube voltage: a difference here is no difference between the lesions' images.
    Covariate,
}

/// What one term adds to the linear predictor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contribution {
    /// The column, or `site` and `kvp`.
    pub column: String,
    /// Name for people.
    pub label: String,
    /// Image term or covariate.
    pub kind: TermKind,
    /// The value as measured; for a site, 1 where the lesion is there.
    pub value: Option<f64>,
    /// The value on the model's centre and scale.
    pub standardised: f64,
    /// The coefficient.
    pub coefficient: f64,
    /// `coefficient * standardised`.
    pub contribution: f64,
}

/// The class that a cut-off gives.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassCall {
    /// The cut-off's name.
    pub cutoff: String,
    /// Its value on the scale of the linear predictor.
    pub linear_predictor: f64,
    /// The class.
    pub class: String,
    /// Whether the score lies above the cut-off.
    pub above: bool,
}

/// The score of one lesion.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LesionScore {
    /// The lesion's id.
    pub lesion: String,
    /// Its name, where it has one.
    pub name: Option<String>,
    /// Its site, where known.
    pub site: Option<String>,
    /// Tube voltage, kV.
    pub kvp: Option<f64>,
    /// Volume as delineated, mL.
    pub volume_ml: Option<f64>,
    /// The linear predictor: what is ranked and compared.
    pub linear_predictor: f64,
    /// The response on the model's link: the predictor itself, a probability or a relative hazard.
    pub response: f64,
    /// Sum of the intercept and the image terms.
    pub image_part: f64,
    /// Sum of the covariates.
    pub covariate_part: f64,
    /// Class by each cut-off, the model's first cut-off first.
    pub classes: Vec<ClassCall>,
    /// Number of cut-offs below the score.
    pub category: usize,
    /// Share of the reference lesions with a score at or below this one, 0 to 1.
    pub percentile: Option<f64>,
    /// The same among reference lesions of the same site.
    pub percentile_same_site: Option<f64>,
    /// The terms, image terms first.
    pub contributions: Vec<Contribution>,
    /// Reasons to doubt the score.
    pub flags: Vec<Flag>,
    /// The design vector in the order of [`super::Model::coefficients`]: 1, standardised terms, covariates.
    #[serde(skip)]
    pub design: Vec<f64>,
}
