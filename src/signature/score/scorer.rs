//! From a lesion's values to its score.

use std::sync::Arc;

use super::origin::check;
use super::{ClassCall, Contribution, LesionScore, Origin, Refusal, TermKind, covariates};
use crate::error::Result;
use crate::features::Columns;
use crate::plan::corrections::{CORRECTIONS, Correction};
use crate::row::Row;
use crate::signature::domain::{self, Flag};
use crate::signature::file::{Combat, Covariate, Policy};
use crate::signature::model::{Cutoff, Model, Term};
use crate::value::Missing;

/// A model that fits the values at hand.
#[derive(Clone, Debug)]
pub struct Scorer<'a> {
    model: &'a Model,
    coefficients: Vec<f64>,
    columns: Arc<Columns>,
    /// Where the columns hold each term's value; `None` for one that they lack.
    places: Vec<Option<usize>>,
}

impl Model {
    /// Checks that `origin` is what the model was trained on.
    ///
    /// # Errors
    /// [`Error::BadRequest`](crate::Error::BadRequest): settings that differ, key by key where both are
    /// known; the wrong engine; or a term whose values a later release corrected, with its column.
    pub fn scorer(&self, origin: Origin<'_>) -> Result<Scorer<'_>> {
        self.scorer_after(origin, CORRECTIONS)
    }

    fn scorer_after(&self, origin: Origin<'_>, corrections: &[Correction]) -> Result<Scorer<'_>> {
        check(self.file(), self.extraction(), origin, corrections)?;
        let columns = Arc::clone(origin.columns());
        let places = self.terms().iter().map(|term| columns.place(term.column_name())).collect();
        Ok(Scorer { model: self, coefficients: self.coefficients(), columns, places })
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
        for (index, term) in self.model.terms().iter().enumerate() {
            let value = self.value(index, term, lesion, &mut flags)?;
            let standardised = standardise(term, value, lesion)?;
            domain::of_feature(term, value, standardised, &mut flags);
            design.push(standardised);
            contributions.push(Contribution {
                column: term.column_name().to_owned(),
                label: term.label(),
                kind: TermKind::Image,
                value: Some(value),
                standardised,
                coefficient: term.coefficient(),
                contribution: term.coefficient() * standardised,
            });
        }
        domain::of_distance(self.model, &design[1..], &mut flags);
        for covariate in self.model.covariates() {
            match covariate {
                Covariate::OneHot { .. } => {
                    covariates::site(
                        covariate,
                        lesion,
                        &mut design,
                        &mut contributions,
                        &mut flags,
                    )?;
                }
                Covariate::Numeric { .. } => {
                    covariates::kvp(
                        covariate,
                        lesion,
                        &mut design,
                        &mut contributions,
                        &mut flags,
                    )?;
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
            .terms()
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
        let place = match Arc::ptr_eq(&self.columns, lesion.columns()) {
            true => self.places[index],
            false => lesion.columns().place(term.column_name()),
        };
        let value = place.map_or(Err(Missing::NotInTable), |place| lesion.values()[place]);
        let value = match value {
            Ok(value) if value.is_finite() => value,
            Ok(_) => return Err(missing(lesion, term, Missing::NotFinite)),
            Err(reason) => return Err(missing(lesion, term, reason)),
        };
        match self.model.batch() {
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
        let image_part = model.intercept() + part(TermKind::Image);
        let covariate_part = part(TermKind::Covariate);
        let eta = Self::predict(&self.coefficients, &design);
        let response = model.link().response(eta);
        if !eta.is_finite() || !response.is_finite() {
            return Err(Refusal::NotFinite { lesion: lesion.lesion.clone() });
        }
        let reference = model.reference();
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
            classes: model.cutoffs().iter().map(|cutoff| class(cutoff, eta)).collect(),
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
fn category(model: &Model, linear_predictor: f64) -> usize {
    let below = |cutoff: &&Cutoff| linear_predictor > cutoff.linear_predictor();
    model.cutoffs().iter().filter(below).count()
}

fn class(cutoff: &Cutoff, linear_predictor: f64) -> ClassCall {
    ClassCall {
        cutoff: cutoff.name().to_owned(),
        linear_predictor: cutoff.linear_predictor(),
        class: cutoff.class(linear_predictor).to_owned(),
        above: linear_predictor > cutoff.linear_predictor(),
    }
}

fn missing(lesion: &Row, term: &Term, reason: Missing) -> Refusal {
    let (lesion, column) = (lesion.lesion.clone(), term.column_name().to_owned());
    Refusal::MissingFeature { lesion, column, reason }
}

fn standardise(term: &Term, value: f64, lesion: &Row) -> Result<f64, Refusal> {
    term.standardise(value).ok_or_else(|| Refusal::OutsideTransform {
        lesion: lesion.lesion.clone(),
        column: term.column_name().to_owned(),
        value,
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Remedy;
    use crate::plan::corrections::Version;
    use crate::signature::file::Extraction;

    /// One that touches the first term of the demonstration signature, and one that touches none.
    const LATER: &[Correction] = &[
        Correction {
            version: Version(0, 8, 0),
            what: "the mean",
            touches: |column, _| column.feature.id == "stat_mean",
        },
        Correction {
            version: Version(0, 9, 0),
            what: "joint maximum",
            touches: |column, _| column.feature.id == "cm_joint_max",
        },
    ];
    const TOUCHED: &str =
        "tumour_original_cm_joint_max_3D_comb (abscope 0.9.0 corrected joint maximum)";

    fn demo() -> Model {
        let text = include_str!("../../../models/demo-simulated-infiltration.toml");
        Model::parse(text).expect("the signature of the repository is valid")
    }

    /// The demonstration signature as a later release would train it.
    fn trained_by(version: &str) -> Model {
        demo().changed(|file| file.training.software = version.into())
    }

    fn refusal(
        model: &Model,
        version: Option<&str>,
        corrections: &[Correction],
    ) -> Option<(String, Remedy)> {
        let plan = model.plan().expect("abscope's own");
        let hash = plan.hash();
        let origin = Origin::Table { hash: Some(&hash), version, columns: plan.columns() };
        let error = model.scorer_after(origin, corrections).err()?;
        Some((error.problem(), error.remedy().cloned().expect("a way out")))
    }

    #[test]
    fn a_model_from_before_a_correction_of_its_term_is_refused_by_name() {
        let (problem, remedy) = refusal(&demo(), Some("0.9.0"), LATER).expect("refused");
        let software = demo().file().training.software.clone();
        assert!(problem.contains(&software) && problem.ends_with(TOUCHED), "{problem}");
        assert_eq!(remedy, Remedy::TrainAnew);
        let by_hand = refusal(&trained_by("R 4.3"), Some("0.9.0"), LATER).expect("refused");
        assert!(by_hand.0.contains("an unknown version"), "{}", by_hand.0);
        let plan = demo().plan().expect("abscope's own").clone();
        assert!(demo().scorer_after(Origin::Plan(&plan), LATER).is_err());
    }

    #[test]
    fn a_table_from_before_a_correction_of_a_term_is_refused_by_name() {
        let model = trained_by("abscope 0.9.0");
        for version in [Some("0.1.0"), Some("0.8.0"), None] {
            let (problem, remedy) = refusal(&model, version, LATER).expect("refused");
            assert!(problem.ends_with(TOUCHED), "{problem}");
            assert_eq!(remedy, Remedy::ExtractAnew);
        }
        assert_eq!(refusal(&model, Some("0.9.0"), LATER), None);
        assert_eq!(refusal(&model, Some("0.10.0"), LATER), None);
    }

    #[test]
    fn what_no_correction_touches_goes_on_working() {
        assert_eq!(refusal(&demo(), Some("0.1.0"), &LATER[..1]), None);
        assert_eq!(refusal(&demo(), Some("0.1.0"), CORRECTIONS), None);
    }

    #[test]
    fn a_model_of_another_engine_knows_no_corrections() {
        let model = demo().changed(|file| {
            file.extraction = Extraction::foreign("PyRadiomics");
            for term in &mut file.terms {
                term.column = Some(term.column_name());
                term.feature = None;
            }
        });
        let columns = Arc::new(Columns::parse(model.terms().iter().map(Term::column_name)));
        let origin = Origin::Table { hash: None, version: None, columns: &columns };
        assert!(model.scorer_after(origin, LATER).is_ok());
    }
}
