//! Shards to one set of tables, as one run over the whole cohort would have written them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::assemble::Tables;
use super::engine::Status;
use super::failures::Failure;
use super::listings::{self, CaseRow, CaseStatus};
use super::manifest::CaseRequest;
use super::merge_folder::MergeFolder;
use super::run::RunDescription;
use super::shard::Shard;
use super::{Listener, Summary, journal};
use crate::error::{Error, Remedy, Result};
use crate::paths::shown;

/// A case of a shard, as its `cases.csv` tells.
struct ShardCase {
    shard: usize,
    request: CaseRequest,
    status: Status,
}

/// Joins the output folders of shards into `output`.
///
/// The tables equal, byte for byte, those of a run that was not divided. A merge that was cut short goes
/// on, and one that was not is made again.
///
/// # Errors
/// A folder holds no finished run; the shards differ in plan (key by key), version, manifest, model,
/// format or number; one is there twice or missing; a table is damaged; `output` holds files
/// of something else.
pub fn merge(folders: &[PathBuf], output: &Path, listener: Listener<'_>) -> Result<Summary> {
    let runs = folders.iter().map(|f| RunDescription::read(f)).collect::<Result<Vec<_>>>()?;
    let Some(first) = runs.first() else {
        return Err(Error::bad_request(
            "no folders to merge; name the output folders of the shards",
        ));
    };
    for (folder, run) in folders.iter().zip(&runs) {
        compatible(&folders[0], first, folder, run)?;
    }
    complete(folders, &runs)?;

    let mut cases = BTreeMap::new();
    for (shard, folder) in folders.iter().enumerate() {
        for case in read_cases(shard, folder)? {
            let order = case.request.order;
            if cases.insert(order, case).is_some() {
                return Err(damaged(folder, &format!("case {order} is in two shards")));
            }
        }
    }
    if cases.len() != first.cases {
        return Err(damaged(
            &folders[0],
            &format!("the shards have {} cases, the manifest {}", cases.len(), first.cases),
        ));
    }

    let folder = MergeFolder::open(output, folders)?;
    let mut tables =
        Tables::create(output, &first.carried, &first.plan, first.format, first.model.clone())?;
    for case in cases.into_values() {
        let records = journal::cases_folder(&folders[case.shard]);
        tables.add(&case.request, case.status, &records, listener)?;
    }
    let summary = tables.finish()?;
    folder.finish()?;
    Ok(summary)
}

fn compatible(
    first_folder: &Path,
    first: &RunDescription,
    folder: &Path,
    run: &RunDescription,
) -> Result<()> {
    let refuse = |what: &str| {
        Err(Error::bad_request(format!(
            "{} and {} cannot be merged: {what}",
            shown(first_folder),
            shown(folder)
        )))
    };
    if !run.finished {
        return Err(Error::bad_request(format!(
            "{}: the run has not finished; run its command again",
            shown(folder)
        )));
    }
    if run.plan != first.plan {
        let mut differences = first.plan.differences(&run.plan);
        if differences.is_empty() {
            differences.push("features: other families or aggregations".into());
        }
        return refuse(&format!("their settings differ in {}", differences.join("; ")));
    }
    let same = |a: &str, b: &str| a == b;
    if !same(&run.version, &first.version) {
        return refuse(&format!("abscope {} against {}", first.version, run.version));
    }
    if !same(&run.manifest, &first.manifest) || run.carried != first.carried {
        return refuse("they were made from different manifests");
    }
    if run.key != first.key {
        return refuse("their pseudonyms were made with different keys");
    }
    if run.model != first.model || run.perturbations != first.perturbations {
        return refuse("their models or numbers of perturbations differ");
    }
    if run.format != first.format {
        return refuse("their tables have different formats")
            .map_err(|e| e.with_remedy(Remedy::MatchFormat));
    }
    Ok(())
}

fn complete(folders: &[PathBuf], runs: &[RunDescription]) -> Result<()> {
    let mut shards = BTreeMap::new();
    for (folder, run) in folders.iter().zip(runs) {
        let shard: Shard =
            run.shard.parse().map_err(|problem: String| damaged(folder, &problem))?;
        if let Some(before) = shards.insert(shard, folder) {
            return Err(Error::bad_request(format!(
                "{} and {} both hold shard {shard}; name each shard once",
                shown(before),
                shown(folder)
            )));
        }
    }
    let count = shards.keys().next().map_or(1, |shard| shard.count);
    if let Some(other) = shards.keys().find(|shard| shard.count != count) {
        return Err(Error::bad_request(format!(
            "the cohort was divided into {count} and into {} shards; merge shards of one division",
            other.count
        )));
    }
    let missing = (1..=count).map(|index| Shard { index, count });
    let missing: Vec<String> =
        missing.filter(|s| !shards.contains_key(s)).take(10).map(|s| s.to_string()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::bad_request(format!("shard {} is missing; name all folders", missing.join(", "))))
}

fn damaged(folder: &Path, problem: &str) -> Error {
    Error::bad_data(folder, format!("{problem}; run the shard's command again"))
}

fn read_cases(shard: usize, folder: &Path) -> Result<Vec<ShardCase>> {
    let unreadable = |name: &str| damaged(folder, &format!("{name} cannot be read"));
    let failures: Option<Vec<Failure>> = listings::read(&folder.join(listings::FAILURES))?;
    let failures = failures.ok_or_else(|| unreadable(listings::FAILURES))?;
    let mut failed: BTreeMap<usize, Failure> =
        failures.into_iter().map(|failure| (failure.order, failure)).collect();
    let rows: Option<Vec<CaseRow>> = listings::read(&folder.join(listings::CASES))?;
    let rows = rows.ok_or_else(|| unreadable(listings::CASES))?;
    rows.into_iter()
        .map(|row| {
            let status = match row.status {
                CaseStatus::Done => Status::Done { key: row.key },
                CaseStatus::Failed => {
                    let failure = failed.remove(&row.order);
                    Status::Failed(failure.ok_or_else(|| unreadable(listings::FAILURES))?)
                }
                CaseStatus::Waiting => return Err(unreadable(listings::CASES)),
            };
            let nowhere = Path::new("");
            let request = CaseRequest::new(row.order, row.patient, nowhere, nowhere);
            Ok(ShardCase { shard, request, status })
        })
        .collect()
}
