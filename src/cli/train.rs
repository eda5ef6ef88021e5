//! `abscope train`: from a feature table and outcomes to a signature file.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use super::console::tell;
use abscope::output::{OutputFile, OutputFolder};
use abscope::paths::shown;
use abscope::train::report::{self, checklist};
use abscope::train::{Config, Prepared};

/// Train a signature: elastic net with everything inside patient-grouped nested cross-validation.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Feature table (CSV, JSON lines or Parquet) of `extract` or `batch`, or of another engine.
    features: PathBuf,

    /// Outcomes (CSV) with a column `patient`, and `lesion` where outcomes are of lesions.
    outcomes: PathBuf,

    /// What to train and how (TOML).
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// Where to write the model.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Folder for the training report (HTML) and the reporting checklist (Markdown).
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,

    /// Replace the report folder if it is there.
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = Config::read(&args.config)?;
    if let Some(report) = &args.report {
        let [model, folder] = [args.output.as_path(), report.as_path()].map(std::path::absolute);
        anyhow::ensure!(
            model? != folder?,
            "{} cannot be both the model and the folder of the report; give one of them another name",
            shown(&args.output)
        );
    }
    let mut output = OutputFile::create(&args.output)?;
    let folder = match &args.report {
        Some(path) => Some(OutputFolder::create(path, args.force)?),
        None => None,
    };
    let prepared = Prepared::read(&args.features, &args.outcomes, &config)?;
    for note in &prepared.notes {
        tell!("note: {note}");
    }
    let trained = abscope::train::train(&prepared, &config)?;
    output.write_all(trained.model.file().to_toml().as_bytes())?;
    output.finish()?;
    if let Some(folder) = folder {
        folder.write("report.html", report::page(&prepared, &config, &trained)?.as_bytes())?;
        let items = checklist::items(&prepared, &config, &trained);
        folder.write("checklist.md", checklist::markdown(&items).as_bytes())?;
        folder.finish()?;
    }
    for measured in &trained.performance.measured {
        let interval = measured
            .interval
            .map(|[low, high]| format!(" ({low:.3} to {high:.3})"))
            .unwrap_or_default();
        tell!("{} {:.3}{interval}: {}", measured.label, measured.value, measured.method);
    }
    for missing in &trained.performance.unavailable {
        tell!("note: no {}: {}", missing.what, missing.reason);
    }
    if let Some(permutation) = &trained.permutation {
        tell!("permutation test: p = {:.3}", permutation.p);
    }
    Ok(ExitCode::SUCCESS)
}
