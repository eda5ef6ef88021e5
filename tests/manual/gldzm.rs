//! Section 3.9 (VMDZ): the grey level distance zone matrix. Zones are those of the intensity mask,
//! distances those to the edge of the morphological mask.

use super::counts::{Counts, features as of_counts};
use super::glszm::{aggregated, zones};
use super::{Features, Levels, Voxel, moved, offset, voxels};

const NAMES: [&str; 16] = [
    "dzm_sde",
    "dzm_lde",
    "dzm_lgze",
    "dzm_hgze",
    "dzm_sdlge",
    "dzm_sdhge",
    "dzm_ldlge",
    "dzm_ldhge",
    "dzm_glnu",
    "dzm_glnu_norm",
    "dzm_zdnu",
    "dzm_zdnu_norm",
    "dzm_z_perc",
    "dzm_gl_var",
    "dzm_zd_var",
    "dzm_zd_entr",
];

/// The distance of every voxel to the edge of the mask in steps over faces, 1 for a voxel at the edge.
/// The mask is eroded again and again, by 6 neighbours or by 4 in the slice; each voxel gets 1 for
/// every mask it was in. Beyond the image there is no mask.
pub fn distances(size: [usize; 3], shape: &[bool], volume: bool) -> Vec<usize> {
    let mut steps = vec![[0, 0, -1], [0, 0, 1], [0, -1, 0], [0, 1, 0]];
    if volume {
        steps.extend([[-1, 0, 0], [1, 0, 0]]);
    }
    let mut distances = vec![0; shape.len()];
    let mut mask = shape.to_vec();
    while mask.contains(&true) {
        let mut eroded = vec![false; mask.len()];
        for voxel in voxels(size) {
            let place = offset(size, voxel);
            if mask[place] {
                distances[place] += 1;
                eroded[place] = steps.iter().all(|&step| {
                    moved(size, voxel, step).is_some_and(|beside| mask[offset(size, beside)])
                });
            }
        }
        mask = eroded;
    }
    distances
}

fn matrix(levels: &Levels, region: &[Voxel], distances: &[usize], volume: bool) -> Counts {
    let mut counts = Counts { voxels: region.len(), ..Counts::default() };
    for (level, zone) in zones(levels, region, volume) {
        // The distance of a zone is the least of its voxels.
        let least = zone.iter().map(|&voxel| distances[offset(levels.size, voxel)]).min();
        if let Some(distance) = least {
            counts.add(level, distance);
        }
    }
    counts
}

pub fn by_slice(levels: &Levels, shape: &[bool]) -> Vec<Counts> {
    let distances = distances(levels.size, shape, false);
    levels
        .slices()
        .into_iter()
        .map(|z| matrix(levels, &levels.slice(z), &distances, false))
        .collect()
}

pub fn by_volume(levels: &Levels, shape: &[bool]) -> Counts {
    let distances = distances(levels.size, shape, true);
    matrix(levels, &levels.all(), &distances, true)
}

/// The three aggregations (section 3.9.2).
pub fn features(levels: &Levels, shape: &[bool]) -> Vec<(&'static str, Features)> {
    aggregated(&by_slice(levels, shape), &by_volume(levels, shape), |counts| {
        of_counts(counts, NAMES)
    })
}
