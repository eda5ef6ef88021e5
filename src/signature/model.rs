//! What can score: a signature file resolved.

use std::path::Path;

use super::file::{
    self, Bootstrap, Combat, Covariate, Foreign, Kind, Reference, Reliability, SignatureFile,
    TrainingQuantiles,
};
use super::resolve::Resolved;
use crate::error::{Error, Remedy, Result};
use crate::features::{Column, ColumnKey};
use crate::plan::Plan;
use crate::stats::{Link, Transform};

/// A trained linear signature with nothing left open.
///
/// Made by [`SignatureFile::resolve`], or from a file at once by [`Model::read`].
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    file: SignatureFile,
    extraction: Extraction,
    terms: Vec<Term>,
    cutoffs: Vec<Cutoff>,
}

/// How the features are extracted.
#[derive(Clone, Debug, PartialEq)]
pub enum Extraction {
    /// By abscope.
    Own {
        /// The plan of training.
        trained: Box<Plan>,
        /// The same narrowed to the columns of the terms.
        needed: Box<Plan>,
    },
    /// By another engine; such a model scores only tables that hold the same columns.
    Foreign(Foreign),
}

impl Extraction {
    pub(super) fn own(trained: Box<Plan>, columns: &[ColumnKey]) -> Self {
        let columns: Vec<Column> = columns.iter().filter_map(ColumnKey::own).cloned().collect();
        let needed = Box::new(trained.narrowed(&columns));
        Self::Own { trained, needed }
    }

    /// The plan of training; `None` for another engine's features.
    pub fn trained(&self) -> Option<&Plan> {
        match self {
            Self::Own { trained, .. } => Some(trained),
            Self::Foreign(_) => None,
        }
    }
}

/// One feature of the linear predictor: `coefficient * (transform(x) - centre) / scale`.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    column: ColumnKey,
    name: String,
    coefficient: f64,
    centre: f64,
    scale: f64,
    transform: Transform,
    training_quantiles: Option<TrainingQuantiles>,
}

impl Term {
    pub(super) fn new(written: &file::Term, column: ColumnKey, centre: f64, scale: f64) -> Self {
        let &file::Term { coefficient, transform, training_quantiles, .. } = written;
        let name = column.to_string();
        Self { column, name, coefficient, centre, scale, transform, training_quantiles }
    }

    /// The column that this term reads.
    pub fn column(&self) -> &ColumnKey {
        &self.column
    }

    /// The column's name.
    pub fn column_name(&self) -> &str {
        &self.name
    }

    /// Name, region and filter for people: `Joint entropy, ring`.
    pub fn label(&self) -> String {
        file::label(&self.column)
    }

    /// Coefficient of the standardised feature.
    pub fn coefficient(&self) -> f64 {
        self.coefficient
    }

    /// Mean of the transformed feature in training.
    pub fn centre(&self) -> f64 {
        self.centre
    }

    /// Standard deviation of the transformed feature in training, above 0.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Applied before centre and scale.
    pub fn transform(&self) -> Transform {
        self.transform
    }

    /// Untransformed values seen in training.
    pub fn training_quantiles(&self) -> Option<&TrainingQuantiles> {
        self.training_quantiles.as_ref()
    }

    /// A value on the term's centre and scale; `None` outside the transformation's domain.
    pub fn standardise(&self, value: f64) -> Option<f64> {
        let transformed = self.transform.apply(value);
        transformed.is_finite().then(|| (transformed - self.centre) / self.scale)
    }
}

/// A cut-off on the scale of the linear predictor.
#[derive(Clone, Debug, PartialEq)]
pub struct Cutoff {
    name: String,
    linear_predictor: f64,
    low: String,
    high: String,
}

impl Cutoff {
    /// `None` where the written value is no response.
    pub(super) fn new(written: &file::Cutoff, link: Link) -> Option<Self> {
        Some(Self {
            name: written.name.clone(),
            linear_predictor: written.linear_predictor(link)?,
            low: written.low.clone(),
            high: written.high.clone(),
        })
    }

    /// Name, such as `training median`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value on the scale of the linear predictor; a score above it is in the class `high`.
    pub fn linear_predictor(&self) -> f64 {
        self.linear_predictor
    }

    /// The class of a score.
    pub fn class(&self, linear_predictor: f64) -> &str {
        if linear_predictor > self.linear_predictor { &self.high } else { &self.low }
    }
}

impl Model {
    pub(super) fn new(
        file: SignatureFile,
        extraction: Extraction,
        terms: Vec<Term>,
        cutoffs: Vec<Cutoff>,
    ) -> Self {
        Self { file, extraction, terms, cutoffs }
    }

    /// Reads a signature file that can score.
    ///
    /// # Errors
    /// The file cannot be read, has problems (all are listed, with their keys), or is incomplete.
    pub fn read(path: &Path) -> Result<Self> {
        Resolved::read(path)?.complete().map_err(|e| e.with_path(path))
    }

    /// The model of TOML text.
    ///
    /// # Errors
    /// As [`Model::read`], without a file name.
    pub fn parse(text: &str) -> Result<Self> {
        SignatureFile::parse(text).map_err(Error::bad_request)?.resolve()?.complete()
    }

    /// What was written, with all that is said of the model.
    pub fn file(&self) -> &SignatureFile {
        &self.file
    }

    /// SHA-256 of the file's canonical JSON ([`SignatureFile::hash`]).
    pub fn hash(&self) -> String {
        self.file.hash()
    }

    /// Identifier, such as `demo-simulated-infiltration`.
    pub fn id(&self) -> &str {
        &self.file.id
    }

    /// Version of the signature, `major.minor.patch`.
    pub fn version(&self) -> &str {
        &self.file.version
    }

    /// What was modelled.
    pub fn kind(&self) -> Kind {
        self.file.kind
    }

    /// How the linear predictor becomes the response.
    pub fn link(&self) -> Link {
        self.kind().link()
    }

    /// Intercept of the linear predictor; 0 for Cox models.
    pub fn intercept(&self) -> f64 {
        self.file.intercept
    }

    /// What a higher score means, in words that complete "a higher score means …".
    pub fn higher_means(&self) -> &str {
        &self.file.higher_means
    }

    /// How the features are extracted.
    pub fn extraction(&self) -> &Extraction {
        &self.extraction
    }

    /// The plan that computes what the model needs, and nothing else.
    ///
    /// # Errors
    /// [`Error::BadRequest`]: a model of another engine's features has no plan.
    pub fn plan(&self) -> Result<&Plan> {
        match &self.extraction {
            Extraction::Own { needed, .. } => Ok(needed),
            Extraction::Foreign(foreign) => Err(needs_table(self.id(), foreign)),
        }
    }

    /// The image terms.
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// The terms that do not come from the image.
    pub fn covariates(&self) -> &[Covariate] {
        &self.file.covariates
    }

    /// The coefficients in the order of [`Bootstrap::draws`]: intercept, terms, covariates.
    pub fn coefficients(&self) -> Vec<f64> {
        self.file.coefficients()
    }

    /// Cut-offs, the one that classes are reported by first.
    pub fn cutoffs(&self) -> &[Cutoff] {
        &self.cutoffs
    }

    /// Cut-offs on the scale of the linear predictor, ascending.
    pub fn ordered_cutoffs(&self) -> Vec<f64> {
        let mut values: Vec<f64> = self.cutoffs.iter().map(Cutoff::linear_predictor).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    /// How far a score can be trusted, by volume.
    pub fn reliability(&self) -> Option<&Reliability> {
        self.file.reliability.as_ref()
    }

    /// Scores of a reference cohort.
    pub fn reference(&self) -> Option<&Reference> {
        self.file.reference.as_ref()
    }

    /// Harmonisation of features between scanners or centres.
    pub fn batch(&self) -> Option<&Combat> {
        self.file.batch.as_ref()
    }

    /// Bootstrap draws of the coefficients.
    pub fn bootstrap(&self) -> Option<&Bootstrap> {
        self.file.bootstrap.as_ref()
    }

    /// What every result of the model must carry: that it is simulated, or completed from another
    /// cohort; empty for any other.
    pub fn note(&self) -> String {
        let simulated = self.file.card.simulated.then_some(
            "Demonstration signature trained on simulated data; its scores mean nothing for a \
             patient.",
        );
        let calibrated = self.file.calibration.as_ref().map(|c| c.statement.as_str());
        let parts: Vec<&str> = simulated.into_iter().chain(calibrated).collect();
        parts.join(" ")
    }
}

#[cfg(test)]
impl Model {
    /// The model of a file that differs.
    pub(crate) fn changed(&self, change: impl FnOnce(&mut SignatureFile)) -> Self {
        let mut file = self.file.clone();
        change(&mut file);
        file.resolve().expect("a file without problems").complete().expect("a complete file")
    }
}

/// The error where images are to be scored by a model of another engine.
pub(super) fn needs_table(id: &str, foreign: &Foreign) -> Error {
    Error::bad_request(format!(
        "model {id} was trained on features of {}; it scores tables of that engine, not images",
        foreign.engine
    ))
    .with_remedy(Remedy::ScoreTable)
}
