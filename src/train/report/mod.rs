//! The training report: one HTML page that needs nothing else, and the checklist beside it.

pub mod checklist;
mod figures;
mod plot;

use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use serde::Serialize;

use super::dataset::Prepared;
use super::evaluate::{Comparison, VOLUME};
use super::response::Response;
use super::{Config, Trained};
use crate::error::{Error, Result};
use crate::signature::Kind;
use crate::signature::domain::number;
use figures::figures;

/// A selected term.
#[derive(Serialize)]
struct Selected {
    label: String,
    coefficient: f64,
    frequency: Option<f64>,
    same_sign: Option<f64>,
    stands_for: Vec<String>,
}

/// The page.
///
/// # Errors
/// The template fails, which a test would show.
pub fn page(prepared: &Prepared, config: &Config, trained: &Trained) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::Html);
    let syntax = minijinja::syntax::SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
        .expect("the default delimiters agree with each other");
    environment.set_syntax(syntax);
    environment.add_filter("num", |v: f64| number(v).replace('-', "\u{2212}"));
    environment.add_filter("fixed", |v: f64| {
        let text = format!("{v:.2}");
        if text == "-0.00" { "0.00".to_owned() } else { text.replace('-', "\u{2212}") }
    });
    environment.add_filter("percent", |v: f64| format!("{:.0} %", 100.0 * v));
    environment.add_filter("pvalue", |p: f64| {
        if p < 0.001 { "p < 0.001".into() } else { format!("p = {p:.3}") }
    });
    let css = include_str!("../../report/base.css");
    environment.add_global("css", Value::from_safe_string(css.into()));
    let failed = |e: minijinja::Error| Error::bad_request(format!("training report: {e:#}"));
    environment.add_template("train.html", include_str!("train.html")).map_err(failed)?;
    let items = checklist::items(prepared, config, trained);
    let context = context! {
        model => Value::from(Serde(trained.model.file())),
        hash => trained.model.hash(),
        headline => headline(prepared, trained),
        warnings => warnings(prepared, config, trained),
        measured => Value::from(Serde(&trained.performance.measured)),
        comparisons => Value::from(Serde(&trained.performance.comparisons)),
        unavailable => Value::from(Serde(&trained.performance.unavailable)),
        at_cutoff => trained.performance.at_cutoff,
        volume_correlation => trained.performance.volume_correlation,
        apparent => trained.stability.apparent,
        corrected => trained.stability.corrected,
        resamples => trained.stability.draws,
        index => trained.stability.index.map(|(v, [low, high])| [v, low, high]),
        figures => Value::from(Serde(figures(prepared, trained))),
        selected => Value::from(Serde(selected(prepared, trained))),
        dropped => Value::from(Serde(dropped(trained))),
        candidates => prepared.data.columns.len(),
        outcome => config.outcome.name(),
        config => toml::to_string(&without_folders(config)).unwrap_or_default(),
        notes => &prepared.notes,
        items => Value::from(Serde(&items)),
        version => env!("CARGO_PKG_VERSION"),
    };
    environment.get_template("train.html").and_then(|t| t.render(context)).map_err(failed)
}

/// The configuration with file names only: a report goes to others, who have other folders.
fn without_folders(config: &Config) -> Config {
    let mut shown = config.clone();
    for file in [&mut shown.features.settings, &mut shown.features.repeated] {
        *file = file.as_ref().and_then(|f| f.file_name()).map(Into::into);
    }
    shown
}

fn headline(prepared: &Prepared, trained: &Trained) -> Vec<String> {
    let data = &prepared.data;
    let mut sentences = Vec::new();
    if let Some(first) = trained.performance.measured.first() {
        let interval = first
            .interval
            .map(|[low, high]| format!(" (95 % interval {low:.2} to {high:.2})"))
            .unwrap_or_default();
        sentences.push(
            format!("{} {:.2}{interval} on patients that were held out.", first.label, first.value)
                .replace('-', "\u{2212}"),
        );
    }
    sentences.push(format!(
        "{} patients, {} lesions, {} candidate features, {} selected.",
        data.patients.len(),
        prepared.lesions.len(),
        data.columns.len(),
        trained.model.terms().len()
    ));
    if let Some(volume) = against_volume(trained) {
        let verdict = match volume.interval {
            Some([low, _]) if low > 0.0 => "It predicts more than",
            Some([_, high]) if high < 0.0 => "It predicts less than",
            _ => "It is not shown to predict more than",
        };
        sentences.push(format!("{verdict} {} alone.", volume.against));
    } else {
        sentences.push("It could not be compared with volume alone.".to_owned());
    }
    sentences
}

fn against_volume(trained: &Trained) -> Option<&Comparison> {
    trained.performance.comparisons.iter().find(|c| c.against == VOLUME)
}

/// What a reader must know before believing the numbers.
fn warnings(prepared: &Prepared, config: &Config, trained: &Trained) -> Vec<String> {
    let data = &prepared.data;
    let mut warnings = Vec::new();
    if config.model.simulated {
        warnings.push("The cohort is simulated: the model is a demonstration.".to_owned());
    }
    let events = match &data.response {
        Response::Binary(_) => data.events().min(data.len() - data.events()),
        _ => data.events(),
    };
    let independent = events.min(data.patients.len());
    let per = independent as f64 / data.columns.len().max(1) as f64;
    if per < 10.0 {
        warnings.push(format!(
            "{} per candidate feature: {per:.1}. Far more candidates than such data can tell apart; \
             which features are selected is partly chance (see their frequencies).",
            if data.response.kind() == Kind::Gaussian { "Patients" } else { "Events or patients" },
        ));
    }
    let curve = &trained.fitted.curve;
    if curve.min + 1 == curve.lambda.len() && curve.lambda.len() > 1 {
        warnings.push(
            "The least cross-validated loss lies at the smallest penalty tried: make \
             elastic_net.lambda_ratio smaller."
                .into(),
        );
    }
    if let Some(permutation) = &trained.permutation
        && permutation.p > 0.05
    {
        warnings.push(format!(
            "Permuted outcomes do as well as the true ones: p = {:.3}.",
            permutation.p
        ));
    }
    for comparison in &trained.performance.comparisons {
        if comparison.interval.is_none_or(|[low, _]| low <= 0.0) {
            warnings.push(format!(
                "The signature is not shown to be better than {} alone.",
                comparison.against
            ));
        }
    }
    if trained.stability.left_out > 0 {
        warnings.push(format!(
            "{} of {} patient resamples could not be fitted and do not count in frequencies, optimism \
             and coefficient draws.",
            trained.stability.left_out,
            trained.stability.left_out + trained.stability.draws
        ));
    }
    if let Some(r) = trained.performance.volume_correlation
        && r.abs() >= 0.7
    {
        warnings.push(format!("The score follows volume (Spearman {r:.2})."));
    }
    warnings
}

fn selected(prepared: &Prepared, trained: &Trained) -> Vec<Selected> {
    let names = &prepared.data.columns;
    let features = trained.fitted.pipeline.features.iter();
    let kept: Vec<_> = features
        .zip(&trained.fitted.solution.coefficients)
        .filter(|(_, b)| **b != 0.0)
        .map(|(f, _)| f)
        .collect();
    let mut rows: Vec<Selected> = trained
        .model
        .file()
        .terms
        .iter()
        .zip(kept)
        .enumerate()
        .map(|(k, (term, fitted))| Selected {
            label: term.label(),
            coefficient: term.coefficient,
            frequency: term.selection_frequency,
            same_sign: trained.stability.same_sign.get(k).copied().flatten(),
            stands_for: fitted.stands_for.iter().map(|c| names[*c].clone()).collect(),
        })
        .collect();
    rows.sort_by(|a, b| b.coefficient.abs().total_cmp(&a.coefficient.abs()));
    for covariate in trained.model.covariates() {
        use crate::signature::file::Covariate;
        let plain = |label: String, coefficient: f64| Selected {
            label,
            coefficient,
            frequency: None,
            same_sign: None,
            stands_for: Vec::new(),
        };
        match covariate {
            Covariate::OneHot { reference, levels, .. } => {
                rows.extend(levels.iter().map(|l| {
                    plain(format!("Site: {} (against {reference})", l.name), l.coefficient)
                }))
            }
            Covariate::Numeric { coefficient, .. } => {
                rows.push(plain("Tube voltage".into(), *coefficient));
            }
        }
    }
    rows
}

fn dropped(trained: &Trained) -> Vec<(&'static str, usize)> {
    let d = &trained.fitted.pipeline.dropped;
    [
        ("too many missing values", d.missing),
        ("nearly constant", d.constant),
        ("not repeatable", d.not_robust),
        ("outside the transformation's domain", d.outside_transform),
        ("represented by a correlated feature", d.correlated),
    ]
    .into_iter()
    .filter(|(_, n)| *n > 0)
    .collect()
}
