//! Which slots are due, found the slow way: minute by minute, from the rules as they are written down.

use chrono::{DateTime, TimeZone as _, Timelike as _};
use chrono_tz::Tz;

/// A daily line: minutes and hours, in a zone.
pub struct Line {
    pub minutes: fn(u32) -> bool,
    pub hours: fn(u32) -> bool,
    pub zone: Tz,
    /// One fixed minute and hour: due once when clocks are set back.
    pub fixed: bool,
    /// Due right after a jump that it falls into.
    pub shifts: bool,
}

const MINUTE_MS: i64 = 60_000;

impl Line {
    fn matches(&self, hour: u32, minute: u32) -> bool {
        (self.hours)(hour) && (self.minutes)(minute)
    }

    fn local(&self, ms: i64) -> DateTime<Tz> {
        self.zone.timestamp_millis_opt(ms).unwrap()
    }

    /// The times on the clock that were jumped over right before this instant.
    fn jumped(&self, ms: i64) -> Vec<(u32, u32)> {
        let (before, after) = (self.local(ms - MINUTE_MS), self.local(ms));
        let wall = |at: &DateTime<Tz>| i64::from(at.hour() * 60 + at.minute());
        let gap = (wall(&after) - wall(&before)).rem_euclid(24 * 60);
        // Set back, the clock seems to have gone nearly a whole day ahead.
        let gap = if gap > 180 { 0 } else { gap };
        (1..gap)
            .map(|n| ((wall(&before) + n) % (24 * 60)) as u32)
            .map(|wall| (wall / 60, wall % 60))
            .collect()
    }

    /// Whether the same time on the clock was there already, up to three hours before.
    fn is_second_pass(&self, ms: i64) -> bool {
        let naive = self.local(ms).naive_local();
        (1..=180).any(|n| self.local(ms - n * MINUTE_MS).naive_local() == naive)
    }

    /// The slots after `after` and up to `upto`.
    pub fn slots(&self, after: i64, upto: i64) -> Vec<i64> {
        let first = after.div_euclid(MINUTE_MS) + 1;
        (first..=upto.div_euclid(MINUTE_MS))
            .map(|minute| minute * MINUTE_MS)
            .filter(|ms| {
                let at = self.local(*ms);
                let on_line = self.matches(at.hour(), at.minute())
                    && !(self.fixed && self.is_second_pass(*ms));
                let shifted =
                    || self.shifts && self.jumped(*ms).iter().any(|(h, m)| self.matches(*h, *m));
                on_line || shifted()
            })
            .collect()
    }
}
