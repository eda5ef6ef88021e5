//! One patient's image and lesions.

use serde::Serialize;

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
    /// The files that were read.
    pub inputs: Vec<InputFile>,
    /// What the readers noticed.
    pub warnings: Vec<String>,
}

impl Case {
    /// The masks of the patient's lesions but for this one, in order: what must not count as a
    /// lesion's surroundings.
    pub fn others(&self, lesion: &Lesion) -> Vec<&Mask> {
        let others = self.lesions.iter().filter(|other| other.id != lesion.id);
        others.map(|other| &other.mask).collect()
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
    /// Its name without the folder, which may hold a patient's name.
    pub name: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}
