//! A cohort to one table: every case of a manifest, in bounded memory, resumable at any moment.
//!
//! A run loads and extracts cases side by side ([`schedule`] says how many fit), and puts each
//! finished case on disk at once ([`journal`]). When all are through, the tables are assembled from
//! the disk, case by case in the manifest's order, so that they depend neither on the order in which
//! cases ended nor on how often the run was interrupted. A case that cannot be read or computed is a
//! row of `failures.csv`; only what concerns the whole run (no space on the disk, a model that does
//! not fit the settings) ends it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};
use crate::export::table::Format;
use crate::extract;
use crate::ingest::dicom::series::SlicePolicy;
use crate::ingest::sites::SiteTable;
use crate::ingest::{self, Case};
use crate::plan::Plan;
use crate::signature::Model;
use crate::signature::score::{Origin, Scorer};

pub mod assemble;
pub mod discover;
pub mod dry_run;
pub mod failures;
pub mod journal;
pub mod manifest;
pub mod merge;
pub mod progress;
pub mod run;
pub mod schedule;
mod scores;
pub mod shard;

use failures::{Failure, Stage};
use journal::{Journal, Record};
use manifest::{CaseRequest, Manifest};
use progress::Event;
use run::RunFolder;
use schedule::{Budget, Share};
use shard::Shard;

/// What a run is asked for, apart from the cases.
#[derive(Clone, Debug)]
pub struct Options {
    /// How features are computed.
    pub plan: Plan,
    /// Scores every lesion and makes a report of every case.
    pub model: Option<Model>,
    /// Perturbed copies of each lesion from which the measurement error of its score is found; 0
    /// takes the model's reliability instead.
    pub perturbations: usize,
    /// The format of the feature table.
    pub format: Format,
    /// Bytes that the cases in flight may take together.
    pub memory: u64,
    /// The part of the cohort to do.
    pub shard: Shard,
    /// Whether a mask on another grid is put on the image's grid (nearest voxel) or fails its case.
    pub regrid_mask: bool,
    /// What to do with missing or unevenly spaced slices and gantry tilt.
    pub uneven_slices: SlicePolicy,
    /// Sites by ROI name.
    pub site_table: Option<SiteTable>,
}

/// What came out of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Cases of the shard.
    pub cases: usize,
    /// Cases in the table.
    pub done: usize,
    /// Of these, cases that an earlier run had done.
    pub resumed: usize,
    /// Rows of the table.
    pub lesions: usize,
    /// Rows of `failures.csv`.
    pub failed: usize,
    /// Rows of `warnings.csv`.
    pub warnings: usize,
}

/// What a run tells.
pub type Listener<'a> = &'a (dyn Fn(&Event<'_>) + Sync);

/// What became of a case.
#[derive(Clone, Debug)]
pub(crate) enum Status {
    Waiting,
    Done { key: String },
    Failed(Failure),
}

/// Extracts the cases of a manifest to the tables of `folder`, going on where an earlier run
/// stopped.
///
/// # Errors
/// What ends the whole run: the folder is used by another run or holds another shard, the disk is
/// full, the model does not fit the plan. What is finished stays finished.
pub fn run(
    manifest: &Manifest,
    folder: &Path,
    options: &Options,
    listener: Listener<'_>,
) -> Result<Summary> {
    let run_folder = RunFolder::open(folder, manifest, options)?;
    let journal = Journal::open(folder)?;
    let shard: Vec<&CaseRequest> =
        manifest.cases.iter().filter(|case| options.shard.holds(&case.patient)).collect();

    let scorer = match &options.model {
        Some(model) => Some(model.scorer(Origin::Plan(&options.plan))?),
        None => None,
    };
    let engine = Engine { journal: &journal, options, scorer, listener, stop: Stop::default() };
    let (statuses, resumed) = engine.all(&shard)?;
    let mut summary = assemble::tables(
        folder,
        &manifest.carried,
        options,
        shard.iter().copied().zip(statuses),
        listener,
    )?;
    run_folder.finish()?;
    summary.resumed = resumed;
    Ok(summary)
}

/// The first error that ends the run.
#[derive(Default)]
struct Stop {
    stopped: AtomicBool,
    error: Mutex<Option<Error>>,
}

impl Stop {
    fn with(&self, error: Error) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Ok(mut first) = self.error.lock() {
            first.get_or_insert(error);
        }
    }

    fn is_set(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn into_result(self) -> Result<()> {
        match self.error.into_inner().ok().flatten() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

struct Engine<'a> {
    journal: &'a Journal,
    options: &'a Options,
    scorer: Option<Scorer<'a>>,
    listener: Listener<'a>,
    stop: Stop,
}

impl Engine<'_> {
    /// What became of each case, and how many an earlier run had done.
    fn all(self, cases: &[&CaseRequest]) -> Result<(Vec<Status>, usize)> {
        let mut statuses: Vec<Status> = cases.iter().map(|case| self.known(case)).collect();
        let resumed = statuses.iter().filter(|s| matches!(s, Status::Done { .. })).count();
        (self.listener)(&Event::Planned {
            cases: cases.len(),
            done: resumed,
            shard: self.options.shard,
        });
        // One case more than threads: while its image is read, the others compute.
        let budget = Budget::new(self.options.memory, rayon::current_num_threads() + 1);
        let engine = &self;
        let waiting = cases.iter().zip(&mut statuses);
        // Admission waits on this thread, which is none of the pool's: a thread that computes never
        // waits for memory that only it could give back.
        rayon::in_place_scope(|scope| {
            for (case, status) in waiting.filter(|(_, s)| matches!(s, Status::Waiting)) {
                let sizes = case.files().into_iter().map(schedule::expected);
                let expected = sizes.fold(0, u64::saturating_add);
                let share = budget.admit(expected);
                if engine.stop.is_set() {
                    break;
                }
                scope.spawn(move |_| *status = engine.one(case, share));
            }
        });
        self.stop.into_result()?;
        Ok((statuses, resumed))
    }

    /// What is known of a case without reading its files.
    fn known(&self, case: &CaseRequest) -> Status {
        if let Some(problem) = &case.problem {
            let way_out = "correct the row; then run the same command again";
            let failure = Failure::new(case, Stage::Manifest, problem, way_out);
            (self.listener)(&Event::Failed(&failure));
            return Status::Failed(failure);
        }
        let Some(content) = self.journal.content(case) else { return Status::Waiting };
        let key = self.key(case, content);
        if self.journal.is_done(&key) { Status::Done { key } } else { Status::Waiting }
    }

    fn key(&self, case: &CaseRequest, content: &[String]) -> String {
        journal::key(case, content, self.options)
    }

    fn one(&self, request: &CaseRequest, mut share: Share<'_>) -> Status {
        if self.stop.is_set() {
            return Status::Waiting;
        }
        let status = self.load_and_extract(request, &mut share);
        match status {
            Ok(status) => {
                if let Status::Failed(failure) = &status {
                    (self.listener)(&Event::Failed(failure));
                }
                status
            }
            Err(error) => {
                self.stop.with(error);
                Status::Waiting
            }
        }
    }

    /// # Errors
    /// What ends the run: the record cannot be written.
    fn load_and_extract(&self, request: &CaseRequest, share: &mut Share<'_>) -> Result<Status> {
        let fingerprint = journal::fingerprint(request);
        let loaded = guarded(request, Stage::Load, || load(request, self.options));
        let case = match loaded {
            Ok(case) => case,
            Err(failure) => return Ok(Status::Failed(failure)),
        };
        share.measured(schedule::measured(&case, &self.options.plan));
        let content: Vec<String> =
            case.inputs.iter().map(|i| format!("{}:{}", i.role, i.sha256)).collect();
        let key = self.key(request, &content);
        let resumed = self.journal.is_done(&key);
        if !resumed {
            let plan = &self.options.plan;
            let rows = guarded(request, Stage::Extract, || Ok(extract::extract(&case, plan)));
            let rows = match rows {
                Ok(rows) => rows,
                Err(failure) => return Ok(Status::Failed(failure)),
            };
            let mut record = Record::new(&request.patient, &request.carried, &case.warnings, &rows);
            let report = self.scorer.as_ref().and_then(|scorer| {
                scores::add(&mut record, request, &case, &rows, scorer, self.options)
            });
            self.journal.write(&key, &record, report.as_ref())?;
        }
        self.journal.remember(fingerprint, &content)?;
        (self.listener)(&Event::Finished {
            case: request.order,
            patient: &request.patient,
            lesions: case.lesions.len(),
            resumed,
        });
        Ok(Status::Done { key })
    }
}

/// Runs a stage of a case; an error or a panic is a failure of the case.
fn guarded<T>(
    request: &CaseRequest,
    stage: Stage,
    work: impl FnOnce() -> Result<T>,
) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Failure::of(request, stage, &error)),
        Err(payload) => Err(Failure::of_panic(request, stage, payload.as_ref())),
    }
}

/// Loads a case, and gives its lesions the site and the ids that the manifest asks for.
fn load(request: &CaseRequest, options: &Options) -> Result<Case> {
    let load_options = request
        .load_options(options.regrid_mask)
        .uneven_slices(options.uneven_slices)
        // A site that the row gives to all of its lesions needs no table.
        .site_table(options.site_table.clone().filter(|_| request.site.is_none()));
    let mut case = ingest::load(&request.image_path, &request.mask_path, &load_options)?;
    if let Some(site) = &request.site {
        for lesion in case.lesions.iter_mut().filter(|lesion| lesion.site.is_none()) {
            lesion.site = Some(site.clone());
        }
    }
    if let Some(id) = &request.lesion {
        let only = case.lesions.len() == 1;
        for lesion in &mut case.lesions {
            lesion.id = if only { id.clone() } else { format!("{id}.{}", lesion.id) };
        }
    }
    Ok(case)
}

/// The name of the feature table in an output folder.
pub fn features_path(folder: &Path, format: Format) -> PathBuf {
    folder.join(format!("features.{}", format.extension()))
}
