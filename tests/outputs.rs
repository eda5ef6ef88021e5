//! Nothing of the user's is touched: what a command writes, and what it leaves as it was.

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use abscope::plan::Plan;
use abscope::settings::Settings;
use common::abscope;
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

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn succeed(output: &Output) {
    assert!(output.status.success(), "{}: {}", output.status, stderr(output));
}

/// Every file below a folder and its bytes.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter();
    entries
        .map(|entry| entry.expect("readable"))
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let place = entry.path().strip_prefix(folder).expect("below").to_owned();
            (place, std::fs::read(entry.path()).expect("readable"))
        })
        .collect()
}

fn names(folder: &Path) -> Vec<String> {
    files(folder).into_iter().map(|(path, _)| path.display().to_string()).collect()
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
    for (name, _) in &whole {
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
