//! What repeats: how long it goes on and how often it was met, and when it is worth saying again.

use std::time::Duration;

use crate::domain::time::{SlotTs, Steady};

/// The first pause before something is said again that goes on; it doubles.
const AGAIN_FIRST_MS: i64 = 60_000;
/// The longest such pause.
const AGAIN_MAX_MS: i64 = 3_600_000;

/// Something that goes on, or does not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lasting(Option<Met>);

/// How something that goes on was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Met {
    since: Steady,
    times: u32,
    /// When it is said again.
    next: Steady,
    pause_ms: i64,
}

impl Lasting {
    /// It is met at `up`: how it stands, where it should be said now.
    pub fn met(&mut self, up: Steady) -> Option<Met> {
        let first = Met { since: up, times: 0, next: up, pause_ms: AGAIN_FIRST_MS };
        let met = self.0.get_or_insert(first);
        met.times = met.times.saturating_add(1);
        if up < met.next {
            return None;
        }
        met.next = up.plus_ms(met.pause_ms);
        met.pause_ms = (met.pause_ms * 2).min(AGAIN_MAX_MS);
        Some(*met)
    }

    /// How it stands, while it goes on.
    pub fn met_so_far(&self) -> Option<Met> {
        self.0
    }

    /// It is over: how it stood.
    pub fn over(&mut self) -> Option<Met> {
        self.0.take()
    }
}

impl Met {
    /// For how long, and how often: `5m 30s, 12 tries`.
    pub fn summary(&self, up: Steady) -> String {
        let tries = if self.times == 1 { "try" } else { "tries" };
        format!("{}, {} {tries}", span(up.since(self.since)), self.times)
    }

    /// What is added when it is said again; nothing at the first time.
    pub fn again(&self, up: Steady) -> String {
        if self.times > 1 { format!("; for {}", self.summary(up)) } else { String::new() }
    }
}

/// The same thing, slot after slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Streak<K>(Option<Repeated<K>>);

/// Slots that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Repeated<K> {
    /// What is so at all of them.
    pub what: K,
    pub first: SlotTs,
    pub count: u64,
}

impl<K> Default for Streak<K> {
    fn default() -> Self {
        Self(None)
    }
}

impl<K: Copy + PartialEq> Streak<K> {
    /// What is so at a slot: the run that ended before it, and the one that goes on, where it should be said: when it begins, and whenever
    /// it is twice as long.
    pub fn step(
        &mut self,
        what: Option<K>,
        ts: SlotTs,
    ) -> (Option<Repeated<K>>, Option<Repeated<K>>) {
        let goes_on = self.0.filter(|run| Some(run.what) == what);
        let ended = if goes_on.is_some() { None } else { self.0 };
        self.0 = what.map(|what| {
            let run = goes_on.unwrap_or(Repeated { what, first: ts, count: 0 });
            Repeated { count: run.count + 1, ..run }
        });
        (ended, self.0.filter(|run| run.count.is_power_of_two()))
    }

    /// No more slots come: the run that went on.
    pub fn over(&mut self) -> Option<Repeated<K>> {
        self.0.take()
    }
}

/// A length of time in whole seconds: `5m 30s`.
pub(super) fn span(ms: i64) -> String {
    humantime::format_duration(Duration::from_secs(ms.max(0).unsigned_abs() / 1000)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_is_said_at_once_and_then_ever_more_rarely() {
        let mut lasting = Lasting::default();
        // Met every half a minute for a day.
        let said: Vec<i64> = (0..2_880)
            .filter(|n| lasting.met(Steady::new(n * 30_000)).is_some())
            .map(|n| n / 2)
            .collect();
        assert_eq!(said[..8], [0, 1, 3, 7, 15, 31, 63, 123], "minutes");
        assert_eq!(said.len(), 29, "then once an hour");
        let met = lasting.over().unwrap();
        assert_eq!(met.summary(Steady::new(330_000)), "5m 30s, 2880 tries");
        assert_eq!(lasting.over(), None);
        let first = lasting.met(Steady::new(0)).unwrap();
        assert_eq!(
            (first.again(Steady::new(0)), first.summary(Steady::new(999))),
            (String::new(), "0s, 1 try".to_owned())
        );
    }
}
