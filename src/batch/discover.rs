//! Image-mask pairs of a folder, found by the engine.
//!
//! NIfTI files pair by name: a mask is a file whose name, or whose folder's name, has a word such as
//! `mask`, `seg` or `label`; it belongs to the image whose name is the same without such words. A
//! folder with one image takes all its masks for it. A DICOM structure set or segmentation goes with
//! the CT series that it refers to; of several of one series one is taken, the approved one, else the
//! latest. What is left over is told, never guessed.
//!
//! Folder and file names of an export can hold a patient's name, so a patient is called by a
//! pseudonym that follows from the folder's place; [`Manifest::write`] gives the list
//! to edit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::manifest::{Asked, CaseRequest, Manifest};
use crate::digest::hex;
use crate::error::Result;
use crate::ingest;
use crate::ingest::dicom::catalogue::Catalogue;
use crate::ingest::dicom::identity::Pseudonyms;
use crate::paths::slashed;

/// What was found in a folder.
#[derive(Clone, Debug)]
pub struct Discovery {
    /// The pairs, in the order of their paths.
    pub manifest: Manifest,
    /// Files without a partner, and why.
    pub unmatched: Vec<(PathBuf, String)>,
}

/// Words that make a file a mask.
const MASK_WORDS: [&str; 14] = [
    "mask",
    "masks",
    "seg",
    "segs",
    "segmentation",
    "segmentations",
    "label",
    "labels",
    "labelstr",
    "labelsts",
    "lesion",
    "lesions",
    "roi",
    "gtv",
];
/// Words of nnU-Net's layout by which a file is an image, even a `lesion_000_0000.nii.gz`.
const IMAGE_FOLDERS: [&str; 3] = ["imagestr", "imagests", "0000"];
/// Words that say nothing but that the file is an image. `0000` is nnU-Net's first channel.
const IMAGE_WORDS: [&str; 9] =
    ["image", "images", "imagestr", "imagests", "img", "ct", "scan", "volume", "0000"];

/// Looks for pairs below a folder, or in a zip archive. Patients of DICOM files are called by their
/// pseudonyms, or, where that is asked for, by their own ids.
///
/// # Errors
/// The folder cannot be read, or the key of the pseudonyms.
pub fn discover(folder: &Path, asked: &Asked) -> Result<Discovery> {
    let catalogue = Catalogue::scan(folder)?;
    let files: Vec<PathBuf> = catalogue.nifti.iter().map(|p| slashed(p).into_owned()).collect();
    let mut discovery = nifti_pairs(folder, &files)?;
    dicom_pairs(&catalogue, asked, &mut discovery)?;
    let problems = catalogue.problems.iter().filter(|p| p.unreadable);
    discovery
        .unmatched
        .extend(problems.map(|p| (slashed(&p.file).into_owned(), p.problem.clone())));
    discovery.unmatched.sort();
    discovery.manifest = discovery.manifest.asking(asked);
    Ok(discovery)
}

/// CT series with their structure sets and segmentations.
fn dicom_pairs(catalogue: &Catalogue, asked: &Asked, found: &mut Discovery) -> Result<()> {
    let pairs = ingest::pairs(catalogue, &asked.load_options());
    let unmatched = pairs.unmatched.into_iter();
    found.unmatched.extend(unmatched.map(|(file, why)| (slashed(&file).into_owned(), why)));
    if pairs.selections.is_empty() {
        return Ok(());
    }
    let names = Pseudonyms::of_user()?;
    let mut cases = std::mem::take(&mut found.manifest.cases);
    for selection in pairs.selections {
        let (Some(series), Some(mask)) = (&selection.series, &selection.delineation) else {
            continue;
        };
        let patient = names.patient(&series.patient, &series.study, asked.identify);
        let (image, mask) = (series.folder(), mask.source.display());
        let case = CaseRequest::new(cases.len() + 1, patient, &slashed(&image), &slashed(&mask));
        cases.push(CaseRequest { selection: Some(Arc::new(selection)), ..case });
    }
    found.manifest = Manifest::new(Vec::new(), cases);
    Ok(())
}

fn nifti_pairs(folder: &Path, files: &[PathBuf]) -> Result<Discovery> {
    let mut images: BTreeMap<Vec<String>, Vec<PathBuf>> = BTreeMap::new();
    let mut masks: Vec<(Vec<String>, PathBuf)> = Vec::new();
    for path in files {
        let words = words(path.strip_prefix(folder).unwrap_or(path));
        let is = |of: &[&str]| words.iter().any(|word| of.contains(&word.as_str()));
        let is_mask = is(&MASK_WORDS) && !is(&IMAGE_FOLDERS);
        let key: Vec<String> = words
            .into_iter()
            .filter(|w| !MASK_WORDS.contains(&w.as_str()) && !IMAGE_WORDS.contains(&w.as_str()))
            .collect();
        if is_mask {
            masks.push((key, path.clone()));
        } else {
            images.entry(key).or_default().push(path.clone());
        }
    }
    pair(folder, &images, masks)
}

fn pair(
    folder: &Path,
    images: &BTreeMap<Vec<String>, Vec<PathBuf>>,
    masks: Vec<(Vec<String>, PathBuf)>,
) -> Result<Discovery> {
    let mut by_folder: BTreeMap<&Path, Vec<&PathBuf>> = BTreeMap::new();
    for image in images.values().flatten() {
        by_folder.entry(image.parent().unwrap_or(folder)).or_default().push(image);
    }
    let mut pairs: Vec<(PathBuf, PathBuf)> = Vec::new();
    let mut unmatched = Vec::new();
    for (key, mask) in masks {
        let same_name = images.get(&key).map(Vec::as_slice).unwrap_or_default();
        let same_folder = mask.parent().and_then(|p| by_folder.get(p)).map(Vec::as_slice);
        match (same_name, same_folder.unwrap_or_default()) {
            ([image], _) => pairs.push((image.clone(), mask)),
            ([], [image]) => pairs.push(((*image).clone(), mask)),
            ([], []) => unmatched.push((mask, "mask without an image of its name".to_owned())),
            ([], several) => unmatched.push((
                mask,
                format!("{} images in its folder and none of its name", several.len()),
            )),
            (several, _) => {
                unmatched.push((mask, format!("{} images of its name", several.len())));
            }
        }
    }
    for image in images.values().flatten() {
        if !pairs.iter().any(|(paired, _)| paired == image) {
            unmatched.push((image.clone(), "image without a mask".to_owned()));
        }
    }
    pairs.sort();
    unmatched.sort();
    let mut cases: Vec<CaseRequest> = Vec::new();
    let mut of_image: BTreeMap<&Path, usize> = BTreeMap::new();
    for (image, mask) in &pairs {
        *of_image.entry(image).or_default() += 1;
        let mut case = CaseRequest::new(cases.len() + 1, pseudonym(folder, image), image, mask);
        // Several masks of one image may all call their lesion 1: then the file tells them apart.
        if pairs.iter().filter(|(other, _)| other == image).count() > 1 {
            case.lesion = Some(format!("mask-{}", of_image[image.as_path()]));
        }
        cases.push(case);
    }
    Ok(Discovery { manifest: Manifest::new(Vec::new(), cases), unmatched })
}

/// The words of a relative path, in lower case.
fn words(path: &Path) -> Vec<String> {
    let text = path.to_string_lossy().to_lowercase();
    let stem = text.trim_end_matches(".gz").trim_end_matches(".nii");
    let words = stem.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

fn pseudonym(folder: &Path, image: &Path) -> String {
    let place = image.strip_prefix(folder).unwrap_or(image);
    let digest = hex(&Sha256::digest(place.as_os_str().as_encoded_bytes()));
    format!("P-{}", &digest[..12])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest file that has a NIfTI-1 header.
    fn nifti_header() -> Vec<u8> {
        let mut bytes = vec![0u8; 352];
        bytes[..4].copy_from_slice(&348i32.to_le_bytes());
        bytes[344..348].copy_from_slice(b"n+1\0");
        bytes
    }

    fn found(names: &[&str]) -> (Vec<(String, String)>, Vec<String>) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, nifti_header()).expect("written");
        }
        let discovery = discover(folder.path(), &Asked::default()).expect("readable");
        let short =
            |path: &Path| path.strip_prefix(folder.path()).expect("inside").display().to_string();
        let pairs = discovery.manifest.cases.iter();
        let pairs = pairs.map(|c| (short(&c.image_path), short(&c.mask_path))).collect();
        (pairs, discovery.unmatched.iter().map(|(path, _)| short(path)).collect())
    }

    fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn the_usual_layouts_pair_up() {
        let flat = ["a.nii", "a_mask.nii", "b_ct.nii", "b_seg.nii", "notes.txt"];
        let expected = pairs(&[("a.nii", "a_mask.nii"), ("b_ct.nii", "b_seg.nii")]);
        assert_eq!(found(&flat), (expected, vec![]));

        let nnunet = ["imagesTr/x_001_0000.nii", "labelsTr/x_001.nii"];
        let expected = pairs(&[("imagesTr/x_001_0000.nii", "labelsTr/x_001.nii")]);
        assert_eq!(found(&nnunet), (expected, vec![]));

        let named = ["imagesTr/lesion_7_0000.nii", "labelsTr/lesion_7.nii"];
        let expected = pairs(&[("imagesTr/lesion_7_0000.nii", "labelsTr/lesion_7.nii")]);
        assert_eq!(found(&named), (expected, vec![]));

        let folders = ["p1/ct.nii", "p1/mask.nii", "p2/ct.nii", "p2/liver_gtv.nii"];
        let expected = pairs(&[("p1/ct.nii", "p1/mask.nii"), ("p2/ct.nii", "p2/liver_gtv.nii")]);
        assert_eq!(found(&folders), (expected, vec![]));
    }

    #[test]
    fn what_has_no_partner_is_told_and_not_guessed() {
        let (pairs, unmatched) = found(&["a.nii", "b.nii", "c_mask.nii"]);
        assert_eq!(pairs, []);
        assert_eq!(unmatched, ["a.nii", "b.nii", "c_mask.nii"]);
    }

    #[test]
    fn the_pseudonym_does_not_show_the_folder() {
        let name = pseudonym(Path::new("/export"), Path::new("/export/DOE^JOHN/ct.nii"));
        assert!(name.starts_with("P-") && !name.contains("DOE"), "{name}");
    }
}
