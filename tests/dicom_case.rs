//! Cases of DICOM images and lesions.
//!
//! Oracle: the NIfTI image and mask of the IBSI CT phantom, made by the initiative from the same
//! DICOM series and structure set.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use abscope::batch::discover::discover;
use abscope::batch::manifest::Asked;
use abscope::extract::extract;
use abscope::ingest::pseudonyms::Pseudonyms;
use abscope::ingest::{Case, LoadOptions, Scan, load};
use abscope::plan::Plan;
use abscope::settings::Settings;
use abscope::table::write_csv;
use assert_cmd::prelude::*;

const PHANTOM: &str = "fixtures/ibsi/ct_radiomics_phantom";

fn phantom(name: &str) -> PathBuf {
    Path::new(PHANTOM).join(name)
}

fn options() -> LoadOptions {
    common::options().kvp(120.0)
}

fn loaded(image: &str, mask: &str) -> Case {
    load(&phantom(image), &phantom(mask), &options()).expect("loads")
}

fn features(mut case: Case) -> Vec<u8> {
    // NIfTI says nothing of its scan.
    case.scan = Scan::default();
    for lesion in &mut case.lesions {
        // A label has no name; it is a column of its own and no feature.
        lesion.name = None;
    }
    let plan = Plan::resolve(&Settings::default()).expect("the default settings");
    let mut table = Vec::new();
    write_csv(&extract(&case, &plan), &plan, &mut table).expect("written");
    table
}

#[test]
fn the_phantom_as_dicom_has_the_mask_and_the_feature_bytes_of_its_nifti() {
    let dicom = loaded("dicom", "dicom/DCM_RS_00060.dcm");
    let nifti = loaded("image.nii.gz", "mask.nii.gz");
    let (a, b) = (&dicom.lesions[0].mask, &nifti.lesions[0].mask);
    assert_eq!(dicom.lesions.len(), 1);
    assert_eq!(dicom.lesions[0].name.as_deref(), Some("GTV-1"));
    assert_eq!(b.voxel_count(), 125_256);
    assert_eq!(a.bounds(), b.bounds());
    let differing = a.inside().iter().zip(&b.inside()).filter(|(a, b)| a != b).count();
    assert_eq!(differing, 0);
    assert!(features(dicom) == features(nifti), "feature bytes differ");
}

#[test]
fn formats_mix_and_a_folder_serves_as_both() {
    let reference = loaded("image.nii.gz", "mask.nii.gz");
    for (image, mask) in [
        ("dicom", "dicom"),
        ("dicom", "mask.nii.gz"),
        ("image.nii.gz", "dicom"),
        ("image.nii.gz", "dicom/DCM_RS_00060.dcm"),
    ] {
        let case = loaded(image, mask);
        assert!(case.volume == reference.volume, "{image} {mask}");
        assert!(case.lesions[0].mask == reference.lesions[0].mask, "{image} {mask}");
        assert_eq!(case.warnings, Vec::<String>::new(), "{image} {mask}");
    }
}

#[test]
fn lesions_are_chosen_by_name_number_or_pattern_and_sites_by_the_users_table() {
    let take = |roi: &str| {
        let options = options().roi([roi]);
        load(&phantom("dicom"), &phantom("dicom"), &options)
    };
    for roi in ["GTV-1", "gtv-1", "1", "GTV.*"] {
        assert_eq!(take(roi).expect(roi).lesions.len(), 1);
    }
    let problem = take("PTV").expect_err("not there").to_string();
    assert!(problem.contains("\"PTV\"") && problem.contains("1 (GTV-1)"), "{problem}");

    let folder = tempfile::tempdir().expect("a folder");
    let table = folder.path().join("sites.csv");
    let with = |text: &str| {
        std::fs::write(&table, text).expect("written");
        let sites = abscope::ingest::sites::SiteTable::read(&table).expect("a table");
        let options = options().site_table(sites);
        load(&phantom("dicom"), &phantom("dicom"), &options).expect("loads")
    };
    assert_eq!(with("roi,site\nGTV.*,lung\n").lesions[0].site.as_deref(), Some("lung"));
    let case = with("roi,site\nPTV,lung\n");
    assert_eq!(case.lesions[0].site, None);
    assert_eq!(case.warnings, ["no row of the table of sites matches \"GTV-1\""]);
}

/// The program with a key of its own for pseudonyms.
fn abscope(key: &Path) -> Command {
    let mut command = common::abscope();
    command.env("ABSCOPE_KEY_FILE", key);
    command
}

#[test]
fn ids_are_pseudonyms_unless_asked_otherwise() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    let inspect = |more: &[&str]| {
        let output = abscope(&key).arg("inspect").arg(phantom("dicom")).args(more).output();
        let output = output.expect("runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let (first, again) = (inspect(&[]), inspect(&[]));
    assert_eq!(first, again);
    // The phantom's PatientID is 1, its name PAT1.
    assert!(!first.contains("PAT1") && first.contains("patient P-"), "{first}");
    assert!(inspect(&["--identify"]).contains("patient 1\n"));
    assert!(first.contains("204 x 201 x 60 voxels of 0.977 x 0.977 x 3 mm"), "{first}");
    // 125,256 voxels of 0.977 x 0.977 x 3 mm.
    assert!(first.contains("1 GTV-1: 358.681 mL"), "{first}");
    let json: serde_json::Value = serde_json::from_str(&inspect(&["--json"])).expect("JSON");
    let study = &json["patients"][0]["studies"][0];
    assert_eq!(study["series"][0]["files"], 60);
    assert_eq!(study["delineations"][0]["series"], study["series"][0]["uid"]);

    std::fs::write(folder.path().join("other"), format!("{:064x}\n", 1)).expect("written");
    let other = abscope(&folder.path().join("other")).arg("inspect").arg(phantom("dicom")).output();
    let other = String::from_utf8(other.expect("runs").stdout).expect("text");
    assert_ne!(first.lines().next(), other.lines().next());
}

#[test]
fn inspect_shows_what_it_can_and_ends_with_status_1_where_something_cannot_be_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let there = |name: &str| folder.path().join("exam").join(name);
    std::fs::create_dir(folder.path().join("exam")).expect("made");
    for z in 0..4 {
        let slice = format!("fixtures/dicom/seg/ct/{z}");
        std::fs::copy(slice, there(&z.to_string())).expect("copied");
    }
    let mut inspect = abscope(&folder.path().join("key"));
    inspect.arg("inspect").arg(folder.path().join("exam"));
    assert_eq!(inspect.output().expect("runs").status.code(), Some(0));

    let segments = std::fs::read("fixtures/dicom/seg/binary").expect("there");
    // Within the first elements; and within the pixels, behind a header that reads.
    for length in [400, segments.len() - 100] {
        std::fs::write(there("cut"), &segments[..length]).expect("written");
        let output = inspect.output().expect("runs");
        let shown = String::from_utf8(output.stdout).expect("text");
        assert_eq!(output.status.code(), Some(1), "{shown}");
        assert!(shown.contains("40 x 32 x 4 voxels") && shown.contains("cut"), "{shown}");
    }
}

#[test]
fn batch_finds_the_dicom_case_of_a_folder() {
    let asked = Asked { identify: true, ..Asked::default() };
    let found = discover(&phantom("dicom"), &asked, &Pseudonyms::new([0; 32])).expect("readable");
    assert_eq!(found.unmatched, []);
    let [case] = found.manifest.cases.as_slice() else { panic!("one case") };
    assert_eq!(case.patient, "1");
    assert_eq!(case.image_path, phantom("dicom"));
    let case = load(&case.image_path, &case.mask_path, &case.load_options(false)).expect("loads");
    assert_eq!(case.lesions[0].mask.voxel_count(), 125_256);
}

#[test]
fn what_leaves_a_choice_or_holds_nothing_is_an_error_that_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.txt"), "hello").expect("written");
    let problem = load(folder.path(), &phantom("mask.nii.gz"), &options()).expect_err("empty");
    assert!(problem.to_string().contains("holds no CT series"), "{problem}");
    let slices = |n: usize| phantom(&format!("dicom/DCM_IMG_{n:05}.dcm"));
    for n in 0..3 {
        std::fs::copy(slices(n), folder.path().join(n.to_string())).expect("copied");
    }
    let problem = load(folder.path(), folder.path(), &options()).expect_err("no lesions");
    assert!(problem.to_string().contains("no structure set"), "{problem}");
    let rs = phantom("dicom/DCM_RS_00060.dcm");
    std::fs::copy(&rs, folder.path().join("rs1")).expect("copied");
    let options = options().series("1.2.3".to_owned());
    let problem = load(folder.path(), &rs, &options).expect_err("another series");
    let uid = "1.3.6.1.4.1.9590.100.1.2.296658988911737913102339329841519593982";
    assert!(problem.to_string().contains(uid), "{problem}");
}

#[test]
fn the_report_works_on_the_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("report");
    let mut command = abscope(&folder.path().join("key"));
    command.arg("report").arg(phantom("dicom")).arg(phantom("dicom"));
    command.args(["--model", "models/demo-simulated-infiltration.toml", "--perturbations", "0"]);
    command.args(["--kvp", "120", "-o"]).arg(&output).assert().success();
    let page = std::fs::read_to_string(output.join("report.html")).expect("a report");
    assert!(page.contains("GTV-1"), "the lesion has its name");
    for name in ["report.html", "report.json", "features.csv", "scores.csv"] {
        let text = std::fs::read_to_string(output.join(name)).expect(name);
        assert!(!text.contains("PAT1"), "{name} holds the patient's name");
    }
}
