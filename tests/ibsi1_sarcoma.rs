//! Two sarcoma CTs of the IBSI's validation phase against the value on which most teams agree.
//!
//! Oracle: the consensus of the teams' submissions where at least four agree to within 0.1 %
//! (`fixtures/ibsi/ibsi1_phase3_sts_ct.csv`; settings in `ibsi2_configs.md`, phase 3). These are
//! not official reference values.

mod common;

use std::collections::HashMap;

use abscope::extract::extract;
use abscope::ingest::{LoadOptions, load};
use abscope::plan::Plan;
use abscope::preprocess::diagnostics;
use abscope::settings::Settings;

const SETTINGS: &str = "
[resampling]
spacing_mm = [1.0, 1.0, 1.0]
interpolation = \"tricubic_spline\"

[resegmentation]
range_hu = [-200.0, 200.0]

[discretisation]
method = \"fixed_bin_size\"
width = 10.0
";

/// Relative difference that is taken as agreement.
const TOLERANCE: f64 = 0.005;

#[derive(serde::Deserialize)]
struct Consensus {
    patient: String,
    spreadsheet_tag: String,
    consensus_value: Option<f64>,
    n_agree: usize,
}

fn agrees_with_the_teams(patient: &str, expected_rows: usize) {
    let folder = common::fixture("ibsi/ibsi_validation_sts_ct");
    let case = load(
        &folder.join(format!("{patient}_CT_image.nii.gz")),
        &folder.join(format!("{patient}_CT_mask.nii.gz")),
        &LoadOptions::default(),
    )
    .expect("the fixtures are there");
    let plan = Plan::resolve(&Settings::parse(SETTINGS).expect("settings")).expect("plan");
    let row = extract(&case, &plan).remove(0);
    let features =
        row.columns().own().zip(row.values()).map(|(c, v)| (c.feature.tag(c.aggregation), *v));
    let steps = diagnostics::checks(&case.volume, &case.lesions[0].mask, &plan.preparation());
    let values: HashMap<_, _> =
        features.chain(steps.into_iter().map(|check| (check.tag, check.value))).collect();

    let table = common::fixture("ibsi/ibsi1_phase3_sts_ct.csv");
    let mut compared = 0;
    let mut wrong = Vec::new();
    for consensus in csv::Reader::from_path(table).expect("table").deserialize::<Consensus>() {
        let consensus = consensus.expect("a row");
        let Some(expected) = consensus.consensus_value else { continue };
        if consensus.patient != patient || consensus.n_agree < 4 {
            continue;
        }
        compared += 1;
        let tag = &consensus.spreadsheet_tag;
        match values.get(tag) {
            Some(Ok(value)) if (value - expected).abs() <= TOLERANCE * expected.abs() => {}
            Some(Ok(value)) => wrong.push(format!("{tag}: {value} against {expected}")),
            other => wrong.push(format!("{tag}: {other:?} against {expected}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {compared}:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(compared, expected_rows, "rows on which four or more teams agree");
}

#[test]
fn sts_019() {
    agrees_with_the_teams("STS_019", 216);
}

#[test]
fn sts_025() {
    agrees_with_the_teams("STS_025", 218);
}
