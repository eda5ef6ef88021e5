//! Design columns that do not come from the image: site and tube voltage.

use std::collections::BTreeMap;

use super::centre_and_scale;
use crate::train::config::{Config, Scaling};
use crate::train::dataset::Dataset;

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

/// The covariates that the configuration names, fitted on `rows`.
pub(super) fn covariates(
    data: &Dataset,
    rows: &[usize],
    weights: &[f64],
    config: &Config,
) -> Vec<FittedCovariate> {
    let total: f64 = weights.iter().sum();
    let mut fitted = Vec::new();
    if config.features.covariates.iter().any(|c| c == "site") {
        let mut share: BTreeMap<&str, f64> = BTreeMap::new();
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
