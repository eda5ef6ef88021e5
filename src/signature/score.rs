//! The score of one lesion, and what each term contributed.

use serde::Serialize;

use super::domain::{self, Flag};
use super::model::{Combat, Covariate, Cutoff, Model, Policy, Term};
use crate::error::{Error, Remedy, Result};
use crate::plan::Plan;
use crate::row::Row;
use crate::value::Missing;

/// How the feature values at hand were made.
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a> {
    /// By abscope with this plan.
    Plan(&'a Plan),
    /// By abscope with a plan of this hash.
    Hash(&'a str),
    /// By another engine, or unknown.
    Foreign,
}

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
    /// The design vector in the order of [`Model::coefficients`]: 1, standardised terms, covariates.
    #[serde(skip)]
    pub design: Vec<f64>,
}

/// A model that fits the values at hand.
#[derive(Clone, Debug)]
pub struct Scorer<'a> {
    model: &'a Model,
    coefficients: Vec<f64>,
}

impl Model {
    /// Checks that the model is complete and that `origin` is what it was trained on.
    ///
    /// # Errors
    /// [`Error::BadRequest`]: terms without centre or scale, by name; or settings that differ, key
    /// by key where both are known; or the wrong engine.
    pub fn scorer(&self, origin: Origin<'_>) -> Result<Scorer<'_>> {
        let lacking = self.without_scaling();
        if !lacking.is_empty() {
            return Err(Error::bad_request(format!(
                "model {} is incomplete and cannot score: no centre and scale for {}",
                self.id,
                lacking.join(", ")
            ))
            .with_remedy(Remedy::CalibrateModel));
        }
        match (&self.extraction.settings, origin) {
            (None, Origin::Plan(_) | Origin::Hash(_)) => {
                self.plan()?;
            }
            (None, Origin::Foreign) => {}
            (Some(_), Origin::Foreign) => {
                return Err(Error::bad_request(format!(
                    "model {} needs features extracted by abscope with its own settings, but the \
                     values do not say which settings they were made with (no plan hash)",
                    self.id
                )));
            }
            (Some(settings), Origin::Plan(plan)) => {
                let own = Plan::resolve(settings)?;
                if own.hash() != plan.hash() {
                    return Err(Error::bad_request(format!(
                        "model {} was trained with other settings (model against these values): {}",
                        self.id,
                        own.differences(plan).join("; ")
                    )));
                }
            }
            (Some(settings), Origin::Hash(hash)) => {
                let own = Plan::resolve(settings)?.hash();
                if own != hash {
                    return Err(Error::bad_request(format!(
                        "model {} was trained with settings of hash {own}, the values were made \
                         with {hash}",
                        self.id
                    ))
                    .with_remedy(Remedy::MatchSettings));
                }
            }
        }
        Ok(Scorer { model: self, coefficients: self.coefficients() })
    }
}

impl Scorer<'_> {
    /// The model.
    pub fn model(&self) -> &Model {
        self.model
    }

    /// Scores one lesion.
    ///
    /// # Errors
    /// A feature without value, or a covariate that the model's policy refuses.
    pub fn score(&self, lesion: &Row) -> Result<LesionScore, Refusal> {
        let mut flags = domain::of_facts(self.model, lesion);
        let mut contributions = Vec::new();
        let mut design = vec![1.0];
        for (index, term) in self.model.terms.iter().enumerate() {
            let value = self.value(index, term, lesion, &mut flags)?;
            let standardised = standardise(term, value, lesion)?;
            domain::of_feature(term, value, standardised, &mut flags);
            design.push(standardised);
            contributions.push(Contribution {
                column: term.column_name(),
                label: term.label(),
                kind: TermKind::Image,
                value: Some(value),
                standardised,
                coefficient: term.coefficient,
                contribution: term.coefficient * standardised,
            });
        }
        domain::of_distance(self.model, &design[1..], &mut flags);
        for covariate in &self.model.covariates {
            match covariate {
                Covariate::OneHot { .. } => {
                    site(covariate, lesion, &mut design, &mut contributions, &mut flags)?;
                }
                Covariate::Numeric { .. } => {
                    kvp(covariate, lesion, &mut design, &mut contributions, &mut flags)?;
                }
            }
        }
        self.finish(lesion, design, contributions, flags)
    }

    /// The standardised image terms of a lesion: the part of the design that perturbing image and
    /// mask can change.
    ///
    /// # Errors
    /// As [`Scorer::score`].
    pub fn standardised_terms(&self, lesion: &Row) -> Result<Vec<f64>, Refusal> {
        let mut ignored = Vec::new();
        self.model
            .terms
            .iter()
            .enumerate()
            .map(|(index, term)| {
                standardise(term, self.value(index, term, lesion, &mut ignored)?, lesion)
            })
            .collect()
    }

    /// The linear predictor of a design vector under `coefficients` (the model's, or a draw's).
    pub fn predict(coefficients: &[f64], design: &[f64]) -> f64 {
        coefficients.iter().zip(design).map(|(b, x)| b * x).sum()
    }

    fn value(
        &self,
        index: usize,
        term: &Term,
        lesion: &Row,
        flags: &mut Vec<Flag>,
    ) -> Result<f64, Refusal> {
        let column = term.column_name();
        let value = lesion.value(&column).unwrap_or(Err(Missing::NotInTable));
        let value = match value {
            Ok(value) if value.is_finite() => value,
            Ok(_) => return Err(missing(lesion, column, Missing::NotFinite)),
            Err(reason) => return Err(missing(lesion, column, reason)),
        };
        match &self.model.batch {
            Some(combat) => harmonise(combat, index, value, lesion, flags),
            None => Ok(value),
        }
    }

    fn finish(
        &self,
        lesion: &Row,
        design: Vec<f64>,
        contributions: Vec<Contribution>,
        flags: Vec<Flag>,
    ) -> Result<LesionScore, Refusal> {
        let model = self.model;
        let part = |kind| {
            contributions.iter().filter(|c| c.kind == kind).map(|c| c.contribution).sum::<f64>()
        };
        let image_part = model.intercept + part(TermKind::Image);
        let covariate_part = part(TermKind::Covariate);
        let eta = Self::predict(&self.coefficients, &design);
        let response = model.link.response(eta);
        if !eta.is_finite() || !response.is_finite() {
            return Err(Refusal::NotFinite { lesion: lesion.lesion.clone() });
        }
        let reference = model.reference.as_ref();
        let same_site = lesion.site.as_deref().and_then(|site| {
            reference?
                .by_site
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(site))
                .map(|(_, table)| table)
        });
        Ok(LesionScore {
            lesion: lesion.lesion.clone(),
            name: lesion.name.clone(),
            site: lesion.site.clone(),
            kvp: lesion.kvp,
            volume_ml: lesion.volume_ml,
            linear_predictor: eta,
            response,
            image_part,
            covariate_part,
            classes: model.cutoffs.iter().filter_map(|c| class(model, c, eta)).collect(),
            category: category(model, eta),
            percentile: reference.map(|r| r.quantiles.percentile(eta)),
            percentile_same_site: same_site.map(|table| table.percentile(eta)),
            contributions,
            flags,
            design,
        })
    }
}

/// The number of cut-offs below a score.
pub fn category(model: &Model, linear_predictor: f64) -> usize {
    model.ordered_cutoffs().iter().filter(|cutoff| linear_predictor > **cutoff).count()
}

fn class(model: &Model, cutoff: &Cutoff, eta: f64) -> Option<ClassCall> {
    let at = cutoff.linear_predictor(model.link)?;
    let above = eta > at;
    let class = if above { &cutoff.high } else { &cutoff.low };
    Some(ClassCall {
        cutoff: cutoff.name.clone(),
        linear_predictor: at,
        class: class.clone(),
        above,
    })
}

fn missing(lesion: &Row, column: String, reason: Missing) -> Refusal {
    Refusal::MissingFeature { lesion: lesion.lesion.clone(), column, reason }
}

fn standardise(term: &Term, value: f64, lesion: &Row) -> Result<f64, Refusal> {
    let transformed = term.transform.apply(value);
    if !transformed.is_finite() {
        return Err(Refusal::OutsideTransform {
            lesion: lesion.lesion.clone(),
            column: term.column_name(),
            value,
        });
    }
    let (centre, scale) = term.centre.zip(term.scale).expect("a scorer's model is complete");
    Ok((transformed - centre) / scale)
}

fn harmonise(
    combat: &Combat,
    index: usize,
    value: f64,
    lesion: &Row,
    flags: &mut Vec<Flag>,
) -> Result<f64, Refusal> {
    let named = lesion.batch.as_deref().unwrap_or("not given");
    let Some(batch) = lesion.batch.as_ref().and_then(|b| combat.batches.get(b)) else {
        if combat.unknown == Policy::Refuse {
            let known: Vec<_> = combat.batches.keys().map(String::as_str).collect();
            return Err(Refusal::UnknownBatch {
                lesion: lesion.lesion.clone(),
                batch: named.to_owned(),
                known: known.join(", "),
            });
        }
        if index == 0 {
            flags.push(domain::unknown_batch(named, combat.unknown));
        }
        return Ok(value);
    };
    Ok(batch.harmonise(index, value, combat.grand_mean[index], combat.pooled_sd[index]))
}

fn site(
    covariate: &Covariate,
    lesion: &Row,
    design: &mut Vec<f64>,
    contributions: &mut Vec<Contribution>,
    flags: &mut Vec<Flag>,
) -> Result<(), Refusal> {
    let Covariate::OneHot { name, reference, missing, unseen, levels } = covariate else {
        return Ok(());
    };
    let at = match lesion.site.as_deref() {
        None if *missing == Policy::Refuse => {
            return Err(Refusal::MissingCovariate {
                lesion: lesion.lesion.clone(),
                covariate: name.clone(),
                remedy: Remedy::GiveSite { lesion: lesion.lesion.clone() },
            });
        }
        None => {
            flags.push(domain::missing_covariate(name, reference, *missing));
            None
        }
        Some(site) if site.eq_ignore_ascii_case(reference) => None,
        Some(site) => {
            let at = levels.iter().position(|l| l.name.eq_ignore_ascii_case(site));
            if at.is_none() {
                let known: Vec<_> = std::iter::once(reference.as_str())
                    .chain(levels.iter().map(|l| l.name.as_str()))
                    .collect();
                if *unseen == Policy::Refuse {
                    return Err(Refusal::UnseenSite {
                        lesion: lesion.lesion.clone(),
                        site: site.to_owned(),
                        known: known.join(", "),
                    });
                }
                flags.push(domain::unseen_site(site, reference, *unseen));
            }
            at
        }
    };
    for (index, level) in levels.iter().enumerate() {
        let indicator = if at == Some(index) { 1.0 } else { 0.0 };
        design.push(indicator);
        if at == Some(index) {
            contributions.push(Contribution {
                column: name.clone(),
                label: format!("Site: {}", level.name),
                kind: TermKind::Covariate,
                value: Some(indicator),
                standardised: indicator,
                coefficient: level.coefficient,
                contribution: level.coefficient,
            });
        }
    }
    if at.is_none() {
        contributions.push(Contribution {
            column: name.clone(),
            label: format!("Site: {reference} (reference)"),
            kind: TermKind::Covariate,
            value: None,
            standardised: 0.0,
            coefficient: 0.0,
            contribution: 0.0,
        });
    }
    Ok(())
}

fn kvp(
    covariate: &Covariate,
    lesion: &Row,
    design: &mut Vec<f64>,
    contributions: &mut Vec<Contribution>,
    flags: &mut Vec<Flag>,
) -> Result<(), Refusal> {
    let Covariate::Numeric { name, centre, scale, coefficient, missing, range } = covariate else {
        return Ok(());
    };
    let value = lesion.kvp.filter(|v| v.is_finite());
    let standardised = match value {
        Some(value) => {
            if !(range[0]..=range[1]).contains(&value) {
                flags.push(domain::kvp_outside(value, *range));
            }
            (value - centre) / scale
        }
        None if *missing == Policy::Refuse => {
            return Err(Refusal::MissingCovariate {
                lesion: lesion.lesion.clone(),
                covariate: name.clone(),
                remedy: Remedy::GiveKvp,
            });
        }
        None => {
            flags.push(domain::missing_covariate(name, &format!("{centre} kV"), *missing));
            0.0
        }
    };
    design.push(standardised);
    contributions.push(Contribution {
        column: name.clone(),
        label: "Tube voltage".into(),
        kind: TermKind::Covariate,
        value,
        standardised,
        coefficient: *coefficient,
        contribution: coefficient * standardised,
    });
    Ok(())
}
