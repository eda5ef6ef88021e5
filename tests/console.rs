//! What commands do when their standard output or error is closed, full or a terminal of somebody else.
#![cfg(target_os = "linux")]

mod common;
#[path = "common/dicom.rs"]
mod dicom;

use std::fs::File;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::{abscope, files, fixture};
use dicom_core::VR;
use dicom_dictionary_std::tags;
use tempfile::TempDir;

const MODEL: &str = "models/demo-simulated-infiltration.toml";

/// A small image with its mask, a manifest and settings.
fn case() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["image", "mask"] {
        let from = fixture(&format!("ibsi/ibsi_1_digital_phantom/{name}.nii.gz"));
        std::fs::copy(from, folder.path().join(format!("{name}.nii.gz"))).expect("copied");
    }
    let put = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("written");
    };
    put(
        "manifest.csv",
        "patient,image,mask\nP,image.nii.gz,mask.nii.gz\nQ,absent.nii,mask.nii.gz\n",
    );
    put("settings.toml", "[features]\nfamilies = [\"statistics\"]\n");
    folder
}

/// Every command that says something, with what it needs.
fn commands(folder: &Path) -> Vec<Vec<String>> {
    let at = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let settings = || vec!["--settings".to_owned(), at("settings.toml")];
    let mut all: Vec<Vec<String>> = [
        "--help",
        "--version",
        "batch --help",
        "help extract",
        "settings show",
        "settings show --json",
        &format!("settings check {}", at("settings.toml")),
        "features list",
        "features list --json",
        "features explain cm_joint_max",
        "features docs",
        "features docs --filters",
        &format!("model show {MODEL}"),
        &format!("model show {MODEL} --json"),
        &format!("model show {MODEL} --settings"),
        &format!("model check {MODEL}"),
        "selftest",
        "selftest --json",
        &format!("inspect {}", at("")),
        &format!("inspect {} --json", at("")),
    ]
    .map(words)
    .to_vec();
    all.push([words(&format!("batch {} --dry-run", at("manifest.csv"))), settings()].concat());
    all
}

fn run(command: &[String], out: Stdio, err: Stdio) -> Output {
    abscope().args(command).stdout(out).stderr(err).output().expect("starts")
}

fn full() -> Stdio {
    Stdio::from(File::options().write(true).open("/dev/full").expect("a device"))
}

#[test]
fn a_full_output_is_an_error_and_never_a_panic() {
    let folder = case();
    for command in commands(folder.path()) {
        let output = run(&command, full(), Stdio::piped());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{command:?}: {said}");
        assert!(said.contains("error: ") && said.contains("No space left"), "{command:?}: {said}");
        assert!(!said.contains("panicked"), "{command:?}: {said}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_a_command_quietly() {
    let folder = case();
    for command in commands(folder.path()) {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = run(&command, Stdio::from(writer), Stdio::piped());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(141), "{command:?}: {said}");
        assert!(!said.contains("error") && !said.contains("panicked"), "{command:?}: {said}");
    }
}

/// The tables of a run that tells nothing to anybody.
fn tables(folder: &Path, output: &str) -> Vec<Vec<u8>> {
    let names = ["features.csv", "failures.csv", "warnings.csv", "cases.csv"];
    names.map(|name| std::fs::read(folder.join(output).join(name)).expect("there")).into()
}

#[test]
fn what_cannot_be_told_does_not_stop_the_work() {
    let folder = case();
    let closed = || {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        Stdio::from(writer)
    };
    let batch = |output: &str, format: &str| -> Vec<String> {
        let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        ["batch", &at("manifest.csv"), "-o", &at(output), "--log-format", format]
            .map(str::to_owned)
            .into_iter()
            .chain(["--settings".to_owned(), at("settings.toml")])
            .collect()
    };
    let told = run(&batch("told", "text"), Stdio::null(), Stdio::piped());
    assert_eq!(told.status.code(), Some(1), "{}", String::from_utf8_lossy(&told.stderr));
    let expected = tables(folder.path(), "told");
    for (at, format) in ["text", "json"].into_iter().enumerate() {
        for (kind, stderr) in [("full", full()), ("closed", closed())] {
            let output = format!("{kind}{at}");
            let silent = run(&batch(&output, format), Stdio::null(), stderr);
            assert_eq!(silent.status.code(), Some(1), "{kind} {format}");
            assert_eq!(tables(folder.path(), &output), expected, "{kind} {format}");
        }
    }
    // Neither of the two is there at all.
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let status = Command::new("sh")
        .args(["-c", "exec \"$@\" >&- 2>&- <&-", "sh", env!("CARGO_BIN_EXE_abscope")])
        .args(batch("nothing", "text"))
        .env("ABSCOPE_KEY_FILE", at("key"))
        .status()
        .expect("starts");
    assert_eq!(status.code(), Some(1));
    assert_eq!(tables(folder.path(), "nothing"), expected);
}

#[test]
fn files_are_written_whoever_listens() {
    let folder = case();
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let filter = "[[filter]]\nname = \"m\"\nkind = \"mean\"\nsupport_voxels = 3\n";
    std::fs::write(at("filters.toml"), filter).expect("written");
    let (image, mask, settings) = (at("image.nii.gz"), at("mask.nii.gz"), at("settings.toml"));
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let prepared = [
        format!("report {image} {mask} --model {MODEL} --patient P -o {}", at("first")),
        format!("batch {} -o {} --settings {settings}", at("manifest.csv"), at("batch")),
    ];
    for command in prepared {
        run(&words(&command), Stdio::null(), Stdio::null());
    }
    let write = |output: &str| {
        [
            format!("extract {image} {mask} --settings {settings} --patient P -o {output}.csv"),
            format!("filter {image} --settings {} -o {output}-maps", at("filters.toml")),
            format!("report {image} {mask} --model {MODEL} --patient P -o {output}-report"),
            format!("score {} --model {MODEL} -o {output}-scores.csv", at("first/features.csv")),
            format!("merge {} -o {output}-merged", at("batch")),
        ]
        .map(|command| words(&command))
    };
    let results = |folder: &str| {
        let mut all = files(Path::new(&at(folder)));
        // When the report was made.
        all.retain(|path, _| path.extension().is_none_or(|kind| kind != "html" && kind != "json"));
        (all, files(Path::new(&at(folder))).into_keys().collect::<Vec<_>>())
    };
    let mut told: Option<_> = None;
    for listener in ["told", "full", "closed"] {
        let mut statuses = Vec::new();
        std::fs::create_dir(at(listener)).expect("made");
        for command in write(&at(&format!("{listener}/out"))) {
            let listens = match listener {
                "told" => Stdio::null(),
                "full" => full(),
                _ => {
                    let (reader, writer) = std::io::pipe().expect("a pipe");
                    drop(reader);
                    Stdio::from(writer)
                }
            };
            let output = run(&command, Stdio::null(), listens);
            statuses.push(output.status.code());
            assert!(matches!(output.status.code(), Some(0 | 1)), "{listener}: {command:?}");
        }
        let (bytes, names) = results(listener);
        assert!(names.len() > 8, "{names:?}");
        let found = (names, bytes, statuses);
        let expected = told.get_or_insert_with(|| found.clone());
        assert_eq!(expected, &found, "{listener}");
    }
}

#[test]
fn control_characters_of_a_file_do_not_reach_the_console() {
    const EVIL: &str = "GTV\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}";
    let folder = tempfile::tempdir().expect("a folder");
    let mut objects = dicom::stack(6);
    for object in &mut objects {
        dicom::put(object, tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
        dicom::put(object, tags::SERIES_DESCRIPTION, VR::LO, EVIL);
    }
    let mut set = dicom::structure_set(vec![dicom::square(2)], &[0, 1, 2, 3, 4, 5]);
    dicom::put(&mut set, tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
    let roi = dicom::item([
        dicom::text(tags::ROI_NUMBER, VR::IS, "1"),
        dicom::text(tags::ROI_NAME, VR::LO, EVIL),
        dicom::text(tags::REFERENCED_FRAME_OF_REFERENCE_UID, VR::UI, "1.2.3.3"),
    ]);
    set.put(dicom::sequence(tags::STRUCTURE_SET_ROI_SEQUENCE, vec![roi]));
    objects.push(set);
    for (at, object) in objects.iter().enumerate() {
        dicom::write(&folder.path().join(format!("{at}\u{1b}[31m")), object, dicom::EXPLICIT);
    }
    std::fs::write(
        folder.path().join("broken\u{1b}[2J.dcm"),
        [&[0; 128][..], b"DICM", b"\x08"].concat(),
    )
    .expect("written");
    let at = folder.path().to_string_lossy().into_owned();
    let table = folder.path().join("table.csv").to_string_lossy().into_owned();
    for command in [
        vec!["inspect", at.as_str()],
        vec!["extract", &at, &at, "-o", &table],
        vec!["extract", &at, &at, "-o", &table, "--roi", "nothing"],
        vec!["batch", &at, "--dry-run"],
    ] {
        let output = abscope().args(&command).output().expect("starts");
        let said = [&output.stderr[..], if command[0] == "inspect" { &output.stdout } else { b"" }];
        let said = String::from_utf8(said.concat()).expect("text");
        let control = |c: char| (c.is_control() && c != '\n' && c != '\t') || c == '\u{202e}';
        assert!(!said.contains(control), "{command:?}: {said:?}");
        let names = command.len() == 2 || command.contains(&"--roi");
        assert!(!names || said.contains('\u{FFFD}'), "{command:?} names nothing of it: {said:?}");
    }
}
