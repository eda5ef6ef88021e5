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

fn main() -> ExitCode {
    cli::run()
}
