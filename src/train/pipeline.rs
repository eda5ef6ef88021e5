//! What is done to features before the elastic net: fitted on training rows, frozen, applied.
//!
//! In this order: features with too many missing values, nearly constant ones and ones that do not
//! repeat are left out; other missing values become the median; batches are harmonised; values are
//! transformed, centred and scaled; of correlated features one is kept.

use std::collections::BTreeSet;

use ndarray::Array2;

use super::config::{Config, Scaling, Shape};
use super::dataset::Dataset;
use super::design::dot;
use crate::error::{Error, Result};
use crate::signature::model::Transform;
use crate::stats::{combat, icc, quantile, yeo_johnson};

/// A fitted pipeline.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// The features that are left, in the order of the table.
    pub features: Vec<FittedFeature>,
    /// The covariates.
    pub covariates: Vec<FittedCovariate>,
    /// Harmonisation, one entry per feature in `features`.
    pub combat: Option<combat::Estimates>,
    /// Features left out, by step.
    pub dropped: Dropped,
}

/// How many features each step left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dropped {
    /// Too many missing values.
    pub missing: usize,
    /// Nearly constant.
    pub constant: usize,
    /// Not repeatable.
    pub not_robust: usize,
    /// Not within the transformation's domain.
    pub outside_transform: usize,
    /// Represented by a correlated feature.
    pub correlated: usize,
}

/// What is done to one feature.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedFeature {
    /// Column of the data set.
    pub column: usize,
    /// Replaces a missing value.
    pub median: f64,
    /// Transformation.
    pub transform: Transform,
    /// Centre of the transformed values.
    pub centre: f64,
    /// Scale of the transformed values, above 0.
    pub scale: f64,
    /// Features it stands for besides itself.
    pub stands_for: Vec<usize>,
    /// Intraclass correlation of repeats, its lower bound.
    pub icc_lower: Option<f64>,
}

/// One design column that does not come from the image.
#[derive(Clone, Debug, PartialEq)]
pub enum FittedCovariate {
    /// Indicator of a site, against the site that most rows have.
    Site {
        /// The site.
        level: String,
        /// The reference.
        reference: String,
        /// Share of the (weighted) rows.
        centre: f64,
        /// Standard deviation of the indicator.
        scale: f64,
    },
    /// Tube voltage.
    Kvp {
        /// Mean, kV.
        centre: f64,
        /// Standard deviation, kV.
        scale: f64,
        /// Lowest and highest, kV.
        range: [f64; 2],
    },
}

/// Share of the commonest value over the next commonest from which a feature is nearly constant, if
/// few values are distinct: caret's rule (Kuhn, J Stat Softw 2008, doi:10.18637/jss.v028.i05).
const FREQUENCY_RATIO: f64 = 95.0 / 5.0;
const DISTINCT_SHARE: f64 = 0.1;

/// A feature on its way through the steps.
struct Candidate {
    column: usize,
    values: Vec<f64>,
    median: f64,
    icc_lower: Option<f64>,
}

impl Pipeline {
    /// Fits every step on `rows`.
    ///
    /// # Errors
    /// Nothing is left, or batches cannot be harmonised.
    pub fn fit(data: &Dataset, rows: &[usize], config: &Config) -> Result<Self> {
        let settings = &config.pipeline;
        let mut dropped = Dropped::default();
        let weights: Vec<f64> = rows.iter().map(|r| data.weights[*r]).collect();
        let patients: BTreeSet<usize> = rows.iter().map(|r| data.patient[*r]).collect();
        let mut candidates = Vec::new();
        for column in 0..data.columns.len() {
            let mut values: Vec<f64> = rows.iter().map(|r| data.values[[*r, column]]).collect();
            let known: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
            let missing = values.len() - known.len();
            let Some(median) = quantile::median(&known) else {
                dropped.missing += 1;
                continue;
            };
            if missing as f64 > settings.max_missing * values.len() as f64 {
                dropped.missing += 1;
                continue;
            }
            if is_constant(&known, settings.near_zero_variance) {
                dropped.constant += 1;
                continue;
            }
            let icc_lower = match icc_lower(data, column, &patients, settings.icc) {
                Ok(lower) => lower,
                Err(NotRepeated) => Some(f64::NEG_INFINITY),
            };
            if icc_lower.is_some_and(|lower| lower < settings.icc_lower) {
                dropped.not_robust += 1;
                continue;
            }
            values.iter_mut().filter(|v| v.is_nan()).for_each(|v| *v = median);
            candidates.push(Candidate { column, values, median, icc_lower });
        }
        let combat = match settings.combat {
            false => None,
            true => Some(harmonise(data, rows, &mut candidates)?),
        };

        let mut features = Vec::new();
        let mut standardised = Vec::new();
        let mut kept = Vec::new();
        for (at, candidate) in candidates.into_iter().enumerate() {
            let Some(transform) = transform(&candidate.values, settings.transform) else {
                dropped.outside_transform += 1;
                continue;
            };
            let values: Vec<f64> = candidate.values.iter().map(|v| transform.apply(*v)).collect();
            let Some((centre, scale)) = centre_and_scale(&values, &weights, settings.scale) else {
                dropped.constant += 1;
                continue;
            };
            standardised.push(values);
            kept.push(at);
            features.push(FittedFeature {
                column: candidate.column,
                median: candidate.median,
                transform,
                centre,
                scale,
                stands_for: Vec::new(),
                icc_lower: candidate.icc_lower,
            });
        }
        let represented = represent(&standardised, &features, settings.correlation);
        let before = features.len();
        let mut at = 0;
        let mut keep = represented.iter();
        let mut columns_kept = Vec::new();
        let all: Vec<usize> = features.iter().map(|f| f.column).collect();
        features.retain_mut(|feature| {
            let members = keep.next().and_then(Option::as_ref);
            if let Some(members) = members {
                feature.stands_for = members.iter().map(|m| all[*m]).collect();
                columns_kept.push(kept[at]);
            }
            at += 1;
            members.is_some()
        });
        dropped.correlated = before - features.len();
        let combat = combat.map(|all| all.select(&columns_kept));
        let covariates = covariates(data, rows, &weights, config);
        if features.is_empty() && covariates.is_empty() {
            return Err(Error::bad_request(format!(
                "no feature is left to train on: {} have too many missing values, {} are nearly \
                 constant, {} do not repeat, {} are outside the transformation; loosen [pipeline]",
                dropped.missing, dropped.constant, dropped.not_robust, dropped.outside_transform
            )));
        }
        Ok(Self { features, covariates, combat, dropped })
    }

    /// Number of design columns.
    pub fn width(&self) -> usize {
        self.features.len() + self.covariates.len()
    }

    /// The design of `rows`: standardised features, then standardised covariates.
    ///
    /// # Errors
    /// A batch that was not there when the pipeline was fitted.
    pub fn apply(&self, data: &Dataset, rows: &[usize]) -> Result<Array2<f64>> {
        let mut design = Array2::zeros((rows.len(), self.width()));
        for (i, &row) in rows.iter().enumerate() {
            for (j, feature) in self.features.iter().enumerate() {
                let value = data.values[[row, feature.column]];
                let z = self.standardise(j, value, &data.batch[row]).ok_or_else(|| {
                    let known: Vec<&str> = self.known_batches();
                    Error::bad_request(format!(
                        "batch \"{}\" (patient {}) is not among those that ComBat was fitted on \
                         ({}); a batch needs patients in every training part: use fewer folds, or \
                         leave the batch out",
                        data.batch[row],
                        data.patients[data.patient[row]],
                        known.join(", ")
                    ))
                })?;
                design[[i, j]] = z;
            }
            for (k, covariate) in self.covariates.iter().enumerate() {
                design[[i, self.features.len() + k]] =
                    covariate.standardise(data.site[row].as_deref(), data.kvp[row]);
            }
        }
        Ok(design)
    }

    /// One standardised value; `None` for an unknown batch.
    pub fn standardise(&self, feature: usize, value: f64, batch: &str) -> Option<f64> {
        let fitted = &self.features[feature];
        let value = if value.is_nan() { fitted.median } else { value };
        let value = match &self.combat {
            Some(combat) => combat.apply(feature, value, batch)?,
            None => value,
        };
        let transformed = fitted.transform.apply(value);
        // A value below the domain of ln(1 + x), which training did not see.
        let transformed = if transformed.is_finite() { transformed } else { fitted.centre };
        Some((transformed - fitted.centre) / fitted.scale)
    }

    fn known_batches(&self) -> Vec<&str> {
        self.combat.iter().flat_map(|c| c.batches.keys().map(String::as_str)).collect()
    }

    /// Penalty factor of each design column.
    pub fn penalty_factors(&self, keep_covariates: bool) -> Vec<f64> {
        let free = if keep_covariates && !self.features.is_empty() { 0.0 } else { 1.0 };
        let mut factors = vec![1.0; self.features.len()];
        factors.extend(vec![free; self.covariates.len()]);
        factors
    }
}

impl FittedCovariate {
    /// The standardised value; what is not known, or a site that training did not see, is taken for
    /// the reference (or the centre).
    pub fn standardise(&self, site: Option<&str>, kvp: Option<f64>) -> f64 {
        match self {
            Self::Site { level, centre, scale, .. } => {
                let indicator = f64::from(u8::from(site == Some(level)));
                (indicator - centre) / scale
            }
            Self::Kvp { centre, scale, .. } => kvp.map_or(0.0, |v| (v - centre) / scale),
        }
    }
}

/// Whether a feature says nothing: constant, or (with `near`) nearly so.
fn is_constant(known: &[f64], near: bool) -> bool {
    let sorted = quantile::sorted(known);
    let mut counts: Vec<usize> = sorted.chunk_by(|a, b| a == b).map(<[f64]>::len).collect();
    if counts.len() < 2 {
        return true;
    }
    let distinct = counts.len() as f64 / sorted.len() as f64;
    counts.sort_unstable_by(|a, b| b.cmp(a));
    near && counts[0] as f64 > FREQUENCY_RATIO * counts[1] as f64 && distinct < DISTINCT_SHARE
}

/// A feature whose repeats are missing or do not vary between lesions.
struct NotRepeated;

/// The lower bound of a feature's intraclass correlation over repeats of lesions that are not held
/// out; `None` without repeats.
fn icc_lower(
    data: &Dataset,
    column: usize,
    patients: &BTreeSet<usize>,
    kind: icc::IccKind,
) -> Result<Option<f64>, NotRepeated> {
    let Some(repeated) = &data.repeated else { return Ok(None) };
    let values: Vec<Vec<f64>> = repeated
        .values
        .iter()
        .zip(&repeated.patient)
        .filter(|(_, patient)| patient.is_none_or(|p| patients.contains(&p)))
        .map(|(repeats, _)| repeats.iter().map(|r| r[column]).collect::<Vec<f64>>())
        .filter(|repeats| repeats.iter().all(|v| v.is_finite()))
        .collect();
    icc::icc(&values, kind).map(|icc| Some(icc.interval[0])).ok_or(NotRepeated)
}

fn harmonise(
    data: &Dataset,
    rows: &[usize],
    candidates: &mut [Candidate],
) -> Result<combat::Estimates> {
    let batch: Vec<&str> = rows.iter().map(|r| data.batch[*r].as_str()).collect();
    let columns: Vec<Vec<f64>> = candidates.iter().map(|c| c.values.clone()).collect();
    let estimates = combat::fit(&columns, &batch).map_err(Error::bad_request)?;
    for (g, candidate) in candidates.iter_mut().enumerate() {
        for (value, batch) in candidate.values.iter_mut().zip(&batch) {
            *value = estimates.apply(g, *value, batch).unwrap_or(*value);
        }
    }
    Ok(estimates)
}

/// `None` where the transformation does not exist for these values.
fn transform(values: &[f64], shape: Shape) -> Option<Transform> {
    match shape {
        Shape::None => Some(Transform::None),
        Shape::Log1p => values.iter().all(|v| *v >= 0.0).then_some(Transform::Log1p),
        Shape::YeoJohnson => {
            let lambda = yeo_johnson::fit(values)?;
            let transform = Transform::YeoJohnson { lambda };
            values.iter().all(|v| transform.apply(*v).is_finite()).then_some(transform)
        }
    }
}

fn centre_and_scale(values: &[f64], weights: &[f64], scaling: Scaling) -> Option<(f64, f64)> {
    let (centre, scale) = match scaling {
        Scaling::Z => {
            let total: f64 = weights.iter().sum();
            let mean = dot(values, weights) / total;
            let squares = values.iter().zip(weights).map(|(v, w)| w * (v - mean).powi(2));
            (mean, (squares.sum::<f64>() / total).sqrt())
        }
        Scaling::Robust => {
            let sorted = quantile::sorted(values);
            let at = |p| quantile::of_sorted(&sorted, p);
            (at(0.5)?, (at(0.75)? - at(0.25)?) / 1.349)
        }
    };
    let varies = scale > 1e-12 * centre.abs().max(f64::MIN_POSITIVE);
    (varies && scale.is_finite()).then_some((centre, scale))
}

/// For each feature the ones it stands for, or `None` where another stands for it.
///
/// The feature with the best repeatability, or else the most correlated neighbours, stands for its
/// neighbours; then the next among those that are left.
fn represent(
    columns: &[Vec<f64>],
    features: &[FittedFeature],
    threshold: f64,
) -> Vec<Option<Vec<usize>>> {
    let p = columns.len();
    let mut represented: Vec<Option<Vec<usize>>> = vec![Some(Vec::new()); p];
    if threshold >= 1.0 || p < 2 {
        return represented;
    }
    let ranks: Vec<Vec<f64>> = columns.iter().map(|c| unit_ranks(c)).collect();
    let mut neighbours: Vec<Vec<usize>> = vec![Vec::new(); p];
    for i in 0..p {
        for j in i + 1..p {
            if dot(&ranks[i], &ranks[j]).abs() >= threshold {
                neighbours[i].push(j);
                neighbours[j].push(i);
            }
        }
    }
    let mut open = vec![true; p];
    let mut count: Vec<usize> = neighbours.iter().map(Vec::len).collect();
    loop {
        let better = |a: usize, b: usize| {
            let (x, y) = (features[a].icc_lower, features[b].icc_lower);
            let by_icc = x.unwrap_or(0.0).total_cmp(&y.unwrap_or(0.0));
            by_icc.then(count[a].cmp(&count[b])).is_gt()
        };
        let mut best: Option<usize> = None;
        for j in (0..p).filter(|j| open[*j] && count[*j] > 0) {
            if best.is_none_or(|b| better(j, b)) {
                best = Some(j);
            }
        }
        let Some(best) = best else { return represented };
        open[best] = false;
        let members: Vec<usize> = neighbours[best].iter().copied().filter(|m| open[*m]).collect();
        for &member in &members {
            open[member] = false;
            represented[member] = None;
        }
        for j in members.iter().chain([&best]) {
            for k in &neighbours[*j] {
                count[*k] = count[*k].saturating_sub(1);
            }
        }
        represented[best] = Some(members);
    }
}

/// Centred ranks of length 1, so that their inner product is Spearman's correlation.
fn unit_ranks(values: &[f64]) -> Vec<f64> {
    let mut ranks = quantile::midranks(values);
    let mean = (values.len() + 1) as f64 / 2.0;
    ranks.iter_mut().for_each(|r| *r -= mean);
    let length = dot(&ranks, &ranks).sqrt().max(f64::MIN_POSITIVE);
    ranks.iter_mut().for_each(|r| *r /= length);
    ranks
}

fn covariates(
    data: &Dataset,
    rows: &[usize],
    weights: &[f64],
    config: &Config,
) -> Vec<FittedCovariate> {
    let total: f64 = weights.iter().sum();
    let mut fitted = Vec::new();
    if config.features.covariates.iter().any(|c| c == "site") {
        let mut share: std::collections::BTreeMap<&str, f64> = std::collections::BTreeMap::new();
        for (row, weight) in rows.iter().zip(weights) {
            if let Some(site) = &data.site[*row] {
                *share.entry(site).or_default() += weight / total;
            }
        }
        let mut reference: Option<(&str, f64)> = None;
        for (site, share) in &share {
            if reference.is_none_or(|(_, most)| *share > most) {
                reference = Some((site, *share));
            }
        }
        if let Some((reference, _)) = reference {
            for (site, centre) in share.iter().filter(|(site, _)| **site != reference) {
                fitted.push(FittedCovariate::Site {
                    level: (*site).to_owned(),
                    reference: reference.to_owned(),
                    centre: *centre,
                    scale: (centre * (1.0 - centre)).sqrt(),
                });
            }
        }
    }
    if config.features.covariates.iter().any(|c| c == "kvp") {
        let (known, weights): (Vec<f64>, Vec<f64>) =
            rows.iter().zip(weights).filter_map(|(r, w)| Some((data.kvp[*r]?, *w))).unzip();
        if let Some((centre, scale)) = centre_and_scale(&known, &weights, Scaling::Z) {
            let range = [
                known.iter().copied().fold(f64::INFINITY, f64::min),
                known.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            ];
            fitted.push(FittedCovariate::Kvp { centre, scale, range });
        }
    }
    fitted
}
