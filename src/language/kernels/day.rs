//! What the UTC day has shown so far: its open, high, low and average price.

use crate::domain::bar::Bar;

const DAY_MS: i64 = 86_400_000;

/// What is known of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// The first bar of the day.
    First,
    /// A later bar of it.
    Later,
    /// A bar of a day whose start was not seen.
    Unknown,
}

/// Tells where a bar is in its day. A bar belongs to the day in which it opens.
#[derive(Debug, Clone)]
struct Clock {
    timeframe_ms: i64,
    /// The day of the last bar, and whether it was seen from its start.
    last: Option<(i64, bool)>,
}

impl Clock {
    fn new(timeframe_ms: i64) -> Self {
        Self { timeframe_ms, last: None }
    }

    /// The day of the very first bar is known only if that bar opens it. Of a later day the first bar there is counts, for a
    /// day may begin with a hole.
    #[inline]
    fn update(&mut self, close_ts_ms: i64) -> Seen {
        let open_ms = close_ts_ms - self.timeframe_ms;
        let day = open_ms.div_euclid(DAY_MS);
        let (first, whole) = match self.last {
            None => (true, open_ms == day * DAY_MS),
            Some((last, whole)) => (last != day, whole || last != day),
        };
        self.last = Some((day, whole));
        match (whole, first) {
            (false, _) => Seen::Unknown,
            (true, true) => Seen::First,
            (true, false) => Seen::Later,
        }
    }
}

/// The first price of the UTC day.
#[derive(Debug, Clone)]
pub struct DayOpen {
    clock: Clock,
    open: f64,
}

impl DayOpen {
    /// On bars of `timeframe_ms`.
    pub fn new(timeframe_ms: i64) -> Self {
        Self { clock: Clock::new(timeframe_ms), open: f64::NAN }
    }

    /// Takes in the bar that closes at `close_ts_ms`; NaN until the start of a day was seen.
    #[inline]
    pub fn update(&mut self, close_ts_ms: i64, bar: &Bar) -> f64 {
        match self.clock.update(close_ts_ms) {
            Seen::Unknown => return f64::NAN,
            Seen::First => self.open = bar.open(),
            Seen::Later => {}
        }
        self.open
    }
}

/// The highest price of the UTC day so far.
#[derive(Debug, Clone)]
pub struct DayHigh {
    clock: Clock,
    high: f64,
}

impl DayHigh {
    /// On bars of `timeframe_ms`.
    pub fn new(timeframe_ms: i64) -> Self {
        Self { clock: Clock::new(timeframe_ms), high: f64::NAN }
    }

    /// Takes in the bar that closes at `close_ts_ms`; NaN until the start of a day was seen.
    #[inline]
    pub fn update(&mut self, close_ts_ms: i64, bar: &Bar) -> f64 {
        match self.clock.update(close_ts_ms) {
            Seen::Unknown => return f64::NAN,
            Seen::First => self.high = bar.high(),
            Seen::Later if bar.high() > self.high => self.high = bar.high(),
            Seen::Later => {}
        }
        self.high
    }
}

/// The lowest price of the UTC day so far.
#[derive(Debug, Clone)]
pub struct DayLow {
    clock: Clock,
    low: f64,
}

impl DayLow {
    /// On bars of `timeframe_ms`.
    pub fn new(timeframe_ms: i64) -> Self {
        Self { clock: Clock::new(timeframe_ms), low: f64::NAN }
    }

    /// Takes in the bar that closes at `close_ts_ms`; NaN until the start of a day was seen.
    #[inline]
    pub fn update(&mut self, close_ts_ms: i64, bar: &Bar) -> f64 {
        match self.clock.update(close_ts_ms) {
            Seen::Unknown => return f64::NAN,
            Seen::First => self.low = bar.low(),
            Seen::Later if bar.low() < self.low => self.low = bar.low(),
            Seen::Later => {}
        }
        self.low
    }
}

/// The mean typical price (`hlc3`) of the UTC day so far, each bar weighted by its volume, as TA-Lib's `VWAP` of the bars of that
/// day; the typical price of the newest bar while the day has no volume.
#[derive(Debug, Clone)]
pub struct DayVwap {
    clock: Clock,
    value: f64,
    volume: f64,
}

impl DayVwap {
    /// On bars of `timeframe_ms`.
    pub fn new(timeframe_ms: i64) -> Self {
        Self { clock: Clock::new(timeframe_ms), value: 0.0, volume: 0.0 }
    }

    /// Takes in the bar that closes at `close_ts_ms`; NaN until the start of a day was seen.
    #[inline]
    pub fn update(&mut self, close_ts_ms: i64, bar: &Bar) -> f64 {
        match self.clock.update(close_ts_ms) {
            Seen::Unknown => return f64::NAN,
            Seen::First => (self.value, self.volume) = (0.0, 0.0),
            Seen::Later => {}
        }
        let price = (bar.high() + bar.low() + bar.close()) / 3.0;
        self.value += price * bar.volume();
        self.volume += bar.volume();
        if self.volume == 0.0 { price } else { self.value / self.volume }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    /// All four at each bar, given the hour since 1970 in which it opens.
    fn all(timeframe_ms: i64, bars: &[(i64, [f64; 5])]) -> Vec<[f64; 4]> {
        let mut open = DayOpen::new(timeframe_ms);
        let mut high = DayHigh::new(timeframe_ms);
        let mut low = DayLow::new(timeframe_ms);
        let mut vwap = DayVwap::new(timeframe_ms);
        let one = |(hour, values): &(i64, [f64; 5])| {
            let (ts, bar) = (hour * HOUR_MS + timeframe_ms, Bar::new(*values).unwrap());
            let (open, high) = (open.update(ts, &bar), high.update(ts, &bar));
            [open, high, low.update(ts, &bar), vwap.update(ts, &bar)]
        };
        bars.iter().map(one).collect()
    }

    #[test]
    fn a_day_is_known_from_its_start_on() {
        let got = all(
            HOUR_MS,
            &[
                (22, [5.0, 9.0, 3.0, 6.0, 1.0]),
                // Closes at midnight: still of the first day.
                (23, [6.0, 7.0, 5.0, 6.0, 1.0]),
                (24, [6.0, 6.0, 6.0, 6.0, 0.0]),
                (25, [7.0, 8.0, 4.0, 6.0, 2.0]),
                (26, [6.0, 9.0, 6.0, 9.0, 6.0]),
                // A hole, and a day that begins with one.
                (50, [2.0, 3.0, 1.0, 2.0, 4.0]),
            ],
        );
        assert!(got[..2].iter().flatten().all(|x| x.is_nan()), "{got:?}");
        let expected = [
            [6.0, 6.0, 6.0, 6.0],
            [6.0, 8.0, 4.0, 6.0],
            [6.0, 9.0, 4.0, 7.5],
            [2.0, 3.0, 1.0, 2.0],
        ];
        assert_eq!(got[2..], expected);
    }

    #[test]
    fn a_first_bar_that_opens_its_day_is_enough() {
        let values = [5.0, 9.0, 3.0, 6.0, 1.0];
        assert_eq!(all(HOUR_MS, &[(-24, values)]), [[5.0, 9.0, 3.0, 6.0]]);
    }

    #[test]
    fn a_bar_of_a_day_or_more_is_its_own_day() {
        let bars = [(0, [5.0, 9.0, 3.0, 6.0, 1.0]), (24, [6.0, 7.0, 5.0, 6.0, 1.0])];
        let got = all(24 * HOUR_MS, &bars);
        assert_eq!(got, [[5.0, 9.0, 3.0, 6.0], [6.0, 7.0, 5.0, 6.0]]);
        let bars = [(96, [5.0, 9.0, 3.0, 6.0, 1.0]), (96 + 168, [6.0, 7.0, 5.0, 6.0, 1.0])];
        assert_eq!(all(168 * HOUR_MS, &bars), got);
    }
}
