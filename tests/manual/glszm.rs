//! Section 3.8 (9SAK): the grey level size zone matrix.

use std::collections::BTreeSet;

use super::counts::{Counts, features as of_counts, merged};
use super::{Features, Levels, Voxel, averaged, moved, neighbourhood};

const NAMES: [&str; 16] = [
    "szm_sze",
    "szm_lze",
    "szm_lgze",
    "szm_hgze",
    "szm_szlge",
    "szm_szhge",
    "szm_lzlge",
    "szm_lzhge",
    "szm_glnu",
    "szm_glnu_norm",
    "szm_zsnu",
    "szm_zsnu_norm",
    "szm_z_perc",
    "szm_gl_var",
    "szm_zs_var",
    "szm_zs_entr",
];

/// The zones among some voxels: linked ones of one level. Voxels are linked over faces, edges and
/// corners, 26 neighbours in a volume and 8 in a slice.
pub fn zones(levels: &Levels, voxels: &[Voxel], volume: bool) -> Vec<(usize, Vec<Voxel>)> {
    let mut left: BTreeSet<Voxel> = voxels.iter().copied().collect();
    let mut zones = Vec::new();
    while let Some(first) = left.pop_first() {
        let Some(level) = levels.at(first) else {
            continue;
        };
        let mut zone = vec![first];
        let mut next = 0;
        while next < zone.len() {
            for step in neighbourhood(1, volume) {
                let linked = moved(levels.size, zone[next], step)
                    .filter(|&voxel| levels.at(voxel) == Some(level) && left.remove(&voxel));
                zone.extend(linked);
            }
            next += 1;
        }
        zones.push((level, zone));
    }
    zones
}

fn matrix(levels: &Levels, voxels: &[Voxel], volume: bool) -> Counts {
    let mut counts = Counts { voxels: voxels.len(), ..Counts::default() };
    for (level, zone) in zones(levels, voxels, volume) {
        counts.add(level, zone.len());
    }
    counts
}

pub fn by_slice(levels: &Levels) -> Vec<Counts> {
    levels.slices().into_iter().map(|z| matrix(levels, &levels.slice(z), false)).collect()
}

pub fn by_volume(levels: &Levels) -> Counts {
    matrix(levels, &levels.all(), true)
}

/// The three aggregations (section 3.8.1).
pub fn features(levels: &Levels) -> Vec<(&'static str, Features)> {
    aggregated(&by_slice(levels), &by_volume(levels), |counts| of_counts(counts, NAMES))
}

/// The mean over slices, the slices merged, the volume.
pub fn aggregated(
    slices: &[Counts],
    volume: &Counts,
    of: impl Fn(&Counts) -> Features,
) -> Vec<(&'static str, Features)> {
    let families: Vec<Features> = slices.iter().map(&of).collect();
    let mean = if families.is_empty() { of(&Counts::default()) } else { averaged(&families) };
    vec![("2D", mean), ("2_5D", of(&merged(slices))), ("3D", of(volume))]
}
