//! Reading an image and a mask into a case, whatever their formats: the content decides.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::bytes::sha256;
use super::case::{Case, InputFile, Lesion};
use super::dicom::identity::Pseudonyms;
use super::dicom::lesions;
use super::dicom::select::{DelineationChoice, Selection, SeriesChoice};
use super::dicom::series::{self, SlicePolicy};
use super::dicom::source;
use super::sites::{SiteTable, whole_name};
use super::{nifti, pair};
use crate::error::{Error, Problem, Remedy, Result};
use crate::geometry::Geometry;
use crate::mask::Mask;
use crate::volume::Volume;

/// What a caller may ask of the readers.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Labels (or ROI or segment numbers) to take; all where empty.
    pub labels: Vec<String>,
    /// Lesions to take by name, number, or regular expression for the whole name; all where empty.
    pub roi: Vec<String>,
    /// Whether a mask on another grid is put on the image's grid (nearest voxel) or refused.
    pub regrid_mask: bool,
    /// The patient's id in all output; a pseudonym is made up where absent.
    pub patient: Option<String>,
    /// Whether a DICOM image's own PatientID takes the place of the pseudonym.
    pub identify: bool,
    /// Tube voltage, kV, where the image does not say or says wrong.
    pub kvp: Option<f64>,
    /// Sites by lesion id or name.
    pub sites: BTreeMap<String, String>,
    /// Sites by ROI name, for lesions that `sites` does not have.
    pub site_table: Option<SiteTable>,
    /// SeriesInstanceUID of the CT, where a folder holds several.
    pub series: Option<String>,
    /// What to do with missing or unevenly spaced slices and gantry tilt.
    pub uneven_slices: SlicePolicy,
    /// Lowest fraction of a fractional segmentation that belongs to a lesion; 0.5 where absent.
    pub fractional_threshold: Option<f64>,
    /// What a catalogue has found at the paths already.
    pub selection: Option<Arc<Selection>>,
}

/// An image as it was read.
struct Image {
    volume: Volume,
    kvp: Option<f64>,
    /// FrameOfReferenceUID.
    frame: Option<String>,
    input: InputFile,
    warnings: Vec<String>,
}

/// A lesion as it was read, on the grid of its source.
struct Region {
    id: String,
    name: Option<String>,
    mask: Mask,
}

/// The lesions of a mask.
struct Regions {
    regions: Vec<Region>,
    /// What all lesions of the source are called, wanted or not.
    there: Vec<String>,
    input: InputFile,
    warnings: Vec<String>,
}

/// Reads an image and the lesions of a mask: a NIfTI file, or a DICOM file, folder or zip archive.
///
/// # Errors
/// What the readers report; paths that leave a choice of series or structure sets; masks of another
/// geometry (unless `regrid_mask`), masks without a lesion, and labels, names or site names that are
/// not there.
pub fn load(image: &Path, mask: &Path, options: &LoadOptions) -> Result<Case> {
    let chosen = match &options.selection {
        Some(selection) => selection.clone(),
        None => {
            let image = is_dicom(image)?.then_some(image);
            let mask = is_dicom(mask)?.then_some(mask);
            Arc::new(Selection::find(image, mask, options.series.as_deref())?)
        }
    };
    let names = Names::of(options)?;
    let ((image, labels), patient) = match (&chosen.series, &chosen.delineation) {
        (Some(series), delineation) => {
            let (image, patient) =
                rayon::join(|| read_series(series, options), || patient_of(series, options));
            let image = image?;
            let regions = match delineation {
                Some(found) => {
                    check_frame(image.frame.as_deref(), found, options)?;
                    read_delineation(found, &image.volume, &names, options)?
                }
                None => read_labels(mask)?,
            };
            ((image, regions), patient?)
        }
        (None, Some(found)) => {
            let image = read_image(image)?;
            let regions = read_delineation(found, &image.volume, &names, options)?;
            ((image, regions), None)
        }
        (None, None) => {
            let (image, regions) = rayon::join(|| read_image(image), || read_labels(mask));
            ((image?, regions?), None)
        }
    };
    let mut warnings = chosen.warnings.clone();
    warnings.extend(image.warnings);
    warnings.extend(labels.warnings);
    let partial = chosen.delineation.is_some();
    let mut lesions = Vec::new();
    for region in selected(labels.regions, &labels.there, options, &names, mask)? {
        match fit(&region.mask, image.volume.geometry(), options.regrid_mask, partial)
            .map_err(|problem| problem.in_file(mask))?
        {
            Some(fitted) => lesions.push(Lesion {
                site: site_of(&region, options),
                id: region.id,
                name: region.name,
                mask: fitted,
            }),
            None => warnings.push(format!(
                "{}: {} lies outside the image and was left out",
                labels.input.name,
                called(&region)
            )),
        }
    }
    if lesions.is_empty() {
        return Err(Error::bad_data(mask, "has no lesion within the image"));
    }
    check_sites(options, &lesions)?;
    if options.site_table.is_some() {
        for lesion in lesions.iter().filter(|l| l.site.is_none()) {
            let name = lesion.name.as_deref().unwrap_or(&lesion.id);
            warnings.push(format!("no row of the table of sites matches \"{name}\""));
        }
    }
    let patient = options.patient.clone().or(patient);
    Ok(Case {
        patient: patient.unwrap_or_else(|| format!("case-{}", &image.input.sha256[..12])),
        volume: image.volume,
        lesions,
        kvp: options.kvp.or(image.kvp),
        inputs: vec![image.input, labels.input],
        warnings,
    })
}

/// Whether a path is to be read as DICOM: a folder, or a file that is not NIfTI but DICOM or a zip
/// archive.
fn is_dicom(path: &Path) -> Result<bool> {
    if path.is_dir() {
        return Ok(true);
    }
    let bytes = super::bytes::map(path)?;
    Ok(!nifti::is_nifti(path) && source::is_dicom_or_zip(&bytes))
}

fn read_image(path: &Path) -> Result<Image> {
    let (image, sha256) = rayon::join(|| nifti::read_image(path), || sha256(path));
    let image = image?;
    Ok(Image {
        volume: image.volume,
        kvp: None,
        frame: None,
        input: InputFile { role: "image".into(), name: file_name(path), sha256: sha256? },
        warnings: prefixed(path, image.warnings),
    })
}

fn read_labels(path: &Path) -> Result<Regions> {
    let (labels, sha256) = rayon::join(|| nifti::read_labels(path), || sha256(path));
    let labels = labels?;
    if labels.masks.is_empty() {
        return Err(Error::bad_data(path, "is empty: no voxel has a label above 0"));
    }
    let region = |(label, mask): (u32, Mask)| Region { id: label.to_string(), name: None, mask };
    Ok(Regions {
        there: labels.masks.keys().map(u32::to_string).collect(),
        regions: labels.masks.into_iter().map(region).collect(),
        input: InputFile { role: "mask".into(), name: file_name(path), sha256: sha256? },
        warnings: prefixed(path, labels.warnings),
    })
}

fn read_series(choice: &SeriesChoice, options: &LoadOptions) -> Result<Image> {
    let (read, sha256) = rayon::join(
        || series::read(&choice.sources, options.uneven_slices),
        || source::digest(&choice.sources),
    );
    let ct = read?;
    // File names of an export may hold the patient's name, and there are hundreds.
    let name = format!("CT series of {} files", choice.sources.len());
    Ok(Image {
        volume: ct.volume,
        kvp: ct.acquisition.kvp,
        frame: ct.frame_of_reference,
        warnings: ct.warnings.iter().map(|w| format!("CT series: {w}")).collect(),
        input: InputFile { role: "image".into(), name, sha256: sha256? },
    })
}

fn patient_of(choice: &SeriesChoice, options: &LoadOptions) -> Result<Option<String>> {
    if options.patient.is_some() {
        return Ok(None);
    }
    if options.identify && !choice.patient.id.is_empty() {
        return Ok(Some(choice.patient.id.clone()));
    }
    Ok(Some(Pseudonyms::of_user()?.of(&choice.patient, &choice.study)))
}

/// Coordinates of one frame of reference mean nothing in another.
fn check_frame(
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

fn read_delineation(
    choice: &DelineationChoice,
    image: &Volume,
    names: &Names,
    options: &LoadOptions,
) -> Result<Regions> {
    let threshold = options.fractional_threshold.unwrap_or(0.5);
    let wanted = |number: i64, name: &str| {
        (options.labels.is_empty() || options.labels.contains(&number.to_string()))
            && names.take(&number.to_string(), Some(name))
    };
    let found = lesions::read(choice, image.geometry(), threshold, &wanted)?;
    let sha256 = source::digest(std::slice::from_ref(&choice.source))?;
    let region = |(number, name, mask): (i64, String, Mask)| Region {
        id: number.to_string(),
        name: Some(name).filter(|n| !n.is_empty()),
        mask,
    };
    let there = found.there.iter().map(|(number, name)| format!("{number} ({name})"));
    Ok(Regions {
        there: there.collect(),
        regions: found.regions.into_iter().map(region).collect(),
        input: InputFile { role: "mask".into(), name: choice.modality.clone(), sha256 },
        warnings: found.warnings.iter().map(|w| format!("{}: {w}", choice.modality)).collect(),
    })
}

/// Which lesions are asked for by name.
struct Names {
    asked: Vec<(String, Option<regex::Regex>)>,
}

impl Names {
    fn of(options: &LoadOptions) -> Result<Self> {
        let pattern = |text: &String| {
            // A name may hold brackets or a plus sign and be no pattern at all.
            (text.clone(), whole_name(text).ok())
        };
        Ok(Self { asked: options.roi.iter().map(pattern).collect() })
    }

    fn take(&self, id: &str, name: Option<&str>) -> bool {
        self.asked.is_empty() || self.asked.iter().any(|a| Self::matches(a, id, name))
    }

    fn matches(
        (text, pattern): &(String, Option<regex::Regex>),
        id: &str,
        name: Option<&str>,
    ) -> bool {
        let by_name = |name: &str| {
            let name = name.trim();
            name.eq_ignore_ascii_case(text.trim())
                || pattern.as_ref().is_some_and(|p| p.is_match(name))
        };
        text == id || name.is_some_and(by_name)
    }
}

fn selected(
    regions: Vec<Region>,
    there: &[String],
    options: &LoadOptions,
    names: &Names,
    path: &Path,
) -> Result<Vec<Region>> {
    let present = || if there.is_empty() { "none".to_owned() } else { there.join(", ") };
    for label in &options.labels {
        if !regions.iter().any(|r| r.id == *label) {
            return Err(Error::bad_data(
                path,
                format!("has no label {label}; it has {}", present()),
            ));
        }
    }
    for asked in &names.asked {
        if !regions.iter().any(|r| Names::matches(asked, &r.id, r.name.as_deref())) {
            let text = &asked.0;
            return Err(Error::bad_data(
                path,
                format!("has no lesion named or matching \"{text}\"; it has {}", present()),
            ));
        }
    }
    let wanted = |r: &Region| {
        (options.labels.is_empty() || options.labels.contains(&r.id))
            && names.take(&r.id, r.name.as_deref())
    };
    Ok(regions.into_iter().filter(wanted).collect())
}

fn called(region: &Region) -> String {
    match &region.name {
        Some(name) => format!("{} ({name})", region.id),
        None => format!("label {}", region.id),
    }
}

fn site_of(region: &Region, options: &LoadOptions) -> Option<String> {
    let named = region.name.as_ref().and_then(|name| options.sites.get(name));
    let given = options.sites.get(&region.id).or(named).cloned();
    let looked_up = || {
        let name = region.name.as_deref().unwrap_or(&region.id);
        options.site_table.as_ref()?.site(name).map(str::to_owned)
    };
    given.or_else(looked_up)
}

/// The mask on the image's grid; `None` where nothing of it lies within.
///
/// A segmentation may hold some slices of the image (`partial`); a label map has the whole grid.
fn fit(
    mask: &Mask,
    image: &Geometry,
    regrid: bool,
    partial: bool,
) -> Result<Option<Mask>, Problem> {
    match pair::mismatch(image, mask.grid()) {
        None => Ok(Some(pair::adopt(image, mask))),
        Some(_) if regrid || (partial && pair::coincides(image, mask.grid())) => {
            Ok(pair::regrid(image, mask))
        }
        Some(difference) => {
            let text = format!("lies on another grid than the image: {difference}");
            Err(Problem::from(text).with_remedy(Remedy::RegridMask))
        }
    }
}

fn check_sites(options: &LoadOptions, lesions: &[Lesion]) -> Result<()> {
    for key in options.sites.keys() {
        if !lesions.iter().any(|l| l.id == *key || l.name.as_ref() == Some(key)) {
            let ids = lesions.iter().map(|l| l.id.as_str()).collect::<Vec<_>>().join(", ");
            return Err(Error::bad_request(format!(
                "a site was given for lesion {key}, which is not there; the lesions are {ids}"
            )));
        }
    }
    Ok(())
}

fn prefixed(path: &Path, warnings: Vec<String>) -> Vec<String> {
    let name = file_name(path);
    warnings.into_iter().map(|w| format!("{name}: {w}")).collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| "input".into(), |n| n.to_string_lossy().into_owned())
}
