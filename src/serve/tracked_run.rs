//! A run the service has in hand: it waits, goes on, or is being cleared away.

use std::time::Duration;

use super::{
    admission::{Candidate, CandidateState, RunPlace},
    launcher::ProcessExit,
    schedule_table::RunPolicy,
};
use crate::{
    domain::{ids::RunId, time::UtcMs},
    store::runs::RunRecord,
};

/// Now, by the clock on the wall and by one that nobody can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnTime {
    /// By the clock on the wall.
    pub at: UtcMs,
    /// Since the service started.
    pub up: Duration,
}

/// Why a run is in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueCause {
    /// Its slot is due.
    Due,
    /// Its slot is late, or it was lost.
    CatchUp,
}

/// Why the service asked a run to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// Its time was up, and its own guard did not see to it.
    Timeout,
    /// A newer slot takes its place.
    Replaced,
    /// The service ends.
    Drain,
}

impl StopReason {
    /// For the record.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Timeout => "it ran far beyond its timeout",
            Self::Replaced => "a newer slot takes its place",
            Self::Drain => "the service ends",
        }
    }
}

/// How far ending a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// Why it is ended.
    pub reason: StopReason,
    /// When it was asked.
    pub since: Duration,
    /// Whether it was told by a signal.
    pub termed: bool,
}

/// A run that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    /// When it started, as far as this service knows; earlier for a run that was adopted.
    pub since: Duration,
    /// How long it had been going on before.
    pub before: Duration,
    /// Whether this service started it, and so sees its end.
    pub ours: bool,
    /// Whether its process may not have come to show that it lives: an earlier service started it a moment ago.
    pub is_fresh: bool,
    /// Whether it is being ended.
    pub ending: Option<Ending>,
}

/// Clearing away what an ended run left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clearing {
    pub since: Duration,
    /// How long the attempt lasted.
    pub lasted: Duration,
    /// How many processes were left, once they were counted.
    pub left: Option<usize>,
}

/// How a held run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Its record is queued. It starts when its rule lets it, and not before this.
    Waiting(Option<UtcMs>),
    /// Its record waits for an approval, and it has no process.
    Parked,
    /// A process was started, or found.
    Running(Running),
    /// Its process is gone, and the record may not say so yet.
    Ended(Running, ProcessExit),
    /// Its record is complete.
    Clearing(Clearing),
}

/// One run in the hand of the service.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackedRun {
    pub run: RunId,
    /// The schedule it belongs to.
    pub schedule: String,
    pub slot: UtcMs,
    /// The attempt that waits or goes on.
    pub attempt: u32,
    /// How many attempts no longer count.
    pub forgotten: u32,
    /// How often this attempt was started without taking over its record.
    pub tries: u32,
    /// Why it is here.
    pub cause: QueueCause,
    /// What it is held to.
    pub terms: RunPolicy,
    /// Whether it goes on after an approval: nothing of its schedule passes it, and no pause holds it.
    pub goes_on: bool,
    /// Whether it was told that it is slow, and that it began late.
    pub told: [bool; 2],
    pub phase: Phase,
}

impl TrackedRun {
    /// A recorded run that waits.
    pub fn waiting(
        run: &RunRecord,
        schedule: &str,
        slot: UtcMs,
        cause: QueueCause,
        terms: RunPolicy,
    ) -> Self {
        Self {
            run: run.run_id.clone(),
            schedule: schedule.to_owned(),
            slot,
            attempt: run.attempt,
            forgotten: 0,
            tries: 0,
            cause,
            terms,
            goes_on: false,
            told: [false; 2],
            phase: Phase::Waiting(run.not_before),
        }
    }

    /// Whether it waits.
    pub fn waits(&self) -> bool {
        matches!(self.phase, Phase::Waiting(_))
    }

    /// Whether it waits for an approval.
    pub fn is_parked(&self) -> bool {
        matches!(self.phase, Phase::Parked)
    }

    /// As the rule of its schedule sees it.
    pub fn seat(&self, key: u64, now: UtcMs) -> Candidate<'_> {
        let state = match (self.phase, self.cause) {
            (Phase::Running(_) | Phase::Ended(..) | Phase::Clearing(_), _) => {
                CandidateState::Running
            }
            (Phase::Parked, _) => CandidateState::Parked,
            (Phase::Waiting(not_before), _)
                if self.attempt > 1 || self.tries > 0 || self.goes_on =>
            {
                CandidateState::Retry { ready: self.is_due(not_before, now) }
            }
            (Phase::Waiting(_), QueueCause::Due) => CandidateState::Waiting,
            (Phase::Waiting(_), QueueCause::CatchUp) => CandidateState::Backlog,
        };
        let place = if self.terms.is_service() { RunPlace::Aside } else { RunPlace::Taken };
        Candidate {
            key,
            schedule: &self.schedule,
            overlap: self.terms.overlap,
            state,
            place,
            due_ms: self.slot.get(),
            pool: self.terms.pool.as_ref().map(|pool| (pool.name.as_str(), pool.size)),
        }
    }

    /// Whether its pause is over. One that is longer than any pause shows that the clock was set back.
    fn is_due(&self, not_before: Option<UtcMs>, now: UtcMs) -> bool {
        let most = self.terms.retry.max_delay.get().duration().as_millis();
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        not_before.is_none_or(|at| at <= now || at.get() - now.get() > most.max(1_000))
    }
}
