//! Section 3.7 (TP0I): the grey level run length matrix. Its distance weighting, which multiplies
//! the lengths of the runs, is left out: the manual cautions against it, and a weighted length is no
//! index of a matrix.

use super::counts::{Counts, features as of_counts, merged};
use super::{Features, Levels, Voxel, averaged, directions};

const NAMES: [&str; 16] = [
    "rlm_sre",
    "rlm_lre",
    "rlm_lgre",
    "rlm_hgre",
    "rlm_srlge",
    "rlm_srhge",
    "rlm_lrlge",
    "rlm_lrhge",
    "rlm_glnu",
    "rlm_glnu_norm",
    "rlm_rlnu",
    "rlm_rlnu_norm",
    "rlm_r_perc",
    "rlm_gl_var",
    "rlm_rl_var",
    "rlm_rl_entr",
];

/// Runs of one level along a direction.
fn matrix(levels: &Levels, voxels: &[Voxel], step: [isize; 3]) -> Counts {
    let mut counts = Counts { voxels: voxels.len(), ..Counts::default() };
    for &voxel in voxels {
        let level = levels.at(voxel);
        let back = step.map(|m| -m);
        // A run begins where the voxel before it has another level, or is not in the region.
        if levels.beside(voxel, back) == level {
            continue;
        }
        let mut length = 1;
        while levels.beside(voxel, step.map(|m| m * length)) == level {
            length += 1;
        }
        if let Some(level) = level {
            counts.add(level, length as usize);
        }
    }
    counts
}

/// One matrix for each slice (outer) and direction (inner).
pub fn by_slice(levels: &Levels) -> Vec<Vec<Counts>> {
    let mut all = Vec::new();
    for z in levels.slices() {
        let voxels = levels.slice(z);
        all.push(directions(false).into_iter().map(|step| matrix(levels, &voxels, step)).collect());
    }
    all
}

/// One matrix for each of the thirteen directions.
pub fn by_volume(levels: &Levels) -> Vec<Counts> {
    let voxels = levels.all();
    directions(true).into_iter().map(|step| matrix(levels, &voxels, step)).collect()
}

/// The six aggregations (section 3.7.1).
pub fn features(levels: &Levels) -> Vec<(&'static str, Features)> {
    let slices = by_slice(levels);
    let volume = by_volume(levels);
    let of = |counts: &Counts| of_counts(counts, NAMES);
    let mean = |families: Vec<Features>| {
        if families.is_empty() { of(&Counts::default()) } else { averaged(&families) }
    };
    let each_direction = |direction: usize| {
        merged(&slices.iter().map(|slice| slice[direction].clone()).collect::<Vec<_>>())
    };
    vec![
        ("2D_avg", mean(slices.iter().flatten().map(of).collect())),
        ("2D_comb", mean(slices.iter().map(|slice| of(&merged(slice))).collect())),
        ("2_5D_avg", mean((0..4).map(|direction| of(&each_direction(direction))).collect())),
        ("2_5D_comb", of(&merged(&slices.concat()))),
        ("3D_avg", mean(volume.iter().map(of).collect())),
        ("3D_comb", of(&merged(&volume))),
    ]
}
