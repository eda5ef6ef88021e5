//! From matrices of directions and slices to features: what is merged, what is averaged (IBSI
//! manual, 3.6.1 and 3.7.1).

use super::directions::{self, NEAREST, Offset};
use super::grid::Grid;
use super::neighbours::{self, Counts};
use super::{Computed, glcm, level_table};
use crate::features::family::{Aggregation, Family};
use crate::features::parameters::TextureParameters;
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

    /// The means. Where no matrix had a value, one reason stands for all: that of a matrix with
    /// neighbours if there is one, whatever the order of matrices.
    pub(super) fn finish(self) -> Vec<Value> {
        let mean = |mean: MeanOfOne| match mean.count {
            0 => Err(mean.missing.unwrap_or(Missing::EmptyRegion)),
            count => Ok(mean.sum / f64::from(count)),
        };
        self.features.into_iter().map(mean).collect()
    }
}

/// GLCM and GLRLM of a region.
pub(super) struct Directional<'a> {
    pub grid: &'a Grid<'a>,
    pub parameters: &'a TextureParameters,
    pub spacing: [f64; 3],
    pub glcm: &'a [Aggregation],
    pub glrlm: &'a [Aggregation],
}

impl Directional<'_> {
    pub(super) fn compute(&self) -> Vec<Computed> {
        let co_occurrence = || Wanted::new(Family::Glcm, self.glcm);
        let run_length = || Wanted::new(Family::Glrlm, self.glrlm);
        if self.parameters.glcm_distance <= 1 {
            return self.of_directions(&NEAREST, true, vec![co_occurrence(), run_length()]);
        }
        let far = directions::at_distance(self.parameters.glcm_distance, self.grid.size);
        let mut computed = self.of_directions(&far, false, vec![co_occurrence()]);
        computed.extend(self.of_directions(&NEAREST, true, vec![run_length()]));
        computed
    }

    fn of_directions(
        &self,
        offsets: &[Offset],
        runs: bool,
        mut wanted: Vec<Wanted>,
    ) -> Vec<Computed> {
        use Aggregation::*;
        wanted.retain(|w| !w.aggregations.is_empty());
        if wanted.is_empty() {
            return Vec::new();
        }
        let asked = |list: &[Aggregation]| {
            wanted.iter().any(|w| w.aggregations.iter().any(|a| list.contains(a)))
        };
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
            for w in &mut wanted {
                if w.wants(Average2D) {
                    for direction in counts {
                        w.over_directions.push(&self.features(w.family, direction, voxels));
                    }
                }
                if let Some(merged) = merged.as_ref().filter(|_| w.wants(SliceMerged2D)) {
                    w.over_slices.push(&self.features(w.family, &merged.counts, merged.voxels));
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
            |family, merged: Merged| self.features(family, &merged.counts, merged.voxels);
        let averaged = |family, totals: &[Counts]| {
            let mut mean = Mean::default();
            for direction in totals {
                mean.push(&self.features(family, direction, voxels));
            }
            mean.finish()
        };
        let mut computed = Vec::new();
        for w in wanted {
            let Wanted { family, aggregations, over_directions, over_slices } = w;
            let (mut over_directions, mut over_slices) = (Some(over_directions), Some(over_slices));
            for &aggregation in aggregations {
                let values = match aggregation {
                    Average2D => over_directions.take().unwrap_or_default().finish(),
                    SliceMerged2D => over_slices.take().unwrap_or_default().finish(),
                    DirectionMerged2_5D => averaged(family, &totals[..flat]),
                    Merged2_5D => of_merged(family, merged_flat()),
                    Average3D => averaged(family, &totals),
                    _ => of_merged(family, merged_all()),
                };
                computed.push(Computed { family, aggregation, values });
            }
        }
        computed
    }

    fn features(&self, family: Family, counts: &Counts, voxels: f64) -> Vec<Value> {
        match family {
            Family::Glcm => {
                let entries = counts.co_occurrences();
                glcm::features(&entries, &self.grid.grey, self.grid.n_levels).to_vec()
            }
            _ => level_table::features(&counts.runs(), &self.grid.grey, voxels)[..16].to_vec(),
        }
    }
}

/// What is asked of a family, and the averages that build up slice by slice.
struct Wanted<'a> {
    family: Family,
    aggregations: &'a [Aggregation],
    over_directions: Mean,
    over_slices: Mean,
}

impl<'a> Wanted<'a> {
    fn new(family: Family, aggregations: &'a [Aggregation]) -> Self {
        let (over_directions, over_slices) = (Mean::default(), Mean::default());
        Self { family, aggregations, over_directions, over_slices }
    }

    fn wants(&self, aggregation: Aggregation) -> bool {
        self.aggregations.contains(&aggregation)
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
