//! Repeated extractions of some lesions, which say how well each feature repeats.

use std::collections::BTreeMap;
use std::path::Path;

use super::Dataset;
use crate::csv_file::CsvFile;
use crate::error::{Error, Result};

/// Repeated extractions of some lesions.
#[derive(Clone, Debug)]
pub struct Repeated {
    /// Patient of each lesion; `None` where the patient is not in the training table.
    pub patient: Vec<Option<usize>>,
    /// Volume of each lesion, mL.
    pub volume_ml: Vec<Option<f64>>,
    /// Site and tube voltage of each lesion.
    pub covariates: Vec<(Option<String>, Option<f64>)>,
    /// Per lesion, one line per repeat, one value per candidate feature.
    pub values: Vec<Vec<Vec<f64>>>,
}

/// Site, tube voltage and volume of a lesion.
type About = (Option<String>, Option<f64>, Option<f64>);

impl Repeated {
    /// Reads a table of the columns of `data` in which a lesion has several rows, told apart by the
    /// column `repeat`.
    ///
    /// # Errors
    /// A column is missing, a cell is no number, a row is of another plan than `plan_hash`, a repeat
    /// is there twice, or fewer than 3 lesions have 2 repeats.
    pub(super) fn read(path: &Path, data: &Dataset, plan_hash: Option<&str>) -> Result<Self> {
        let mut table = CsvFile::open(path)?;
        let (patient, lesion, repeat) =
            (table.column("patient")?, table.column("lesion")?, table.column("repeat")?);
        let columns = data.columns.iter().map(|c| table.column(c)).collect::<Result<Vec<_>>>()?;
        let [plan, volume, site, kvp] =
            ["plan_hash", "volume_ml", "site", "kvp"].map(|name| table.find(name));
        let mut lesions: BTreeMap<(String, String), BTreeMap<String, Vec<f64>>> = BTreeMap::new();
        let mut about: BTreeMap<(String, String), About> = BTreeMap::new();
        for record in table.records() {
            let record = record?;
            let cell = |at: usize| record.cell(at);
            if let (Some(expected), Some(at)) = (plan_hash, plan)
                && cell(at) != expected
            {
                return Err(record.problem(format_args!(
                    "has plan {}, the feature table has {expected}",
                    cell(at)
                )));
            }
            let values = columns
                .iter()
                .zip(&data.columns)
                .map(|(at, name)| match cell(*at) {
                    "" | "NA" | "NaN" | "nan" => Ok(f64::NAN),
                    text => text
                        .parse()
                        .ok()
                        .filter(|v: &f64| v.is_finite())
                        .ok_or_else(|| record.wrong_cell(name, text, "not a number")),
                })
                .collect::<Result<Vec<f64>>>()?;
            let key = (cell(patient).to_owned(), cell(lesion).to_owned());
            let number = |at: Option<usize>| at.and_then(|at| cell(at).parse::<f64>().ok());
            let site = site.map(|at| cell(at).to_lowercase()).filter(|s| !s.is_empty());
            about.insert(key.clone(), (site, number(kvp), number(volume)));
            let twice = lesions.entry(key).or_default().insert(cell(repeat).to_owned(), values);
            if twice.is_some() {
                return Err(record.problem(format_args!(
                    "repeats repeat \"{}\" of the same lesion",
                    cell(repeat)
                )));
            }
        }
        let most = lesions.values().map(BTreeMap::len).max().unwrap_or(0);
        lesions.retain(|_, repeats| repeats.len() == most);
        if most < 2 || lesions.len() < 3 {
            return Err(Error::bad_data(
                path,
                "holds fewer than 3 lesions with 2 repeats each; no robustness can be judged",
            ));
        }
        let mut found = Self {
            patient: Vec::new(),
            volume_ml: Vec::new(),
            covariates: Vec::new(),
            values: Vec::new(),
        };
        for (key, repeats) in lesions {
            let (site, kvp, volume) = about.remove(&key).unwrap_or_default();
            found.patient.push(data.patients.iter().position(|p| *p == key.0));
            found.volume_ml.push(volume);
            found.covariates.push((site, kvp));
            found.values.push(repeats.into_values().collect());
        }
        Ok(found)
    }
}
