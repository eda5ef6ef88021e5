//! `abscope merge`: the shards of a cohort to one set of tables.

use std::path::PathBuf;
use std::process::ExitCode;

use super::console::tell;
use abscope::batch::merge;
use abscope::paths::shown;

/// Join the output folders of `abscope batch --shard`.
///
/// The tables equal those of a run that was not divided. Shards of different settings, versions or
/// manifests are refused.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The output folders of all shards.
    #[arg(required = true, value_name = "DIR")]
    shards: Vec<PathBuf>,

    /// The folder to write; new or empty.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let summary = merge::merge(&args.shards, &args.output, &|_| {})?;
    tell!(
        "{} of {} cases ({} lesions) are in {}; {} failed (failures.csv)",
        summary.done,
        summary.cases,
        summary.lesions,
        shown(&args.output),
        summary.failed
    );
    Ok(ExitCode::from(u8::from(summary.failed > 0)))
}
