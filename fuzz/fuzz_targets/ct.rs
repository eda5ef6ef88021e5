//! Any bytes as a CT series of one file, single-frame or enhanced, its frames decoded to HU.
//!
//! ```text
//! fuzz/seeds.sh && cargo +nightly fuzz run ct -- -rss_limit_mb=2048 -malloc_limit_mb=1024 \
//!     -dict=fuzz/dictionaries/dicom.dict
//! ```
#![no_main]

use std::sync::OnceLock;

use abscope::ingest::dicom::series::{self, SlicePolicy};
use abscope::ingest::dicom::source::Source;
use libfuzzer_sys::fuzz_target;

/// A series is read from files. One per process, as targets run side by side.
static FILE: OnceLock<tempfile::NamedTempFile> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| {
    let file = FILE.get_or_init(|| tempfile::NamedTempFile::new().expect("a temporary folder"));
    std::fs::write(file.path(), bytes).expect("room in the temporary folder");
    let source = [Source::file(file.path())];
    let Ok(ct) = series::read(&source, SlicePolicy::Resample) else { return };
    let size = ct.volume.geometry().size;
    let surveyed = series::survey(&source).map(|s| s.geometry.size);
    assert_eq!(surveyed.ok(), Some(size), "a survey that sees another volume than the reader");
    assert!(ct.volume.get(size.map(|n| n - 1)).is_finite(), "a voxel that is no number");
});
