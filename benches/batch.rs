//! Throughput of a whole run over a cohort, on one thread and on two: the ratio says whether both
//! cores are busy. Every sample starts from an empty output folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use divan::Bencher;
use divan::counter::ItemsCount;
use tempfile::TempDir;

#[path = "../examples/cohort/mod.rs"]
mod cohort;

/// Enough that neither the start, nor the last patients, nor the tables at the end count for much.
const PATIENTS: usize = 96;

static COHORT: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    cohort::write(folder.path(), PATIENTS, 1, cohort::SMALL).expect("room on the disk");
    folder
});

fn main() {
    divan::main();
}

/// All features at the default settings; items are patients.
#[divan::bench(args = [1, 2], sample_count = 5, sample_size = 1)]
fn cohort_with_threads(bencher: Bencher<'_, '_>, threads: usize) {
    let manifest: PathBuf = COHORT.path().join("manifest.csv");
    bencher
        .counter(ItemsCount::new(PATIENTS))
        .with_inputs(|| tempfile::tempdir().expect("a temporary folder"))
        .bench_local_values(|output| {
            run(&manifest, &output.path().join("out"), threads);
            output
        });
}

fn run(manifest: &Path, output: &Path, threads: usize) {
    let status = Command::new(env!("CARGO_BIN_EXE_abscope"))
        .arg("batch")
        .arg(manifest)
        .arg("-o")
        .arg(output)
        .args(["--threads", &threads.to_string()])
        .stderr(Stdio::null())
        .status()
        .expect("abscope starts");
    assert!(status.success());
}
