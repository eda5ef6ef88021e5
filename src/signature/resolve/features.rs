//! How features are extracted, and that the extraction gives the columns of all terms.

use std::collections::BTreeSet;

use crate::features::{Aggregation, Column, ColumnKey, ORIGINAL};
use crate::plan::Plan;
use crate::region::Region;
use crate::signature::file::{Extraction, FeatureReference, Foreign, SignatureFile, Term};
use crate::signature::finding::Findings;

/// Where the values come from.
pub(super) enum Source {
    /// Abscope with this plan.
    Own(Box<Plan>),
    /// Another engine.
    Foreign(Foreign),
}

/// Where the values come from; `None` where the file does not say it in one way.
pub(super) fn source(extraction: &Extraction, findings: &mut Findings) -> Option<Source> {
    match (&extraction.settings, &extraction.foreign) {
        (Some(_), Some(_)) => findings.add("extraction", "has both settings and foreign; give one"),
        (None, None) => findings.add("extraction", "has neither settings nor foreign; give one"),
        (None, Some(foreign)) => {
            let named = !foreign.engine.trim().is_empty();
            findings
                .unless(named, "extraction.foreign.engine", || "is empty; name the engine".into());
            return Some(Source::Foreign(foreign.clone()));
        }
        (Some(settings), None) => match Plan::recorded(settings) {
            Ok(plan) => {
                agrees(&plan, extraction.hash.as_deref(), findings);
                return Some(Source::Own(Box::new(plan)));
            }
            Err(problem) => {
                findings.add("extraction.settings", format!("do not resolve: {problem}"));
            }
        },
    }
    None
}

fn agrees(plan: &Plan, written: Option<&str>, findings: &mut Findings) {
    let key = "extraction.hash";
    let Some(written) = written else {
        let hash = plan.hash();
        return findings.add(key, format!("is missing; these settings have the hash {hash}"));
    };
    findings.unless(plan.agrees_with(written), key, || {
        format!(
            "is {written}, but the settings in the file have the hash {}: one of the two was changed \
             after training",
            plan.hash()
        )
    });
}

/// The column of every term; fewer where one is not known.
pub(super) fn columns(
    file: &SignatureFile,
    source: Option<&Source>,
    findings: &mut Findings,
) -> Vec<ColumnKey> {
    let Extraction { settings, foreign, .. } = &file.extraction;
    let own = settings.is_some() && foreign.is_none();
    let mut columns = Vec::new();
    let mut seen = BTreeSet::new();
    for (key, term) in keyed(&file.terms) {
        let name = term.column_name();
        match (&term.feature, &term.column) {
            (Some(feature), None) if own => reference(&key, feature, findings),
            (None, Some(column)) if !own && !column.trim().is_empty() => {}
            _ if own => findings.add(&key, format!("({name}) needs `feature`, and no `column`")),
            _ => findings
                .add(&key, format!("({name}) needs `column`: its model is of another engine")),
        }
        findings.unless(seen.insert(name.clone()), &key, || format!("({name}) is there twice"));
        columns.extend(term.column());
    }
    if let Some(Source::Own(plan)) = source {
        given(&file.terms, plan, findings);
    }
    columns
}

/// The terms with their keys.
pub(super) fn keyed(terms: &[Term]) -> impl Iterator<Item = (String, &Term)> {
    terms.iter().enumerate().map(|(index, term)| (format!("term[{}]", index + 1), term))
}

/// That id, code and aggregation belong together.
fn reference(key: &str, reference: &FeatureReference, findings: &mut Findings) {
    let FeatureReference { id, ibsi, aggregation, .. } = reference;
    let Some(column) = reference.column() else {
        let problem = format!("is \"{id}\", which is not known; docs/features.md names all");
        return findings.add(format!("{key}.feature.id"), problem);
    };
    findings.unless(column.feature.ibsi == ibsi, &format!("{key}.feature.ibsi"), || {
        format!("is {ibsi}; feature {id} has the IBSI code {}", column.feature.ibsi)
    });
    let allowed = column.feature.family().aggregations();
    findings.unless(allowed.contains(aggregation), &format!("{key}.feature.aggregation"), || {
        let names: Vec<&str> = allowed.iter().map(written).collect();
        format!("of {id} is {}; it may be {}", written(aggregation), names.join(", "))
    });
}

fn written(aggregation: &Aggregation) -> &'static str {
    match aggregation {
        Aggregation::NotAggregated => "none",
        other => other.suffix(),
    }
}

/// That the settings compute every term's column.
fn given(terms: &[Term], plan: &Plan, findings: &mut Findings) {
    let own: Vec<(String, Column)> = keyed(terms)
        .filter_map(|(key, term)| Some((key, term.feature.as_ref()?.column()?)))
        .filter(|(_, column)| column.feature.family().aggregations().contains(&column.aggregation))
        .collect();
    let columns: Vec<Column> = own.iter().map(|(_, column)| column.clone()).collect();
    let needed = plan.narrowed(&columns);
    for (key, column) in &own {
        let before = findings.len();
        lacking(key, column, plan, findings);
        let explained = findings.len() > before;
        let name = column.name();
        let given = explained || needed.columns().place(&name).is_some();
        findings.unless(given, &format!("{key}.feature"), || {
            format!("is {name}, which extraction.settings do not compute")
        });
    }
}

/// What of the settings keeps a column from being computed.
fn lacking(key: &str, column: &Column, plan: &Plan, findings: &mut Findings) {
    let Column { region, filter, feature, .. } = column;
    let (processing, selection) = (plan.processing(), plan.selection());
    let described = match region {
        Region::Tumour => selection.tumour,
        Region::Ring => processing.ring.is_some(),
    };
    findings.unless(described, &format!("{key}.feature.region"), || {
        format!("is {0}, but extraction.settings have no {0}", region.name())
    });
    let filter_key = format!("{key}.feature.filter");
    let mut maps = vec![ORIGINAL.to_owned()];
    maps.extend(processing.filters.iter().flat_map(|filter| filter.maps()));
    if !maps.contains(filter) {
        let maps = maps.join(", ");
        findings.add(filter_key, format!("is \"{filter}\"; extraction.settings give {maps}"));
    } else if !selection.wants_map(filter) {
        let problem = format!("is \"{filter}\", which extraction.settings.features.maps leave out");
        findings.add(filter_key, problem);
    } else if filter != ORIGINAL && feature.family().is_shape() {
        let problem = format!("is \"{filter}\"; {} is computed of {ORIGINAL} only", feature.id);
        findings.add(filter_key, problem);
    }
    findings.unless(selection.wants(feature), &format!("{key}.feature.id"), || {
        format!("is {}, which extraction.settings.features.exclude leave out", feature.id)
    });
}
