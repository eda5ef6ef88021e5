//! Rows of voxels along x, and what of them a mask holds.

use std::ops::Range;

use ndarray::{Array3, ArrayView1, Axis};
use rayon::prelude::*;

use crate::geometry::IndexBox;

/// Slices that one thread looks through, at least: fewer cost more to hand over than to look through.
pub(crate) const SLICES: usize = 16;

/// The rows of a slice that a mask has voxels in, from the first one to the last: intensities and
/// mask.
pub(crate) fn rows_of_slice<'a>(
    intensities: &'a Array3<f32>,
    mask: &'a Array3<bool>,
    z: usize,
) -> impl Iterator<Item = (&'a [f32], &'a [bool])> {
    let values = intensities.index_axis(Axis(0), z);
    let masks = mask.index_axis(Axis(0), z);
    (0..mask.dim().1).filter_map(move |y| {
        let mask = masks.index_axis_move(Axis(0), y).to_slice().expect("x is the innermost axis");
        let extent = extent(mask, |&inside| inside)?;
        let values = values.index_axis_move(Axis(0), y);
        let values = values.to_slice().expect("x is the innermost axis");
        Some((&values[extent.clone()], &mask[extent]))
    })
}

/// Items of a row that are looked at together: whole blocks of others are passed over without a branch
/// per item.
const BLOCK: usize = 16;

/// From the first to the last item of a row that is looked for; `None` where none is.
pub(crate) fn extent<T>(row: &[T], is_wanted: impl Fn(&T) -> bool) -> Option<Range<usize>> {
    let first = first(row, &is_wanted)?;
    let after = BLOCK * row.rchunks_exact(BLOCK).take_while(|b| !any(b, &is_wanted)).count();
    let last = row[..row.len() - after].iter().rposition(is_wanted)?;
    Some(first..last + 1)
}

/// The runs of voxels within a mask of a row, in order.
pub(crate) fn runs(mask: &[bool]) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + first(&mask[at..], &|&inside| inside)?;
        let length = first(&mask[start..], &|&inside: &bool| !inside);
        at = length.map_or(mask.len(), |length| start + length);
        Some(start..at)
    })
}

fn first<T>(row: &[T], is_wanted: &impl Fn(&T) -> bool) -> Option<usize> {
    let before = BLOCK * row.chunks_exact(BLOCK).take_while(|b| !any(b, is_wanted)).count();
    Some(before + row[before..].iter().position(is_wanted)?)
}

fn any<T>(block: &[T], is_wanted: &impl Fn(&T) -> bool) -> bool {
    block.iter().fold(false, |any, item| any | is_wanted(item))
}

/// A row along x as a slice.
pub(crate) fn row<'a, T>(row: &ArrayView1<'a, T>) -> &'a [T] {
    row.to_slice().expect("x is the innermost axis")
}

/// The smallest box around the set voxels.
pub(crate) fn tight_box(mask: &Array3<bool>) -> Option<IndexBox> {
    (0..mask.dim().0)
        .into_par_iter()
        .with_min_len(SLICES)
        .filter_map(|z| {
            let slice = mask.index_axis(Axis(0), z);
            let boxes = slice.rows().into_iter().enumerate().filter_map(|(y, voxels)| {
                let extent = extent(row(&voxels), |&inside| inside)?;
                Some(IndexBox { min: [extent.start, y, z], max: [extent.end, y + 1, z + 1] })
            });
            boxes.reduce(|so_far, here| so_far.union(&here))
        })
        .reduce_with(|a, b| a.union(&b))
}
