//! From what training found to the model file.

use std::collections::BTreeMap;

use nalgebra::DMatrix;

use super::config::{CutoffKind, LambdaRule};
use super::dataset::{Dataset, Prepared};
use super::evaluate::Performance;
use super::pipeline::{FittedCovariate, FittedFeature};
use super::procedure::{Procedure, Signature};
use super::stability::Stability;
use crate::error::{Error, Result};
use crate::features::column::Column;
use crate::signature::model::{
    Bootstrap, Card, Combat, Covariate, Cutoff, CutoffScale, Evaluation, Kind, Level, Model,
    Policy, QuantileTable, Reference, Reliability, SCHEMA, Term, Training, TrainingQuantiles,
    VolumeBand,
};
use crate::stats::quantile;

/// Fewest lesions of a site for a distribution of its own.
const SITE_LESIONS: usize = 10;

/// Bands of volume for the measurement error, upper bounds in mL.
const BANDS: [Option<f64>; 3] = [Some(1.0), Some(10.0), None];

/// Fewest lesions of a band for a measurement error of its own.
const BAND_LESIONS: usize = 5;

/// A selected feature: its place in the pipeline, its coefficient.
struct Chosen<'a> {
    at: usize,
    feature: &'a FittedFeature,
    coefficient: f64,
}

/// The model file, checked.
///
/// # Errors
/// No feature was selected, or the file would not pass its own check.
pub fn model(
    prepared: &Prepared,
    procedure: &Procedure<'_>,
    signature: &Signature,
    stability: &Stability,
    performance: &Performance,
) -> Result<Model> {
    let config = procedure.config;
    let data = &prepared.data;
    let chosen: Vec<Chosen<'_>> = signature
        .pipeline
        .features
        .iter()
        .zip(&signature.solution.coefficients)
        .enumerate()
        .filter(|(_, (_, b))| **b != 0.0)
        .map(|(at, (feature, b))| Chosen { at, feature, coefficient: *b })
        .collect();
    if chosen.is_empty() {
        return Err(Error::bad_request(
            "cross-validation chose a penalty that leaves no feature: nothing here predicts the \
             outcome better than its mean; no model is written (elastic_net.rule = \"min\" chooses a \
             smaller penalty)",
        ));
    }
    let kind = config.outcome.kind();
    let (covariates, shift) = covariates(signature);
    let about = &config.model;
    let cutoff = &config.cutoff;
    let scores = scores(prepared, signature)?;
    let model = Model {
        schema: SCHEMA.into(),
        id: about.id.clone(),
        version: about.version.clone(),
        title: about.title.clone(),
        kind,
        link: kind.link(),
        intercept: match kind {
            Kind::Cox => 0.0,
            _ => signature.solution.intercept + shift,
        },
        higher_means: about.higher_means.clone(),
        units: about.units.clone().unwrap_or_else(|| {
            match kind {
                Kind::Gaussian => "arbitrary",
                Kind::Binomial => "probability",
                Kind::Cox => "relative hazard",
            }
            .into()
        }),
        positive_class: match &config.outcome {
            super::config::Outcome::Binomial { positive, .. } => Some(positive.clone()),
            _ => None,
        },
        extraction: prepared.extraction.clone(),
        terms: chosen.iter().map(|c| term(c, prepared, stability)).collect::<Result<_>>()?,
        covariates,
        cutoffs: vec![Cutoff {
            name: match cutoff.rule {
                CutoffKind::Median => "training median".into(),
                CutoffKind::Youden => "Youden".into(),
                CutoffKind::Quantile => format!("training {} % quantile", cutoff.quantile * 100.0),
            },
            // A Cox score has no intercept: the shift of the covariates' centres is taken along.
            value: signature.cutoff + if kind == Kind::Cox { -shift } else { 0.0 },
            scale: CutoffScale::LinearPredictor,
            low: cutoff.low.clone(),
            high: cutoff.high.clone(),
            provenance: format!(
                "{} of the {} out-of-fold scores in {}-fold cross-validation on the training data",
                match cutoff.rule {
                    CutoffKind::Median => "median",
                    CutoffKind::Youden => "largest sensitivity + specificity",
                    CutoffKind::Quantile => "quantile",
                },
                signature.cutoff_n,
                config.validation.inner_folds
            ),
        }],
        reliability: Some(reliability(prepared, signature, config.features.min_volume_ml)?),
        reference: reference(prepared, signature, &chosen, &scores, &about.cohort)?,
        batch: combat(signature, &chosen),
        calibration: None,
        training: Training {
            cohort: about.cohort.clone(),
            outcome: config.outcome.name().to_owned(),
            n_patients: Some(data.patients.len()),
            n_lesions: Some(prepared.lesions.len()),
            n_events: (kind != Kind::Gaussian).then(|| data.events()),
            n_candidates: Some(data.columns.len() + signature.pipeline.covariates.len()),
            procedure: procedure_in_words(procedure, signature),
            software: format!("abscope {}", env!("CARGO_PKG_VERSION")),
            seed: Some(config.validation.seed),
            lambda: Some(signature.solution.lambda),
            l1_ratio: Some(signature.l1_ratio),
            data_sha256: Some(prepared.data_sha256.clone()),
        },
        evaluation: evaluation(procedure, stability, performance),
        card: Card {
            authors: about.authors.clone(),
            doi: about.doi.clone(),
            licence: about.licence.clone(),
            intended_use: about.intended_use.clone(),
            not_for: about.not_for.clone(),
            limitations: about.limitations.clone(),
            simulated: about.simulated,
        },
        bootstrap: draws(signature, stability, kind),
    };
    model.check().map_err(|problem| {
        Error::bad_request(format!("the model does not pass its check: {problem}"))
    })?;
    Ok(model)
}

fn term(chosen: &Chosen<'_>, prepared: &Prepared, stability: &Stability) -> Result<Term> {
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
fn covariates(signature: &Signature) -> (Vec<Covariate>, f64) {
    let first = signature.pipeline.features.len();
    let mut covariates = Vec::new();
    let mut levels = Vec::new();
    let mut of = None;
    let mut shift = 0.0;
    for (k, covariate) in signature.pipeline.covariates.iter().enumerate() {
        let coefficient = signature.solution.coefficients[first + k];
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

/// Scores of all training lesions as the file will give them.
fn scores(prepared: &Prepared, signature: &Signature) -> Result<Vec<f64>> {
    let lesions = &prepared.lesions;
    let rows: Vec<usize> = (0..lesions.len()).collect();
    let mut scores = signature.linear_predictor(lesions, &rows)?;
    if signature.solution.kind == Kind::Cox {
        let (_, shift) = covariates(signature);
        scores.iter_mut().for_each(|s| *s -= shift);
    }
    Ok(scores)
}

fn reference(
    prepared: &Prepared,
    signature: &Signature,
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
    let components = components(scores, lesions);
    let noise = repeat_variance(prepared, signature)?;
    let within = components.map(|(_, within)| (within - noise.unwrap_or(0.0)).max(0.0));
    let rows: Vec<usize> = (0..lesions.len()).collect();
    let design = signature.pipeline.apply(lesions, &rows)?;
    let columns: Vec<Vec<f64>> = chosen.iter().map(|c| design.column(c.at).to_vec()).collect();
    Ok(Some(Reference {
        cohort: cohort.to_owned(),
        n_lesions: lesions.len(),
        n_patients: lesions.patients.len(),
        patient_share: components.map(|(between, within)| between / (between + within)),
        within_patient_sd: within.map(f64::sqrt).filter(|sd| *sd > 0.0),
        quantiles,
        covariance: shrunk_covariance(&columns),
        by_site,
    }))
}

/// Variance of scores between and within patients, by the analysis of variance for groups of
/// unequal size (Searle, Casella and McCulloch, Variance Components, 1992, 3.6); `None` unless
/// some patient has two lesions.
fn components(scores: &[f64], lesions: &Dataset) -> Option<(f64, f64)> {
    let rows = lesions.rows_of_patients();
    let (n, k) = (scores.len() as f64, rows.len() as f64);
    if rows.len() < 2 || scores.len() <= rows.len() {
        return None;
    }
    let grand = scores.iter().sum::<f64>() / n;
    let (mut between, mut within, mut squares) = (0.0, 0.0, 0.0);
    for rows in &rows {
        let size = rows.len() as f64;
        let mean = rows.iter().map(|r| scores[*r]).sum::<f64>() / size;
        between += size * (mean - grand).powi(2);
        within += rows.iter().map(|r| (scores[*r] - mean).powi(2)).sum::<f64>();
        squares += size * size;
    }
    let (msb, msw) = (between / (k - 1.0), within / (n - k));
    let typical = (n - squares / n) / (k - 1.0);
    let between = ((msb - msw) / typical).max(0.0);
    (between + msw > 0.0).then_some((between, msw))
}

/// Scores of each repeat of each lesion that was extracted repeatedly.
fn repeat_scores(prepared: &Prepared, signature: &Signature) -> Vec<(Option<f64>, Vec<f64>)> {
    let Some(repeated) = &prepared.data.repeated else { return Vec::new() };
    if signature.pipeline.combat.is_some() {
        return Vec::new();
    }
    let first = signature.pipeline.features.len();
    let coefficients = &signature.solution.coefficients;
    let mut scores = Vec::new();
    for (at, repeats) in repeated.values.iter().enumerate() {
        let (site, kvp) = &repeated.covariates[at];
        let fixed: f64 = signature
            .pipeline
            .covariates
            .iter()
            .enumerate()
            .map(|(k, c)| coefficients[first + k] * c.standardise(site.as_deref(), *kvp))
            .sum();
        let of = |values: &Vec<f64>| {
            let features = signature.pipeline.features.iter().enumerate();
            features.fold(fixed, |sum, (j, feature)| {
                let z = signature.pipeline.standardise(j, values[feature.column], "");
                sum + coefficients[j] * z.unwrap_or(0.0)
            })
        };
        scores.push((repeated.volume_ml[at], repeats.iter().map(of).collect()));
    }
    scores
}

/// Mean variance of the score over repeats of a lesion.
fn repeat_variance(prepared: &Prepared, signature: &Signature) -> Result<Option<f64>> {
    let scores = repeat_scores(prepared, signature);
    let variances: Vec<f64> =
        scores.iter().filter_map(|(_, s)| quantile::sd(s).map(|sd| sd * sd)).collect();
    Ok(quantile::mean(&variances))
}

fn reliability(
    prepared: &Prepared,
    signature: &Signature,
    min_volume_ml: Option<f64>,
) -> Result<Reliability> {
    let volumes = prepared.lesions.volume_ml.iter().flatten().copied();
    let smallest = volumes.fold(f64::INFINITY, f64::min);
    let smallest = if smallest.is_finite() { smallest } else { 0.0 };
    let scores = repeat_scores(prepared, signature);
    let mut bands = Vec::new();
    let mut lower = 0.0;
    for max_ml in BANDS {
        let variances: Vec<f64> = scores
            .iter()
            .filter(|(v, _)| v.is_some_and(|v| v > lower && max_ml.is_none_or(|max| v <= max)))
            .filter_map(|(_, s)| quantile::sd(s).map(|sd| sd * sd))
            .collect();
        if variances.len() >= BAND_LESIONS {
            let sd = quantile::mean(&variances).unwrap_or(0.0).sqrt();
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
    Ok(Reliability { min_volume_ml: min_volume_ml.unwrap_or(smallest), score_sd: bands, source })
}

/// Covariance with correlations shrunk towards 0 by the share that minimises the expected squared
/// error (Schäfer and Strimmer, Stat Appl Genet Mol Biol 2005, doi:10.2202/1544-6115.1175).
fn shrunk_covariance(columns: &[Vec<f64>]) -> Option<Vec<Vec<f64>>> {
    let p = columns.len();
    let n = columns.first()?.len() as f64;
    let sds: Vec<f64> = columns.iter().map(|c| quantile::sd(c)).collect::<Option<_>>()?;
    let standard: Vec<Vec<f64>> = columns
        .iter()
        .zip(&sds)
        .map(|(c, sd)| {
            let mean = quantile::mean(c).unwrap_or(0.0);
            c.iter().map(|v| (v - mean) / sd).collect()
        })
        .collect();
    let mut correlation = DMatrix::identity(p, p);
    let (mut variance, mut squares) = (0.0, 0.0);
    for i in 0..p {
        for j in 0..i {
            let products: Vec<f64> =
                standard[i].iter().zip(&standard[j]).map(|(a, b)| a * b).collect();
            let mean = products.iter().sum::<f64>() / n;
            let r = mean * n / (n - 1.0);
            let spread: f64 = products.iter().map(|w| (w - mean).powi(2)).sum();
            variance += n / (n - 1.0).powi(3) * spread;
            squares += r * r;
            correlation[(i, j)] = r;
            correlation[(j, i)] = r;
        }
    }
    let shrink = if squares > 0.0 { (variance / squares).clamp(0.01, 1.0) } else { 1.0 };
    let covariance = (0..p)
        .map(|i| {
            let entry = |j: usize| {
                let r = if i == j { 1.0 } else { (1.0 - shrink) * correlation[(i, j)] };
                r * sds[i] * sds[j]
            };
            (0..p).map(entry).collect()
        })
        .collect();
    Some(covariance)
}

fn combat(signature: &Signature, chosen: &[Chosen<'_>]) -> Option<Combat> {
    let all = signature.pipeline.combat.as_ref()?;
    let at: Vec<usize> = chosen.iter().map(|c| c.at).collect();
    let terms = all.select(&at);
    Some(Combat {
        unknown: Policy::Refuse,
        grand_mean: terms.grand_mean,
        pooled_sd: terms.pooled_sd,
        batches: terms.batches,
    })
}

/// Draws in the file's order: intercept, terms, site levels, tube voltage.
fn draws(signature: &Signature, stability: &Stability, kind: Kind) -> Option<Bootstrap> {
    if stability.coefficients.len() < 2 {
        return None;
    }
    let features = signature.pipeline.features.len();
    let active = signature.active();
    let draws = stability
        .coefficients
        .iter()
        .map(|draw| {
            let mut all = vec![0.0; signature.pipeline.width()];
            active.iter().zip(&draw[1..]).for_each(|(j, b)| all[*j] = *b);
            let mut drawn = signature.clone();
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

fn evaluation(
    procedure: &Procedure<'_>,
    stability: &Stability,
    performance: &Performance,
) -> Vec<Evaluation> {
    let cohort = &procedure.config.model.cohort;
    let mut entries: Vec<Evaluation> =
        performance.measured.iter().map(|m| m.entry(cohort)).collect();
    if let Some(first) = performance.measured.first() {
        let name = first.metric.name();
        let entry = |value: f64, method: String| Evaluation {
            cohort: cohort.clone(),
            metric: name.to_owned(),
            value,
            interval: None,
            method,
        };
        entries
            .extend(stability.apparent.map(|v| entry(v, "apparent, on the training data".into())));
        entries.extend(stability.corrected.map(|v| {
            let how = format!("optimism-corrected by {} patient resamples", stability.draws);
            entry(v, how)
        }));
        entries.extend(performance.comparisons.iter().map(|c| {
            let mut entry = entry(c.difference, format!("difference from {} alone", c.against));
            entry.metric = format!("{name}_difference");
            entry.interval = c.interval;
            entry
        }));
    }
    entries
}

fn procedure_in_words(procedure: &Procedure<'_>, signature: &Signature) -> String {
    let config = procedure.config;
    let p = &config.pipeline;
    let mut steps =
        vec![format!("features with more than {} % missing left out", p.max_missing * 100.0)];
    if p.near_zero_variance {
        steps.push("nearly constant ones left out".into());
    }
    if config.features.repeated.is_some() {
        steps.push(format!("lower bound of the ICC at least {}", p.icc_lower));
    }
    if p.combat {
        steps.push("ComBat".into());
    }
    if p.correlation < 1.0 {
        steps.push(format!("one of features with |Spearman| >= {} kept", p.correlation));
    }
    format!(
        "{}; elastic net ({}), L1 ratio {} and penalty by {}-fold cross-validation by patient ({}); {} \
         of {} candidates selected",
        steps.join("; "),
        config.outcome.kind().name(),
        signature.l1_ratio,
        config.validation.inner_folds,
        match config.elastic_net.rule {
            LambdaRule::Min => "least loss",
            LambdaRule::OneSe => "one standard error",
        },
        signature.solution.n_selected(),
        signature.pipeline.features.len() + signature.pipeline.covariates.len() + {
            let d = &signature.pipeline.dropped;
            d.missing + d.constant + d.not_robust + d.outside_transform + d.correlated
        }
    )
}
