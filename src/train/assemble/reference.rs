//! What a score is judged by: the distribution of the training scores and their measurement error.

use std::collections::BTreeMap;

use super::Chosen;
use super::coefficients::covariates;
use crate::error::Result;
use crate::signature::file::{Kind, Reference, Reliability, VolumeBand};
use crate::stats::variance_components::variance_components;
use crate::stats::{QuantileTable, covariance, moments};
use crate::train::dataset::Prepared;
use crate::train::fitted::Fitted;

/// Fewest lesions of a site for a distribution of its own.
const SITE_LESIONS: usize = 10;

/// Bands of volume for the measurement error, upper bounds in mL.
const BANDS: [Option<f64>; 3] = [Some(1.0), Some(10.0), None];

/// Fewest lesions of a band for a measurement error of its own.
const BAND_LESIONS: usize = 5;

/// Scores of all training lesions as the file will give them.
pub(super) fn scores(prepared: &Prepared, fitted: &Fitted) -> Result<Vec<f64>> {
    let lesions = &prepared.lesions;
    let rows: Vec<usize> = (0..lesions.len()).collect();
    let mut scores = fitted.linear_predictor(lesions, &rows)?;
    if fitted.solution.kind == Kind::Cox {
        let (_, shift) = covariates(fitted);
        scores.iter_mut().for_each(|s| *s -= shift);
    }
    Ok(scores)
}

/// The reference distribution: the training lesions themselves.
pub(super) fn reference(
    prepared: &Prepared,
    fitted: &Fitted,
    chosen: &[Chosen<'_>],
    scores: &[f64],
    cohort: &str,
) -> Result<Option<Reference>> {
    let lesions = &prepared.lesions;
    let Some(quantiles) = QuantileTable::of(scores) else { return Ok(None) };
    let mut sites: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (score, site) in scores.iter().zip(&lesions.site) {
        if let Some(site) = site {
            sites.entry(site).or_default().push(*score);
        }
    }
    let by_site = sites
        .into_iter()
        .filter(|(_, s)| s.len() >= SITE_LESIONS)
        .filter_map(|(site, s)| Some((site.to_owned(), QuantileTable::of(&s)?)))
        .collect();
    let components = variance_components(scores, &lesions.rows_of_patients());
    let noise = repeat_variance(prepared, fitted);
    let within = components.map(|c| (c.within - noise.unwrap_or(0.0)).max(0.0));
    let rows: Vec<usize> = (0..lesions.len()).collect();
    let design = fitted.pipeline.apply(lesions, &rows)?;
    let columns: Vec<Vec<f64>> = chosen.iter().map(|c| design.column(c.at).to_vec()).collect();
    Ok(Some(Reference {
        cohort: cohort.to_owned(),
        n_lesions: lesions.len(),
        n_patients: lesions.patients.len(),
        patient_share: components.map(|c| c.share_between()),
        within_patient_sd: within.map(f64::sqrt).filter(|sd| *sd > 0.0),
        quantiles,
        covariance: covariance::shrunk(&columns),
        by_site,
    }))
}

/// Scores of each repeat of each lesion that was extracted repeatedly.
fn repeat_scores(prepared: &Prepared, fitted: &Fitted) -> Vec<(Option<f64>, Vec<f64>)> {
    let Some(repeated) = &prepared.data.repeated else { return Vec::new() };
    if fitted.pipeline.combat.is_some() {
        return Vec::new();
    }
    let first = fitted.pipeline.features.len();
    let coefficients = &fitted.solution.coefficients;
    let mut scores = Vec::new();
    for (at, repeats) in repeated.values.iter().enumerate() {
        let (site, kvp) = &repeated.covariates[at];
        let fixed: f64 = fitted
            .pipeline
            .covariates
            .iter()
            .enumerate()
            .map(|(k, c)| coefficients[first + k] * c.standardise(site.as_deref(), *kvp))
            .sum();
        let of = |values: &Vec<f64>| {
            let features = fitted.pipeline.features.iter().enumerate();
            features.fold(fixed, |sum, (j, feature)| {
                let z = fitted.pipeline.standardise(j, values[feature.column], "");
                sum + coefficients[j] * z.unwrap_or(0.0)
            })
        };
        scores.push((repeated.volume_ml[at], repeats.iter().map(of).collect()));
    }
    scores
}

/// Mean variance of the score over repeats of a lesion.
fn repeat_variance(prepared: &Prepared, fitted: &Fitted) -> Option<f64> {
    let scores = repeat_scores(prepared, fitted);
    let variances: Vec<f64> =
        scores.iter().filter_map(|(_, s)| moments::sd(s).map(|sd| sd * sd)).collect();
    moments::mean(&variances)
}

/// The measurement error by volume, from lesions that were extracted repeatedly.
pub(super) fn reliability(
    prepared: &Prepared,
    fitted: &Fitted,
    min_volume_ml: Option<f64>,
) -> Reliability {
    let volumes = prepared.lesions.volume_ml.iter().flatten().copied();
    let smallest = volumes.fold(f64::INFINITY, f64::min);
    let smallest = if smallest.is_finite() { smallest } else { 0.0 };
    let scores = repeat_scores(prepared, fitted);
    let mut bands = Vec::new();
    let mut lower = 0.0;
    for max_ml in BANDS {
        let variances: Vec<f64> = scores
            .iter()
            .filter(|(v, _)| v.is_some_and(|v| v > lower && max_ml.is_none_or(|max| v <= max)))
            .filter_map(|(_, s)| moments::sd(s).map(|sd| sd * sd))
            .collect();
        if variances.len() >= BAND_LESIONS {
            let sd = moments::mean(&variances).unwrap_or(0.0).sqrt();
            bands.push(VolumeBand { max_ml, sd });
        }
        lower = max_ml.unwrap_or(lower);
    }
    let from = match min_volume_ml {
        Some(_) => "smallest volume as configured",
        None => "smallest volume in training",
    };
    let source = match bands.is_empty() {
        true => format!("{from}; measurement error not known"),
        false => format!("{from}; SD over repeats of {} lesions", scores.len()),
    };
    Reliability { min_volume_ml: min_volume_ml.unwrap_or(smallest), score_sd: bands, source }
}
