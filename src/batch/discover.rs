//! Image-mask pairs of a folder, found by the engine.
//!
//! NIfTI files pair by name: a mask is a file whose name, or whose folder's name, has a word such as
//! `mask`, `seg` or `label`; it belongs to the image whose name is the same without such words. A
//! folder with one image takes all its masks for it. A DICOM structure set or segmentation goes with
//! the CT series that it refers to; of several of one series one is taken, the approved one, else the
//! latest. What is left over is told, never guessed.
//!
//! A patient is called by a pseudonym, of what DICOM files say or of the [subject] that NIfTI files are
//! called after, and the cases are in the order of the pseudonyms, which says nothing of that of the
//! real ids. [`Manifest::write`] gives the list to edit.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::manifest::{Asked, CaseRequest, Manifest};
use crate::error::Result;
use crate::ingest::dicom::catalogue::Catalogue;
use crate::ingest::pseudonyms::Pseudonyms;
use crate::ingest::subject::{IMAGE_WORDS, MASK_WORDS, words};
use crate::ingest::{self, subject};
use crate::paths::slashed;

/// What was found in a folder.
#[derive(Clone, Debug)]
pub struct Discovery {
    /// The pairs, by patient.
    pub manifest: Manifest,
    /// Images of several folders that were taken for one patient's by the names of files.
    pub joined: Vec<Joined>,
    /// Files without a partner, and why.
    pub unmatched: Vec<(PathBuf, String)>,
}

/// Images of one patient, as the names of files have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The patient's id.
    pub patient: String,
    /// The images, in order.
    pub images: Vec<PathBuf>,
}

/// Words of nnU-Net's layout by which a file is an image, even a `lesion_000_0000.nii.gz`.
const IMAGE_FOLDERS: [&str; 3] = ["imagestr", "imagests", "0000"];

/// Looks for pairs below a folder, or in a zip archive. Patients of DICOM files are called by their
/// pseudonyms, or, where that is asked for, by their own ids.
///
/// # Errors
/// The folder cannot be read.
pub fn discover(folder: &Path, asked: &Asked, names: &Pseudonyms) -> Result<Discovery> {
    let catalogue = Catalogue::scan(folder)?;
    let files: Vec<PathBuf> = catalogue.nifti.iter().map(|p| slashed(p).into_owned()).collect();
    let called = |image: &Path| {
        let subject = subject::of(image, Some(folder));
        if asked.identify { subject } else { names.of_subject(&subject) }
    };
    let mut discovery = nifti_pairs(folder, &files, &called, names);
    dicom_pairs(&catalogue, asked, names, &mut discovery);
    let problems = catalogue.problems.iter().filter(|p| p.unreadable);
    discovery
        .unmatched
        .extend(problems.map(|p| (slashed(&p.file).into_owned(), p.problem.to_string())));
    discovery.unmatched.sort();
    discovery.manifest = discovery.manifest.asking(asked);
    Ok(discovery)
}

/// CT series with their structure sets and segmentations.
fn dicom_pairs(catalogue: &Catalogue, asked: &Asked, names: &Pseudonyms, found: &mut Discovery) {
    let pairs = ingest::pairs(catalogue, &asked.load_options());
    let unmatched = pairs.unmatched.into_iter();
    found
        .unmatched
        .extend(unmatched.map(|(file, why)| (slashed(&file).into_owned(), why.to_string())));
    let mut of_patients = Vec::new();
    for selection in pairs.selections {
        let Some(series) = &selection.series else { continue };
        let patient = names.patient(&series.patient, &series.study, asked.identify);
        let within =
            (series.study_day, names.of_study(&series.study), names.of_series(&series.series));
        of_patients.push((patient, within, selection));
    }
    of_patients.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    let mut cases = std::mem::take(&mut found.manifest.cases);
    for (patient, _, selection) in of_patients {
        let (Some(series), Some(mask)) = (&selection.series, &selection.delineation) else {
            continue;
        };
        let (image, mask) = (series.folder(), mask.source.display());
        let case = CaseRequest::new(cases.len() + 1, patient, &slashed(&image), &slashed(&mask));
        cases.push(CaseRequest { selection: Some(Arc::new(selection)), ..case });
    }
    found.manifest = Manifest::new(Vec::new(), cases);
}

fn nifti_pairs(
    folder: &Path,
    files: &[PathBuf],
    called: &dyn Fn(&Path) -> String,
    names: &Pseudonyms,
) -> Discovery {
    let mut images: BTreeMap<Vec<String>, Vec<PathBuf>> = BTreeMap::new();
    let mut masks: Vec<(Vec<String>, PathBuf)> = Vec::new();
    for path in files {
        let words = words(&path.strip_prefix(folder).unwrap_or(path).to_string_lossy());
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
    let (pairs, unmatched) = pair(folder, &images, masks);
    let mut of_patients: BTreeMap<String, BTreeMap<PathBuf, Vec<PathBuf>>> = BTreeMap::new();
    for (image, mask) in pairs {
        let of_patient = of_patients.entry(called(&image)).or_default();
        of_patient.entry(image).or_default().push(mask);
    }
    let mut cases: Vec<CaseRequest> = Vec::new();
    let mut joined = Vec::new();
    for (patient, images) in of_patients {
        let folders: BTreeSet<Option<&Path>> = images.keys().map(|image| image.parent()).collect();
        if folders.len() > 1 {
            let images = images.keys().cloned().collect();
            joined.push(Joined { patient: patient.clone(), images });
        }
        let several = images.len() > 1;
        for (image, masks) in images {
            for (at, mask) in masks.iter().enumerate() {
                let mut case = CaseRequest::new(cases.len() + 1, patient.clone(), &image, mask);
                // Several masks of one image may all call their lesion 1: then the file tells them apart.
                case.lesion = (masks.len() > 1).then(|| format!("mask-{}", at + 1));
                // Several images of a patient are so many measurements of the same lesions.
                case.scan.study = several.then(|| names.of_study(&place(&patient, &image)));
                cases.push(case);
            }
        }
    }
    Discovery { manifest: Manifest::new(Vec::new(), cases), joined, unmatched }
}

/// What tells the images of one patient apart under any root: the names of a file and its folder.
fn place(patient: &str, image: &Path) -> String {
    let names = image.iter().rev().take(2).map(|name| name.to_string_lossy().into_owned());
    names.chain([patient.to_owned()]).collect::<Vec<_>>().join("/")
}

/// Each mask with its image, in order, and what has no partner.
fn pair(
    folder: &Path,
    images: &BTreeMap<Vec<String>, Vec<PathBuf>>,
    masks: Vec<(Vec<String>, PathBuf)>,
) -> (Vec<(PathBuf, PathBuf)>, Vec<(PathBuf, String)>) {
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
    (pairs, unmatched)
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
        let names = Pseudonyms::new([7; 32]);
        let discovery = discover(folder.path(), &Asked::default(), &names).expect("readable");
        let short =
            |path: &Path| path.strip_prefix(folder.path()).expect("inside").display().to_string();
        let pairs = discovery.manifest.cases.iter();
        let mut pairs: Vec<_> =
            pairs.map(|c| (short(&c.image_path), short(&c.mask_path))).collect();
        pairs.sort();
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
    fn cases_are_in_the_order_of_pseudonyms_and_scans_of_one_patient_are_together() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for at in 0..8 {
            for scan in ["baseline", "followup"] {
                let path = folder.path().join(format!("p{at}/{scan}"));
                std::fs::create_dir_all(&path).expect("made");
                for name in ["ct.nii", "mask.nii"] {
                    std::fs::write(path.join(name), nifti_header()).expect("written");
                }
            }
        }
        let of = |root: &Path, key: u8| {
            let names = Pseudonyms::new([key; 32]);
            discover(root, &Asked::default(), &names).expect("readable")
        };
        let patients = |found: &Discovery| -> Vec<String> {
            found.manifest.cases.iter().map(|case| case.patient.clone()).collect()
        };
        let all = of(folder.path(), 7);
        let ids = patients(&all);
        assert!(ids.is_sorted(), "{ids:?}");
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 8);
        assert_eq!(all.joined.len(), 8);
        let studies: BTreeSet<_> = all.manifest.cases.iter().map(|c| &c.scan.study).collect();
        assert_eq!(studies.len(), 16, "{studies:?}");
        let numbers = |found: &Discovery| -> Vec<PathBuf> {
            found.manifest.cases.iter().map(|case| case.image_path.clone()).collect()
        };
        assert_ne!(numbers(&all), numbers(&of(folder.path(), 8)), "the key decides the order");
    }
}
