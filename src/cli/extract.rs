//! `abscope extract`: features of one case to a table.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use abscope::export::{csv, json, output::OutputFile};
use anyhow::{Context, bail};

use super::case::{self, CaseArgs};

/// Compute the features of every lesion.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    case: CaseArgs,

    /// Extraction settings (TOML); `abscope settings show` prints the defaults.
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,

    /// The table to write; its ending chooses the format: .csv or .json.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let format = Format::of(&args.output)?;
    let plan = case::plan(args.settings.as_ref())?;
    let mut output = OutputFile::create(&args.output)?;
    let case = args.case.load()?;
    for warning in &case.warnings {
        eprintln!("warning: {warning}");
    }
    let rows = abscope::extract::extract(&case, &plan);
    match format {
        Format::Csv => csv::write(&rows, &mut output).context("cannot write the table")?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut output, &json::document(&case, &plan, &rows))?;
            output.write_all(b"\n")?;
        }
    }
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}

enum Format {
    Csv,
    Json,
}

impl Format {
    fn of(path: &std::path::Path) -> anyhow::Result<Self> {
        match path.extension().and_then(|e| e.to_str()) {
            Some("csv") => Ok(Self::Csv),
            Some("json") => Ok(Self::Json),
            _ => bail!("{}: the output must end in .csv or .json", path.display()),
        }
    }
}
