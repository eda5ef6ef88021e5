//! Terms, covariates and coefficient draws, on the centres and scales that the file has.

use super::Chosen;
use crate::error::{Error, Result};
use crate::features::column::Column;
use crate::signature::file::{Bootstrap, Covariate, Kind, Level, Policy, Term, TrainingQuantiles};
use crate::stats::quantile;
use crate::train::dataset::Prepared;
use crate::train::fitted::Fitted;
use crate::train::pipeline::FittedCovariate;
use crate::train::stability::Stability;

/// The term of a selected feature.
pub(super) fn term(
    chosen: &Chosen<'_>,
    prepared: &Prepared,
    stability: &Stability,
) -> Result<Term> {
    let data = &prepared.data;
    let name = &data.columns[chosen.feature.column];
    let mut term = match prepared.extraction.foreign {
        Some(_) => Term::foreign(name, chosen.coefficient),
        None => {
            let column = Column::parse(name).ok_or_else(|| {
                Error::bad_request(format!("column {name} is not a feature of abscope"))
            })?;
            Term::of(&column, chosen.coefficient)
        }
    };
    term.centre = Some(chosen.feature.centre);
    term.scale = Some(chosen.feature.scale);
    term.transform = chosen.feature.transform;
    term.selection_frequency = Some(stability.frequency[chosen.feature.column]);
    let lesions = &prepared.lesions;
    let known: Vec<f64> = lesions
        .values
        .column(chosen.feature.column)
        .iter()
        .copied()
        .filter(|v| !v.is_nan())
        .collect();
    let sorted = quantile::sorted(&known);
    let at = |p| quantile::of_sorted(&sorted, p).unwrap_or(f64::NAN);
    term.training_quantiles = Some(TrainingQuantiles {
        min: at(0.0),
        q01: at(0.01),
        q50: at(0.5),
        q99: at(0.99),
        max: at(1.0),
    });
    Ok(term)
}

/// Covariates of the file, and what their centres add to the intercept: a file's indicators are
/// plain 0 and 1.
pub(super) fn covariates(fitted: &Fitted) -> (Vec<Covariate>, f64) {
    let first = fitted.pipeline.features.len();
    let mut covariates = Vec::new();
    let mut levels = Vec::new();
    let mut of = None;
    let mut shift = 0.0;
    for (k, covariate) in fitted.pipeline.covariates.iter().enumerate() {
        let coefficient = fitted.solution.coefficients[first + k];
        match covariate {
            FittedCovariate::Site { level, reference, centre, scale } => {
                shift -= coefficient * centre / scale;
                of = Some(reference.clone());
                levels.push(Level { name: level.clone(), coefficient: coefficient / scale });
            }
            FittedCovariate::Kvp { centre, scale, range } => covariates.push(Covariate::Numeric {
                name: "kvp".into(),
                centre: *centre,
                scale: *scale,
                coefficient,
                missing: Policy::Warn,
                range: *range,
            }),
        }
    }
    if let Some(reference) = of {
        let site = Covariate::OneHot {
            name: "site".into(),
            reference,
            missing: Policy::Warn,
            unseen: Policy::Warn,
            levels,
        };
        covariates.insert(0, site);
    }
    (covariates, shift)
}

/// Draws in the file's order: intercept, terms, site levels, tube voltage.
pub(super) fn draws(fitted: &Fitted, stability: &Stability, kind: Kind) -> Option<Bootstrap> {
    if stability.coefficients.len() < 2 {
        return None;
    }
    let features = fitted.pipeline.features.len();
    let active = fitted.active();
    let draws = stability
        .coefficients
        .iter()
        .map(|draw| {
            let mut all = vec![0.0; fitted.pipeline.width()];
            active.iter().zip(&draw[1..]).for_each(|(j, b)| all[*j] = *b);
            let mut drawn = fitted.clone();
            drawn.solution.coefficients = all.clone().into();
            let (covariates, shift) = covariates(&drawn);
            let intercept = if kind == Kind::Cox { 0.0 } else { draw[0] + shift };
            let mut row = vec![intercept];
            row.extend(active.iter().filter(|j| **j < features).map(|j| all[*j]));
            row.extend(covariates.iter().flat_map(Covariate::coefficients));
            row
        })
        .collect();
    Some(Bootstrap {
        method: format!(
            "{} resamples of patients; the model's terms refitted at its penalty",
            stability.coefficients.len()
        ),
        draws,
    })
}
