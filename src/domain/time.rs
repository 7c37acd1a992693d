//! Time on the grid: instants, timeframes, slots (bar CLOSE times) and windows of slots.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// Milliseconds in one UTC day.
pub const DAY_MS: i64 = 86_400_000;

/// Why a time was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TimeError {
    /// The text is neither RFC 3339 nor whole milliseconds.
    #[error("`{0}` is not a time: write RFC 3339 with an offset, or whole milliseconds since 1970")]
    Unreadable(String),
    /// A number that is seconds.
    #[error("`{0}` looks like seconds: times are whole milliseconds since 1970, so write {0}000")]
    Seconds(i64),
    /// The instant lies outside 1970..2200.
    #[error("{0} ms is not between the years 1970 and 2200")]
    OutOfRange(i64),
    /// A bar close that is not on the grid of its timeframe.
    #[error(
        "ts_ms {ts_ms} is not aligned to {timeframe}: the nearest slots are {before} and {after}"
    )]
    Misaligned {
        /// The refused close time.
        ts_ms: i64,
        timeframe: Timeframe,
        /// The last slot before.
        before: i64,
        /// The first slot after.
        after: i64,
    },
    /// The timeframe is not one of the known ones.
    #[error("`{0}` is not a timeframe: use one of 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d")]
    UnknownTimeframe(String),
    /// A window whose end lies before its start.
    #[error("the window is empty: it starts at {first} and ends at {last}")]
    Backwards {
        /// First slot asked for.
        first: i64,
        /// Last slot asked for.
        last: i64,
    },
}

/// An instant, milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcMs(i64);

impl UtcMs {
    /// The epoch itself.
    pub const EPOCH: Self = Self(0);
    const MAX_MS: i64 = 7_258_118_400_000;

    /// An instant between the years 1970 and 2200.
    pub fn new(ms: i64) -> Result<Self, TimeError> {
        if (0..Self::MAX_MS).contains(&ms) { Ok(Self(ms)) } else { Err(TimeError::OutOfRange(ms)) }
    }

    /// Milliseconds since the epoch.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// This instant moved by `ms`, held inside the years 1970 to 2200.
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms).clamp(0, Self::MAX_MS - 1))
    }

    /// The UTC day this instant lies in, as days since the epoch.
    pub const fn day(self) -> i64 {
        self.0.div_euclid(DAY_MS)
    }

    /// Format with a `strftime` pattern, in UTC.
    pub fn format(self, pattern: &str) -> String {
        self.chrono().format(pattern).to_string()
    }

    fn chrono(self) -> chrono::DateTime<chrono::Utc> {
        chrono::DateTime::from_timestamp_millis(self.0).expect("the range was checked")
    }
}

/// A point on a clock that nobody can set: it only goes forward, also while the machine sleeps. Pauses are measured by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Steady(i64);

impl Steady {
    /// Milliseconds since a moment that means nothing but to this process.
    pub const fn new(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds from `earlier` to here.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This point moved by `ms`.
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

/// One instant on both clocks: the time of day names slots, the steady one measures pauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The time of day, as far as it is known. It can be wrong, and it can be set.
    pub at: UtcMs,
    pub up: Steady,
}

impl fmt::Display for UtcMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pattern =
            if self.0 % 1000 == 0 { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S%.3fZ" };
        f.write_str(&self.format(pattern))
    }
}

impl FromStr for UtcMs {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        if let Ok(ms) = text.parse::<i64>() {
            // Seconds since 2001, or milliseconds of the years before 1973, of which no market has bars.
            return match ms {
                1_000_000_000..100_000_000_000 => Err(TimeError::Seconds(ms)),
                _ => Self::new(ms),
            };
        }
        let parsed = chrono::DateTime::parse_from_rfc3339(text)
            .map_err(|_| TimeError::Unreadable(text.to_owned()))?;
        Self::new(parsed.timestamp_millis())
    }
}

/// The length of one bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timeframe {
    M1,
    M3,
    M5,
    /// A quarter of an hour.
    M15,
    M30,
    H1,
    H2,
    H4,
    H6,
    H8,
    H12,
    D1,
}

impl Timeframe {
    /// Every timeframe, shortest first.
    pub const ALL: [Self; 12] = [
        Self::M1,
        Self::M3,
        Self::M5,
        Self::M15,
        Self::M30,
        Self::H1,
        Self::H2,
        Self::H4,
        Self::H6,
        Self::H8,
        Self::H12,
        Self::D1,
    ];

    /// Its length in milliseconds. Every timeframe divides a day.
    pub const fn ms(self) -> i64 {
        const MINUTE: i64 = 60_000;
        match self {
            Self::M1 => MINUTE,
            Self::M3 => 3 * MINUTE,
            Self::M5 => 5 * MINUTE,
            Self::M15 => 15 * MINUTE,
            Self::M30 => 30 * MINUTE,
            Self::H1 => 60 * MINUTE,
            Self::H2 => 120 * MINUTE,
            Self::H4 => 240 * MINUTE,
            Self::H6 => 360 * MINUTE,
            Self::H8 => 480 * MINUTE,
            Self::H12 => 720 * MINUTE,
            Self::D1 => DAY_MS,
        }
    }

    /// How it is written: `5m`, `1h`, `1d`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::M1 => "1m",
            Self::M3 => "3m",
            Self::M5 => "5m",
            Self::M15 => "15m",
            Self::M30 => "30m",
            Self::H1 => "1h",
            Self::H2 => "2h",
            Self::H4 => "4h",
            Self::H6 => "6h",
            Self::H8 => "8h",
            Self::H12 => "12h",
            Self::D1 => "1d",
        }
    }

    /// The slot that closes at `ts_ms`; refuses a time that is not on the grid.
    pub fn slot(self, ts_ms: i64) -> Result<SlotTs, TimeError> {
        UtcMs::new(ts_ms)?;
        let before = ts_ms - ts_ms.rem_euclid(self.ms());
        if before != ts_ms || ts_ms == 0 {
            let after = before + self.ms();
            return Err(TimeError::Misaligned { ts_ms, timeframe: self, before, after });
        }
        Ok(SlotTs { ts_ms, timeframe: self })
    }

    /// The slot whose bar opens at `open_ms`.
    pub fn slot_of_open(self, open_ms: i64) -> Result<SlotTs, TimeError> {
        self.slot(open_ms.saturating_add(self.ms()))
    }

    /// The last slot that closes at or before `now`; `None` before the first one.
    pub fn last_closed(self, now: UtcMs) -> Option<SlotTs> {
        self.slot(now.get() - now.get().rem_euclid(self.ms())).ok()
    }
}

impl fmt::Display for Timeframe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Timeframe {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let found = Self::ALL.into_iter().find(|tf| tf.name() == text);
        found.ok_or_else(|| TimeError::UnknownTimeframe(text.to_owned()))
    }
}

/// A point of the time grid: the CLOSE time of a bar. It cannot be misaligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotTs {
    ts_ms: i64,
    timeframe: Timeframe,
}

impl SlotTs {
    /// Close time, milliseconds UTC: the `ts_ms` of every file.
    pub const fn ts_ms(self) -> i64 {
        self.ts_ms
    }

    /// Close time as an instant.
    pub const fn close(self) -> UtcMs {
        UtcMs(self.ts_ms)
    }

    /// Open time, milliseconds UTC.
    pub const fn open_ms(self) -> i64 {
        self.ts_ms - self.timeframe.ms()
    }

    /// The UTC day of the bar's OPEN, as days since the epoch: its partition.
    pub const fn open_day(self) -> i64 {
        self.open_ms().div_euclid(DAY_MS)
    }

    /// The grid it lies on.
    pub const fn timeframe(self) -> Timeframe {
        self.timeframe
    }

    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// `n` slots later (earlier when negative), never before the first slot of the grid.
    #[must_use]
    pub const fn plus(self, n: i64) -> Self {
        let tf = self.timeframe.ms();
        let moved = self.ts_ms.saturating_add(n.saturating_mul(tf));
        let ts_ms = if moved < tf { tf } else { moved };
        Self { ts_ms, timeframe: self.timeframe }
    }

    /// How many slots lie between `earlier` and this one (negative when it is later).
    pub const fn since(self, earlier: Self) -> i64 {
        (self.ts_ms - earlier.ts_ms) / self.timeframe.ms()
    }
}

impl fmt::Display for SlotTs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.ts_ms, self.close())
    }
}

/// A closed range of slots on one grid, at least one long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    first: SlotTs,
    last: SlotTs,
}

impl Window {
    /// From `first` to `last`, both included.
    pub fn new(first: SlotTs, last: SlotTs) -> Result<Self, TimeError> {
        if first > last || first.timeframe() != last.timeframe() {
            return Err(TimeError::Backwards { first: first.ts_ms(), last: last.ts_ms() });
        }
        Ok(Self { first, last })
    }

    pub const fn first(self) -> SlotTs {
        self.first
    }

    pub const fn last(self) -> SlotTs {
        self.last
    }

    /// How many slots.
    pub const fn slots(self) -> i64 {
        self.last.since(self.first) + 1
    }

    /// Every slot in order.
    pub fn iter(self) -> impl Iterator<Item = SlotTs> {
        (0..self.slots()).map(move |n| self.first.plus(n))
    }

    /// The window cut into parts of `most` slots, in order; the last one may be shorter.
    pub fn pages(self, most: u32) -> Vec<Self> {
        let most = i64::from(most.max(1));
        let page = |n: i64| Self {
            first: self.first.plus(n * most),
            last: self.first.plus((n + 1) * most - 1).min(self.last),
        };
        (0..(self.slots() + most - 1) / most).map(page).collect()
    }

    /// Whether `slot` lies inside.
    pub fn contains(self, slot: SlotTs) -> bool {
        self.first <= slot && slot <= self.last
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}]", self.first.ts_ms(), self.last.ts_ms())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c1_a_misaligned_ts_ms_cannot_be_constructed() {
        for (ts_ms, ok) in
            [(300_000, true), (300_001, false), (299_999, false), (0, false), (-300_000, false)]
        {
            assert_eq!(Timeframe::M5.slot(ts_ms).is_ok(), ok, "{ts_ms}");
        }
        let message = Timeframe::M5.slot(300_001).unwrap_err().to_string();
        assert!(message.contains("300000 and 600000"), "{message}");
    }

    #[test]
    fn a_slot_is_named_by_its_close_and_filed_by_its_open() {
        let midnight = Timeframe::M5.slot(DAY_MS).unwrap();
        assert_eq!(midnight.open_ms(), DAY_MS - 300_000);
        assert_eq!(midnight.open_day(), 0);
        assert_eq!(midnight.next().open_day(), 1);
    }

    #[test]
    fn times_are_read_with_an_offset_or_as_milliseconds() {
        for (text, ms) in [
            ("2023-03-20T00:00:00Z", 1_679_270_400_000),
            ("2023-03-20T01:00:00+01:00", 1_679_270_400_000),
            ("1679270400000", 1_679_270_400_000),
        ] {
            assert_eq!(text.parse::<UtcMs>().unwrap().get(), ms, "{text}");
        }
        for text in ["", "yesterday", "2023-03-20", "2023-03-20T00:00:00", "-5", "99999999999999"] {
            assert!(text.parse::<UtcMs>().is_err(), "{text}");
        }
        let seconds = "1679270400".parse::<UtcMs>().unwrap_err().to_string();
        assert!(seconds.ends_with("so write 1679270400000"), "{seconds}");
    }

    #[test]
    fn a_window_cannot_be_empty() {
        let slot = Timeframe::H1.slot(3_600_000).unwrap();
        assert!(Window::new(slot.next(), slot).is_err());
        assert_eq!(Window::new(slot, slot.plus(2)).unwrap().iter().count(), 3);
    }
}
