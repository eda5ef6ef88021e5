//! Libraries that give up on a damaged stream: codecs of images, the reader of Parquet.
//!
//! They index by what the stream says and panic where it lies. A caught panic has spoken already: the
//! process's hook runs first, and the one that Rust brings prints a message and the way to a
//! backtrace, as if abscope had crashed. Only the hook can keep quiet, so that one is put before
//! whatever hook there is, once. It concerns threads that are inside such a library; every other panic goes
//! on to the hook that was there.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// What `work` gives; `None` where it panics, of which nothing is printed.
///
/// Whatever `work` changes must not be used after a panic.
pub fn contained<T>(work: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !INSIDE.get() {
                before(info);
            }
        }));
    });
    let outer = INSIDE.replace(true);
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    INSIDE.set(outer);
    done.ok()
}
