//! Any bytes as a JPEG-LS stream, of the size that its frame header says where that is small.
//!
//! ```text
//! fuzz/seeds.sh && cargo +nightly fuzz run jpeg_ls -- -rss_limit_mb=512 -malloc_limit_mb=64
//! ```
#![no_main]

use abscope::ingest::jpeg_ls::{DecodeError, decode};
use libfuzzer_sys::fuzz_target;

/// Larger images take more time and run through the same code.
const MOST: usize = 1 << 16;

fuzz_target!(|bytes: &[u8]| {
    let mut read = decode(bytes, 4, 4);
    let mut count = 16;
    if let Err(DecodeError::Size { columns, rows, .. }) = read {
        count = columns * rows;
        if count > MOST {
            return;
        }
        read = decode(bytes, columns, rows);
    }
    let Ok(image) = read else { return };
    assert_eq!(image.samples.len(), count, "another number of samples than were asked for");
    let most = (1u32 << image.precision) - 1;
    assert!(image.samples.iter().all(|s| u32::from(*s) <= most), "a sample of too many bits");
});
