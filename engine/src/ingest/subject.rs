//! Whose an image is that does not say so, as NIfTI never does: by its name, or by its folder's.
//!
//! The subject of BIDS (`sub-01`); else what the file's name says beyond that it is an image, a mask or
//! a time point; else the same of the nearest folder above. So the scans of one patient have one name,
//! from wherever they are read. The folder that a search begins in is never taken, being called after
//! the cohort.

use std::path::Path;

/// Words that make a file a mask.
pub const MASK_WORDS: [&str; 14] = [
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
/// Words that say nothing but that the file is an image. `0000` is nnU-Net's first channel.
pub const IMAGE_WORDS: [&str; 9] =
    ["image", "images", "imagestr", "imagests", "img", "ct", "scan", "volume", "0000"];
/// Words for a time point or a series.
const TIME_WORDS: [&str; 16] = [
    "baseline",
    "followup",
    "follow",
    "up",
    "fu",
    "pre",
    "post",
    "t",
    "tp",
    "timepoint",
    "visit",
    "ses",
    "session",
    "study",
    "series",
    "nifti",
];

/// Whether a file is NIfTI by its name.
pub fn is_nifti(path: &Path) -> bool {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    name.ends_with(".nii") || name.ends_with(".nii.gz")
}

/// The words of a name or relative path without its NIfTI extension, in lower case.
pub fn words(name: &str) -> Vec<String> {
    let text = name.to_lowercase();
    let stem = text.trim_end_matches(".gz").trim_end_matches(".nii");
    let words = stem.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// What an image's patient is called by its file, which was found below `root` if it was searched for.
/// Where neither file nor folders say anything it is the file's whole path.
pub fn of(image: &Path, root: Option<&Path>) -> String {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let file = absolute(image);
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    if let Some(subject) = file.ancestors().filter_map(name).find_map(|name| bids(&name)) {
        return subject;
    }
    let root = root.map(absolute);
    let below = file.ancestors().take_while(|path| root.as_deref() != Some(*path));
    let said = below.filter_map(name).map(|name| telling(&name)).find(|said| !said.is_empty());
    said.unwrap_or_else(|| file.to_string_lossy().into_owned())
}

/// The subject of a name as BIDS has it: `sub-` and letters and digits up to the next part.
fn bids(name: &str) -> Option<String> {
    let label = name.strip_prefix("sub-")?.split(['_', '.']).next()?;
    let sound = !label.is_empty() && label.chars().all(char::is_alphanumeric);
    sound.then(|| format!("sub-{label}"))
}

/// The words of a name that may be somebody's. A number at the end of a word (`scan2`) does not make
/// it one.
fn telling(name: &str) -> String {
    let is_telling = |word: &String| {
        let bare = word.trim_end_matches(|c: char| c.is_ascii_digit());
        let plain = |of: &[&str]| of.contains(&word.as_str()) || of.contains(&bare);
        !(plain(&MASK_WORDS) || plain(&IMAGE_WORDS) || plain(&TIME_WORDS))
    };
    words(name).into_iter().filter(is_telling).collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_patients_scans_have_one_name_under_any_root() {
        let of = |file: &str, root: &str| super::of(Path::new(file), Some(Path::new(root)));
        for (file, name) in [
            ("/e/sub-01/ses-2/anat/sub-01_ses-2_ct.nii.gz", "sub-01"),
            ("/e/sub-01/ct.nii.gz", "sub-01"),
            ("/e/imagesTr/lung_003_0000.nii.gz", "lung_003"),
            ("/e/imagesTr/lesion_003_0000.nii.gz", "003"),
            ("/e/MRN-778_CT.nii", "mrn_778"),
            ("/e/DOE^JOHN/ct.nii", "doe_john"),
            ("/e/p1/images/scan2.nii.gz", "p1"),
            ("/e/p1/baseline/ct.nii", "p1"),
            ("/e/p1_t0.nii", "p1"),
            ("/e/p1_followup.nii", "p1"),
        ] {
            assert_eq!(of(file, "/e"), name, "{file}");
            assert_eq!(of(file, "/"), name, "{file} from above");
        }
    }

    #[test]
    fn the_roots_name_is_nobodys() {
        let root = Path::new("/export");
        assert_eq!(of(Path::new("/export/ct.nii"), Some(root)), "/export/ct.nii");
        assert_eq!(of(Path::new("/p1/ct.nii"), None), "p1");
        assert_eq!(of(Path::new("/ct.nii"), None), "/ct.nii");
    }

    #[test]
    fn what_is_not_of_bids_is_no_subject_of_it() {
        for name in ["sub-", "sub-_x", "subject-1", "sub-a-b"] {
            assert_eq!(bids(name), None, "{name}");
        }
    }
}
