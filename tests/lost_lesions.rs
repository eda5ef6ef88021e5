//! A lesion that resampling leaves no voxel of is told, warned of and counted as failed.

mod common;

use std::path::Path;
use std::process::Command;

use common::{Nifti, abscope};
use serde_json::Value;

/// Of 40 x 40 x 40 voxels of 1 mm: lesion 1 is one voxel between the centres of voxels of 5 mm, lesion
/// 2 a cube.
fn case(folder: &Path) {
    const N: usize = 40;
    let axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    let write = |name: &str, of: &dyn Fn([usize; 3]) -> f64| {
        let voxels = (0..N * N * N).map(|i| of([i % N, i / N % N, i / N / N])).collect();
        Nifti::new([N; 3], [1.0; 3], axes, [0.0; 3], voxels).write(&folder.join(name));
    };
    write("image.nii", &|[x, y, z]| ((x * 7 + y * 3 + z) % 50) as f64);
    write("mask.nii", &|voxel| match voxel {
        [4, 4, 4] => 1.0,
        _ if voxel.iter().all(|i| (15..30).contains(i)) => 2.0,
        _ => 0.0,
    });
    let settings = "[resampling]\nspacing_mm = [5.0, 5.0, 5.0]\n\
                    [features]\nfamilies = [\"statistics\"]\n";
    std::fs::write(folder.join("settings.toml"), settings).expect("written");
    let manifest = "patient,image,mask\nP,image.nii,mask.nii\n";
    std::fs::write(folder.join("manifest.csv"), manifest).expect("written");
}

fn run(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().expect("abscope starts");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

const TOLD: &str = "lesion 1: resampling from 1 x 1 x 1 to 5 x 5 x 5 mm left none of its 1 voxels";

#[test]
fn extract_tells_what_became_of_the_lesion() {
    let folder = tempfile::tempdir().expect("a folder");
    case(folder.path());
    let output = folder.path().join("features.json");
    let (code, said) = run(abscope()
        .current_dir(folder.path())
        .args(["extract", "image.nii", "mask.nii", "--settings", "settings.toml", "-o"])
        .arg(&output));
    assert!(said.contains(TOLD), "{said}");
    assert_eq!(code, Some(1), "{said}");
    let table: Value =
        serde_json::from_str(&std::fs::read_to_string(&output).expect("written")).expect("JSON");
    let row = |at: usize| &table["rows"][at];
    assert_eq!(row(0)["missing"]["tumour_original_stat_mean"], "lost_in_resampling");
    assert_eq!(row(0)["facts"].as_array().map(Vec::len), Some(0), "{}", row(0)["facts"]);
    assert!(row(1)["values"]["tumour_original_stat_mean"].is_number());
    let warnings = table["warnings"].to_string();
    assert!(warnings.contains(TOLD), "{warnings}");
}

#[test]
fn a_batch_counts_it_among_what_failed_and_keeps_the_other_lesions() {
    let folder = tempfile::tempdir().expect("a folder");
    case(folder.path());
    let output = folder.path().join("out");
    for time in ["first", "again"] {
        let (code, said) = run(abscope()
            .current_dir(folder.path())
            .args(["batch", "manifest.csv", "--settings", "settings.toml", "-o"])
            .arg(&output));
        assert_eq!(code, Some(1), "{time}: {said}");
        let read = |name: &str| std::fs::read_to_string(output.join(name)).expect("written");
        let failures = read("failures.csv");
        assert!(failures.contains(TOLD) && failures.contains("extract"), "{time}: {failures}");
        assert!(read("warnings.csv").contains(TOLD), "{time}");
        assert_eq!(read("features.csv").lines().count(), 3, "{time}");
    }
}
