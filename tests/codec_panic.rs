//! A codec that panics makes an error of the file, and nothing on the console.
//!
//! A test program of its own, with one test: the hook that prints panics is the whole process's.

use std::panic::{catch_unwind, set_hook};
use std::sync::atomic::{AtomicUsize, Ordering};

use abscope::ingest::dicom::series::{self, SlicePolicy};
use abscope::ingest::dicom::source::Source;

static HEARD: AtomicUsize = AtomicUsize::new(0);

#[test]
fn a_codec_that_panics_is_an_error_of_the_file_and_prints_nothing() {
    let mut slice = std::fs::read("fixtures/dicom/ct/jpeg-sv1-unsigned/0").expect("there");
    // 8 bits by the file's header and 12 by the stream's: the codec copies more than it made room
    // for. BitsAllocated, BitsStored and HighBit are (0028,0100) to (0028,0102).
    for (element, bits) in [(0, 8), (1, 8), (2, 7)] {
        let head = [0x28, 0x00, element, 0x01, b'U', b'S', 2, 0];
        let at = slice.windows(8).position(|w| w == head).expect("there");
        slice[at + 8] = bits;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("slice");
    std::fs::write(&path, slice).expect("written");

    set_hook(Box::new(|_| {
        HEARD.fetch_add(1, Ordering::Relaxed);
    }));
    let problem = series::read(&[Source::file(&path)], SlicePolicy::Refuse);
    let problem = problem.expect_err("refused").to_string();
    assert!(problem.contains("frame 1 cannot be decoded"), "{problem}");
    assert!(problem.contains("the codec gave up"), "{problem}");
    assert_eq!(HEARD.load(Ordering::Relaxed), 0);
    // Every other panic is told as before.
    assert!(catch_unwind(|| panic!("no codec's")).is_err());
    assert_eq!(HEARD.load(Ordering::Relaxed), 1);
}
