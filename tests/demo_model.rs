//! The demonstration signature is what its script makes, byte for byte.

use std::path::Path;
use std::process::Command;

/// Simulates and extracts 135 patients and trains on them.
#[test]
#[ignore = "takes minutes; tests/run runs it"]
fn the_script_makes_the_model_byte_for_byte() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Started by the script, cargo would compile libraries again: without the tests' dependencies their
    // features are others.
    let abscope = Path::new(env!("CARGO_BIN_EXE_abscope"));
    let example = format!("examples/simulate_cohort{}", std::env::consts::EXE_SUFFIX);
    let simulate = abscope.with_file_name(example);
    assert!(simulate.is_file(), "run `cargo build --examples` before this test alone");
    let folder = tempfile::tempdir().expect("a folder");
    let made = folder.path().join("model.toml");
    let status = Command::new("sh")
        .arg(root.join("models/train_demo.sh"))
        .arg(&made)
        .env("ABSCOPE", abscope)
        .env("SIMULATE_COHORT", simulate)
        .status()
        .expect("a shell");
    assert!(status.success());
    let kept = std::fs::read(root.join("models/demo-simulated-infiltration.toml")).expect("kept");
    assert!(std::fs::read(&made).expect("made") == kept, "the script makes another model");
}
