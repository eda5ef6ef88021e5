//! What went wrong with a case, and what to do about it.

use std::any::Any;
use std::borrow::Cow;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::manifest::CaseRequest;
use crate::error::{Error, Kind, Message, Remedy};

/// Where a case failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Its row of the manifest makes no sense.
    Manifest,
    /// Its files could not be read.
    Load,
    /// Its features could not be computed.
    Extract,
    /// Its rows do not fit the table.
    Assemble,
    /// Its patient's report could not be made.
    Report,
}

/// A case that failed: a row of `failures.csv`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The case's place in the manifest.
    #[serde(rename = "case")]
    pub order: usize,
    /// The patient's pseudonymous id.
    pub patient: String,
    /// Where the case failed.
    pub stage: Stage,
    /// What went wrong, without what leads to a person unless that may be.
    #[serde(rename = "error")]
    pub problem: String,
    /// What to do about it.
    pub way_out: String,
    /// What went wrong as the user is told who runs the cohort, where that names files. It is written
    /// nowhere.
    #[serde(skip)]
    whole: Option<String>,
}

impl Failure {
    /// The failure of a case.
    pub fn new(case: &CaseRequest, stage: Stage, problem: &str, way_out: &str) -> Self {
        Self {
            order: case.order,
            patient: case.patient.clone(),
            stage,
            problem: problem.to_owned(),
            way_out: way_out.to_owned(),
            whole: None,
        }
    }

    /// What went wrong, with the files that it concerns: for a console, not for a file.
    pub fn told(&self) -> &str {
        self.whole.as_deref().unwrap_or(&self.problem)
    }

    /// The failure that an error of the library means.
    pub fn of(case: &CaseRequest, stage: Stage, error: &Error) -> Self {
        let by_kind = || {
            Cow::Borrowed(match error.kind() {
                Kind::BadData => "mend or export the file anew; then run the same command again",
                Kind::BadRequest => "correct the case's row of the manifest or the settings",
                Kind::TooBig => "crop the image, or take a coarser working grid",
                Kind::Unsupported => "convert the file, for example to NIfTI",
                Kind::Io => {
                    "see that the file is there and may be read; then run the same command again"
                }
                _ => "mend what the problem names; then run the same command again",
            })
        };
        let way_out = match error.remedy() {
            Some(remedy) => Cow::Owned(written(way_out(remedy), case)),
            None => by_kind(),
        };
        let whole = error.statement();
        if case.identify {
            return Self::new(case, stage, &whole, &way_out);
        }
        let problem = match error.path().and_then(|path| role(case, path)) {
            Some(role) => format!("{role}: {}", error.message().withheld()),
            None => error.message().withheld(),
        };
        Self { whole: Some(whole), ..Self::new(case, stage, &problem, &way_out) }
    }

    /// The failure that a panic means: a fault of abscope, confined to the case.
    pub fn of_panic(case: &CaseRequest, stage: Stage, payload: &(dyn Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        Self::new(
            case,
            stage,
            &format!("internal error: {}", written(text.into(), case)),
            "a fault of abscope: report it with this row; the other cases are not concerned",
        )
    }
}

/// A message as it may be written down of a case.
fn written(message: Message, case: &CaseRequest) -> String {
    if case.identify { message.to_string() } else { message.withheld() }
}

/// What a file is to a case that is read from it.
fn role(case: &CaseRequest, path: &Path) -> Option<&'static str> {
    let image = path.starts_with(&case.image_path);
    let mask = path.starts_with(&case.mask_path);
    match (image, mask) {
        (true, false) => Some("image"),
        (false, true) => Some("mask"),
        _ => None,
    }
}

/// A remedy in the words of who edits a manifest and runs the cohort again.
fn way_out(remedy: &Remedy) -> Message {
    match remedy {
        Remedy::RegridMask => {
            "have masks of another grid put on the image's grid; then run the cohort again"
        }
        Remedy::UnevenSlices { spacing: true } => {
            "fetch the missing slices, or have uneven ones resampled; then run the cohort again"
        }
        Remedy::UnevenSlices { spacing: false } => {
            "have the slices resampled onto a grid without the tilt; then run the cohort again"
        }
        Remedy::NameSeries { which, .. } => {
            return format!("name {} in the manifest's column series", which.words()).into();
        }
        Remedy::ConfirmSeries => "name the CT series that it was drawn on in the column series",
        Remedy::NameLesions { there } => {
            let there = there.iter().map(Message::marked).collect::<Vec<_>>().join(", ");
            let text =
                format!("name those that are all the same in the manifest's column roi: {there}");
            return text.into();
        }
        Remedy::NameDelineation { .. } => "name one of their files as the mask",
        Remedy::AllowMemory { bytes } => {
            let needed = bytes.div_ceil(1 << 20);
            return format!("allow {needed} MiB of memory; then run the cohort again").into();
        }
        Remedy::GiveSite { .. } => "fill in the manifest's column site",
        Remedy::GiveKvp => "fill in the manifest's column kvp",
        other => return other.message(),
    }
    .into()
}
