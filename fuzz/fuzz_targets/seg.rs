//! Any bytes as a segmentation, its frames decoded and placed by the grid of a small CT and without.
//!
//! ```text
//! fuzz/seeds.sh && cargo +nightly fuzz run seg -- -rss_limit_mb=2048 -malloc_limit_mb=1024 \
//!     -dict=fuzz/dictionaries/dicom.dict
//! ```
#![no_main]

use abscope::ingest::dicom::seg::Segmentation;
use libfuzzer_sys::fuzz_target;

mod dicom;

fuzz_target!(|bytes: &[u8]| {
    let Some(file) = dicom::opened(bytes, false) else { return };
    let Ok(segmentation) = Segmentation::read(&file) else { return };
    for image in [Some(&dicom::grid()), None] {
        let Ok(masks) = segmentation.masks(image, 0.5, &|_, _| true) else { continue };
        for (_, _, mask) in &masks.regions {
            assert!(mask.voxel_count() > 0, "a segment without a voxel");
        }
    }
});
