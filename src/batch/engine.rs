//! The cases of a run side by side, in bounded memory, each put on disk when it is done.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::failures::{Failure, Stage};
use super::footprint::{self, Footprint};
use super::journal::{self, Journal, Keys, Record, ReportFiles};
use super::load::{guarded, load};
use super::manifest::CaseRequest;
use super::progress::Event;
use super::schedule::{Budget, Share};
use super::{Listener, Options, scores};
use crate::error::{Error, Message, Remedy, Result};
use crate::extract::{check_finite, extract, lost_in_resampling};
use crate::ingest::{Case, Expected};
use crate::plan::corrections::CORRECTIONS;
use crate::report::examine;
use crate::row::Row;
use crate::signature::score::Scorer;

/// What became of a case.
#[derive(Clone, Debug)]
pub(super) enum Status {
    Waiting,
    /// It does not fit beside other cases, and takes so many bytes by itself.
    PutOff {
        bytes: u64,
    },
    Done {
        key: String,
    },
    Failed(Failure),
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

/// Loads and extracts the cases of a run.
pub(super) struct Engine<'a> {
    journal: &'a Journal,
    keys: Keys,
    options: &'a Options,
    scorer: Option<Scorer<'a>>,
    listener: Listener<'a>,
    stop: Stop,
}

impl<'a> Engine<'a> {
    pub(super) fn new(
        journal: &'a Journal,
        options: &'a Options,
        scorer: Option<Scorer<'a>>,
        listener: Listener<'a>,
    ) -> Self {
        let keys = Keys::new(options, CORRECTIONS);
        Self { journal, keys, options, scorer, listener, stop: Stop::default() }
    }

    /// What became of each case, and how many an earlier run had done.
    ///
    /// # Errors
    /// What ends the run.
    pub(super) fn all(self, cases: &[&CaseRequest]) -> Result<(Vec<Status>, usize)> {
        let mut statuses: Vec<Status> = cases.iter().map(|case| self.known(case)).collect();
        let resumed = statuses.iter().filter(|s| matches!(s, Status::Done { .. })).count();
        (self.listener)(&Event::Planned {
            cases: cases.len(),
            done: resumed,
            shard: self.options.shard,
        });
        for status in &statuses {
            if let Status::Failed(failure) = status {
                (self.listener)(&Event::Failed(failure));
            }
        }
        // One case more than threads: while its image is read, the others compute.
        let memory = self.options.memory.saturating_sub(footprint::PROGRAM);
        let budget = Budget::new(memory, rayon::current_num_threads() + 1);
        let is_open = |s: &Status| matches!(s, Status::Waiting | Status::PutOff { .. });
        while statuses.iter().any(is_open) && !self.stop.is_set() {
            self.side_by_side(&budget, cases, &mut statuses);
        }
        self.stop.into_result()?;
        Ok((statuses, resumed))
    }

    /// Does the cases that are not done; some may be put off again.
    fn side_by_side(&self, budget: &Budget, cases: &[&CaseRequest], statuses: &mut [Status]) {
        // Admission waits on this thread, which is none of the pool's: a thread that computes never
        // waits for memory that only it could give back.
        rayon::in_place_scope(|scope| {
            for (case, status) in cases.iter().zip(statuses) {
                let expected = match *status {
                    Status::Waiting => case.expected(),
                    Status::PutOff { bytes } => Expected::Bytes(bytes),
                    Status::Done { .. } | Status::Failed(_) => continue,
                };
                let share = match expected {
                    Expected::Bytes(bytes) if bytes > budget.bytes() => {
                        *status = self.told(Status::Failed(self.too_large(case, bytes)));
                        continue;
                    }
                    Expected::Bytes(bytes) | Expected::AtMost(bytes) => {
                        budget.admit(bytes.min(budget.bytes()))
                    }
                };
                if self.stop.is_set() {
                    break;
                }
                scope.spawn(move |_| *status = self.one(case, share));
            }
        });
    }

    /// The failure of a case that takes more than may be taken.
    fn too_large(&self, case: &CaseRequest, bytes: u64) -> Failure {
        let mebibytes = |bytes: u64| bytes.div_ceil(1 << 20);
        let needed = bytes.saturating_add(footprint::PROGRAM);
        let problem = format!(
            "takes {} MiB of memory, by itself and on one thread, where {} MiB may be taken",
            mebibytes(needed),
            mebibytes(self.options.memory)
        );
        let error = Error::too_big(problem).with_remedy(Remedy::AllowMemory { bytes: needed });
        Failure::of(case, Stage::Load, &error)
    }

    /// What is known of a case without reading its files.
    fn known(&self, case: &CaseRequest) -> Status {
        if let Some(problem) = &case.problem {
            let way_out = "correct the row; then run the same command again";
            return Status::Failed(Failure::new(case, Stage::Manifest, problem, way_out));
        }
        let Some(content) = self.journal.content(case) else { return Status::Waiting };
        let key = self.keys.of(case, content);
        if self.is_done(case, &key) { Status::Done { key } } else { Status::Waiting }
    }

    fn is_done(&self, case: &CaseRequest, key: &str) -> bool {
        self.journal.is_done(key).unwrap_or_else(|problem| {
            (self.listener)(&Event::Damaged { case: case.order, problem: &problem });
            false
        })
    }

    fn one(&self, request: &CaseRequest, mut share: Share<'_>) -> Status {
        if self.stop.is_set() {
            return Status::Waiting;
        }
        let status = self.load_and_extract(request, &mut share);
        match status {
            Ok(status) => self.told(status),
            Err(error) => {
                self.stop.with(error);
                Status::Waiting
            }
        }
    }

    fn told(&self, status: Status) -> Status {
        if let Status::Failed(failure) = &status {
            (self.listener)(&Event::Failed(failure));
        }
        status
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
        let footprint = Footprint::of(&case, &self.options.plan);
        let threads = rayon::current_num_threads();
        let Some(threads) = share.fit(|available| footprint.within(available, threads)) else {
            let bytes = footprint.bytes(1);
            return Ok(match bytes > share.budget() {
                true => Status::Failed(self.too_large(request, bytes)),
                false => Status::PutOff { bytes },
            });
        };
        let content = content(&case);
        let key = self.keys.of(request, &content);
        let resumed = self.is_done(request, &key);
        if !resumed {
            let is_done = |key: &str| self.journal.has(key);
            if let Some(version) = self.keys.corrected(request, &content, is_done) {
                (self.listener)(&Event::Corrected { case: request.order, version });
            }
            let (record, report) = match on(threads, || self.record(request, &case)) {
                Ok(made) => made,
                Err(failure) => return Ok(Status::Failed(failure)),
            };
            self.journal.write(&key, record, report.as_ref())?;
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

    /// The values of a case, with scores and report where there is a model.
    fn record(
        &self,
        request: &CaseRequest,
        case: &Case,
    ) -> Result<(Record, Option<ReportFiles>), Failure> {
        let plan = &self.options.plan;
        let record = |rows: &[Row]| {
            let lost = lost_in_resampling(case, plan, rows);
            let warnings: Vec<Message> = case
                .warnings
                .iter()
                .cloned()
                .chain(lost.iter().cloned().map(Message::from))
                .collect();
            let mut record = Record::new(&request.patient, &request.carried, &warnings, rows);
            record.lost = (!lost.is_empty()).then(|| lost.join("; "));
            record
        };
        let Some(scorer) = &self.scorer else {
            let rows = guarded(request, Stage::Extract, || {
                let rows = extract(case, plan);
                check_finite(case, &rows)?;
                Ok(rows)
            })?;
            return Ok((record(&rows), None));
        };
        let examined = guarded(request, Stage::Extract, || {
            let examined = examine(case, plan);
            check_finite(case, examined.rows())?;
            Ok(examined)
        })?;
        let mut record = record(examined.rows());
        let report = scores::add(&mut record, request, &examined, scorer, self.options);
        Ok((record, report))
    }
}

/// Runs `work` on so many threads of its own, if they are fewer than those of the pool that it runs in.
fn on<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    if threads >= rayon::current_num_threads() {
        return work();
    }
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) => pool.install(work),
        // Without threads of its own it takes more memory, and gives the same.
        Err(_) => work(),
    }
}

/// What a case was read from: the hashes of its inputs, and what they say of the scan, in which other
/// studies of the patient have a part.
fn content(case: &Case) -> Vec<String> {
    let mut content: Vec<String> =
        case.inputs.iter().map(|i| format!("{}:{}", i.role, i.sha256)).collect();
    if !case.scan.is_unknown() {
        content.push(format!("scan:{}", serde_json::json!(case.scan)));
    }
    content
}
