//! Runs that are slow, or began late: whoever listens is told once, while they go on, or at the end of those that were over sooner.

use std::time::Duration;

use super::{
    launcher::Launcher,
    service::{RunTrouble, Service},
    tracked_run::{Phase, TurnTime},
};
use crate::store::{
    error::StoreError,
    runs::{RunRecord, RunState},
};

impl<L: Launcher> Service<L> {
    /// Tells of runs that go on for longer than is usual, and of those that began long after they were due.
    pub(super) fn tell_slow(&mut self, now: TurnTime) -> Result<(), StoreError> {
        let mut found = Vec::new();
        for (key, held) in &self.held {
            let Phase::Running(going) = held.phase else { continue };
            let lasted = going.before + now.up.saturating_sub(going.since);
            let [slow, late] = held.told;
            let is_slow = !slow && held.terms.slow_after.is_some_and(|most| lasted > most);
            if is_slow || (!late && held.terms.late_start.is_some()) {
                found.push((*key, lasted));
            }
        }
        for (key, lasted) in found {
            let record = self.store.get(&self.held[&key].run)?;
            if let Some(record) = record.filter(|run| run.state == RunState::Running) {
                self.tell_troubles(key, &record, lasted);
            }
        }
        Ok(())
    }

    /// Tells what is not as it should be with a run that has begun, and was not told yet.
    pub(super) fn tell_troubles(&mut self, key: u64, run: &RunRecord, lasted: Duration) {
        let Some(held) = self.held.get(&key) else { return };
        let ([slow, late], terms, slot) = (held.told, &held.terms, held.slot);
        let is_slow = !slow && terms.slow_after.is_some_and(|most| lasted > most);
        let delay_ms = self.works.get(&held.schedule);
        let delay_ms = delay_ms.map_or(0, |work| work.delay_ms(&self.settings.machine));
        let after_ms = u128::try_from(run.started.get() - slot.get() - delay_ms);
        let after_ms = after_ms.unwrap_or_default();
        // Another attempt is meant to begin later, and what never began was not late.
        let counts = !late && run.attempt == 1 && run.pid.is_some();
        let is_late = counts && terms.late_start.is_some_and(|most| after_ms > most.as_millis());
        if is_slow {
            self.say(&format!("slow {}: it runs since {}", run.run_id, run.started));
            self.observer.on_run_trouble(run, RunTrouble::Slow);
        }
        if is_late {
            self.say(&format!("late {}: slot {slot}, it began at {}", run.run_id, run.started));
            self.observer.on_run_trouble(run, RunTrouble::Late);
        }
        if let Some(held) = self.held.get_mut(&key) {
            held.told = [slow || is_slow, true];
        }
    }
}
