//! Plots as SVG: axes, lines, points, bands.

use std::fmt::Write;

use crate::signature::domain::number;

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 46.0;

/// A plot under construction.
pub(super) struct Plot {
    x: [f64; 2],
    y: [f64; 2],
    body: String,
    label: String,
}

/// How a line is drawn.
#[derive(Clone, Copy)]
pub(super) enum Stroke {
    Main,
    Second,
    Thin,
    Dashed,
}

impl Stroke {
    fn style(self) -> &'static str {
        match self {
            Self::Main => "stroke:var(--plus);stroke-width:2",
            Self::Second => "stroke:var(--minus);stroke-width:2",
            Self::Thin => "stroke:var(--soft);stroke-width:1;opacity:.55",
            Self::Dashed => "stroke:var(--soft);stroke-width:1.2;stroke-dasharray:5 4",
        }
    }
}

impl Plot {
    /// An empty plot over these ranges; `label` is read out where the picture is not seen.
    pub(super) fn new(x: [f64; 2], y: [f64; 2], label: impl Into<String>) -> Self {
        let widened = |[low, high]: [f64; 2]| {
            if high > low { [low, high] } else { [low - 0.5, high + 0.5] }
        };
        Self { x: widened(x), y: widened(y), body: String::new(), label: label.into() }
    }

    fn at(&self, [x, y]: [f64; 2]) -> (f64, f64) {
        let share = |v: f64, [low, high]: [f64; 2]| ((v - low) / (high - low)).clamp(-0.02, 1.02);
        (
            LEFT + share(x, self.x) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - share(y, self.y) * (HEIGHT - TOP - BOTTOM),
        )
    }

    fn path(&self, points: &[[f64; 2]]) -> String {
        let mut path = String::new();
        for (k, point) in points.iter().enumerate() {
            let (x, y) = self.at(*point);
            let letter = if k == 0 { 'M' } else { 'L' };
            write!(path, "{letter}{x:.1} {y:.1}").expect("text can be written");
        }
        path
    }

    /// A line through `points`.
    pub(super) fn line(&mut self, points: &[[f64; 2]], stroke: Stroke) {
        let path = self.path(points);
        let style = stroke.style();
        writeln!(self.body, r#"<path d="{path}" style="fill:none;{style}"/>"#)
            .expect("text can be written");
    }

    /// A band between two lines.
    pub(super) fn band(&mut self, lower: &[[f64; 2]], upper: &[[f64; 2]]) {
        let mut outline = lower.to_vec();
        outline.extend(upper.iter().rev());
        let path = self.path(&outline);
        writeln!(self.body, r#"<path d="{path}Z" style="fill:var(--plus);opacity:.16"/>"#)
            .expect("text can be written");
    }

    /// Dots.
    pub(super) fn points(&mut self, points: &[[f64; 2]], radius: f64) {
        for point in points {
            let (x, y) = self.at(*point);
            writeln!(
                self.body,
                r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius}" style="fill:var(--plus);opacity:.8"/>"#
            )
            .expect("text can be written");
        }
    }

    /// A bar from the x axis.
    pub(super) fn bar(&mut self, from: f64, to: f64, height: f64) {
        let (x0, y0) = self.at([from, self.y[0].max(0.0)]);
        let (x1, y1) = self.at([to, height]);
        writeln!(
            self.body,
            r#"<rect x="{x0:.1}" y="{y1:.1}" width="{:.1}" height="{:.1}" style="fill:var(--plus);opacity:.6"/>"#,
            (x1 - x0 - 1.0).max(0.5),
            (y0 - y1).max(0.0)
        )
        .expect("text can be written");
    }

    /// Text in the plot at a point of the data.
    pub(super) fn text(&mut self, point: [f64; 2], text: &str) {
        let (x, y) = self.at(point);
        let anchor = if x > 0.6 * WIDTH { "end" } else { "start" };
        writeln!(
            self.body,
            r#"<text class="dim" x="{x:.1}" y="{:.1}" text-anchor="{anchor}">{text}</text>"#,
            y - 4.0
        )
        .expect("text can be written");
    }

    /// The picture with its axes; ticks of x are shown as `tick` says.
    pub(super) fn finish(self, x_title: &str, y_title: &str, tick: fn(f64) -> String) -> String {
        let mut svg = format!(
            r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{}">"#,
            self.label
        );
        let base = HEIGHT - BOTTOM;
        for v in ticks(self.x) {
            let (x, _) = self.at([v, self.y[0]]);
            write!(
                svg,
                r#"<path d="M{x:.1} {TOP}V{base}" style="stroke:var(--line)"/><text class="dim" x="{x:.1}" y="{}" text-anchor="middle">{}</text>"#,
                base + 15.0,
                tick(v)
            )
            .expect("text can be written");
        }
        for v in ticks(self.y) {
            let (_, y) = self.at([self.x[0], v]);
            write!(
                svg,
                r#"<path d="M{LEFT} {y:.1}H{}" style="stroke:var(--line)"/><text class="dim" x="{}" y="{:.1}" text-anchor="end">{}</text>"#,
                WIDTH - RIGHT,
                LEFT - 5.0,
                y + 4.0,
                plain(v)
            )
            .expect("text can be written");
        }
        let middle = LEFT + (WIDTH - LEFT - RIGHT) / 2.0;
        let centre = TOP + (base - TOP) / 2.0;
        write!(
            svg,
            r#"{}<text class="dim" x="{middle}" y="{}" text-anchor="middle">{x_title}</text><text class="dim" x="12" y="{centre}" text-anchor="middle" transform="rotate(-90 12 {centre})">{y_title}</text></svg>"#,
            self.body,
            HEIGHT - 10.0
        )
        .expect("text can be written");
        svg
    }
}

/// A tick as it is.
pub(super) fn plain(v: f64) -> String {
    number(v).replace('-', "\u{2212}")
}

/// A tick on an axis of common logarithms, in two significant digits.
pub(super) fn power(v: f64) -> String {
    let value = 10f64.powf(v);
    let unit = 10f64.powf(1.0 - value.log10().floor());
    number((value * unit).round() / unit)
}

/// Round values over a range, about five.
fn ticks([low, high]: [f64; 2]) -> Vec<f64> {
    let raw = (high - low) / 5.0;
    let magnitude = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|f| f * magnitude)
        .find(|s| *s >= raw * 0.999)
        .unwrap_or(raw);
    let first = (low / step).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    // Steps are powers of ten times 1, 2 or 5: rounding takes off what binary fractions add.
    let digits = (-step.log10().floor()).max(0.0) as i32;
    let unit = 10f64.powi(digits);
    (first..=last).map(|k| (k as f64 * step * unit).round() / unit).collect()
}
