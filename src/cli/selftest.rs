//! `abscope selftest`: the reference values of the IBSI on the user's own machine.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use super::console::say;
use abscope::features::{Family, documentation};
use abscope::selftest::{self, Comparison, Dataset, DatasetReport, MapComparison, RESPONSE_MAPS};
use rayon::prelude::*;
use serde_json::{Value, json};

/// Compare this program, on this machine, with the reference values of the IBSI.
///
/// The digital phantom of IBSI 1 is built in. A folder with the IBSI's data sets
/// (<https://github.com/theibsi/data_sets>) adds the CT phantom: configurations A to E of IBSI 1, and
/// the filters of IBSI 2; with the response maps of IBSI 2 there, they are compared as well. Exit
/// status 1 if any value falls short.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folder that holds ct_radiomics_phantom/, ibsi_2_digital_phantoms/ and ibsi_2_response_maps/.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// Print JSON: every row with its value, reference and tolerance.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let results = Results::of(args.data.as_deref())?;
    if args.json {
        say!("{}", serde_json::to_string_pretty(&results.document())?)?;
    } else {
        results.print_tables()?;
        results.print_failures()?;
        say!("{}, {:.1} s", results.verdict(), started.elapsed().as_secs_f64())?;
        results.print_left_out()?;
    }
    Ok(if results.passed() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// All comparisons.
struct Results {
    datasets: Vec<DatasetReport>,
    maps: Vec<MapComparison>,
}

impl Results {
    fn of(data: Option<&Path>) -> anyhow::Result<Self> {
        let datasets: &[Dataset] = if data.is_some() { &Dataset::ALL } else { &Dataset::ALL[..1] };
        // A folder without response maps is one of IBSI 1; one that lacks some of them is an error.
        let folder = data.filter(|d| d.join("ibsi_2_response_maps").is_dir());
        let maps = || match folder {
            Some(folder) => RESPONSE_MAPS.par_iter().map(|map| map.compare(folder)).collect(),
            None => Ok(Vec::new()),
        };
        let (datasets, maps): (Result<_, abscope::Error>, Result<_, abscope::Error>) =
            rayon::join(|| datasets.par_iter().map(|&d| selftest::run(d, data)).collect(), maps);
        Ok(Self { datasets: datasets?, maps: maps? })
    }

    fn features(&self, ibsi_2: bool) -> Vec<&Comparison> {
        let of = |report: &&DatasetReport| is_ibsi_2(report.dataset) == ibsi_2;
        self.datasets.iter().filter(of).flat_map(|r| &r.features).collect()
    }

    fn steps(&self) -> Vec<&Comparison> {
        self.datasets.iter().flat_map(|r| &r.diagnostics).collect()
    }

    fn passed(&self) -> bool {
        let all = |rows: Vec<&Comparison>| rows.iter().all(|c| c.passed);
        all(self.features(false))
            && all(self.features(true))
            && all(self.steps())
            && self.maps.iter().all(|m| m.passed)
    }

    fn document(&self) -> Value {
        let summary = |rows: &[&Comparison]| {
            let within = rows.iter().filter(|c| c.passed).count();
            let missing = rows.iter().filter(|c| c.value.is_none()).count();
            json!({ "rows": rows.len(), "within_tolerance": within, "missing": missing })
        };
        let within = self.maps.iter().filter(|m| m.passed).count();
        json!({
            "schema": "abscope.selftest/1",
            "version": env!("CARGO_PKG_VERSION"),
            "passed": self.passed(),
            "features": summary(&self.features(false)),
            "diagnostics": summary(&self.steps()),
            "filtered_features": summary(&self.features(true)),
            "response_maps": { "rows": self.maps.len(), "within_tolerance": within },
            "datasets": self.datasets,
            "maps": self.maps,
        })
    }

    fn print_tables(&self) -> anyhow::Result<()> {
        say!("abscope {} against the reference values of the IBSI", env!("CARGO_PKG_VERSION"))?;
        for report in &self.datasets {
            print_heading(report.dataset.title(), "missing")?;
            for (name, rows) in groups(report) {
                say!("{}", tally(&name, &rows))?;
            }
        }
        if !self.maps.is_empty() {
            print_heading("Digital phantoms, response maps of the filters", "largest")?;
            for (kind, maps) in by_kind(&self.maps) {
                say!("{}", map_tally(kind, &maps))?;
            }
        }
        say!("")
    }

    fn print_failures(&self) -> anyhow::Result<()> {
        let rows = self.features(false).into_iter().chain(self.features(true)).chain(self.steps());
        let rows = rows.filter(|c| !c.passed).map(Comparison::describe);
        let maps = self.maps.iter().filter(|m| !m.passed).map(|m| {
            let percent = 100.0 * m.largest_difference;
            format!("response map {}: a voxel differs by {percent:.2} % of the map's range", m.id)
        });
        let failed: Vec<String> = rows.chain(maps).collect();
        for line in &failed {
            say!("✗ {line}")?;
        }
        if !failed.is_empty() {
            say!("")?;
        }
        Ok(())
    }

    fn verdict(&self) -> String {
        let share = |rows: &[&Comparison]| {
            format!("{} of {}", rows.iter().filter(|c| c.passed).count(), rows.len())
        };
        let verdict = if self.passed() { "PASSED" } else { "FAILED" };
        let features = share(&self.features(false));
        let mut line = format!("{verdict}  IBSI 1: {features} values within tolerance");
        let steps = self.steps();
        if !steps.is_empty() {
            line += &format!(", {} processing checks", share(&steps));
        }
        let filtered = self.features(true);
        if !filtered.is_empty() {
            line += &format!("; IBSI 2: {} values", share(&filtered));
        }
        if !self.maps.is_empty() {
            let within = self.maps.iter().filter(|m| m.passed).count();
            line += &format!(", {within} of {} response maps", self.maps.len());
        }
        line
    }

    fn print_left_out(&self) -> anyhow::Result<()> {
        if self.datasets.len() == 1 {
            say!("The CT phantom was not run: --data DIR adds it.")?;
        }
        if self.maps.is_empty() {
            say!("The response maps were not compared: --data DIR adds them.")?;
        }
        Ok(())
    }
}

fn is_ibsi_2(dataset: Dataset) -> bool {
    matches!(dataset, Dataset::Phase2A | Dataset::Phase2B)
}

/// The rows of a data set by what people know them by.
fn groups(report: &DatasetReport) -> Vec<(String, Vec<&Comparison>)> {
    let mut groups: Vec<(String, Vec<&Comparison>)> = Vec::new();
    for comparison in &report.features {
        let name = Family::ALL
            .into_iter()
            .find(|f| f.name() == comparison.group)
            .map_or_else(|| comparison.group.clone(), |f| documentation::heading(f).to_owned());
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, rows)) => rows.push(comparison),
            None => groups.push((name, vec![comparison])),
        }
    }
    if !report.diagnostics.is_empty() {
        groups.push(("Processing steps".into(), report.diagnostics.iter().collect()));
    }
    groups
}

/// The kinds of filters, in the order of the standard, with their maps.
fn by_kind(maps: &[MapComparison]) -> Vec<(&'static str, Vec<&MapComparison>)> {
    let mut kinds: Vec<(&'static str, Vec<&MapComparison>)> = Vec::new();
    for (map, comparison) in RESPONSE_MAPS.iter().zip(maps) {
        let title = map.filter().filter.title();
        match kinds.iter_mut().find(|(known, _)| *known == title) {
            Some((_, maps)) => maps.push(comparison),
            None => kinds.push((title, vec![comparison])),
        }
    }
    kinds
}

fn print_heading(title: &str, last: &str) -> anyhow::Result<()> {
    say!("\n{title}\n  {:<36} {:>6} {:>10} {last:>9}", "", "rows", "within")?;
    say!("  {}", "─".repeat(67))
}

fn line(name: &str, rows: usize, passed: usize, last: &str) -> String {
    let verdict = if passed == rows { "✓" } else { "✗" };
    format!("  {name:<36} {rows:>6} {passed:>10} {last:>9}  {verdict}")
}

fn tally(name: &str, rows: &[&Comparison]) -> String {
    let passed = rows.iter().filter(|c| c.passed).count();
    let missing = match rows.iter().filter(|c| c.value.is_none()).count() {
        0 => "-".to_owned(),
        missing => missing.to_string(),
    };
    line(name, rows.len(), passed, &missing)
}

fn map_tally(kind: &str, maps: &[&MapComparison]) -> String {
    let passed = maps.iter().filter(|m| m.passed).count();
    let largest = maps.iter().map(|m| m.largest_difference).fold(0.0, f64::max);
    line(kind, maps.len(), passed, &format!("{:.3} %", 100.0 * largest))
}
