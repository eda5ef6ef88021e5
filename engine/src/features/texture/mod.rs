//! Texture: six families of matrices that count how grey levels meet (IBSI manual, 3.6 to 3.11).
//!
//! ```text
//! Levels ── grid ──┬── neighbours ── glcm, glrlm      pairs and runs along directions
//!                  ├── zones ─────── glszm, gldzm     connected voxels of one level
//!                  ├── ngtdm                          a voxel against its neighbours' mean
//!                  └── ngldm                          neighbours of (nearly) the same level
//! ```
//!
//! Matrices are counted in integers, so no value depends on the number of threads. Nothing is
//! allocated that grows with the square of the number of grey levels unless the region has voxels
//! in proportion.
//!
//! # Where the definitions leave off
//!
//! * A region in which no voxel has a neighbour has no GLCM and no NGTDM: their features are
//!   [`Missing::NoNeighbours`].
//! * A GLCM with one grey level has no correlation and no first information correlation
//!   ([`Missing::FlatRegion`]); the second is 0.
//! * NGTDM coarseness is at most 10⁶; contrast and busyness of one level are 0, and so is strength
//!   where all differences are 0. These are the manual's own conventions (3.10).
//! * An average over slices or directions is taken over those for which the feature can be
//!   computed, and is missing only where none can. Slices without a voxel do not take part.
//! * Distance weighting applies where matrices of different directions are merged. A matrix that
//!   is not merged with another direction's is left as counted.

mod aggregation;
mod directions;
mod entries;
pub(super) mod glcm;
mod grid;
pub(super) mod level_table;
mod neighbours;
mod ngldm;
pub(super) mod ngtdm;
mod zones;

use self::aggregation::Directional;
use self::grid::Grid;
use super::compute;
use super::family::{Aggregation, Family};
use super::parameters::TextureParameters;
use super::selection::Selected;
use super::table::Feature;
use crate::region::Levels;
use crate::value::{Missing, Value};

/// Features of one texture family with one aggregation, in the order of the feature table.
///
/// Empty for a family that is not of texture, or an aggregation that the standard does not define
/// for the family.
pub fn compute(
    levels: &Levels,
    parameters: &TextureParameters,
    family: Family,
    aggregation: Aggregation,
) -> Vec<(&'static Feature, Value)> {
    if !family.has_matrices() {
        return Vec::new();
    }
    let selected = Selected::new(family, &[aggregation], |_| true);
    let values = compute_all(levels, parameters, std::slice::from_ref(&selected)).concat();
    selected.columns().map(|(feature, _)| feature).zip(values).collect()
}

/// The values of several texture families, each in the order of [`Selected::columns`]; a family is
/// there once at most.
///
/// Matrices are counted once for all aggregations of a family, and pairs and runs of neighbours
/// together. The families are computed side by side in rayon's current pool.
pub fn compute_all(
    levels: &Levels,
    parameters: &TextureParameters,
    selected: &[Selected],
) -> Vec<Vec<Value>> {
    let of = |family: Family| selected.iter().find(|s| s.family == family && !s.is_empty());
    let reach = |family: Family, distance: u16| match of(family) {
        Some(_) => usize::from(distance.max(1)),
        None => 1,
    };
    let border = reach(Family::Ngtdm, parameters.ngtdm_distance)
        .max(reach(Family::Ngldm, parameters.ngldm_distance));
    let grid = Grid::new(levels, border);
    if grid.voxels == 0 {
        let missing = |s: &Selected| vec![Err(Missing::EmptyRegion); s.len()];
        return selected.iter().map(missing).collect();
    }

    let directional = Directional { grid: &grid, parameters, spacing: levels.spacing };
    let ((directional, zones), (tones, dependences)) = rayon::join(
        || {
            rayon::join(
                || directional.compute(of(Family::Glcm), of(Family::Glrlm)),
                || zones::compute(&grid, levels, of(Family::Glszm), of(Family::Gldzm)),
            )
        },
        || {
            rayon::join(
                || of(Family::Ngtdm).map(|s| ngtdm::compute(&grid, parameters, s)),
                || of(Family::Ngldm).map(|s| ngldm::compute(&grid, parameters, s)),
            )
        },
    );
    let [mut glcm, mut glrlm] = directional;
    let [mut glszm, mut gldzm] = zones;
    let (mut ngtdm, mut ngldm) = (tones, dependences);
    selected
        .iter()
        .map(|s| {
            let values = match s.family {
                Family::Glcm => glcm.take(),
                Family::Glrlm => glrlm.take(),
                Family::Glszm => glszm.take(),
                Family::Gldzm => gldzm.take(),
                Family::Ngtdm => ngtdm.take(),
                Family::Ngldm => ngldm.take(),
                _ => None,
            };
            values.unwrap_or_default()
        })
        .collect()
}

/// The features of a matrix of levels against lengths, sizes, distances or dependences. `voxels` is
/// N_v.
fn of_level_table(
    selected: &Selected,
    entries: &[entries::Entry],
    grey: &[u16],
    voxels: f64,
) -> Vec<Value> {
    let table = level_table::LevelTable::of(entries, grey, voxels);
    let input = table.as_ref().map(compute::Input::LevelTable).map_err(|reason| *reason);
    compute::values(&selected.features, input)
}

#[cfg(test)]
mod tests;
