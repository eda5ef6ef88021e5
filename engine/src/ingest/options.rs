//! What a caller may ask of the readers.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::case::Scan;
use super::dicom::select::Selection;
use super::dicom::series::SlicePolicy;
use super::pseudonyms::Pseudonyms;
use super::sites::SiteTable;
use crate::error::{Error, Remedy, Result};

/// What a caller may ask of the readers: the defaults, changed by what is called on them.
///
/// ```
/// # use abscope_engine as abscope;
/// use abscope::LoadOptions;
///
/// let options = LoadOptions::default().kvp(120.0).labels(["1", "3"]);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct LoadOptions {
    pub(super) labels: Vec<String>,
    pub(super) roi: Vec<String>,
    pub(super) regrid_mask: bool,
    pub(super) patient: Option<String>,
    pub(super) identify: bool,
    pub(super) pseudonyms: Option<Pseudonyms>,
    pub(super) kvp: Option<f64>,
    pub(super) scan: Scan,
    pub(super) sites: BTreeMap<String, String>,
    pub(super) site_table: Option<SiteTable>,
    pub(super) series: Option<String>,
    pub(super) uneven_slices: SlicePolicy,
    pub(super) fractional_threshold: Option<f64>,
    pub(super) selection: Option<Arc<Selection>>,
}

impl LoadOptions {
    /// Labels (or ROI or segment numbers) to take; all where empty.
    pub fn labels<T: Into<String>>(mut self, labels: impl IntoIterator<Item = T>) -> Self {
        self.labels = labels.into_iter().map(Into::into).collect();
        self
    }

    /// Lesions to take, all where empty: each a name or number as it is, or a regular expression for
    /// the whole name; case does not matter.
    pub fn roi<T: Into<String>>(mut self, roi: impl IntoIterator<Item = T>) -> Self {
        self.roi = roi.into_iter().map(Into::into).collect();
        self
    }

    /// Whether a mask on another grid is put on the image's grid (nearest voxel) or refused.
    pub fn regrid_mask(mut self, regrid: bool) -> Self {
        self.regrid_mask = regrid;
        self
    }

    /// The patient's id in all output; a pseudonym is made up where absent.
    pub fn patient(mut self, id: impl Into<Option<String>>) -> Self {
        self.patient = id.into();
        self
    }

    /// Whether output may identify the patient: a DICOM image's own PatientID, StudyInstanceUID and
    /// SeriesInstanceUID, or the subject of a file's name, take the place of pseudonyms, and files are
    /// called by their names.
    pub fn identify(mut self, identify: bool) -> Self {
        self.identify = identify;
        self
    }

    /// What makes the pseudonyms; the user's own key where absent.
    pub fn pseudonyms(mut self, pseudonyms: impl Into<Option<Pseudonyms>>) -> Self {
        self.pseudonyms = pseudonyms.into();
        self
    }

    /// Tube voltage, kV, where the image does not say or says wrong.
    pub fn kvp(mut self, kvp: impl Into<Option<f64>>) -> Self {
        self.kvp = kvp.into();
        self
    }

    /// What is known of the scan, where the image does not say or says wrong.
    pub fn scan(mut self, scan: Scan) -> Self {
        self.scan = scan;
        self
    }

    /// Sites by lesion id or name.
    pub fn sites(mut self, sites: impl IntoIterator<Item = (String, String)>) -> Self {
        self.sites = sites.into_iter().collect();
        self
    }

    /// Sites by ROI name, for lesions that [`LoadOptions::sites`] does not have.
    pub fn site_table(mut self, table: impl Into<Option<SiteTable>>) -> Self {
        self.site_table = table.into();
        self
    }

    /// SeriesInstanceUID of the CT, where a folder holds several; with `#` and the number of the
    /// acquisition where the series holds several volumes.
    pub fn series(mut self, uid: impl Into<Option<String>>) -> Self {
        self.series = uid.into();
        self
    }

    /// What to do with missing or unevenly spaced slices and gantry tilt.
    pub fn uneven_slices(mut self, policy: SlicePolicy) -> Self {
        self.uneven_slices = policy;
        self
    }

    /// Lowest fraction of a fractional segmentation that belongs to a lesion; 0.5 where absent.
    pub fn fractional_threshold(mut self, fraction: impl Into<Option<f64>>) -> Self {
        self.fractional_threshold = fraction.into();
        self
    }

    /// What a catalogue has found at the paths already.
    pub fn selection(mut self, selection: impl Into<Option<Arc<Selection>>>) -> Self {
        self.selection = selection.into();
        self
    }

    /// # Errors
    /// The user's key cannot be read or made.
    pub(super) fn names(&self) -> Result<Pseudonyms> {
        self.pseudonyms.clone().map_or_else(Pseudonyms::of_user, Ok)
    }

    /// # Errors
    /// A value that no image or patient can have.
    pub(super) fn check(&self) -> Result<()> {
        if let Some(kvp) = self.kvp.filter(|kvp| !(kvp.is_finite() && *kvp > 0.0)) {
            let problem =
                format!("the tube voltage is {kvp} kV; it is a number above 0, such as 120");
            return Err(Error::bad_request(problem).with_remedy(Remedy::GiveKvp));
        }
        if self.patient.as_ref().is_some_and(|id| id.trim().is_empty()) {
            return Err(Error::bad_request("the patient's id is empty; give one, or none at all"));
        }
        let fraction = self.fractional_threshold.filter(|f| !(*f > 0.0 && *f <= 1.0));
        if let Some(fraction) = fraction {
            return Err(Error::bad_request(format!(
                "the lowest fraction of a lesion is {fraction}; it is above 0, up to 1"
            )));
        }
        Ok(())
    }
}
