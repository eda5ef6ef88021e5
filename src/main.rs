//! The `abscope` command line.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the library keeps silent; the command line speaks"
)]

use std::process::ExitCode;

mod cli;

fn main() -> ExitCode {
    cli::run()
}
