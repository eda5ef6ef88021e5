//! Wrong inputs: one clear line, exit status 2, and nothing half-written.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use abscope::{Error, LoadOptions, load};
use common::{Kind, Nifti, abscope, fixture};
use tempfile::TempDir;

struct Bench {
    folder: TempDir,
    image: PathBuf,
    mask: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let phantom = fixture("ibsi/ibsi_1_digital_phantom");
        Self { image: phantom.join("image.nii.gz"), mask: phantom.join("mask.nii.gz"), folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        std::fs::write(self.path(name), content).expect("writes");
        self.path(name)
    }

    fn extract(&self, image: &Path, mask: &Path, more: &[&str]) -> String {
        let output = self.path("features.csv");
        let mut command = abscope();
        command.arg("extract").args([image, mask]).arg("-o").arg(&output).args(more);
        let line = refusal(&mut command);
        let left: Vec<_> = std::fs::read_dir(self.folder.path())
            .expect("folder")
            .map(|e| e.expect("entry").file_name().to_string_lossy().into_owned())
            .filter(|name| name.contains("features"))
            .collect();
        assert!(left.is_empty(), "left behind: {left:?}");
        line
    }
}

/// The one line of a command that must refuse.
fn refusal(command: &mut Command) -> String {
    let output = command.output().expect("runs");
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(output.stdout.is_empty());
    let errors: Vec<&str> = stderr.lines().filter(|l| !l.starts_with("warning: ")).collect();
    assert_eq!(errors.len(), 1, "{stderr}");
    assert!(errors[0].starts_with("error: "), "{stderr}");
    errors[0].to_owned()
}

fn small(value: f64) -> Nifti {
    let axes = [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]];
    let mut file = Nifti::new([5, 4, 4], [2.0; 3], axes, [0.0; 3], vec![value; 80]);
    file.kind = Kind::F32;
    file
}

/// As [`refusal`] for what a parser of options refuses, which says how to get help on further lines.
fn refused_option(bench: &Bench, more: &[&str]) -> String {
    let output = bench.path("features.csv");
    let mut command = abscope();
    command.arg("extract").args([&bench.image, &bench.mask]).arg("-o").arg(&output).args(more);
    let told = command.output().expect("runs");
    let stderr = String::from_utf8(told.stderr).expect("text");
    assert_eq!(told.status.code(), Some(2), "{more:?}: {stderr}");
    assert!(!output.exists(), "{more:?}");
    stderr.lines().next().expect("a line").to_owned()
}

#[test]
fn numbers_and_names_that_make_no_sense() {
    let bench = Bench::new();
    for (more, parts) in [
        (&["--kvp=nan"][..], ["--kvp", "\"nan\""]),
        (&["--kvp=inf"], ["--kvp", "\"inf\""]),
        (&["--kvp", "-5"], ["--kvp", "\"-5\" is no tube voltage"]),
        (&["--kvp", "0"], ["--kvp", "\"0\""]),
        (&["--patient", ""], ["--patient", "empty"]),
        (&["--patient", "  "], ["--patient", "empty"]),
        (&["--threads", "0"], ["--threads", "1..=1024"]),
        (&["--threads", "-2"], ["--threads", "1..=1024"]),
        (&["--threads", "70000"], ["--threads", "1..=1024"]),
        (&["--fractional-threshold", "-0.5"], ["--fractional-threshold", "no fraction"]),
        (&["--fractional-threshold", "nan"], ["--fractional-threshold", "no fraction"]),
    ] {
        let line = refused_option(&bench, more);
        assert!(parts.iter().all(|part| line.contains(part)), "{more:?}: {line}");
    }
}

#[test]
fn options_of_the_library_that_make_no_sense() {
    let bench = Bench::new();
    let refused = |options: LoadOptions, part: &str| {
        let error = load(&bench.image, &bench.mask, &options).expect_err(part);
        assert!(matches!(error, Error::BadRequest { .. }), "{error}");
        assert!(error.to_string().contains(part), "{error}");
    };
    for kvp in [f64::NAN, f64::INFINITY, -5.0, 0.0] {
        refused(LoadOptions::default().kvp(kvp), &format!("is {kvp} kV"));
    }
    refused(LoadOptions::default().patient(" ".to_owned()), "id is empty");
    for fraction in [f64::NAN, 0.0, -0.5, 1.5] {
        refused(LoadOptions::default().fractional_threshold(fraction), &format!("is {fraction};"));
    }
}

#[cfg(unix)]
mod no_files {
    use std::io::Write;
    use std::process::{Output, Stdio};
    use std::time::{Duration, Instant};

    use super::*;

    /// What a command says that must not wait for anything.
    fn at_once(command: &mut Command) -> Output {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        let start = Instant::now();
        while child.try_wait().expect("a child").is_none() {
            if start.elapsed() > Duration::from_secs(60) {
                child.kill().expect("a child");
                panic!("{command:?} waits");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        child.wait_with_output().expect("a child")
    }

    fn told(command: &mut Command) -> (Option<i32>, String) {
        let output = at_once(command);
        (output.status.code(), String::from_utf8(output.stderr).expect("text"))
    }

    fn fifo(bench: &Bench, name: &str) -> PathBuf {
        let path = bench.path(name);
        assert!(Command::new("mkfifo").arg(&path).status().expect("runs").success());
        path
    }

    #[test]
    fn pipes_and_devices_are_named_and_not_waited_for() {
        let bench = Bench::new();
        let pipe = fifo(&bench, "pipe");
        let model = fixture("../models/demo-simulated-infiltration.toml");
        let output = bench.path("features.csv");
        for (path, kind) in
            [(pipe.as_path(), "a pipe (FIFO)"), (Path::new("/dev/zero"), "a device")]
        {
            let commands: [&[&Path]; 5] = [
                &["extract".as_ref(), path, &bench.mask, "-o".as_ref(), &output],
                &["extract".as_ref(), &bench.image, path, "-o".as_ref(), &output],
                &["settings".as_ref(), "check".as_ref(), path],
                &["score".as_ref(), path, "--model".as_ref(), &model, "-o".as_ref(), &output],
                &["inspect".as_ref(), path],
            ];
            for arguments in commands {
                let (status, stderr) = told(abscope().args(arguments));
                assert_eq!(status, Some(2), "{arguments:?}: {stderr}");
                let name = path.display().to_string();
                assert!(stderr.contains(&name) && stderr.contains(kind), "{arguments:?}: {stderr}");
            }
            let mut command = abscope();
            command.arg("extract").args([&bench.image, &bench.mask]).arg("-o").arg(&output);
            let (status, stderr) = told(command.arg("--sites").arg(path));
            assert_eq!(status, Some(2), "{stderr}");
            assert!(stderr.contains(kind), "{stderr}");
        }
    }

    #[test]
    fn a_pipe_of_a_cohort_fails_its_case() {
        let bench = Bench::new();
        fifo(&bench, "pipe.nii.gz");
        let mask = bench.mask.canonicalize().expect("there");
        let table = format!("patient,image,mask\nA,pipe.nii.gz,{}\n", mask.display());
        let manifest = bench.write("manifest.csv", table.as_bytes());
        let output = bench.path("out");
        let mut command = abscope();
        let (status, stderr) = told(command.arg("batch").arg(&manifest).arg("-o").arg(&output));
        assert_eq!(status, Some(1), "{stderr}");
        assert!(stderr.contains("a pipe (FIFO)"), "{stderr}");
        let pipe = bench.path("pipe.nii.gz");
        let (status, stderr) = told(abscope().arg("batch").arg(&pipe).arg("-o").arg(&output));
        assert_eq!(status, Some(2), "{stderr}");
        assert!(stderr.contains("a pipe (FIFO)"), "{stderr}");
    }

    /// As `abscope settings check <(command)` of a shell hands it over.
    #[test]
    fn text_may_come_from_an_open_descriptor() {
        for name in ["/dev/stdin", "/dev/fd/0"] {
            let mut command = abscope();
            command.args(["settings", "check", name]).stdin(Stdio::piped());
            let mut child = command.stdout(Stdio::piped()).spawn().expect("starts");
            let mut stdin = child.stdin.take().expect("piped");
            stdin
                .write_all(b"[discretisation]\nmethod = \"fixed_bin_size\"\nwidth = 25.0\n")
                .expect("written");
            drop(stdin);
            let output = child.wait_with_output().expect("ends");
            let stdout = String::from_utf8(output.stdout).expect("text");
            assert!(output.status.success() && stdout.contains("valid"), "{stdout}");
        }
    }
}

#[test]
fn a_missing_file() {
    let bench = Bench::new();
    let line = bench.extract(&bench.path("absent.nii.gz"), &bench.mask, &[]);
    assert!(line.contains("absent.nii.gz") && line.contains("No such file"), "{line}");
}

#[test]
fn a_truncated_gzip() {
    let bench = Bench::new();
    let whole = std::fs::read(common::ct_phantom().0).expect("fixture");
    let cut = bench.write("cut.nii.gz", &whole[..whole.len() / 2]);
    let line = bench.extract(&cut, &bench.mask, &[]);
    assert!(line.contains("cut.nii.gz") && line.contains("fetch"), "{line}");
}

#[test]
fn a_text_file_named_nii() {
    let bench = Bench::new();
    let text = bench.write("notes.nii", &b"the patient came in on Monday\n".repeat(40));
    let line = bench.extract(&text, &bench.mask, &[]);
    assert!(line.contains("notes.nii") && line.contains("NIfTI"), "{line}");
}

#[test]
fn an_image_of_four_dimensions() {
    let bench = Bench::new();
    let file = Nifti { dim: [4, 5, 4, 2, 2, 1, 1, 1], ..small(1.0) };
    file.write(&bench.path("series.nii"));
    let line = bench.extract(&bench.path("series.nii"), &bench.mask, &[]);
    assert!(line.contains("series.nii") && line.contains('4'), "{line}");
}

#[test]
fn a_mask_of_another_geometry() {
    let bench = Bench::new();
    let mut file = small(1.0);
    file.srow[2][3] = 30.0;
    file.write(&bench.path("shifted.nii"));
    let line = bench.extract(&bench.image, &bench.path("shifted.nii"), &[]);
    assert!(line.contains("mm") && line.contains("voxel") && line.contains("--regrid"), "{line}");
}

#[test]
fn an_empty_mask() {
    let bench = Bench::new();
    small(0.0).write(&bench.path("empty.nii"));
    let line = bench.extract(&bench.image, &bench.path("empty.nii"), &[]);
    assert!(line.contains("empty.nii") && line.contains("no voxel"), "{line}");
}

#[test]
fn a_label_that_is_not_there() {
    let bench = Bench::new();
    let line = bench.extract(&bench.image, &bench.mask, &["--labels", "7"]);
    assert!(line.contains("no label 7") && line.contains("it has 1"), "{line}");
}

#[test]
fn an_image_with_a_voxel_that_is_no_number() {
    let bench = Bench::new();
    let mut file = small(1.0);
    file.voxels[33] = f64::NAN;
    file.write(&bench.path("nan.nii.gz"));
    let line = bench.extract(&bench.path("nan.nii.gz"), &bench.mask, &[]);
    assert!(line.contains("nan.nii.gz") && line.contains("(3, 2, 1)"), "{line}");
}

#[test]
fn an_unknown_key_in_the_settings() {
    let bench = Bench::new();
    let settings = bench
        .write("wrong.toml", b"[discretisation]\nmethod = \"fixed_bin_size\"\nbinwidth = 25\n");
    let settings = settings.to_str().expect("text");
    let line = bench.extract(&bench.image, &bench.mask, &["--settings", settings]);
    assert!(line.contains("wrong.toml") && line.contains("binwidth"), "{line}");
}

#[test]
fn an_aggregation_that_a_family_does_not_have() {
    let bench = Bench::new();
    let settings = bench.write(
        "narrow.toml",
        b"[features]\nfamilies = [\"glszm\"]\naggregations = [\"3D_comb\"]\n",
    );
    let settings = settings.to_str().expect("text");
    let line = bench.extract(&bench.image, &bench.mask, &["--settings", settings]);
    assert!(line.contains("glszm") && line.contains("2_5D"), "{line}");
}

#[test]
fn an_output_that_cannot_be_written() {
    let bench = Bench::new();
    let mut command = abscope();
    let nowhere = bench.path("no/such/folder/table.csv");
    command.arg("extract").args([&bench.image, &bench.mask]).arg("-o").arg(&nowhere);
    let line = refusal(&mut command);
    assert!(line.contains("table.csv"), "{line}");
    assert!(!bench.path("no").exists());
}

#[test]
fn a_model_with_other_settings_than_its_hash() {
    let bench = Bench::new();
    let model = fixture("../models/demo-simulated-infiltration.toml");
    let text = std::fs::read_to_string(model).expect("model");
    let changed = text.replacen("mask_threshold = 0.5", "mask_threshold = 0.6", 1);
    assert_ne!(text, changed);
    let model = bench.write("changed.toml", changed.as_bytes());
    let mut command = abscope();
    command.arg("report").args([&bench.image, &bench.mask]);
    command.arg("--model").arg(model).arg("-o").arg(bench.path("report"));
    let line = refusal(&mut command);
    assert!(line.contains("changed.toml") && line.contains("hash"), "{line}");
    assert!(!bench.path("report").exists());
}
