//! The neighbouring grey level dependence matrix (IBSI manual, 3.11).

use multiversion::multiversion;

use super::aggregation::Mean;
use super::entries::Tally;
use super::grid::Grid;
use super::of_level_table;
use crate::features::family::Aggregation;
use crate::features::parameters::TextureParameters;
use crate::features::selection::Selected;
use crate::value::Value;

/// The values with each aggregation.
pub(super) fn compute(
    grid: &Grid,
    parameters: &TextureParameters,
    selected: &Selected,
) -> Vec<Value> {
    use Aggregation::{BySlice2D, MergedSlices2_5D, Volume3D};
    let in_plane = selected.wants_any(&[BySlice2D, MergedSlices2_5D]);
    let mut mean = Mean::default();
    let each_slice = |z: usize, counts: &Tally| {
        if selected.wants(BySlice2D) {
            mean.push(&values(selected, counts, grid, grid.slice_voxels[z]));
        }
    };
    let radius = usize::from(parameters.ngldm_distance.max(1)).min(grid.border);
    let (alpha, scopes) = (parameters.ngldm_coarseness, [in_plane, selected.wants(Volume3D)]);
    let [slices, whole] = match (2 * radius + 1).pow(3) <= usize::from(u16::MAX) {
        true => dependences::<u16>(grid, radius, alpha, scopes, each_slice),
        false => dependences::<u32>(grid, radius, alpha, scopes, each_slice),
    };
    let mut mean = Some(mean);
    let of_aggregation = |aggregation: &Aggregation| match aggregation {
        BySlice2D => mean.take().unwrap_or_default().finish(selected.features.len()),
        MergedSlices2_5D => values(selected, &slices, grid, grid.voxels),
        _ => values(selected, &whole, grid, grid.voxels),
    };
    selected.aggregations.iter().flat_map(of_aggregation).collect()
}

fn values(selected: &Selected, counts: &Tally, grid: &Grid, voxels: usize) -> Vec<Value> {
    of_level_table(selected, &counts.entries(), &grid.grey, voxels as f64)
}

/// Entries of the slices merged and of the volume.
#[cfg(test)]
pub(super) fn matrices(grid: &Grid, radius: usize, alpha: u16) -> [Vec<super::entries::Entry>; 2] {
    dependences::<u16>(grid, radius, alpha, [true, true], |_, _| ()).map(|t| t.entries())
}

/// Voxels by rank and dependence, the voxel itself included: within slices, and within the volume.
/// Each slice's own go to `each_slice`.
fn dependences<C: Counter>(
    grid: &Grid,
    radius: usize,
    alpha: u16,
    [in_plane, volume]: [bool; 2],
    mut each_slice: impl FnMut(usize, &Tally),
) -> [Tally; 2] {
    let [nx, ny, nz] = grid.size;
    let empty = Tally::new(grid.highest_rank(), grid.voxels);
    let [mut slices, mut whole] = [empty.clone(), empty.clone()];
    let mut dependent = vec![C::default(); nx];
    let reach = radius as isize;
    let (row, slice) = (grid.row_length(), grid.row_length() * grid.slice_rows());
    for z in (0..nz).filter(|&z| grid.slice_voxels[z] > 0) {
        let mut of_slice = in_plane.then(|| empty.clone());
        for y in 0..ny {
            let (start, end) = grid.extent(y, z);
            if start == end {
                continue;
            }
            let n = end - start;
            let at = grid.at(start, y, z);
            let here = &grid.levels[at..][..n];
            let ranks = &grid.ranks()[at..][..n];
            let dependent = &mut dependent[..n];
            dependent.fill(C::default());
            let around = |y: isize, z: isize| {
                let from = at.wrapping_add_signed(y * row as isize + z * slice as isize) - radius;
                &grid.levels[from..][..n + 2 * radius]
            };
            for dy in -reach..=reach {
                add_dependent(here, around(dy, 0), alpha, dependent);
            }
            if let Some(of_slice) = &mut of_slice {
                count(ranks, dependent, of_slice);
            }
            if volume {
                for dz in (-reach..=reach).filter(|&dz| dz != 0) {
                    for dy in -reach..=reach {
                        add_dependent(here, around(dy, dz), alpha, dependent);
                    }
                }
                count(ranks, dependent, &mut whole);
            }
        }
        if let Some(of_slice) = of_slice {
            each_slice(z, &of_slice);
            slices.merge(&of_slice);
        }
    }
    [slices, whole]
}

/// An integer wide enough for the window: 16 bits up to radius 19, and faster.
trait Counter: Copy + Default + std::ops::AddAssign + From<bool> + Into<u32> {}
impl Counter for u16 {}
impl Counter for u32 {}

fn count<C: Counter>(ranks: &[u16], dependences: &[C], into: &mut Tally) {
    let inside = ranks.iter().zip(dependences).filter(|&(&rank, _)| rank != 0);
    for (&rank, &dependence) in inside {
        into.add(rank, dependence.into());
    }
}

/// Counts the dependent voxels of a row of neighbours, which reaches out on both sides.
#[multiversion(targets("x86_64+avx2+bmi1+bmi2"))]
fn add_dependent<C: Counter>(here: &[u16], around: &[u16], alpha: u16, dependent: &mut [C]) {
    let n = here.len();
    let dependent = &mut dependent[..n];
    for there in around.windows(n) {
        for x in 0..n {
            // Outside is 0, and no level is: with a coarseness of 0 equality is all there is to ask.
            let near = match alpha {
                0 => there[x] == here[x],
                _ => here[x].abs_diff(there[x]) <= alpha && there[x] != 0,
            };
            dependent[x] += C::from(near);
        }
    }
}
