//! What site and tube voltage add to the linear predictor.

use super::{Contribution, Refusal, TermKind};
use crate::error::Remedy;
use crate::row::Row;
use crate::signature::domain::{self, Flag};
use crate::signature::file::{Covariate, Policy};

pub(super) fn site(
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

pub(super) fn kvp(
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
