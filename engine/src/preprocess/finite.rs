//! Which voxels cannot be described since the image holds numbers that are not finite.
//!
//! Only images that a reader found such numbers in come here.

use ndarray::{Array3, ArrayViewMut1, Axis, Zip};

use super::resample::WorkingGrid;
use super::{Preparation, intensities, ring};
use crate::filters;
use crate::geometry::IndexBox;
use crate::volume::Volume;

/// The voxels of a box of the working grid whose intensity, or any wanted response, would be made from a
/// number that is not finite.
pub(super) fn unreadable(
    volume: &Volume,
    grid: &WorkingGrid,
    bounds: &IndexBox,
    preparation: &Preparation<'_>,
) -> Array3<bool> {
    let (size, spacing) = (grid.geometry.size, grid.geometry.spacing);
    let wanted = || preparation.wanted_filters();
    let seen = filters::seen(wanted(), spacing, bounds, size);
    let image = intensities(volume, grid, &seen, preparation.resampling);
    let bad = image.mapv(|value| !value.is_finite());
    let span = |a: usize| bounds.min[a] - seen.min[a]..bounds.max[a] - seen.min[a];
    let part = ndarray::s![span(2), span(1), span(0)];
    let mut unreadable = bad.slice(part).to_owned();
    if !bad.iter().any(|&bad| bad) {
        return unreadable;
    }
    for filter in wanted() {
        match filters::support(filter, spacing) {
            Ok(Some(reach)) => {
                let read = grown(bad.clone(), reach);
                Zip::from(&mut unreadable).and(&read.slice(part)).for_each(|all, &own| *all |= own);
            }
            // It sees the whole image.
            Ok(None) => unreadable.fill(true),
            // Its maps are missing for a reason of their own.
            Err(_) => {}
        }
    }
    unreadable
}

/// Whether a region, or what is described around it, holds one of these voxels.
pub(super) fn reads(
    region: &Array3<bool>,
    unreadable: &Array3<bool>,
    spacing: [f64; 3],
    preparation: &Preparation<'_>,
) -> bool {
    if !unreadable.iter().any(|&bad| bad) {
        return false;
    }
    let around = preparation.surroundings_mm;
    let around = (around > 0.0).then(|| ring::shell(region, spacing, 0.0, around));
    let meets = |read: &Array3<bool>| read.iter().zip(unreadable).any(|(&read, &bad)| read & bad);
    meets(region) || around.as_ref().is_some_and(meets)
}

/// A set with all voxels that are at most so many steps from one of it along x, y and z.
fn grown(mut set: Array3<bool>, reach: [usize; 3]) -> Array3<bool> {
    for (axis, reach) in reach.into_iter().enumerate() {
        for lane in set.lanes_mut(Axis(2 - axis)) {
            grow(lane, reach);
        }
    }
    set
}

fn grow(mut lane: ArrayViewMut1<'_, bool>, reach: usize) {
    let inside: Vec<usize> =
        lane.iter().enumerate().filter(|(_, inside)| **inside).map(|(at, _)| at).collect();
    let mut done = 0;
    for at in inside {
        let end = (at + reach + 1).min(lane.len());
        for i in at.saturating_sub(reach).max(done)..end {
            lane[i] = true;
        }
        done = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Oracle: the definition.
    #[test]
    fn a_set_grows_by_a_box() {
        let mut set = Array3::from_elem((5, 6, 9), false);
        set[[2, 2, 4]] = true;
        set[[0, 5, 0]] = true;
        let all = set.clone();
        let found = grown(set, [2, 1, 0]);
        for ((z, y, x), &inside) in found.indexed_iter() {
            let expected = all
                .indexed_iter()
                .any(|((w, v, u), &set)| set && z == w && y.abs_diff(v) <= 1 && x.abs_diff(u) <= 2);
            assert_eq!(inside, expected, "({x}, {y}, {z})");
        }
    }
}
