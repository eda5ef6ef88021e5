//! A library that panics makes an error of the file, and nothing on the console.
//!
//! A test program of its own, with one test: the hook that prints panics is the whole process's.

use std::panic::{catch_unwind, set_hook};
use std::sync::atomic::{AtomicUsize, Ordering};

use abscope::contained::contained;

static HEARD: AtomicUsize = AtomicUsize::new(0);

#[test]
fn a_library_that_panics_is_contained_and_prints_nothing() {
    set_hook(Box::new(|_| {
        HEARD.fetch_add(1, Ordering::Relaxed);
    }));
    assert_eq!(contained(|| 7), Some(7));
    let gave_up: Option<()> = contained(|| panic!("an index out of bounds"));
    assert_eq!(gave_up, None);
    let within: Option<Option<()>> = contained(|| contained(|| panic!("one in another")));
    assert_eq!(within, Some(None));
    assert_eq!(HEARD.load(Ordering::Relaxed), 0);
    // Every other panic is told as before.
    assert!(catch_unwind(|| panic!("no library's")).is_err());
    assert_eq!(HEARD.load(Ordering::Relaxed), 1);
}
