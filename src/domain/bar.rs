//! Bars: five finite numbers that agree with each other, and the proof that a bar is closed.

use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

use super::time::SlotTs;

/// Lowest price of a bar.
pub const PRICE_MIN: f64 = 1e-12;
/// Highest price of a bar.
pub const PRICE_MAX: f64 = 1e12;
/// Largest volume of a bar: what a coin at the lowest price trades for 1e12.
pub const VOLUME_MAX: f64 = 1e24;

/// Why five numbers are no bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BarError {
    /// A NaN or an infinity.
    #[error("a value is not a finite number")]
    NotFinite,
    /// Zero or less.
    #[error("a price is not positive")]
    NotPositive,
    /// A price outside [`PRICE_MIN`] to [`PRICE_MAX`], or a volume above [`VOLUME_MAX`]: no market has them, and exact money
    /// could not hold them.
    #[error("a price is outside 0.000000000001 to 1000000000000, or the volume is above 1e24")]
    OutOfRange,
    /// Below zero.
    #[error("the volume is negative")]
    NegativeVolume,
    /// The high is not the highest.
    #[error("the high is below another price of the bar")]
    HighTooLow,
    /// The low is not the lowest.
    #[error("the low is above another price of the bar")]
    LowTooHigh,
}

/// Open, high, low, close (positive, `low <= open, close <= high`) and base volume (not negative) of one slot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    volume: f64,
}

impl Bar {
    /// Checks `[open, high, low, close, volume]`.
    pub fn new([open, high, low, close, volume]: [f64; 5]) -> Result<Self, BarError> {
        if ![open, high, low, close, volume].iter().all(|x| x.is_finite()) {
            return Err(BarError::NotFinite);
        }
        if ![open, high, low, close].iter().all(|x| *x > 0.0) {
            return Err(BarError::NotPositive);
        }
        if volume < 0.0 {
            return Err(BarError::NegativeVolume);
        }
        if [open, high, low, close].iter().any(|x| !(PRICE_MIN..=PRICE_MAX).contains(x))
            || volume > VOLUME_MAX
        {
            return Err(BarError::OutOfRange);
        }
        if high < open.max(close).max(low) {
            return Err(BarError::HighTooLow);
        }
        if low > open.min(close) {
            return Err(BarError::LowTooHigh);
        }
        // `+ 0.0` turns a negative zero into zero, so that equal bars have equal bits.
        Ok(Self { open, high, low, close, volume: volume + 0.0 })
    }

    /// A bar in which nobody traded: its close all along, and no volume.
    pub const fn flat(&self) -> Self {
        let price = self.close;
        Self { open: price, high: price, low: price, close: price, volume: 0.0 }
    }

    #[inline]
    pub const fn open(&self) -> f64 {
        self.open
    }

    #[inline]
    pub const fn high(&self) -> f64 {
        self.high
    }

    #[inline]
    pub const fn low(&self) -> f64 {
        self.low
    }

    #[inline]
    pub const fn close(&self) -> f64 {
        self.close
    }

    /// Volume in the base currency.
    #[inline]
    pub const fn volume(&self) -> f64 {
        self.volume
    }

    /// `[open, high, low, close, volume]`.
    #[inline]
    pub const fn values(&self) -> [f64; 5] {
        [self.open, self.high, self.low, self.close, self.volume]
    }
}

/// A bar and the slot it closes at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimedBar {
    /// Where on the grid.
    pub ts: SlotTs,
    /// What happened there.
    pub bar: Bar,
}

/// Hash (xxh3-64) of the bars a slot was given, oldest first: each as close time and five float bit patterns, little endian.
pub fn hash_bars(bars: &[TimedBar]) -> u64 {
    match bars {
        [bar] => hash_bar(bar.ts, &bar.bar),
        bars => {
            let bytes = bars.iter().flat_map(|bar| bytes_of(bar.ts, &bar.bar));
            xxh3_64(bytes.collect::<Vec<_>>().as_flattened())
        }
    }
}

/// The same of one bar.
#[inline]
pub fn hash_bar(ts: SlotTs, bar: &Bar) -> u64 {
    xxh3_64(bytes_of(ts, bar).as_flattened())
}

#[inline]
fn bytes_of(ts: SlotTs, bar: &Bar) -> [[u8; 8]; 6] {
    [
        ts.ts_ms().to_le_bytes(),
        bar.open.to_bits().to_le_bytes(),
        bar.high.to_bits().to_le_bytes(),
        bar.low.to_bits().to_le_bytes(),
        bar.close.to_bits().to_le_bytes(),
        bar.volume.to_bits().to_le_bytes(),
    ]
}

/// A row of an answer that is not a bar: off the grid, impossible, out of place, or unreadable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// The slot it belongs to, as far as its stamp can be read.
    pub ts: Option<SlotTs>,
    /// Its number and text, and what is wrong with it.
    pub why: String,
}

/// What one answer of a venue has to show: its bars, the newest perhaps still forming, and rows that are none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shown {
    /// The bars, in any order; of several of one slot the last one counts.
    pub bars: Vec<TimedBar>,
    /// What is left out.
    pub bad: Vec<BadRow>,
}

/// The closed part of what was shown.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Closed {
    /// The bars, oldest first.
    pub bars: Vec<ClosedBar>,
    /// Rows that are not bars. Of the forming one nothing is said: it may still become one.
    pub bad: Vec<BadRow>,
    /// The newest slot of either.
    pub newest: Option<SlotTs>,
}

/// Proof that a bar is closed: a later bar stood in the same answer, or it comes from the store, which holds no other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClosedBar(TimedBar);

impl ClosedBar {
    /// The closed part of one answer of a venue: sorted, last duplicate wins, the newest row dropped without a look at it,
    /// since it may still be forming. A row that is not a bar proves as much about those before it as a bar does.
    pub fn from_answer(answer: Shown) -> Closed {
        let Shown { mut bars, mut bad } = answer;
        // The sort is stable, so of several rows with one stamp the last one received stays last.
        bars.sort_by_key(|bar| bar.ts);
        let forming = bars.last().map(|bar| bar.ts).max(bad.iter().filter_map(|row| row.ts).max());
        let mut closed: Vec<Self> = Vec::with_capacity(bars.len());
        for bar in bars {
            if Some(bar.ts) == forming {
                break;
            }
            match closed.last_mut() {
                Some(last) if last.0.ts == bar.ts => *last = Self(bar),
                _ => closed.push(Self(bar)),
            }
        }
        bad.retain(|row| row.ts.is_none() || row.ts < forming);
        let newest = closed.last().map(Self::ts).max(bad.iter().filter_map(|row| row.ts).max());
        Closed { bars: closed, bad, newest }
    }

    /// A bar read back from the raw store, or from an archive of finished bars.
    pub const fn archived(bar: TimedBar) -> Self {
        Self(bar)
    }

    pub const fn get(&self) -> TimedBar {
        self.0
    }

    /// The slot it closes at.
    pub const fn ts(&self) -> SlotTs {
        self.0.ts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timeframe;

    fn at(n: i64, close: f64) -> TimedBar {
        let ts = Timeframe::M5.slot(n * 300_000).unwrap();
        TimedBar { ts, bar: Bar::new([close, close, close, close, 1.0]).unwrap() }
    }

    #[test]
    fn impossible_bars_are_refused() {
        for (values, error) in [
            ([1.0, 2.0, 0.5, f64::NAN, 1.0], BarError::NotFinite),
            ([1.0, 2.0, 0.0, 1.5, 1.0], BarError::NotPositive),
            ([1.0, 2.0, 0.5, 1.5, -1.0], BarError::NegativeVolume),
            ([1.0, 2.0, 0.9e-12, 1.5, 1.0], BarError::OutOfRange),
            ([1.0, 2e12, 0.5, 1.5, 1.0], BarError::OutOfRange),
            ([1.0, 2.0, 0.5, 1.5, 2e24], BarError::OutOfRange),
            ([1.0, 1.2, 0.5, 1.5, 1.0], BarError::HighTooLow),
            ([1.0, 2.0, 1.1, 1.5, 1.0], BarError::LowTooHigh),
        ] {
            assert_eq!(Bar::new(values), Err(error));
        }
        assert!(Bar::new([1.0, 2.0, 0.5, 1.5, 0.0]).is_ok());
    }

    #[test]
    fn c2_the_newest_bar_of_an_answer_never_passes() {
        let closed =
            |bars: Vec<TimedBar>| ClosedBar::from_answer(Shown { bars, bad: Vec::new() }).bars;
        let answer = vec![at(3, 3.0), at(1, 1.0), at(2, 2.0), at(1, 1.5), at(3, 9.0)];
        let got: Vec<_> =
            closed(answer).iter().map(|b| (b.ts().ts_ms(), b.get().bar.close())).collect();
        assert_eq!(got, [(300_000, 1.5), (600_000, 2.0)]);
        assert!(closed(vec![at(1, 1.0)]).is_empty());
        assert!(closed(vec![]).is_empty());
    }

    #[test]
    fn c2_a_row_that_is_not_a_bar_closes_those_before_it_and_is_not_judged_while_it_forms() {
        let row = |n: i64| BadRow { ts: Some(at(n, 1.0).ts), why: n.to_string() };
        let nowhere = BadRow { ts: None, why: "nowhere".to_owned() };
        let answer = |bars: &[i64], bad: &[i64]| {
            let bars = bars.iter().map(|n| at(*n, 1.0)).collect();
            let bad = bad.iter().map(|n| row(*n)).chain([nowhere.clone()]).collect();
            let closed = ClosedBar::from_answer(Shown { bars, bad });
            let slots: Vec<i64> = closed.bars.iter().map(|b| b.ts().ts_ms() / 300_000).collect();
            let told: Vec<String> = closed.bad.into_iter().map(|row| row.why).collect();
            (slots, told.join(" "), closed.newest.map_or(0, |ts| ts.ts_ms() / 300_000))
        };
        assert_eq!(answer(&[1, 2, 4], &[3]), (vec![1, 2], "3 nowhere".to_owned(), 3));
        assert_eq!(answer(&[1, 2], &[3]), (vec![1, 2], "nowhere".to_owned(), 2), "3 is forming");
        assert_eq!(answer(&[1, 2, 3], &[3]), (vec![1, 2], "nowhere".to_owned(), 2));
        assert_eq!(answer(&[], &[3, 4]), (vec![], "3 nowhere".to_owned(), 3));
    }

    #[test]
    fn the_hash_sees_every_field() {
        let base = hash_bars(&[at(1, 1.0)]);
        assert_ne!(base, hash_bars(&[at(2, 1.0)]));
        assert_ne!(base, hash_bars(&[at(1, 1.0 + f64::EPSILON)]));
        assert_ne!(base, hash_bars(&[at(1, 1.0), at(2, 1.0)]));
    }
}
