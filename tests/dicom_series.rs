//! CT series as scanners, archives and damaged copies have them.
//!
//! Oracles: the NIfTI of the IBSI CT phantom, made by the initiative from the same DICOM; and stored
//! values of made-up series, whose HU follow from PS3.3, C.11.1.1.2 by hand.

use std::path::{Path, PathBuf};

use abscope::ingest::dicom::series::{self, CtSeries, SlicePolicy};
use abscope::ingest::dicom::source::Source;
use abscope::ingest::nifti;

const PHANTOM: &str = "fixtures/ibsi/ct_radiomics_phantom";

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut files: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).collect();
    files.sort();
    files
}

fn sources(files: &[PathBuf]) -> Vec<Source> {
    files.iter().map(Source::file).collect()
}

fn phantom_slices() -> Vec<PathBuf> {
    let mut files = files(&Path::new(PHANTOM).join("dicom"));
    files.retain(|f| f.to_string_lossy().contains("DCM_IMG"));
    files
}

fn read(files: &[PathBuf]) -> CtSeries {
    series::read(&sources(files), SlicePolicy::Refuse).expect("a sound series")
}

#[test]
fn the_phantom_as_dicom_has_the_voxels_of_its_nifti() {
    let files = phantom_slices();
    assert_eq!(files.len(), 60);
    let ct = read(&files);
    let nifti = nifti::read_image(&Path::new(PHANTOM).join("image.nii.gz")).expect("reads");
    assert_eq!(ct.volume.geometry(), nifti.volume.geometry());
    let differing = |a: &[i16], b: &[i16]| a.iter().zip(b).filter(|(a, b)| a != b).count();
    let (a, b) = (ct.volume.voxels().whole(), nifti.volume.voxels().whole());
    assert_eq!(a.expect("whole HU").len(), 201 * 204 * 60);
    assert_eq!(differing(a.expect("whole HU"), b.expect("whole HU")), 0);
    assert_eq!(ct.acquisition.kvp, None, "KVP is there and empty");
    assert_eq!(ct.acquisition.slice_thickness, Some(3.0));
    assert_eq!(ct.warnings, Vec::<String>::new());
    assert_eq!(ct.instances.len(), 60);
}

#[test]
fn the_order_of_files_changes_nothing() {
    let mut files = phantom_slices();
    let ct = read(&files);
    files.reverse();
    files.swap(3, 40);
    assert!(read(&files).volume == ct.volume);
}
