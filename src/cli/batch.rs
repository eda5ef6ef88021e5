//! `abscope batch`: a cohort or a PACS export to one table.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use abscope::batch::discover::{self, Discovery, Joined};
use abscope::batch::failures::Failure;
use abscope::batch::manifest::{Asked, Manifest};
use abscope::batch::progress::{Event, Progress};
use abscope::batch::schedule::{default_bytes, parse_bytes};
use abscope::batch::shard::Shard;
use abscope::batch::{self, Options, Summary, dry_run};
use abscope::csv_file::CsvWriter;
use abscope::ingest::dicom::source::is_archive;
use abscope::ingest::pseudonyms::Pseudonyms;
use abscope::ingest::sites::SiteTable;
use abscope::memory::keep_for_images;
use abscope::output::OutputFile;
use abscope::paths::shown;
use abscope::plan::Plan;
use abscope::signature::Model;
use abscope::signature::score::Origin;
use abscope::table::Format;
use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::case;
use super::console::{self, tell};

/// Exit status where cases failed, each named, and the others are written.
const SOME_FAILED: u8 = 1;

/// Files of one problem that are named, each on a line.
const FILES_OF_A_PROBLEM: usize = 3;

/// This part of the memory may hold room of images that were given up, for the next ones.
const IMAGES_KEPT: u64 = 8;

/// Extract a whole cohort to one table.
///
/// The same command goes on where an interrupted run stopped. A case that fails is a row of
/// failures.csv in the output folder; exit status 1 says that there are some.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A manifest (CSV with the columns patient, image, mask and, where wanted, labels, roi, series,
    /// site, kvp, lesion, study, study_day, kernel, phase, slice_thickness_mm and any others, which are
    /// carried through), or a folder or zip archive to search. The column roi is a lesion's name or number, or a regular expression for the whole name; case does not matter.
    cases: PathBuf,

    /// The output folder: features, failures.csv, warnings.csv and, with a model, scores.csv,
    /// cohort.html and reports.
    #[arg(short, long, value_name = "DIR", required_unless_present = "dry_run")]
    output: Option<PathBuf>,

    /// Take these lesions only (labels, ROI or segment numbers, separated by commas), of cases whose
    /// row of the manifest names none.
    #[arg(long, value_delimiter = ',', value_name = "LABEL")]
    labels: Vec<String>,

    /// Take the lesions of this name or number, or whose whole name matches this regular expression
    /// (case does not matter), of cases whose row of the manifest names none. By default all that are
    /// lesions by name and type: no outline, organ, PTV, CTV, couch or dose.
    #[arg(long, value_name = "ROI")]
    roi: Option<String>,

    /// The CT series to take (SeriesInstanceUID), of cases whose row of the manifest names none.
    #[arg(long, value_name = "UID")]
    series: Option<String>,

    /// Extraction settings (TOML); with a model, its own settings by default.
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,

    /// A signature (TOML): scores.csv, cohort.html, and reports/PATIENT.html and .json.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,

    /// With a model: perturbed copies of each lesion from which the measurement error of its score
    /// is found (10 or more; each costs an extraction); 0 takes the model's reliability instead.
    #[arg(long, default_value_t = 0, value_name = "N", requires = "model")]
    perturbations: usize,

    /// Format of the feature table.
    #[arg(long, value_name = "FORMAT", default_value = "csv")]
    format: TableFormat,

    /// Memory that the cases in flight may take together, such as 4G; half of what is free by
    /// default. A larger case runs alone.
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    memory: Option<u64>,

    /// Do the i-th of n parts of the cohort, from 1/n to n/n, divided by patient. Join them with
    /// `abscope merge`.
    #[arg(long, value_name = "I/N", default_value_t = Shard::WHOLE)]
    shard: Shard,

    /// Put masks of another grid on the image's grid by nearest voxel, instead of refusing them.
    #[arg(long)]
    regrid_mask: bool,

    /// What to do with missing or unevenly spaced slices and with gantry tilt.
    #[arg(long, value_name = "POLICY", default_value = "refuse")]
    uneven_slices: case::UnevenSlices,

    /// Table of ROI names and sites: CSV with the columns roi (a name, or a regular expression for
    /// the whole name) and site. The manifest's sites come first.
    #[arg(long, value_name = "FILE")]
    sites: Option<PathBuf>,

    /// Call patients of DICOM files that were found in a folder by their PatientID, and studies and series
    /// by their UIDs, instead of pseudonyms.
    #[arg(long)]
    identify: bool,

    /// Show what would be done, what has no partner, and how many grey levels each lesion would
    /// get; write no table.
    #[arg(long)]
    dry_run: bool,

    /// Write the pairs that were found to this file as a manifest, to be edited and given in place of
    /// the folder.
    #[arg(long, value_name = "FILE")]
    write_manifest: Option<PathBuf>,

    /// What to tell on standard error: text for people (with a progress bar in a terminal), or a
    /// JSON object per line.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum TableFormat {
    Csv,
    Jsonl,
    Parquet,
}

impl From<TableFormat> for Format {
    fn from(format: TableFormat) -> Self {
        match format {
            TableFormat::Csv => Self::Csv,
            TableFormat::Jsonl => Self::Jsonl,
            TableFormat::Parquet => Self::Parquet,
        }
    }
}

#[derive(Clone, Copy, clap::ValueEnum, PartialEq)]
enum LogFormat {
    Text,
    Json,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        args.perturbations == 0 || (10..=10_000).contains(&args.perturbations),
        "--perturbations is {}; give 0, or 10 to 10000",
        args.perturbations
    );
    let memory = args.memory.unwrap_or_else(default_bytes);
    keep_for_images(usize::try_from(memory / IMAGES_KEPT).unwrap_or(usize::MAX));
    let model = args.model.as_ref().map(|path| Model::read(path)).transpose()?;
    let plan = plan(args.settings.as_ref(), model.as_ref())?;
    let options = Options {
        plan,
        model,
        perturbations: args.perturbations,
        format: args.format.into(),
        memory,
        shard: args.shard,
        regrid_mask: args.regrid_mask,
        uneven_slices: args.uneven_slices.into(),
        site_table: args.sites.as_deref().map(SiteTable::read).transpose()?,
        pseudonyms: None,
    };
    let asked =
        Asked { labels: args.labels, roi: args.roi, series: args.series, identify: args.identify };
    let written = match &args.write_manifest {
        Some(path) => Some((path, OutputFile::create(path)?)),
        None => None,
    };
    let (discovery, names) = cases(&args.cases, &asked, args.output.as_deref())?;
    let options = Options { pseudonyms: names, ..options };
    if let Some((path, mut file)) = written {
        discovery.manifest.write(&mut file).with_context(|| shown(path))?;
        file.finish()?;
    }
    if args.dry_run {
        return dry_run(&discovery, &options);
    }
    tell_left_out(&discovery.unmatched);
    tell_joined(&discovery.joined, FILES_OF_A_PROBLEM);
    anyhow::ensure!(
        !discovery.manifest.cases.is_empty(),
        "{}: no image with a mask was found",
        shown(&args.cases)
    );
    let output = args.output.as_ref().expect("required without --dry-run");
    silence_panics();
    let log = Log::new(args.log_format);
    let summary = batch::run(&discovery.manifest, output, &options, &|event| log.tell(event))
        .map_err(|error| {
            log.clear();
            let hint = "what is finished is kept: the same command goes on from there";
            anyhow::Error::new(error).context(format!("the run has stopped; {hint}"))
        })?;
    log.clear();
    log.end(&summary, output);
    Ok(ExitCode::from(if summary.failed > 0 { SOME_FAILED } else { 0 }))
}

/// The settings' plan, or the model's own; a model that does not fit is refused before any work.
fn plan(settings: Option<&PathBuf>, model: Option<&Model>) -> anyhow::Result<Plan> {
    let plan = match (settings, model) {
        (None, Some(model)) => model.plan()?.clone(),
        _ => case::plan(settings)?,
    };
    if let Some(model) = model {
        model.scorer(Origin::Plan(&plan))?;
    }
    Ok(plan)
}

/// Files with the same problem share a line where there are many, as of one missing series.
fn tell_left_out(unmatched: &[(PathBuf, String)]) {
    let mut by_problem: BTreeMap<&str, Vec<&Path>> = BTreeMap::new();
    for (path, problem) in unmatched {
        by_problem.entry(problem).or_default().push(path);
    }
    for (problem, files) in by_problem {
        for path in files.iter().take(FILES_OF_A_PROBLEM) {
            tell!("left out: {}: {problem}", shown(path));
        }
        let more = files.len().saturating_sub(FILES_OF_A_PROBLEM);
        if more > 0 {
            tell!("left out: {more} more files with this problem (--dry-run lists them)");
        }
    }
}

/// The cases, and what made the pseudonyms of those that were found.
fn cases(
    path: &Path,
    asked: &Asked,
    output: Option<&Path>,
) -> anyhow::Result<(Discovery, Option<Pseudonyms>)> {
    if path.is_dir() || is_archive(path)? {
        let names = batch::pseudonyms(output)?;
        return Ok((discover::discover(path, asked, &names)?, Some(names)));
    }
    let manifest = Manifest::read(path)?.asking(asked);
    Ok((Discovery { manifest, joined: Vec::new(), unmatched: Vec::new() }, None))
}

/// Images of different folders that count as one patient's, which names of files can get wrong.
fn tell_joined(joined: &[Joined], most: usize) {
    for Joined { patient, images } in joined.iter().take(most) {
        let images: Vec<String> = images.iter().map(|image| shown(image)).collect();
        tell!("taken for one patient ({patient}) by their names: {}", images.join(", "));
    }
    let more = joined.len().saturating_sub(most);
    if more > 0 {
        tell!("taken for one patient each: images of {more} more (--dry-run lists them)");
    }
}

/// A panic in a case is caught and told as its failure; the default message would only add noise.
fn silence_panics() {
    std::panic::set_hook(Box::new(|_| ()));
}

fn dry_run(discovery: &Discovery, options: &Options) -> anyhow::Result<ExitCode> {
    let mut table = CsvWriter::new(console::Output::new());
    table.record([
        "case",
        "patient",
        "lesion",
        "name",
        "region",
        "volume_ml",
        "voxels",
        "voxels_kept",
        "levels",
        "problem",
    ])?;
    let mut failed = 0;
    let mut problem = Ok(());
    dry_run::preview(&discovery.manifest, options, |request, preview| {
        let case = request.order.to_string();
        let result = match preview {
            Err(failure) => {
                failed += 1;
                let blank = [""; 7];
                let row = [case.as_str(), &request.patient].into_iter().chain(blank);
                table.record(row.chain([failure.told()]))
            }
            Ok(lesions) => lesions.iter().try_for_each(|lesion| {
                let levels = lesion.levels.as_ref();
                table.record([
                    case.as_str(),
                    &request.patient,
                    &lesion.lesion,
                    lesion.name.as_deref().unwrap_or(""),
                    lesion.region.name(),
                    &lesion.volume_ml.to_string(),
                    &lesion.voxels.to_string(),
                    &lesion.voxels_kept.to_string(),
                    &levels.map(usize::to_string).unwrap_or_default(),
                    levels.err().map_or("", String::as_str),
                ])
            }),
        };
        if problem.is_ok() {
            problem = result;
        }
    });
    problem?;
    table.flush()?;
    tell_joined(&discovery.joined, usize::MAX);
    for (path, reason) in &discovery.unmatched {
        tell!("left out: {}: {reason}", shown(path));
    }
    Ok(ExitCode::from(if failed > 0 { SOME_FAILED } else { 0 }))
}

/// Tells what happens, on standard error.
struct Log {
    format: LogFormat,
    bar: Option<ProgressBar>,
    progress: Mutex<Progress>,
    /// Whether it was told that cases are done again.
    corrected: AtomicBool,
}

impl Log {
    fn new(format: LogFormat) -> Self {
        let visible = format == LogFormat::Text && std::io::stderr().is_terminal();
        let bar = visible.then(|| {
            let style = ProgressStyle::with_template("{bar:32} {pos}/{len}  {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(0).with_style(style)
        });
        let progress = Mutex::new(Progress::new(0));
        Self { format, bar, progress, corrected: AtomicBool::new(false) }
    }

    fn tell(&self, event: &Event<'_>) {
        let Ok(mut progress) = self.progress.lock() else { return };
        progress.note(event);
        match self.format {
            LogFormat::Json => tell!("{}", as_json(event, &progress)),
            LogFormat::Text => self.text(event, &progress),
        }
    }

    fn text(&self, event: &Event<'_>, progress: &Progress) {
        if let Event::Failed(failure) = event {
            let Failure { order, patient, .. } = failure;
            self.line(&format!("failed: case {order} ({patient}): {}", failure.told()));
        }
        if let Event::Corrected { version, .. } = event
            && !self.corrected.swap(true, Ordering::Relaxed)
        {
            self.line(&format!(
                "cases of an earlier abscope whose values version {version} corrected are done again"
            ));
        }
        if let Event::Damaged { case, problem } = event {
            self.line(&format!("case {case} is done again: {}", problem.statement()));
        }
        match (event, &self.bar) {
            (Event::Planned { cases, done, shard }, _) => {
                if let Some(bar) = &self.bar {
                    bar.set_length(progress.total as u64);
                }
                let part =
                    if *shard == Shard::WHOLE { String::new() } else { format!("shard {shard}: ") };
                self.line(&format!("{part}{cases} cases, {done} of them done before"));
            }
            (_, Some(bar)) => {
                bar.set_position(progress.through as u64);
                let remaining = progress.remaining().unwrap_or_default();
                bar.set_message(format!(
                    "{:.1} cases/min, {} left, {} failed",
                    progress.rate_per_minute(),
                    indicatif::HumanDuration(remaining),
                    progress.failed
                ));
            }
            _ => {}
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(console::printable(text)),
            None => tell!("{text}"),
        }
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn end(&self, summary: &Summary, output: &Path) {
        let Summary { cases, done, resumed, lesions, failed, warnings } = summary;
        match self.format {
            LogFormat::Json => tell!(
                "{}",
                json!({
                    "event": "end", "cases": cases, "done": done, "resumed": resumed,
                    "lesions": lesions, "failed": failed, "warnings": warnings,
                })
            ),
            LogFormat::Text => tell!(
                "{done} of {cases} cases ({lesions} lesions) are in {}; {failed} failed \
                 (failures.csv), {warnings} warnings (warnings.csv)",
                shown(output)
            ),
        }
    }
}

fn as_json(event: &Event<'_>, progress: &Progress) -> serde_json::Value {
    let mut line = match event {
        Event::Planned { cases, done, shard } => json!({
            "event": "planned", "cases": cases, "done": done, "shard": shard.to_string(),
        }),
        Event::Finished { case, patient, lesions, resumed } => json!({
            "event": "finished", "case": case, "patient": patient, "lesions": lesions,
            "resumed": resumed,
        }),
        Event::Corrected { case, version } => json!({
            "event": "corrected", "case": case, "since": version.to_string(),
        }),
        Event::Damaged { case, problem } => json!({
            "event": "damaged", "case": case, "problem": problem.statement(),
        }),
        Event::Failed(failure) => json!({
            "event": "failed", "case": failure.order, "patient": failure.patient,
            "stage": failure.stage, "error": failure.problem, "way_out": failure.way_out,
        }),
        Event::Assembling { cases } => json!({ "event": "assembling", "cases": cases }),
    };
    line["elapsed_s"] = json!((progress.elapsed().as_secs_f64() * 1e3).round() / 1e3);
    if let Event::Finished { .. } | Event::Failed(_) = event {
        line["cases_per_minute"] = json!((progress.rate_per_minute() * 10.0).round() / 10.0);
        line["remaining_s"] = json!(progress.remaining().map(|d| d.as_secs()));
    }
    line
}
