//! Texture of regions at the edge of the definitions, worked out by hand; and what must not change
//! when a region is moved, turned or mirrored.

use std::collections::BTreeMap;

use abscope::features::parameters::{DistanceWeighting, TextureParameters};
use abscope::features::texture::{compute, compute_all};
use abscope::features::{Aggregation, Family, Selected};
use abscope::region::Levels;
use abscope::value::{Missing, Value};
use ndarray::{Array3, Axis};
use proptest::prelude::*;

const TEXTURE: [Family; 6] =
    [Family::Glcm, Family::Glrlm, Family::Glszm, Family::Gldzm, Family::Ngtdm, Family::Ngldm];

/// GLCM and GLRLM with six aggregations, the others with three.
const COLUMNS: usize = 6 * (25 + 16) + 3 * (16 + 16 + 5 + 17);

/// Grey levels from an array (z, y, x) with 0 outside.
fn levels_of(array: &Array3<u16>) -> Levels {
    let (nz, ny, nx) = array.dim();
    let mut levels = Array3::zeros((nz + 2, ny + 2, nx + 2));
    levels.slice_mut(ndarray::s![1..=nz, 1..=ny, 1..=nx]).assign(array);
    Levels {
        morphological: levels.mapv(|level| level != 0),
        n_levels: array.iter().copied().max().map_or(0, usize::from),
        voxel_count: array.iter().filter(|&&level| level != 0).count(),
        levels,
        pad: 1,
        spacing: [1.0; 3],
    }
}

fn line(levels: &[u16]) -> Array3<u16> {
    Array3::from_shape_vec((1, 1, levels.len()), levels.to_vec()).expect("a row")
}

/// All features of all families and aggregations, by column.
fn all(array: &Array3<u16>) -> BTreeMap<String, Value> {
    let wanted = TEXTURE.map(|family| Selected::new(family, family.aggregations(), |_| true));
    let found = compute_all(&levels_of(array), &TextureParameters::default(), &wanted);
    let named = wanted.iter().zip(found).flat_map(|(s, values)| s.columns().zip(values));
    named.map(|((feature, aggregation), value)| (feature.tag(aggregation), value)).collect()
}

fn assert_values(array: &Array3<u16>, expected: &[(&str, Value)]) {
    let values = all(array);
    for (column, expected) in expected {
        assert_close(column, values[*column], *expected);
    }
}

/// Equal but for the last digits, which depend on the order of summation.
fn assert_close(name: &str, one: Value, other: Value) {
    match (one, other) {
        (Ok(one), Ok(other)) => {
            let close = (one - other).abs() <= 1e-11 * other.abs().max(1.0);
            assert!(close, "{name}: {one} and {other}");
        }
        (one, other) => assert_eq!(one, other, "{name}"),
    }
}

#[test]
fn every_column_is_finite_or_says_why_not() {
    let regions = [
        line(&[3]),
        line(&[1, 1]),
        line(&[1, 0, 2]),
        line(&[65_535]),
        line(&[1, 65_535]),
        Array3::from_elem((1, 3, 3), 2),
        Array3::from_elem((3, 3, 3), 7),
    ];
    for array in regions {
        let values = all(&array);
        assert_eq!(values.len(), COLUMNS);
        for (column, value) in values {
            assert!(value.map_or(true, f64::is_finite), "{column} of {array}: {value:?}");
        }
    }
}

#[test]
fn one_voxel_has_no_neighbours_but_one_run_and_one_zone() {
    let values = all(&line(&[3]));
    for (column, value) in &values {
        let of_pairs = column.starts_with("cm_") || column.starts_with("ngt_");
        assert_eq!(value.is_err(), of_pairs, "{column}: {value:?}");
        if of_pairs {
            assert_eq!(*value, Err(Missing::NoNeighbours), "{column}");
        }
    }
    let ninth = Ok(1.0 / 9.0);
    assert_values(
        &line(&[3]),
        &[
            ("rlm_lgre_3D_comb", ninth),
            ("rlm_glnu_3D_comb", Ok(13.0)),
            ("rlm_r_perc_3D_comb", Ok(1.0)),
            ("szm_lgze_3D", ninth),
            ("szm_zs_entr_3D", Ok(0.0)),
            ("dzm_sde_3D", Ok(1.0)),
            ("ngl_lde_3D", Ok(1.0)),
            ("ngl_dc_perc_2D", Ok(1.0)),
        ],
    );
}

#[test]
fn voxels_that_do_not_touch_have_no_neighbours() {
    assert_values(
        &line(&[1, 0, 2]),
        &[
            ("cm_joint_max_3D_comb", Err(Missing::NoNeighbours)),
            ("ngt_coarseness_3D", Err(Missing::NoNeighbours)),
            ("szm_z_perc_3D", Ok(1.0)),
            ("ngl_gl_var_3D", Ok(0.25)),
        ],
    );
}

#[test]
fn two_voxels_of_two_levels() {
    // One pair (1, 2): p12 = p21 = 1/2. NGTDM: each differs from its one neighbour by 1.
    assert_values(
        &line(&[1, 2]),
        &[
            ("cm_joint_max_3D_comb", Ok(0.5)),
            ("cm_joint_entr_3D_avg", Ok(1.0)),
            ("cm_corr_2D_avg", Ok(-1.0)),
            ("cm_info_corr1_3D_comb", Ok(-1.0)),
            ("cm_info_corr2_3D_comb", Ok((1.0 - (-2.0f64).exp()).sqrt())),
            ("cm_clust_prom_3D_comb", Ok(0.0)),
            ("ngt_coarseness_3D", Ok(1.0)),
            ("ngt_contrast_3D", Ok(0.25)),
            ("ngt_busyness_3D", Ok(1.0)),
            ("ngt_complexity_3D", Ok(1.0)),
            ("ngt_strength_3D", Ok(1.0)),
        ],
    );
}

#[test]
fn busyness_is_missing_where_level_times_probability_is_the_same_for_all() {
    // Levels 1 and 2 with probabilities 2/3 and 1/3.
    let expected = [("ngt_busyness_3D", Err(Missing::ZeroDenominator))];
    assert_values(&line(&[1, 1, 2]), &expected);
}

#[test]
fn a_flat_region_has_one_level_one_zone_and_no_correlation() {
    let cube = Array3::from_elem((3, 3, 3), 4);
    assert_values(
        &cube,
        &[
            ("cm_joint_max_3D_comb", Ok(1.0)),
            ("cm_contrast_3D_avg", Ok(0.0)),
            ("cm_inv_diff_2_5D_comb", Ok(1.0)),
            ("cm_inv_var_3D_comb", Ok(0.0)),
            ("cm_corr_3D_comb", Err(Missing::FlatRegion)),
            ("cm_corr_2D_avg", Err(Missing::FlatRegion)),
            ("cm_info_corr1_3D_comb", Err(Missing::FlatRegion)),
            ("cm_info_corr2_3D_comb", Ok(0.0)),
            ("szm_lze_3D", Ok(27.0 * 27.0)),
            ("szm_lze_2D", Ok(81.0)),
            ("szm_z_perc_3D", Ok(1.0 / 27.0)),
            ("dzm_lde_3D", Ok(1.0)),
            ("ngt_coarseness_3D", Ok(1e6)),
            ("ngt_contrast_3D", Ok(0.0)),
            ("ngt_busyness_3D", Ok(0.0)),
            ("ngt_complexity_3D", Ok(0.0)),
            ("ngt_strength_3D", Ok(0.0)),
        ],
    );
}

#[test]
fn a_column_across_slices_has_pairs_in_one_direction() {
    // Three voxels along z: each slice holds one voxel, so 2D pairs do not exist; 3D pairs do, in
    // one direction of thirteen, and the other directions take no part in the average.
    let column = Array3::from_shape_vec((3, 1, 1), vec![1, 1, 2]).expect("a column");
    assert_values(
        &column,
        &[
            ("cm_joint_max_2D_avg", Err(Missing::NoNeighbours)),
            ("cm_joint_max_2_5D_comb", Err(Missing::NoNeighbours)),
            ("cm_joint_max_3D_avg", Ok(0.5)),
            ("cm_joint_max_3D_comb", Ok(0.5)),
            ("rlm_lre_3D_comb", Ok((12.0 * 3.0 + 4.0 + 1.0) / (12.0 * 3.0 + 2.0))),
            ("rlm_r_perc_3D_comb", Ok((12.0 * 3.0 + 2.0) / (13.0 * 3.0))),
        ],
    );
}

#[test]
fn slices_without_a_voxel_are_not_averaged() {
    let slice = [1, 2, 2, 3, 1, 1];
    let apart = |nz: usize, at: &[usize]| {
        let mut array = Array3::zeros((nz, 2, 3));
        for &z in at {
            for (k, level) in slice.into_iter().enumerate() {
                array[[z, k / 3, k % 3]] = level;
            }
        }
        array
    };
    let (one, two) = (all(&apart(1, &[0])), all(&apart(4, &[0, 3])));
    for (column, value) in &one {
        if ["_2D", "_2D_avg", "_2D_comb"].iter().any(|suffix| column.ends_with(suffix)) {
            assert_close(column, two[column], *value);
        }
    }
}

#[test]
fn few_voxels_with_levels_far_apart_are_described_like_any() {
    // Were tables to grow with N_g², this would need 34 GB for every direction.
    let mut array = Array3::zeros((2, 3, 3));
    for (k, level) in array.iter_mut().enumerate() {
        *level = 65_535 - 3_600 * (k as u16 * 7 % 18);
    }
    let values = all(&array);
    assert!(values.values().all(Result::is_ok), "{values:?}");
    // Every level occurs once: each voxel is a zone, a run and a tone of its own.
    assert_values(
        &array,
        &[
            ("szm_zsnu_3D", Ok(18.0)),
            ("szm_zs_entr_3D", Ok(18f64.log2())),
            ("rlm_r_perc_3D_comb", Ok(1.0)),
            ("ngl_ldlge_3D", values["szm_lgze_3D"]),
        ],
    );
}

#[test]
fn many_levels_over_many_voxels_stay_bounded() {
    // 40,000 voxels, nearly as many levels.
    let array = Array3::from_shape_fn((10, 40, 100), |(z, y, x)| {
        ((z * 7919 + y * 104_729 + x * 1_299_709) % 65_535 + 1) as u16
    });
    let values = all(&array);
    assert!(values.values().all(Result::is_ok));
}

#[test]
fn an_empty_region_is_missing_throughout() {
    let values = all(&Array3::zeros((2, 2, 2)));
    assert_eq!(values.len(), COLUMNS);
    assert!(values.values().all(|value| *value == Err(Missing::EmptyRegion)));
}

#[test]
fn what_the_standard_does_not_define_is_empty() {
    let levels = levels_of(&line(&[1, 2]));
    let parameters = TextureParameters::default();
    assert!(compute(&levels, &parameters, Family::Glcm, Aggregation::Volume3D).is_empty());
    let statistics = compute(&levels, &parameters, Family::Statistics, Aggregation::NotAggregated);
    assert!(statistics.is_empty());
}

#[test]
fn distance_weighting_counts_near_directions_more() {
    // A square of levels 1 2 / 1 2 with pixels of 1 mm by 2 mm. Pairs: along x two of (1, 2), 1 mm;
    // along y one each of (1, 1) and (2, 2), 2 mm; one diagonal each way of (1, 2), √5 mm.
    let array = Array3::from_shape_vec((1, 2, 2), vec![1, 2, 1, 2]).expect("a square");
    let mut levels = levels_of(&array);
    levels.spacing = [1.0, 2.0, 3.0];
    for (distance_weighting, weight) in [
        (DistanceWeighting::None, (|_| 1.0) as fn(f64) -> f64),
        (DistanceWeighting::InverseDistance, |mm: f64| 1.0 / mm),
        (DistanceWeighting::Exponential, |mm: f64| (-mm * mm).exp()),
    ] {
        let parameters = TextureParameters { distance_weighting, ..Default::default() };
        let value = |family, aggregation, id: &str| {
            let values = compute(&levels, &parameters, family, aggregation);
            let found = values.iter().find(|(feature, _)| feature.id == id);
            found.and_then(|(_, value)| value.ok()).expect("a value")
        };
        let unequal = 2.0 * weight(1.0) + 2.0 * weight(5f64.sqrt());
        let expected = unequal / (unequal + 2.0 * weight(2.0));
        let contrast = value(Family::Glcm, Aggregation::SliceMerged2D, "cm_contrast");
        assert!((contrast - expected).abs() < 1e-12, "{contrast} for {expected}");

        // Runs: four of length 1 in each direction but y, where there are two of length 2.
        let singles = 4.0 * (weight(1.0) + 2.0 * weight(5f64.sqrt()));
        let doubles = 2.0 * weight(2.0);
        let expected = (singles + 4.0 * doubles) / (singles + doubles);
        let emphasis = value(Family::Glrlm, Aggregation::Merged2_5D, "rlm_lre");
        assert!((emphasis - expected).abs() < 1e-12, "{emphasis} for {expected}");
        let expected = (singles + doubles) / (singles + 2.0 * doubles);
        let percentage = value(Family::Glrlm, Aggregation::Merged2_5D, "rlm_r_perc");
        assert!((percentage - expected).abs() < 1e-12, "{percentage} for {expected}");
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let array = Array3::from_shape_fn((9, 10, 11), |(z, y, x)| ((z * y + 3 * x) % 5) as u16);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        format!("{:?}", pool.install(|| all(&array)))
    };
    assert_eq!(with(1), with(4));
}

/// Features of the volume, which has no preferred axis.
fn of_volume(array: &Array3<u16>) -> Vec<(&'static str, Value)> {
    let aggregations = [Aggregation::Merged3D, Aggregation::Average3D, Aggregation::Volume3D];
    let wanted = TEXTURE.map(|family| Selected::new(family, &aggregations, |_| true));
    let values = compute_all(&levels_of(array), &TextureParameters::default(), &wanted).concat();
    let features = wanted.iter().flat_map(Selected::columns).map(|(feature, _)| feature.id);
    features.zip(values).collect()
}

fn assert_same(a: &Array3<u16>, b: &Array3<u16>) {
    for ((id, one), (_, other)) in of_volume(a).into_iter().zip(of_volume(b)) {
        assert_close(id, one, other);
    }
}

fn regions() -> impl Strategy<Value = Array3<u16>> {
    (1..7usize, 1..7usize, 1..7usize).prop_flat_map(|(nx, ny, nz)| {
        proptest::collection::vec(0..5u16, nx * ny * nz).prop_map(move |voxels| {
            Array3::from_shape_vec((nz, ny, nx), voxels).expect("as many as the shape says")
        })
    })
}

proptest! {
    #[test]
    fn moving_a_region_changes_nothing(array in regions(), by in [0..4usize, 0..4, 0..4]) {
        let (nz, ny, nx) = array.dim();
        let mut moved = Array3::zeros((nz + by[2] + 1, ny + by[1] + 2, nx + by[0] + 3));
        moved
            .slice_mut(ndarray::s![by[2]..by[2] + nz, by[1]..by[1] + ny, by[0]..by[0] + nx])
            .assign(&array);
        prop_assert_eq!(of_volume(&array), of_volume(&moved));
    }

    #[test]
    fn exchanging_axes_changes_nothing_in_3d(array in regions()) {
        for axes in [[0, 2, 1], [1, 0, 2], [2, 1, 0], [1, 2, 0]] {
            assert_same(&array, &array.view().permuted_axes(axes).as_standard_layout().to_owned());
        }
    }

    #[test]
    fn mirroring_changes_nothing_in_3d(array in regions(), axis in 0..3usize) {
        let mut mirrored = array.clone();
        mirrored.invert_axis(Axis(axis));
        assert_same(&array, &mirrored.as_standard_layout().to_owned());
    }
}
