//! IBSI 2, phase 2: intensity statistics of the CT phantom's response maps, filters 1 to 9, in the
//! slice (A) and in 3D (B).
//!
//! Oracle: the initiative's reference values and tolerances. A value, rounded to three significant
//! digits as the reference is printed, lies within the tolerance.

use std::path::{Path, PathBuf};

use abscope::extract::extract;
use abscope::ingest::{LoadOptions, load};
use abscope::plan::Plan;
use abscope::row::FeatureRow;
use abscope::settings::Settings;

/// Slice by slice on the image's own grid.
const A: &str = "
[resampling]
spacing_mm = 'none'
";

/// In space at 1 mm.
const B: &str = "
[resampling]
spacing_mm = [1.0, 1.0, 1.0]
interpolation = 'tricubic_spline'
mask_interpolation = 'trilinear'
mask_threshold = 0.5
rounding = 'nearest_integer'
";

const BOTH: &str = "
[resegmentation]
range_hu = [-1000.0, 400.0]

[features]
families = ['statistics']
";

/// Filters 2 to 9; what differs between the slice and space stands in braces.
///
/// The boundary is mirrored (the default), but for the Simoncelli wavelets: the reference values are those of the
/// image's own (periodic) Fourier transform. With a mirrored boundary 4 of their 72 values miss.
const FILTERS: [&str; 8] = [
    "kind = 'mean'\nsupport_voxels = 5",
    "kind = 'log'\nsigma_mm = 1.5",
    "kind = 'laws'\nkernels = '{L5E5|L5E5E5}'\nrotation_invariant = 'max'\nenergy_delta_voxels = 7",
    "kind = 'gabor'\nsigma_mm = 5.0\nwavelength_mm = 2.0\ngamma = 1.5\ntheta_step_degrees = 22.5",
    "kind = 'wavelet'\nwavelet = 'db3'\nsubbands = ['{LH|LLH}']\nrotation_invariant = 'mean'",
    "kind = 'wavelet'\nwavelet = 'db3'\nlevel = 2\nsubbands = ['{HH|HHH}']\nrotation_invariant = 'mean'",
    "kind = 'simoncelli'\nlevel = 1\nboundary = 'periodic'",
    "kind = 'simoncelli'\nlevel = 2\nboundary = 'periodic'",
];

fn ibsi(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ibsi").join(path)
}

fn row(preparation: &str, dimension: &str) -> FeatureRow {
    let choice = usize::from(dimension == "3d");
    let mut text = format!("{preparation}{BOTH}");
    for (i, filter) in FILTERS.iter().enumerate() {
        let filter = match filter.split_once('{').zip(filter.split_once('}')) {
            Some(((before, _), (until, after))) => {
                let choices = &until[before.len() + 1..];
                format!("{before}{}{after}", choices.split('|').nth(choice).expect("two choices"))
            }
            None => (*filter).to_owned(),
        };
        text += &format!("\n[[filter]]\nname = '{}'\ndimension = '{dimension}'\n{filter}\n", i + 2);
    }
    let settings: Settings = toml::from_str(&text).expect("valid settings");
    let plan = Plan::resolve(&settings).expect("valid plan");
    let case = load(
        &ibsi("ct_radiomics_phantom/image.nii.gz"),
        &ibsi("ct_radiomics_phantom/mask.nii.gz"),
        &LoadOptions::default(),
    )
    .expect("readable phantom");
    extract(&case, &plan).remove(0)
}

fn three_digits(value: f64) -> f64 {
    format!("{value:.2e}").parse().expect("a number")
}

/// Compares every reference value of a configuration; the number compared and what failed.
fn compare(configuration: char, row: &FeatureRow) -> (usize, Vec<String>) {
    let mut reader =
        csv::Reader::from_path(ibsi("ibsi2_phase2_reference.csv")).expect("readable table");
    let (mut compared, mut failed) = (0, Vec::new());
    for record in reader.records() {
        let record = record.expect("a row");
        let (filter, letter) = record[0].split_once('.').expect("such as 2.A");
        if !letter.starts_with(configuration) || record[3].is_empty() {
            continue;
        }
        let filter = if filter == "1" { "original" } else { filter };
        let expected: f64 = record[3].parse().expect("a value");
        let tolerance: f64 = record[4].parse().expect("a tolerance");
        let column = format!("tumour_{filter}_{}", &record[8]);
        compared += 1;
        match row.value(&column) {
            Some(Ok(got)) if (three_digits(got) - expected).abs() <= tolerance * (1.0 + 1e-12) => {}
            other => failed.push(format!("{column}: {other:?}, {expected} ± {tolerance}")),
        }
    }
    (compared, failed)
}

#[test]
fn filters_1_a_to_9_a_give_the_reference_values() {
    let (compared, failed) = compare('A', &row(A, "2d"));
    assert!(failed.is_empty(), "{} of {compared} failed:\n{}", failed.len(), failed.join("\n"));
    assert_eq!(compared, 162);
}

#[test]
fn filters_1_b_to_9_b_give_the_reference_values() {
    let (compared, failed) = compare('B', &row(B, "3d"));
    assert!(failed.is_empty(), "{} of {compared} failed:\n{}", failed.len(), failed.join("\n"));
    assert_eq!(compared, 161);
}
