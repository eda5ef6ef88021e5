//! What an earlier release wrote goes on working: its signature, its tables, the journal of a batch
//! that it did not finish, and its reports.
//!
//! Oracle: the files of that release, kept as they were written (`fixtures/kept/VERSION`).

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{abscope, fixture};
use serde_json::Value;

/// The releases whose files are kept.
const RELEASES: [&str; 1] = ["0.1.0"];
/// Cases of the kept batch, and how many of them the release had done when it was killed.
const CASES: usize = 4;
const DONE: usize = 2;

fn kept(release: &str, name: &str) -> PathBuf {
    fixture("kept").join(release).join(name)
}

fn succeed(command: &mut Command) -> Output {
    let output = command.output().expect("abscope starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}: {stderr}", output.status);
    output
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn a_kept_signature_is_valid_and_complete() {
    for release in RELEASES {
        succeed(abscope().args(["model", "check"]).arg(kept(release, "model.toml")));
    }
}

#[test]
fn a_kept_signature_scores_a_kept_table_of_any_format_to_the_kept_scores() {
    for release in RELEASES {
        let expected = read(&kept(release, "scores.csv"));
        let folder = tempfile::tempdir().expect("a folder");
        let formats: &[&str] = if cfg!(feature = "parquet") {
            &["csv", "jsonl", "parquet"]
        } else {
            &["csv", "jsonl"]
        };
        for format in formats {
            let scores = folder.path().join(format!("{format}.csv"));
            succeed(
                abscope()
                    .arg("score")
                    .arg(kept(release, &format!("features.{format}")))
                    .arg("--model")
                    .arg(kept(release, "model.toml"))
                    .arg("-o")
                    .arg(&scores),
            );
            let scores = read(&scores);
            assert_eq!(of_columns(&scores, header(&expected)), expected, "{release} {format}");
        }
    }
}

/// Features of today that the kept signature needs are those of the kept table; the version may
/// differ.
#[test]
fn the_kept_lesions_have_their_kept_values_today() {
    let (image, mask) = common::ct_phantom();
    let manifest =
        format!("patient,image,mask,kvp\nphantom,{},{},120\n", image.display(), mask.display());
    for release in RELEASES {
        let folder = tempfile::tempdir().expect("a folder");
        let (parts, output) = (folder.path().join("parts.csv"), folder.path().join("output"));
        std::fs::write(&parts, &manifest).expect("written");
        batch(release, &parts, &output);
        let expected = read(&kept(release, "features.csv"));
        let found = of_columns(&read(&output.join("features.csv")), header(&expected));
        assert!(
            without_version(&found, release) == without_version(&expected, release),
            "{release}: values differ"
        );
    }
}

fn header(table: &str) -> &str {
    table.lines().next().expect("a header")
}

/// The columns of a table that a release had: later ones have more.
fn of_columns(table: &str, header: &str) -> String {
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let there = reader.headers().expect("a header").clone();
    let place = |name: &str| there.iter().position(|h| h == name).expect("a column that is kept");
    let places: Vec<usize> = header.split(',').map(place).collect();
    let mut kept = csv::Writer::from_writer(Vec::new());
    kept.write_record(places.iter().map(|at| &there[*at])).expect("memory");
    for record in reader.records() {
        let record = record.expect("a row");
        kept.write_record(places.iter().map(|at| &record[*at])).expect("memory");
    }
    String::from_utf8(kept.into_inner().expect("memory")).expect("text")
}

/// A table of text without the cells that name a release: the kept one, or the one that runs.
fn without_version(table: &str, release: &str) -> String {
    [release, env!("CARGO_PKG_VERSION")]
        .into_iter()
        .fold(table.to_owned(), |table, version| table.replace(&format!(",{version},"), ",,"))
}

fn batch(release: &str, manifest: &Path, output: &Path) -> Output {
    succeed(
        abscope()
            .arg("batch")
            .arg(manifest)
            .arg("--model")
            .arg(kept(release, "model.toml"))
            .args(["--log-format", "json", "-o"])
            .arg(output),
    )
}

/// The cases of a run that were taken over from an earlier one, and those that were done.
fn taken_over_and_done(run: &Output) -> (usize, usize) {
    let events: Vec<Value> = String::from_utf8_lossy(&run.stderr)
        .lines()
        .map(|line| serde_json::from_str(line).expect("an event per line"))
        .collect();
    let known = events.iter().find(|event| event["event"] == "planned").expect("a first event");
    let known = known["done"].as_u64().expect("a number") as usize;
    let finished = || events.iter().filter(|event| event["event"] == "finished");
    let taken_over = finished().filter(|event| event["resumed"] == true).count();
    (known + taken_over, finished().count() - taken_over)
}

/// A table without the warnings that no kept release gave: a case that is taken over keeps those of the
/// release that did it.
fn told_then(table: &str) -> String {
    let later = |line: &&str| line.contains("no intensity is below 0");
    table.lines().filter(|line| !later(line)).flat_map(|line| [line, "\n"]).collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry").path();
        let target = to.join(entry.file_name().expect("a name"));
        if entry.is_dir() {
            copy(&entry, &target);
        } else {
            std::fs::copy(&entry, &target).expect("copied");
        }
    }
}

#[test]
fn an_unfinished_batch_goes_on_and_its_finished_cases_are_not_done_again() {
    for release in RELEASES {
        let folder = tempfile::tempdir().expect("a folder");
        let (resumed, fresh) = (folder.path().join("resumed"), folder.path().join("fresh"));
        copy(&kept(release, "batch"), &resumed);
        let before: Value =
            serde_json::from_str(&read(&resumed.join("run.json"))).expect("a description");
        assert_eq!(before["finished"], false, "{release}");

        let manifest = kept(release, "cohort/manifest.csv");
        let run = |output: &Path| taken_over_and_done(&batch(release, &manifest, output));
        assert_eq!(run(&resumed), (DONE, CASES - DONE));
        assert_eq!(run(&fresh), (0, CASES));
        for name in ["features.csv", "scores.csv", "failures.csv", "warnings.csv"] {
            let [resumed, fresh] =
                [&resumed, &fresh].map(|folder| told_then(&read(&folder.join(name))));
            assert!(
                without_version(&resumed, release) == without_version(&fresh, release),
                "{release}: {name} differs"
            );
        }
        for patient in 1..=CASES {
            for ending in ["html", "json"] {
                let name = format!("reports/P{patient}.{ending}");
                assert!(resumed.join(&name).is_file(), "{release} {name}");
            }
        }
        // Once all are done, nothing is.
        assert_eq!(run(&resumed), (CASES, 0));
    }
}

#[test]
fn a_kept_report_is_what_the_schema_says() {
    let schema: Value =
        serde_json::from_str(include_str!("../docs/report.schema.json")).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    for release in RELEASES {
        let report: Value =
            serde_json::from_str(&read(&kept(release, "report.json"))).expect("JSON");
        let problems: Vec<String> =
            validator.iter_errors(&report).map(|problem| problem.to_string()).collect();
        assert!(problems.is_empty(), "{release}: {problems:?}");
        assert_eq!(report["lesions"].as_array().map(Vec::len), Some(4), "{release}");
    }
}
