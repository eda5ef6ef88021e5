//! What a score is judged by: cut-offs, reliability, the reference cohort and draws.

use crate::signature::file::{Bootstrap, Reference, Reliability, SignatureFile};
use crate::signature::finding::Findings;
use crate::signature::model::Cutoff;
use crate::stats::{Mahalanobis, QuantileTable};

/// The cut-offs on the scale of the linear predictor; fewer where one has no place there.
pub(super) fn cutoffs(file: &SignatureFile, findings: &mut Findings) -> Vec<Cutoff> {
    let mut cutoffs = Vec::new();
    for (index, written) in file.cutoffs.iter().enumerate() {
        let key = format!("cutoff[{}]", index + 1);
        let at = |name: &str| format!("{key}.{name}");
        findings.finite(&at("value"), written.value);
        let resolved = Cutoff::new(written, file.kind.link());
        findings.unless(resolved.is_some() || !written.value.is_finite(), &at("value"), || {
            format!("is {}, which is no response of a {} model", written.value, file.kind.name())
        });
        findings.unless(written.low != written.high, &at("high"), || {
            format!("is \"{}\", the name of the class below too", written.low)
        });
        findings.unless(!written.provenance.trim().is_empty(), &at("provenance"), || {
            "is empty; say how and on which data it was chosen".into()
        });
        cutoffs.extend(resolved);
    }
    cutoffs
}

pub(super) fn reliability(reliability: &Reliability, findings: &mut Findings) {
    let not_below_zero = |v: f64| v >= 0.0 && v.is_finite();
    let least = reliability.min_volume_ml;
    findings.unless(not_below_zero(least), "reliability.min_volume_ml", || {
        format!("is {least}; give 0 or more")
    });
    let mut last = 0.0;
    for (index, band) in reliability.score_sd.iter().enumerate() {
        let key = format!("reliability.score_sd[{}]", index + 1);
        findings.unless(not_below_zero(band.sd), &format!("{key}.sd"), || {
            format!("is {}; give 0 or more", band.sd)
        });
        let ascends = match band.max_ml {
            Some(max) => max > last,
            None => index + 1 == reliability.score_sd.len(),
        };
        findings.unless(ascends, &format!("{key}.max_ml"), || {
            "does not ascend; only the last band has none".into()
        });
        last = band.max_ml.unwrap_or(last);
    }
}

pub(super) fn reference(reference: &Reference, terms: usize, findings: &mut Findings) {
    quantiles("reference.quantiles", &reference.quantiles, findings);
    for (site, table) in &reference.by_site {
        quantiles(&format!("reference.by_site.{site}"), table, findings);
    }
    if let Some(share) = reference.patient_share {
        findings.share("reference.patient_share", share);
    }
    if let Some(sd) = reference.within_patient_sd {
        findings.above_zero("reference.within_patient_sd", sd);
    }
    let Some(covariance) = &reference.covariance else { return };
    let key = "reference.covariance";
    if covariance.len() != terms || covariance.iter().any(|row| row.len() != terms) {
        findings.add(key, format!("must have {terms} rows of {terms} numbers"));
    } else {
        findings.unless(Mahalanobis::of(covariance).is_some(), key, || {
            "is not symmetric and positive definite".into()
        });
    }
}

fn quantiles(key: &str, table: &QuantileTable, findings: &mut Findings) {
    findings.unless(table.is_sound(), key, || {
        "is not sound: p and value must be as long as each other and ascend, p from 0 to 1".into()
    });
}

pub(super) fn bootstrap(bootstrap: &Bootstrap, width: usize, findings: &mut Findings) {
    findings.unless(bootstrap.draws.len() >= 2, "bootstrap.draws", || {
        "needs two rows or more; leave [bootstrap] out".into()
    });
    let sound = |row: &[f64]| row.len() == width && row.iter().all(|v| v.is_finite());
    let draws = bootstrap.draws.iter().enumerate();
    let wrong: Vec<(usize, usize)> =
        draws.filter(|(_, row)| !sound(row)).map(|(at, row)| (at + 1, row.len())).collect();
    if let Some((row, numbers)) = wrong.first() {
        let problem = format!(
            "needs {width} finite numbers (intercept, terms, covariates), has {numbers} ({} such rows)",
            wrong.len()
        );
        findings.add(format!("bootstrap.draws[{row}]"), problem);
    }
}
