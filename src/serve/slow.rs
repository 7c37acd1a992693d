//! Runs that go on and are slow, or began late: whoever listens is told once.

use super::{
    launcher::Launcher,
    service::{RunTrouble, Service},
    tracked_run::{Phase, TurnTime},
};
use crate::store::{error::StoreError, runs::RunState};

impl<L: Launcher> Service<L> {
    /// Tells of runs that go on for longer than is usual, and of those that began long after they were due.
    pub(super) fn tell_slow(&mut self, now: TurnTime) -> Result<(), StoreError> {
        let mut found = Vec::new();
        for (key, held) in &self.held {
            let Phase::Running(going) = held.phase else { continue };
            let lasted = going.before + now.up.saturating_sub(going.since);
            let [slow, late] = held.told;
            if !slow && held.terms.slow_after.is_some_and(|most| lasted > most) {
                found.push((*key, RunTrouble::Slow));
            }
            if !late && held.terms.late_start.is_some() {
                found.push((*key, RunTrouble::Late));
            }
        }
        for (key, trouble) in found {
            let (run, slot) = (self.held[&key].run.clone(), self.held[&key].slot);
            let terms = self.held[&key].terms.clone();
            let Some(record) = self.store.get(&run)?.filter(|r| r.state == RunState::Running)
            else {
                continue;
            };
            let delay_ms = self.works.get(&self.held[&key].schedule);
            let delay_ms = delay_ms.map_or(0, |work| work.delay_ms(&self.settings.machine));
            let after_ms = u128::try_from(record.started.get() - slot.get() - delay_ms);
            let is_late = terms.late_start.is_some_and(|most| {
                record.attempt == 1 && after_ms.unwrap_or_default() > most.as_millis()
            });
            let line = match trouble {
                RunTrouble::Slow => format!("slow {run}: it runs since {}", record.started),
                RunTrouble::Late => {
                    format!("late {run}: slot {slot}, it began at {}", record.started)
                }
            };
            if trouble == RunTrouble::Slow || is_late {
                self.say(&line);
                self.observer.on_run_trouble(&record, trouble);
            }
            if let Some(held) = self.held.get_mut(&key) {
                held.told[usize::from(trouble == RunTrouble::Late)] = true;
            }
        }
        Ok(())
    }
}
