//! A contour moved along its normal by a smooth random field, to a level that holds a wanted volume.

use ndarray::Array3;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::{CONTOUR_ROOM_MM, Ranges, symmetric};
use crate::geometry::Vec3;
use crate::preprocess::ring;
use crate::rows;

/// Distance of the nodes of the contour's random field, mm: its bumps are about this wide.
const FIELD_NODES_MM: f64 = 5.0;

/// The voxels nearest to a lesion after its contour was moved, as many as the changed volume holds,
/// among those within the image. `spacing` in mm. `None` where nothing is left.
pub(super) fn moved(
    ranges: &Ranges,
    tumour: &Array3<bool>,
    within: &Array3<bool>,
    spacing: Vec3,
    rng: &mut ChaCha8Rng,
) -> Option<Array3<bool>> {
    let change = symmetric(rng, ranges.volume_change);
    let tight = rows::tight_box(tumour)?;
    let (nz, ny, nx) = tumour.dim();
    let room = spacing.map(|s| (CONTOUR_ROOM_MM / s).ceil() as usize);
    let bounds = tight.grown(room, [nx, ny, nz]);
    let slice = ndarray::s![
        bounds.min[2]..bounds.max[2],
        bounds.min[1]..bounds.max[1],
        bounds.min[0]..bounds.max[0]
    ];
    let near = tumour.slice(slice).to_owned();
    let count = near.iter().filter(|&&v| v).count();
    let volume = count as f64 * spacing.iter().product::<f64>();
    let radius = (volume * 3.0 / (4.0 * std::f64::consts::PI)).cbrt();
    let sd = ranges.contour_mm.min(ranges.contour_share_of_radius * radius);

    let outside = ring::squared_distance(&near, spacing);
    let depth = ring::squared_distance(&near.mapv(|v| !v), spacing);
    let field = random_field(near.dim(), spacing, rng);
    let mut height = ndarray::Zip::from(&outside)
        .and(&depth)
        .and(&field)
        .map_collect(|out, deep, bump| out.sqrt() - deep.sqrt() + sd * bump);
    height.zip_mut_with(&within.slice(slice), |h, &w| {
        if !w {
            *h = f64::INFINITY;
        }
    });
    let wanted = ((1.0 + change) * count as f64).round().max(1.0) as usize;
    let mut sorted: Vec<f64> = height.iter().copied().filter(|h| h.is_finite()).collect();
    let last = wanted.min(sorted.len()).checked_sub(1)?;
    let (_, &mut level, _) = sorted.select_nth_unstable_by(last, f64::total_cmp);
    let mut moved = Array3::from_elem(tumour.dim(), false);
    moved.slice_mut(slice).zip_mut_with(&height, |m, &h| *m = h <= level);
    Some(moved)
}

/// A smooth random field of mean 0 and SD 1: normal values at nodes [`FIELD_NODES_MM`] apart, linear
/// between them, divided by the SD that the interpolation leaves.
fn random_field(shape: (usize, usize, usize), spacing: Vec3, rng: &mut ChaCha8Rng) -> Array3<f64> {
    let n = [shape.2, shape.1, shape.0];
    let nodes: [usize; 3] =
        std::array::from_fn(|a| (n[a] as f64 * spacing[a] / FIELD_NODES_MM).ceil() as usize + 2);
    let lattice = Array3::from_shape_simple_fn((nodes[2], nodes[1], nodes[0]), || {
        let normal: f64 = StandardNormal.sample(rng);
        normal
    });
    // A lattice at a random place has no preferred points in the lesion.
    let start: Vec3 = std::array::from_fn(|_| rng.r#gen::<f64>());
    let lines: [Vec<(usize, f64)>; 3] = std::array::from_fn(|a| {
        (0..n[a])
            .map(|i| {
                let at = start[a] + i as f64 * spacing[a] / FIELD_NODES_MM;
                (at.floor() as usize, at - at.floor())
            })
            .collect()
    });
    let left = |f: f64| (1.0 - f) * (1.0 - f) + f * f;
    Array3::from_shape_fn(shape, |(z, y, x)| {
        let [(i, fx), (j, fy), (k, fz)] = [lines[0][x], lines[1][y], lines[2][z]];
        let line =
            |k: usize, j: usize| (1.0 - fx) * lattice[[k, j, i]] + fx * lattice[[k, j, i + 1]];
        let plane = |k: usize| (1.0 - fy) * line(k, j) + fy * line(k, j + 1);
        let value = (1.0 - fz) * plane(k) + fz * plane(k + 1);
        value / (left(fx) * left(fy) * left(fz)).sqrt()
    })
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    /// Oracle: mean 0 and SD 1 by construction, over many fields.
    #[test]
    fn the_contours_field_has_unit_variance_everywhere() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let (mut sum, mut squares, mut n) = (0.0, 0.0, 0.0);
        for _ in 0..3000 {
            let field = random_field((9, 8, 7), [1.0, 1.0, 2.0], &mut rng);
            for at in [[0, 0, 0], [4, 4, 3], [8, 7, 6]] {
                sum += field[at];
                squares += field[at] * field[at];
                n += 1.0;
            }
        }
        // Standard errors: 0.011 for the mean, 0.015 for the variance.
        assert!((sum / n).abs() < 0.045 && (squares / n - 1.0f64).abs() < 0.06);
    }
}
