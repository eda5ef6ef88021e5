//! Nothing of the user's is touched: what a command writes, and what it leaves as it was.

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use abscope::plan::Plan;
use abscope::settings::Settings;
use common::{abscope, files, stderr, succeed};
use tempfile::TempDir;

#[path = "../examples/cohort/mod.rs"]
mod cohort;

const SETTINGS: &str = "[resampling]\nspacing_mm = [2.5, 2.5, 2.5]\n\
                        [features]\nfamilies = [\"statistics\", \"intensity_histogram\"]\n";

/// A cohort with settings and a model.
struct Ground {
    folder: TempDir,
}

impl Ground {
    fn new(patients: usize) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        cohort::write(folder.path(), patients, 1, cohort::SMALL).expect("room on the disk");
        let ground = Self { folder };
        let plan = Plan::resolve(&Settings::parse(SETTINGS).expect("settings")).expect("a plan");
        ground.write("settings.toml", SETTINGS);
        ground.write("model.toml", &common::signature::one_feature_model(&plan));
        ground
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, text).expect("room on the disk");
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Rows of a manifest: patient, number of the image, study.
    fn manifest(&self, rows: &[(&str, usize, &str)]) {
        let rows = rows.iter().map(|(patient, image, study)| {
            format!("{patient},P{image:04}_ct.nii.gz,P{image:04}_mask.nii.gz,{study}\n")
        });
        let rows: String = rows.collect();
        self.write("manifest.csv", &format!("patient,image,mask,study\n{rows}"));
    }

    fn batch(&self, output: &str, more: &[&str]) -> Output {
        let mut command = abscope();
        command.arg("batch").arg(self.path("manifest.csv")).arg("--settings");
        command.arg(self.path("settings.toml")).arg("-o").arg(self.path(output)).args(more);
        run(&mut command)
    }

    fn with_model(&self, output: &str, more: &[&str]) -> Output {
        let model = self.path("model.toml").display().to_string();
        self.batch(output, &[&["--model", &model], more].concat())
    }
}

fn run(command: &mut Command) -> Output {
    command.output().expect("abscope starts")
}

/// The names of all files below a folder, in which a program may be at work.
fn names(folder: &Path) -> Vec<String> {
    let entries = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter();
    let files = entries.filter_map(Result::ok).filter(|entry| entry.file_type().is_file());
    files
        .map(|entry| entry.path().strip_prefix(folder).expect("below").display().to_string())
        .collect()
}

/// The pages that the page over all patients links to, as a browser reads them.
fn links(page: &str) -> Vec<String> {
    let rest = page.split("<a href=\"").skip(1);
    rest.map(|rest| rest[..rest.find('"').expect("closed")].replace("&#x2f;", "/")).collect()
}

#[test]
fn what_somebody_keeps_among_the_reports_stays_and_own_reports_go() {
    let ground = Ground::new(3);
    ground.manifest(&[("A", 1, ""), ("B", 2, ""), ("C", 3, "")]);
    succeed(&ground.with_model("out", &[]));
    let notes = "my notes";
    for name in ["notes.txt", "A-notes.html", "slides/1.json", "D.html"] {
        ground.write(&format!("out/reports/{name}"), notes);
    }
    let annotated = ground.read("out/reports/B.html") + "<!-- a remark -->";
    ground.write("out/reports/B.html", &annotated);

    ground.manifest(&[("A", 1, ""), ("B", 2, ""), ("D", 3, "")]);
    succeed(&ground.with_model("out", &[]));
    assert_eq!(ground.read("out/reports/B.html"), annotated);
    assert_eq!(
        names(&ground.path("out/reports")),
        [
            "A-notes.html",
            "A.html",
            "A.json",
            "B-case-2.html",
            "B-case-2.json",
            "B.html",
            "D-case-3.html",
            "D-case-3.json",
            "D.html",
            "notes.txt",
            "slides/1.json"
        ]
    );
    assert_eq!(
        links(&ground.read("out/cohort.html")),
        ["reports/A.html", "reports/B-case-2.html", "reports/D-case-3.html"]
    );

    succeed(&ground.batch("out", &[]));
    let left = names(&ground.path("out/reports"));
    assert_eq!(left, ["A-notes.html", "B.html", "D.html", "notes.txt", "slides/1.json"]);
    assert_eq!(ground.read("out/reports/D.html"), notes);
}

#[test]
fn every_case_has_its_own_report_whatever_its_patient_is_called() {
    let long = "x".repeat(300);
    let (longer, wide) = (format!("{long}y"), "\u{fc}".repeat(200));
    let ground = Ground::new(9);
    ground.manifest(&[
        ("A", 1, "1"),
        ("A-case-3", 2, ""),
        ("A", 3, "2"),
        ("a", 4, ""),
        ("B/1", 5, ""),
        ("B_1", 6, ""),
        (&long, 7, ""),
        (&longer, 8, ""),
        (&wide, 9, ""),
    ]);
    succeed(&ground.with_model("whole", &[]));
    let of = |folder: &str, ending: &str| -> BTreeSet<Vec<u8>> {
        let files = files(&ground.path(folder)).into_iter();
        files.filter(|(p, _)| p.to_string_lossy().ends_with(ending)).map(|(_, b)| b).collect()
    };
    let whole = files(&ground.path("whole/reports"));
    assert_eq!(whole.len(), 18);
    assert_eq!(of("whole/reports", ".html"), of("whole/cases", ".html"));
    assert_eq!(of("whole/reports", ".json"), of("whole/cases", ".report.json"));
    let links = links(&ground.read("whole/cohort.html"));
    assert_eq!(links.iter().collect::<BTreeSet<_>>().len(), 9, "{links:?}");
    for link in &links {
        assert!(ground.path("whole").join(link).is_file(), "{link}");
    }
    #[cfg(unix)]
    for name in whole.keys() {
        use std::os::unix::fs::MetadataExt;
        let metadata = ground.path("whole/reports").join(name).metadata().expect("there");
        assert_eq!(metadata.nlink(), 1, "{} is a copy", name.display());
    }

    let shards = ["1/2", "2/2"].map(|shard| {
        let output = shard.replace('/', "of");
        succeed(&ground.with_model(&output, &["--shard", shard]));
        ground.path(&output)
    });
    let merged = ground.path("merged");
    succeed(&run(abscope().arg("merge").args(&shards).arg("-o").arg(&merged)));
    assert!(files(&merged.join("reports")) == whole, "merged");
    assert_eq!(ground.read("merged/cohort.html"), ground.read("whole/cohort.html"));
}

/// A command of each kind that writes, over inputs that are not there, into `output`.
fn commands(ground: &Ground, output: &str) -> Vec<(&'static str, Command)> {
    let absent = ground.path("absent");
    let output = ground.path(output);
    let settings = ground.path("settings.toml");
    let filters = ground.path("filters.toml");
    ground.write(
        "filters.toml",
        "[[filter]]\nname = \"m\"\nkind = \"mean\"\ndimension = \"3d\"\nsupport_voxels = 3\n",
    );
    let config = ground.path("train.toml");
    let model = ground.path("model.toml");
    ground.write(
        "train.toml",
        "[model]\nid = \"s\"\ntitle = \"S\"\nhigher_means = \"more\"\ncohort = \"C\"\n\
         [outcome]\nkind = \"gaussian\"\ncolumn = \"y\"\n",
    );
    let table = |path: &Path| path.with_extension("csv");
    let mut commands = Vec::new();
    let mut add = |name: &'static str, args: &[&dyn AsRef<std::ffi::OsStr>]| {
        let mut command = abscope();
        for arg in args {
            command.arg(arg.as_ref());
        }
        commands.push((name, command));
    };
    let csv = table(&output);
    add("extract", &[&"extract", &absent, &absent, &"--settings", &settings, &"-o", &csv]);
    add("report", &[&"report", &absent, &absent, &"--model", &model, &"-o", &output]);
    add("filter", &[&"filter", &absent, &"--settings", &filters, &"-o", &output]);
    add("score", &[&"score", &absent, &"--model", &model, &"-o", &csv]);
    add("train", &[&"train", &absent, &absent, &"--config", &config, &"-o", &csv]);
    commands
}

#[test]
fn a_bad_output_is_refused_before_an_input_is_opened() {
    let ground = Ground::new(1);
    ground.write("file", "precious");
    for bad in ["missing/out", "file/out"] {
        for (name, mut command) in commands(&ground, bad) {
            let output = run(&mut command);
            assert_eq!(output.status.code(), Some(2), "{name}");
            let told = stderr(&output);
            assert!(told.contains(bad) && !told.contains("absent"), "{name}: {told}");
        }
    }
    // A batch finds what is in the way of its tables before its cases are read.
    ground.write("out/thesis.txt", "precious");
    let output = ground.batch("out", &[]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(names(&ground.path("out")), ["thesis.txt"], "{}", stderr(&output));
    succeed(&ground.batch("run", &[]));
    std::fs::remove_file(ground.path("run/warnings.csv")).expect("there");
    std::fs::create_dir(ground.path("run/warnings.csv")).expect("made");
    ground.write("settings.toml", &SETTINGS.replace("2.5, 2.5, 2.5", "3, 3, 3"));
    let records = names(&ground.path("run/cases"));
    let output = ground.batch("run", &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("warnings.csv"), "{}", stderr(&output));
    assert_eq!(names(&ground.path("run/cases")), records, "no case was done");
}

#[cfg(unix)]
#[test]
fn outputs_keep_links_modes_and_pipes() {
    use std::os::unix::fs::PermissionsExt;
    let ground = Ground::new(1);
    let extract = |output: &Path| {
        let mut command = abscope();
        command
            .arg("extract")
            .args([ground.path("P0001_ct.nii.gz"), ground.path("P0001_mask.nii.gz")]);
        command.args(["--patient", "P", "--settings"]).arg(ground.path("settings.toml"));
        command.arg("-o").arg(output);
        command
    };
    succeed(&run(&mut extract(&ground.path("plain.csv"))));
    let table = ground.read("plain.csv");

    ground.write("store/kept.csv", "old");
    let kept = ground.path("store/kept.csv");
    std::fs::set_permissions(&kept, std::fs::Permissions::from_mode(0o600)).expect("its owner may");
    let link = ground.path("link.csv");
    std::os::unix::fs::symlink("store/kept.csv", &link).expect("linked");
    succeed(&run(&mut extract(&link)));
    assert!(link.is_symlink());
    assert_eq!(ground.read("store/kept.csv"), table);
    assert_eq!(kept.metadata().expect("there").permissions().mode() & 0o777, 0o600);

    // /dev/stdout, by a name that has an ending.
    let stdout = ground.path("stdout.csv");
    std::os::unix::fs::symlink("/dev/stdout", &stdout).expect("linked");
    let output = run(&mut extract(&stdout));
    succeed(&output);
    assert_eq!(String::from_utf8_lossy(&output.stdout), table);
    let target = ground.path("redirected");
    let file = std::fs::File::create(&target).expect("made");
    let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&path.metadata().expect("there"));
    let before = inode(&target);
    let status = extract(&stdout).stdout(file).status().expect("abscope starts");
    assert!(status.success());
    assert_eq!(ground.read("redirected"), table);
    assert_eq!(inode(&target), before, "written to, not replaced");
    assert!(stdout.is_symlink() && Path::new("/dev/stdout").exists());
}

/// What a folder holds but for the lock, by name and content.
fn results(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    files(folder).into_iter().filter(|(name, _)| name != Path::new(".lock")).collect()
}

#[test]
fn a_merge_goes_on_where_it_was_killed() {
    let ground = Ground::new(12);
    let shards = ["1/2", "2/2"].map(|shard| {
        let output = shard.replace('/', "of");
        succeed(&ground.with_model(&output, &["--shard", shard]));
        ground.path(&output)
    });
    let merge = |output: &str| {
        let mut command = abscope();
        command.arg("merge").args(&shards).arg("-o").arg(ground.path(output));
        command
    };
    let begin = std::time::Instant::now();
    succeed(&run(&mut merge("whole")));
    let time = begin.elapsed();
    let whole = results(&ground.path("whole"));
    assert_eq!(whole.iter().filter(|(name, _)| name.starts_with("reports")).count(), 24);

    let mut midway = 0;
    for moment in 0..40 {
        let output = format!("killed{}", moment % 4);
        let mut child =
            merge(&output).stderr(std::process::Stdio::null()).spawn().expect("abscope starts");
        std::thread::sleep(time.mul_f64(f64::from(moment) / 40.0));
        child.kill().expect("SIGKILL");
        let status = child.wait().expect("a child");
        assert!(status.code().is_none_or(|code| code == 0), "{status}: refused at {moment}");
        let folder = ground.path(&output);
        let left = results(&folder);
        midway += usize::from(!left.is_empty() && left.len() < whole.len());
        // Of a folder that it has made its own, it touches what it wrote.
        let people = moment % 3 == 0 && folder.join("merge.json").is_file();
        if people {
            ground.write(&format!("{output}/thesis.txt"), "precious");
            ground.write(&format!("{output}/reports/thesis.txt"), "precious");
        }
        succeed(&run(&mut merge(&output)));
        let mut ended = results(&folder);
        ended.retain(|(name, bytes)| !(name.ends_with("thesis.txt") && bytes == b"precious"));
        assert!(ended == whole, "killed at {moment} of 40");
        for name in ["thesis.txt", "reports/thesis.txt"] {
            assert!(!people || folder.join(name).is_file(), "{name} at {moment}");
        }
        // A folder that is merged already is merged again.
        if moment % 4 < 3 {
            std::fs::remove_dir_all(folder).expect("there");
        }
    }
    assert!(midway > 0, "no merge was killed midway");

    // Another folder is refused, and left as it was.
    ground.write("mine/.tmp-notes", "precious");
    ground.write("mine/thesis.txt", "precious");
    let output = run(&mut merge("mine"));
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert_eq!(names(&ground.path("mine")), [".tmp-notes", "thesis.txt"]);
    let output =
        run(abscope().arg("merge").arg(ground.path("1of2")).arg("-o").arg(ground.path("1of2")));
    assert_eq!(output.status.code(), Some(2));
}

#[cfg(unix)]
mod signals {
    use std::process::{Child, Stdio};
    use std::time::{Duration, Instant};

    use super::*;

    const SIGNALS: [(&str, i32); 3] = [("INT", 130), ("TERM", 143), ("HUP", 129)];

    fn send(child: &Child, signal: &str) {
        let id = child.id().to_string();
        let status = Command::new("kill").args([&format!("-{signal}"), &id]).status();
        assert!(status.expect("kill").success());
    }

    /// Temporary files and folders of abscope's below a folder.
    fn temporaries(folder: &Path) -> Vec<PathBuf> {
        let entries = walkdir::WalkDir::new(folder).into_iter().filter_map(Result::ok);
        let temporary = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name.starts_with(".tmp") || (name.starts_with(".abscope-") && path.is_dir())
        };
        entries.map(walkdir::DirEntry::into_path).filter(temporary).collect()
    }

    /// The command with the signals' default effects, whatever the tests were started with: in the
    /// background of a shell they are ignored.
    fn heedful(command: &Command) -> Command {
        let mut heedful = Command::new("env");
        heedful.arg("--default-signal=INT,TERM,HUP").arg(command.get_program());
        heedful.args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => heedful.env(name, value),
                None => heedful.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            heedful.current_dir(folder);
        }
        heedful
    }

    /// Starts a command, and waits until it has something half written.
    fn midway(command: &mut Command, folder: &Path) -> Child {
        let mut command = heedful(command);
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("abscope starts");
        let begin = Instant::now();
        while temporaries(folder).is_empty() {
            assert!(begin.elapsed() < Duration::from_secs(60), "nothing was begun");
            assert!(child.try_wait().expect("a child").is_none(), "too quick");
            std::thread::sleep(Duration::from_millis(1));
        }
        child
    }

    fn ends(mut child: Child) -> Option<i32> {
        child.wait().expect("a child").code()
    }

    #[test]
    fn a_command_that_is_told_to_end_leaves_nothing() {
        let ground = Ground::new(1);
        let (image, mask) = common::ct_phantom();
        std::fs::create_dir(ground.path("to")).expect("made");
        let rows: String = (0..300_000).map(|row| format!("p{row},1,{row}.5\n")).collect();
        ground.write("long.csv", &format!("patient,lesion,original_f\n{rows}"));
        for (signal, code) in SIGNALS {
            for (name, command) in commands(&ground, "to/out") {
                // Inputs that take long: a scan, or a long table.
                let mut places = [&image, &mask].into_iter().cycle();
                let mut slow = abscope();
                let reads_tables = matches!(name, "score" | "train");
                for arg in command.get_args() {
                    match arg.to_string_lossy().ends_with("absent") {
                        true if reads_tables => slow.arg(ground.path("long.csv")),
                        true => slow.arg(places.next().expect("endless")),
                        false => slow.arg(arg),
                    };
                }
                if matches!(name, "extract" | "report") {
                    slow.args(["--patient", "P"]);
                }
                let child = midway(&mut slow, &ground.path("to"));
                send(&child, signal);
                assert_eq!(ends(child), Some(code), "{name} {signal}");
                assert_eq!(temporaries(&ground.path("to")), Vec::<PathBuf>::new(), "{name}");
                assert_eq!(names(&ground.path("to")), Vec::<String>::new(), "{name} {signal}");
            }
        }
    }

    #[test]
    fn a_batch_that_is_told_to_end_leaves_its_journal_and_goes_on() {
        let ground = Ground::new(24);
        let command = |output: &str| {
            let mut command = abscope();
            command.arg("batch").arg(ground.path("manifest.csv")).arg("--settings");
            command.arg(ground.path("settings.toml")).arg("--model").arg(ground.path("model.toml"));
            command.arg("-o").arg(ground.path(output));
            command
        };
        succeed(&run(&mut command("whole")));
        for (signal, code) in SIGNALS {
            let mut child = heedful(&command("out"));
            let mut child = child.stderr(Stdio::null()).spawn().expect("abscope starts");
            let records = || {
                let names = names(&ground.path("out/cases"));
                names.iter().filter(|name| !name.starts_with(".tmp")).count()
            };
            while !ground.path("out/cases").is_dir() || records() < 6 {
                assert!(child.try_wait().expect("a child").is_none(), "too quick");
                std::thread::sleep(Duration::from_millis(1));
            }
            send(&child, signal);
            assert_eq!(ends(child), Some(code), "{signal}");
            assert_eq!(temporaries(&ground.path("out")), Vec::<PathBuf>::new(), "{signal}");
            assert!(records() > 0, "{signal}: nothing is kept");
            succeed(&run(&mut command("out")));
            for name in ["features.csv", "scores.csv", "cases.csv", "cohort.html"] {
                let [out, whole] = ["out", "whole"].map(|f| ground.read(&format!("{f}/{name}")));
                assert!(out == whole, "{name} after {signal}");
            }
            let [out, whole] = ["out/reports", "whole/reports"].map(|f| files(&ground.path(f)));
            assert!(out == whole, "reports after {signal}");
            std::fs::remove_dir_all(ground.path("out")).expect("there");
        }
    }

    #[test]
    fn a_signal_that_is_ignored_stays_ignored() {
        let ground = Ground::new(1);
        std::fs::create_dir(ground.path("to")).expect("made");
        let (image, mask) = common::ct_phantom();
        let mut command = abscope();
        command.arg("extract").args([&image, &mask]).args(["--patient", "P", "-o"]);
        command.arg(ground.path("to/out.csv"));
        // As `nohup` does.
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]);
        shell.arg(command.get_program()).args(command.get_args());
        let child = midway(&mut shell, &ground.path("to"));
        send(&child, "HUP");
        assert_eq!(ends(child), Some(0));
        assert!(ground.path("to/out.csv").is_file());
    }
}

#[test]
fn an_empty_folder_is_filled_by_a_path_of_whatever_form() {
    let ground = Ground::new(1);
    for (place, name) in [("plain", "plain"), ("dotted", "./dotted"), ("up", "../up")] {
        std::fs::create_dir_all(ground.path("inside")).expect("made");
        std::fs::create_dir(ground.path(place)).expect("made");
        let from = if name.starts_with("..") { ground.path("inside") } else { ground.path("") };
        let mut command = abscope();
        command.current_dir(from).arg("report");
        command.args([ground.path("P0001_ct.nii.gz"), ground.path("P0001_mask.nii.gz")]);
        command.args(["--patient", "P", "--perturbations", "0", "--model"]);
        command.arg(ground.path("model.toml")).args(["-o", name]);
        succeed(&run(&mut command));
        assert!(ground.path(place).join("report.html").is_file(), "{name}");
        let left = names(&ground.path(place));
        assert!(left.iter().all(|n| !n.starts_with(".abscope-")), "{name}: {left:?}");
    }
}
