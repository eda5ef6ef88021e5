//! Planes put in order along their normal: spacing, missing slices and gantry tilt come from the
//! positions (ImagePositionPatient), never from instance numbers or nominal thickness.

use std::path::Path;

use rayon::prelude::*;

use super::header::Frame;
use super::pixel::PADDING_HU;
use crate::error::{Error, Remedy, Result};
use crate::geometry::{Geometry, Vec3, cross, dot, norm};

/// What to do with slices that are not evenly spaced, and with gantry tilt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlicePolicy {
    /// Refuse the series.
    #[default]
    Refuse,
    /// Interpolate linearly onto an even, untilted grid: along the normal at the median spacing, and
    /// within planes where they drift.
    Resample,
}

/// Distances may differ by this part of the median; positions are rounded to some decimals.
const SPACING_TOLERANCE: f64 = 0.01;
/// Rounding of positions, mm.
const ROUNDING: f64 = 0.002;
/// Planes may drift sideways over the whole stack by this part of a voxel.
const DRIFT_TOLERANCE: f64 = 0.1;
/// An even grid may have this many times the slices that are there: a header that puts one of them
/// far away must not take memory for what would lie between.
const MAX_SPARSITY: usize = 10;
/// Directions of one stack agree to this cosine's distance from 1 (0.08 degrees).
const PARALLEL: f64 = 1e-6;

/// One plane of some file.
#[derive(Clone, Debug)]
pub(super) struct Plane {
    pub(super) file: usize,
    pub(super) index: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) frame: Frame,
}

impl Plane {
    /// Whether rows and columns run in the same directions.
    pub(super) fn oriented_like(&self, other: &Self) -> bool {
        (0..2).all(|a| dot(self.frame.axes[a], other.frame.axes[a]) > 1.0 - PARALLEL)
    }

    /// Whether both can be planes of one stack.
    pub(super) fn parallel(&self, other: &Self) -> bool {
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-4 * b;
        self.oriented_like(other)
            && (0..2).all(|a| close(self.frame.spacing[a], other.frame.spacing[a]))
    }
}

/// Planes in order, and their grid in stored order (columns, rows, planes).
pub(super) struct Stack {
    pub(super) planes: Vec<Plane>,
    pub(super) grid: Geometry,
    /// Where planes are not on the grid: each plane's distance from the first, mm, and its sideways
    /// drift in voxels.
    pub(super) uneven: Option<Vec<(f64, [f64; 2])>>,
    pub(super) warnings: Vec<String>,
}

/// Puts parallel planes of different places in order.
///
/// # Errors
/// Uneven distances, missing slices or tilt, unless the policy is to resample; nine of ten slices
/// missing under any policy.
pub(super) fn arrange(
    path: &Path,
    mut planes: Vec<Plane>,
    thickness: Option<f64>,
    policy: SlicePolicy,
) -> Result<Stack> {
    let frame = &planes[0].frame;
    let (axes, normal, voxel) = (frame.axes, frame.normal(), frame.spacing);
    let along = |p: &Plane| dot(p.frame.position, normal);
    planes.sort_by(|a, b| along(a).total_cmp(&along(b)));
    let first = planes[0].frame.position;
    let places: Vec<(f64, [f64; 2])> = planes
        .iter()
        .map(|p| {
            let offset: Vec3 = std::array::from_fn(|i| p.frame.position[i] - first[i]);
            let drift = std::array::from_fn(|a| dot(offset, axes[a]) / voxel[a]);
            (dot(offset, normal), drift)
        })
        .collect();
    let mut warnings = Vec::new();
    let (spacing, gaps) = spacing(&places, thickness, &mut warnings);
    let drifts = places.iter().any(|(_, d)| d.iter().any(|v| v.abs() > DRIFT_TOLERANCE));
    let mut problems = Vec::new();
    problems.extend(gaps);
    let remedy = Remedy::UnevenSlices { spacing: !problems.is_empty() };
    if drifts {
        problems.push(tilt(&places, voxel));
    }
    let uneven = !problems.is_empty();
    if uneven && policy == SlicePolicy::Refuse {
        return Err(Error::bad_data(path, problems.join("; ")).with_remedy(remedy));
    }
    for problem in problems {
        warnings.push(format!("{problem}; interpolated linearly onto slices every {spacing} mm"));
    }
    let length = places.last().map_or(0.0, |p| p.0);
    let count = if uneven { (length / spacing + 1e-6).floor() as usize + 1 } else { planes.len() };
    if count > MAX_SPARSITY * planes.len() {
        return Err(Error::bad_data(
            path,
            format!(
                "has {} slices for a stack of {count} (every {spacing} mm over {length:.1} mm); fetch \
                 the missing slices",
                planes.len()
            ),
        ));
    }
    let grid = Geometry {
        size: [planes[0].columns, planes[0].rows, count],
        spacing: [voxel[0], voxel[1], spacing],
        origin: first,
        direction: [axes[0], axes[1], normal.map(|c| c + 0.0)],
    };
    Ok(Stack { planes, grid, uneven: uneven.then_some(places), warnings })
}

/// The distance of slices, and what is wrong with it.
fn spacing(
    places: &[(f64, [f64; 2])],
    thickness: Option<f64>,
    warnings: &mut Vec<String>,
) -> (f64, Option<String>) {
    // Positions are decimals: what is beyond a nanometre is rounding of binary numbers.
    let rounded = |mm: f64| (mm * 1e6).round() / 1e6;
    let gaps: Vec<f64> = places.windows(2).map(|w| w[1].0 - w[0].0).collect();
    if gaps.is_empty() {
        let thickness = thickness.filter(|mm| (1e-3..=1e3).contains(mm));
        let spacing = thickness.unwrap_or(1.0);
        warnings.push(format!(
            "is a single slice; its thickness was taken as {spacing} mm{}",
            if thickness.is_some() { "" } else { ", since the file does not say" }
        ));
        return (spacing, None);
    }
    let mut sorted = gaps.clone();
    sorted.sort_by(f64::total_cmp);
    let median = sorted[(sorted.len() - 1) / 2];
    let tolerance = (SPACING_TOLERANCE * median).max(ROUNDING);
    let odd: Vec<usize> =
        (0..gaps.len()).filter(|&i| (gaps[i] - median).abs() > tolerance).collect();
    // Small differences may add up: the even grid must not leave any slice behind.
    let mean = places[places.len() - 1].0 / gaps.len() as f64;
    let wanders =
        places.iter().enumerate().any(|(i, p)| (p.0 - mean * i as f64).abs() > 0.1 * median);
    if odd.is_empty() && !wanders {
        return (rounded(mean), None);
    }
    let missing: f64 = odd.iter().map(|&i| (gaps[i] / median - 1.0).round().max(0.0)).sum();
    let whole = |i: usize| {
        let ratio = gaps[i] / median;
        (ratio - ratio.round()).abs() * median <= tolerance * ratio.max(1.0) && ratio > 1.5
    };
    let shown: Vec<String> = odd
        .iter()
        .take(5)
        .map(|&i| format!("{:.3} mm after slice {} (at {:.3} mm)", gaps[i], i + 1, places[i].0))
        .collect();
    let more = if odd.len() > 5 { format!(" and {} more", odd.len() - 5) } else { String::new() };
    let problem = if odd.is_empty() {
        format!(
            "slices are unevenly spaced, {:.3} to {:.3} mm apart",
            sorted[0],
            sorted[sorted.len() - 1]
        )
    } else if odd.iter().all(|&i| whole(i)) {
        format!(
            "{missing} slice{} missing: slices are {median:.3} mm apart but {}{more}",
            if missing == 1.0 { " is" } else { "s are" },
            shown.join(", ")
        )
    } else {
        format!("slices are unevenly spaced: {median:.3} mm apart but {}{more}", shown.join(", "))
    };
    (rounded(median), Some(problem))
}

fn tilt(places: &[(f64, [f64; 2])], voxel: [f64; 2]) -> String {
    let mm = |d: [f64; 2]| (d[0] * voxel[0]).hypot(d[1] * voxel[1]);
    let (distance, drift) = places[places.len() - 1];
    let degrees = (mm(drift) / distance).atan().to_degrees();
    let worst = places.iter().map(|p| mm(p.1)).fold(0.0, f64::max);
    format!(
        "slices are shifted sideways against each other by up to {worst:.3} mm, as with a gantry \
         tilt of {degrees:.2} degrees"
    )
}

/// Interpolates planes onto the even grid, linearly along the normal and within planes. What lies
/// outside of a plane is air.
pub(super) fn resampled(
    values: &(dyn Fn(usize) -> f32 + Sync),
    grid: &Geometry,
    places: &[(f64, [f64; 2])],
) -> Vec<f32> {
    let [nx, ny, nz] = grid.size;
    let mut out = vec![0.0f32; nx * ny * nz];
    out.par_chunks_mut(nx * ny).enumerate().for_each(|(z, slice)| {
        let at = z as f64 * grid.spacing[2];
        let above = places.partition_point(|p| p.0 <= at).min(places.len() - 1);
        let below = above.saturating_sub(1);
        let gap = places[above].0 - places[below].0;
        let weight = if gap > 0.0 { ((at - places[below].0) / gap).clamp(0.0, 1.0) } else { 0.0 };
        for (plane, part) in [(below, 1.0 - weight), (above, weight)] {
            if part == 0.0 {
                continue;
            }
            let [dx, dy] = places[plane].1;
            for y in 0..ny {
                for x in 0..nx {
                    let value =
                        in_plane(values, plane * nx * ny, [nx, ny], x as f64 - dx, y as f64 - dy);
                    slice[y * nx + x] += (part * value) as f32;
                }
            }
        }
    });
    out
}

fn in_plane(
    values: &(dyn Fn(usize) -> f32 + Sync),
    start: usize,
    [nx, ny]: [usize; 2],
    x: f64,
    y: f64,
) -> f64 {
    let (low_x, low_y) = (x.floor(), y.floor());
    let (fx, fy) = (x - low_x, y - low_y);
    let mut sum = 0.0;
    for (j, wy) in [(low_y, 1.0 - fy), (low_y + 1.0, fy)] {
        for (i, wx) in [(low_x, 1.0 - fx), (low_x + 1.0, fx)] {
            if wx * wy == 0.0 {
                continue;
            }
            let inside = i >= 0.0 && j >= 0.0 && i < nx as f64 && j < ny as f64;
            let value = if inside {
                f64::from(values(start + j as usize * nx + i as usize))
            } else {
                f64::from(PADDING_HU)
            };
            sum += wx * wy * value;
        }
    }
    sum
}

/// Whether a direction is what a volume can have; kept here since planes of one stack share it.
pub(super) fn is_sound(frame: &Frame) -> bool {
    frame.position.iter().all(|v| v.is_finite() && v.abs() < 1e6)
        && (norm(cross(frame.axes[0], frame.axes[1])) - 1.0).abs() < 1e-9
}
