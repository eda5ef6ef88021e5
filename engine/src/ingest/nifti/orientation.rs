//! Where a NIfTI header says the voxels lie: sform, qform, or the spacing alone.

use std::path::Path;

use super::layout::Fields;
use crate::error::{Problem, Result};
use crate::geometry::{Geometry, Vec3, cross, dot, norm};

/// The grid that a header describes, in LPS.
pub(super) fn orientation(
    raw: &Fields,
    size: [usize; 3],
    path: &Path,
    warnings: &mut Vec<String>,
) -> Result<Geometry> {
    let sform = (raw.sform_code > 0)
        .then(|| from_sform(raw, size))
        .transpose()
        .map_err(|problem| problem.in_file(path))?;
    let qform = (raw.qform_code > 0)
        .then(|| from_qform(raw, size))
        .transpose()
        .map_err(|problem| problem.in_file(path));
    match (sform, qform) {
        (Some(sform), qform) => {
            if let Ok(Some(qform)) = qform
                && let Some(difference) = sform.difference(&qform, 0.1)
            {
                warnings.push(format!("sform and qform disagree, sform is used: {difference}"));
            }
            Ok(sform)
        }
        (None, Ok(Some(qform))) => Ok(qform),
        (None, Err(problem)) => Err(problem),
        (None, Ok(None)) => {
            let spacing = pixel_spacing(raw).map_err(|problem| problem.in_file(path))?;
            warnings.push(
                "neither sform nor qform is set: the axes were taken as right, anterior, superior, \
                 and left and right may be swapped"
                    .into(),
            );
            let mut geometry = Geometry::axis_aligned(size, spacing);
            geometry.direction[0][0] = -1.0;
            geometry.direction[1][1] = -1.0;
            Ok(geometry)
        }
    }
}

/// Millimetres per unit of the header (NIfTI `xyzt_units`); an unknown unit is mm, as everywhere.
fn unit(raw: &Fields) -> f64 {
    match raw.xyzt_units & 0x07 {
        1 => 1000.0,
        3 => 0.001,
        _ => 1.0,
    }
}

fn pixel_spacing(raw: &Fields) -> Result<Vec3, Problem> {
    let spacing: Vec3 = std::array::from_fn(|a| raw.decimal(raw.pixdim[a + 1].abs() * unit(raw)));
    check_spacing(spacing)
}

fn check_spacing(spacing: Vec3) -> Result<Vec3, Problem> {
    if spacing.iter().all(|s| s.is_finite() && (1e-3..=1e3).contains(s)) {
        return Ok(spacing);
    }
    Err(format!(
        "voxel spacing {} x {} x {} mm is impossible; mend the header's pixdim or sform",
        spacing[0], spacing[1], spacing[2]
    )
    .into())
}

fn from_sform(raw: &Fields, size: [usize; 3]) -> Result<Geometry, Problem> {
    let rows = raw.srow;
    if rows.iter().flatten().any(|v| !v.is_finite()) {
        return Err("the sform matrix holds numbers that are not finite".into());
    }
    let unit = unit(raw);
    let columns: [Vec3; 3] = std::array::from_fn(|c| std::array::from_fn(|r| rows[r][c] * unit));
    let spacing = check_spacing(columns.map(|column| raw.decimal(norm(column))))?;
    let axes: [Vec3; 3] = std::array::from_fn(|a| columns[a].map(|v| v / spacing[a]));
    let offset: Vec3 = std::array::from_fn(|r| raw.decimal(rows[r][3] * unit));
    grid(size, spacing, axes, offset)
}

fn from_qform(raw: &Fields, size: [usize; 3]) -> Result<Geometry, Problem> {
    let [b, c, d] = raw.quatern;
    let rest = 1.0 - (b * b + c * c + d * d);
    if !(rest.is_finite() && rest > -1e-5) {
        return Err(format!("the qform quaternion ({b}, {c}, {d}) is longer than 1").into());
    }
    let a = rest.max(0.0).sqrt();
    let spacing = pixel_spacing(raw)?;
    // A handedness of 0 counts as 1 (nifti1.h, method 2).
    let hand = if raw.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
    let axes = [
        [a * a + b * b - c * c - d * d, 2.0 * (b * c + a * d), 2.0 * (b * d - a * c)],
        [2.0 * (b * c - a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d + a * b)],
        [
            hand * 2.0 * (b * d + a * c),
            hand * 2.0 * (c * d - a * b),
            hand * (a * a + d * d - b * b - c * c),
        ],
    ];
    let offset = raw.qoffset.map(|v| raw.decimal(v * unit(raw)));
    grid(size, spacing, axes, offset)
}

/// A grid from RAS axes and offset: orthogonality checked, turned to LPS.
fn grid(
    size: [usize; 3],
    spacing: Vec3,
    axes: [Vec3; 3],
    offset: Vec3,
) -> Result<Geometry, Problem> {
    let worst = [(0, 1), (0, 2), (1, 2)]
        .map(|(a, b)| dot(axes[a], axes[b]).abs())
        .into_iter()
        .fold(0.0, f64::max);
    if !(worst <= 1e-3 && offset.iter().all(|v| v.is_finite())) {
        return Err(format!(
            "the axes are sheared (cosine {worst:.4} between two of them, as with gantry tilt); \
             resample the volume to orthogonal axes first"
        )
        .into());
    }
    let to_lps = |[x, y, z]: Vec3| [-x, -y, z];
    Ok(Geometry { size, spacing, origin: to_lps(offset), direction: orthonormal(axes).map(to_lps) })
}

/// Removes the rounding of 32-bit headers from nearly orthogonal unit axes, keeping handedness.
fn orthonormal([x, y, z]: [Vec3; 3]) -> [Vec3; 3] {
    let unit = |v: Vec3| v.map(|c| c / norm(v));
    let x = unit(x);
    let along = dot(x, y);
    let y = unit(std::array::from_fn(|i| y[i] - along * x[i]));
    let normal = cross(x, y);
    let hand = dot(normal, z).signum();
    [x, y, normal.map(|c| c * hand)]
}
