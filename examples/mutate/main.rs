//! Damages sound files of every kind that abscope reads, and counts what becomes of it:
//! `cargo run --release --example mutate -- [--seed N] [--count N] [--format NAME]`.
//!
//! `docs/robustness.md` says what is promised and has the table; `tests/mutation.rs` runs a part.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example is a program of its own")]

use std::collections::BTreeMap;
use std::error::Error;
use std::process::{Command, ExitCode};
use std::sync::Mutex;

mod campaign;
#[path = "../../tests/common/dicom.rs"]
mod dicom;
mod mutation;
#[path = "../../tests/common/signature.rs"]
mod signature;
mod subjects;

use campaign::{Fate, Tally};

/// Workers side by side, each on one thread.
const WORKERS: usize = 2;
/// Mutations that a worker does before another takes its place.
const SHIFT: u64 = 500;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    if campaign::work() {
        return Ok(ExitCode::SUCCESS);
    }
    let (mut seed, mut count, mut only) = (1, 100_000, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or("every option has a value")?;
        match name.as_str() {
            "--seed" => seed = value.parse()?,
            "--count" => count = value.parse()?,
            "--format" => only = Some(value),
            _ => return Err(format!("no option {name}; give --seed, --count or --format").into()),
        }
    }
    let formats: Vec<(&str, u64)> = subjects::FORMATS
        .into_iter()
        .filter(|(name, _)| only.as_deref().is_none_or(|only| only == *name))
        .collect();
    let parts: u64 = formats.iter().map(|(_, part)| part).sum();
    let mut shifts = Vec::new();
    for (name, part) in formats.iter().rev() {
        let mutations = (count * part).div_ceil(parts.max(1));
        for from in (0..mutations).step_by(SHIFT as usize).collect::<Vec<_>>().into_iter().rev() {
            shifts.push((*name, from..(from + SHIFT).min(mutations)));
        }
    }
    let program = std::env::current_exe()?;
    let start = || {
        let mut command = Command::new(&program);
        command.env("RAYON_NUM_THREADS", "1");
        command
    };
    let (shifts, tallies) = (Mutex::new(shifts), Mutex::new(BTreeMap::<&str, Tally>::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let Some((name, numbers)) = shifts.lock().expect("no panic").pop() else {
                        break;
                    };
                    let tally = campaign::run(name, seed, numbers, &start);
                    for failure in &tally.failures {
                        eprintln!("{failure}");
                    }
                    tallies.lock().expect("no panic").entry(name).or_default().add(tally);
                }
            });
        }
    });
    let tallies = tallies.into_inner()?;
    let failed = print(&formats, &tallies);
    Ok(ExitCode::from(u8::from(failed)))
}

/// The table in Markdown; whether there was a failure.
fn print(formats: &[(&str, u64)], tallies: &BTreeMap<&str, Tally>) -> bool {
    let names = Fate::ALL.map(Fate::name).join(" | ");
    println!("| format | mutations | {names} | peak, MB |");
    println!("|---{}|", "|--:".repeat(Fate::ALL.len() + 2));
    let row = |name: &str, tally: &Tally| {
        let counts = Fate::ALL.map(|fate| tally.of(fate));
        let all: u64 = counts.iter().sum();
        let counts = counts.map(|count| count.to_string()).join(" | ");
        println!("| {name} | {all} | {counts} | {} |", tally.peak.div_ceil(1_000_000));
    };
    let mut whole = Tally::default();
    for (name, _) in formats {
        let Some(tally) = tallies.get(name) else { continue };
        row(name, tally);
        for (fate, count) in &tally.fates {
            *whole.fates.entry(*fate).or_default() += count;
        }
        whole.peak = whole.peak.max(tally.peak);
    }
    row("all", &whole);
    println!("\nCounted apart:");
    for (name, tally) in tallies {
        for (part, count) in &tally.apart {
            println!("- {name}: {part}: {count}");
        }
    }
    whole.fates.keys().any(|fate| fate.is_failure())
}
