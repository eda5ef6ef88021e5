//! Reading what was found: an image, and lesions on the grid of their source.

use std::path::Path;

use super::case::{InputFile, Scan};
use super::dicom::lesions;
use super::dicom::select::{DelineationChoice, SeriesChoice};
use super::dicom::series;
use super::nifti;
use super::open_file::OpenFile;
use super::options::LoadOptions;
use super::subject;
use super::wanted::Wanted;
use crate::error::{Error, Message, Remedy, Result};
use crate::mask::Mask;
use crate::volume::{Volume, Voxels};

/// An image as it was read.
pub(super) struct Image {
    pub(super) volume: Volume,
    pub(super) kvp: Option<f64>,
    /// What the image says of its scan.
    pub(super) scan: Scan,
    /// FrameOfReferenceUID.
    pub(super) frame: Option<String>,
    pub(super) input: InputFile,
    pub(super) warnings: Vec<String>,
}

/// A lesion as it was read, on the grid of its source.
pub(super) struct Region {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) mask: Mask,
}

/// The lesions of a mask.
pub(super) struct Regions {
    pub(super) regions: Vec<Region>,
    /// What all lesions of the source are called, wanted or not.
    pub(super) there: Vec<String>,
    pub(super) input: InputFile,
    pub(super) warnings: Vec<String>,
}

impl Region {
    /// What messages call it.
    pub(super) fn called(&self) -> String {
        match &self.name {
            Some(name) => format!("{} ({name})", self.id),
            None => format!("label {}", self.id),
        }
    }
}

/// An image file.
pub(super) fn image_file(file: OpenFile, options: &LoadOptions) -> Result<Image> {
    let path = file.path().to_owned();
    let image = nifti::image_of(file)?;
    let name = called(&path, "NIfTI image", options);
    let mut warnings = image.warnings;
    warnings.extend(no_hounsfield_units(image.volume.voxels()).map(str::to_owned));
    Ok(Image {
        volume: image.volume,
        kvp: None,
        scan: Scan::default(),
        frame: None,
        warnings: prefixed(&name, warnings),
        input: InputFile { role: "image".into(), name, sha256: image.sha256 },
    })
}

/// NIfTI does not say what was measured. A CT in HU has fat and air below 0; PET and MR have nothing
/// there, nor has a CT whose intercept was left out.
fn no_hounsfield_units(voxels: &Voxels) -> Option<&'static str> {
    let negative = match voxels.whole() {
        Ok(whole) => whole.iter().any(|&v| v < 0),
        Err(real) => real.iter().any(|&v| v < 0.0),
    };
    (!negative).then_some(
        "no intensity is below 0, where a CT in HU has fat and air: PET, MR and CT numbers without \
         their intercept are no HU",
    )
}

/// The labels of a file.
pub(super) fn label_map(file: OpenFile, options: &LoadOptions) -> Result<Regions> {
    let path = file.path().to_owned();
    let labels = nifti::labels_of(file)?;
    if labels.masks.is_empty() {
        return Err(Error::bad_data(&path, "is empty: no voxel has a label above 0"));
    }
    let name = called(&path, "NIfTI label map", options);
    let region = |(label, mask): (u32, Mask)| Region { id: label.to_string(), name: None, mask };
    Ok(Regions {
        there: labels.masks.keys().map(u32::to_string).collect(),
        regions: labels.masks.into_iter().map(region).collect(),
        warnings: prefixed(&name, labels.warnings),
        input: InputFile { role: "mask".into(), name, sha256: labels.sha256 },
    })
}

/// A CT series.
pub(super) fn ct_series(choice: &SeriesChoice, options: &LoadOptions) -> Result<Image> {
    let ct = series::read(&choice.sources, options.uneven_slices)?;
    // File names of an export may hold the patient's name, and there are hundreds.
    let name = format!("CT series of {} files", choice.sources.len());
    Ok(Image {
        volume: ct.volume,
        kvp: ct.acquisition.kvp,
        scan: Scan {
            study_day: choice.study_day,
            kernel: ct.acquisition.kernel,
            phase: ct.acquisition.phase,
            slice_thickness_mm: ct.acquisition.slice_thickness,
            ..Scan::default()
        },
        frame: ct.frame_of_reference,
        warnings: ct.warnings.iter().map(|w| format!("CT series: {w}")).collect(),
        input: InputFile { role: "image".into(), name, sha256: ct.sha256 },
    })
}

/// What patient, study and series are called in all output.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) patient: String,
    pub(super) study: Option<String>,
    pub(super) series: Option<String>,
}

impl Named {
    /// Of a file that says nothing of its patient: as the caller says, else after the file's subject.
    ///
    /// # Errors
    /// The key of the pseudonyms cannot be read or made.
    pub(super) fn of_file(image: &Path, options: &LoadOptions) -> Result<Self> {
        let patient = match &options.patient {
            Some(given) => given.clone(),
            None => {
                let subject = subject::of(image, None);
                if options.identify { subject } else { options.names()?.of_subject(&subject) }
            }
        };
        Ok(Self { patient, study: None, series: None })
    }

    /// Of a series: by its own ids where these may be shown, else by pseudonyms; the patient as the
    /// caller says, if he does.
    ///
    /// # Errors
    /// The key of the pseudonyms cannot be read or made.
    pub(super) fn of(choice: &SeriesChoice, options: &LoadOptions) -> Result<Self> {
        let names = options.names()?;
        let own = || names.patient(&choice.patient, &choice.study, options.identify);
        let (study, series) = match options.identify {
            true => (choice.study.clone(), choice.series.clone()),
            false => (names.of_study(&choice.study), names.of_series(&choice.series)),
        };
        Ok(Self {
            patient: options.patient.clone().unwrap_or_else(own),
            study: Some(study).filter(|_| !choice.study.is_empty()),
            series: Some(series),
        })
    }
}

/// Coordinates of one frame of reference mean nothing in another.
///
/// # Errors
/// The lesions were drawn in another one, and the caller did not name the series.
pub(super) fn check_frame(
    image: Option<&str>,
    choice: &DelineationChoice,
    options: &LoadOptions,
) -> Result<()> {
    let (Some(image), false) = (image, choice.frames.is_empty()) else { return Ok(()) };
    // Who names the series takes the responsibility, as for anonymised copies with new UIDs.
    if choice.frames.contains(image) || options.series.is_some() {
        return Ok(());
    }
    Err(Error::bad_data(
        choice.source.display(),
        "was drawn in another frame of reference than the CT series",
    )
    .with_remedy(Remedy::ConfirmSeries))
}

/// The lesions of a structure set or segmentation that are wanted.
pub(super) fn delineation(
    choice: &DelineationChoice,
    image: &Volume,
    wanted: &Wanted<'_>,
    options: &LoadOptions,
) -> Result<Regions> {
    let threshold = options.fractional_threshold.unwrap_or(0.5);
    let mut found = lesions::read(choice, image.geometry(), threshold, &wanted.take())?;
    if !found.others.is_empty() {
        if found.there.len() == found.others.len() {
            let problem = "has no region that is a lesion by its name and type";
            return Err(Error::bad_data(choice.source.display(), problem).with_remedy(
                Remedy::NameLesions {
                    there: found.others.into_iter().map(Message::from).collect(),
                },
            ));
        }
        found.warnings.push(format!(
            "left out, being no lesion by name or type unless it is named: {}",
            found.others.join(", ")
        ));
    }
    let region = |(number, name, mask): (i64, String, Mask)| Region {
        id: number.to_string(),
        name: Some(name).filter(|n| !n.is_empty()),
        mask,
    };
    let there = found.there.iter().map(|(number, name)| format!("{number} ({name})"));
    Ok(Regions {
        there: there.collect(),
        regions: found.regions.into_iter().map(region).collect(),
        input: InputFile {
            role: "mask".into(),
            name: choice.modality.clone(),
            sha256: found.sha256,
        },
        warnings: found.warnings.iter().map(|w| format!("{}: {w}", choice.modality)).collect(),
    })
}

fn prefixed(name: &str, warnings: Vec<String>) -> Vec<String> {
    warnings.into_iter().map(|w| format!("{name}: {w}")).collect()
}

/// What output calls a file: its name may be a patient's.
fn called(path: &Path, kind: &str, options: &LoadOptions) -> String {
    let name = path.file_name().filter(|_| options.identify);
    name.map_or_else(|| kind.to_owned(), |name| name.to_string_lossy().into_owned())
}
