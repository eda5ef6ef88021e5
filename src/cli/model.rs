//! `abscope model`: what a signature file holds, whether it is whole, and completing one.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use abscope::ingest::sha256;
use abscope::output::OutputFile;
use abscope::plan::Plan;
use abscope::row::Row;
use abscope::signature::model::{Covariate, Model};

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
            let plan = full_plan(&Model::read(&file)?)?;
            println!("# plan {}\n{}", plan.hash(), plan.to_toml().trim_end());
        }
        Action::Show { file, json: true, .. } => {
            let model = Model::read(&file)?;
            let document = serde_json::json!({ "hash": model.hash(), "model": model });
            println!("{}", serde_json::to_string_pretty(&document)?);
        }
        Action::Show { file, .. } => print!("{}", summary(&Model::read(&file)?)),
        Action::Check { file } => return check(&file),
        Action::Calibrate { file, features, cohort, output } => {
            calibrate(&file, &features, &cohort, &output)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn full_plan(model: &Model) -> anyhow::Result<Plan> {
    // `Model::plan` refuses foreign models, and narrows the selection to what is needed.
    let narrowed = model.plan()?;
    match &model.extraction.settings {
        Some(settings) => Ok(Plan::resolve(settings)?),
        None => Ok(narrowed),
    }
}

fn check(file: &Path) -> anyhow::Result<ExitCode> {
    let model = Model::read(file)?;
    let lacking = model.without_scaling();
    if lacking.is_empty() {
        println!("{}: valid and complete, signature {}", file.display(), model.hash());
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "{}: valid but incomplete, it cannot score: no centre and scale for {}; complete it with \
         `abscope model calibrate`",
        file.display(),
        lacking.join(", ")
    );
    Ok(ExitCode::from(1))
}

fn calibrate(file: &Path, features: &Path, cohort: &str, output: &Path) -> anyhow::Result<()> {
    let model = Model::read(file)?;
    let mut out = OutputFile::create(output)?;
    let table = Table::read(features)?;
    super::score::same_settings(&model, &table)?;
    let rows: Vec<Row> = table.rows().cloned().collect();
    let completed = model.calibrated(cohort, &rows, &sha256(features)?)?;
    out.write_all(completed.to_toml().as_bytes())?;
    out.finish()?;
    if let Some(calibration) = &completed.calibration {
        eprintln!("note: {}", calibration.statement);
    }
    Ok(())
}

fn summary(model: &Model) -> String {
    let mut lines = vec![
        format!("{} {}: {}", model.id, model.version, model.title),
        format!("hash          {}", model.hash()),
        format!("kind          {} ({})", model.kind.name(), model.units),
        format!("higher means  {}", model.higher_means),
    ];
    if model.card.simulated {
        lines.push("SIMULATED     trained on simulated data; not for use on patients".into());
    }
    let lacking = model.without_scaling();
    lines.push(match lacking.len() {
        0 => "complete      yes, it can score".into(),
        n => {
            format!("complete      NO: {n} terms lack centre and scale (`abscope model calibrate`)")
        }
    });
    if let Some(calibration) = &model.calibration {
        lines.push(format!("calibrated    {}", calibration.statement));
    }
    match (&model.extraction.hash, &model.extraction.foreign) {
        (Some(hash), _) => lines.push(format!("settings      plan {hash}")),
        (None, Some(foreign)) => lines.push(format!("features      by {}", foreign.engine)),
        (None, None) => {}
    }
    lines.push(format!("\nTerms (intercept {})", model.intercept));
    for term in &model.terms {
        let lacks = term.centre.is_none() || term.scale.is_none();
        let note = if lacks { "   no centre or scale" } else { "" };
        lines.push(format!("  {:>10.4}  {}{note}", term.coefficient, term.label()));
    }
    for covariate in &model.covariates {
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
    if !model.cutoffs.is_empty() {
        lines.push("\nCut-offs".into());
    }
    for c in &model.cutoffs {
        lines.push(format!(
            "  {} at {:.4}: {} / {} ({})",
            c.name, c.value, c.low, c.high, c.provenance
        ));
    }
    if !model.evaluation.is_empty() {
        lines.push("\nPerformance".into());
    }
    for e in &model.evaluation {
        let interval =
            e.interval.map(|[a, b]| format!(" (95 % {a:.3} to {b:.3})")).unwrap_or_default();
        lines.push(format!("  {} {:.3}{interval}: {}; {}", e.metric, e.value, e.cohort, e.method));
    }
    let card = &model.card;
    lines.push(format!("\nIntended use  {}", card.intended_use));
    lines.extend(card.not_for.iter().map(|text| format!("Not for       {text}")));
    lines.extend(card.limitations.iter().map(|text| format!("Limitation    {text}")));
    lines.push(format!("Training      {}; {}", model.training.cohort, model.training.procedure));
    lines.push(format!("Licence       {}", card.licence));
    lines.join("\n") + "\n"
}
