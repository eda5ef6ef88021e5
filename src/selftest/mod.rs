//! Does this program, on this machine, give the reference values of the IBSI?
//!
//! The digital phantom and the reference tables are part of the program. The CT phantom is not (its
//! licence forbids commercial use), nor are the response maps of IBSI 2 (their size does): they are
//! read from a folder, which has the layout of the IBSI's data sets.

pub mod consensus;
pub mod maps;
pub mod reference;

use std::path::Path;

use serde::Serialize;

pub use consensus::Agreement;
pub use maps::{MapComparison, RESPONSE_MAPS, ResponseMap};
use reference::rows as rows_of;
pub use reference::{
    DIAGNOSTIC_REFERENCES, Dataset, FEATURE_REFERENCES, FILTER_REFERENCES, Reference,
};

use crate::error::{Error, Result};
use crate::extract;
use crate::ingest::{self, Case, LoadOptions};
use crate::output::ScratchFolder;
use crate::paths::slashed;
use crate::preprocess::diagnostics;
use crate::value::{Missing, Value};

/// Slack for what a decimal number loses in binary.
const SLACK: f64 = 1e-9;

/// A result beside its reference value.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Image and settings.
    pub dataset: Dataset,
    /// Family, filter of IBSI 2, or step of a diagnostic.
    pub group: String,
    /// IBSI's tag with the aggregation.
    pub tag: String,
    /// IBSI's code; empty for diagnostics.
    pub ibsi: String,
    /// The reference value.
    pub reference: f64,
    /// How far from it a result may lie.
    pub tolerance: f64,
    /// What abscope finds; absent where it has no value.
    pub value: Option<f64>,
    /// Why there is no value.
    pub missing: Option<Missing>,
    /// Whether the value, rounded to the reference's digits, lies within the tolerance.
    pub passed: bool,
}

impl Comparison {
    fn new(reference: &Reference, value: Option<Value>) -> Self {
        let found = value.and_then(Result::ok);
        Self {
            dataset: reference.dataset,
            group: reference.group.clone(),
            tag: reference.tag.clone(),
            ibsi: reference.ibsi.clone(),
            reference: reference.value,
            tolerance: reference.tolerance,
            value: found,
            missing: value.and_then(Result::err),
            passed: found.is_some_and(|v| agrees(v, reference.value, reference.tolerance)),
        }
    }

    /// One line that says what is wrong, or how right it is.
    pub fn describe(&self) -> String {
        let Self { group, tag, reference, tolerance, .. } = self;
        let found = match (self.value, self.missing) {
            (Some(value), _) => format!("is {value}"),
            (None, Some(reason)) => format!("has no value: {reason}"),
            (None, None) => "was not computed".into(),
        };
        format!(
            "{}, {group}: {tag} {found}; reference {reference} ± {tolerance}",
            self.dataset.name()
        )
    }
}

/// Whether a value agrees with a reference value, as the IBSI compares: with as many significant
/// digits as the reference has in print, which is three for features and all for voxel counts.
pub fn agrees(value: f64, reference: f64, tolerance: f64) -> bool {
    let slack = SLACK * reference.abs().max(tolerance);
    (rounded(value, digits(reference)) - reference).abs() <= tolerance + slack
}

/// Significant digits of a printed reference value, at least three.
fn digits(reference: f64) -> usize {
    let text = format!("{reference:e}");
    let mantissa = text.split('e').next().unwrap_or_default();
    mantissa.bytes().filter(u8::is_ascii_digit).count().max(3)
}

/// A number rounded to this many significant digits.
fn rounded(value: f64, digits: usize) -> f64 {
    // The decimal text rounds where a product of powers of ten would be off by one bit.
    format!("{value:.0$e}", digits - 1).parse().unwrap_or(value)
}

/// Results of a data set.
#[derive(Clone, Debug, Serialize)]
pub struct DatasetReport {
    /// Image and settings.
    pub dataset: Dataset,
    /// Hash of the resolved settings.
    pub plan_hash: String,
    /// The features.
    pub features: Vec<Comparison>,
    /// The checks of the processing steps; of configurations A to E only.
    pub diagnostics: Vec<Comparison>,
}

/// Runs one data set; the CT phantom is read from `data`.
///
/// # Errors
/// What the readers report, and a request for the CT phantom without its folder.
pub fn run(dataset: Dataset, data: Option<&Path>) -> Result<DatasetReport> {
    let case = load(dataset, data)?;
    let plan = dataset.plan();
    let lesion = case.lesions.first().expect("a case has a lesion");
    let row = extract::extract_lesion(&case, lesion, &plan);
    let features = FEATURE_REFERENCES
        .iter()
        .chain(&*FILTER_REFERENCES)
        .filter(|reference| reference.dataset == dataset)
        .map(|reference| {
            let column = format!("tumour_{}_{}", reference.filter, reference.tag);
            Comparison::new(reference, row.value(&column))
        })
        .collect();
    let expected: Vec<&Reference> =
        DIAGNOSTIC_REFERENCES.iter().filter(|reference| reference.dataset == dataset).collect();
    let checks = match expected[..] {
        [] => Vec::new(),
        _ => diagnostics::checks(&case.volume, &lesion.mask, &plan.preparation()),
    };
    let diagnostics = expected
        .into_iter()
        .map(|reference| {
            let found = checks.iter().find(|check| check.tag == reference.tag);
            Comparison::new(reference, found.map(|check| check.value))
        })
        .collect();
    Ok(DatasetReport { dataset, plan_hash: plan.hash(), features, diagnostics })
}

fn load(dataset: Dataset, data: Option<&Path>) -> Result<Case> {
    let [image, mask] = dataset.files();
    let read = |folder: &Path| {
        let [image, mask] = [image, mask].map(|name| folder.join(name));
        ingest::load(&slashed(&image), &slashed(&mask), &LoadOptions::default())
    };
    match (dataset, data) {
        (Dataset::DigitalPhantom, _) => {
            // Written out and read back, so that the reader of files is under test as well.
            let folder = ScratchFolder::create()?;
            let embedded: [&[u8]; 2] =
                [include_bytes!("phantom_image.nii.gz"), include_bytes!("phantom_mask.nii.gz")];
            for (name, bytes) in [image, mask].into_iter().zip(embedded) {
                let path = folder.path().join(name);
                let parent = path.parent().expect("the name has a folder");
                std::fs::create_dir_all(parent).map_err(|e| Error::io(parent, e))?;
                std::fs::write(&path, bytes).map_err(|e| Error::io(&path, e))?;
            }
            read(folder.path())
        }
        (_, Some(folder)) => read(folder),
        (_, None) => Err(Error::bad_request(format!(
            "{} needs the IBSI's CT phantom; give the folder that holds {image}",
            dataset.name()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_round_as_in_print() {
        assert_eq!(rounded(0.9765625, 3), 0.977);
        assert_eq!(rounded(-46.849, 3), -46.8);
        assert_eq!(rounded(125_256.0, 3), 125_000.0);
        assert_eq!(rounded(0.0, 3), 0.0);
    }

    #[test]
    fn a_value_outside_the_tolerance_fails() {
        assert!(agrees(0.9996, 1.0, 0.0));
        assert!(!agrees(0.994, 1.0, 0.0));
        assert!(!agrees(125_257.0, 125_256.0, 0.0));
        assert!(agrees(3.63e5, 3.58e5, 5e3));
        assert!(!agrees(3.64e5, 3.58e5, 5e3));
    }

    #[test]
    fn the_tables_hold_the_rows_of_the_standard() {
        let all = || FEATURE_REFERENCES.iter().chain(&*FILTER_REFERENCES);
        let rows = |d: Dataset| all().filter(|r| r.dataset == d).count();
        assert_eq!(Dataset::ALL.map(rows), [482, 346, 346, 210, 210, 210, 162, 161]);
        assert_eq!(RESPONSE_MAPS.len(), 33);
        assert_eq!(DIAGNOSTIC_REFERENCES.len(), 300);
    }
}
