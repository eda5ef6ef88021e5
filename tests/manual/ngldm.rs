//! Section 3.11 (REK0): the neighbouring grey level dependence matrix. Its distance weighting and
//! other norms than Chebyshev's, which the manual cautions against, are left out.

use super::counts::{Counts, features as of_counts};
use super::glszm::aggregated;
use super::{Features, Levels, Voxel, neighbourhood};

const NAMES: [&str; 16] = [
    "ngl_lde",
    "ngl_hde",
    "ngl_lgce",
    "ngl_hgce",
    "ngl_ldlge",
    "ngl_ldhge",
    "ngl_hdlge",
    "ngl_hdhge",
    "ngl_glnu",
    "ngl_glnu_norm",
    "ngl_dcnu",
    "ngl_dcnu_norm",
    "ngl_dc_perc",
    "ngl_gl_var",
    "ngl_dc_var",
    "ngl_dc_entr",
];

fn matrix(
    levels: &Levels,
    voxels: &[Voxel],
    distance: usize,
    alpha: usize,
    volume: bool,
) -> Counts {
    let mut counts = Counts { voxels: voxels.len(), ..Counts::default() };
    let steps = neighbourhood(distance, volume);
    for &voxel in voxels {
        let Some(level) = levels.at(voxel) else {
            continue;
        };
        // j_k counts the voxel itself.
        let mut dependence = 1;
        for &step in &steps {
            if levels.beside(voxel, step).is_some_and(|other| level.abs_diff(other) <= alpha) {
                dependence += 1;
            }
        }
        counts.add(level, dependence);
    }
    counts
}

pub fn by_slice(levels: &Levels, distance: usize, alpha: usize) -> Vec<Counts> {
    levels
        .slices()
        .into_iter()
        .map(|z| matrix(levels, &levels.slice(z), distance, alpha, false))
        .collect()
}

pub fn by_volume(levels: &Levels, distance: usize, alpha: usize) -> Counts {
    matrix(levels, &levels.all(), distance, alpha, true)
}

/// The three aggregations (section 3.11.1).
pub fn features(levels: &Levels, distance: usize, alpha: usize) -> Vec<(&'static str, Features)> {
    let slices = by_slice(levels, distance, alpha);
    aggregated(&slices, &by_volume(levels, distance, alpha), |counts| {
        let mut features = of_counts(counts, NAMES);
        // CAS9: the one that the other families lack.
        let total: usize = counts.cells.values().sum();
        let squares: f64 =
            counts.cells.values().map(|&count| (count as f64 / total as f64).powi(2)).sum();
        features.push(("ngl_dc_energy", (total > 0).then_some(squares)));
        features
    })
}
