//! The cases of a run side by side, in bounded memory, each put on disk when it is done.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::failures::{Failure, Stage};
use super::journal::{self, Journal, Keys, Record, ReportFiles};
use super::load::{guarded, load};
use super::manifest::CaseRequest;
use super::progress::Event;
use super::schedule::{Budget, Share};
use super::{Listener, Options, footprint, scores};
use crate::error::{Error, Result};
use crate::extract::extract;
use crate::ingest::{Case, expected_bytes};
use crate::plan::corrections::CORRECTIONS;
use crate::report::examine;
use crate::row::Row;
use crate::signature::score::Scorer;

/// What became of a case.
#[derive(Clone, Debug)]
pub(super) enum Status {
    Waiting,
    Done { key: String },
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
        let budget = Budget::new(self.options.memory, rayon::current_num_threads() + 1);
        let engine = &self;
        let waiting = cases.iter().zip(&mut statuses);
        // Admission waits on this thread, which is none of the pool's: a thread that computes never
        // waits for memory that only it could give back.
        rayon::in_place_scope(|scope| {
            for (case, status) in waiting.filter(|(_, s)| matches!(s, Status::Waiting)) {
                let sizes = case.files().into_iter().map(expected_bytes);
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
        share.measured(footprint::measured(&case, &self.options.plan));
        let content = content(&case);
        let key = self.keys.of(request, &content);
        let resumed = self.is_done(request, &key);
        if !resumed {
            let is_done = |key: &str| self.journal.has(key);
            if let Some(version) = self.keys.corrected(request, &content, is_done) {
                (self.listener)(&Event::Corrected { case: request.order, version });
            }
            let (record, report) = match self.record(request, &case) {
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
        let record =
            |rows: &[Row]| Record::new(&request.patient, &request.carried, &case.warnings, rows);
        let Some(scorer) = &self.scorer else {
            let rows = guarded(request, Stage::Extract, || Ok(extract(case, plan)))?;
            return Ok((record(&rows), None));
        };
        let examined = guarded(request, Stage::Extract, || Ok(examine(case, plan)))?;
        let mut record = record(examined.rows());
        let report = scores::add(&mut record, request, &examined, scorer, self.options);
        Ok((record, report))
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
