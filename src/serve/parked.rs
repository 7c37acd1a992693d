//! What waits for people: runs between two steps of a pipeline, and jobs that are paused for a time.

use std::{collections::BTreeMap, time::Duration};

use super::{
    launcher::Launcher,
    service::Service,
    tracked_run::{Clearing, Phase, TurnTime},
};
use crate::{
    domain::time::UtcMs,
    manifest::Trigger,
    store::{error::StoreError, runs::Pause},
};

impl<L: Launcher> Service<L> {
    /// Lets runs go on of which a step was approved, and lets go of those that somebody ended.
    pub(super) fn look_at_parked(&mut self, now: TurnTime) -> Result<(), StoreError> {
        let parked = self.held.iter().filter(|(_, held)| held.is_parked());
        let parked: Vec<u64> = parked.map(|(key, _)| *key).collect();
        for key in parked {
            let held = &self.held[&key];
            let (run, attempt) = (held.run.clone(), held.attempt);
            let is_over = self.store.get(&run)?.is_none_or(|record| record.state.is_over());
            let phase = if is_over {
                let lasted = Duration::ZERO;
                Phase::Clearing(Clearing { since: now.up, lasted, left: None })
            } else if self.store.has_news(&run, attempt)? {
                self.say(&format!("approved {run}: it goes on"));
                Phase::Waiting(None)
            } else {
                continue;
            };
            if let Some(held) = self.held.get_mut(&key) {
                held.goes_on = true;
                held.phase = phase;
            }
        }
        Ok(())
    }

    /// The pauses that hold now. One whose time is up is forgotten once every slot that was due in it has its record.
    pub(super) fn pauses(&mut self, now: TurnTime) -> Result<BTreeMap<String, Pause>, StoreError> {
        let mut all = self.store.pauses()?;
        let over: Vec<(String, Pause)> = all
            .iter()
            .filter(|(_, pause)| pause.is_over(now.at))
            .map(|(job, pause)| (job.clone(), pause.clone()))
            .collect();
        for (job, pause) in over {
            let Some(until) = pause.until else { continue };
            let of_job = self.works.iter().filter(|work| work.job == job);
            let timed = of_job.filter(|work| matches!(work.schedule.due, Trigger::At(_)));
            let names: Vec<String> = timed.map(|work| work.name.clone()).collect();
            let paused = BTreeMap::from([(job.clone(), pause.clone())]);
            for name in names {
                self.decide_within(&name, &paused, (until, now))?;
            }
            if self.store.end_pause(&job, until)? {
                let Pause { reason, who, .. } = &pause;
                self.say(&format!("resume {job}: its pause is over, by {who}: {reason}"));
            }
            all.remove(&job);
        }
        Ok(all)
    }

    /// Decides the slots of a schedule that were due before the end of a pause.
    fn decide_within(
        &mut self,
        name: &str,
        paused: &BTreeMap<String, Pause>,
        (until, now): (UtcMs, TurnTime),
    ) -> Result<(), StoreError> {
        let last = until.plus_ms(-1);
        let mut before = None;
        // Very many slots are decided in several steps.
        while let Some(known) = self.store.decided(name)? {
            if known.upto >= last || before == Some(known.upto) {
                return Ok(());
            }
            before = Some(known.upto);
            self.decide(name, paused, TurnTime { at: last, ..now })?;
        }
        Ok(())
    }
}
