//! The pictures of the training report.

use serde::Serialize;

use super::plot::{Plot, Stroke, plain, power};
use crate::stats::link::sigmoid;
use crate::stats::{auc, calibration, decision_curve, quantile};
use crate::train::Trained;
use crate::train::dataset::Prepared;
use crate::train::evaluate::mean_over;
use crate::train::response::Response;

/// A picture with its caption.
#[derive(Serialize)]
pub(super) struct Figure {
    title: &'static str,
    svg: String,
    caption: String,
}

/// All pictures of the page.
pub(super) fn figures(prepared: &Prepared, trained: &Trained) -> Vec<Figure> {
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
    let probability: Vec<f64> = eta.iter().map(|e| sigmoid(*e)).collect();
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
    let curve = &trained.fitted.curve;
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
            trained.fitted.l1_ratio
        ),
    }
}

fn path(trained: &Trained) -> Figure {
    let path = &trained.fitted.path;
    let chosen = trained.fitted.solution.lambda.log10();
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
        let kept = trained.fitted.solution.coefficients[j] != 0.0;
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
