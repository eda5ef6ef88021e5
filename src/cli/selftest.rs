//! `abscope selftest`: the reference values of the IBSI on the user's own machine.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use abscope::features::{Family, documentation};
use abscope::selftest::{self, Comparison, Dataset, DatasetReport};
use rayon::prelude::*;
use serde_json::json;

/// Compare this program, on this machine, with the reference values of the IBSI.
///
/// The digital phantom is built in. The CT phantom with configurations A to E needs the IBSI's data
/// sets (<https://github.com/theibsi/data_sets>). Exit status 1 if any value falls short.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folder that holds ct_radiomics_phantom/image.nii.gz and mask.nii.gz.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// Print JSON: every row with its value, reference and tolerance.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let data = args.data.as_deref();
    let datasets: &[Dataset] = if data.is_some() { &Dataset::ALL } else { &Dataset::ALL[..1] };
    let reports: Vec<DatasetReport> =
        datasets.par_iter().map(|&d| selftest::run(d, data)).collect::<Result<_, _>>()?;

    let features: Vec<_> = reports.iter().flat_map(|r| &r.features).collect();
    let steps: Vec<_> = reports.iter().flat_map(|r| &r.diagnostics).collect();
    let passed = features.iter().chain(&steps).all(|c| c.passed);
    if args.json {
        let summary = |rows: &[&Comparison]| {
            let within = rows.iter().filter(|c| c.passed).count();
            let missing = rows.iter().filter(|c| c.value.is_none()).count();
            json!({ "rows": rows.len(), "within_tolerance": within, "missing": missing })
        };
        let document = json!({
            "schema": "abscope.selftest/1",
            "version": env!("CARGO_PKG_VERSION"),
            "passed": passed,
            "features": summary(&features),
            "diagnostics": summary(&steps),
            "datasets": reports,
        });
        println!("{}", serde_json::to_string_pretty(&document)?);
    } else {
        print_tables(&reports);
        print_failures(&features, &steps);
        let seconds = started.elapsed().as_secs_f64();
        println!("{}", final_line(&features, &steps, passed, seconds));
        if data.is_none() {
            println!("The CT phantom was not run: --data DIR adds configurations A to E.");
        }
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// A row of a table: what was compared.
struct Tally<'a> {
    name: String,
    rows: Vec<&'a Comparison>,
}

impl Tally<'_> {
    fn line(&self) -> String {
        let passed = self.rows.iter().filter(|c| c.passed).count();
        let missing = self.rows.iter().filter(|c| c.value.is_none()).count();
        let verdict = if passed == self.rows.len() { "✓" } else { "✗" };
        format!(
            "  {:<36} {:>6} {:>10} {:>9}  {verdict}",
            self.name,
            self.rows.len(),
            passed,
            if missing == 0 { "-".to_owned() } else { missing.to_string() }
        )
    }
}

fn print_tables(reports: &[DatasetReport]) {
    println!("abscope {} against the reference values of IBSI 1", env!("CARGO_PKG_VERSION"));
    for report in reports {
        println!(
            "\n{}\n  {:<36} {:>6} {:>10} {:>9}",
            report.dataset.title(),
            "",
            "rows",
            "within",
            "missing"
        );
        println!("  {}", "─".repeat(67));
        for family in Family::ALL {
            let rows: Vec<_> =
                report.features.iter().filter(|c| c.group == family.name()).collect();
            println!("{}", Tally { name: documentation::heading(family).into(), rows }.line());
        }
        if !report.diagnostics.is_empty() {
            let rows = report.diagnostics.iter().collect();
            println!("{}", Tally { name: "Processing steps".into(), rows }.line());
        }
    }
    println!();
}

fn print_failures(features: &[&Comparison], steps: &[&Comparison]) {
    let failed: Vec<_> = features.iter().chain(steps).filter(|c| !c.passed).collect();
    for comparison in &failed {
        println!("✗ {}", comparison.describe());
    }
    if !failed.is_empty() {
        println!();
    }
}

fn final_line(
    features: &[&Comparison],
    steps: &[&Comparison],
    passed: bool,
    seconds: f64,
) -> String {
    let share = |rows: &[&Comparison]| {
        format!("{} of {}", rows.iter().filter(|c| c.passed).count(), rows.len())
    };
    let verdict = if passed { "PASSED" } else { "FAILED" };
    let mut line = format!("{verdict}  {} reference values within tolerance", share(features));
    if !steps.is_empty() {
        line.push_str(&format!(", {} processing checks", share(steps)));
    }
    format!("{line}, {seconds:.1} s")
}
