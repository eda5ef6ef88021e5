//! Files that fail, change or vanish while they are read: at ten points of the run each, the case fails and
//! the file is named, or the values and the hash are those of one content; the other cases go on.
//!
//! Oracle: the program over the old and over the new content, undisturbed. What happens is done by a library
//! that is loaded before the C library (`mishap/mishap.c`), so that the program is the one that is shipped.
#![cfg(target_os = "linux")]

#[path = "common/dicom.rs"]
mod dicom;

use std::fs::{File, FileTimes};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use dicom_core::VR;
use dicom_dictionary_std::tags;
use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

const MISHAPS: [&str; 6] = ["fails", "cut", "grows", "over", "replaced", "deleted"];
const POINTS: u64 = 10;
const SETTINGS: &str =
    "[resampling]\nspacing_mm = \"none\"\n[features]\nfamilies = [\"statistics\"]\n";

/// A case of which one file is struck.
struct Case {
    folder: TempDir,
    image: PathBuf,
    mask: PathBuf,
    /// The file, and the end of its path.
    struck: PathBuf,
    name: &'static str,
    old: Vec<u8>,
    new: Vec<u8>,
    library: PathBuf,
}

/// A NIfTI file of voxels of 16 bits and 1 mm, beyond the 64 KiB that are read to see what a file is.
fn nifti(voxel: impl Fn(usize) -> i16) -> Vec<u8> {
    let size = [40_i16, 36, 30];
    let mut bytes = vec![0u8; 352];
    let mut put = |at: usize, new: &[u8]| bytes[at..at + new.len()].copy_from_slice(new);
    put(0, &348_i32.to_le_bytes());
    for (at, length) in [3, size[0], size[1], size[2], 1, 1, 1, 1].into_iter().enumerate() {
        put(40 + 2 * at, &length.to_le_bytes());
    }
    put(70, &4_i16.to_le_bytes());
    put(72, &16_i16.to_le_bytes());
    for at in 0..4 {
        put(76 + 4 * at, &1_f32.to_le_bytes());
    }
    put(108, &352_f32.to_le_bytes());
    put(112, &1_f32.to_le_bytes());
    put(123, &[2]);
    put(254, &1_i16.to_le_bytes());
    for axis in 0..3 {
        put(280 + 20 * axis, &1_f32.to_le_bytes());
    }
    put(344, b"n+1\0");
    bytes.extend((0..40 * 36 * 30).flat_map(|at| voxel(at).to_le_bytes()));
    bytes
}

/// Voxels that do not compress well.
fn noise(seed: usize) -> Vec<u8> {
    nifti(|at| ((at + seed).wrapping_mul(0x9e37_79b9) >> 11 & 0x3ff) as i16)
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut file = GzEncoder::new(Vec::new(), Compression::fast());
    file.write_all(bytes).expect("room");
    file.finish().expect("room")
}

fn zipped(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        let options = zip::write::SimpleFileOptions::default();
        archive.start_file(name.as_str(), options).expect("started");
        archive.write_all(bytes).expect("written");
    }
    archive.finish().expect("finished").into_inner()
}

fn library(folder: &Path) -> PathBuf {
    let library = folder.join("mishap.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mishap/mishap.c");
    let mut command = Command::new("cc");
    command.args(["-shared", "-fPIC", "-O1", "-Wall", "-o"]).arg(&library).arg(source);
    let status = command.args(["-ldl", "-lpthread"]).status().expect("a C compiler, cc");
    assert!(status.success(), "the library is built");
    library
}

impl Case {
    /// The second slice and its other content differ in pixels and intercept, so that a mixture is neither.
    fn new(name: &'static str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("ct")).expect("made");
        let mut files: Vec<(String, Vec<u8>)> = Vec::new();
        for (n, slice) in dicom::stack(4).iter().enumerate() {
            let path = at("ct").join(n.to_string());
            dicom::write(&path, slice, dicom::EXPLICIT);
            files.push((format!("ct/{n}"), std::fs::read(&path).expect("there")));
        }
        let mut other = dicom::stack(4).swap_remove(1);
        dicom::put(&mut other, tags::RESCALE_INTERCEPT, VR::DS, "-1000");
        dicom::pixels(&mut other, 1, |hu| (1500 + hu / 2) as u16);
        dicom::write(&at("other"), &other, dicom::EXPLICIT);
        let other = std::fs::read(at("other")).expect("there");
        let set = dicom::structure_set((0..4).map(dicom::square).collect(), &[0, 1, 2, 3]);
        dicom::write(&at("set"), &set, dicom::EXPLICIT);
        let label = nifti(|at| i16::from((2000..30_000).contains(&at)));
        std::fs::write(at("label.nii"), &label).expect("written");
        std::fs::write(at("settings.toml"), SETTINGS).expect("written");

        let (image, mask, old, new) = match name {
            "image.nii" => ("image.nii", "label.nii", noise(0), noise(7)),
            "image.nii.gz" => ("image.nii.gz", "label.nii", gzipped(&noise(0)), gzipped(&noise(7))),
            "ct/1" => ("ct", "set", files[1].1.clone(), other),
            "exam.zip" => {
                let old = zipped(&files);
                files[1].1 = other;
                ("exam.zip", "set", old, zipped(&files))
            }
            _ => panic!("no case {name}"),
        };
        let library = library(folder.path());
        let (image, mask, struck) = (at(image), at(mask), at(name));
        let case = Self { image, mask, struck, name, old, new, library, folder };
        std::fs::write(case.at("new"), &case.new).expect("written");
        std::fs::write(case.at("sound.nii"), noise(3)).expect("written");
        let manifest = format!(
            "patient,image,mask\nstruck,{},{}\nsound,sound.nii,label.nii\n",
            case.image.display(),
            case.mask.display()
        );
        std::fs::write(case.at("manifest.csv"), manifest).expect("written");
        case
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a content in place, as of long ago.
    fn put(&self, content: &[u8]) {
        let _ = std::fs::remove_file(&self.struck);
        std::fs::write(&self.struck, content).expect("written");
        let file = File::options().write(true).open(&self.struck).expect("there");
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 30);
        file.set_times(FileTimes::new().set_modified(long_ago)).expect("its owner may");
    }

    fn extract(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_abscope"));
        command.arg("extract").args([&self.image, &self.mask]);
        command.args(["--patient", "P", "--settings"]).arg(self.at("settings.toml"));
        command.arg("-o").arg(self.at("out.json"));
        command
    }

    fn batch(&self, output: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_abscope"));
        command.arg("batch").arg(self.at("manifest.csv")).arg("--settings");
        command.arg(self.at("settings.toml")).arg("-o").arg(self.at(output));
        command
    }

    /// Runs a command while `mishap` befalls the file after so many bytes.
    fn run(&self, mut command: Command, mishap: &str, after: u64) -> Output {
        command
            .env("LD_PRELOAD", &self.library)
            .env("MISHAP_FILE", format!("/{}", self.name))
            .env("MISHAP_KIND", mishap)
            .env("MISHAP_AFTER", after.to_string())
            .env("MISHAP_OTHER", self.at("new"))
            .env("MISHAP_COUNT", self.at("count"));
        command.output().expect("abscope starts")
    }

    /// Bytes of the file that a command reads, undisturbed.
    fn count(&self, command: Command) -> u64 {
        self.put(&self.old);
        let output = self.run(command, "none", 0);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let count = std::fs::read_to_string(self.at("count")).expect("counted");
        let count = count.parse().expect("a number");
        assert!(count >= self.old.len() as u64 / 2, "{}: {count} bytes were read", self.name);
        count
    }

    /// What `extract` writes of a content, undisturbed.
    fn document(&self, content: &[u8]) -> Vec<u8> {
        self.put(content);
        let output = self.extract().output().expect("abscope starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::read(self.at("out.json")).expect("there")
    }

    fn table(&self, output: &str) -> String {
        std::fs::read_to_string(self.at(output).join("features.csv")).expect("there")
    }

    /// A new run over what is there.
    fn fresh(&self) -> String {
        let _ = std::fs::remove_dir_all(self.at("fresh"));
        self.batch("fresh").output().expect("abscope starts");
        self.table("fresh")
    }

    fn check_extract(&self) {
        let (old, new) = (self.document(&self.old), self.document(&self.new));
        assert_ne!(old, new, "{}: another content has other values", self.name);
        let count = self.count(self.extract());
        let mut failures = 0;
        for mishap in MISHAPS {
            for point in 0..POINTS {
                let what = format!("{} {mishap} at {point} of {POINTS}", self.name);
                self.put(&self.old);
                let _ = std::fs::remove_file(self.at("out.json"));
                let output = self.run(self.extract(), mishap, count * point / POINTS);
                let told = String::from_utf8_lossy(&output.stderr);
                match output.status.code() {
                    Some(0) => {
                        let read = std::fs::read(self.at("out.json")).expect("there");
                        assert!(read == old || read == new, "{what}: values of neither content");
                    }
                    Some(_) => {
                        failures += 1;
                        assert!(told.contains(self.name), "{what} is not named: {told}");
                        assert!(!self.at("out.json").exists(), "{what} leaves a table");
                    }
                    None => panic!("{what}: {}: {told}", output.status),
                }
                assert!(mishap != "fails" || !output.status.success(), "{what} passes");
            }
        }
        assert!(failures >= 2 * POINTS, "{}: {failures} failures", self.name);
    }

    fn check_batch(&self) {
        let row = |table: &str, patient: &str| {
            table.lines().find(|line| line.starts_with(patient)).map(str::to_owned)
        };
        self.put(&self.new);
        let new = row(&self.fresh(), "struck").expect("a row");
        self.put(&self.old);
        let old = row(&self.fresh(), "struck").expect("a row");
        let sound = row(&self.fresh(), "sound").expect("a row");
        assert_ne!(old, new, "{}: another content has other values", self.name);
        let count = self.count(self.batch("counted"));
        for mishap in MISHAPS {
            for point in 0..POINTS {
                let what = format!("{} {mishap} at {point} of {POINTS}", self.name);
                self.put(&self.old);
                let _ = std::fs::remove_dir_all(self.at("out"));
                let output = self.run(self.batch("out"), mishap, count * point / POINTS);
                let told = String::from_utf8_lossy(&output.stderr);
                let code = output.status.code();
                assert!(matches!(code, Some(0 | 1)), "{what}: {}: {told}", output.status);
                let table = self.table("out");
                assert_eq!(row(&table, "sound").as_ref(), Some(&sound), "{what}: the other case");
                match row(&table, "struck") {
                    Some(row) => assert!(row == old || row == new, "{what}: values of neither"),
                    None => {
                        let failures = std::fs::read_to_string(self.at("out/failures.csv"));
                        let failures = failures.expect("there");
                        assert_eq!(code, Some(1), "{what}");
                        assert!(told.contains(self.name), "{what} is not named: {told}");
                        assert!(!failures.contains(self.name), "{what} is named: {failures}");
                    }
                }
                // Values of the old content are not kept under what is there now.
                self.batch("out").output().expect("abscope starts");
                assert_eq!(self.table("out"), self.fresh(), "{what}, and run again");
            }
        }
    }
}

#[test]
fn nifti_files() {
    let case = Case::new("image.nii");
    case.check_extract();
    case.check_batch();
}

#[test]
fn compressed_nifti_files() {
    let case = Case::new("image.nii.gz");
    case.check_extract();
    case.check_batch();
}

#[test]
fn slices_of_a_folder() {
    let case = Case::new("ct/1");
    case.check_extract();
    case.check_batch();
}

#[test]
fn archives() {
    let case = Case::new("exam.zip");
    case.check_extract();
    case.check_batch();
}
