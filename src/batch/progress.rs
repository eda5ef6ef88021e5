//! What a run tells while it runs. The library prints nothing; whoever listens may.

use std::time::{Duration, Instant};

use super::failures::Failure;

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
        shard: super::shard::Shard,
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
    /// Of these, finished.
    pub finished: usize,
    /// Of these, failed.
    pub failed: usize,
}

impl Progress {
    /// Of a run with so many cases to do.
    pub fn new(total: usize) -> Self {
        Self { start: Instant::now(), total, finished: 0, failed: 0 }
    }

    /// Time since the run began.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Cases per minute so far.
    pub fn rate_per_minute(&self) -> f64 {
        let seconds = self.elapsed().as_secs_f64().max(1e-3);
        (self.finished + self.failed) as f64 * 60.0 / seconds
    }

    /// Time until all cases are through, at the rate so far.
    pub fn remaining(&self) -> Option<Duration> {
        let through = self.finished + self.failed;
        let left = self.total.saturating_sub(through);
        (through > 0).then(|| self.elapsed().mul_f64(left as f64 / through as f64))
    }
}
