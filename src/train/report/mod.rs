//! The training report: one HTML page that needs nothing else, and the checklist beside it.

pub mod checklist;
mod plot;

use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use serde::Serialize;

use super::dataset::Prepared;
use super::elastic_net::Response;
use super::evaluate::{Comparison, VOLUME, mean_over};
use super::{Config, Trained};
use crate::error::{Error, Result};
use crate::signature::domain::number;
use crate::signature::model::{Kind, Link};
use crate::stats::{auc, calibration, decision_curve, quantile};
use plot::{Plot, Stroke, plain, power};

/// A picture with its caption.
#[derive(Serialize)]
struct Figure {
    title: &'static str,
    svg: String,
    caption: String,
}

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
    let css = include_str!("../../patient/report/base.css");
    environment.add_global("css", Value::from_safe_string(css.into()));
    let failed = |e: minijinja::Error| Error::bad_request(format!("training report: {e:#}"));
    environment.add_template("train.html", include_str!("train.html")).map_err(failed)?;
    let items = checklist::items(prepared, config, trained);
    let context = context! {
        model => Value::from(Serde(&trained.model)),
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
        trained.model.terms.len()
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
    let curve = &trained.signature.curve;
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

fn figures(prepared: &Prepared, trained: &Trained) -> Vec<Figure> {
    let data = &prepared.data;
    let predictions = &trained.performance.predictions;
    let eta = mean_over(&predictions.linear_predictor);
    let score = mean_over(&predictions.score);
    let mut figures = Vec::new();
    match &data.response {
        Response::Binary(y) => {
            figures.push(roc(trained, y, &score));
            figures.push(calibration_figure(y, &eta));
            figures.push(decision(y, &eta));
        }
        Response::Continuous(y) => figures.push(predicted(y, &eta)),
        Response::Survival { .. } => {}
    }
    figures.push(curve(trained));
    figures.push(path(trained));
    if let Some(permutation) = &trained.permutation {
        figures.push(permuted(permutation.observed, &permutation.permuted, permutation.p));
    }
    figures
}

fn roc(trained: &Trained, y: &[bool], score: &[f64]) -> Figure {
    let mut plot = Plot::new([0.0, 1.0], [0.0, 1.0], "ROC curves, out of fold");
    plot.line(&[[0.0, 0.0], [1.0, 1.0]], Stroke::Dashed);
    for repeat in &trained.performance.predictions.score {
        plot.line(&auc::roc(repeat, y), Stroke::Thin);
    }
    plot.line(&auc::roc(score, y), Stroke::Main);
    if let Some(m) = trained.performance.measured.first()
        && let Some([low, high]) = m.interval
    {
        let text = format!("AUC {:.2} ({low:.2} to {high:.2})", m.value);
        plot.text([0.97, 0.06], &text);
    }
    Figure {
        title: "ROC curve",
        svg: plot.finish("1 − specificity", "Sensitivity", plain),
        caption:
            "Out of fold. Thin: each repeat of the cross-validation; thick: mean prediction over \
                  repeats. The AUC is the mean over repeats."
                .into(),
    }
}

fn calibration_figure(y: &[bool], eta: &[f64]) -> Figure {
    let mut plot = Plot::new([0.0, 1.0], [0.0, 1.0], "Calibration, out of fold");
    plot.line(&[[0.0, 0.0], [1.0, 1.0]], Stroke::Dashed);
    let groups = calibration::curve(eta, y, 8);
    let points: Vec<[f64; 2]> = groups.iter().map(|g| [g.predicted, g.observed]).collect();
    for group in &groups {
        let half = 1.96 * (group.observed * (1.0 - group.observed) / group.n as f64).sqrt();
        plot.line(
            &[[group.predicted, group.observed - half], [group.predicted, group.observed + half]],
            Stroke::Thin,
        );
    }
    plot.points(&points, 4.0);
    plot.line(&points, Stroke::Main);
    Figure {
        title: "Calibration",
        svg: plot.finish("Predicted probability", "Observed share", plain),
        caption: "Eight groups of equal size by predicted probability (mean over repeats, out of \
                  fold), with binomial intervals that take lesions as independent. Dashed: perfect."
            .into(),
    }
}

fn decision(y: &[bool], eta: &[f64]) -> Figure {
    let probability: Vec<f64> = eta.iter().map(|e| Link::Logit.response(*e)).collect();
    let thresholds: Vec<f64> = (1..100).map(|k| f64::from(k) / 100.0).collect();
    let curve = decision_curve::decision_curve(&probability, y, &thresholds);
    let top = curve.iter().map(|c| c.model.max(c.all)).fold(0.05, f64::max);
    let mut plot = Plot::new([0.0, 1.0], [-0.1 * top, top], "Decision curve, out of fold");
    plot.line(&[[0.0, 0.0], [1.0, 0.0]], Stroke::Dashed);
    let inside = |v: f64| v > -0.1 * top;
    let all: Vec<[f64; 2]> =
        curve.iter().filter(|c| inside(c.all)).map(|c| [c.threshold, c.all]).collect();
    let model: Vec<[f64; 2]> =
        curve.iter().map(|c| [c.threshold, c.model.max(-0.1 * top)]).collect();
    plot.line(&all, Stroke::Second);
    plot.line(&model, Stroke::Main);
    Figure {
        title: "Decision curve",
        svg: plot.finish("Threshold probability", "Net benefit", plain),
        caption:
            "Net benefit of acting where the predicted probability reaches the threshold (blue), \
                  on all (orange), on none (dashed). Out of fold; mean prediction over repeats."
                .into(),
    }
}

fn range(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let [low, high] =
        values.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], v| [low.min(v), high.max(v)]);
    let margin = 0.04 * (high - low);
    [low - margin, high + margin]
}

fn predicted(y: &[f64], eta: &[f64]) -> Figure {
    let all = range(y.iter().chain(eta).copied());
    let mut plot = Plot::new(all, all, "Observed against predicted, out of fold");
    plot.line(&[[all[0], all[0]], [all[1], all[1]]], Stroke::Dashed);
    let points: Vec<[f64; 2]> = eta.iter().zip(y).map(|(e, y)| [*e, *y]).collect();
    plot.points(&points, 2.2);
    Figure {
        title: "Calibration: observed against predicted",
        svg: plot.finish("Predicted (mean over repeats, out of fold)", "Observed", plain),
        caption: "One point per row. Dashed: perfect.".into(),
    }
}

fn curve(trained: &Trained) -> Figure {
    let curve = &trained.signature.curve;
    let at = |k: usize, v: f64| [curve.lambda[k].log10(), v];
    let bounds = |sign: f64| -> Vec<[f64; 2]> {
        (0..curve.lambda.len())
            .map(|k| at(k, curve.loss[k] + sign * curve.standard_error[k]))
            .collect()
    };
    let line: Vec<[f64; 2]> = (0..curve.lambda.len()).map(|k| at(k, curve.loss[k])).collect();
    let (lower, upper) = (bounds(-1.0), bounds(1.0));
    let x = range(line.iter().map(|p| p[0]));
    // The loss of hardly penalised models can be anything; the part around the minimum matters.
    let first = curve.loss[0] + curve.standard_error[0];
    let least = curve.loss[curve.min] - 1.5 * curve.standard_error[curve.min];
    let y = [least, first + 0.4 * (first - least)];
    let mut plot = Plot::new(x, y, "Cross-validated loss along the path");
    plot.band(&lower, &upper);
    plot.line(&line, Stroke::Main);
    for (k, stroke) in [(curve.min, Stroke::Thin), (curve.chosen, Stroke::Second)] {
        let x = curve.lambda[k].log10();
        plot.line(&[[x, y[0]], [x, y[1]]], stroke);
    }
    Figure {
        title: "Choice of the penalty",
        svg: plot.finish("λ", "Cross-validated loss", power),
        caption: format!(
            "Mean over inner folds with one standard error, at L1 ratio {}. Orange: the chosen λ; \
             thin: the least loss.",
            trained.signature.l1_ratio
        ),
    }
}

fn path(trained: &Trained) -> Figure {
    let path = &trained.signature.path;
    let chosen = trained.signature.solution.lambda.log10();
    let x = range(path.iter().map(|s| s.lambda.log10()));
    let y = range(path.iter().flat_map(|s| s.coefficients.iter().copied()));
    let mut plot = Plot::new(x, y, "Coefficients along the path");
    plot.line(&[[x[0], 0.0], [x[1], 0.0]], Stroke::Dashed);
    let width = path.first().map_or(0, |s| s.coefficients.len());
    for j in 0..width {
        let line: Vec<[f64; 2]> =
            path.iter().map(|s| [s.lambda.log10(), s.coefficients[j]]).collect();
        if line.iter().all(|p| p[1] == 0.0) {
            continue;
        }
        let kept = trained.signature.solution.coefficients[j] != 0.0;
        plot.line(&line, if kept { Stroke::Main } else { Stroke::Thin });
    }
    plot.line(&[[chosen, y[0]], [chosen, y[1]]], Stroke::Second);
    Figure {
        title: "Coefficient path",
        svg: plot.finish("λ", "Coefficient (standardised)", power),
        caption: "Blue: in the model; grey: entering at smaller penalties; orange: the chosen λ."
            .into(),
    }
}

fn permuted(observed: f64, values: &[f64], p: f64) -> Figure {
    let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    let sorted = quantile::sorted(&finite);
    let ends = range(sorted.iter().copied().chain([observed]));
    const BINS: usize = 24;
    let width = (ends[1] - ends[0]) / BINS as f64;
    let mut counts = [0_usize; BINS];
    for v in &sorted {
        counts[(((v - ends[0]) / width) as usize).min(BINS - 1)] += 1;
    }
    let top = counts.iter().copied().max().unwrap_or(1) as f64;
    let mut plot = Plot::new(ends, [0.0, 1.1 * top], "Performance with permuted outcomes");
    for (k, count) in counts.iter().enumerate().filter(|(_, c)| **c > 0) {
        let from = ends[0] + k as f64 * width;
        plot.bar(from, from + width, *count as f64);
    }
    plot.line(&[[observed, 0.0], [observed, 1.1 * top]], Stroke::Second);
    Figure {
        title: "Permutation test",
        svg: plot.finish("Performance", "Permutations", plain),
        caption: format!(
            "{} permutations of outcomes between patients, the whole procedure rerun. Orange: the true \
             outcomes, p = {p:.3}.",
            values.len()
        ),
    }
}

fn selected(prepared: &Prepared, trained: &Trained) -> Vec<Selected> {
    let names = &prepared.data.columns;
    let features = trained.signature.pipeline.features.iter();
    let kept: Vec<_> = features
        .zip(&trained.signature.solution.coefficients)
        .filter(|(_, b)| **b != 0.0)
        .map(|(f, _)| f)
        .collect();
    let mut rows: Vec<Selected> = trained
        .model
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
    for covariate in &trained.model.covariates {
        use crate::signature::model::Covariate;
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
    let d = &trained.signature.pipeline.dropped;
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
