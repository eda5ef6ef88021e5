//! `abscope extract`: features of one case to a table.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use abscope::ingest::Case;
use abscope::output::OutputFile;
use abscope::paths::shown;
use abscope::plan::Plan;
use abscope::table::{diagnostics, json, write_csv};
use anyhow::{Context, bail};

use super::case::{self, CaseArgs};
use super::console::tell;

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

    /// Also write the IBSI's checks of each processing step (voxel counts, mean, minimum, maximum)
    /// of every lesion to this table, .csv or .json. Resamples the whole image, which takes a while.
    #[arg(long, value_name = "FILE")]
    diagnostics: Option<PathBuf>,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let format = Format::of(&args.output)?;
    let plan = case::plan(args.settings.as_ref())?;
    let absolute = |path: &Path| std::path::absolute(path).ok();
    anyhow::ensure!(
        args.diagnostics.as_deref().is_none_or(|path| absolute(path) != absolute(&args.output)),
        "{} cannot be both the table and that of the checks; give --diagnostics another name",
        shown(&args.output)
    );
    let mut output = OutputFile::create(&args.output)?;
    let checks = args.diagnostics.as_deref().map(ChecksFile::create).transpose()?;
    let case = args.case.load()?;
    for warning in &case.warnings {
        tell!("warning: {warning}");
    }
    let rows = abscope::extract::extract(&case, &plan);
    abscope::extract::check_finite(&case, &rows)?;
    let lost = abscope::extract::lost_in_resampling(&case, &plan, &rows);
    for warning in &lost {
        tell!("warning: {warning}");
    }
    match format {
        Format::Csv => write_csv(&rows, &plan, &mut output).context("cannot write the table")?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut output, &json::document(&case, &plan, &rows))?;
            output.write_all(b"\n")?;
        }
    }
    output.finish()?;
    if let Some(file) = checks {
        file.write(&case, &plan)?;
    }
    Ok(ExitCode::from(u8::from(!lost.is_empty())))
}

/// The table of `--diagnostics`.
struct ChecksFile {
    format: Format,
    output: OutputFile,
}

impl ChecksFile {
    fn create(path: &Path) -> anyhow::Result<Self> {
        Ok(Self { format: Format::of(path)?, output: OutputFile::create(path)? })
    }

    fn write(mut self, case: &Case, plan: &Plan) -> anyhow::Result<()> {
        match self.format {
            Format::Csv => diagnostics::write_csv(case, plan, &mut self.output)
                .context("cannot write the checks")?,
            Format::Json => {
                let document = diagnostics::document(case, plan);
                serde_json::to_writer_pretty(&mut self.output, &document)?;
                self.output.write_all(b"\n")?;
            }
        }
        Ok(self.output.finish()?)
    }
}

enum Format {
    Csv,
    Json,
}

impl Format {
    fn of(path: &Path) -> anyhow::Result<Self> {
        match path.extension().and_then(|e| e.to_str()) {
            Some("csv") => Ok(Self::Csv),
            Some("json") => Ok(Self::Json),
            _ => bail!("{}: the output must end in .csv or .json", shown(path)),
        }
    }
}
