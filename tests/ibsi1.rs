//! Every reference value of IBSI 1 (1804 rows) and every check of its processing steps (300), a
//! test per configuration and family. Oracle: the IBSI reference manual, doi:10.1148/radiol.2020191145.

mod common;

use std::sync::LazyLock;

use abscope::selftest::{self, Comparison, Dataset, DatasetReport};

/// The report of a data set, computed once for all its tests.
fn report(dataset: Dataset) -> &'static DatasetReport {
    type Once = LazyLock<DatasetReport>;
    fn run(dataset: Dataset) -> DatasetReport {
        selftest::run(dataset, Some(&common::fixture("ibsi"))).expect("the fixtures are there")
    }
    static PHANTOM: Once = Once::new(|| run(Dataset::DigitalPhantom));
    static A: Once = Once::new(|| run(Dataset::ConfigA));
    static B: Once = Once::new(|| run(Dataset::ConfigB));
    static C: Once = Once::new(|| run(Dataset::ConfigC));
    static D: Once = Once::new(|| run(Dataset::ConfigD));
    static E: Once = Once::new(|| run(Dataset::ConfigE));
    match dataset {
        Dataset::DigitalPhantom => &PHANTOM,
        Dataset::ConfigA => &A,
        Dataset::ConfigB => &B,
        Dataset::ConfigC => &C,
        Dataset::ConfigD => &D,
        Dataset::ConfigE => &E,
        Dataset::Phase2A | Dataset::Phase2B => unreachable!("tests/ibsi2_phase2.rs has these"),
    }
}

fn assert_all<'a>(rows: impl Iterator<Item = &'a Comparison>, expected: usize) {
    let rows: Vec<_> = rows.collect();
    assert_eq!(rows.len(), expected, "rows of the reference table");
    let failed: Vec<_> = rows.iter().filter(|r| !r.passed).map(|r| r.describe()).collect();
    assert!(failed.is_empty(), "{} of {expected} fail:\n{}", failed.len(), failed.join("\n"));
}

fn family(dataset: Dataset, name: &str, expected: usize) {
    assert_all(report(dataset).features.iter().filter(|r| r.group == name), expected);
}

/// A module per data set with a test per family and its number of rows, and one for the steps.
macro_rules! conformance {
    ($($module:ident, $dataset:ident, $diagnostics:literal:
        $($family:ident $rows:literal),+;)+) => {
        $(mod $module {
            use super::{Dataset, assert_all, family, report};

            $(#[test]
            fn $family() {
                family(Dataset::$dataset, stringify!($family), $rows);
            })+

            #[test]
            fn processing_steps() {
                assert_all(report(Dataset::$dataset).diagnostics.iter(), $diagnostics);
            }
        })+
    };
}

conformance! {
    digital_phantom, DigitalPhantom, 0:
        morphology 25, local_intensity 2, statistics 18, intensity_histogram 23,
        intensity_volume_histogram 6, glcm 150, glrlm 96, glszm 48, gldzm 48, ngtdm 15, ngldm 51;
    config_a, ConfigA, 60:
        morphology 25, local_intensity 2, statistics 18, intensity_histogram 23,
        intensity_volume_histogram 6, glcm 100, glrlm 64, glszm 32, gldzm 32, ngtdm 10, ngldm 34;
    config_b, ConfigB, 60:
        morphology 25, local_intensity 2, statistics 18, intensity_histogram 23,
        intensity_volume_histogram 6, glcm 100, glrlm 64, glszm 32, gldzm 32, ngtdm 10, ngldm 34;
    config_c, ConfigC, 60:
        morphology 25, local_intensity 2, statistics 18, intensity_histogram 23,
        intensity_volume_histogram 6, glcm 50, glrlm 32, glszm 16, gldzm 16, ngtdm 5, ngldm 17;
    config_d, ConfigD, 60:
        morphology 25, local_intensity 2, statistics 18, intensity_histogram 23,
        intensity_volume_histogram 6, glcm 50, glrlm 32, glszm 16, gldzm 16, ngtdm 5, ngldm 17;
    config_e, ConfigE, 60:
        morphology 25, local_intensity 2, statistics 18, intensity_histogram 23,
        intensity_volume_histogram 6, glcm 50, glrlm 32, glszm 16, gldzm 16, ngtdm 5, ngldm 17;
}

#[test]
fn the_embedded_tables_are_those_of_the_fixtures() {
    let source = |name: &str| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/selftest").join(name);
        std::fs::read(path).expect("embedded file")
    };
    for (embedded, fixture) in [
        ("ibsi1_reference.csv", "ibsi/ibsi1_reference.csv"),
        ("ibsi1_diagnostics_reference.csv", "ibsi/ibsi1_diagnostics_reference.csv"),
        ("ibsi2_phase2_reference.csv", "ibsi/ibsi2_phase2_reference.csv"),
        ("ibsi1_phase3_sts_ct.csv", "ibsi/ibsi1_phase3_sts_ct.csv"),
        ("ibsi2_phase3_sts_ct.csv", "ibsi/ibsi2_phase3_sts_ct.csv"),
        ("phantom_image.nii.gz", "ibsi/ibsi_1_digital_phantom/image.nii.gz"),
        ("phantom_mask.nii.gz", "ibsi/ibsi_1_digital_phantom/mask.nii.gz"),
    ] {
        let kept = std::fs::read(common::fixture(fixture)).expect("fixture");
        assert!(source(embedded) == kept, "src/selftest/{embedded} differs from {fixture}");
    }
}
