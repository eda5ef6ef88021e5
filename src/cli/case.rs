//! Arguments that say which image, which lesions and what is known of them.

use std::path::PathBuf;

use abscope::ingest::dicom::series::SlicePolicy;
use abscope::ingest::sites::SiteTable;
use abscope::ingest::{self, Case, LoadOptions};
use abscope::plan::Plan;
use abscope::settings::Settings;

/// One image and its lesions.
#[derive(clap::Args)]
pub(crate) struct CaseArgs {
    /// The CT: a NIfTI file, or a DICOM file, folder or zip archive.
    image: PathBuf,

    /// The lesions: a NIfTI label map (every label above 0 is a lesion), or an RTSTRUCT or SEG, or
    /// the folder or archive that holds one.
    mask: PathBuf,

    /// Take these lesions only (labels, ROI or segment numbers, separated by commas).
    #[arg(long, value_delimiter = ',', value_name = "LABEL")]
    labels: Vec<String>,

    /// Take the lesions of this name or number, or whose whole name matches this regular expression
    /// (case does not matter); may be given several times.
    #[arg(long, value_name = "ROI")]
    roi: Vec<String>,

    /// The CT series to take (SeriesInstanceUID, with # and its number for one of several volumes at the
    /// same places), where a folder holds several; `abscope inspect` lists them.
    #[arg(long, value_name = "UID")]
    series: Option<String>,

    /// What to do with missing or unevenly spaced slices and with gantry tilt.
    #[arg(long, value_name = "POLICY", default_value = "refuse")]
    uneven_slices: UnevenSlices,

    /// Lowest fraction of a fractional SEG that belongs to a lesion.
    #[arg(long, value_name = "FRACTION", default_value_t = 0.5, value_parser = fraction,
        allow_negative_numbers = true)]
    fractional_threshold: f64,

    /// Put a mask of another grid on the image's grid by nearest voxel, instead of refusing it.
    #[arg(long)]
    regrid_mask: bool,

    /// The patient's id in all output; a pseudonym by default.
    #[arg(long, value_name = "ID", value_parser = patient_id)]
    patient: Option<String>,

    /// Show PatientID, StudyInstanceUID and SeriesInstanceUID of a DICOM image instead of pseudonyms.
    #[arg(long, conflicts_with = "patient")]
    identify: bool,

    /// Tube voltage of the CT in kV; that of the DICOM series by default.
    #[arg(long, value_name = "KV", value_parser = kilovolts, allow_negative_numbers = true)]
    kvp: Option<f64>,

    /// Site of a lesion, such as 3=liver; may be given several times.
    #[arg(long, value_name = "LESION=SITE", value_parser = key_value)]
    site: Vec<(String, String)>,

    /// Table of ROI names and sites: CSV with the columns roi (a name, or a regular expression for
    /// the whole name) and site.
    #[arg(long, value_name = "FILE")]
    sites: Option<PathBuf>,
}

/// What to do with slices that are not evenly spaced.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum UnevenSlices {
    /// Refuse the series and say where and by how many mm.
    Refuse,
    /// Interpolate linearly onto even slices at the median spacing.
    Resample,
}

impl From<UnevenSlices> for SlicePolicy {
    fn from(policy: UnevenSlices) -> Self {
        match policy {
            UnevenSlices::Refuse => Self::Refuse,
            UnevenSlices::Resample => Self::Resample,
        }
    }
}

impl CaseArgs {
    pub(crate) fn load(&self) -> anyhow::Result<Case> {
        let options = LoadOptions::default()
            .labels(&self.labels)
            .roi(&self.roi)
            .regrid_mask(self.regrid_mask)
            .patient(self.patient.clone())
            .identify(self.identify)
            .kvp(self.kvp)
            .sites(self.site.iter().cloned())
            .site_table(self.sites.as_deref().map(SiteTable::read).transpose()?)
            .series(self.series.clone())
            .uneven_slices(self.uneven_slices.into())
            .fractional_threshold(self.fractional_threshold);
        Ok(ingest::load(&self.image, &self.mask, &options)?)
    }
}

fn fraction(text: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|v| *v > 0.0 && *v <= 1.0);
    value.ok_or_else(|| format!("\"{text}\" is no fraction above 0, up to 1"))
}

fn kilovolts(text: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|v| v.is_finite() && *v > 0.0);
    value.ok_or_else(|| format!("\"{text}\" is no tube voltage in kV, such as 120"))
}

fn patient_id(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("the id is empty; leave the option out for a pseudonym".to_owned());
    }
    Ok(text.to_owned())
}

fn key_value(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .filter(|(key, value)| !key.is_empty() && !value.is_empty())
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| format!("\"{text}\" is not of the form LESION=SITE"))
}

/// The plan of a settings file, or the default plan.
pub(crate) fn plan(settings: Option<&PathBuf>) -> anyhow::Result<Plan> {
    let settings = settings.map_or_else(|| Ok(Settings::default()), |path| Settings::read(path))?;
    Ok(Plan::resolve(&settings)?)
}
