//! Arguments that say which image, which lesions and what is known of them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use abscope::ingest::{self, Case, LoadOptions};
use abscope::plan::Plan;
use abscope::settings::Settings;

/// One image and its lesions.
#[derive(clap::Args)]
pub(crate) struct CaseArgs {
    /// The CT: a NIfTI file.
    image: PathBuf,

    /// The lesions: a NIfTI label map; every label above 0 is a lesion.
    mask: PathBuf,

    /// Take these lesions only (labels, separated by commas).
    #[arg(long, value_delimiter = ',', value_name = "LABEL")]
    labels: Vec<String>,

    /// Put a mask of another grid on the image's grid by nearest voxel, instead of refusing it.
    #[arg(long)]
    regrid_mask: bool,

    /// The patient's id in all output; a pseudonym by default.
    #[arg(long, value_name = "ID")]
    patient: Option<String>,

    /// Tube voltage of the CT in kV.
    #[arg(long, value_name = "KV")]
    kvp: Option<f64>,

    /// Site of a lesion, such as 3=liver; may be given several times.
    #[arg(long, value_name = "LESION=SITE", value_parser = key_value)]
    site: Vec<(String, String)>,
}

impl CaseArgs {
    pub(crate) fn load(&self) -> anyhow::Result<Case> {
        let sites: BTreeMap<String, String> = self.site.iter().cloned().collect();
        let options = LoadOptions {
            labels: self.labels.clone(),
            regrid_mask: self.regrid_mask,
            patient: self.patient.clone(),
            kvp: self.kvp,
            sites,
        };
        Ok(ingest::load(&self.image, &self.mask, &options)?)
    }
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
