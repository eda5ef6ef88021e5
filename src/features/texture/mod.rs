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
mod glcm;
mod grid;
mod level_table;
mod neighbours;
mod ngldm;
mod ngtdm;
mod zones;

use self::aggregation::Directional;
use self::grid::Grid;
use super::family::{Aggregation, Family};
use super::parameters::TextureParameters;
use crate::features::FeatureValues;
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
) -> FeatureValues {
    compute_all(levels, parameters, &[(family, &[aggregation])])
        .pop()
        .map(|(_, _, values)| values)
        .unwrap_or_default()
}

/// Features of several families and aggregations, in the order asked for.
///
/// Matrices are counted once for all aggregations of a family, and pairs and runs of neighbours
/// together. The families are computed side by side in rayon's current pool.
pub fn compute_all(
    levels: &Levels,
    parameters: &TextureParameters,
    wanted: &[(Family, &[Aggregation])],
) -> Vec<(Family, Aggregation, FeatureValues)> {
    let of = |family: Family| -> Vec<Aggregation> {
        let asked = wanted.iter().filter(|(f, _)| *f == family).flat_map(|(_, list)| list.iter());
        let mut list: Vec<Aggregation> =
            asked.copied().filter(|a| family.aggregations().contains(a)).collect();
        list.sort_unstable();
        list.dedup();
        list
    };
    let [glcm, glrlm] = [Family::Glcm, Family::Glrlm].map(of);
    let [glszm, gldzm] = [Family::Glszm, Family::Gldzm].map(of);
    let [ngtdm, ngldm] = [Family::Ngtdm, Family::Ngldm].map(of);
    let reach = |list: &[Aggregation], distance: u16| {
        if list.is_empty() { 1 } else { usize::from(distance.max(1)) }
    };
    let border =
        reach(&ngtdm, parameters.ngtdm_distance).max(reach(&ngldm, parameters.ngldm_distance));
    let grid = Grid::new(levels, border);

    let ((directional, zones), (tones, dependences)) = rayon::join(
        || {
            rayon::join(
                || {
                    Directional {
                        grid: &grid,
                        parameters,
                        spacing: levels.spacing,
                        glcm: &glcm,
                        glrlm: &glrlm,
                    }
                    .compute()
                },
                || zones::compute(&grid, levels, &glszm, &gldzm),
            )
        },
        || {
            rayon::join(
                || ngtdm::compute(&grid, parameters, &ngtdm),
                || ngldm::compute(&grid, parameters, &ngldm),
            )
        },
    );

    let computed: Vec<Computed> =
        [directional, zones, tones, dependences].into_iter().flatten().collect();
    let find = |family: Family, aggregation: Aggregation| -> FeatureValues {
        if grid.voxels == 0 && family.aggregations().contains(&aggregation) {
            return ids(family).iter().map(|&id| (id, Err(Missing::EmptyRegion))).collect();
        }
        computed
            .iter()
            .find(|c| c.family == family && c.aggregation == aggregation)
            .map(|c| ids(family).iter().copied().zip(c.values.iter().copied()).collect())
            .unwrap_or_default()
    };
    wanted
        .iter()
        .flat_map(|&(family, list)| list.iter().map(move |&a| (family, a)))
        .map(|(family, aggregation)| (family, aggregation, find(family, aggregation)))
        .collect()
}

/// Values of a family, in the order of [`ids`].
struct Computed {
    family: Family,
    aggregation: Aggregation,
    values: Vec<Value>,
}

/// The families' feature ids in the order in which their modules return values, which is the
/// feature table's.
fn ids(family: Family) -> &'static [&'static str] {
    match family {
        Family::Glcm => &[
            "cm_joint_max",
            "cm_joint_avg",
            "cm_joint_var",
            "cm_joint_entr",
            "cm_diff_avg",
            "cm_diff_var",
            "cm_diff_entr",
            "cm_sum_avg",
            "cm_sum_var",
            "cm_sum_entr",
            "cm_energy",
            "cm_contrast",
            "cm_dissimilarity",
            "cm_inv_diff",
            "cm_inv_diff_norm",
            "cm_inv_diff_mom",
            "cm_inv_diff_mom_norm",
            "cm_inv_var",
            "cm_corr",
            "cm_auto_corr",
            "cm_clust_tend",
            "cm_clust_shade",
            "cm_clust_prom",
            "cm_info_corr1",
            "cm_info_corr2",
        ],
        Family::Glrlm => &[
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
        ],
        Family::Glszm => &[
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
        ],
        Family::Gldzm => &[
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
        ],
        Family::Ngtdm => {
            &["ngt_coarseness", "ngt_contrast", "ngt_busyness", "ngt_complexity", "ngt_strength"]
        }
        Family::Ngldm => &[
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
            "ngl_dc_energy",
        ],
        _ => &[],
    }
}

#[cfg(test)]
mod tests;
