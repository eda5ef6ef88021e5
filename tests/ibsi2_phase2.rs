//! IBSI 2, phase 2: intensity statistics of the CT phantom's response maps, filters 1 to 9, within
//! the slice (A) and in 3D (B).
//!
//! Oracle: the initiative's reference values and tolerances (doi:10.1148/radiol.231319).

mod common;

use std::sync::LazyLock;

use abscope::selftest::{self, Dataset, DatasetReport};

static WITHIN_THE_SLICE: LazyLock<DatasetReport> = LazyLock::new(|| run(Dataset::Phase2A));
static IN_3D: LazyLock<DatasetReport> = LazyLock::new(|| run(Dataset::Phase2B));

fn run(dataset: Dataset) -> DatasetReport {
    selftest::run(dataset, Some(&common::fixture("ibsi"))).expect("the fixtures are there")
}

fn filter(report: &DatasetReport, number: char, expected: usize) {
    let rows: Vec<_> = report.features.iter().filter(|r| r.group.starts_with(number)).collect();
    assert_eq!(rows.len(), expected, "rows of the reference table");
    let failed: Vec<_> = rows.iter().filter(|r| !r.passed).map(|r| r.describe()).collect();
    assert!(failed.is_empty(), "{} of {expected} fail:\n{}", failed.len(), failed.join("\n"));
}

macro_rules! filters {
    ($($name:ident $report:ident $number:literal $rows:literal,)+) => {
        $(#[test]
        fn $name() {
            filter(&$report, $number, $rows);
        })+
    };
}

filters! {
    filter_1_a WITHIN_THE_SLICE '1' 18,
    filter_2_a WITHIN_THE_SLICE '2' 18,
    filter_3_a WITHIN_THE_SLICE '3' 18,
    filter_4_a WITHIN_THE_SLICE '4' 18,
    filter_5_a WITHIN_THE_SLICE '5' 18,
    filter_6_a WITHIN_THE_SLICE '6' 18,
    filter_7_a WITHIN_THE_SLICE '7' 18,
    filter_8_a WITHIN_THE_SLICE '8' 18,
    filter_9_a WITHIN_THE_SLICE '9' 18,
    filter_1_b IN_3D '1' 18,
    filter_2_b IN_3D '2' 18,
    filter_3_b IN_3D '3' 18,
    filter_4_b IN_3D '4' 18,
    filter_5_b IN_3D '5' 18,
    filter_6_b IN_3D '6' 18,
    filter_7_b IN_3D '7' 18,
    filter_8_b IN_3D '8' 17,
    filter_9_b IN_3D '9' 18,
}
