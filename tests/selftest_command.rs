//! `abscope selftest` passes on the fixtures and fails, by name, where a number is wrong.

mod common;

use std::process::Command;

use assert_cmd::prelude::*;
use common::{abscope, fixture};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use serde_json::Value;

fn selftest() -> Command {
    let mut command = abscope();
    command.arg("selftest");
    command
}

#[test]
fn the_digital_phantom_is_built_in() {
    selftest()
        .assert()
        .success()
        .stdout(contains("IBSI 1: 482 of 482 values").and(contains("--data DIR adds it")));
}

#[test]
fn the_whole_of_both_standards_passes() {
    let output =
        selftest().arg("--json").arg("--data").arg(fixture("ibsi")).output().expect("runs");
    assert!(output.status.success());
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document["passed"], true);
    for (part, rows) in [
        ("features", 1804),
        ("diagnostics", 300),
        ("filtered_features", 323),
        ("response_maps", 33),
    ] {
        assert_eq!(document[part]["rows"], rows, "{part}");
        assert_eq!(document[part]["within_tolerance"], rows, "{part}");
    }
    for (standard, rows) in [("ibsi_1", 434), ("ibsi_2", 251)] {
        assert_eq!(document["phase_3"][standard]["rows"], rows, "{standard}");
        assert_eq!(document["phase_3"][standard]["within_tolerance"], rows, "{standard}");
    }
}

/// A CT that is shifted by 10 HU is not the reference's: the rows that differ are named.
#[test]
fn a_wrong_number_is_named_and_the_status_is_1() {
    let folder = tempfile::tempdir().expect("folder");
    let phantom = folder.path().join("ct_radiomics_phantom");
    std::fs::create_dir(&phantom).expect("creates");
    for name in ["image.nii.gz", "mask.nii.gz"] {
        let source = fixture("ibsi/ct_radiomics_phantom").join(name);
        let mut bytes = common::gunzip(&source);
        if name == "image.nii.gz" {
            // The intercept of the NIfTI-1 header; the slope before it must not be 0 to count.
            bytes[112..116].copy_from_slice(&1f32.to_le_bytes());
            bytes[116..120].copy_from_slice(&10f32.to_le_bytes());
        }
        common::write_bytes(&phantom.join(name), &bytes);
    }
    selftest()
        .arg("--data")
        .arg(folder.path())
        .assert()
        .code(1)
        .stdout(contains("FAILED").and(contains("✗ config_A, statistics: stat_mean is")));
}

#[test]
fn a_folder_without_the_phantom_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    selftest()
        .arg("--data")
        .arg(folder.path())
        .assert()
        .code(2)
        .stderr(contains("ct_radiomics_phantom"));
}
