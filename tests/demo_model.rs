//! The demonstration signature is what its script makes, byte for byte.

use std::path::Path;
use std::process::Command;

/// Simulates and extracts 135 patients and trains on them.
#[test]
#[ignore = "takes minutes; tests/run runs it"]
fn the_script_makes_the_model_byte_for_byte() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().expect("a folder");
    let made = folder.path().join("model.toml");
    let status = Command::new("sh")
        .arg(root.join("models/train_demo.sh"))
        .arg(&made)
        // What the tests are built with, so that nothing is compiled again.
        .env("PROFILE", "dev")
        .status()
        .expect("a shell");
    assert!(status.success());
    let kept = std::fs::read(root.join("models/demo-simulated-infiltration.toml")).expect("kept");
    assert!(std::fs::read(&made).expect("made") == kept, "the script makes another model");
}
