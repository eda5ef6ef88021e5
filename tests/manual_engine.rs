//! The engine against a second reading of the IBSI manual (`tests/manual`, an oracle that shares nothing
//! with it and gives all 1,804 reference values) on random small regions: every family, aggregation,
//! distance, discretisation, spacing and interpolation.
//!
//! What is compared how: [`compare`]. More cases: `MANUAL_CASES=3000 cargo test --test manual_engine`.

mod manual;

use std::collections::BTreeMap;

use abscope::extract::extract;
use abscope::geometry::{Geometry, IndexBox};
use abscope::ingest::{Case, Lesion, Scan};
use abscope::mask::Mask;
use abscope::plan::Plan;
use abscope::row::Row;
use abscope::settings::Settings;
use abscope::value::Value;
use abscope::volume::{Volume, Voxels};
use manual::{Discretisation, Interpolation, Rounding, VolumeHistogram, cases, morphology};
use ndarray::Array3;

/// Cases that every run compares.
const CASES: u64 = 400;
/// Relative, and absolute below 1.
const TOLERANCE: f64 = 1e-9;

fn cases_wanted() -> u64 {
    std::env::var("MANUAL_CASES").map_or(CASES, |n| n.parse().expect("a number of cases"))
}

/// A case with the settings that abscope has a word for.
fn case(number: u64) -> cases::Case {
    let mut case = cases::case(number);
    let settings = &mut case.settings;
    // A range has two ends here, and bins of a width start at the lower one.
    let by_width = matches!(settings.discretisation, Discretisation::FixedBinSize(_));
    if settings.lower.is_some() || by_width {
        settings.lower.get_or_insert(-1000.0);
        settings.upper.get_or_insert(1000.0);
    }
    // One bin is refused.
    if settings.discretisation == Discretisation::FixedBinNumber(1) {
        settings.discretisation = Discretisation::FixedBinNumber(2);
    }
    // Interpolated intensities are held in 32 bits, and the oracle's in 64.
    if settings.spacing.is_some() {
        settings.rounding = Rounding::HalfAwayFromZero;
    }
    case
}

fn toml(settings: &manual::Settings) -> String {
    let interpolation = |kind: Interpolation| match kind {
        Interpolation::Nearest => "nearest",
        Interpolation::Linear => "trilinear",
        Interpolation::Cubic => "tricubic_spline",
    };
    let spacing =
        settings.spacing.map_or("\"none\"".into(), |[z, y, x]| format!("[{x}, {y}, {z}]"));
    let rounding = if settings.spacing.is_some() { "nearest_integer" } else { "none" };
    let range = settings.lower.zip(settings.upper);
    let range =
        range.map_or(String::new(), |(low, high)| format!("range_hu = [{low:?}, {high:?}]"));
    let outliers = settings.outliers.map_or(String::new(), |n| format!("outlier_sigma = {n:?}"));
    let discretisation = match settings.discretisation {
        Discretisation::None => "method = \"none\"".into(),
        Discretisation::FixedBinNumber(n) => format!("method = \"fixed_bin_number\"\nbins = {n}"),
        Discretisation::FixedBinSize(w) => format!("method = \"fixed_bin_size\"\nwidth = {w:?}"),
    };
    let ivh = match settings.volume_histogram {
        VolumeHistogram::Discrete => "method = \"none\"\nstep = 1.0".into(),
        VolumeHistogram::FixedBinNumber(n) => format!("method = \"fixed_bin_number\"\nbins = {n}"),
        VolumeHistogram::FixedBinSize(w) => format!("method = \"fixed_bin_size\"\nwidth = {w:?}"),
    };
    format!(
        "[resampling]\nspacing_mm = {spacing}\ninterpolation = \"{}\"\nmask_interpolation = \"{}\"\n\
         mask_threshold = {:?}\nrounding = \"{rounding}\"\n[resegmentation]\n{range}\n{outliers}\n\
         [discretisation]\n{discretisation}\n[intensity_volume_histogram]\n{ivh}\n[texture]\n\
         glcm_distance = {}\nngtdm_distance = {}\nngldm_distance = {}\nngldm_coarseness = {}\n\
         [features]\naggregations = [\"2D_avg\", \"2D_comb\", \"2_5D_avg\", \"2_5D_comb\", \"3D_avg\", \
         \"3D_comb\", \"2D\", \"2_5D\", \"3D\"]\n",
        interpolation(settings.interpolation),
        interpolation(settings.mask_interpolation),
        settings.mask_threshold,
        settings.glcm_distance,
        settings.ngtdm_distance,
        settings.ngldm_distance,
        settings.ngldm_alpha,
    )
}

fn row(case: &cases::Case) -> Row {
    let [nz, ny, nx] = case.image.size;
    let [sz, sy, sx] = case.image.spacing;
    let grid = Geometry::axis_aligned([nx, ny, nz], [sx, sy, sz]);
    let mask = Array3::from_shape_vec((nz, ny, nx), case.mask.clone()).expect("a voxel per place");
    let mask = Mask::new(grid.clone(), IndexBox::whole(grid.size), &mask).expect("voxels");
    let voxels = case.image.values.iter().map(|&v| v as f32).collect();
    let settings = Settings::parse(&toml(&case.settings)).expect("settings");
    let case = Case {
        patient: "made".into(),
        volume: Volume::new(grid, Voxels::F32(voxels)),
        lesions: vec![Lesion { id: "1".into(), name: None, site: None, mask }],
        kvp: None,
        scan: Scan::default(),
        inputs: Vec::new(),
        warnings: Vec::new(),
    };
    extract(&case, &Plan::resolve(&settings).expect("a plan")).remove(0)
}

/// Where abscope takes another view than the letter of the manual; docs/features.md says which.
fn is_another_view(
    feature: &str,
    expected: Option<f64>,
    case: &cases::Case,
    prepared: &manual::Prepared,
) -> bool {
    let intensities = prepared.intensities();
    let flat = intensities.windows(2).all(|pair| pair[0] == pair[1]);
    let by_number = matches!(case.settings.discretisation, Discretisation::FixedBinNumber(_));
    let of_levels = ["ih_", "cm_", "rlm_", "szm_", "dzm_", "ngt_", "ngl_"];
    match feature {
        // The axes of a voxel are 0 long.
        "morph_pca_maj_axis" | "morph_pca_min_axis" | "morph_pca_least_axis" => {
            prepared.shape.iter().filter(|&&inside| inside).count() == 1
        }
        // 0 / 0, which the manual takes as 0.
        "stat_skew" | "stat_kurt" | "ih_skew" | "ih_kurt" if expected == Some(0.0) => true,
        // A histogram of one level has no curve.
        _ if flat && feature.starts_with("ivh_") => true,
        // The last bin, which the highest intensity lies in, is a level even if it ends beyond.
        _ if feature.starts_with("ivh_") && case.settings.upper.is_none() => {
            matches!(case.settings.volume_histogram, VolumeHistogram::FixedBinSize(_))
        }
        // The one level is the first, and not the last as (x - min) / (max - min) = 0 / 0 has it.
        _ if flat && by_number => of_levels.iter().any(|family| feature.starts_with(family)),
        _ => false,
    }
}

fn is_near(a: f64, b: f64) -> bool {
    (a - b).abs() <= TOLERANCE * f64::max(1.0, f64::max(a.abs(), b.abs()))
}

/// Values that were compared, and what differs.
#[derive(Default)]
struct Comparison {
    compared: usize,
    families: BTreeMap<String, usize>,
    differing: Vec<String>,
}

fn compare(number: u64, so_far: &mut Comparison) {
    let case = case(number);
    let row = row(&case);
    let found: BTreeMap<String, Value> = row
        .columns()
        .own()
        .zip(row.values())
        .map(|(column, value)| {
            let name = column.name();
            (name.trim_start_matches("tumour_original_").to_owned(), *value)
        })
        .collect();
    let prepared = manual::prepare(&case.image, &case.mask, &case.settings);
    for (feature, aggregation, expected) in manual::of_prepared(&prepared, &case.settings) {
        let of_mesh = morphology::OF_MESH.contains(&feature.as_str());
        if of_mesh || is_another_view(&feature, expected, &case, &prepared) {
            continue;
        }
        let name = if aggregation.is_empty() {
            feature.clone()
        } else {
            format!("{feature}_{aggregation}")
        };
        let Some(&value) = found.get(&name) else { continue };
        let agrees = match (value, expected) {
            (Ok(value), Some(expected)) => is_near(value, expected),
            (Err(_), None) => true,
            _ => false,
        };
        so_far.compared += 1;
        let family = feature.split('_').next().unwrap_or_default();
        *so_far.families.entry(family.to_owned()).or_default() += 1;
        if !agrees {
            so_far
                .differing
                .push(format!("{number} {name}: {value:?}, by the manual {expected:?}"));
        }
    }
}

#[test]
fn the_engine_says_what_the_manual_says() {
    let mut all = Comparison::default();
    for number in 0..cases_wanted() {
        compare(number, &mut all);
    }
    let shown = all.differing.iter().take(400).cloned().collect::<Vec<_>>().join("\n");
    let (differing, compared) = (all.differing.len(), all.compared);
    assert!(all.differing.is_empty(), "{differing} of {compared} differ:\n{shown}");
    assert!(compared > 100_000, "{compared} compared: {:?}", all.families);
}
