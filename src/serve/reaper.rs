//! What happens when the process of a run is gone: the record is completed, what it left behind is ended, a retry is queued.

use std::time::Duration;

use super::{
    launcher::{EndPush, Launcher, ProcessExit},
    retry::{PastAttempt, next_attempt, reason},
    service::Service,
    tracked_run::{Clearing, Phase, QueueCause, Running, StopReason, TrackedRun, TurnTime},
};
use crate::{
    exit::Exit,
    store::{
        error::StoreError,
        runs::{RunEnd, RunRecord, RunStart, RunState},
    },
};

/// How often an attempt is started that does not come to take over its record.
const TRIES_MAX: u32 = 5;
/// Between two such starts.
const TRY_AGAIN_MS: i64 = 1_000;
/// How long after KILL a process that is still there is given up.
const GIVE_UP: Duration = Duration::from_secs(30);

impl<L: Launcher> Service<L> {
    /// Notes which processes are gone.
    pub(super) fn reap(&mut self) {
        for (run, gone) in self.launcher.ended() {
            for held in self.held.values_mut().filter(|held| held.run == run) {
                if let Phase::Running(going) = held.phase {
                    held.phase = Phase::Ended(going, gone);
                }
            }
        }
        for held in self.held.values_mut() {
            let Phase::Running(going) = &mut held.phase else { continue };
            if going.ours {
                continue;
            }
            if self.launcher.is_alive(&held.run) {
                going.is_fresh = false;
            } else if !going.is_fresh || self.launcher.descendants(&held.run) == 0 {
                held.phase = Phase::Ended(*going, ProcessExit::Unseen);
            }
        }
    }

    /// Completes the records of runs whose process is gone.
    pub(super) fn settle_ended(&mut self, now: TurnTime) -> Result<(), StoreError> {
        let keys: Vec<u64> = self.held.keys().copied().collect();
        for key in keys {
            if let Phase::Ended(going, gone) = self.held[&key].phase {
                self.settle(key, going, gone, now)?;
            }
        }
        Ok(())
    }

    fn settle(
        &mut self,
        key: u64,
        going: Running,
        gone: ProcessExit,
        now: TurnTime,
    ) -> Result<(), StoreError> {
        let held = self.held[&key].clone();
        let Some(run) = self.store.get(&held.run)? else {
            self.say(&format!("warning: the record of {} is gone", held.run));
            self.held.remove(&key);
            return Ok(());
        };
        let is_parked = run.state == RunState::Waiting && run.attempt == held.attempt;
        if is_parked && has_parked(gone) {
            if let Some(held) = self.held.get_mut(&key) {
                let lasted = Duration::ZERO;
                held.phase = Phase::Clearing(Clearing { since: now.up, lasted, left: None });
            }
            return Ok(());
        }
        let open = !run.state.is_over() && run.attempt == held.attempt;
        if open && going.ours && self.launcher.is_alive(&held.run) {
            // An older process of the same attempt was faster: that one is the run.
            self.goes(key, now, Duration::ZERO, false);
            return Ok(());
        }
        let asked = self.launcher.stop_requested(&held.run);
        let wanted = going.ending.is_none() && asked.is_none();
        let end = end_of(going, gone, asked, now);
        let untouched = open && wanted && matches!(run.state, RunState::Queued | RunState::Waiting);
        if untouched && is_passing(gone) && held.tries < TRIES_MAX {
            self.try_again(key, &end.summary, now);
            return Ok(());
        }
        let settled = open && self.store.settle(&held.run, held.attempt, &end)?;
        if !settled {
            // Whoever looked at the records first, perhaps just now, knew less and called it lost.
            self.store.explain_lost(&held.run, held.attempt, &end)?;
        }
        let lasted = going.before + now.up.saturating_sub(going.since);
        if let Some(held) = self.held.get_mut(&key) {
            held.phase = Phase::Clearing(Clearing { since: now.up, lasted, left: None });
        }
        Ok(())
    }

    /// A process could not be started.
    pub(super) fn not_started(
        &mut self,
        key: u64,
        why: &str,
        now: TurnTime,
    ) -> Result<(), StoreError> {
        if self.held[&key].tries < TRIES_MAX {
            self.try_again(key, why, now);
            return Ok(());
        }
        let held = self.held[&key].clone();
        let exit_code = i32::from(Exit::Io.code());
        let end =
            RunEnd { state: RunState::Failed, exit_code, summary: why.to_owned(), at: now.at };
        self.store.settle(&held.run, held.attempt, &end)?;
        if let Some(held) = self.held.get_mut(&key) {
            let lasted = Duration::ZERO;
            held.phase = Phase::Clearing(Clearing { since: now.up, lasted, left: None });
        }
        Ok(())
    }

    fn try_again(&mut self, key: u64, why: &str, now: TurnTime) {
        let Some(held) = self.held.get_mut(&key) else { return };
        held.tries += 1;
        held.phase = Phase::Waiting(Some(now.at.plus_ms(TRY_AGAIN_MS)));
        let line = format!("{} did not start: {why}; it is started again", held.run);
        self.say(&line);
    }

    /// A run goes on: one of ours, or one that was found.
    pub(super) fn goes(&mut self, key: u64, now: TurnTime, before: Duration, ours: bool) {
        if let Some(held) = self.held.get_mut(&key) {
            let (since, is_fresh, ending) = (now.up, false, None);
            held.phase = Phase::Running(Running { since, before, ours, is_fresh, ending });
        }
    }

    /// Ends what ended runs left behind, and lets go of those that left nothing.
    pub(super) fn clear(&mut self, now: TurnTime) -> Result<(), StoreError> {
        let keys: Vec<u64> = self.held.keys().copied().collect();
        for key in keys {
            let Phase::Clearing(clearing) = self.held[&key].phase else { continue };
            let (run, grace) = (self.held[&key].run.clone(), self.held[&key].terms.grace);
            let left = self.launcher.descendants(&run);
            let waited = now.up.saturating_sub(clearing.since);
            if left == 0 {
                self.let_go(key, clearing, now)?;
            } else if clearing.left.is_none() {
                self.say(&format!("leak {run}: it left {left} processes behind; TERM"));
                self.launcher.signal_end(&run, EndPush::Term);
                if let Some(held) = self.held.get_mut(&key) {
                    held.phase = Phase::Clearing(Clearing { left: Some(left), ..clearing });
                }
            } else if waited >= grace + GIVE_UP {
                self.say(&format!("leak {run}: {left} processes cannot be ended: look for them"));
                self.let_go(key, clearing, now)?;
            } else if waited >= grace {
                self.launcher.signal_end(&run, EndPush::Kill);
            }
        }
        Ok(())
    }

    /// The run is over: whoever listens is told, and another attempt is queued if there is one.
    fn let_go(&mut self, key: u64, clearing: Clearing, now: TurnTime) -> Result<(), StoreError> {
        let held = self.held[&key].clone();
        let Some(run) = self.store.get(&held.run)? else {
            self.held.remove(&key);
            return Ok(());
        };
        if run.state == RunState::Waiting {
            self.say(&format!("wait {}: {}", run.run_id, run.summary));
            if let Some(held) = self.held.get_mut(&key) {
                (held.phase, held.goes_on, held.tries) = (Phase::Parked, false, 0);
            }
            return Ok(());
        }
        self.tell_troubles(key, &run, clearing.lasted);
        let retried = self.retried(key, &run, clearing.lasted, now)?;
        if !retried {
            self.held.remove(&key);
            if run.state == RunState::Lost {
                self.run_again(&run, &held.schedule, held.slot, now)?;
            }
        }
        self.launcher.trim(&held.run, held.terms.output_max);
        let seconds = clearing.lasted.as_secs_f64();
        self.say(&format!(
            "end {}: {} after {seconds:.1}s: {}",
            run.run_id,
            run.state.name(),
            run.summary
        ));
        // Of a run that has attempts left, nobody needs to know; a loop that must always be up has no end of them.
        if !retried || held.terms.is_service() {
            self.observer.on_run_finished(&run);
        }
        Ok(())
    }

    /// Queues another attempt if the run's rules want one.
    pub(super) fn retried(
        &mut self,
        key: u64,
        run: &RunRecord,
        lasted: Duration,
        now: TurnTime,
    ) -> Result<bool, StoreError> {
        let held = self.held[&key].clone();
        let attempt = PastAttempt { number: run.attempt, forgotten: held.forgotten, lasted };
        let found = reason(run.state, run.exit_code)
            .and_then(|why| next_attempt(&held.terms.retry, why, attempt));
        let (Some(next), true) = (found, self.works.get(&held.schedule).is_some()) else {
            return Ok(false);
        };
        self.launcher.clear_stop(&run.run_id);
        let pause_ms = i64::try_from(next.pause.as_millis()).unwrap_or(i64::MAX);
        let (number, not_before) = (run.attempt + 1, now.at.plus_ms(pause_ms));
        if !self.store.requeue(&run.run_id, run.attempt, number, not_before)? {
            return Ok(false);
        }
        self.held.remove(&key);
        let phase = Phase::Waiting(Some(not_before));
        let forgotten = next.forgotten;
        let (goes_on, told) = (false, [false; 2]);
        self.hold(TrackedRun {
            attempt: number,
            forgotten,
            tries: 0,
            goes_on,
            told,
            phase,
            ..held
        });
        self.say(&format!("retry {}: attempt {number} in {:?}", run.run_id, next.pause));
        Ok(true)
    }

    /// Runs a lost run again, once, as a run of its own, if its job allows that.
    pub(super) fn run_again(
        &mut self,
        lost: &RunRecord,
        schedule: &str,
        slot: crate::domain::time::UtcMs,
        now: TurnTime,
    ) -> Result<(), StoreError> {
        let Some(work) = self.works.get(schedule).cloned() else { return Ok(()) };
        if !work.terms.idempotent || lost.retry_of.is_some() {
            return Ok(());
        }
        let Ok(run_id) = format!("{}-again", lost.run_id).parse() else { return Ok(()) };
        let run = RunRecord {
            run_id,
            state: RunState::Queued,
            started: now.at,
            ended: None,
            exit_code: None,
            summary: "caught up".to_owned(),
            pid: None,
            build: self.settings.build.clone(),
            due: None,
            attempt: 1,
            retry_of: Some(lost.run_id.clone()),
            not_before: None,
            ..lost.clone()
        };
        if self.store.start(&run)? == RunStart::Recorded {
            self.say(&format!("again {}: {} was lost", run.run_id, lost.run_id));
            self.hold(TrackedRun::waiting(&run, schedule, slot, QueueCause::CatchUp, work.terms));
        }
        Ok(())
    }
}

/// Whether a process left its run to wait for an approval, as far as one can see.
fn has_parked(gone: ProcessExit) -> bool {
    match gone {
        ProcessExit::Code(code) => code == i32::from(Exit::Waiting.code()),
        ProcessExit::Unseen => true,
        ProcessExit::Signal(_) => false,
    }
}

/// Whether a process that did not even take over its record may do so another time.
fn is_passing(gone: ProcessExit) -> bool {
    match gone {
        ProcessExit::Code(code) => {
            [Exit::Io, Exit::Busy].iter().any(|exit| i32::from(exit.code()) == code)
        }
        ProcessExit::Signal(_) | ProcessExit::Unseen => true,
    }
}

/// The exit code in a record never says that all is well where the state does not.
fn agreed(state: RunState, code: i32) -> i32 {
    let exit = if state == RunState::TimedOut {
        Exit::Timeout
    } else if code != 0 {
        return code;
    } else if state == RunState::Cancelled {
        Exit::Signal(15)
    } else {
        Exit::Bug
    };
    i32::from(exit.code())
}

/// How a run ended whose process recorded nothing.
fn end_of(going: Running, gone: ProcessExit, asked: Option<String>, now: TurnTime) -> RunEnd {
    let (exit_code, what) = match gone {
        ProcessExit::Code(code) => {
            (code, format!("its process ended with exit code {code} and recorded nothing"))
        }
        ProcessExit::Signal(9) => (137, "killed by signal 9 (out of memory?)".to_owned()),
        ProcessExit::Signal(n) => (128 + n, format!("killed by signal {n}")),
        ProcessExit::Unseen => {
            (i32::from(Exit::Bug.code()), "its process is gone and recorded nothing".to_owned())
        }
    };
    let is = |exit: Exit| exit_code == i32::from(exit.code());
    let state = match (going.ending.map(|ending| ending.reason), gone) {
        (Some(StopReason::Timeout), _) => RunState::TimedOut,
        (Some(StopReason::Replaced | StopReason::Drain), _) => RunState::Cancelled,
        (None, ProcessExit::Unseen) => RunState::Lost,
        (None, _) if is(Exit::Timeout) => RunState::TimedOut,
        (None, _) if asked.is_some() => RunState::Cancelled,
        // What a panic that nobody caught ends with.
        (None, ProcessExit::Code(101)) => RunState::Panicked,
        (None, ProcessExit::Code(_)) if is(Exit::Bug) => RunState::Panicked,
        (None, ProcessExit::Code(_) | ProcessExit::Signal(_)) => RunState::Failed,
    };
    let why = going.ending.map(|ending| ending.reason.text().to_owned()).or(asked);
    let summary = why.map_or(what.clone(), |why| format!("{why}: {what}"));
    RunEnd { state, exit_code: agreed(state, exit_code), summary, at: now.at }
}
