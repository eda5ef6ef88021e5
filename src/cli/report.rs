//! `abscope report`: one patient's image and lesions and a signature to a folder with the report.

use std::path::PathBuf;
use std::process::ExitCode;

use abscope::export::{csv, output::OutputFolder, scores};
use abscope::extract::extract;
use abscope::patient::perturbations::measurement_errors;
use abscope::patient::report::{self, Report};
use abscope::patient::{AssessOptions, MeasurementError, assess};
use abscope::plan::Plan;
use abscope::settings::Settings;
use abscope::signature::Model;
use abscope::signature::score::{LesionValues, Origin};
use anyhow::{Context, ensure};

use super::case::CaseArgs;

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
        None => model.scorer(Origin::Plan(&plan))?,
    };
    let output = OutputFolder::create(&args.output, args.force)?;
    let case = args.case.load()?;
    for warning in &case.warnings {
        eprintln!("warning: {warning}");
    }

    let rows = extract(&case, &plan);
    let lesions: Vec<LesionValues> = rows.iter().map(LesionValues::from).collect();
    for lesion in &lesions {
        // A covariate that the user can give is asked for before the long part of the work.
        match scorer.score(lesion) {
            Err(refusal) if refusal.is_request() => return Err(refusal.into()),
            _ => {}
        }
    }
    let errors: Vec<MeasurementError> = if args.perturbations > 0 {
        measurement_errors(&case, &rows, &scorer, &plan, args.perturbations, args.seed)?
    } else {
        let of = |l: &LesionValues| MeasurementError::from_model(&model, l.volume_ml);
        lesions.iter().map(of).collect()
    };
    let options = AssessOptions { perturbations: args.perturbations, seed: args.seed };
    let assessment = assess(&scorer, &lesions, &errors, options)?;

    let report = Report { case: &case, model: &model, plan: &plan, assessment: &assessment };
    let mut table = Vec::new();
    csv::write(&rows, &mut table).context("cannot write features.csv")?;
    output.write("features.csv", &table)?;
    let mut table = Vec::new();
    scores::write(&model, [&assessment], &mut table).context("cannot write scores.csv")?;
    output.write("scores.csv", &table)?;
    let mut json = serde_json::to_vec_pretty(&report.json())?;
    json.push(b'\n');
    output.write("report.json", &json)?;
    output.write("report.html", report::page(&report)?.as_bytes())?;
    output.finish()?;

    for sentence in &assessment.headline {
        println!("{sentence}");
    }
    for lesion in &assessment.unscored {
        eprintln!("warning: {}", lesion.reason);
    }
    Ok(ExitCode::from(u8::from(!assessment.unscored.is_empty())))
}
