//! The recipes of `docs/scaling.md`, run by the real engines, with a worker killed midway.
//!
//! Oracle: the tables of one undivided run.
#![cfg(target_os = "linux")]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::abscope;

#[path = "../examples/cohort/mod.rs"]
mod cohort;

const PATIENTS: usize = 24;
const SETTINGS: &str = "[resampling]\nspacing_mm = [1.5, 1.5, 1.5]\n";

struct Ground {
    folder: tempfile::TempDir,
}

impl Ground {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        cohort::write(folder.path(), PATIENTS, 1, cohort::SMALL).expect("room on the disk");
        std::fs::write(folder.path().join("settings.toml"), SETTINGS).expect("room on the disk");
        let ground = Self { folder };
        let status = abscope()
            .arg("batch")
            .arg(ground.path("manifest.csv"))
            .arg("--settings")
            .arg(ground.path("settings.toml"))
            .arg("-o")
            .arg(ground.path("undivided"))
            .status()
            .expect("abscope starts");
        assert!(status.success());
        ground
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn check(&self, merged: &str) {
        for table in ["features.csv", "cases.csv", "failures.csv", "warnings.csv"] {
            let read = |folder: &str| {
                std::fs::read(self.path(folder).join(table))
                    .unwrap_or_else(|e| panic!("{table}: {e}"))
            };
            assert!(read(merged) == read("undivided"), "{table} differs");
        }
    }
}

fn python() -> PathBuf {
    std::env::var_os("ABSCOPE_TEST_PYTHON").expect("tests/run sets it").into()
}

/// Parent and command line of a process.
fn process(pid: u32) -> Option<(u32, String)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    Some((parent, String::from_utf8_lossy(&command).replace('\0', " ")))
}

fn descends_from(mut pid: u32, ancestor: u32) -> bool {
    while let Some((parent, _)) = process(pid) {
        if parent == ancestor {
            return true;
        }
        pid = parent;
    }
    false
}

/// A running abscope among the descendants of a process.
fn abscope_below(ancestor: u32) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.into_iter().find(|&pid| {
        let is_shard = process(pid).is_some_and(|(_, command)| {
            command.starts_with(env!("CARGO_BIN_EXE_abscope")) && command.contains("--shard")
        });
        is_shard && descends_from(pid, ancestor)
    })
}

/// Waits until a shard is midway (some of its cases are on disk and it still runs), and kills the
/// process that `victim` makes of it.
fn kill_midway(engine: &mut Child, shards: &Path, victim: impl Fn(u32) -> u32) {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(300) {
        assert!(engine.try_wait().expect("a child").is_none(), "over before a shard was midway");
        let midway = walk(shards).any(|path| path.ends_with("cases") && entries(&path) > 0);
        if let (true, Some(pid)) = (midway, abscope_below(engine.id())) {
            let pid = victim(pid).to_string();
            let status = Command::new("kill").args(["-KILL", &pid]).status().expect("kill");
            assert!(status.success());
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("no shard was midway within five minutes");
}

fn walk(folder: &Path) -> impl Iterator<Item = PathBuf> {
    walkdir::WalkDir::new(folder).into_iter().filter_map(|e| Some(e.ok()?.into_path()))
}

fn entries(folder: &Path) -> usize {
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
    names.filter(|e| e.file_name().to_string_lossy().ends_with(".json")).count()
}

fn recipe(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/scaling").join(name)
}

#[test]
#[ignore = "needs Snakemake; tests/run sets ABSCOPE_TEST_PYTHON"]
fn the_snakemake_recipe_survives_a_killed_worker() {
    let ground = Ground::new();
    let log = ground.path("snakemake.log");
    let config = |key: &str, path: &Path| format!("{key}={}", path.display());
    let mut engine = Command::new(python())
        .args(["-m", "snakemake", "--cores", "2", "--snakefile"])
        .arg(recipe("Snakefile"))
        .arg("--directory")
        .arg(ground.folder.path())
        .arg("--config")
        .arg(config("manifest", &ground.path("manifest.csv")))
        .arg(config("settings", &ground.path("settings.toml")))
        .arg(config("out", &ground.path("snake")))
        .arg(config("abscope", env!("CARGO_BIN_EXE_abscope").as_ref()))
        .arg("shards=3")
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).expect("a log"))
        .spawn()
        .expect("Snakemake starts");
    kill_midway(&mut engine, &ground.path("snake"), |abscope| abscope);
    let status = engine.wait().expect("a child");
    let log = std::fs::read_to_string(log).expect("a log");
    assert!(status.success(), "{log}");
    assert!(log.contains("Trying to restart"), "no job was restarted: {log}");
    ground.check("snake/merged");
}

#[test]
#[ignore = "needs Dask; tests/run sets ABSCOPE_TEST_PYTHON"]
fn the_dask_recipe_survives_a_killed_worker() {
    let ground = Ground::new();
    let log = ground.path("dask.log");
    let mut engine = Command::new(python())
        .arg(recipe("dask_cohort.py"))
        .arg(ground.path("manifest.csv"))
        .arg(ground.path("dask"))
        .arg("--settings")
        .arg(ground.path("settings.toml"))
        .args(["--shards", "3", "--abscope", env!("CARGO_BIN_EXE_abscope")])
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).expect("a log"))
        .spawn()
        .expect("Python starts");
    // The worker, not only its abscope: Dask has to give the shard to another one.
    kill_midway(&mut engine, &ground.path("dask"), |abscope| process(abscope).expect("it runs").0);
    let status = engine.wait().expect("a child");
    let log = std::fs::read_to_string(log).expect("a log");
    assert!(status.success(), "{log}");
    assert!(log.contains("Restarting worker"), "no worker was restarted: {log}");
    ground.check("dask/merged");
}
