//! Times one case in this process: loading, the first extraction, and extractions after it. Prints
//! JSON. `docs/performance.md` explains the figures.
//!
//! ```text
//! cargo run --release --example time_case -- IMAGE MASK SETTINGS THREADS REPETITIONS
//! ```
#![allow(clippy::print_stdout, reason = "the figures are its result")]

use std::path::Path;
use std::time::Instant;

use abscope::extract::extract;
use abscope::ingest::{LoadOptions, load};
use abscope::plan::Plan;
use abscope::settings::Settings;
use anyhow::bail;

/// The one of the command line.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [image, mask, settings, threads, repetitions] = arguments.as_slice() else {
        bail!("give IMAGE MASK SETTINGS THREADS REPETITIONS");
    };
    rayon::ThreadPoolBuilder::new().num_threads(threads.parse()?).build_global()?;
    let plan = Plan::resolve(&Settings::read(Path::new(settings))?)?;

    let start = Instant::now();
    let case = load(Path::new(image), Path::new(mask), &LoadOptions::default())?;
    let loading = start.elapsed().as_secs_f64();

    let mut extractions = Vec::new();
    let mut values = 0;
    for _ in 0..repetitions.parse::<usize>()?.max(1) {
        let start = Instant::now();
        let rows = extract(&case, &plan);
        extractions.push(start.elapsed().as_secs_f64());
        values = rows.iter().map(|row| row.values().len()).sum();
    }
    let warm = extractions.iter().skip(1).copied().fold(f64::INFINITY, f64::min);
    let figures = serde_json::json!({
        "load": loading,
        "first": extractions[0],
        "warm": if warm.is_finite() { Some(warm) } else { None },
        "lesions": case.lesions.len(),
        "values": values,
    });
    println!("{figures}");
    Ok(())
}
