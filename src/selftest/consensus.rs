//! The third phase of both standards: two CTs of patients with sarcoma against the value on which most
//! teams agree. These are not official reference values; those on which four teams or more agree must be
//! met.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::rows_of;
use crate::error::Result;
use crate::extract;
use crate::features::documentation;
use crate::features::{Family, ORIGINAL};
use crate::ingest::{self, LoadOptions};
use crate::paths::slashed;
use crate::plan::Plan;
use crate::preprocess::diagnostics;
use crate::settings::Settings;
use crate::value::Value;

/// The folder of the CTs among the IBSI's data sets.
pub const FOLDER: &str = "ibsi_validation_sts_ct";
/// The patients whose CTs are compared.
pub const PATIENTS: [&str; 2] = ["STS_019", "STS_025"];
/// So many teams make a value one that must be met.
pub const TEAMS: usize = 4;

/// Relative difference that is taken as agreement.
const TOLERANCE: f64 = 0.005;

/// A value of the teams beside ours.
#[derive(Clone, Debug, Serialize)]
pub struct Agreement {
    /// 1 or 2.
    pub standard: u8,
    /// The patient.
    pub patient: String,
    /// The family, or for IBSI 2 the filter's id and name.
    pub group: String,
    /// IBSI's tag with the aggregation.
    pub tag: String,
    /// The value on which most teams agree.
    pub consensus: f64,
    /// How many agree.
    pub agreeing: usize,
    /// How many gave a value.
    pub teams: usize,
    /// What abscope finds; absent where it has no value.
    pub value: Option<f64>,
    /// Whether the value is that of the teams.
    pub passed: bool,
}

impl Agreement {
    /// Whether so many teams agree that the value must be met.
    pub fn counts(&self) -> bool {
        self.agreeing >= TEAMS
    }

    /// One line that says what is wrong, or how right it is.
    pub fn describe(&self) -> String {
        let Self { patient, group, tag, consensus, agreeing, teams, .. } = self;
        let found = self.value.map_or_else(|| "has no value".into(), |v| format!("is {v}"));
        format!("{patient}, {group}: {tag} {found}; {agreeing} of {teams} teams have {consensus}")
    }
}

/// The filters of phase 3, by id.
const FILTERS: [&str; 9] = [
    "1 no filter",
    "2 mean",
    "3 Laplacian of Gaussian",
    "4 Laws",
    "5 Gabor",
    "6 Coiflet 3, level 1",
    "7 Coiflet 3, level 2",
    "8 Simoncelli, level 1",
    "9 Simoncelli, level 2",
];

/// Compares a patient's CT in `data`.
///
/// # Errors
/// What the readers report.
pub fn compare(patient: &str, data: &Path) -> Result<Vec<Agreement>> {
    let [image, mask] =
        ["image", "mask"].map(|what| data.join(FOLDER).join(format!("{patient}_CT_{what}.nii.gz")));
    let case = ingest::load(&slashed(&image), &slashed(&mask), &LoadOptions::default())?;
    let lesion = case.lesions.first().expect("a case has a lesion");
    let [first, second] =
        [plan(include_str!("ibsi1_phase3.toml")), plan(include_str!("ibsi2_phase3.toml"))];
    let row = extract::extract_lesion(&case, lesion, &first);
    let steps = diagnostics::checks(&case.volume, &lesion.mask, &first.preparation());
    let of_first = |tag: &str| {
        let step = || steps.iter().find(|check| check.tag == tag).map(|check| check.value);
        row.value(&format!("tumour_{ORIGINAL}_{tag}")).or_else(step)
    };
    let filtered = extract::extract_lesion(&case, lesion, &second);
    let of_second = |filter: &str, tag: &str| {
        let map = if filter == "1" { ORIGINAL } else { filter };
        filtered.value(&format!("tumour_{map}_{tag}"))
    };
    let mut all = of_ibsi_1(patient, of_first);
    all.extend(of_ibsi_2(patient, of_second));
    Ok(all)
}

fn plan(settings: &str) -> Plan {
    let settings = Settings::parse(settings).expect("embedded settings are valid");
    Plan::resolve(&settings).expect("embedded settings agree with each other")
}

fn of_ibsi_1(patient: &str, value: impl Fn(&str) -> Option<Value>) -> Vec<Agreement> {
    let agreement = |row: Row| {
        let family = Family::ALL.into_iter().find(|family| family.name() == row.group);
        let group = family.map_or("processing steps", documentation::heading);
        let found = value(&row.tag);
        row.beside(found, 1, group)
    };
    rows(patient, include_bytes!("ibsi1_phase3_sts_ct.csv")).filter_map(agreement).collect()
}

fn of_ibsi_2(patient: &str, value: impl Fn(&str, &str) -> Option<Value>) -> Vec<Agreement> {
    let agreement = |row: Row| {
        let number: usize = row.group.parse().expect("1 to 9");
        let found = value(&row.group, &row.tag);
        row.beside(found, 2, FILTERS[number - 1])
    };
    rows(patient, include_bytes!("ibsi2_phase3_sts_ct.csv")).filter_map(agreement).collect()
}

/// A row of either table.
#[derive(Deserialize)]
struct Row {
    patient: String,
    #[serde(alias = "spreadsheet_tag", alias = "feature_tag")]
    tag: String,
    #[serde(alias = "family", alias = "filter_id")]
    group: String,
    consensus_value: Option<f64>,
    n_agree: usize,
    n_teams: usize,
}

fn rows(patient: &str, table: &'static [u8]) -> impl Iterator<Item = Row> {
    rows_of(table).filter(move |row: &Row| row.patient == patient)
}

impl Row {
    /// The teams' value beside ours; `None` where they have none.
    fn beside(self, found: Option<Value>, standard: u8, group: &str) -> Option<Agreement> {
        let consensus = self.consensus_value?;
        let value = found.and_then(std::result::Result::ok);
        Some(Agreement {
            standard,
            patient: self.patient,
            group: group.to_owned(),
            tag: self.tag,
            consensus,
            agreeing: self.n_agree,
            teams: self.n_teams,
            value,
            passed: value.is_some_and(|v| agrees(v, consensus)),
        })
    }
}

fn agrees(value: f64, consensus: f64) -> bool {
    (value - consensus).abs() <= TOLERANCE * consensus.abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_hold_the_rows_on_which_four_teams_agree() {
        let counted = |rows: Vec<Agreement>| rows.iter().filter(|row| row.counts()).count();
        assert_eq!(PATIENTS.map(|p| counted(of_ibsi_1(p, |_| None))), [216, 218]);
        assert_eq!(PATIENTS.map(|p| counted(of_ibsi_2(p, |_, _| None))), [126, 125]);
    }
}
