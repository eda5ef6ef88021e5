//! A cohort in one night: what `abscope batch` promises when things go wrong.
//!
//! Oracle: an unbroken run over the same cohort by the same program. Every comparison is of bytes.

mod common;
#[cfg(target_os = "linux")]
#[path = "common/peaks.rs"]
mod peaks;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use abscope::patient::scores::Provenance;
use abscope::patient::{AssessOptions, assess_rows};
use abscope::plan::Plan;
use abscope::row::Row;
use abscope::settings::Settings;
use abscope::signature::Model;
use abscope::signature::score::Origin;
use abscope::table::Table;
use abscope::table::scores::{self, ScoreRow};
use common::{abscope, stderr, succeed};
use tempfile::TempDir;

#[path = "../examples/cohort/mod.rs"]
mod cohort;

/// Few and cheap features: these tests are about the run, not about the values.
const SETTINGS: &str = "[resampling]\nspacing_mm = [2.5, 2.5, 2.5]\n\
                        [features]\nfamilies = [\"statistics\", \"intensity_histogram\"]\n";

struct Cohort {
    folder: TempDir,
}

impl Cohort {
    fn new(patients: usize) -> Self {
        Self::with_images(patients, cohort::SMALL)
    }

    fn with_images(patients: usize, size: [usize; 3]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        cohort::write(folder.path(), patients, 1, size).expect("room on the disk");
        std::fs::write(folder.path().join("settings.toml"), SETTINGS).expect("room on the disk");
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The command that runs the manifest into `output`.
    fn command(&self, output: &str, more: &[&str]) -> Command {
        let mut command = abscope();
        command
            .arg("batch")
            .arg(self.path("manifest.csv"))
            .arg("-o")
            .arg(self.path(output))
            .arg("--settings")
            .arg(self.path("settings.toml"))
            .args(more);
        command
    }

    fn run(&self, output: &str, more: &[&str]) -> Output {
        self.command(output, more).output().expect("abscope starts")
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Every table of an output folder, as bytes.
    fn tables(&self, output: &str) -> Vec<(&'static str, Vec<u8>)> {
        ["features.csv", "failures.csv", "warnings.csv", "cases.csv"]
            .into_iter()
            .map(|name| {
                let path = self.path(output).join(name);
                (name, std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
            })
            .collect()
    }
}

/// Twelve patients, shared by the tests that do not change them.
fn shared() -> &'static Cohort {
    static COHORT: OnceLock<Cohort> = OnceLock::new();
    COHORT.get_or_init(|| {
        let cohort = Cohort::new(12);
        succeed(&cohort.run("unbroken", &[]));
        cohort
    })
}

/// The formats of a run, each with or without a signature.
fn kinds(cohort: &Cohort) -> [Vec<String>; 3] {
    let model = cohort.path("model.toml");
    std::fs::write(&model, one_feature_model()).expect("room on the disk");
    let model = ["--model".to_owned(), model.to_string_lossy().into_owned()];
    let format = |name: &str| ["--format".to_owned(), name.to_owned()];
    [
        [format("csv"), model.clone()].concat(),
        format("jsonl").to_vec(),
        [format("parquet"), model].concat(),
    ]
}

/// All files that a run leaves for its user, by their names in the folder.
fn left(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = common::files(folder);
    let own = ["cases", "inputs.jsonl", ".lock"];
    files.retain(|name, _| !own.iter().any(|own| name.starts_with(own)));
    files
}

#[test]
fn killed_at_fifty_random_moments_and_resumed_the_files_are_those_of_an_unbroken_run() {
    let cohort = Cohort::new(24);
    // Moments from a fixed seed, over the time that a whole run takes; each run starts where the
    // last was killed, and, once all cases are done, from nothing again.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let (mut killed, mut midway) = (0, 0);
    for (kind, more) in kinds(&cohort).iter().enumerate() {
        let more: Vec<&str> =
            ["--threads", "2"].into_iter().chain(more.iter().map(String::as_str)).collect();
        let begin = Instant::now();
        let unbroken = format!("unbroken{kind}");
        succeed(&cohort.run(&unbroken, &more));
        let whole = begin.elapsed();
        let unbroken = left(&cohort.path(&unbroken));
        let mut round = 0;
        while killed < 17 * (kind + 1) {
            let output = format!("broken{kind}-{round}");
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let share = (state >> 40) as f64 / (1u64 << 24) as f64;
            let mut child = cohort
                .command(&output, &more)
                .stderr(Stdio::null())
                .spawn()
                .expect("abscope starts");
            std::thread::sleep(whole.mul_f64(share * 0.6));
            match child.try_wait().expect("a child") {
                Some(status) => {
                    assert!(status.success(), "{status}");
                    assert_eq!(left(&cohort.path(&output)), unbroken, "{more:?}, round {round}");
                    round += 1;
                }
                None => {
                    child.kill().expect("SIGKILL");
                    child.wait().expect("a child");
                    killed += 1;
                    let done = journalled(&cohort.path(&output));
                    midway += usize::from((1..24).contains(&done));
                }
            }
        }
        let output = format!("broken{kind}-{round}");
        succeed(&cohort.run(&output, &more));
        assert_eq!(left(&cohort.path(&output)), unbroken, "{more:?}");
        // Nothing of the killed runs is left behind.
        assert_eq!(journalled(&cohort.path(&output)), 24);
        let temporary = records(&cohort.path(&output)).into_iter().find(|n| n.starts_with(".tmp"));
        assert_eq!(temporary, None);
    }
    assert!(midway >= 12, "only {midway} of {killed} kills came while cases were being done");
}

/// How many cases an output folder has records of.
fn journalled(output: &Path) -> usize {
    let is_record = |name: &String| name.len() == 64 + ".json".len() && name.ends_with(".json");
    records(output).iter().filter(|name| is_record(name)).count()
}

/// Names of all files that an output folder keeps for its cases.
fn records(output: &Path) -> Vec<String> {
    let files = std::fs::read_dir(output.join("cases")).into_iter().flatten().flatten();
    files.map(|e| e.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn ten_corrupt_cases_among_fifty_leave_forty_and_are_named() {
    let cohort = Cohort::new(50);
    let mut corrupt = BTreeSet::new();
    for (at, patient) in (3..50).step_by(5).enumerate() {
        let name = format!("P{patient:04}");
        corrupt.insert(name.clone());
        let path = cohort.path(&format!("{name}_{}.nii.gz", ["ct", "mask"][at % 2]));
        let whole = std::fs::read(&path).expect("there");
        let spoilt = match at {
            0 | 1 => whole[..whole.len() / 2].to_vec(),
            2 => Vec::new(),
            3 => b"this is no image".to_vec(),
            4 | 5 => whole.iter().enumerate().map(|(i, b)| b ^ u8::from(i % 97 == 96)).collect(),
            6 | 7 => whole[..20].to_vec(),
            8 => {
                std::fs::remove_file(&path).expect("removable");
                continue;
            }
            _ => whole.iter().map(|b| !b).collect(),
        };
        std::fs::write(&path, spoilt).expect("writable");
    }
    assert_eq!(corrupt.len(), 10);

    let output = cohort.run("out", &[]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let table = Table::read(&cohort.path("out/features.csv")).expect("a whole table");
    let patients: BTreeSet<String> = table.rows().map(|row| row.patient.clone()).collect();
    assert_eq!(patients.len(), 40);
    assert!(patients.is_disjoint(&corrupt));

    let mut failures = csv::Reader::from_path(cohort.path("out/failures.csv")).expect("there");
    let rows: Vec<csv::StringRecord> = failures.records().map(|r| r.expect("whole")).collect();
    let failed: BTreeSet<String> = rows.iter().map(|row| row[1].to_owned()).collect();
    assert_eq!(failed, corrupt);
    for row in &rows {
        assert_eq!(&row[2], "load");
        let role = ["image: ", "mask: "].iter().any(|role| row[3].starts_with(role));
        assert!(
            role && !row[3].contains(&row[1]),
            "the role of the file, not its name: {}",
            &row[3]
        );
        let told = format!("failed: case {} ({}): ", &row[0], &row[1]);
        let told = stderr(&output).lines().any(|l| l.starts_with(&told) && l.contains(".nii"));
        assert!(told, "the console has its name: {}", stderr(&output));
        assert!(!row[4].is_empty(), "a way out");
    }

    // Mended, the same command does what is left and nothing else.
    cohort::write(cohort.folder.path(), 50, 1, cohort::SMALL).expect("writable");
    let output = cohort.run("out", &["--log-format", "json"]);
    succeed(&output);
    let log = stderr(&output);
    let ran = log.lines().filter(|line| line.contains("\"finished\"")).count();
    assert!(ran >= 10, "{log}");
    succeed(&cohort.run("fresh", &[]));
    assert_eq!(cohort.tables("out"), cohort.tables("fresh"));
}

#[test]
fn a_finished_run_does_nothing_again_and_a_changed_input_is_done_again() {
    let cohort = Cohort::new(4);
    succeed(&cohort.run("out", &[]));
    let first = cohort.tables("out");
    let finished = |output: &Output| {
        stderr(output).lines().filter(|line| line.contains("\"finished\"")).count()
    };
    let again = cohort.run("out", &["--log-format", "json"]);
    assert_eq!(finished(&again), 0, "{}", stderr(&again));
    assert_eq!(cohort.tables("out"), first);

    // Patient 2 gets patient 3's image: one case is done again, and no lesion is there twice.
    std::fs::copy(cohort.path("P0003_ct.nii.gz"), cohort.path("P0002_ct.nii.gz")).expect("copied");
    let changed = cohort.run("out", &["--log-format", "json"]);
    succeed(&changed);
    assert_eq!(finished(&changed), 1, "{}", stderr(&changed));
    assert_ne!(cohort.tables("out"), first);
    Table::read(&cohort.path("out/features.csv")).expect("no lesion twice");

    // Another plan: everything again, under the new plan's hash alone.
    std::fs::write(cohort.path("settings.toml"), SETTINGS.replace("2.5, 2.5, 2.5", "3, 3, 3"))
        .expect("written");
    let other = cohort.run("out", &["--log-format", "json"]);
    assert_eq!(finished(&other), 4, "{}", stderr(&other));
    let table = Table::read(&cohort.path("out/features.csv")).expect("whole");
    table.plan_hash().expect("one plan");
}

#[test]
fn threads_and_memory_do_not_change_a_byte() {
    let cohort = shared();
    for more in [["--threads", "1"], ["--threads", "3"], ["--memory", "40M"]] {
        let output = more.join("").replace('-', "");
        succeed(&cohort.run(&output, &more));
        assert_eq!(cohort.tables(&output), cohort.tables("unbroken"), "{more:?}");
    }
}

#[test]
fn merged_shards_equal_the_undivided_run() {
    let cohort = shared();
    for (format, name) in [("csv", "features.csv"), ("jsonl", "features.jsonl")] {
        let whole = format!("whole-{format}");
        succeed(&cohort.run(&whole, &["--format", format]));
        let shards: Vec<PathBuf> = (1..=3)
            .map(|i| {
                let output = format!("{format}-shard{i}");
                let shard = format!("{i}/3");
                succeed(&cohort.run(&output, &["--shard", &shard, "--format", format]));
                cohort.path(&output)
            })
            .collect();
        let merged = format!("{format}-merged");
        let output = abscope()
            .arg("merge")
            .args(&shards)
            .arg("-o")
            .arg(cohort.path(&merged))
            .output()
            .expect("abscope starts");
        succeed(&output);
        for table in [name, "cases.csv", "failures.csv", "warnings.csv"] {
            let read = |folder: &str| cohort.read(&format!("{folder}/{table}"));
            assert_eq!(read(&merged), read(&whole), "{table}");
        }

        // A shard that is missing, or there twice, is not passed over.
        for (some, part) in [
            (&shards[..2], "3/3 is missing"),
            (&[&shards[..], &shards[..1]].concat()[..], "both hold"),
        ] {
            let output = abscope()
                .arg("merge")
                .args(some)
                .arg("-o")
                .arg(cohort.path("never"))
                .output()
                .expect("abscope starts");
            assert_eq!(output.status.code(), Some(2));
            assert!(stderr(&output).contains(part), "{}", stderr(&output));
        }
    }
}

#[test]
fn shards_of_different_plans_are_not_merged() {
    let cohort = Cohort::new(4);
    succeed(&cohort.run("one", &["--shard", "1/2"]));
    std::fs::write(cohort.path("settings.toml"), SETTINGS.replace("2.5, 2.5, 2.5", "3, 3, 3"))
        .expect("written");
    succeed(&cohort.run("two", &["--shard", "2/2"]));
    let output = abscope()
        .arg("merge")
        .args([cohort.path("one"), cohort.path("two")])
        .arg("-o")
        .arg(cohort.path("merged"))
        .output()
        .expect("abscope starts");
    assert_eq!(output.status.code(), Some(2));
    let problem = stderr(&output);
    assert!(problem.contains("spacing_mm") && problem.contains("2.5"), "{problem}");
    assert!(!cohort.path("merged").exists());
}

#[test]
fn a_folder_in_use_or_of_something_else_is_refused() {
    let cohort = Cohort::new(2);
    std::fs::create_dir(cohort.path("mine")).expect("made");
    std::fs::write(cohort.path("mine/thesis.txt"), "precious").expect("written");
    let output = cohort.run("mine", &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("thesis.txt"), "{}", stderr(&output));

    succeed(&cohort.run("out", &["--shard", "1/2"]));
    let output = cohort.run("out", &["--shard", "2/2"]);
    assert!(stderr(&output).contains("holds shard 1/2"), "{}", stderr(&output));

    let lock = std::fs::File::options().write(true).open(cohort.path("out/.lock")).expect("there");
    lock.lock().expect("locked");
    let output = cohort.run("out", &["--shard", "1/2"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("another run"), "{}", stderr(&output));
}

#[test]
fn a_lesion_is_never_counted_twice() {
    let cohort = Cohort::new(2);
    let manifest = "patient,image,mask,lesion\n\
                    A,P0001_ct.nii.gz,P0001_mask.nii.gz,\n\
                    A,P0002_ct.nii.gz,P0002_mask.nii.gz,\n\
                    A,P0002_ct.nii.gz,P0002_mask.nii.gz,second\n";
    std::fs::write(cohort.path("manifest.csv"), manifest).expect("written");
    let output = cohort.run("out", &[]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let failures = cohort.read("out/failures.csv");
    assert!(failures.contains("is in the table already"), "{failures}");
    let table = Table::read(&cohort.path("out/features.csv")).expect("no lesion twice");
    assert!(table.rows().any(|row| row.lesion == "second.1"));
}

fn one_feature_model() -> String {
    let settings = Settings::parse(SETTINGS).expect("settings");
    common::signature::one_feature_model(&Plan::resolve(&settings).expect("a plan"))
}

/// The reports of an output folder, by name.
fn reports(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    common::files(&folder.join("reports"))
}

#[test]
fn a_model_gives_scores_and_reports_and_merged_shards_give_the_same() {
    let cohort = Cohort::new(6);
    std::fs::write(cohort.path("model.toml"), one_feature_model()).expect("written");
    let model = cohort.path("model.toml").display().to_string();
    succeed(&cohort.run("whole", &["--model", &model]));

    let table = Table::read(&cohort.path("whole/features.csv")).expect("whole");
    let mut expected: Vec<(String, String, f64)> = table
        .rows()
        .zip(table.column("tumour_original_stat_mean").expect("numbers"))
        .map(|(row, mean)| {
            let score = 0.5 + 2.0 * (mean.expect("a mean") - 40.0) / 10.0;
            (row.patient.clone(), row.lesion.clone(), score)
        })
        .collect();
    expected.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    let mut scores = csv::Reader::from_path(cohort.path("whole/scores.csv")).expect("there");
    let at = |name: &str| ScoreRow::header().iter().position(|h| *h == name);
    let at = at("score").expect("a column");
    let mut found: Vec<(String, String, f64)> = scores
        .records()
        .map(|row| row.expect("whole"))
        .map(|row| (row[0].to_owned(), row[1].to_owned(), row[at].parse().expect("a number")))
        .collect();
    found.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!((&found.0, &found.1), (&expected.0, &expected.1));
        assert!((found.2 - expected.2).abs() < 1e-12, "{found:?} against {expected:?}");
    }
    let whole = reports(&cohort.path("whole"));
    assert_eq!(whole.len(), 12);
    let page = cohort.read("whole/cohort.html");
    // As a browser reads them.
    let links: Vec<String> = page
        .split("<a href=\"")
        .skip(1)
        .map(|rest| rest[..rest.find('"').expect("closed")].replace("&#x2f;", "/"))
        .collect();
    assert_eq!(links.len(), 6, "a row for each patient, in the manifest's order");
    for (link, at) in links.iter().zip(1..) {
        assert!(cohort.path("whole").join(link).is_file(), "row {at}: {link}");
    }
    let dots = page.matches("<circle").count();
    assert_eq!(dots, expected.len(), "a dot for each lesion");
    for (name, bytes) in whole.iter().filter(|(name, _)| name.ends_with("html")) {
        let text = String::from_utf8_lossy(bytes);
        let patient = name.file_stem().expect("a name").to_string_lossy();
        assert!(text.contains(&*patient), "{patient}");
    }

    for i in 1..=2 {
        let shard = format!("{i}/2");
        succeed(&cohort.run(&format!("shard{i}"), &["--model", &model, "--shard", &shard]));
    }
    let output = abscope()
        .arg("merge")
        .args([cohort.path("shard2"), cohort.path("shard1")])
        .arg("-o")
        .arg(cohort.path("merged"))
        .output()
        .expect("abscope starts");
    succeed(&output);
    assert_eq!(cohort.read("merged/scores.csv"), cohort.read("whole/scores.csv"));
    assert_eq!(cohort.tables("merged"), cohort.tables("whole"));
    assert_eq!(reports(&cohort.path("merged")), whole);
    assert_eq!(cohort.read("merged/cohort.html"), cohort.read("whole/cohort.html"));

    // Without the model its tables go, so that none of an earlier run is taken for this one's.
    succeed(&cohort.run("whole", &[]));
    for name in ["scores.csv", "reports", "cohort.html"] {
        assert!(!cohort.path("whole").join(name).exists(), "{name}");
    }
}

#[test]
fn a_damaged_record_or_report_is_told_and_its_case_done_again() {
    let cohort = Cohort::new(3);
    std::fs::write(cohort.path("model.toml"), one_feature_model()).expect("written");
    let model = cohort.path("model.toml").display().to_string();
    let run = || cohort.run("out", &["--model", &model]);
    succeed(&run());
    let all =
        || (cohort.tables("out"), cohort.read("out/scores.csv"), reports(&cohort.path("out")));
    let whole = all();

    let cases = cohort.path("out/cases");
    let kept = |ending: &str| -> Vec<PathBuf> {
        let name =
            |path: &PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
        // Behind the key.
        let whose = |path: &PathBuf| name(path)[64..] == *ending;
        files(&cases).into_iter().filter(whose).collect()
    };
    let damaged =
        [&kept(".json")[0], &kept(".html")[1], &kept(".report.json")[2]].map(Clone::clone);
    let [record, page, report] = &damaged;
    let mut bytes = std::fs::read(record).expect("there");
    let last = bytes.len() - 20;
    bytes[last] ^= 1;
    std::fs::write(record, bytes).expect("written");
    std::fs::write(page, "<html>").expect("written");
    std::fs::remove_file(report).expect("there");

    let output = run();
    succeed(&output);
    let told = stderr(&output);
    assert_eq!(told.matches("is done again: ").count(), 3, "{told}");
    for name in &damaged {
        assert!(told.contains(&*name.file_name().expect("a name").to_string_lossy()), "{told}");
    }
    assert_eq!(all(), whole);

    // A merge cannot do a case again: it names what is damaged.
    std::fs::write(page, "<html>").expect("written");
    let output = abscope()
        .arg("merge")
        .arg(cohort.path("out"))
        .arg("-o")
        .arg(cohort.path("merged"))
        .output()
        .expect("abscope starts");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(cohort.read("merged/failures.csv").contains("was changed after it was written"));
    assert_eq!(reports(&cohort.path("merged")).len(), 4);

    let run = cohort.path("out/run.json");
    let text = std::fs::read_to_string(&run).expect("there").replacen("2.5", "2.6", 1);
    std::fs::write(&run, text).expect("written");
    let mut command = abscope();
    command.arg("merge").arg(cohort.path("out")).arg("-o").arg(cohort.path("again"));
    let output = command.output().expect("abscope starts");
    assert!(stderr(&output).contains("its plan is not the one of its hash"), "{}", stderr(&output));
}

#[test]
fn a_lesion_without_a_score_keeps_its_site() {
    let model = Model::parse(&one_feature_model()).expect("a model");
    let plan = model.plan().expect("a plan");
    let scorer = model.scorer(Origin::Plan(plan)).expect("complete");
    let mut lesion = Row::new("P", "1", Arc::default(), Vec::new());
    (lesion.site, lesion.volume_ml) = (Some("liver".into()), Some(1.0));
    let assessment = assess_rows(&scorer, &[lesion], AssessOptions::default()).expect("done");
    assert_eq!(assessment.unscored.len(), 1);
    let mut table = Vec::new();
    scores::write_csv(Provenance::of(&model).rows(&assessment), &mut table).expect("written");
    let mut table = csv::Reader::from_reader(&table[..]);
    let at = ScoreRow::header().iter().position(|h| *h == "site").expect("a column");
    let row = table.records().next().expect("a row").expect("whole");
    assert_eq!(&row[at], "liver");
}

#[test]
fn covariates_are_carried_through() {
    let cohort = shared();
    let table = Table::read(&cohort.path("unbroken/features.csv")).expect("whole");
    assert!(table.column("age").expect("numbers").iter().all(|age| age.is_ok()));
    assert!(["A", "B"].contains(&table.text(&table.entries[0], "centre").expect("kept")));
    assert!(table.rows().all(|row| row.kvp.is_some() && row.site.is_some()));
}

#[test]
fn a_manifests_roi_is_a_name_a_number_or_a_pattern_for_the_whole_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let manifest = folder.path().join("manifest.csv");
    let phantom = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ibsi/ct_radiomics_phantom");
    let row = |(at, roi): (usize, &&str)| {
        let image = phantom.join("dicom");
        format!("P{at},{0},{0},{roi}\n", image.display())
    };
    let rows: String =
        ["GTV", "gtv-1", "1", "GTV.*", "GTV(1"].iter().enumerate().map(row).collect();
    std::fs::write(&manifest, format!("patient,image,mask,roi\n{rows}")).expect("written");
    let output =
        abscope().args(["batch", "--dry-run"]).arg(&manifest).output().expect("abscope starts");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let mut table = csv::Reader::from_reader(&output.stdout[..]);
    let header = table.headers().expect("a header").clone();
    let column = |name: &str| header.iter().position(|h| h == name).expect("a column");
    let (lesion, problem) = (column("lesion"), column("problem"));
    let mut found: Vec<(String, String)> = Vec::new();
    for record in table.records() {
        let record = record.expect("a row");
        found.push((record[lesion].to_owned(), record[problem].to_owned()));
    }
    found.dedup();
    let lesions: Vec<&str> = found.iter().map(|(lesion, _)| lesion.as_str()).collect();
    // Rows two to four are the same lesion, in as many regions as there are.
    assert_eq!(lesions, ["", "1", ""], "{found:?}");
    for ((_, problem), roi) in [(&found[0], "GTV"), (&found[2], "GTV(1")] {
        let words = format!("no lesion named or matching \"{roi}\"; it has 1 (GTV-1)");
        assert!(problem.contains(&words), "{problem}");
    }
}

#[test]
fn a_dry_run_shows_levels_and_what_is_left_over_and_writes_nothing() {
    let cohort = Cohort::new(3);
    std::fs::remove_file(cohort.path("P0003_mask.nii.gz")).expect("there");
    let before = files(cohort.folder.path());
    let output = abscope()
        .args(["batch", "--dry-run"])
        .arg(cohort.folder.path())
        .output()
        .expect("abscope starts");
    succeed(&output);
    assert!(
        stderr(&output).contains("P0003_ct.nii.gz: image without a mask"),
        "{}",
        stderr(&output)
    );
    let mut table = csv::Reader::from_reader(&output.stdout[..]);
    let levels = table.headers().expect("a header").iter().position(|h| h == "levels");
    let levels = levels.expect("a column");
    let rows: Vec<_> = table.records().map(|r| r.expect("whole")).collect();
    assert!(rows.len() >= 4);
    assert!(rows.iter().all(|row| row[levels].parse::<usize>().is_ok_and(|n| n > 1)), "{rows:?}");
    assert_eq!(files(cohort.folder.path()), before);
}

fn files(folder: &Path) -> BTreeSet<PathBuf> {
    std::fs::read_dir(folder).expect("readable").flatten().map(|e| e.path()).collect()
}

/// A limit on the size of files, which the system enforces as it does the end of a disk.
#[cfg(unix)]
#[test]
fn a_full_disk_is_one_clear_error_and_the_run_goes_on_after() {
    let cohort = Cohort::new(6);
    succeed(&cohort.run("unbroken", &[]));
    // Cases fit, the table does not: the limit lies between the largest record and the table.
    let size = |path: PathBuf| std::fs::metadata(path).expect("there").len();
    let table = size(cohort.path("unbroken/features.csv"));
    let records = std::fs::read_dir(cohort.path("unbroken/cases")).expect("there").flatten();
    let largest = records.map(|e| size(e.path())).max().expect("records");
    for (output, limit) in [("table", (largest + table) / 2), ("records", largest / 2)] {
        let command = cohort.command(output, &[]);
        let arguments: Vec<String> = std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(|a| format!("'{}'", a.to_str().expect("UTF-8")))
            .collect();
        // SIGXFSZ ignored, a write beyond the limit fails as one to a full disk does.
        let script = format!(
            "trap '' XFSZ; ulimit -f {}; exec {}",
            limit.div_ceil(512),
            arguments.join(" ")
        );
        let limited = Command::new("sh").arg("-c").arg(&script).output().expect("a shell");
        assert_eq!(limited.status.code(), Some(2), "{}", stderr(&limited));
        let problem = stderr(&limited);
        assert!(problem.contains("File too large"), "{problem}");
        assert!(problem.contains("the same command goes on"), "{problem}");
        assert!(!cohort.path(output).join("features.csv").exists());
        succeed(&cohort.run(output, &[]));
        assert_eq!(cohort.tables(output), cohort.tables("unbroken"));
    }
}

/// A file system that is really full, where the tests may mount one.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "mounts file systems of some kB; needs root"]
fn a_full_file_system_is_one_clear_error_and_the_run_goes_on_after() {
    let cohort = Cohort::new(12);
    let mut full = 0;
    for (kind, more) in kinds(&cohort).iter().enumerate() {
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let unbroken = cohort.path(&format!("unbroken{kind}"));
        succeed(&cohort.run(&format!("unbroken{kind}"), &more));
        let files = walkdir::WalkDir::new(&unbroken).into_iter().flatten();
        let pages =
            files.map(|e| e.metadata().map_or(0, |m| m.len().div_ceil(4096) + 1)).sum::<u64>();
        let unbroken = left(&unbroken);
        for part in 1..=7 {
            let name = format!("small{kind}-{part}");
            let small = cohort.path(&name);
            std::fs::create_dir(&small).expect("made");
            let mount = |options: &str| {
                let status = Command::new("mount")
                    .args(["-t", "tmpfs", "-o", options, "tmpfs"])
                    .arg(&small)
                    .status()
                    .expect("mount");
                assert!(status.success(), "mount {options}");
            };
            mount(&format!("size={}k", (4 * pages * part / 10).max(8)));
            let output = format!("{name}/out");
            let first = cohort.run(&output, &more);
            mount("remount,size=256m");
            let resumed = cohort.run(&output, &more);
            let said = stderr(&resumed);
            let files = resumed.status.success().then(|| left(&cohort.path(&output)));
            Command::new("umount").arg(&small).status().expect("umount");
            if !first.status.success() {
                full += 1;
                let said = stderr(&first);
                assert_eq!(first.status.code(), Some(2), "{name}: {said}");
                assert!(said.contains("No space left on device"), "{name}: {said}");
            }
            assert!(files.as_ref() == Some(&unbroken), "{name}: other files after it: {said}");
        }
    }
    assert!(full >= 20, "{full} of 21 file systems were full");
}

/// Peak of the resident size of a run, bytes. On one thread, so that it does not depend on which
/// cases happen to meet.
#[cfg(target_os = "linux")]
fn peak(cohort: &Cohort, output: &str) -> u64 {
    let (peak, status) = peaks::watched(&mut cohort.command(output, &["--threads", "1"]));
    assert_eq!(status, Some(0));
    peak
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "takes minutes without optimisation"]
fn the_peak_of_200_patients_is_within_a_tenth_of_that_of_20() {
    // Images large enough that a case, and not the program, is what takes the memory. The 200 are the 20 ten
    // times over under other ids: of 200 others the largest would be larger.
    let cohort = Cohort::with_images(20, [192, 176, 64]);
    let small = peak(&cohort, "small");
    let manifest = cohort.read("manifest.csv");
    let (header, rows) = manifest.split_once('\n').expect("a header");
    let again = (0..10).flat_map(|time| rows.lines().map(move |row| format!("{time}-{row}\n")));
    let large = format!("{header}\n{}", again.collect::<String>());
    std::fs::write(cohort.path("manifest.csv"), large).expect("written");
    let large = peak(&cohort, "large");
    assert!(large as f64 <= small as f64 * 1.1, "{large} bytes for 200, {small} for 20");
}

/// The program that reads a Parquet table in three engines and prints what each saw.
#[cfg(feature = "parquet")]
const ENGINES: &str = r#"
import json, sys
import duckdb, pandas, polars, pyarrow.parquet
path = sys.argv[1]
column = "tumour_original_stat_mean"
seen = {
    "pandas": pandas.read_parquet(path)[["patient", "lesion", column, "age"]].values.tolist(),
    "polars": [list(r) for r in polars.read_parquet(path).select(["patient", "lesion", column, "age"]).rows()],
    "duckdb": [list(r) for r in duckdb.sql(f'select patient, lesion, "{column}", age from "{path}"').fetchall()],
}
schema = pyarrow.parquet.read_schema(path)
about = json.loads(schema.field(column).metadata[b"abscope"])
file = {k.decode(): v.decode() for k, v in pyarrow.parquet.read_metadata(path).metadata.items() if k.startswith(b"abscope")}
types = {name: str(schema.field(name).type) for name in ["patient", column, "tumour_fact_voxels", "tumour_fact_touches_border", "age", "centre"]}
print(json.dumps({"seen": seen, "about": about, "file": file, "types": types}))
"#;

#[cfg(feature = "parquet")]
#[test]
#[ignore = "needs Python with pandas, polars and DuckDB; tests/run sets ABSCOPE_TEST_PYTHON"]
fn pandas_polars_and_duckdb_read_the_parquet_table() {
    let python = std::env::var("ABSCOPE_TEST_PYTHON").expect("tests/run sets it");
    let cohort = shared();
    succeed(&cohort.run("parquet", &["--format", "parquet"]));
    let output = Command::new(python)
        .args(["-c", ENGINES])
        .arg(cohort.path("parquet/features.parquet"))
        .output()
        .expect("Python starts");
    succeed(&output);
    let read: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");

    let table = Table::read(&cohort.path("unbroken/features.csv")).expect("whole");
    let means = table.column("tumour_original_stat_mean").expect("numbers");
    let ages = table.column("age").expect("numbers");
    let expected: Vec<serde_json::Value> = table
        .rows()
        .zip(means.iter().zip(&ages))
        .map(|(row, (mean, age))| serde_json::json!([row.patient, row.lesion, mean.ok(), age.ok()]))
        .collect();
    for engine in ["pandas", "polars", "duckdb"] {
        assert_eq!(read["seen"][engine], serde_json::json!(expected), "{engine}");
    }
    assert_eq!(read["about"]["ibsi"], "Q4LE");
    assert_eq!(read["about"]["unit"], "[hnsf'U]");
    let plan = read["file"]["abscope.plan"].as_str().expect("a plan");
    let settings = Settings::parse(plan).expect("settings");
    let plan = Plan::resolve(&settings).expect("a plan");
    assert_eq!(read["file"]["abscope.plan_hash"], plan.hash().as_str());
    assert_eq!(Some(plan.hash().as_str()), table.plan_hash().expect("one"));
    let types = serde_json::json!({
        "patient": "string", "tumour_original_stat_mean": "double", "tumour_fact_voxels": "int64",
        "tumour_fact_touches_border": "bool", "age": "double", "centre": "string",
    });
    assert_eq!(read["types"], types);
}
