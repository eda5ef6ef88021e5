//! `abscope selftest`: the reference values of the IBSI on the user's own machine.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use super::console::say;
use abscope::features::{Family, documentation};
use abscope::selftest::{
    self, Agreement, Comparison, Dataset, DatasetReport, MapComparison, RESPONSE_MAPS, consensus,
};
use rayon::prelude::*;
use serde_json::{Value, json};

/// Compare this program, on this machine, with the reference values of the IBSI.
///
/// The digital phantom of IBSI 1 is built in. A folder with the IBSI's data sets
/// (<https://github.com/theibsi/data_sets>) adds the CT phantom: configurations A to E of IBSI 1, and
/// the filters of IBSI 2; with the response maps of IBSI 2 there, they are compared as well, and so are
/// the sarcoma CTs of the third phase, with what most teams have. Exit status 1 if any value falls
/// short.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folder that holds ct_radiomics_phantom/, ibsi_2_digital_phantoms/, ibsi_2_response_maps/ and
    /// ibsi_validation_sts_ct/.
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
    /// Of the third phases.
    agreements: Vec<Agreement>,
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
        let agreements = match data.filter(|d| d.join(consensus::FOLDER).is_dir()) {
            Some(folder) => consensus::PATIENTS
                .par_iter()
                .map(|patient| consensus::compare(patient, folder))
                .collect::<Result<Vec<_>, _>>()?
                .concat(),
            None => Vec::new(),
        };
        Ok(Self { datasets: datasets?, maps: maps?, agreements })
    }

    /// The values of a standard's third phase that must be met.
    fn agreed(&self, standard: u8) -> Vec<&Agreement> {
        self.agreements.iter().filter(|a| a.standard == standard && a.counts()).collect()
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
            && self.agreements.iter().all(|a| a.passed || !a.counts())
    }

    fn document(&self) -> Value {
        let summary = |rows: &[&Comparison]| {
            let within = rows.iter().filter(|c| c.passed).count();
            let missing = rows.iter().filter(|c| c.value.is_none()).count();
            json!({ "rows": rows.len(), "within_tolerance": within, "missing": missing })
        };
        let within = self.maps.iter().filter(|m| m.passed).count();
        let agreed = |standard| {
            let rows = self.agreed(standard);
            let within = rows.iter().filter(|a| a.passed).count();
            json!({ "rows": rows.len(), "within_tolerance": within })
        };
        json!({
            "schema": "abscope.selftest/1",
            "version": env!("CARGO_PKG_VERSION"),
            "passed": self.passed(),
            "features": summary(&self.features(false)),
            "diagnostics": summary(&self.steps()),
            "filtered_features": summary(&self.features(true)),
            "response_maps": { "rows": self.maps.len(), "within_tolerance": within },
            "phase_3": { "ibsi_1": agreed(1), "ibsi_2": agreed(2) },
            "datasets": self.datasets,
            "maps": self.maps,
            "agreements": self.agreements,
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
        for (standard, title) in [
            (1, "Sarcoma CTs, IBSI 1, phase 3: the value of most teams"),
            (2, "Sarcoma CTs, IBSI 2, phase 3: the value of most teams"),
        ] {
            self.print_agreements(standard, title)?;
        }
        say!("")
    }

    /// For each family or filter: rows by the number of teams that agree, and how many of each are met.
    fn print_agreements(&self, standard: u8, title: &str) -> anyhow::Result<()> {
        let rows: Vec<&Agreement> =
            self.agreements.iter().filter(|a| a.standard == standard).collect();
        if rows.is_empty() {
            return Ok(());
        }
        say!("\n{title}\n  {:<36} {:>6} {:>6} {:>10}", "", "teams", "rows", "within")?;
        say!("  {}", "─".repeat(67))?;
        let mut groups: Vec<&str> = Vec::new();
        for row in &rows {
            if !groups.contains(&&*row.group) {
                groups.push(&row.group);
            }
        }
        for group in groups {
            let own: Vec<_> = rows.iter().filter(|row| row.group == group).collect();
            let mut counts: Vec<usize> = own.iter().map(|row| row.agreeing).collect();
            counts.sort_unstable_by_key(|&count| std::cmp::Reverse(count));
            counts.dedup();
            for (at, count) in counts.into_iter().enumerate() {
                let of: Vec<_> = own.iter().filter(|row| row.agreeing == count).collect();
                let passed = of.iter().filter(|row| row.passed).count();
                let verdict = match (count >= consensus::TEAMS, passed == of.len()) {
                    (false, _) => "",
                    (true, true) => "✓",
                    (true, false) => "✗",
                };
                let name = if at == 0 { group } else { "" };
                say!("  {name:<36} {count:>6} {:>6} {passed:>10}  {verdict}", of.len())?;
            }
        }
        Ok(())
    }

    fn print_failures(&self) -> anyhow::Result<()> {
        let rows = self.features(false).into_iter().chain(self.features(true)).chain(self.steps());
        let rows = rows.filter(|c| !c.passed).map(Comparison::describe);
        let maps = self.maps.iter().filter(|m| !m.passed).map(|m| {
            let percent = 100.0 * m.largest_difference;
            format!("response map {}: a voxel differs by {percent:.2} % of the map's range", m.id)
        });
        let short = self.agreements.iter().filter(|a| a.counts() && !a.passed);
        let failed: Vec<String> = rows.chain(maps).chain(short.map(Agreement::describe)).collect();
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
        if !self.agreements.is_empty() {
            let [first, second] = [1, 2].map(|standard| {
                let rows = self.agreed(standard);
                format!("{} of {}", rows.iter().filter(|a| a.passed).count(), rows.len())
            });
            line += &format!("; phase 3: {first} and {second} values of most teams");
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
