//! The report as one HTML page that needs nothing else: no script, no font, no request.

use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use serde::Serialize;

use super::pictures::{self, View};
use super::{Examined, Report};
use crate::error::{Error, Result};
use crate::ingest::Case;
use crate::patient::AssessedLesion;
use crate::patient::heterogeneity::Measure;
use crate::patient::words;
use crate::signature::domain::{Flag, number};
use crate::signature::score::TermKind;
use crate::stats::Link;

/// Most image terms whose bars are drawn for a lesion; the rest is summed up in one.
const MOST_BARS: usize = 6;

/// Flags shown with a lesion; the others are folded away.
const MOST_FLAGS: usize = 2;

/// The report as a page.
///
/// # Errors
/// The template fails, which a test would show.
pub(super) fn page(report: &Report<'_>) -> Result<String> {
    let Report { examined: Examined { case, plan, views, .. }, model, assessment } = report;
    let lesions: Vec<LesionCard> = assessment
        .lesions
        .iter()
        .map(|assessed| {
            let place = case.lesions.iter().position(|l| l.id == assessed.score.lesion);
            let views = place.map_or(&[][..], |place| &views[place]);
            LesionCard::new(assessed, views)
        })
        .collect();
    let scale = lesions
        .iter()
        .flat_map(|l| l.bars.iter().map(|b| b.contribution.abs()))
        .fold(f64::MIN_POSITIVE, f64::max);
    let measures: Vec<MeasureRow> =
        assessment.heterogeneity.measures.iter().map(MeasureRow::new).collect();
    render(
        "report.html",
        include_str!("report.html"),
        context! {
            a => Value::from(Serde(assessment)),
            model => Value::from(Serde(model.file())),
            model_hash => model.hash(),
            sites => assessment.lesions.iter().any(|l| l.score.site.is_some()),
            response_name => response_name(model.link()),
            first_cutoff => Value::from(Serde(model.file().cutoffs.first())),
            ring => plan.processing().ring.map(|r| format!("{} to {} mm", r.inner_mm, r.outer_mm)),
            plan_hash => plan.hash(),
            plan_toml => plan.to_toml(),
            scan => scan_words(case),
            inputs => Value::from(Serde(&case.inputs)),
            version => env!("CARGO_PKG_VERSION"),
            warnings => Value::from(Serde(report.warnings())),
            lesions => Value::from(Serde(&lesions)),
            bar_scale => scale,
            measures => Value::from(Serde(&measures)),
            unclear => report.unclear(),
            forest => Value::from(Serde(Forest::of(report))),
            map => Value::from(Serde(pictures::body_map(case))),
        },
    )
}

/// What is known of the scan.
fn scan_words(case: &Case) -> String {
    let scan = &case.scan;
    let mut words: Vec<String> = Vec::new();
    words.extend(scan.study_day.map(|day| format!("day {day} from the first study found")));
    words.extend(scan.study.as_ref().map(|study| format!("study {study}")));
    words.extend(scan.series.as_ref().map(|series| format!("series {series}")));
    words.extend(scan.phase.as_ref().map(|phase| format!("phase {phase}")));
    words.extend(case.kvp.map(|kvp| format!("{} kVp", number(kvp))));
    words.extend(scan.kernel.as_ref().map(|kernel| format!("kernel {kernel}")));
    words.extend(scan.slice_thickness_mm.map(|t| format!("slices of {} mm", number(t))));
    words.join(", ")
}

fn response_name(link: Link) -> Option<&'static str> {
    match link {
        Link::Identity => None,
        Link::Logit => Some("Probability"),
        Link::Log => Some("Relative hazard"),
    }
}

/// Renders one of the crate's pages.
pub(super) fn render(name: &'static str, source: &'static str, context: Value) -> Result<String> {
    let mut environment = Environment::new();
    let syntax = minijinja::syntax::SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
        .expect("the default delimiters agree with each other");
    environment.set_syntax(syntax);
    environment.add_filter("num", number);
    environment.add_filter("prob", |p: f64| words::probability(p));
    environment.add_filter("pvalue", |p: f64| words::p_value(p));
    environment.add_filter("score", words::score);
    environment.add_filter("signed", |v: f64| format!("{v:+.2}").replace('-', "\u{2212}"));
    environment.add_filter("percent", |v: f64| format!("{:.0} %", 100.0 * v));
    let failed = |e: minijinja::Error| Error::bad_request(format!("page {name}: {e:#}"));
    environment.add_global("css", Value::from_safe_string(include_str!("base.css").into()));
    environment.add_template(name, source).map_err(failed)?;
    environment.get_template(name).and_then(|t| t.render(context)).map_err(failed)
}

/// What the page shows of a lesion besides its row in the table.
#[derive(Serialize)]
struct LesionCard<'a> {
    lesion: &'a AssessedLesion,
    /// The worst flags, and how many more there are.
    flags: Vec<Flag>,
    more_flags: Vec<Flag>,
    name: String,
    views: &'a [View],
    bars: Vec<Bar>,
}

/// One contribution.
#[derive(Serialize)]
struct Bar {
    label: String,
    covariate: bool,
    /// What the value is: standardised for image terms, as given for covariates.
    value: String,
    contribution: f64,
}

impl<'a> LesionCard<'a> {
    fn new(assessed: &'a AssessedLesion, views: &'a [View]) -> Self {
        let score = &assessed.score;
        let mut image: Vec<Bar> = Vec::new();
        let mut covariates = Vec::new();
        for c in &score.contributions {
            let bar = Bar {
                label: c.label.clone(),
                covariate: c.kind == TermKind::Covariate,
                value: match c.kind {
                    TermKind::Image => {
                        format!("{:+.1} SD", c.standardised).replace('-', "\u{2212}")
                    }
                    TermKind::Covariate if c.column == "kvp" => {
                        c.value.map_or("not known".into(), |v| format!("{} kV", number(v)))
                    }
                    TermKind::Covariate => String::new(),
                },
                contribution: c.contribution,
            };
            if bar.covariate { covariates.push(bar) } else { image.push(bar) }
        }
        image.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
        if image.len() > MOST_BARS {
            let rest = image.split_off(MOST_BARS - 1);
            image.push(Bar {
                label: format!("{} other image terms", rest.len()),
                covariate: false,
                value: String::new(),
                contribution: rest.iter().map(|b| b.contribution).sum(),
            });
        }
        image.extend(covariates);
        let mut flags = score.flags.clone();
        flags.sort_by_key(|f| std::cmp::Reverse(f.severity));
        let more_flags = flags.split_off(flags.len().min(MOST_FLAGS));
        Self {
            lesion: assessed,
            flags,
            more_flags,
            name: words::lesion_name(assessed),
            views,
            bars: image,
        }
    }
}

/// A row of the heterogeneity table, in words.
#[derive(Serialize)]
struct MeasureRow {
    id: &'static str,
    name: &'static str,
    value: String,
    interval: String,
    expected: String,
    place: String,
}

impl MeasureRow {
    fn new(measure: &Measure) -> Self {
        let number = words::score;
        let span = |[low, high]: [f64; 2]| format!("{} to {}", number(low), number(high));
        let none = "\u{2013}";
        Self {
            id: measure.id,
            name: measure.name,
            value: match (measure.value, measure.missing) {
                (Some(value), _) => number(value),
                (None, reason) => reason.unwrap_or(none).into(),
            },
            interval: measure.interval.map_or_else(|| none.into(), span),
            expected: measure
                .expected
                .map_or_else(|| none.into(), |e| format!("{} ({})", number(e.mean), span(e.range))),
            place: measure
                .expected
                .map_or_else(|| none.into(), |e| format!("{:.0} %", 100.0 * e.percentile)),
        }
    }
}

/// The forest plot's coordinates.
#[derive(Serialize)]
struct Forest {
    height: f64,
    ticks: Vec<Tick>,
    /// The cut-off's position, where it lies on the plot.
    cutoff: Option<f64>,
    /// Middle half of the reference cohort.
    reference: Option<[f64; 2]>,
    rows: Vec<ForestRow>,
}

#[derive(Serialize)]
struct Tick {
    x: f64,
    label: String,
}

#[derive(Serialize)]
struct ForestRow {
    y: f64,
    label: String,
    point: f64,
    whisker: Option<[f64; 2]>,
    text: String,
}

impl Forest {
    /// Horizontal extent of the axis in the plot's units.
    const AXIS: [f64; 2] = [90.0, 470.0];
    const ROW: f64 = 26.0;

    fn of(report: &Report<'_>) -> Self {
        let lesions = &report.assessment.lesions;
        let model = report.model;
        let cutoff = model.cutoffs().first().map(|c| c.linear_predictor());
        let reference = model.reference().map(|r| [r.quantiles.at(0.25), r.quantiles.at(0.75)]);
        let ends = lesions.iter().flat_map(|l| {
            let score = l.score.linear_predictor;
            l.interval.map_or([score, score], |i| [i.low, i.high])
        });
        let all = ends.chain(cutoff).chain(reference.into_iter().flatten());
        let (low, high) = all
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        let (low, high) = if high > low { (low, high) } else { (low - 1.0, low + 1.0) };
        let room = 0.04 * (high - low);
        let (low, high) = (low - room, high + room);
        let x = |value: f64| {
            let share = (value - low) / (high - low);
            hundredth(Self::AXIS[0] + share * (Self::AXIS[1] - Self::AXIS[0]))
        };
        Self {
            height: lesions.len() as f64 * Self::ROW + 52.0,
            ticks: ticks(low, high)
                .into_iter()
                .map(|v| Tick { x: x(v), label: label(v) })
                .collect(),
            cutoff: cutoff.map(x),
            reference: reference.map(|[a, b]| [x(a), hundredth(x(b) - x(a))]),
            rows: lesions
                .iter()
                .enumerate()
                .map(|(i, lesion)| {
                    let score = lesion.score.linear_predictor;
                    ForestRow {
                        y: (i as f64 + 0.5) * Self::ROW + 8.0,
                        label: format!("Lesion {}", lesion.score.lesion),
                        point: x(score),
                        whisker: lesion.interval.map(|i| [x(i.low), x(i.high)]),
                        text: lesion
                            .interval
                            .map_or_else(
                                || number(score),
                                |i| format!("{score:.2} ({:.2} to {:.2})", i.low, i.high),
                            )
                            .replace('-', "\u{2212}"),
                    }
                })
                .collect(),
        }
    }
}

fn hundredth(v: f64) -> f64 {
    (v * 100.0).round() / 100.0
}

/// Four to eight round numbers within an interval.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let raw = (high - low) / 5.0;
    let magnitude = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * magnitude).find(|s| *s >= raw);
    let step = step.unwrap_or(10.0 * magnitude);
    let first = (low / step).ceil() as i64;
    let last = (high / step).floor() as i64;
    (first..=last).map(|i| i as f64 * step).collect()
}

fn label(value: f64) -> String {
    // Ticks are multiples of a round step; the sum of rounding errors is not to be shown.
    let text = number((value * 1e9).round() / 1e9);
    text.replace('-', "\u{2212}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within() {
        assert_eq!(ticks(-0.9, 1.3).len(), 4);
        assert_eq!(ticks(0.0, 10.0), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(label(-0.1 - 0.2), "\u{2212}0.3");
    }
}
