//! `abscope filter` writes response maps that equal the library's.

mod common;

use abscope::filters::{FilterSettings, respond};
use abscope::geometry::IndexBox;
use abscope::ingest::nifti::read_image;
use assert_cmd::prelude::*;
use common::{abscope, fixture};
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
