//! `abscope model`: what a signature file holds, whether it is whole, and completing one.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::console::{self, say, tell};
use abscope::ingest::sha256;
use abscope::output::OutputFile;
use abscope::signature::file::{Covariate, SignatureFile};
use abscope::signature::{Origin, Resolved};
use abscope::table::Table;

/// Show, check or complete a signature file.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Print what the signature is, its terms, cut-offs, performance and card.
    Show {
        /// Signature (TOML).
        file: PathBuf,
        /// Print the extraction settings only, as a settings file for `abscope extract`.
        #[arg(long, conflicts_with = "json")]
        settings: bool,
        /// Print the whole file as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say whether a signature is valid and can score; exit status 2 and the reason if it is not
    /// valid, 1 if it is valid but incomplete.
    Check {
        /// Signature (TOML).
        file: PathBuf,
    },
    /// Complete a signature that was published without centre and scale, from a cohort's features.
    Calibrate {
        /// Signature (TOML).
        file: PathBuf,
        /// Feature table of the cohort.
        #[arg(long, value_name = "TABLE")]
        features: PathBuf,
        /// Name of the cohort, as results will say it.
        #[arg(long)]
        cohort: String,
        /// The completed signature to write.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::Show { file, settings: true, .. } => {
            let plan = Resolved::read(&file)?.trained()?.clone();
            say!("# plan {}\n{}", plan.hash(), plan.to_toml().trim_end())?;
        }
        Action::Show { file, json: true, .. } => {
            let resolved = Resolved::read(&file)?;
            let file = resolved.file();
            let document = serde_json::json!({ "hash": file.hash(), "model": file });
            say!("{}", serde_json::to_string_pretty(&document)?)?;
        }
        Action::Show { file, .. } => console::data(summary(Resolved::read(&file)?.file()))?,
        Action::Check { file } => return check(&file),
        Action::Calibrate { file, features, cohort, output } => {
            calibrate(&file, &features, &cohort, &output)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn check(path: &Path) -> anyhow::Result<ExitCode> {
    match Resolved::read(path)? {
        Resolved::Complete(model) => {
            say!("{}: valid and complete, signature {}", path.display(), model.hash())?;
            Ok(ExitCode::SUCCESS)
        }
        Resolved::Incomplete(incomplete) => {
            println!(
                "{}: valid but incomplete, it cannot score: no centre and scale for {}; complete it \
                 with `abscope model calibrate`",
                path.display(),
                incomplete.lacking().join(", ")
            );
            Ok(ExitCode::from(1))
        }
    }
}

fn calibrate(file: &Path, features: &Path, cohort: &str, output: &Path) -> anyhow::Result<()> {
    let incomplete = Resolved::read(file)?.incomplete()?;
    let mut out = OutputFile::create(output)?;
    let table = Table::read(features)?;
    let rows: Vec<_> = table.rows().cloned().collect();
    let origin = Origin::of_table(&table)?;
    let completed = incomplete.calibrated(cohort, &rows, origin, &sha256(features)?)?;
    out.write_all(completed.file().to_toml().as_bytes())?;
    out.finish()?;
    if let Some(calibration) = &completed.file().calibration {
        tell!("note: {}", calibration.statement);
    }
    Ok(())
}

fn summary(file: &SignatureFile) -> String {
    let mut lines = vec![
        format!("{} {}: {}", file.id, file.version, file.title),
        format!("hash          {}", file.hash()),
        format!("kind          {} ({})", file.kind.name(), file.units),
        format!("higher means  {}", file.higher_means),
    ];
    if file.card.simulated {
        lines.push("SIMULATED     trained on simulated data; not for use on patients".into());
    }
    let lacking = file.without_scaling();
    lines.push(match lacking.len() {
        0 => "complete      yes, it can score".into(),
        n => {
            format!("complete      NO: {n} terms lack centre and scale (`abscope model calibrate`)")
        }
    });
    if let Some(calibration) = &file.calibration {
        lines.push(format!("calibrated    {}", calibration.statement));
    }
    match (&file.extraction.hash, &file.extraction.foreign) {
        (Some(hash), _) => lines.push(format!("settings      plan {hash}")),
        (None, Some(foreign)) => lines.push(format!("features      by {}", foreign.engine)),
        (None, None) => {}
    }
    lines.push(format!("\nTerms (intercept {})", file.intercept));
    for term in &file.terms {
        let note = if term.standard().is_none() { "   no centre or scale" } else { "" };
        lines.push(format!("  {:>10.4}  {}{note}", term.coefficient, term.label()));
    }
    for covariate in &file.covariates {
        lines.push(match covariate {
            Covariate::OneHot { name, reference, levels, .. } => {
                let levels: Vec<String> =
                    levels.iter().map(|l| format!("{} {:+.4}", l.name, l.coefficient)).collect();
                format!("  {name}: {reference} 0 (reference), {}", levels.join(", "))
            }
            Covariate::Numeric { name, coefficient, .. } => {
                format!("  {coefficient:>10.4}  {name}")
            }
        });
    }
    if !file.cutoffs.is_empty() {
        lines.push("\nCut-offs".into());
    }
    for c in &file.cutoffs {
        lines.push(format!(
            "  {} at {:.4}: {} / {} ({})",
            c.name, c.value, c.low, c.high, c.provenance
        ));
    }
    if !file.evaluation.is_empty() {
        lines.push("\nPerformance".into());
    }
    for e in &file.evaluation {
        let interval =
            e.interval.map(|[a, b]| format!(" (95 % {a:.3} to {b:.3})")).unwrap_or_default();
        lines.push(format!("  {} {:.3}{interval}: {}; {}", e.metric, e.value, e.cohort, e.method));
    }
    let card = &file.card;
    lines.push(format!("\nIntended use  {}", card.intended_use));
    lines.extend(card.not_for.iter().map(|text| format!("Not for       {text}")));
    lines.extend(card.limitations.iter().map(|text| format!("Limitation    {text}")));
    lines.push(format!("Training      {}; {}", file.training.cohort, file.training.procedure));
    lines.push(format!("Licence       {}", card.licence));
    lines.join("\n") + "\n"
}
