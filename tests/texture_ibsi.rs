//! Every texture row of the IBSI 1 reference table: the digital phantom and the CT phantom in
//! configurations A to E.

mod common;

use std::collections::BTreeMap;

use abscope::features::texture::compute_all;
use abscope::features::{Aggregation, FEATURES, Family};
use abscope::ingest::{LoadOptions, load};
use abscope::plan::Plan;
use abscope::preprocess::{discretise, prepare};
use abscope::settings::Settings;
use common::fixture;

const TEXTURE: [Family; 6] =
    [Family::Glcm, Family::Glrlm, Family::Glszm, Family::Gldzm, Family::Ngtdm, Family::Ngldm];

fn aggregation(name: &str) -> Aggregation {
    use Aggregation::*;
    match name {
        "2D average" => Average2D,
        "2D slice-merged" => SliceMerged2D,
        "2.5D dir-merged" => DirectionMerged2_5D,
        "2.5D merged" => Merged2_5D,
        "3D average" => Average3D,
        "3D merged" => Merged3D,
        "2D" => BySlice2D,
        "2.5D" => MergedSlices2_5D,
        "3D" => Volume3D,
        other => panic!("{other} is no aggregation of the reference table"),
    }
}

/// To three significant digits, as the reference values are printed.
fn three_digits(value: f64) -> f64 {
    format!("{value:.2e}").parse().expect("a number just formatted")
}

/// Compares every texture row of a dataset; `rows` is how many the table has.
fn check(dataset: &str, folder: &str, settings: &str, rows: usize) {
    let folder = fixture("ibsi").join(folder);
    let (image, mask) = (folder.join("image.nii.gz"), folder.join("mask.nii.gz"));
    let case = load(&image, &mask, &LoadOptions::default()).expect("the phantom loads");
    let plan = Plan::resolve(&Settings::parse(settings).expect("settings")).expect("plan");
    let prepared = prepare(&case.volume, &case.lesions[0].mask, &[], &plan);
    let roi = prepared[0].roi.as_ref().expect("a region");
    let levels = discretise::levels(roi, &plan.discretisation, 1).expect("grey levels");

    let wanted = TEXTURE.map(|family| (family, family.aggregations()));
    let mut values = BTreeMap::new();
    for (_, aggregation, features) in compute_all(&levels, &plan.texture, &wanted) {
        for (id, value) in features {
            values.insert((id, aggregation.suffix()), value);
        }
    }

    let mut table = csv::Reader::from_path(fixture("ibsi/ibsi1_reference.csv")).expect("table");
    let (mut compared, mut wrong) = (0, Vec::new());
    for row in table.records() {
        let row = row.expect("a row");
        let family = TEXTURE.iter().find(|family| family.name() == &row[0]);
        let (Some(&family), true) = (family, &row[4] == dataset) else { continue };
        let feature = FEATURES
            .iter()
            .find(|feature| feature.family == family && feature.ibsi == &row[2])
            .unwrap_or_else(|| panic!("{} is not in the feature table", &row[2]));
        let aggregation = aggregation(&row[3]);
        let number = |cell: &str| cell.parse::<f64>().expect("a number");
        let (reference, tolerance) = (number(&row[5]), number(&row[6]));
        let value = values[&(feature.id, aggregation.suffix())].expect("a value");
        // One unit in the last digit of an exact comparison is a difference; 1e-9 is not.
        let slack = 1e-9 * reference.abs();
        if (three_digits(value) - reference).abs() > tolerance + slack {
            wrong.push(format!("{} {}: {value} for {reference}", feature.id, &row[3]));
        }
        compared += 1;
    }
    assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(compared, rows);
}

const CT: &str = "ct_radiomics_phantom";

#[test]
fn digital_phantom() {
    let settings = r#"
        resampling.spacing_mm = "none"
        resegmentation = {}
        discretisation.method = "none"
    "#;
    check("digital_phantom", "ibsi_1_digital_phantom", settings, 408);
}

#[test]
fn configuration_a() {
    let settings = r#"
        resampling.spacing_mm = "none"
        resegmentation.range_hu = [-500, 400]
        discretisation = { method = "fixed_bin_size", width = 25.0 }
    "#;
    check("config_A", CT, settings, 272);
}

#[test]
fn configuration_b() {
    let settings = r#"
        resampling = { spacing_mm = [2.0, 2.0], interpolation = "trilinear" }
        resegmentation.range_hu = [-500, 400]
        discretisation = { method = "fixed_bin_number", bins = 32 }
    "#;
    check("config_B", CT, settings, 272);
}

#[test]
fn configuration_c() {
    let settings = r#"
        resampling = { spacing_mm = [2.0, 2.0, 2.0], interpolation = "trilinear" }
        resegmentation.range_hu = [-1000, 400]
        discretisation = { method = "fixed_bin_size", width = 25.0 }
    "#;
    check("config_C", CT, settings, 136);
}

#[test]
fn configuration_d() {
    let settings = r#"
        resampling = { spacing_mm = [2.0, 2.0, 2.0], interpolation = "trilinear" }
        resegmentation.outlier_sigma = 3.0
        discretisation = { method = "fixed_bin_number", bins = 32 }
    "#;
    check("config_D", CT, settings, 136);
}

#[test]
fn configuration_e() {
    let settings = r#"
        resampling = { spacing_mm = [2.0, 2.0, 2.0], interpolation = "tricubic_spline" }
        resegmentation = { range_hu = [-1000, 400], outlier_sigma = 3.0 }
        discretisation = { method = "fixed_bin_number", bins = 32 }
    "#;
    check("config_E", CT, settings, 136);
}
