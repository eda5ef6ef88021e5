//! `abscope score`: a feature table and a signature to scores.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::console::tell;
use abscope::output::OutputFile;
use abscope::paths::shown;
use abscope::patient::scores::Provenance;
use abscope::patient::{AssessOptions, Assessment, assess_rows};
use abscope::signature::{Model, Origin};
use abscope::table::scores::{SCHEMA, ScoreWriter};
use abscope::table::{Format, Table};
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

    /// The scores to write; the ending chooses the format: .csv, .jsonl, .parquet or .json.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let model = Model::read(&args.model)?;
    let output = Output::create(&args.output)?;
    let table = Table::read(&args.features)?;
    let patients = assess_table(&model, &table, args.seed)?;
    output.write(&model, &patients)?;
    let note = model.note();
    if !note.is_empty() {
        tell!("note: {note}");
    }
    let unscored: usize = patients.iter().map(|p| p.unscored.len()).sum();
    for patient in &patients {
        for lesion in &patient.unscored {
            tell!("warning: patient {}: {}", patient.patient, lesion.reason);
        }
    }
    Ok(ExitCode::from(u8::from(unscored > 0)))
}

/// The file of the scores.
enum Output {
    Table(Box<ScoreWriter>),
    /// One document with each patient's assessment.
    Json(OutputFile),
}

impl Output {
    fn create(path: &Path) -> anyhow::Result<Self> {
        match (Format::of(path), path.extension().and_then(|e| e.to_str())) {
            (Some(format), _) => Ok(Self::Table(Box::new(ScoreWriter::create(path, format)?))),
            (None, Some("json")) => Ok(Self::Json(OutputFile::create(path)?)),
            _ => {
                bail!("{}: the output must end in .csv, .jsonl, .parquet or .json", shown(path))
            }
        }
    }

    fn write(self, model: &Model, patients: &[Assessment]) -> anyhow::Result<()> {
        match self {
            Self::Table(mut table) => {
                let provenance = Provenance::of(model);
                for row in patients.iter().flat_map(|patient| provenance.rows(patient)) {
                    table.write(&row)?;
                }
                Ok(table.finish()?)
            }
            Self::Json(mut file) => {
                let document = serde_json::json!({
                    "schema": SCHEMA,
                    "version": env!("CARGO_PKG_VERSION"),
                    "note": model.note(),
                    "model": { "id": model.id(), "version": model.version(), "hash": model.hash() },
                    "patients": patients,
                });
                serde_json::to_writer_pretty(&mut file, &document)?;
                file.write_all(b"\n")?;
                Ok(file.finish()?)
            }
        }
    }
}

/// Scores each patient's each scan, in the table's order.
fn assess_table(model: &Model, table: &Table, seed: u64) -> anyhow::Result<Vec<Assessment>> {
    let scorer = model.scorer(Origin::of_table(table)?)?;
    let options = AssessOptions::default().seed(seed);
    let assess = |rows: Vec<_>| {
        assess_rows(&scorer, &rows, options).with_context(|| format!("patient {}", rows[0].patient))
    };
    table.by_scan().into_iter().map(assess).collect()
}
