//! What a service that starts finds: runs that go on, runs that wait, and runs that were lost.

use std::{collections::BTreeMap, time::Duration};

use super::{
    launcher::Launcher,
    plan::{LATE_MS, judge_again},
    schedule_table::RunPolicy,
    service::Service,
    tracked_run::{Phase, QueueCause, TrackedRun, TurnTime},
};
use crate::{
    domain::{ids::RunId, time::UtcMs},
    manifest::{Backlog, Trigger},
    store::{
        error::StoreError,
        runs::{RunEnd, RunFilter, RunRecord, RunState},
    },
};

/// How far back in the records of a schedule a start looks for what was lost.
const LOOK_BACK: u32 = 200;

impl<L: Launcher> Service<L> {
    /// Takes over what earlier services left: adopts runs that go on, judges those that wait, looks after those that were lost.
    pub fn take_over(&mut self, now: TurnTime) -> Result<(), StoreError> {
        self.forget_absent()?;
        self.report_lost(now)?;
        self.adopt(now)?;
        self.adopt_parked(now)?;
        self.judge_waiting(now)?;
        let names: Vec<String> = self.works.iter().map(|work| work.name.clone()).collect();
        for name in names {
            self.look_back(&name, now)?;
        }
        Ok(())
    }

    /// Runs that were found lost are told once.
    fn report_lost(&mut self, now: TurnTime) -> Result<(), StoreError> {
        for run in self.all(RunState::Lost)?.into_iter().filter(|run| run.ended.is_none()) {
            let summary = "its process is gone and recorded nothing".to_owned();
            let end = RunEnd { state: RunState::Lost, exit_code: 70, summary, at: now.at };
            if self.store.explain_lost(&run.run_id, run.attempt, &end)? {
                self.say(&format!("lost {}: {}", run.run_id, end.summary));
                if let Some(run) = self.store.get(&run.run_id)? {
                    self.observer.on_run_finished(&run);
                }
            }
        }
        Ok(())
    }

    /// Runs that go on are watched from now on.
    fn adopt(&mut self, now: TurnTime) -> Result<(), StoreError> {
        for run in self.all(RunState::Running)? {
            let Some((schedule, slot)) = self.origin(&run)? else { continue };
            let terms = self.terms(&schedule);
            let key = self.hold(TrackedRun::waiting(&run, &schedule, slot, QueueCause::Due, terms));
            let before = now.at.get().saturating_sub(run.started.get());
            let before = Duration::from_millis(before.try_into().unwrap_or_default());
            self.goes(key, now, before, false);
            self.say(&format!("adopt {}: it runs since {}", run.run_id, run.started));
        }
        Ok(())
    }

    /// Runs that wait for an approval go on waiting for it, however long nobody was there.
    fn adopt_parked(&mut self, now: TurnTime) -> Result<(), StoreError> {
        for run in self.all(RunState::Waiting)? {
            let Some((schedule, slot)) = self.origin(&run)? else { continue };
            let terms = self.terms(&schedule);
            let key = self.hold(TrackedRun::waiting(&run, &schedule, slot, QueueCause::Due, terms));
            if self.launcher.descendants(&run.run_id) > 0 {
                // A process that the service before started is about to take it over.
                self.goes(key, now, Duration::ZERO, false);
            } else if let Some(held) = self.held.get_mut(&key) {
                held.phase = Phase::Parked;
            }
            if let Some(TrackedRun { phase: Phase::Running(going), .. }) = self.held.get_mut(&key) {
                going.is_fresh = true;
            }
            self.say(&format!("adopt {}: {}", run.run_id, run.summary));
        }
        Ok(())
    }

    /// Runs that wait are judged again: what was due while nobody was there may be too late now.
    fn judge_waiting(&mut self, now: TurnTime) -> Result<(), StoreError> {
        let mut waiting: BTreeMap<String, Vec<(UtcMs, RunRecord)>> = BTreeMap::new();
        for run in self.all(RunState::Queued)? {
            if let Some((schedule, slot)) = self.origin(&run)? {
                waiting.entry(schedule).or_default().push((slot, run));
            }
        }
        let mut keep: Vec<(UtcMs, TrackedRun, bool)> = Vec::new();
        for (schedule, mut runs) in waiting {
            runs.sort_by_key(|(slot, run)| (*slot, run.run_id.clone()));
            let terms = self.terms(&schedule);
            let work = self.works.get(&schedule).cloned();
            let delay_ms = work.as_ref().map_or(0, |w| w.delay_ms(&self.settings.machine));
            let fresh: Vec<UtcMs> =
                runs.iter().filter(|(_, run)| is_new(run)).map(|(slot, _)| *slot).collect();
            let mut verdicts = match &work {
                Some(work) if matches!(work.schedule.due, Trigger::At(_)) => {
                    judge_again(&work.schedule, &fresh, now.at, delay_ms)
                }
                // An event that nobody answered is answered by the next one.
                Some(_) => vec![false; fresh.len()],
                None => vec![true; fresh.len()],
            }
            .into_iter();
            for (slot, run) in runs {
                let runs = !is_new(&run) || verdicts.next().unwrap_or(true);
                let is_late = slot.plus_ms(delay_ms + LATE_MS) < now.at;
                let cause = if is_late { QueueCause::CatchUp } else { QueueCause::Due };
                let held = TrackedRun::waiting(&run, &schedule, slot, cause, terms.clone());
                keep.push((slot, held, runs));
            }
        }
        keep.sort_by_key(|(slot, held, _)| (*slot, held.run.clone()));
        for (_, held, runs) in keep {
            let key = self.hold(held);
            if self.launcher.descendants(&self.held[&key].run) > 0 {
                // A process that the service before started is about to take it over.
                self.goes(key, now, Duration::ZERO, false);
                if let Some(TrackedRun { phase: Phase::Running(going), .. }) =
                    self.held.get_mut(&key)
                {
                    going.is_fresh = true;
                }
            } else if !runs {
                let why = "the scheduler was not running when it was due".to_owned();
                self.drop_waiting(key, RunState::Missed, why, now)?;
            }
        }
        Ok(())
    }

    /// The last runs of a schedule, if they were lost, or failed and nobody queued their next attempt.
    fn look_back(&mut self, name: &str, now: TurnTime) -> Result<(), StoreError> {
        let Some(work) = self.works.get(name).cloned() else { return Ok(()) };
        if !matches!(work.schedule.due, Trigger::At(_)) {
            return Ok(());
        }
        let window_ms = work.schedule.catch_up_window.duration().as_millis();
        let window_ms = i64::try_from(window_ms).unwrap_or(i64::MAX);
        let oldest = now.at.plus_ms(window_ms.saturating_neg());
        let filter = RunFilter {
            schedule: Some(name.to_owned()),
            since: Some(oldest),
            limit: Some(LOOK_BACK),
            ..RunFilter::default()
        };
        let mut first = true;
        for run in self.store.list(&filter)? {
            match run.state {
                RunState::Lost => {
                    let slot = run.due.as_ref().map_or(run.started, |(_, slot)| *slot);
                    self.revive(&run, name, slot, now)?;
                    if work.schedule.catch_up != Backlog::All {
                        return Ok(());
                    }
                }
                RunState::Missed | RunState::SkippedOverlap | RunState::Superseded => continue,
                RunState::SkippedPrecondition if run.exit_code.is_none() => continue,
                RunState::Failed
                | RunState::TimedOut
                | RunState::Panicked
                | RunState::SkippedPrecondition => {
                    if first {
                        let slot = run.due.as_ref().map_or(run.started, |(_, slot)| *slot);
                        self.revive(&run, name, slot, now)?;
                    }
                    return Ok(());
                }
                RunState::Queued
                | RunState::Running
                | RunState::Waiting
                | RunState::Succeeded
                | RunState::Flaky
                | RunState::Cancelled => return Ok(()),
            }
            first = false;
        }
        Ok(())
    }

    /// Queues the next attempt of a run that nobody looked after, or runs it again if it was lost.
    fn revive(
        &mut self,
        run: &RunRecord,
        schedule: &str,
        slot: UtcMs,
        now: TurnTime,
    ) -> Result<(), StoreError> {
        let held =
            TrackedRun::waiting(run, schedule, slot, QueueCause::CatchUp, self.terms(schedule));
        let key = self.hold(held);
        if !self.retried(key, run, Duration::ZERO, now)? {
            self.held.remove(&key);
            if run.state == RunState::Lost {
                self.run_again(run, schedule, slot, now)?;
            }
        }
        Ok(())
    }

    fn all(&self, state: RunState) -> Result<Vec<RunRecord>, StoreError> {
        self.store.list(&RunFilter {
            state: Some(state),
            limit: Some(u32::MAX),
            ..RunFilter::default()
        })
    }

    /// The schedule and slot a run belongs to; a run that repeats another one belongs where that one does.
    fn origin(&self, run: &RunRecord) -> Result<Option<(String, UtcMs)>, StoreError> {
        if run.due.is_some() {
            return Ok(run.due.clone());
        }
        let before: Option<&RunId> = run.retry_of.as_ref();
        let before = before.filter(|id| run.run_id.as_str() == format!("{id}-again"));
        let Some(before) = before else { return Ok(None) };
        Ok(self.store.get(before)?.and_then(|run| run.due))
    }

    fn terms(&self, schedule: &str) -> RunPolicy {
        self.works.get(schedule).map_or_else(RunPolicy::default, |work| work.terms.clone())
    }
}

/// Whether a queued run was never started.
fn is_new(run: &RunRecord) -> bool {
    run.attempt == 1 && run.retry_of.is_none()
}
