//! `abscope score`: a feature table and a signature to scores.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use abscope::export::{output::OutputFile, scores};
use abscope::patient::{AssessOptions, Assessment, MeasurementError, assess};
use abscope::signature::Model;
use abscope::signature::score::{LesionValues, Origin};
use abscope::table::Table;
use anyhow::{Context, bail};

/// Score the lesions of a feature table.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The feature table of `abscope extract` or `batch` (CSV, JSON, JSON lines or Parquet), or
    /// another engine's for a model of that engine.
    features: PathBuf,

    /// The signature (TOML).
    #[arg(short, long, value_name = "FILE")]
    model: PathBuf,

    /// Seed of the random numbers behind intervals and probabilities.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,

    /// The scores to write; the ending chooses the format: .csv or .json.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let json = match args.output.extension().and_then(|e| e.to_str()) {
        Some("csv") => false,
        Some("json") => true,
        _ => bail!("{}: the output must end in .csv or .json", args.output.display()),
    };
    let model = Model::read(&args.model)?;
    let mut output = OutputFile::create(&args.output)?;
    let table = Table::read(&args.features)?;
    let patients = assess_table(&model, &table, args.seed)?;
    if json {
        let document = serde_json::json!({
            "schema": "abscope.scores/1",
            "version": env!("CARGO_PKG_VERSION"),
            "note": scores::note(&model),
            "model": { "id": model.id, "version": model.version, "hash": model.hash() },
            "patients": patients,
        });
        serde_json::to_writer_pretty(&mut output, &document)?;
        output.write_all(b"\n")?;
    } else {
        scores::write(&model, &patients, &mut output)?;
    }
    output.finish()?;
    let note = scores::note(&model);
    if !note.is_empty() {
        eprintln!("note: {note}");
    }
    let unscored: usize = patients.iter().map(|p| p.unscored.len()).sum();
    for patient in &patients {
        for lesion in &patient.unscored {
            eprintln!("warning: patient {}: {}", patient.patient, lesion.reason);
        }
    }
    Ok(ExitCode::from(u8::from(unscored > 0)))
}

/// Scores every patient of a table, patients in the table's order.
fn assess_table(model: &Model, table: &Table, seed: u64) -> anyhow::Result<Vec<Assessment>> {
    let scorer = model.scorer(origin(table)?)?;
    by_patient(table)
        .into_iter()
        .map(|lesions| {
            let errors: Vec<MeasurementError> =
                lesions.iter().map(|l| MeasurementError::from_model(model, l.volume_ml)).collect();
            let patient = lesions[0].patient.clone();
            assess(&scorer, &lesions, &errors, AssessOptions { perturbations: 0, seed })
                .with_context(|| format!("patient {patient}"))
        })
        .collect()
}

fn origin(table: &Table) -> anyhow::Result<Origin<'_>> {
    Ok(table.plan_hash()?.map_or(Origin::Foreign, Origin::Hash))
}

/// Refuses a table that was made with other settings than the model's; the model need not be
/// complete.
pub(crate) fn same_settings(model: &Model, table: &Table) -> anyhow::Result<()> {
    let hash = table.plan_hash()?;
    match (&model.extraction.hash, hash) {
        (Some(wanted), Some(found)) if wanted == found => Ok(()),
        (None, None) => Ok(()),
        (Some(wanted), found) => bail!(
            "{}: the model needs features of plan {wanted}, the table has {}; extract it with the \
             settings of `abscope model show --settings`",
            table.path.display(),
            found.unwrap_or("no plan hash")
        ),
        (None, Some(_)) => bail!(
            "{}: was extracted by abscope, but the model's terms are columns of another engine",
            table.path.display()
        ),
    }
}

fn by_patient(table: &Table) -> Vec<Vec<LesionValues>> {
    let mut groups: Vec<Vec<LesionValues>> = Vec::new();
    let mut at = std::collections::BTreeMap::new();
    for lesion in table.lesions() {
        let index = *at.entry(lesion.patient.clone()).or_insert(groups.len());
        if index == groups.len() {
            groups.push(Vec::new());
        }
        groups[index].push(lesion);
    }
    groups
}
