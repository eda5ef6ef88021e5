//! `abscope filter` writes response maps that equal the library's.

mod common;
#[path = "common/dicom.rs"]
mod dicom;

use abscope::filters::{FilterSettings, respond};
use abscope::geometry::IndexBox;
use abscope::ingest::nifti::read_image;
use assert_cmd::prelude::*;
use common::{abscope, fixture};
use dicom_core::VR;
use dicom_dictionary_std::tags::{SOP_CLASS_UID, SOP_INSTANCE_UID};
use dicom_dictionary_std::uids::MEDIA_STORAGE_DIRECTORY_STORAGE;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;

const FILTERS: &str = "
[resampling]
spacing_mm = 'none'

[[filter]]
name = 'log-5mm'
kind = 'log'
sigma_mm = 5.0

[[filter]]
name = 'haar'
kind = 'wavelet'
wavelet = 'haar'
dimension = '2d'
";

#[test]
fn dicom_is_filtered_as_nifti_is_and_a_dicomdir_stands_for_its_folder() {
    let folder = tempfile::tempdir().expect("folder");
    let settings = folder.path().join("settings.toml");
    let mean = "[[filter]]\nname = 'mean'\nkind = 'mean'\ndimension = '3d'\nsupport_voxels = 3\n";
    std::fs::write(&settings, format!("[resampling]\nspacing_mm = 'none'\n{mean}"))
        .expect("writes");
    let disc = folder.path().join("disc");
    std::fs::create_dir(&disc).expect("made");
    for slice in std::fs::read_dir(fixture("dicom/rtstruct/ct")).expect("a folder") {
        let slice = slice.expect("an entry");
        std::fs::copy(slice.path(), disc.join(slice.file_name())).expect("copied");
    }
    // A file of the class of a directory is enough of one.
    let dicomdir = disc.join("DICOMDIR");
    let mut directory = dicom_object::InMemDicomObject::new_empty();
    dicom::put(&mut directory, SOP_CLASS_UID, VR::UI, MEDIA_STORAGE_DIRECTORY_STORAGE);
    dicom::put(&mut directory, SOP_INSTANCE_UID, VR::UI, "1.2.3");
    dicom::write(&dicomdir, &directory, dicom::EXPLICIT);
    let maps = |image: &std::path::Path, name: &str| {
        let output = folder.path().join(name);
        let mut command = abscope();
        command.arg("filter").arg(image).arg("--settings").arg(&settings).arg("-o").arg(&output);
        command.assert().success();
        read_image(&output.join("mean.nii.gz")).expect("a map").volume
    };
    let (whole, listed) = (maps(&disc, "folder"), maps(&dicomdir, "directory"));
    assert_eq!(whole.geometry().size, [40, 32, 4]);
    assert_eq!(whole.voxels().whole().err(), listed.voxels().whole().err());
}

#[test]
fn each_map_is_a_file_on_the_images_grid() {
    let folder = tempfile::tempdir().expect("folder");
    let settings = folder.path().join("settings.toml");
    std::fs::write(&settings, FILTERS).expect("writes");
    let image = fixture("ibsi/ibsi_2_digital_phantoms/orientation.nii.gz");
    let maps = folder.path().join("maps");
    let run = || {
        let mut command = abscope();
        command.arg("filter").arg(&image).arg("--settings").arg(&settings).arg("-o").arg(&maps);
        command
    };
    run().assert().success().stdout("");
    let mut names: Vec<String> = std::fs::read_dir(&maps)
        .expect("folder")
        .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let expected = [
        ".abscope.json",
        "haar-HH.nii.gz",
        "haar-HL.nii.gz",
        "haar-LH.nii.gz",
        "haar-LL.nii.gz",
        "log-5mm.nii.gz",
    ];
    assert_eq!(names, expected);

    let volume = read_image(&image).expect("reads").volume;
    let whole = IndexBox::whole(volume.geometry().size);
    let log: FilterSettings =
        toml::from_str("name = 'log-5mm'\nkind = 'log'\nsigma_mm = 5.0").expect("valid");
    let expected = respond(&log, volume.crop(&whole).view(), volume.geometry().spacing)
        .expect("runs")
        .remove(0)
        .1;
    let written = read_image(&maps.join("log-5mm.nii.gz")).expect("reads").volume;
    assert_eq!(written.geometry(), volume.geometry());
    assert_eq!(written.crop(&whole), expected);

    run().assert().code(2).stderr(contains("is there already"));
}

#[test]
fn settings_without_a_filter_are_refused_with_an_example() {
    let folder = tempfile::tempdir().expect("folder");
    let settings = folder.path().join("settings.toml");
    std::fs::write(&settings, "").expect("writes");
    abscope()
        .args(["filter", "image.nii", "-o", "maps", "--settings"])
        .arg(&settings)
        .assert()
        .code(2)
        .stderr(contains("has no filter").and(contains("[[filter]]\nname = \"log-3mm\"")));
}
