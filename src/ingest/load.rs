//! Reading an image and a mask into a case, whatever their formats: the content decides.

use std::collections::BTreeMap;
use std::path::Path;

use super::bytes::sha256;
use super::case::{Case, InputFile, Lesion};
use super::{nifti, pair};
use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::mask::Mask;

/// What a caller may ask of the readers.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Labels to take; all where empty.
    pub labels: Vec<String>,
    /// Whether a mask on another grid is put on the image's grid (nearest voxel) or refused.
    pub regrid_mask: bool,
    /// The patient's id in all output; a pseudonym is made up where absent.
    pub patient: Option<String>,
    /// Tube voltage, kV, where the image does not say or says wrong.
    pub kvp: Option<f64>,
    /// Sites by lesion id or name.
    pub sites: BTreeMap<String, String>,
}

/// Reads an image and the lesions of a mask.
///
/// # Errors
/// What the readers report; masks of another geometry (unless `regrid_mask`), masks without a
/// lesion, and labels or site names that are not there.
pub fn load(image: &Path, mask: &Path, options: &LoadOptions) -> Result<Case> {
    let (volume, (labels, digests)) = rayon::join(
        || nifti::read_image(image),
        || rayon::join(|| nifti::read_labels(mask), || (sha256(image), sha256(mask))),
    );
    let volume = volume?;
    let labels = labels?;
    let image_sha = digests.0?;
    let prefixed = |path: &Path, warnings: Vec<String>| {
        let name = file_name(path);
        warnings.into_iter().map(move |w| format!("{name}: {w}")).collect::<Vec<_>>()
    };
    let mut warnings = prefixed(image, volume.warnings);
    warnings.extend(prefixed(mask, labels.warnings));

    let volume = volume.volume;
    let masks = selected(labels.masks, options, mask)?;
    let mut lesions = Vec::new();
    for (label, found) in masks {
        match fit(&found, volume.geometry(), options.regrid_mask)
            .map_err(|problem| Error::bad_data(mask, problem))?
        {
            Some(fitted) => lesions.push(Lesion {
                site: options.sites.get(&label.to_string()).cloned(),
                id: label.to_string(),
                name: None,
                mask: fitted,
            }),
            None => warnings.push(format!(
                "{}: label {label} lies outside the image and was left out",
                file_name(mask)
            )),
        }
    }
    if lesions.is_empty() {
        return Err(Error::bad_data(mask, "has no lesion within the image"));
    }
    check_sites(options, &lesions)?;
    Ok(Case {
        patient: options.patient.clone().unwrap_or_else(|| format!("case-{}", &image_sha[..12])),
        volume,
        lesions,
        kvp: options.kvp,
        inputs: vec![
            InputFile { role: "image".into(), name: file_name(image), sha256: image_sha },
            InputFile { role: "mask".into(), name: file_name(mask), sha256: digests.1? },
        ],
        warnings,
    })
}

fn selected(
    masks: BTreeMap<u32, Mask>,
    options: &LoadOptions,
    path: &Path,
) -> Result<Vec<(u32, Mask)>> {
    if masks.is_empty() {
        return Err(Error::bad_data(path, "is empty: no voxel has a label above 0"));
    }
    let present = masks.keys().map(u32::to_string).collect::<Vec<_>>().join(", ");
    for label in &options.labels {
        if !masks.keys().any(|l| l.to_string() == *label) {
            return Err(Error::bad_data(path, format!("has no label {label}; it has {present}")));
        }
    }
    let wanted = |l: &u32| options.labels.is_empty() || options.labels.contains(&l.to_string());
    Ok(masks.into_iter().filter(|(label, _)| wanted(label)).collect())
}

/// The mask on the image's grid; `None` where nothing of it lies within.
fn fit(mask: &Mask, image: &Geometry, regrid: bool) -> Result<Option<Mask>, String> {
    match pair::mismatch(image, mask.grid()) {
        None => Ok(Some(pair::adopt(image, mask))),
        Some(_) if regrid => Ok(pair::regrid(image, mask)),
        Some(difference) => Err(format!(
            "lies on another grid than the image: {difference}; pass --regrid-mask to put it on the \
             image's grid by nearest voxel"
        )),
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

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| "input".into(), |n| n.to_string_lossy().into_owned())
}
