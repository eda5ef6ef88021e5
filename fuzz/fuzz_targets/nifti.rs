//! Any bytes as a NIfTI image and as a label map, plain or gzipped.
//!
//! ```text
//! fuzz/seeds.sh && cargo +nightly fuzz run nifti -- -rss_limit_mb=2048 -malloc_limit_mb=1024
//! ```
#![no_main]

use std::path::Path;
use std::sync::OnceLock;

use abscope::ingest::nifti::{is_nifti, read_image, read_labels};
use libfuzzer_sys::fuzz_target;

/// The reader takes a path, so that the bytes must be a file. One per process, as targets run side by
/// side.
static FILE: OnceLock<tempfile::NamedTempFile> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| {
    let file = FILE.get_or_init(|| tempfile::NamedTempFile::new().expect("a temporary folder"));
    let path: &Path = file.path();
    std::fs::write(path, bytes).expect("room in the temporary folder");
    let readable = is_nifti(path);
    let image = read_image(path);
    let labels = read_labels(path);
    assert!(readable || (image.is_err() && labels.is_err()), "read, but not taken for NIfTI");
    // Voxels may stay in the file until somebody asks for them.
    if let Ok(image) = image {
        let grid = image.volume.geometry();
        let last = grid.size.map(|n| n - 1);
        assert!(image.volume.get(last).is_finite(), "a voxel that is no number");
    }
    for mask in labels.iter().flat_map(|labels| labels.masks.values()) {
        assert!(mask.voxel_count() > 0, "a label without a voxel");
    }
});
