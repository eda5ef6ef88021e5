//! The `abscope` command line.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the library keeps silent; the command line speaks"
)]

use std::process::ExitCode;

mod cli;

/// Keeps the arrays of a lesion for the next one in large pages, where the C library of Linux maps those
/// of large lesions anew.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Milliseconds that freed arrays stay before they go back to the system. The allocator's own 10 are less
/// than a case takes, so that each case would have its pages cleared anew.
const FREED_STAYS: std::ffi::c_long = 100;
/// `mi_option_purge_delay` of mimalloc 2 (mimalloc.h), for which the crate has no name.
const PURGE_DELAY: std::ffi::c_int = 15;

#[allow(unsafe_code, reason = "the allocator is a library in C")]
unsafe extern "C" {
    fn mi_option_set(option: std::ffi::c_int, value: std::ffi::c_long);
}

fn main() -> ExitCode {
    #[allow(unsafe_code, reason = "the allocator is a library in C")]
    // SAFETY: sets a number; nothing else runs yet.
    unsafe {
        mi_option_set(PURGE_DELAY, FREED_STAYS);
    }
    cli::run()
}
