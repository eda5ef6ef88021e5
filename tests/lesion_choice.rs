//! Which regions of a structure set are lesions where nobody names them, and which are taken where
//! somebody does.
//!
//! Oracle: the names and types that the test itself writes into the structure set of
//! fixtures/dicom/make.py, whose ROIs 1, 2, 5, 7 and 9 lie on the CT beside it.

mod common;
#[path = "common/dicom.rs"]
mod dicom;

use std::path::{Path, PathBuf};

use abscope::error::Remedy;
use abscope::ingest::{Case, LoadOptions, load};
use dicom::text;
use dicom_core::VR;
use dicom_dictionary_std::tags;

fn made(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/dicom").join(name)
}

/// The structure set with these names and types by ROI number, in a folder.
fn renamed(folder: &Path, rois: &[(&str, &str, &str)]) -> PathBuf {
    let mut file = dicom_object::open_file(made("rtstruct/set")).expect("reads");
    let mut named = file.take(tags::STRUCTURE_SET_ROI_SEQUENCE).expect("ROIs");
    let mut observed = Vec::new();
    for item in named.items_mut().expect("items") {
        let number = item.element(tags::ROI_NUMBER).expect("a number").to_str().expect("text");
        let number = number.trim().to_owned();
        let Some((_, name, kind)) = rois.iter().find(|(of, _, _)| *of == number) else { continue };
        item.put(text(tags::ROI_NAME, VR::LO, *name));
        observed.push(dicom::item([
            text(tags::OBSERVATION_NUMBER, VR::IS, number.as_str()),
            text(tags::REFERENCED_ROI_NUMBER, VR::IS, number.as_str()),
            text(tags::RTROI_INTERPRETED_TYPE, VR::CS, *kind),
        ]));
    }
    file.put(named);
    file.put(dicom::sequence(tags::RTROI_OBSERVATIONS_SEQUENCE, observed));
    let path = folder.join("set.dcm");
    file.write_to_file(&path).expect("written");
    path
}

fn read(mask: &Path, options: LoadOptions) -> abscope::Result<Case> {
    load(&made("rtstruct/ct"), mask, &options.patient("P".to_owned()))
}

fn ids(case: &Case) -> Vec<&str> {
    case.lesions.iter().map(|lesion| lesion.id.as_str()).collect()
}

#[test]
fn outlines_organs_margins_and_doses_are_left_out_and_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let set = renamed(
        folder.path(),
        &[
            ("1", "BODY", "EXTERNAL"),
            ("2", "met 2", "ORGAN"),
            ("5", "Lung-Left", "ORGAN"),
            ("7", "PTV_met", ""),
            ("9", "Dose 95[%]", ""),
        ],
    );
    let case = read(&set, common::options()).expect("reads");
    assert_eq!(ids(&case), ["2"]);
    let told = case.warnings.iter().find(|w| w.contains("left out")).expect("a warning");
    for one in ["1 (BODY, EXTERNAL)", "5 (Lung-Left, ORGAN)", "7 (PTV_met)", "9 (Dose 95[%])"] {
        assert!(told.contains(one), "{one}: {told}");
    }
    assert!(!told.contains("met 2"), "{told}");

    let asked = read(&set, common::options().labels(["1"])).expect("reads");
    assert_eq!(ids(&asked), ["1"]);
    let asked = read(&set, common::options().roi(["ptv.*", "body"])).expect("reads");
    assert_eq!(ids(&asked), ["1", "7"]);
    assert!(asked.warnings.iter().all(|w| !w.contains("left out")), "{:?}", asked.warnings);
}

#[test]
fn where_nothing_is_a_lesion_all_are_listed() {
    let folder = tempfile::tempdir().expect("a folder");
    let rois = ["1", "2", "5", "7", "9"].map(|number| (number, "Body", "EXTERNAL"));
    let error = read(&renamed(folder.path(), &rois), common::options()).expect_err("nothing");
    let Some(Remedy::NameLesions { there }) = error.remedy() else { panic!("{error}") };
    assert_eq!(there.len(), 5);
    assert_eq!(there[0], "1 (Body, EXTERNAL)");
}

/// Runs `batch --dry-run` on a manifest with these rows below `header`, and gives exit status, lesions
/// and problems.
fn batch(header: &str, rows: &str, more: &[&str]) -> (Option<i32>, Vec<String>, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let manifest = folder.path().join("manifest.csv");
    std::fs::write(&manifest, format!("{header}\n{rows}")).expect("written");
    let output = common::abscope()
        .args(["batch", "--dry-run"])
        .arg(&manifest)
        .args(more)
        .output()
        .expect("abscope starts");
    let mut table = csv::Reader::from_reader(&output.stdout[..]);
    let header = table.headers().expect("a header").clone();
    let column = |name: &str| header.iter().position(|h| h == name).expect("a column");
    let (lesion, problem) = (column("lesion"), column("problem"));
    let (mut lesions, mut problems) = (Vec::new(), Vec::new());
    for record in table.records() {
        let record = record.expect("a row");
        lesions.push(record[lesion].to_owned());
        problems.push(record[problem].to_owned());
    }
    (output.status.code(), lesions, problems)
}

#[test]
fn a_cohort_is_asked_for_lesions_where_its_rows_name_none() {
    let (ct, set) = (made("rtstruct/ct"), made("rtstruct/set"));
    let row =
        |patient: &str, roi: &str| format!("{patient},{},{},{roi}\n", ct.display(), set.display());
    let rows = row("A", "") + &row("B", "off image");
    let (_, lesions, problems) = batch("patient,image,mask,roi", &rows, &["--roi", "GTV.*"]);
    assert_eq!(lesions, ["1", "2", "7"], "{problems:?}");
    let (_, lesions, problems) = batch("patient,image,mask,roi", &rows, &["--labels", "2,1"]);
    assert_eq!(lesions, ["1", "2", "7"], "{problems:?}");
    let (status, _, problems) = batch("patient,image,mask,roi", &rows, &["--labels", "77"]);
    assert_eq!(status, Some(1));
    assert!(problems[0].contains("no label 77"), "{problems:?}");
}

/// fixtures/dicom/seg holds several CT series, of which each segmentation names its own.
#[test]
fn a_manifests_series_is_the_one_that_is_read() {
    let (ct, seg) = (made("seg"), made("seg/binary"));
    let first = std::fs::read_dir(made("seg/ct")).expect("a folder").next().expect("a slice");
    let slice = dicom_object::open_file(first.expect("an entry").path()).expect("reads");
    let uid = slice.element(tags::SERIES_INSTANCE_UID).expect("a UID").to_str().expect("text");
    let uid = uid.trim_end_matches(['\0', ' ']);
    let row = |uid: &str| format!("A,{},{},{uid}\n", ct.display(), seg.display());
    let (_, lesions, problems) = batch("patient,image,mask,series", &row(uid), &[]);
    assert_eq!(lesions, ["1", "2"], "{problems:?}");
    for (cell, more) in [("1.2.3", vec![]), ("", vec!["--series", "1.2.3"])] {
        let (status, _, problems) = batch("patient,image,mask,series", &row(cell), &more);
        assert_eq!(status, Some(1));
        assert!(problems[0].contains("1.2.3"), "{problems:?}");
    }
}
