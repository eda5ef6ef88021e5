//! Putting an image and a mask together.

use ndarray::Array3;

use crate::error::{Problem, Remedy};
use crate::geometry::{Geometry, GeometryDifference, IndexBox};
use crate::mask::Mask;

/// Corners of image and mask may lie this far apart, in voxels: header rounding moves them by about
/// 1e-4, while a resampled or cropped mask is off by a good part of a voxel.
pub const TOLERANCE_VOXELS: f64 = 0.01;

/// The mask on the image's grid; `None` where nothing of it lies within.
///
/// A segmentation may hold some slices of the image (`partial`); a label map has the whole grid.
///
/// # Errors
/// The grids differ, and the mask is not to be put on the image's (`may_regrid`).
pub(super) fn fit(
    mask: &Mask,
    image: &Geometry,
    may_regrid: bool,
    partial: bool,
) -> Result<Option<Mask>, Problem> {
    match mismatch(image, mask.grid()) {
        None => Ok(Some(mask.on(image.clone()))),
        Some(_) if may_regrid || (partial && coincides(image, mask.grid())) => {
            Ok(regrid(image, mask))
        }
        Some(difference) => {
            let text = format!("lies on another grid than the image: {difference}");
            Err(Problem::from(text).with_remedy(Remedy::RegridMask))
        }
    }
}

/// How a mask's grid differs from the image's, or `None` where it is the same.
pub fn mismatch(image: &Geometry, mask: &Geometry) -> Option<GeometryDifference> {
    image.difference(mask, TOLERANCE_VOXELS)
}

/// The mask put on another grid: a voxel belongs to it if the mask's voxel nearest to its centre
/// does. `None` if no voxel is left.
pub fn regrid(image: &Geometry, mask: &Mask) -> Option<Mask> {
    let bounds = covering_box(image, mask)?;
    let [sx, sy, sz] = bounds.size();
    let grid = mask.grid();
    let inside = Array3::from_shape_fn((sz, sy, sx), |(z, y, x)| {
        let here = [x + bounds.min[0], y + bounds.min[1], z + bounds.min[2]].map(|i| i as f64);
        let there = grid.world_to_voxel(image.voxel_to_world(here)).map(f64::round);
        there.iter().zip(grid.size).all(|(&i, n)| i >= 0.0 && i < n as f64)
            && mask.contains(there.map(|i| i as usize))
    });
    Mask::new(image.clone(), bounds, &inside)
}

/// The box of image voxels that the corners of the mask's box span, one voxel wider.
fn covering_box(image: &Geometry, mask: &Mask) -> Option<IndexBox> {
    let bounds = mask.bounds();
    let mut low = [f64::INFINITY; 3];
    let mut high = [f64::NEG_INFINITY; 3];
    for bits in 0..8 {
        let corner = std::array::from_fn(|a| {
            if bits >> a & 1 == 1 { bounds.max[a] as f64 - 0.5 } else { bounds.min[a] as f64 - 0.5 }
        });
        let at = image.world_to_voxel(mask.grid().voxel_to_world(corner));
        for a in 0..3 {
            low[a] = low[a].min(at[a]);
            high[a] = high[a].max(at[a]);
        }
    }
    let clamp = |v: f64, n: usize| v.clamp(0.0, n as f64) as usize;
    let covering = IndexBox {
        min: std::array::from_fn(|a| clamp(low[a].floor(), image.size[a])),
        max: std::array::from_fn(|a| clamp(high[a].ceil() + 1.0, image.size[a])),
    };
    (covering.voxel_count() > 0).then_some(covering)
}

/// Whether a grid's voxels are voxels of the image: the same axes and spacing, and a whole number of
/// voxels apart. A segmentation of some slices is such a grid, and nothing of it is interpolated.
pub fn coincides(image: &Geometry, mask: &Geometry) -> bool {
    let corner = |bits: usize| -> [f64; 3] {
        std::array::from_fn(|a| {
            if bits >> a & 1 == 1 { mask.size[a].saturating_sub(1) as f64 } else { 0.0 }
        })
    };
    let first = image.world_to_voxel(mask.voxel_to_world(corner(0))).map(f64::round);
    (0..8).all(|bits| {
        let at = image.world_to_voxel(mask.voxel_to_world(corner(bits)));
        let expected = corner(bits);
        (0..3).all(|a| (at[a] - first[a] - expected[a]).abs() <= TOLERANCE_VOXELS)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_grid_coincides_with_it_and_half_a_voxel_does_not() {
        let image = Geometry::axis_aligned([20, 20, 10], [0.7, 0.7, 3.0]);
        let part = image.cropped(&IndexBox { min: [3, 0, 4], max: [9, 20, 7] });
        assert!(coincides(&image, &part));
        let mut beyond = part.clone();
        beyond.origin[2] -= 30.0;
        assert!(coincides(&image, &beyond));
        let mut moved = part.clone();
        moved.origin[0] += 0.35;
        assert!(!coincides(&image, &moved));
        let mut coarse = part;
        coarse.spacing[2] = 6.0;
        assert!(!coincides(&image, &coarse));
    }
}
