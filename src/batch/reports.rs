//! The reports of a folder under their patients' names, and the page over all patients.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::journal;
use super::manifest::CaseRequest;
use crate::error::{Error, Result};
use crate::output::OutputFile;
use crate::report::{CohortPatient, CohortSignature, cohort_page};

/// The page over all patients.
pub(super) const COHORT: &str = "cohort.html";

/// The reports of a folder: `reports/PATIENT.html` and `.json`.
pub(super) struct Reports {
    folder: PathBuf,
    /// Names that are taken, in lower case: not every file system tells the cases apart.
    names: BTreeSet<String>,
}

impl Reports {
    /// Begins with none; those of an earlier run may be of patients that are gone.
    pub(super) fn create(folder: &Path, wanted: bool) -> Result<Self> {
        let folder = folder.join("reports");
        match std::fs::remove_dir_all(&folder) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io(&folder, e));
            }
            _ => {}
        }
        if wanted {
            std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
        }
        Ok(Self { folder, names: BTreeSet::new() })
    }

    /// Gives the report of a finished case its patient's name, and says where its page lies.
    pub(super) fn add(&mut self, case: &CaseRequest, key: &str, records: &Path) -> Result<String> {
        let plain = |c: char| if c.is_alphanumeric() || "-_".contains(c) { c } else { '_' };
        let mut name: String = case.patient.chars().take(100).map(plain).collect();
        // A patient with several cases has a report of each.
        if !self.names.insert(name.to_lowercase()) {
            name = format!("{name}-case-{}", case.order);
            self.names.insert(name.to_lowercase());
        }
        for (kept, ending) in [(journal::HTML, "html"), (journal::JSON, "json")] {
            let from = journal::report_path(records, key, kept);
            let to = self.folder.join(format!("{name}.{ending}"));
            // A second name for the same bytes where the file system can, else a copy.
            if std::fs::hard_link(&from, &to).is_err() {
                std::fs::copy(&from, &to).map_err(|e| Error::io(&to, e))?;
            }
        }
        Ok(format!("reports/{name}.html"))
    }
}

/// The page over all patients under construction. A row takes some hundred bytes, so that all of a
/// cohort are kept.
pub(super) struct CohortFile {
    path: PathBuf,
    file: OutputFile,
    signature: CohortSignature,
    pub(super) patients: Vec<CohortPatient>,
}

impl CohortFile {
    pub(super) fn create(folder: &Path, signature: CohortSignature) -> Result<Self> {
        let path = folder.join(COHORT);
        let file = OutputFile::create(&path)?;
        Ok(Self { path, file, signature, patients: Vec::new() })
    }

    pub(super) fn finish(mut self) -> Result<()> {
        let page = cohort_page(&self.signature, "Cohort", &self.patients)?;
        self.file.write_all(page.as_bytes()).map_err(|e| Error::io(&self.path, e))?;
        self.file.finish()
    }
}
