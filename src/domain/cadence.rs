//! When something is due, again and again: by a cron line on the clocks of a zone, or at a fixed distance.

use std::{fmt, time::Duration};

use chrono::TimeDelta;

use super::{
    cron::Cron,
    time::UtcMs,
    zone::{Instants, Zone},
};

/// What becomes of a time that the clocks jump over, in spring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClockGap {
    /// It is due at the first instant after the jump.
    Shift,
    /// It is not due that day.
    Skip,
}

/// A rule that says which instants are due. They are strictly increasing, whatever the clocks do.
///
/// When clocks are set back, in autumn, a line with one fixed minute and hour is due once, at the first pass; any other line
/// (`*/5 * * * *`) goes on through both passes, as the time that elapses demands.
#[derive(Debug, Clone, PartialEq)]
pub enum Cadence {
    /// By a cron line.
    Cron {
        cron: Cron,
        /// On whose clocks.
        zone: Zone,
        /// What becomes of times that do not exist.
        gap: ClockGap,
    },
    /// At every whole multiple of a duration since 1970-01-01T00:00:00Z.
    Every(Duration),
}

/// What is special about an instant that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockChange {
    /// The time on the line does not exist that day: this is the first one after the jump.
    Shifted,
    /// This time comes twice that day, and this is the first pass.
    FirstPass,
    /// This time comes twice that day, and this is the second pass.
    SecondPass,
}

/// A day's changes of clock are no larger than this.
const CHANGE_MAX_MS: i64 = 3 * 3_600_000;

impl Cadence {
    /// The first instant after `after` that is due; `None` past the years this program knows.
    pub fn next(&self, after: UtcMs) -> Option<UtcMs> {
        match self {
            Self::Every(step) => {
                let step = i64::try_from(step.as_millis()).ok().filter(|step| *step > 0)?;
                UtcMs::new((after.get().div_euclid(step) + 1).checked_mul(step)?).ok()
            }
            Self::Cron { cron, zone, gap } => next_on_clocks(cron, *zone, *gap, after),
        }
    }

    /// The instants after `after` and up to `upto` that are due.
    pub fn between(&self, after: UtcMs, upto: UtcMs) -> impl Iterator<Item = UtcMs> + '_ {
        std::iter::successors(self.next(after), |last| self.next(*last))
            .take_while(move |at| *at <= upto)
    }

    /// What the clocks do at an instant that is due.
    pub fn clock_change(&self, at: UtcMs) -> Option<ClockChange> {
        let Self::Cron { cron, zone, .. } = self else { return None };
        if is_shifted(cron, *zone, at) {
            return Some(ClockChange::Shifted);
        }
        let reads_like = |other: UtcMs| {
            let wall = |at: UtcMs| at.get() + i64::from(zone.offset_s(at)) * 1000;
            wall(other) == wall(at)
        };
        let back = |at: UtcMs, ms: i64| {
            i64::from(zone.offset_s(at) - zone.offset_s(at.plus_ms(ms))) * 1000
        };
        let later = back(at, CHANGE_MAX_MS);
        if later > 0 && reads_like(at.plus_ms(later)) {
            return Some(ClockChange::FirstPass);
        }
        let earlier = -back(at, -CHANGE_MAX_MS);
        (earlier > 0 && reads_like(at.plus_ms(-earlier))).then_some(ClockChange::SecondPass)
    }
}

/// The first instant after `after` at which the clocks of a zone show a time of the line.
///
/// Times are taken from the line as if clocks never changed, and each is looked up on the clocks: so what becomes of a time that does not
/// exist, or comes twice, never depends on what else the line has.
fn next_on_clocks(cron: &Cron, zone: Zone, gap: ClockGap, after: UtcMs) -> Option<UtcMs> {
    let after_ms = after.get();
    let set_back_s = (zone.offset_s(after) - zone.offset_s(after.plus_ms(CHANGE_MAX_MS))).max(0);
    // What clocks that are about to be set back show now, and showed a while ago, they show once more.
    let mut from = zone.wall(after) - TimeDelta::seconds(set_back_s.into());
    let mut second_pass: Option<i64> = None;
    while let Some(wall) = cron.next_wall(from) {
        from = wall + TimeDelta::minutes(1);
        let (at, again) = match zone.instants(wall)? {
            Instants::Once(at) => (at, None),
            Instants::Twice(first, second) => (first, Some(second).filter(|_| !cron.is_fixed())),
            Instants::Never(_) if gap == ClockGap::Skip => continue,
            Instants::Never(after_jump) => (after_jump, None),
        };
        // No later time of the line comes before this one, but a second pass may.
        if at > after_ms {
            return UtcMs::new(second_pass.map_or(at, |second| second.min(at))).ok();
        }
        let again = again.filter(|again| *again > after_ms);
        second_pass = [second_pass, again].into_iter().flatten().min();
    }
    second_pass.and_then(|at| UtcMs::new(at).ok())
}

/// Whether an instant is due although its time does not stand on the line: the time that does was jumped over.
fn is_shifted(cron: &Cron, zone: Zone, at: UtcMs) -> bool {
    !cron.has(zone.wall(at))
}

impl fmt::Display for Cadence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cron { cron, zone, .. } => write!(f, "{cron} {zone}"),
            Self::Every(step) => write!(f, "every {step:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cadence(line: &str, zone: &str, gap: ClockGap) -> Cadence {
        Cadence::Cron { cron: line.parse().unwrap(), zone: zone.parse().unwrap(), gap }
    }

    fn due(cadence: &Cadence, from: &str, to: &str) -> Vec<String> {
        let (from, to): (UtcMs, UtcMs) = (from.parse().unwrap(), to.parse().unwrap());
        cadence.between(from, to).map(|at| at.format("%dT%H:%M")).collect()
    }

    #[test]
    fn eighteen_o_clock_in_berlin_stays_eighteen_o_clock() {
        let evening = cadence("0 18 * * *", "Europe/Berlin", ClockGap::Shift);
        let spring = due(&evening, "2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z");
        assert_eq!(spring, ["28T17:00", "29T16:00", "30T16:00"]);
        let autumn = due(&evening, "2026-10-24T00:00:00Z", "2026-10-27T00:00:00Z");
        assert_eq!(autumn, ["24T16:00", "25T17:00", "26T17:00"]);
    }

    #[test]
    fn a_time_that_does_not_exist_is_shifted_or_skipped() {
        for (zone, before, jump, skipped_to) in [
            ("Europe/Berlin", "2026-03-28T12:00:00Z", "29T01:00", "30T00:30"),
            ("America/New_York", "2026-03-07T12:00:00Z", "08T07:00", "09T06:30"),
        ] {
            let end = UtcMs::plus_ms(before.parse().unwrap(), 2 * 86_400_000).to_string();
            let night = cadence("30 2 * * *", zone, ClockGap::Shift);
            let shifted = due(&night, before, &end);
            assert_eq!(shifted, [jump, skipped_to], "{zone}");
            let first = night.next(before.parse().unwrap()).unwrap();
            assert_eq!(night.clock_change(first), Some(ClockChange::Shifted));
            assert_eq!(night.clock_change(night.next(first).unwrap()), None);
            let skipping = cadence("30 2 * * *", zone, ClockGap::Skip);
            assert_eq!(due(&skipping, before, &end), [skipped_to], "{zone}");
        }
    }

    #[test]
    fn what_becomes_of_a_time_that_does_not_exist_does_not_depend_on_the_other_times_of_the_line() {
        let (from, to) = ("2026-03-28T20:00:00Z", "2026-03-29T03:00:00Z");
        for (line, shifted, skipped) in [
            ("0 2,14 * * *", vec!["29T01:00"], vec![]),
            ("0,30 2,14 * * *", vec!["29T01:00"], vec![]),
            (
                "30 1-3 * * *",
                vec!["29T00:30", "29T01:00", "29T01:30"],
                vec!["29T00:30", "29T01:30"],
            ),
            (
                "15,45 */2 * * *",
                vec![
                    "28T21:15", "28T21:45", "28T23:15", "28T23:45", "29T01:00", "29T02:15",
                    "29T02:45",
                ],
                vec!["28T21:15", "28T21:45", "28T23:15", "28T23:45", "29T02:15", "29T02:45"],
            ),
            ("0 2,3 * * *", vec!["29T01:00"], vec!["29T01:00"]),
        ] {
            let by = |gap| due(&cadence(line, "Europe/Berlin", gap), from, to);
            assert_eq!(by(ClockGap::Shift), shifted, "{line}");
            assert_eq!(by(ClockGap::Skip), skipped, "{line}");
        }
        let half_an_hour = cadence("15 2,12 * * *", "Australia/Lord_Howe", ClockGap::Shift);
        let night = due(&half_an_hour, "2026-10-03T12:00:00Z", "2026-10-04T00:00:00Z");
        assert_eq!(night, ["03T15:30"]);
    }

    #[test]
    fn a_time_that_comes_twice_is_due_once_and_an_interval_goes_on() {
        for (zone, before, passes) in [
            ("Europe/Berlin", "2026-10-24T12:00:00Z", ["25T00:30", "25T01:30"]),
            ("America/New_York", "2026-10-31T16:00:00Z", ["01T05:30", "01T06:30"]),
        ] {
            let hour = if zone == "Europe/Berlin" { 2 } else { 1 };
            let end = UtcMs::plus_ms(before.parse().unwrap(), 86_400_000).to_string();
            let night = cadence(&format!("30 {hour} * * *"), zone, ClockGap::Shift);
            assert_eq!(due(&night, before, &end), [passes[0]], "{zone}");
            let at = night.next(before.parse().unwrap()).unwrap();
            assert_eq!(night.clock_change(at), Some(ClockChange::FirstPass));
            let both = cadence("*/30 * * * *", zone, ClockGap::Shift);
            assert_eq!(due(&both, before, &end).len(), 48, "{zone}");
            assert_eq!(both.clock_change(at), Some(ClockChange::FirstPass));
            assert_eq!(both.clock_change(at.plus_ms(3_600_000)), Some(ClockChange::SecondPass));
            assert_eq!(both.clock_change(at.plus_ms(7_200_000)), None);
        }
    }

    #[test]
    fn no_line_ever_goes_back_or_stands_still() {
        for zone in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"] {
            for line in
                ["*/5 * * * *", "0,30 1-3 * * *", "30 2 * * *", "15 */2 * * SUN", "0 2,3 * * *"]
            {
                for gap in [ClockGap::Shift, ClockGap::Skip] {
                    let cadence = cadence(line, zone, gap);
                    let (from, to) = ("2026-03-01T00:00:00Z", "2026-11-15T00:00:00Z");
                    let slots: Vec<UtcMs> =
                        cadence.between(from.parse().unwrap(), to.parse().unwrap()).collect();
                    assert!(slots.is_sorted_by(|a, b| a < b), "{line} {zone} {gap:?}");
                    assert!(slots.len() > 30, "{line} {zone}: {}", slots.len());
                }
            }
        }
    }

    #[test]
    fn a_fixed_distance_lies_on_the_grid_of_the_epoch() {
        let every = Cadence::Every(Duration::from_mins(10));
        let due = due(&every, "2026-01-01T00:03:00Z", "2026-01-01T00:30:00Z");
        assert_eq!(due, ["01T00:10", "01T00:20", "01T00:30"]);
        assert_eq!(Cadence::Every(Duration::ZERO).next(UtcMs::EPOCH), None);
        assert_eq!(every.clock_change(UtcMs::EPOCH), None);
    }
}
