//! An output folder: what it was made with, and that only one run uses it.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Options;
use super::manifest::Manifest;
use crate::error::{Error, Result};
use crate::ingest::pseudonyms::Pseudonyms;
use crate::output::OutputFile;
use crate::paths::shown;
use crate::plan::Plan;
use crate::report::CohortSignature;
use crate::table::{Carried, Format};

/// The schema of `run.json`.
const SCHEMA: &str = "abscope.run/1";

/// What the tables of a folder were made with: `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunDescription {
    /// `abscope.run/1`.
    pub schema: String,
    /// Version of abscope.
    pub version: String,
    /// Hash of the plan.
    pub plan_hash: String,
    /// The plan.
    pub plan: Plan,
    /// Format of the feature table.
    pub format: Format,
    /// SHA-256 of what the manifest says.
    pub manifest: String,
    /// Cases of the whole manifest.
    pub cases: usize,
    /// Columns that are carried through.
    pub carried: Vec<Carried>,
    /// The shard, such as `2/8`.
    pub shard: String,
    /// The signature, if there is one.
    pub model: Option<CohortSignature>,
    /// Perturbed copies of each lesion behind the scores' measurement errors.
    pub perturbations: usize,
    /// Fingerprint of the key of the pseudonyms, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Whether the tables are complete.
    pub finished: bool,
}

impl RunDescription {
    /// Whether a folder has a description.
    pub fn is_in(folder: &Path) -> bool {
        Self::path(folder).exists()
    }

    /// Where a folder has its description.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join("run.json")
    }

    /// Reads the description of a folder.
    ///
    /// # Errors
    /// It is not there or is none of this version's.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = Self::path(folder);
        let bytes = std::fs::read(&path).map_err(|e| Error::io(&path, e))?;
        let run = serde_json::from_slice::<Self>(&bytes).ok().filter(|run| run.schema == SCHEMA);
        let run = run.ok_or_else(|| {
            Error::bad_data(&path, "is no description of a run that this abscope can read")
        })?;
        if !run.plan.agrees_with(&run.plan_hash) {
            return Err(Error::bad_data(
                &path,
                "was changed after it was written: its plan is not the one of its hash; run the \
                 same command into a new folder",
            ));
        }
        Ok(run)
    }

    fn write(&self, folder: &Path) -> Result<()> {
        let path = Self::path(folder);
        let mut file = OutputFile::create(&path)?;
        serde_json::to_writer_pretty(&mut file, self).map_err(|e| Error::io(&path, e.into()))?;
        file.finish()
    }
}

/// An output folder in use.
#[derive(Debug)]
pub struct RunFolder {
    folder: PathBuf,
    description: RunDescription,
    /// Held until the run ends; the system lets go of it if the run is killed.
    _lock: File,
}

impl RunFolder {
    /// Takes a folder for a run, making it where it is not there.
    ///
    /// # Errors
    /// Another run uses it; it holds another shard; it holds files but no run; it is not writable.
    pub fn open(folder: &Path, manifest: &Manifest, options: &Options) -> Result<Self> {
        let description = RunDescription {
            schema: SCHEMA.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            plan_hash: options.plan.hash(),
            plan: options.plan.clone(),
            format: options.format,
            manifest: manifest.digest.clone(),
            cases: manifest.cases.len(),
            carried: manifest.carried.clone(),
            shard: options.shard.to_string(),
            model: options.model.as_ref().map(CohortSignature::from),
            perturbations: options.perturbations,
            key: options.pseudonyms.as_ref().map(Pseudonyms::fingerprint),
            finished: false,
        };
        if !RunDescription::is_in(folder) {
            refuse_foreign(folder)?;
        }
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        let lock = lock(folder)?;
        if RunDescription::is_in(folder) {
            let before = RunDescription::read(folder)?;
            if before.shard != description.shard {
                return Err(Error::bad_request(format!(
                    "{}: holds shard {}; give shard {} a folder of its own",
                    shown(folder),
                    before.shard,
                    description.shard
                )));
            }
            if let (Some(old), Some(new)) = (&before.key, &description.key)
                && old != new
            {
                return Err(Error::bad_request(format!(
                    "{}: was begun with another key of the pseudonyms ({old}, now {new}), so that \
                     patients would have other pseudonyms; restore that key, or give a new folder",
                    shown(folder)
                )));
            }
        }
        description.write(folder)?;
        Ok(Self { folder: folder.to_owned(), description, _lock: lock })
    }

    /// Marks the tables as complete.
    ///
    /// # Errors
    /// The disk is full.
    pub fn finish(mut self) -> Result<()> {
        self.description.finished = true;
        self.description.write(&self.folder)
    }
}

const LOCK: &str = ".lock";

/// Locks a folder for this process.
///
/// # Errors
/// Another process has it.
pub(super) fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|e| Error::io(&path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::bad_request(format!(
            "{}: another run is using this folder; wait for it or give another folder",
            shown(folder)
        ))),
        // Some network file systems have no locks; then nobody can hold one either.
        Err(std::fs::TryLockError::Error(e)) if e.kind() == std::io::ErrorKind::Unsupported => {
            Ok(file)
        }
        Err(std::fs::TryLockError::Error(e)) => Err(Error::io(&path, e)),
    }
}

/// Something in a folder that is not what a run killed in its first moments leaves.
pub(super) fn foreign(folder: &Path) -> Result<Option<String>> {
    let entries = match std::fs::read_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        entries => entries.map_err(|e| Error::io(folder, e))?,
    };
    let mut names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    Ok(names.find(|name| name != LOCK && !name.starts_with(".tmp")))
}

/// A folder with somebody's files is not written to.
fn refuse_foreign(folder: &Path) -> Result<()> {
    match foreign(folder)? {
        None => Ok(()),
        Some(name) => Err(Error::bad_request(format!(
            "{}: holds {name} but no run over a cohort; give a new or empty folder",
            shown(folder)
        ))),
    }
}
