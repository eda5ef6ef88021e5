//! Whether a signature file is whole and agrees with itself.

use std::collections::BTreeSet;

use super::model::{
    Bootstrap, Combat, Covariate, Extraction, FeatureReference, Kind, Model, QuantileTable,
    Reference, Reliability, SCHEMA, Term, Transform,
};
use crate::features::family::Aggregation;
use crate::plan::Plan;
use crate::region::Region;
use crate::stats::Mahalanobis;

type Check = Result<(), String>;

/// Refuses files of another or a newer schema before their keys are looked at.
pub(super) fn schema(table: &toml::Table) -> Check {
    let Some(schema) = table.get("schema").and_then(|s| s.as_str()) else {
        return Err(format!("no schema; a signature file starts with schema = \"{SCHEMA}\""));
    };
    if schema == SCHEMA {
        return Ok(());
    }
    let number = schema.strip_prefix("abscope.signature/").and_then(|n| n.parse::<u32>().ok());
    Err(match number {
        Some(number) if number > 1 => format!(
            "schema \"{schema}\" is newer than this abscope {} reads (\"{SCHEMA}\"); update abscope",
            env!("CARGO_PKG_VERSION")
        ),
        _ => format!("schema is \"{schema}\"; this abscope reads \"{SCHEMA}\""),
    })
}

impl Model {
    /// Checks that the file agrees with itself. A model without centre or scale passes: it is
    /// incomplete, not wrong ([`Model::without_scaling`]).
    ///
    /// # Errors
    /// The offending key, its value and what it may be.
    pub fn check(&self) -> Result<(), String> {
        if self.schema != SCHEMA {
            return Err(format!("schema is \"{}\"; this abscope reads \"{SCHEMA}\"", self.schema));
        }
        for (key, text) in
            [("id", &self.id), ("version", &self.version), ("higher_means", &self.higher_means)]
        {
            if text.trim().is_empty() {
                return Err(format!("{key} is empty"));
            }
        }
        if self.link != self.kind.link() {
            return Err(format!(
                "link is {:?}; a {} model has the link {:?}",
                self.link,
                self.kind.name(),
                self.kind.link()
            ));
        }
        finite("intercept", self.intercept)?;
        if self.kind == Kind::Cox && self.intercept != 0.0 {
            return Err(format!(
                "intercept is {}; a cox model has none, write 0.0",
                self.intercept
            ));
        }
        if self.kind == Kind::Binomial && self.positive_class.is_none() {
            return Err("positive_class is missing; say which class the probability is of".into());
        }
        let plan = extraction(&self.extraction)?;
        terms(&self.terms, plan.as_ref())?;
        covariates(&self.covariates)?;
        self.check_cutoffs()?;
        if let Some(reliability) = &self.reliability {
            check_reliability(reliability)?;
        }
        if let Some(reference) = &self.reference {
            check_reference(reference, self.terms.len())?;
        }
        if let Some(batch) = &self.batch {
            check_batch(batch, self.terms.len())?;
        }
        if let Some(bootstrap) = &self.bootstrap {
            check_bootstrap(bootstrap, self.coefficients().len())?;
        }
        for entry in &self.evaluation {
            finite("evaluation.value", entry.value)?;
            if let Some([low, high]) = entry.interval
                && !(low <= high)
            {
                return Err(format!("evaluation.interval of {} is [{low}, {high}]", entry.metric));
            }
        }
        Ok(())
    }

    fn check_cutoffs(&self) -> Check {
        for cutoff in &self.cutoffs {
            finite("cutoff.value", cutoff.value)?;
            if cutoff.linear_predictor(self.link).is_none() {
                return Err(format!(
                    "cutoff \"{}\" has the value {}, which is no response of a {} model",
                    cutoff.name,
                    cutoff.value,
                    self.kind.name()
                ));
            }
            if cutoff.low == cutoff.high {
                return Err(format!(
                    "cutoff \"{}\" gives both classes the name \"{}\"",
                    cutoff.name, cutoff.low
                ));
            }
            if cutoff.provenance.trim().is_empty() {
                return Err(format!(
                    "cutoff \"{}\" has no provenance; say how and on which data it was chosen",
                    cutoff.name
                ));
            }
        }
        Ok(())
    }
}

fn finite(key: &str, value: f64) -> Check {
    if value.is_finite() { Ok(()) } else { Err(format!("{key} is {value}; give a finite number")) }
}

fn extraction(extraction: &Extraction) -> Result<Option<Plan>, String> {
    match (&extraction.settings, &extraction.foreign) {
        (Some(settings), None) => {
            let plan = Plan::recorded(settings).map_err(|e| format!("extraction.settings: {e}"))?;
            let Some(written) = &extraction.hash else {
                return Err(format!(
                    "extraction.hash is missing; these settings have the hash {}",
                    plan.hash()
                ));
            };
            if !plan.agrees_with(written) {
                return Err(format!(
                    "extraction.hash is {written}, but the settings in the file have the hash {}: \
                     one of the two was changed after training",
                    plan.hash()
                ));
            }
            Ok(Some(plan))
        }
        (None, Some(foreign)) if foreign.engine.trim().is_empty() => {
            Err("extraction.foreign.engine is empty; name the engine".into())
        }
        (None, Some(_)) => Ok(None),
        (Some(_), Some(_)) => Err("extraction has both settings and foreign; give one".into()),
        (None, None) => Err("extraction has neither settings nor foreign; give one".into()),
    }
}

fn terms(terms: &[Term], plan: Option<&Plan>) -> Check {
    if terms.is_empty() {
        return Err("no [[term]]; a signature needs at least one feature".into());
    }
    let mut seen = BTreeSet::new();
    for (index, term) in terms.iter().enumerate() {
        let which = format!("term {} ({})", index + 1, term.column_name());
        match (&term.feature, &term.column, plan) {
            (Some(feature), None, Some(plan)) => {
                native(feature, plan).map_err(|problem| format!("term {}: {problem}", index + 1))?
            }
            (None, Some(column), None) if !column.trim().is_empty() => {}
            (_, _, Some(_)) => {
                return Err(format!("{which} needs `feature`, and no `column`"));
            }
            (_, _, None) => {
                return Err(format!("{which} needs `column`: its model is of another engine"));
            }
        }
        if !seen.insert(term.column_name()) {
            return Err(format!("{which} is there twice"));
        }
        finite(&format!("coefficient of {which}"), term.coefficient)?;
        if let Some(centre) = term.centre {
            finite(&format!("centre of {which}"), centre)?;
        }
        if let Some(scale) = term.scale
            && !(scale > 0.0 && scale.is_finite())
        {
            return Err(format!("scale of {which} is {scale}; give a number above 0"));
        }
        if let Transform::YeoJohnson { lambda } = term.transform {
            finite(&format!("lambda of {which}"), lambda)?;
        }
        if let Some(q) = term.training_quantiles
            && !(q.min <= q.q01 && q.q01 <= q.q50 && q.q50 <= q.q99 && q.q99 <= q.max)
        {
            return Err(format!("training_quantiles of {which} do not ascend"));
        }
        if let Some(frequency) = term.selection_frequency
            && !(0.0..=1.0).contains(&frequency)
        {
            return Err(format!("selection_frequency of {which} is {frequency}; give 0 to 1"));
        }
    }
    Ok(())
}

fn native(feature: &FeatureReference, plan: &Plan) -> Check {
    let Some(column) = feature.resolve() else {
        return Err(format!(
            "feature \"{}\" is not known; docs/features.md names them",
            feature.id
        ));
    };
    if column.feature.ibsi != feature.ibsi {
        return Err(format!(
            "feature {} has the IBSI code {}, but the file says {}",
            feature.id, column.feature.ibsi, feature.ibsi
        ));
    }
    let allowed = column.feature.family().aggregations();
    if !allowed.contains(&feature.aggregation) {
        let name = |a: &Aggregation| match a {
            Aggregation::NotAggregated => "none".to_owned(),
            other => other.suffix().to_owned(),
        };
        let names: Vec<_> = allowed.iter().map(name).collect();
        return Err(format!(
            "aggregation of {} is {}; it may be {}",
            feature.id,
            name(&feature.aggregation),
            names.join(", ")
        ));
    }
    if feature.region == Region::Ring && plan.processing().ring.is_none() {
        return Err(format!("{} is of the ring, but the settings have no ring", feature.id));
    }
    Ok(())
}

fn covariates(covariates: &[Covariate]) -> Check {
    let mut seen = BTreeSet::new();
    for covariate in covariates {
        if !seen.insert(covariate.name()) {
            return Err(format!("covariate {} is there twice", covariate.name()));
        }
        match covariate {
            Covariate::OneHot { name, reference, levels, .. } => {
                if name != "site" {
                    return Err(format!("one_hot covariate \"{name}\"; the one known is \"site\""));
                }
                let mut names = BTreeSet::from([reference.to_lowercase()]);
                for level in levels {
                    finite(&format!("coefficient of {name} {}", level.name), level.coefficient)?;
                    if !names.insert(level.name.to_lowercase()) {
                        return Err(format!("{name} {} is there twice", level.name));
                    }
                }
            }
            Covariate::Numeric { name, centre, scale, coefficient, range, .. } => {
                if name != "kvp" {
                    return Err(format!("numeric covariate \"{name}\"; the one known is \"kvp\""));
                }
                finite(&format!("centre of {name}"), *centre)?;
                finite(&format!("coefficient of {name}"), *coefficient)?;
                if !(*scale > 0.0 && scale.is_finite()) {
                    return Err(format!("scale of {name} is {scale}; give a number above 0"));
                }
                if !(range[0] <= range[1]) {
                    return Err(format!("range of {name} is [{}, {}]", range[0], range[1]));
                }
            }
        }
    }
    Ok(())
}

fn check_reliability(reliability: &Reliability) -> Check {
    if !(reliability.min_volume_ml >= 0.0 && reliability.min_volume_ml.is_finite()) {
        return Err(format!(
            "reliability.min_volume_ml is {}; give 0 or more",
            reliability.min_volume_ml
        ));
    }
    let mut last = 0.0;
    for (index, band) in reliability.score_sd.iter().enumerate() {
        if !(band.sd >= 0.0 && band.sd.is_finite()) {
            return Err(format!("reliability.score_sd has the SD {}; give 0 or more", band.sd));
        }
        match band.max_ml {
            Some(max) if max > last => last = max,
            None if index + 1 == reliability.score_sd.len() => {}
            _ => {
                return Err(
                    "reliability.score_sd: max_ml must ascend; only the last has none".into()
                );
            }
        }
    }
    Ok(())
}

fn check_reference(reference: &Reference, terms: usize) -> Check {
    quantile_table("reference.quantiles", &reference.quantiles)?;
    for (site, table) in &reference.by_site {
        quantile_table(&format!("reference.by_site.{site}"), table)?;
    }
    if let Some(share) = reference.patient_share
        && !(0.0..=1.0).contains(&share)
    {
        return Err(format!("reference.patient_share is {share}; give 0 to 1"));
    }
    if let Some(sd) = reference.within_patient_sd
        && !(sd > 0.0 && sd.is_finite())
    {
        return Err(format!("reference.within_patient_sd is {sd}; give a number above 0"));
    }
    let Some(covariance) = &reference.covariance else { return Ok(()) };
    if covariance.len() != terms || covariance.iter().any(|row| row.len() != terms) {
        return Err(format!("reference.covariance must have {terms} rows of {terms} numbers"));
    }
    if Mahalanobis::of(covariance).is_none() {
        return Err("reference.covariance is not symmetric and positive definite".into());
    }
    Ok(())
}

fn quantile_table(key: &str, table: &QuantileTable) -> Check {
    if table.is_sound() {
        return Ok(());
    }
    Err(format!("{key}: p and value must be as long as each other and ascend, p from 0 to 1"))
}

fn check_batch(batch: &Combat, terms: usize) -> Check {
    let length = |key: &str, v: &[f64], positive: bool| {
        let sound = v.len() == terms
            && v.iter().all(|x| x.is_finite())
            && (!positive || v.iter().all(|x| *x > 0.0));
        if sound {
            return Ok(());
        }
        let kind = if positive { "numbers above 0" } else { "finite numbers" };
        Err(format!("batch.{key} needs {terms} {kind}, one per term"))
    };
    length("grand_mean", &batch.grand_mean, false)?;
    length("pooled_sd", &batch.pooled_sd, true)?;
    for (name, one) in &batch.batches {
        length(&format!("batches.{name}.gamma"), &one.gamma, false)?;
        length(&format!("batches.{name}.delta_squared"), &one.delta_squared, true)?;
    }
    Ok(())
}

fn check_bootstrap(bootstrap: &Bootstrap, width: usize) -> Check {
    if bootstrap.draws.len() < 2 {
        return Err("bootstrap.draws needs two rows or more; leave [bootstrap] out".into());
    }
    for (index, row) in bootstrap.draws.iter().enumerate() {
        if row.len() != width || row.iter().any(|v| !v.is_finite()) {
            return Err(format!(
                "bootstrap.draws, row {}: needs {width} finite numbers (intercept, terms, \
                 covariates), has {}",
                index + 1,
                row.len()
            ));
        }
    }
    Ok(())
}
