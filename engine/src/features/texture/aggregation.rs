//! From matrices of directions and slices to features: what is merged, what is averaged (IBSI
//! manual, 3.6.1 and 3.7.1).

use super::directions::{self, NEAREST, Offset};
use super::glcm::CoOccurrence;
use super::grid::Grid;
use super::neighbours::{self, Counts};
use super::of_level_table;
use crate::features::compute;
use crate::features::family::{Aggregation, Family};
use crate::features::parameters::TextureParameters;
use crate::features::selection::Selected;
use crate::value::{Missing, Value};

/// Features averaged over matrices: over those for which a feature can be computed.
#[derive(Default)]
pub(super) struct Mean {
    features: Vec<MeanOfOne>,
}

#[derive(Clone, Copy, Default)]
struct MeanOfOne {
    sum: f64,
    count: u32,
    missing: Option<Missing>,
}

impl Mean {
    pub(super) fn push(&mut self, values: &[Value]) {
        self.features.resize(values.len(), MeanOfOne::default());
        for (mean, value) in self.features.iter_mut().zip(values) {
            match value {
                Ok(value) => {
                    mean.sum += value;
                    mean.count += 1;
                }
                Err(reason) => {
                    mean.missing = Some(mean.missing.map_or(*reason, |other| other.min(*reason)));
                }
            }
        }
    }

    /// The means of so many features. Where no matrix had a value, one reason stands for all: that of a
    /// matrix with neighbours if there is one, whatever the order of matrices. There is no matrix at all
    /// where the region is narrower than the distance along every direction.
    pub(super) fn finish(mut self, features: usize) -> Vec<Value> {
        self.features.resize(features, MeanOfOne::default());
        let mean = |mean: MeanOfOne| match mean.count {
            0 => Err(mean.missing.unwrap_or(Missing::NoNeighbours)),
            count => Ok(mean.sum / f64::from(count)),
        };
        self.features.into_iter().map(mean).collect()
    }
}

/// What GLCM and GLRLM of a region are made from.
pub(super) struct Directional<'a> {
    pub grid: &'a Grid<'a>,
    pub parameters: &'a TextureParameters,
    pub spacing: [f64; 3],
}

impl Directional<'_> {
    /// The values of both families.
    pub(super) fn compute(
        &self,
        glcm: Option<&Selected>,
        glrlm: Option<&Selected>,
    ) -> [Option<Vec<Value>>; 2] {
        if self.parameters.glcm_distance <= 1 {
            return self.of_directions(&NEAREST, true, [glcm, glrlm]);
        }
        let TextureParameters { glcm_distance, glcm_neighbours, .. } = *self.parameters;
        let neighbours = glcm_neighbours.unwrap_or_default();
        let far = directions::at_distance(glcm_distance, neighbours, self.grid.size);
        let [glcm, _] = self.of_directions(&far, false, [glcm, None]);
        let [_, glrlm] = self.of_directions(&NEAREST, true, [None, glrlm]);
        [glcm, glrlm]
    }

    fn of_directions(
        &self,
        offsets: &[Offset],
        runs: bool,
        families: [Option<&Selected>; 2],
    ) -> [Option<Vec<Value>>; 2] {
        use Aggregation::*;
        let mut wanted = families.map(|selected| selected.map(Wanted::new));
        if wanted.iter().all(Option::is_none) {
            return [None, None];
        }
        let asked = |list: &[Aggregation]| families.iter().flatten().any(|s| s.wants_any(list));
        let flat = offsets.iter().filter(|offset| offset[2] == 0).count();
        let offsets = if asked(&[Average3D, Merged3D]) { offsets } else { &offsets[..flat] };
        let by_slice = asked(&[Average2D, SliceMerged2D]);
        let merge_slices = asked(&[SliceMerged2D]);
        let weighting = self.parameters.distance_weighting;
        let weights: Vec<f64> = offsets
            .iter()
            .map(|&offset| directions::weight(weighting, offset, self.spacing))
            .collect();

        let each_slice = |z: usize, counts: &[Counts]| {
            let voxels = self.grid.slice_voxels[z] as f64;
            let merged = merge_slices.then(|| Merged::new(counts, &weights[..flat], voxels));
            for w in wanted.iter_mut().flatten() {
                if w.selected.wants(Average2D) {
                    for direction in counts {
                        w.over_directions.push(&self.values(w.selected, direction, voxels));
                    }
                }
                if let Some(merged) = merged.as_ref().filter(|_| w.selected.wants(SliceMerged2D)) {
                    w.over_slices.push(&self.values(w.selected, &merged.counts, merged.voxels));
                }
            }
        };
        let totals = match runs {
            true => neighbours::pairs_and_runs(self.grid, offsets.len(), by_slice, each_slice),
            false => neighbours::pairs(self.grid, offsets, by_slice, each_slice),
        };

        let voxels = self.grid.voxels as f64;
        let merged_flat = || Merged::new(&totals[..flat], &weights[..flat], voxels);
        let merged_all = || Merged::new(&totals, &weights, voxels);
        let of_merged =
            |selected, merged: Merged| self.values(selected, &merged.counts, merged.voxels);
        let averaged = |selected: &Selected, totals: &[Counts]| {
            let mut mean = Mean::default();
            for direction in totals {
                mean.push(&self.values(selected, direction, voxels));
            }
            mean.finish(selected.features.len())
        };
        wanted.map(|wanted| {
            let Wanted { selected, over_directions, over_slices } = wanted?;
            let (mut over_directions, mut over_slices) = (Some(over_directions), Some(over_slices));
            let features = selected.features.len();
            let of_aggregation = |aggregation: &Aggregation| match aggregation {
                Average2D => over_directions.take().unwrap_or_default().finish(features),
                SliceMerged2D => over_slices.take().unwrap_or_default().finish(features),
                DirectionMerged2_5D => averaged(selected, &totals[..flat]),
                Merged2_5D => of_merged(selected, merged_flat()),
                Average3D => averaged(selected, &totals),
                _ => of_merged(selected, merged_all()),
            };
            Some(selected.aggregations.iter().flat_map(of_aggregation).collect())
        })
    }

    fn values(&self, selected: &Selected, counts: &Counts, voxels: f64) -> Vec<Value> {
        let grey = &self.grid.grey;
        if selected.family == Family::Glrlm {
            return of_level_table(selected, &counts.runs(), grey, voxels);
        }
        let entries = counts.co_occurrences();
        let matrix = CoOccurrence::of(&entries, grey, self.grid.n_levels);
        let input = matrix.as_ref().map(compute::Input::Glcm).map_err(|reason| *reason);
        compute::values(&selected.features, input)
    }
}

/// What is asked of a family, and the averages that build up slice by slice.
struct Wanted<'a> {
    selected: &'a Selected,
    over_directions: Mean,
    over_slices: Mean,
}

impl<'a> Wanted<'a> {
    fn new(selected: &'a Selected) -> Self {
        Self { selected, over_directions: Mean::default(), over_slices: Mean::default() }
    }
}

/// Weighted sum of the matrices of several directions.
struct Merged {
    counts: Counts,
    /// N_v as the run percentage wants it: of every matrix that went in, weighted like it.
    voxels: f64,
}

impl Merged {
    fn new(counts: &[Counts], weights: &[f64], voxels: f64) -> Self {
        let mut merged = Counts::default();
        for (counts, &weight) in counts.iter().zip(weights) {
            merged.add(counts, weight);
        }
        Self { counts: merged, voxels: voxels * weights.iter().sum::<f64>() }
    }
}
