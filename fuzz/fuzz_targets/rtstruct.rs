//! Any bytes as a structure set, its contours drawn on the grid of a small CT.
//!
//! ```text
//! fuzz/seeds.sh && cargo +nightly fuzz run rtstruct -- -rss_limit_mb=2048 -malloc_limit_mb=1024 \
//!     -dict=fuzz/dictionaries/dicom.dict
//! ```
#![no_main]

use abscope::ingest::dicom::rtstruct::StructureSet;
use libfuzzer_sys::fuzz_target;

mod dicom;

fuzz_target!(|bytes: &[u8]| {
    let Some(file) = dicom::opened(bytes, true) else { return };
    let Ok(set) = StructureSet::read(&file.object, &file.path) else { return };
    let grid = dicom::grid();
    let Ok(masks) = set.masks(&grid, &|_, _| true) else { return };
    for (_, _, mask) in &masks.regions {
        assert!(mask.grid() == &grid && mask.voxel_count() > 0, "a lesion off the image");
    }
});
