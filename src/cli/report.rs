//! `abscope report`: one patient's image and lesions and a signature to a folder with the report.

use std::path::PathBuf;
use std::process::ExitCode;

use abscope::output::OutputFolder;
use abscope::patient::AssessOptions;
use abscope::plan::Plan;
use abscope::report::examine;
use abscope::settings::Settings;
use abscope::signature::Model;
use abscope::signature::score::Origin;
use anyhow::ensure;

use super::case::CaseArgs;
use super::console::{say, tell};

/// Fewer perturbations give no SD worth having; more than the upper bound, no better one.
const PERTURBATIONS: std::ops::RangeInclusive<usize> = 10..=10_000;

/// Write one patient's report: which lesion is lowest, how sure, how different the lesions are.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    case: CaseArgs,

    /// The signature (TOML).
    #[arg(short, long, value_name = "FILE")]
    model: PathBuf,

    /// Folder to write: report.html, report.json, features.csv, scores.csv.
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,

    /// Replace the folder if it is there.
    #[arg(long)]
    force: bool,

    /// Perturbed copies of each lesion from which measurement error is found; 0 takes the model's
    /// reliability instead.
    #[arg(long, default_value_t = 30, value_name = "N")]
    perturbations: usize,

    /// Seed of all random numbers.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,

    /// Extraction settings; they must be the model's own, which are taken where not given.
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    ensure!(
        args.perturbations == 0 || PERTURBATIONS.contains(&args.perturbations),
        "--perturbations is {}; give 0, or {} to {}",
        args.perturbations,
        PERTURBATIONS.start(),
        PERTURBATIONS.end()
    );
    let model = Model::read(&args.model)?;
    let plan = model.plan()?;
    let scorer = match &args.settings {
        Some(file) => model.scorer(Origin::Plan(&Plan::resolve(&Settings::read(file)?)?))?,
        None => model.scorer(Origin::Plan(plan))?,
    };
    let output = OutputFolder::create(&args.output, args.force)?;
    let case = args.case.load()?;
    for warning in &case.warnings {
        tell!("warning: {warning}");
    }
    let examined = examine(&case, plan);
    let options = AssessOptions::default().perturbations(args.perturbations).seed(args.seed);
    let report = examined.report(&scorer, options)?;
    report.write_to(&output)?;
    output.finish()?;

    let assessment = report.assessment();
    for sentence in &assessment.headline {
        say!("{sentence}")?;
    }
    for lesion in &assessment.unscored {
        tell!("warning: {}", lesion.reason);
    }
    Ok(ExitCode::from(u8::from(!assessment.unscored.is_empty())))
}
