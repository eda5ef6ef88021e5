//! What a run tells while it runs. The library prints nothing; whoever listens may.

use std::time::{Duration, Instant};

use super::failures::{Failure, Stage};
use super::shard::Shard;
use crate::error::Error;
use crate::plan::corrections::Version;

/// Something happened.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// The cases are known.
    Planned {
        /// Cases of this shard.
        cases: usize,
        /// Of these, done by an earlier run.
        done: usize,
        /// Which shard.
        shard: Shard,
    },
    /// A case is on disk.
    Finished {
        /// Its place in the manifest.
        case: usize,
        /// The patient's pseudonymous id.
        patient: &'a str,
        /// Its lesions.
        lesions: usize,
        /// Whether an earlier run had done it.
        resumed: bool,
    },
    /// An earlier version of abscope had done a case, and its values were corrected since: it is
    /// done again.
    Corrected {
        /// Its place in the manifest.
        case: usize,
        /// The version that corrected them.
        version: Version,
    },
    /// What an earlier run kept of a case is damaged: it is done again.
    Damaged {
        /// Its place in the manifest.
        case: usize,
        /// What is damaged.
        problem: &'a Error,
    },
    /// A case has failed.
    Failed(&'a Failure),
    /// The tables are being written.
    Assembling {
        /// Cases that go into them.
        cases: usize,
    },
}

/// Rate and remaining time of a run.
#[derive(Clone, Debug)]
pub struct Progress {
    start: Instant,
    /// Cases still to do when the run began.
    pub total: usize,
    /// Of these, those that are finished or have failed.
    pub through: usize,
    /// Cases that have failed.
    pub failed: usize,
}

impl Progress {
    /// Of a run with so many cases to do.
    pub fn new(total: usize) -> Self {
        Self { start: Instant::now(), total, through: 0, failed: 0 }
    }

    /// Takes notice of what happened.
    pub fn note(&mut self, event: &Event<'_>) {
        match event {
            Event::Planned { cases, done, .. } => *self = Self::new(cases - done),
            Event::Finished { .. } => self.through += 1,
            Event::Failed(failure) => {
                self.failed += 1;
                // What fails while the tables are written was through before.
                self.through += usize::from(failure.stage != Stage::Assemble);
            }
            Event::Corrected { .. } | Event::Damaged { .. } | Event::Assembling { .. } => {}
        }
    }

    /// Time since the run began.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Cases per minute so far.
    pub fn rate_per_minute(&self) -> f64 {
        let seconds = self.elapsed().as_secs_f64().max(1e-3);
        self.through as f64 * 60.0 / seconds
    }

    /// Time until all cases are through, at the rate so far.
    pub fn remaining(&self) -> Option<Duration> {
        let left = self.total.saturating_sub(self.through);
        (self.through > 0).then(|| self.elapsed().mul_f64(left as f64 / self.through as f64))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::batch::manifest::{CaseRequest, Manifest};
    use crate::batch::{Options, run, testing};
    use crate::ingest::dicom::series::SlicePolicy;
    use crate::table::Format;

    #[test]
    fn cases_that_fail_by_their_row_count_and_at_the_end_all_are_through() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let case = |order| CaseRequest::new(order, format!("P{order}"), "i".as_ref(), "m".as_ref());
        let cases = (1..=4)
            .map(|order| match order {
                2 | 3 => CaseRequest { problem: Some("no sense".into()), ..case(order) },
                _ => case(order),
            })
            .collect();
        let options = Options {
            plan: testing::plan(""),
            model: None,
            perturbations: 0,
            format: Format::Csv,
            memory: 1 << 20,
            shard: Shard::WHOLE,
            regrid_mask: false,
            uneven_slices: SlicePolicy::Refuse,
            site_table: None,
            pseudonyms: None,
        };
        let progress = Mutex::new((Progress::new(0), Vec::new()));
        let listener = |event: &Event<'_>| {
            let mut progress = progress.lock().expect("no panic");
            progress.0.note(event);
            progress.1.push(matches!(event, Event::Planned { .. }));
        };
        let manifest = Manifest::new(Vec::new(), cases);
        run(&manifest, &folder.path().join("out"), &options, &listener).expect("runs");
        let (progress, events) = progress.into_inner().expect("no panic");
        assert_eq!(events, [true, false, false, false, false, false], "the plan comes first");
        assert_eq!((progress.total, progress.through, progress.failed), (4, 4, 4));
        assert_eq!(progress.remaining(), Some(Duration::ZERO));
    }
}
