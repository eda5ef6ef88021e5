//! A cohort to one table: every case of a manifest, in bounded memory, resumable at any moment.
//!
//! A run loads and extracts cases side by side ([`schedule`] says how many fit), and puts each
//! finished case on disk at once ([`journal`]). When all are through, the tables are assembled from
//! the disk, case by case in the manifest's order, so that they depend neither on the order in which
//! cases ended nor on how often the run was interrupted. A case that cannot be read or computed is a
//! row of `failures.csv`; only what concerns the whole run (no space on the disk, a model that does
//! not fit the settings) ends it.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::ingest::dicom::series::SlicePolicy;
use crate::ingest::pseudonyms::Pseudonyms;
use crate::ingest::sites::SiteTable;
use crate::plan::Plan;
use crate::signature::Model;
use crate::signature::score::Origin;
use crate::table::Format;

pub mod assemble;
pub mod discover;
pub mod dry_run;
mod engine;
pub mod failures;
mod footprint;
pub mod journal;
mod listings;
mod load;
pub mod manifest;
pub mod merge;
mod merge_folder;
pub mod progress;
mod reports;
pub mod run;
pub mod schedule;
mod scores;
pub mod shard;
mod shared;
#[cfg(test)]
mod testing;

use engine::Engine;
use journal::Journal;
use manifest::{CaseRequest, Manifest};
use progress::Event;
use run::{RunDescription, RunFolder};
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
    /// What makes pseudonyms; the user's own key where one is needed and this is absent.
    pub pseudonyms: Option<Pseudonyms>,
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
    let mut options = options.clone();
    if options.pseudonyms.is_none() && manifest.needs_names() {
        options.pseudonyms = Some(pseudonyms(Some(folder))?);
    }
    let options = &options;
    let run_folder = RunFolder::open(folder, manifest, options)?;
    let journal = Journal::open(folder)?;
    assemble::check(folder, &manifest.carried, options)?;
    let shard: Vec<&CaseRequest> =
        manifest.cases.iter().filter(|case| options.shard.holds(&case.patient)).collect();
    let looked = shared::look_once(&shard);
    let shard: Vec<&CaseRequest> = looked.iter().collect();
    let scorer = match &options.model {
        Some(model) => Some(model.scorer(Origin::Plan(&options.plan))?),
        None => None,
    };
    let (statuses, resumed) = Engine::new(&journal, options, scorer, listener).all(&shard)?;
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

/// The user's key of pseudonyms for a run into `folder`: that with which an earlier run was begun, if
/// there is one.
///
/// # Errors
/// As [`Pseudonyms::of_user`]; the earlier run's key is not there, or the user's is another; its
/// description is damaged.
pub fn pseudonyms(folder: Option<&Path>) -> Result<Pseudonyms> {
    let begun = folder.filter(|folder| RunDescription::is_in(folder));
    match begun.map(RunDescription::read).transpose()?.and_then(|run| run.key) {
        Some(fingerprint) => Pseudonyms::of_user_as_before(&fingerprint),
        None => Pseudonyms::of_user(),
    }
}

/// The name of the feature table in an output folder.
pub fn features_path(folder: &Path, format: Format) -> PathBuf {
    folder.join(format!("features.{}", format.extension()))
}
