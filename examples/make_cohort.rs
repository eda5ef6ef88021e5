//! Writes a made-up cohort: `cargo run --example make_cohort -- FOLDER [PATIENTS] [SEED]`.
#![allow(clippy::print_stderr, reason = "an example is a program of its own")]

use std::error::Error;
use std::path::Path;

mod cohort;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: make_cohort FOLDER [PATIENTS] [SEED]")?;
    let patients: usize = arguments.next().as_deref().unwrap_or("20").parse()?;
    let seed: u64 = arguments.next().as_deref().unwrap_or("1").parse()?;
    cohort::write(Path::new(&folder), patients, seed, cohort::SMALL)?;
    eprintln!("{patients} patients in {folder}");
    Ok(())
}
