//! No name, id, date of birth, accession number, path or UID leaves by default.
//!
//! Oracle: the input. Everything in it that could lead to a person is distinctive, and all bytes that
//! every command writes are searched for it: as they are, in base64, inside archives, Parquet and the
//! texts of pictures.

mod common;
#[path = "common/dicom.rs"]
mod dicom;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Output;

use abscope::plan::Plan;
use abscope::settings::Settings;
use abscope::table::Table;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Nifti, abscope};
use dicom::{EXPLICIT, put, square, stack, structure_set, under};
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use dicom_object::InMemDicomObject;
use tempfile::TempDir;

/// In every element of text, but for what is shown on purpose.
const TEXT: &str = "ZQXTEXT";
/// In descriptions and labels, which `inspect` alone shows, and only to who runs it.
const LABEL: &str = "ZQXLABEL";
/// In the names of all files and folders.
const PATH: &str = "ZQXPATH";
/// All UIDs begin with it.
const ROOT: &str = "1.2.826.0.1.73542.";
/// All dates are of this day.
const DAY: &str = "19110203";
/// The name of the region, which is shown: it is the lesion's.
const ROI: &str = "GTV";

const FILTER: &str = "
[[filter]]
name = \"mean\"
kind = \"mean\"
support_voxels = 3
";

/// Few features, of the image and a map.
fn settings() -> String {
    [common::STATISTICS, FILTER].concat()
}

/// A text in every element of text that DICOM knows of these groups and that is not there yet.
fn identified(object: &InMemDicomObject, number: usize) -> InMemDicomObject {
    let mut o = under(ROOT, object);
    put(&mut o, tags::PATIENT_ID, VR::LO, format!("{TEXT}-ID"));
    put(&mut o, tags::PATIENT_NAME, VR::PN, format!("{TEXT}^NAME"));
    for tag in [
        tags::SERIES_DESCRIPTION,
        tags::STUDY_DESCRIPTION,
        tags::STRUCTURE_SET_LABEL,
        tags::STRUCTURE_SET_NAME,
        tags::CONTENT_LABEL,
        tags::CONTENT_DESCRIPTION,
        tags::CONTRAST_BOLUS_AGENT,
    ] {
        put(&mut o, tag, VR::LO, LABEL);
    }
    let mut filled = 0;
    for group in [0x0008, 0x0010, 0x0012, 0x0018, 0x0020, 0x0032, 0x0038, 0x0040, 0x3006, 0x4008] {
        for element in 0x0010..=0xFFFF {
            let tag = Tag(group, element);
            let Some(entry) = StandardDataDictionary.by_tag(tag) else { continue };
            let vr = entry.vr().exact();
            if o.get(tag).is_some() {
                continue;
            }
            let value = match vr {
                Some(VR::PN) => format!("{TEXT}^{filled}"),
                Some(VR::LO | VR::SH | VR::ST | VR::LT | VR::UT | VR::UC | VR::UR) => {
                    format!("{TEXT} {filled}")
                }
                Some(VR::AE) => TEXT.to_owned(),
                Some(VR::CS) => format!("{TEXT} {}", filled % 999),
                Some(VR::DA) => DAY.to_owned(),
                Some(VR::DT) => format!("{DAY}120000"),
                Some(VR::UI) => format!("{ROOT}{number}.{filled}"),
                _ => continue,
            };
            put(&mut o, tag, vr.expect("matched"), value);
            filled += 1;
        }
    }
    assert!(filled > 300, "only {filled} elements");
    o
}

/// A folder of examinations, each of which is a case of another kind.
struct Export {
    folder: TempDir,
}

impl Export {
    /// Each in a folder of its own: a sound one; one with two structure sets of which one is approved, and
    /// one where nothing tells which is meant; one with a slice that is cut off; one whose structure set is
    /// of another series; one that has a slice less than is listed; and a NIfTI image with its mask.
    fn new() -> Self {
        let export = Self { folder: tempfile::tempdir().expect("a folder") };
        let all: Vec<usize> = (0..6).collect();
        for (at, kind) in ["sound", "two", "cut", "other", "less", "same"].into_iter().enumerate() {
            let folder = export.path(&format!("{PATH}^{kind}"));
            std::fs::create_dir_all(&folder).expect("made");
            let root = format!("1.2.3.{at}.");
            let save = |name: String, object: &InMemDicomObject, number: usize| {
                let mut object = identified(&under(&root, object), number);
                put(&mut object, tags::PATIENT_ID, VR::LO, format!("{TEXT}-ID-{at}"));
                dicom::write(&folder.join(format!("{PATH}-{name}.dcm")), &object, EXPLICIT);
            };
            for (n, slice) in stack(6).iter().enumerate() {
                if kind != "less" || n != 5 {
                    save(n.to_string(), slice, n);
                }
            }
            let squares = || (1..5).map(square).collect();
            let set = structure_set(squares(), &all);
            match kind {
                "other" => save("set".into(), &under("1.2.99.", &set), 7),
                _ => save("set".into(), &set, 7),
            }
            if kind == "two" || kind == "same" {
                let mut second = structure_set(squares(), &all);
                put(&mut second, tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.8.2");
                let later = if kind == "two" { "APPROVED" } else { "UNAPPROVED" };
                put(&mut second, tags::APPROVAL_STATUS, VR::CS, later);
                save("second".into(), &second, 8);
            }
            if kind == "cut" {
                let path = folder.join(format!("{PATH}-5.dcm"));
                let bytes = std::fs::read(&path).expect("there");
                std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("written");
            }
        }
        export.nifti();
        export
    }

    /// An image whose header has texts, and a mask.
    fn nifti(&self) {
        let folder = self.path(&format!("{PATH}^nifti"));
        std::fs::create_dir_all(&folder).expect("made");
        let image = |i: usize| (i % 97) as f64 - 40.0;
        let mask = |i: usize| f64::from(u8::from(i % 12 > 3 && i / 144 > 3));
        let axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        let files: [(&str, &dyn Fn(usize) -> f64); 2] = [("ct", &image), ("mask", &mask)];
        for (name, value) in files {
            let voxels = (0..12 * 12 * 12).map(value).collect();
            let mut bytes = Nifti::new([12; 3], [1.0; 3], axes, [0.0; 3], voxels).bytes();
            for (at, text) in [(14, TEXT), (148, TEXT), (228, TEXT), (328, TEXT)] {
                bytes[at..at + text.len()].copy_from_slice(text.as_bytes());
            }
            std::fs::write(folder.join(format!("{PATH}-{name}.nii")), bytes).expect("written");
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("export").join(name)
    }

    fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// What must not be found, with its name.
fn secrets() -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for secret in [TEXT, LABEL, PATH, ROOT, DAY] {
        all.push((secret.to_owned(), secret.as_bytes().to_vec()));
        all.push((format!("{secret} in lower case"), secret.to_lowercase().into_bytes()));
        // In base64 a text looks different at each of three places; its first and last characters
        // depend on what stands beside it.
        for before in 0..3 {
            let text = [&b"\0\0"[..before], secret.as_bytes()].concat();
            let code = STANDARD.encode(&text);
            let inside = code.as_bytes()[(before * 8).div_ceil(6)..text.len() * 8 / 6].to_vec();
            all.push((format!("{secret} in base64"), inside));
        }
    }
    all
}

fn search(what: &str, bytes: &[u8], secrets: &[(String, Vec<u8>)]) {
    for (name, secret) in secrets {
        let found = bytes.windows(secret.len()).position(|window| window == secret);
        if let Some(at) = found {
            let around = &bytes[at.saturating_sub(120)..(at + 60).min(bytes.len())];
            panic!("{what} holds {name}: {}", String::from_utf8_lossy(around));
        }
    }
}

/// Searches all that a folder holds, its own names included.
fn search_below(folder: &Path, secrets: &[(String, Vec<u8>)]) -> usize {
    let mut files = 0;
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry.expect("readable");
        let path = entry.path();
        let name = path.strip_prefix(folder).expect("below").to_string_lossy().into_owned();
        search("the name of a file", name.as_bytes(), secrets);
        if !entry.file_type().is_file() {
            continue;
        }
        files += 1;
        let bytes = std::fs::read(path).expect("readable");
        search(&name, &bytes, secrets);
        if bytes.starts_with(&[0x1F, 0x8B]) {
            let mut plain = Vec::new();
            flate2::read::MultiGzDecoder::new(bytes.as_slice())
                .read_to_end(&mut plain)
                .expect("gzip");
            search(&format!("{name}, unpacked"), &plain, secrets);
        }
        if name.ends_with(".parquet") {
            match Table::read(path) {
                Ok(table) => {
                    let read = format!("{:?}", table.entries);
                    search(&format!("{name}, read"), read.as_bytes(), secrets);
                }
                // Which shard has the sound cases depends on the key.
                Err(e) => {
                    assert!(e.to_string().contains("has a header and no rows"), "{name}: {e}")
                }
            }
        }
        for picture in pictures(&bytes) {
            let text = |kind: &[u8]| picture.windows(4).any(|window| window == kind);
            let texts = [&b"tEXt"[..], b"zTXt", b"iTXt", b"eXIf"];
            assert!(!texts.into_iter().any(text), "{name} has a picture with texts");
        }
    }
    files
}

/// The pictures of a page.
fn pictures(page: &[u8]) -> Vec<Vec<u8>> {
    let page = String::from_utf8_lossy(page);
    let parts = page.split("data:image/png;base64,").skip(1);
    parts
        .map(|rest| {
            let end = rest.find(['"', '\'', ')']).expect("an end");
            STANDARD.decode(&rest[..end]).expect("base64")
        })
        .collect()
}

struct Runs<'a> {
    export: &'a Export,
    out: PathBuf,
}

impl Runs<'_> {
    /// Runs a command; its words may not have what only paths have a right to.
    fn run(&self, arguments: &[&str], status: &[i32]) -> Output {
        let output = abscope()
            .current_dir(self.export.folder.path())
            .args(arguments)
            .output()
            .expect("starts");
        let said = [&output.stdout[..], &output.stderr].concat();
        let text = String::from_utf8_lossy(&said);
        let code = output.status.code().expect("a status");
        assert!(status.contains(&code), "{arguments:?}: {code}: {text}");
        let of_files = |(name, _): &(String, Vec<u8>)| {
            let shown = name.starts_with(PATH) || name.starts_with(ROOT);
            // What `inspect` shows to who runs it, and a choice between two structure sets.
            let label = name.starts_with(LABEL);
            !shown && !label
        };
        let secrets: Vec<_> = secrets().into_iter().filter(of_files).collect();
        search(&format!("what {arguments:?} said"), &said, &secrets);
        output
    }

    fn out(&self, name: &str) -> String {
        self.out.join(name).to_string_lossy().into_owned()
    }
}

#[test]
fn nothing_that_leads_to_a_person_is_written_by_any_command() {
    let export = Export::new();
    let out = export.place("out");
    std::fs::create_dir_all(&out).expect("made");
    std::fs::write(export.place("settings.toml"), settings()).expect("written");
    let plan = Plan::resolve(&Settings::parse(&settings()).expect("settings")).expect("a plan");
    let model = common::signature::one_feature_model(&plan);
    std::fs::write(export.place("model.toml"), model).expect("written");
    let runs = Runs { export: &export, out };
    let (settings, model) = (["--settings", "settings.toml"], ["--model", "model.toml"]);

    let folder = |kind: &str| format!("export/{PATH}^{kind}");
    let nifti = |name: &str| format!("export/{PATH}^nifti/{PATH}-{name}.nii");
    let pairs = [
        ("dicom", folder("sound"), folder("sound")),
        ("choice", folder("two"), folder("two")),
        ("nifti", nifti("ct"), nifti("mask")),
    ];
    for (name, image, mask) in &pairs {
        for format in ["csv", "json"] {
            let table = runs.out(&format!("{name}.{format}"));
            let details = runs.out(&format!("{name}-{format}-details.json"));
            let command = ["extract", image, mask, "-o", &table, "--diagnostics", &details];
            runs.run(&[&command[..], &settings].concat(), &[0]);
            for ending in ["csv", "jsonl", "parquet"] {
                let scores = runs.out(&format!("{name}-{format}-scores.{ending}"));
                runs.run(&["score", &table, "-m", "model.toml", "-o", &scores], &[0]);
            }
        }
        let report = runs.out(&format!("{name}-report"));
        let command = ["report", image, mask, "-o", &report, "--perturbations", "10"];
        runs.run(&[&command[..], &model].concat(), &[0]);
        let maps = runs.out(&format!("{name}-maps"));
        runs.run(&[&["filter", image, "-o", &maps][..], &settings].concat(), &[0]);
    }
    for kind in ["cut", "other", "less", "same"] {
        let table = runs.out(&format!("{kind}.csv"));
        let image = folder(kind);
        runs.run(&[&["extract", &image, &image, "-o", &table][..], &settings].concat(), &[2]);
    }
    runs.run(&["inspect", "export"], &[0, 1]);
    runs.run(&["inspect", "export", "--json"], &[0, 1]);

    for (format, more) in [("csv", &model[..]), ("jsonl", &[]), ("parquet", &model[..])] {
        let whole = runs.out(&format!("batch-{format}"));
        let command = ["batch", "export", "-o", &whole, "--format", format, "--log-format", "json"];
        let output = runs.run(&[&command[..], &settings, more].concat(), &[1]);
        // A log is a file as well, wherever it goes: its objects have what files may have, and only the
        // lines on what is no case name files.
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        let objects: Vec<&str> = log.lines().filter(|line| line.starts_with('{')).collect();
        assert!(objects.len() > 4, "{log}");
        search("the log", objects.join("\n").as_bytes(), &secrets());
        let mut shards = Vec::new();
        for shard in ["1/2", "2/2"] {
            let part = runs.out(&format!("batch-{format}-{}", &shard[..1]));
            let command = ["batch", "export", "-o", &part, "--format", format, "--shard", shard];
            runs.run(&[&command[..], &settings, more].concat(), &[0, 1]);
            shards.push(part);
        }
        let merged = runs.out(&format!("merged-{format}"));
        runs.run(&["merge", &shards[0], &shards[1], "-o", &merged], &[0, 1]);
    }
    runs.run(&[&["batch", "export", "--dry-run"][..], &settings].concat(), &[1]);

    let searched = search_below(&runs.out, &secrets());
    assert!(searched > 80, "only {searched} files");
    let failures = std::fs::read_to_string(runs.out("batch-csv/failures.csv")).expect("there");
    // The case whose structure set leads nowhere is none; it is told as left out.
    assert_eq!(failures.lines().count() - 1, 3, "{failures}");
    let features = std::fs::read_to_string(runs.out("batch-csv/features.csv")).expect("there");
    assert!(features.contains(ROI), "the names of regions are shown: {features}");
}

#[test]
fn identified_output_has_the_ids_and_names_of_files() {
    let export = Export::new();
    std::fs::write(export.place("settings.toml"), settings()).expect("written");
    let runs = Runs { export: &export, out: export.place("out") };
    std::fs::create_dir_all(&runs.out).expect("made");
    let image = format!("export/{PATH}^nifti/{PATH}-ct.nii");
    let mask = image.replace("-ct", "-mask");
    for (image, mask, expected) in [
        (format!("export/{PATH}^sound"), format!("export/{PATH}^sound"), [TEXT, ROOT].as_slice()),
        (image, mask, &["zqxpath", PATH]),
    ] {
        let table = runs.out("table.json");
        let command =
            ["extract", &image, &mask, "-o", &table, "--settings", "settings.toml", "--identify"];
        let output =
            abscope().current_dir(export.folder.path()).args(command).output().expect("starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = std::fs::read_to_string(&table).expect("there");
        for part in expected {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

#[test]
fn a_search_finds_a_secret_in_every_disguise() {
    let secrets = secrets();
    for before in ["", "a", "ab", "abc"] {
        let text = format!("{before}{TEXT} and more");
        let code = STANDARD.encode(&text);
        let found = std::panic::catch_unwind(|| search("a test", code.as_bytes(), &secrets));
        assert!(found.is_err(), "{code}");
    }
    search("a test", b"nothing of the kind", &secrets);
}
