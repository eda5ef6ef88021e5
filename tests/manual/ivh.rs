//! Section 3.5 (P88C): the intensity-volume histogram.

use super::discretisation::{extremes, fixed_bin_number, fixed_bin_size};
use super::{Features, Settings, VolumeHistogram};

/// One level of the range G.
struct Point {
    level: f64,
    /// gamma: how far through the range it lies.
    gamma: f64,
    /// The voxels of at least this level; nu is their share.
    voxels: usize,
}

/// The levels of the voxels, and the range G with the distance between its levels.
fn range(x: &[f64], settings: &Settings) -> Option<(Vec<f64>, f64, f64, f64)> {
    let (lowest, highest) = extremes(x)?;
    let low = settings.lower.unwrap_or(lowest);
    let high = settings.upper.unwrap_or(highest);
    Some(match settings.volume_histogram {
        VolumeHistogram::Discrete => (x.to_vec(), low, high, 1.0),
        VolumeHistogram::FixedBinSize(width) => {
            let centres = fixed_bin_size(x, low, width)
                .into_iter()
                .map(|bin| low + (bin as f64 - 0.5) * width)
                .collect();
            (centres, low + 0.5 * width, high - 0.5 * width, width)
        }
        VolumeHistogram::FixedBinNumber(number) => {
            let bins = fixed_bin_number(x, number).into_iter().map(|bin| bin as f64).collect();
            (bins, 1.0, number as f64, 1.0)
        }
    })
}

/// The histogram at every level of G, present or not. Where G has no extent, gamma is 0 / 0 and
/// there is no histogram.
fn histogram(x: &[f64], low: f64, high: f64, step: f64) -> Vec<Point> {
    let mut points = Vec::new();
    if high <= low {
        return points;
    }
    let mut index = 0_u32;
    loop {
        let level = low + f64::from(index) * step;
        if level > high {
            return points;
        }
        let voxels = x.iter().filter(|&&x| x >= level).count();
        points.push(Point { level, gamma: (level - low) / (high - low), voxels });
        index += 1;
    }
}

pub fn features(x: &[f64], settings: &Settings) -> Features {
    let (levels, points) = match range(x, settings) {
        Some((levels, low, high, step)) => {
            let points = histogram(&levels, low, high, step);
            (levels, points)
        }
        None => (Vec::new(), Vec::new()),
    };
    let n = levels.len();
    let nu = |point: &Point| point.voxels as f64 / n as f64;
    // BC2M: the largest nu with a gamma of at least x %; nu falls, so that of the first such level.
    // 0.1 and 0.9 as fractions: gamma >= 1/10 is asked as 10 (i - min G) >= max G - min G.
    let (low, high) = match (points.first(), range(x, settings)) {
        (Some(first), Some((_, _, high, _))) => (first.level, high),
        _ => (0.0, 0.0),
    };
    let volume = |tenths: f64| {
        points.iter().find(|point| 10.0 * (point.level - low) >= tenths * (high - low)).map(nu)
    };
    // GBPN: the lowest level that at most x % of the volume have, or more. A range whose every level
    // is held by more than that has none.
    let intensity = |tenths: usize| {
        points.iter().find(|point| 10 * point.voxels <= tenths * n).map(|point| point.level)
    };
    let difference = |a: Option<f64>, b: Option<f64>| Some(a? - b?);
    vec![
        ("ivh_v10", volume(1.0)),
        ("ivh_v90", volume(9.0)),
        ("ivh_i10", intensity(1)),
        ("ivh_i90", intensity(9)),
        ("ivh_diff_v10_v90", difference(volume(1.0), volume(9.0))),
        ("ivh_diff_i10_i90", difference(intensity(1), intensity(9))),
        ("ivh_auc", area(&levels, &points)),
    ]
}

/// 9CMM: by the trapezoidal rule; 0 where the region has a single level.
fn area(levels: &[f64], points: &[Point]) -> Option<f64> {
    let (lowest, highest) = extremes(levels)?;
    if lowest == highest {
        return Some(0.0);
    }
    if points.is_empty() {
        return None;
    }
    let n = levels.len() as f64;
    let mut sum = 0.0;
    for pair in points.windows(2) {
        let nu = (pair[0].voxels + pair[1].voxels) as f64 / n;
        sum += (pair[1].gamma - pair[0].gamma) * nu / 2.0;
    }
    Some(sum)
}
