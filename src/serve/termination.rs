//! Ending runs: beyond their time, for a newer slot, or because the service ends. First they are asked, then told, then killed.

use std::time::Duration;

use super::{
    launcher::{EndPush, Launcher},
    service::Service,
    tracked_run::{Ending, Phase, Running, StopReason, TrackedRun, TurnTime},
};

/// What a run's own guard is given before the service sees to it, besides twice its grace.
const GUARD: Duration = Duration::from_secs(5);
/// Between what a run was given to stop and the first signal.
const SLACK: Duration = Duration::from_secs(1);

impl<L: Launcher> Service<L> {
    /// Looks after the runs that go on: their output, their time, and whether they do what they were asked.
    pub(super) fn watch(&mut self, now: TurnTime) {
        let keys: Vec<u64> = self.held.keys().copied().collect();
        for key in keys {
            let held = &self.held[&key];
            let Phase::Running(going) = held.phase else { continue };
            self.launcher.trim(&held.run, held.terms.output_max);
            match going.ending {
                None if is_overdue(held, going, now) => self.ask(key, StopReason::Timeout, now),
                None => {}
                Some(ending) => self.press(key, going, ending, now),
            }
        }
    }

    /// Asks a run to stop, unless it was asked before.
    pub(super) fn ask(&mut self, key: u64, reason: StopReason, now: TurnTime) {
        let Some(held) = self.held.get_mut(&key) else { return };
        let Phase::Running(going) = &mut held.phase else { return };
        if going.ending.is_some() {
            return;
        }
        going.ending = Some(Ending { reason, since: now.up, termed: false });
        let run = held.run.clone();
        let line = match self.launcher.request_stop(&run, reason.text()) {
            Ok(()) => format!("stop {run}: {}", reason.text()),
            Err(why) => {
                format!(
                    "stop {run}: {}; it could not be asked: {why}: a signal follows",
                    reason.text()
                )
            }
        };
        self.say(&line);
    }

    /// A run that was asked and goes on is told by a signal after its grace, and killed after another one.
    fn press(&mut self, key: u64, going: Running, ending: Ending, now: TurnTime) {
        let Some(held) = self.held.get_mut(&key) else { return };
        let (run, grace) = (held.run.clone(), held.terms.grace + SLACK);
        let waited = now.up.saturating_sub(ending.since);
        if !ending.termed && waited >= grace {
            let ending = Some(Ending { termed: true, ..ending });
            held.phase = Phase::Running(Running { ending, ..going });
            self.launcher.signal_end(&run, EndPush::Term);
            self.say(&format!("stop {run}: it did not stop when asked; TERM"));
        } else if waited >= grace * 2 {
            self.launcher.signal_end(&run, EndPush::Kill);
        }
    }

    /// From now on nothing starts. Loops that are always up are asked to stop; the others may end by themselves.
    pub fn close(&mut self, now: TurnTime) {
        self.closed = true;
        self.ask_all(now, |held| held.terms.is_service());
    }

    /// Asks everything that still goes on.
    pub fn end_all(&mut self, now: TurnTime) {
        self.ask_all(now, |_| true);
    }

    fn ask_all(&mut self, now: TurnTime, which: impl Fn(&TrackedRun) -> bool) {
        let keys: Vec<u64> =
            self.held.iter().filter(|(_, held)| which(held)).map(|(key, _)| *key).collect();
        for key in keys {
            self.ask(key, StopReason::Drain, now);
        }
    }
}

fn is_overdue(held: &TrackedRun, going: Running, now: TurnTime) -> bool {
    let Some(timeout) = held.terms.timeout else { return false };
    let gone_on = going.before + now.up.saturating_sub(going.since);
    gone_on > timeout + held.terms.grace * 2 + GUARD
}
