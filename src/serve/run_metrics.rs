//! What the service shows of itself: its loop writes here each turn, its pages read here.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prometheus_client::metrics::{counter::Counter, family::Family, histogram::Histogram};

use crate::{
    clock::Stopwatch,
    domain::time::UtcMs,
    store::runs::{RunRecord, RunState},
};

/// Bounds of the lengths of runs, in seconds.
const RUN_SECONDS: [f64; 13] = [
    0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 43_200.0, 86_400.0, 604_800.0,
];
/// Bounds of how late runs start, in seconds.
const LATE_SECONDS: [f64; 11] =
    [0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 3_600.0, 21_600.0, 86_400.0];

/// Names and values of the labels of one sample.
pub type MetricLabels = Vec<(&'static str, String)>;
/// Histograms by labels.
pub type Histograms = Family<MetricLabels, Histogram, fn() -> Histogram>;

/// What the loop of the service sees in one turn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TurnMetrics {
    /// How many jobs are loaded; `None` while none could be.
    pub jobs: Option<u64>,
    /// Runs that go on.
    pub running: u64,
    /// Runs that wait to start.
    pub queued: u64,
    /// How often the source of wake-ups was made anew.
    pub rebuilds: u64,
    /// Every schedule, as records call it, and up to where it is decided.
    pub schedules: Vec<(String, UtcMs)>,
    /// The schedule that is due by the clock and decided furthest, and up to where.
    pub furthest: Option<(UtcMs, String)>,
}

/// What the service shows of itself.
pub struct RunMetrics {
    build: String,
    last: Mutex<Option<(Stopwatch, TurnMetrics)>>,
    ended: Family<MetricLabels, Counter>,
    took: Histograms,
    late: Histograms,
}

impl RunMetrics {
    /// Of a service of this build, before its first turn.
    pub fn new(build: &str) -> Self {
        Self {
            build: build.to_owned(),
            last: Mutex::new(None),
            ended: Family::default(),
            took: Family::new_with_constructor(|| Histogram::new(RUN_SECONDS)),
            late: Family::new_with_constructor(|| Histogram::new(LATE_SECONDS)),
        }
    }

    /// The loop made a turn.
    pub fn turned(&self, turn: TurnMetrics) {
        *self.lock() = Some((Stopwatch::start(), turn));
    }

    /// A run is over, or a slot was not run.
    pub fn observe(&self, run: &RunRecord) {
        let job = ("job", run.job.clone());
        let labels = vec![job.clone(), ("state", run.state.name().to_owned())];
        self.ended.get_or_create(&labels).inc();
        let ran = match run.state {
            RunState::Succeeded
            | RunState::Flaky
            | RunState::Failed
            | RunState::TimedOut
            | RunState::Cancelled
            | RunState::Panicked => true,
            RunState::Queued
            | RunState::Running
            | RunState::Waiting
            | RunState::Missed
            | RunState::SkippedOverlap
            | RunState::Superseded
            | RunState::SkippedPrecondition
            | RunState::Lost => false,
        };
        if !ran {
            return;
        }
        let labels = vec![job];
        if let Some(ended) = run.ended {
            self.took.get_or_create(&labels).observe(seconds_between(run.started, ended));
        }
        // A later attempt is late by intention.
        if let Some((_, due)) = run.due.as_ref().filter(|_| run.attempt == 1) {
            self.late.get_or_create(&labels).observe(seconds_between(*due, run.started));
        }
    }

    /// How long ago the last turn was, and what it saw; `None` before the first.
    pub fn last(&self) -> Option<(Duration, TurnMetrics)> {
        self.lock().as_ref().map(|(watch, turn)| (Stopwatch::elapsed(watch), turn.clone()))
    }

    pub fn build(&self) -> &str {
        &self.build
    }

    /// Runs that ended since the service began: by job and state, how long they took, how late they began.
    pub(super) fn runs(&self) -> (Family<MetricLabels, Counter>, Histograms, Histograms) {
        (self.ended.clone(), self.took.clone(), self.late.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Stopwatch, TurnMetrics)>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Never negative: a clock may be set back in between.
fn seconds_between(from: UtcMs, to: UtcMs) -> f64 {
    (to.get() - from.get()).max(0) as f64 / 1000.0
}
