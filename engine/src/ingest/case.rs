//! One patient's image and lesions.

use serde::{Deserialize, Serialize};

use crate::error::Message;
use crate::mask::Mask;
use crate::volume::Volume;

/// An image, the lesions on its grid, and what is known of both.
#[derive(Clone, Debug)]
pub struct Case {
    /// The patient's pseudonymous id.
    pub patient: String,
    /// The image, HU for CT.
    pub volume: Volume,
    /// The lesions, in the order of their ids.
    pub lesions: Vec<Lesion>,
    /// Tube voltage, kV.
    pub kvp: Option<f64>,
    /// What else is known of the scan.
    pub scan: Scan,
    /// The files that were read.
    pub inputs: Vec<InputFile>,
    /// What the readers noticed.
    pub warnings: Vec<Message>,
}

impl Case {
    /// The masks of the patient's lesions but for this one, in order: what must not count as a
    /// lesion's surroundings.
    pub fn others(&self, lesion: &Lesion) -> Vec<&Mask> {
        let others = self.lesions.iter().filter(|other| other.id != lesion.id);
        others.map(|other| &other.mask).collect()
    }
}

/// The scan that lesions are measured on, as far as it is known. Two scans of one patient are two
/// measurements of the same lesions, and never more lesions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scan {
    /// The study (time point): a pseudonym of StudyInstanceUID, or what the user calls it.
    pub study: Option<String>,
    /// The series: a pseudonym of SeriesInstanceUID, and of the volume where it holds several.
    pub series: Option<String>,
    /// Days since the patient's first study that was found.
    pub study_day: Option<i64>,
    /// Convolution kernel of the reconstruction.
    pub kernel: Option<String>,
    /// Phase of contrast.
    pub phase: Option<String>,
    /// Nominal thickness of a slice, mm; slices may lie nearer or farther.
    pub slice_thickness_mm: Option<f64>,
}

impl Scan {
    /// This, with what the other knows where it does not.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            study: self.study.or(other.study),
            series: self.series.or(other.series),
            study_day: self.study_day.or(other.study_day),
            kernel: self.kernel.or(other.kernel),
            phase: self.phase.or(other.phase),
            slice_thickness_mm: self.slice_thickness_mm.or(other.slice_thickness_mm),
        }
    }

    /// Whether nothing is known.
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

/// A delineated lesion.
#[derive(Clone, Debug)]
pub struct Lesion {
    /// Its id within the patient: label, ROI number or segment number.
    pub id: String,
    /// Its name where the source has one.
    pub name: Option<String>,
    /// Its site (organ), where the user or a table of names gave it.
    pub site: Option<String>,
    /// Its voxels, on the image's grid.
    pub mask: Mask,
}

/// A file that a result came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InputFile {
    /// What it was used as: `image` or `mask`.
    pub role: String,
    /// What it is; its name only if it may be identified, since it may hold a patient's.
    pub name: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}
