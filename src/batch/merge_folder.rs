//! The output folder of a merge: what is joined in it, so that one that was cut short goes on.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::listings;
use super::run::{self, RunDescription};
use crate::digest::hex;
use crate::error::{Error, Result};
use crate::output::{self, OutputFile};
use crate::paths::shown;

/// The schema of `merge.json`.
const SCHEMA: &str = "abscope.merge/1";

/// What the tables of a folder were joined from: `merge.json`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    schema: String,
    /// SHA-256 of what each shard's folder says of its cases, in no order but theirs.
    shards: Vec<String>,
    /// Whether the tables are complete.
    finished: bool,
}

/// An output folder of a merge in use.
#[derive(Debug)]
pub(super) struct MergeFolder {
    path: PathBuf,
    description: Description,
    /// Held until the merge ends; the system lets go of it if it is killed.
    _lock: File,
}

impl MergeFolder {
    /// Takes a folder for a merge of shards, making it where it is not there.
    ///
    /// # Errors
    /// Another run uses it; it holds files, but no merge of these shards and none that was cut short;
    /// it is not writable; a shard's tables cannot be read.
    pub(super) fn open(folder: &Path, shards: &[PathBuf]) -> Result<Self> {
        let mut shards = shards.iter().map(|f| digest(f)).collect::<Result<Vec<_>>>()?;
        shards.sort();
        let path = folder.join("merge.json");
        let description = Description { schema: SCHEMA.into(), shards, finished: false };
        let refuse = |problem: &str| {
            Err(Error::bad_request(format!("{}: {problem}; give a new folder", shown(folder))))
        };
        match Description::read(&path)? {
            Some(before) if before.finished && before.shards != description.shards => {
                return refuse("holds other shards, or other results of them");
            }
            None if run::foreign(folder)?.is_some() => return refuse("is not empty"),
            _ => {}
        }
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        let lock = run::lock(folder)?;
        output::remove_left_over(folder)?;
        let folder = Self { path, description, _lock: lock };
        folder.write()?;
        Ok(folder)
    }

    /// Marks the tables as complete.
    ///
    /// # Errors
    /// The disk is full.
    pub(super) fn finish(mut self) -> Result<()> {
        self.description.finished = true;
        self.write()
    }

    fn write(&self) -> Result<()> {
        let mut file = OutputFile::create(&self.path)?;
        serde_json::to_writer_pretty(&mut file, &self.description)
            .map_err(|e| Error::io(&self.path, e.into()))?;
        file.finish()
    }
}

impl Description {
    fn read(path: &Path) -> Result<Option<Self>> {
        let bytes = match std::fs::read(path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(|e| Error::io(path, e))?,
        };
        let read = serde_json::from_slice::<Self>(&bytes).ok().filter(|d| d.schema == SCHEMA);
        let problem = "is no description of a merge that this abscope can read; give a new folder";
        read.map(Some).ok_or_else(|| Error::bad_data(path, problem))
    }
}

/// Stands for what a shard says of its cases: its description and the keys of their records.
fn digest(folder: &Path) -> Result<String> {
    let mut digest = Sha256::new();
    let tables = [listings::CASES, listings::FAILURES].map(|name| folder.join(name));
    for path in [RunDescription::path(folder)].into_iter().chain(tables) {
        let bytes = std::fs::read(&path).map_err(|e| Error::io(&path, e))?;
        digest.update(Sha256::digest(bytes));
    }
    Ok(hex(&digest.finalize()))
}
