//! The manifest: which image, which lesions, and what else is known of them.
//!
//! CSV with the columns `patient`, `image` and `mask`, and, where wanted, `labels` (separated by
//! semicolons), `roi` (a name or number, or a regular expression for the whole name), `series` (the
//! SeriesInstanceUID of the CT), `site` (`liver`, or `1=liver;2=lung`), `kvp`, `lesion` (the id of a
//! mask's only lesion, or, with a point, what stands before the ids of several: where each lesion has a
//! mask of its own, all of them call it 1), and what is known of the scan: `study` (what the time point
//! is called), `study_day` (days since the patient's first study), `kernel`, `phase` and
//! `slice_thickness_mm`. Any further column is carried through to the tables. Paths are relative to the
//! manifest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::csv_file::{CsvFile, CsvWriter, Record};
use crate::digest::hex;
use crate::error::{Error, Result};
use crate::ingest::dicom::select::Selection;
use crate::ingest::{Expected, LoadOptions, Scan, subject};
use crate::paths::shown;
use crate::table::{Carried, is_own_name};

/// Columns with a meaning.
const KNOWN: [&str; 14] = [
    "patient",
    "image",
    "mask",
    "labels",
    "roi",
    "series",
    "site",
    "kvp",
    "lesion",
    "study",
    "study_day",
    "kernel",
    "phase",
    "slice_thickness_mm",
];

/// Which lesions of which images are wanted of a cohort: of each case whose row says nothing else.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Labels to take; all where empty.
    pub labels: Vec<String>,
    /// Lesions to take, as [`LoadOptions::roi`] says.
    pub roi: Option<String>,
    /// SeriesInstanceUID of the CT.
    pub series: Option<String>,
    /// Whether ids of DICOM files take the place of pseudonyms.
    pub identify: bool,
}

/// The cases of a cohort.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Columns that are carried through.
    pub carried: Vec<Carried>,
    /// The cases, in the manifest's order.
    pub cases: Vec<CaseRequest>,
    /// SHA-256 of what the manifest says, so that shards of different manifests are told apart.
    pub digest: String,
}

/// One row of the manifest.
#[derive(Clone, Debug)]
pub struct CaseRequest {
    /// Its place in the manifest, from 1.
    pub order: usize,
    /// The patient's id in all output.
    pub patient: String,
    /// The image as the manifest names it.
    pub image: String,
    /// The mask as the manifest names it.
    pub mask: String,
    /// The image as it is opened.
    pub image_path: PathBuf,
    /// The mask as it is opened.
    pub mask_path: PathBuf,
    /// Labels to take; all where empty.
    pub labels: Vec<String>,
    /// Lesions to take, as [`LoadOptions::roi`] says.
    pub roi: Option<String>,
    /// SeriesInstanceUID of the CT, where the image holds several.
    pub series: Option<String>,
    /// The site of all lesions of the case.
    pub site: Option<String>,
    /// Sites by lesion.
    pub sites: BTreeMap<String, String>,
    /// Tube voltage, kV.
    pub kvp: Option<f64>,
    /// What the row says of the scan.
    pub scan: Scan,
    /// Whether ids of DICOM files take the place of pseudonyms.
    pub identify: bool,
    /// The id of the case's only lesion, or what stands before the ids of several.
    pub lesion: Option<String>,
    /// One cell per carried column.
    pub carried: Vec<String>,
    /// What a catalogue has found at the paths already.
    pub selection: Option<Arc<Selection>>,
    /// What is wrong with the row; such a case fails before it is read.
    pub problem: Option<String>,
}

impl Asked {
    /// What the readers are asked for.
    pub fn load_options(&self) -> LoadOptions {
        LoadOptions::default()
            .labels(&self.labels)
            .roi(&self.roi)
            .series(self.series.clone())
            .identify(self.identify)
    }
}

impl CaseRequest {
    /// A case without options.
    pub fn new(order: usize, patient: String, image: &Path, mask: &Path) -> Self {
        Self {
            order,
            patient,
            image: shown(image),
            mask: shown(mask),
            image_path: image.to_owned(),
            mask_path: mask.to_owned(),
            labels: Vec::new(),
            roi: None,
            series: None,
            site: None,
            sites: BTreeMap::new(),
            kvp: None,
            scan: Scan::default(),
            identify: false,
            lesion: None,
            carried: Vec::new(),
            selection: None,
            problem: None,
        }
    }

    /// The files and folders that the case is read from.
    pub fn files(&self) -> Vec<&Path> {
        match &self.selection {
            Some(selection) => selection.files().into_iter().collect(),
            None => vec![&self.image_path, &self.mask_path],
        }
    }

    /// What reading the case takes of the memory.
    pub fn expected(&self) -> Expected {
        Expected::of(&self.image_path, &self.mask_path, self.selection.as_deref())
    }

    /// What the readers are asked for.
    pub fn load_options(&self, regrid_mask: bool) -> LoadOptions {
        LoadOptions::default()
            .labels(&self.labels)
            .roi(&self.roi)
            .series(self.series.clone())
            .regrid_mask(regrid_mask)
            .patient(self.patient.clone())
            .identify(self.identify)
            .kvp(self.kvp)
            .scan(self.scan.clone())
            .sites(self.sites.clone())
            .selection(self.selection.clone())
    }

    /// All that the row asks for, apart from the content of its files, as JSON.
    pub fn canonical(&self) -> serde_json::Value {
        let mut canonical = serde_json::json!({
            "patient": self.patient,
            "labels": self.labels,
            "roi": self.roi,
            "site": self.site,
            "sites": self.sites,
            "kvp": self.kvp,
            "lesion": self.lesion,
            "carried": self.carried,
        });
        if self.roi.is_some() {
            // Until version 0.1.0 a pattern could match anywhere in a name.
            canonical["roi_matches"] = "whole name".into();
        }
        if let Some(series) = &self.series {
            canonical["series"] = series.as_str().into();
        }
        if !self.scan.is_unknown() {
            canonical["scan"] = serde_json::json!(self.scan);
        }
        if self.identify {
            canonical["identify"] = true.into();
        }
        canonical
    }
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// A cell that makes no sense fails its own case; what makes the whole table doubtful is an
    /// error.
    ///
    /// # Errors
    /// The file cannot be read or is no CSV; a column is missing, there twice, or named like a
    /// column of the feature table; two rows are the same case; there are no rows.
    pub fn read(path: &Path) -> Result<Self> {
        let mut file = CsvFile::open(path)?;
        let header = file.columns().to_vec();
        check_header(path, &header)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut cases = Vec::new();
        let mut seen: BTreeMap<String, u64> = BTreeMap::new();
        for record in file.records() {
            let record = record?;
            let line = record.line();
            let row = Row { header: &header, record: &record };
            let case = row.case(cases.len() + 1, folder);
            let identity = serde_json::json!([case.canonical(), case.image, case.mask]).to_string();
            if let Some(first) = seen.insert(identity, line) {
                return Err(Error::bad_data(
                    path,
                    format!("lines {first} and {line} are the same case; remove one"),
                ));
            }
            cases.push(case);
        }
        if cases.is_empty() {
            return Err(Error::bad_data(path, "has a header and no cases"));
        }
        let names = header.iter().filter(|name| !KNOWN.contains(&name.as_str()));
        let carried = names.enumerate().map(|(at, name)| Carried {
            name: name.clone(),
            numeric: cases.iter().all(|case| is_plain_number(&case.carried[at])),
        });
        Ok(Self::new(carried.collect(), cases))
    }

    /// A manifest of these cases.
    pub fn new(carried: Vec<Carried>, cases: Vec<CaseRequest>) -> Self {
        let mut digest = Sha256::new();
        for case in &cases {
            // Without paths, which lead to patients, and which may differ on another machine.
            digest.update(case.canonical().to_string());
        }
        Self { digest: hex(&digest.finalize()), carried, cases }
    }

    /// The manifest whose rows ask for these lesions too, each where it does not say itself.
    pub fn asking(self, asked: &Asked) -> Self {
        let cases = self.cases.into_iter().map(|mut case| {
            if case.labels.is_empty() && case.roi.is_none() {
                case.labels.clone_from(&asked.labels);
                case.roi.clone_from(&asked.roi);
            }
            case.series = case.series.or_else(|| asked.series.clone());
            case.identify = asked.identify;
            case
        });
        Self::new(self.carried, cases.collect())
    }

    /// Whether a case is DICOM by its path, so that its studies and series need pseudonyms.
    pub fn needs_names(&self) -> bool {
        let is_dicom =
            |case: &CaseRequest| case.selection.is_some() || !subject::is_nifti(&case.image_path);
        self.cases.iter().any(is_dicom)
    }

    /// Writes what the rows ask for as CSV, to be edited and used in place of a folder. Paths are
    /// absolute; a member of an archive is named by the archive and the series.
    ///
    /// # Errors
    /// The writer's; the folder of this process is gone, so that no path is absolute.
    pub fn write(&self, writer: impl std::io::Write) -> std::io::Result<()> {
        let mut csv = CsvWriter::new(writer);
        csv.record(["patient", "image", "mask", "series", "labels", "roi", "lesion"])?;
        for case in &self.cases {
            let chosen = case.selection.as_ref();
            let series = chosen.and_then(|chosen| Some(chosen.series.as_ref()?.series.as_str()));
            let mask = chosen.and_then(|chosen| Some(&chosen.delineation.as_ref()?.source.file));
            let absolute = |path: &Path| std::path::absolute(path).map(|path| shown(&path));
            csv.record([
                case.patient.as_str(),
                &absolute(&case.image_path)?,
                &absolute(mask.unwrap_or(&case.mask_path))?,
                series.or(case.series.as_deref()).unwrap_or(""),
                &case.labels.join(";"),
                case.roi.as_deref().unwrap_or(""),
                case.lesion.as_deref().unwrap_or(""),
            ])?;
        }
        csv.flush()
    }
}

fn check_header(path: &Path, header: &[String]) -> Result<()> {
    for name in ["patient", "image", "mask"] {
        if !header.iter().any(|h| h == name) {
            return Err(Error::bad_data(
                path,
                format!(
                    "has no column \"{name}\"; a manifest has the columns patient, image and mask, \
                     separated by commas; this one has {}",
                    header.join(", ")
                ),
            ));
        }
    }
    for (at, name) in header.iter().enumerate() {
        if header[..at].contains(name) {
            return Err(Error::bad_data(path, format!("has column \"{name}\" twice")));
        }
        let own = is_own_name(name);
        let fact = name.contains("_fact_");
        if name.is_empty() || ((own || fact) && !KNOWN.contains(&name.as_str())) {
            return Err(Error::bad_data(
                path,
                format!(
                    "has a column \"{name}\", which the feature table needs for itself; give it \
                     another name"
                ),
            ));
        }
    }
    Ok(())
}

/// Whether a cell is empty or a number that loses nothing as one: `007` does.
fn is_plain_number(cell: &str) -> bool {
    let digits = cell.trim_start_matches('-');
    let padded = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    cell.is_empty() || (!padded && cell.parse::<f64>().is_ok_and(f64::is_finite))
}

fn wrong(column: &str, cell: &str, what: &str) -> String {
    format!("the manifest's {column} is \"{cell}\"; give {what}")
}

struct Row<'a> {
    header: &'a [String],
    record: &'a Record,
}

impl Row<'_> {
    fn cell(&self, name: &str) -> &str {
        let at = self.header.iter().position(|h| h == name);
        at.map_or("", |at| self.record.cell(at))
    }

    fn case(&self, order: usize, folder: &Path) -> CaseRequest {
        let (image, mask) = (self.cell("image"), self.cell("mask"));
        let mut case = CaseRequest {
            image_path: folder.join(image),
            mask_path: folder.join(mask),
            carried: self
                .header
                .iter()
                .zip(self.record.cells())
                .filter(|(name, _)| !KNOWN.contains(&name.as_str()))
                .map(|(_, cell)| cell.to_owned())
                .collect(),
            ..CaseRequest::new(order, self.cell("patient").into(), image.as_ref(), mask.as_ref())
        };
        case.problem = self.options(&mut case).err();
        case
    }

    fn number<T: FromStr>(&self, column: &str, what: &str) -> Result<Option<T>, String> {
        match self.cell(column) {
            "" => Ok(None),
            cell => match cell.parse() {
                Ok(value) => Ok(Some(value)),
                Err(_) => Err(wrong(column, cell, what)),
            },
        }
    }

    fn positive(&self, column: &str, what: &str) -> Result<Option<f64>, String> {
        match self.number(column, what)? {
            Some(value) if !(f64::is_finite(value) && value > 0.0) => {
                Err(wrong(column, self.cell(column), what))
            }
            value => Ok(value),
        }
    }

    fn options(&self, case: &mut CaseRequest) -> Result<(), String> {
        for name in ["patient", "image", "mask"] {
            if self.cell(name).is_empty() {
                return Err(format!("the manifest's column {name} is empty; fill it in"));
            }
        }
        let separated = |name: &str| {
            let cells = self.cell(name).split(';').map(str::trim).filter(|cell| !cell.is_empty());
            cells.map(str::to_owned).collect::<Vec<_>>()
        };
        case.labels = separated("labels");
        for site in separated("site") {
            match site.split_once('=') {
                Some((lesion, site)) => {
                    case.sites.insert(lesion.trim().to_owned(), site.trim().to_owned());
                }
                None => case.site = Some(site),
            }
        }
        case.kvp = self.positive("kvp", "the tube voltage in kV, such as 120")?;
        let given = |name: &str| Some(self.cell(name).to_owned()).filter(|cell| !cell.is_empty());
        case.scan = Scan {
            study: given("study"),
            series: None,
            study_day: self.number("study_day", "whole days since the first study, such as 42")?,
            kernel: given("kernel"),
            phase: given("phase"),
            slice_thickness_mm: self.positive("slice_thickness_mm", "it in mm, such as 2.5")?,
        };
        case.roi = given("roi");
        case.series = given("series");
        case.lesion = given("lesion");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Manifest> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("manifest.csv");
        std::fs::write(&path, text).expect("written");
        Manifest::read(&path)
    }

    fn refused(text: &str, part: &str) {
        let problem = read(text).expect_err(text).to_string();
        assert!(problem.contains(part), "{problem}");
    }

    #[test]
    fn a_manifest_that_is_doubtful_as_a_whole_is_refused() {
        refused("patient,image\nA,a\n", "no column \"mask\"");
        refused("patient,image,mask,age,age\nA,a,b,1,2\n", "\"age\" twice");
        refused("patient,image,mask,volume_ml\nA,a,b,1\n", "volume_ml");
        refused("patient,image,mask\n", "no cases");
        refused("patient,image,mask\nA,a,b\nB,a,b\nA,a,b\n", "lines 2 and 4");
        refused("patient,image,mask\nA,a\n", "CSV");
    }

    #[test]
    fn a_cell_that_makes_no_sense_fails_its_own_case() {
        let manifest = read(
            "patient,image,mask,kvp,roi,site,labels,age,code\n\
             A,a.nii,b.nii,high,,,,61,007\n\
             B,a.nii,b.nii,120,(,,,,\n\
             C,,b.nii,,,,,1.5,x\n\
             D,a.nii,b.nii,120,^gtv,1=liver; 2=lung,1;2,,\n\
             E,a.nii,b.nii,nan,,,,,\n\
             F,a.nii,b.nii,-5,,,,,\n\
             G,a.nii,b.nii,0,,,,,\n\
             H,a.nii,b.nii,inf,,,,,\n",
        )
        .expect("the table is sound");
        let problem = |at: usize| manifest.cases[at].problem.clone().unwrap_or_default();
        assert!(problem(0).contains("high"), "{}", problem(0));
        assert_eq!(problem(1), "", "a name need be no regular expression");
        assert!(problem(2).contains("image"), "{}", problem(2));
        for (at, kvp) in [(4, "\"nan\""), (5, "\"-5\""), (6, "\"0\""), (7, "\"inf\"")] {
            assert!(problem(at).contains(kvp), "{}", problem(at));
        }
        let sound = &manifest.cases[3];
        assert_eq!(sound.problem, None);
        assert_eq!(sound.labels, ["1", "2"]);
        assert_eq!(sound.sites["2"], "lung");
        assert!(sound.roi.as_deref() == Some("^gtv"));
        let kinds: Vec<_> = manifest.carried.iter().map(|c| (c.name.as_str(), c.numeric)).collect();
        assert_eq!(kinds, [("age", true), ("code", false)]);
    }
}
