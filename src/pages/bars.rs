//! Bars of a window at the level that fits: as they are stored, or several put together into one.

use std::{collections::BTreeMap, fs, os::unix::fs::MetadataExt as _};

use serde::Serialize;

use super::desk::{Desk, DeskLedger, lock};
use crate::{
    domain::time::{DAY_MS, Timeframe, Window},
    jobs::context::Failure,
    session::reader::{Extent, Files, RowFinder},
    store::raw::RawStore,
};

/// Bars of an answer at most, whoever asks for more.
pub const BARS_MAX: usize = 5_000;
/// Lengths of bars that several are put together into, in milliseconds.
const LEVELS: [i64; 16] = [
    60_000,
    3 * 60_000,
    5 * 60_000,
    15 * 60_000,
    30 * 60_000,
    3_600_000,
    2 * 3_600_000,
    4 * 3_600_000,
    6 * 3_600_000,
    8 * 3_600_000,
    12 * 3_600_000,
    DAY_MS,
    2 * DAY_MS,
    7 * DAY_MS,
    28 * DAY_MS,
    364 * DAY_MS,
];

/// Close, open, high, low, close, volume: milliseconds, prices, base currency.
pub type Candle = (i64, f64, f64, f64, f64, f64);

/// Whole days of a series put together, each with what says that its file is still the same.
pub type DayBars = BTreeMap<i64, ((u64, u64), Candle)>;

/// Part of a ledger's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SlotSpan {
    /// After this.
    pub from_ts_ms: i64,
    /// Up to this.
    pub to_ts_ms: i64,
}

/// The bars of a window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bars {
    /// Name and version of the document.
    pub schema: &'static str,
    /// The window.
    #[serde(flatten)]
    pub span: SlotSpan,
    /// Length of the bars of this answer.
    pub level_ms: i64,
    /// Length of the stored bars.
    pub bar_ms: i64,
    /// First slot of the ledger.
    pub first_ts_ms: i64,
    /// Last slot of the ledger.
    pub last_ts_ms: i64,
    /// Close time, open, high, low, close, volume.
    #[serde(rename = "bars")]
    pub candles: Vec<Candle>,
    /// Closes of stored bars that were replaced after they were decided on.
    pub revised_ts_ms: Vec<i64>,
}

/// The first and the last slot of a ledger; `None` without rows.
pub fn reach(desk: &Desk, place: &DeskLedger) -> Result<Option<(i64, i64)>, Failure> {
    let files = Files::of(&desk.layout, &place.tag, &place.series);
    let Some(extent) = Extent::of(&desk.disk, &files)? else { return Ok(None) };
    let finder = RowFinder::new(&desk.disk, &files, &place.series, extent)?;
    Ok(finder.map(|finder| (finder.first.ts_ms(), finder.last.ts_ms())))
}

/// The shortest level at which a window has at most `max` bars.
pub fn level(timeframe: Timeframe, span: SlotSpan, max: usize) -> i64 {
    let length = (span.to_ts_ms - span.from_ts_ms).max(1);
    let own = timeframe.ms();
    let fits = |level: i64| length.div_euclid(level) < max.max(1) as i64;
    let mut levels = LEVELS.into_iter().filter(|level| *level >= own && level % own == 0);
    levels.find(|level| fits(*level)).unwrap_or(364 * DAY_MS)
}

/// The bars of a window, at most about `max` of them.
pub fn bars(
    desk: &Desk,
    place: &DeskLedger,
    (first_ts_ms, last_ts_ms): (i64, i64),
    (span, max): (SlotSpan, usize),
) -> Result<Bars, Failure> {
    let timeframe = place.series.timeframe();
    let max = max.clamp(1, BARS_MAX);
    let level_ms = level(timeframe, span, max);
    let raw = RawStore::new(&desk.layout, &desk.disk, &place.series);
    let candles = if !raw.dir().is_dir() {
        Vec::new()
    } else if level_ms >= DAY_MS {
        whole_days(desk, &raw, span, level_ms)?
    } else {
        let first = timeframe.last_closed(at(span.from_ts_ms)).map(|slot| slot.plus(1));
        let last = timeframe.last_closed(at(span.to_ts_ms));
        match first.zip(last).and_then(|(first, last)| Window::new(first, last).ok()) {
            Some(window) => {
                together(raw.load_window(window)?.into_iter().map(|bar| candle(&bar)), level_ms)
            }
            None => Vec::new(),
        }
    };
    let revised = |ts_ms: &i64| span.from_ts_ms < *ts_ms && *ts_ms <= span.to_ts_ms;
    let mut revised_ts_ms: Vec<i64> =
        raw.revisions()?.iter().map(|one| one.ts.ts_ms()).filter(revised).collect();
    revised_ts_ms.dedup();
    revised_ts_ms.truncate(max);
    let bar_ms = timeframe.ms();
    Ok(Bars {
        schema: "mjolnir.bars/1",
        span,
        level_ms,
        bar_ms,
        first_ts_ms,
        last_ts_ms,
        candles,
        revised_ts_ms,
    })
}

fn at(ts_ms: i64) -> crate::domain::time::UtcMs {
    crate::domain::time::UtcMs::EPOCH.plus_ms(ts_ms.max(0))
}

fn candle(bar: &crate::domain::bar::TimedBar) -> Candle {
    let [open, high, low, close, volume] = bar.bar.values();
    (bar.ts.ts_ms(), open, high, low, close, volume)
}

/// Bars put together, named by the close of the level.
fn together(bars: impl Iterator<Item = Candle>, level_ms: i64) -> Vec<Candle> {
    let mut out: Vec<Candle> = Vec::new();
    for bar in bars {
        let close = (bar.0 + level_ms - 1).div_euclid(level_ms) * level_ms;
        match out.last_mut().filter(|last| last.0 == close) {
            Some(last) => {
                *last =
                    (close, last.1, last.2.max(bar.2), last.3.min(bar.3), bar.4, last.5 + bar.5);
            }
            None => out.push((close, bar.1, bar.2, bar.3, bar.4, bar.5)),
        }
    }
    out
}

/// DayBars of which only one bar each is wanted: each file is read once as long as it stays the same.
fn whole_days(
    desk: &Desk,
    raw: &RawStore<'_, crate::store::disk::RealDisk>,
    span: SlotSpan,
    level_ms: i64,
) -> Result<Vec<Candle>, Failure> {
    let (from, to) = (span.from_ts_ms.div_euclid(DAY_MS), (span.to_ts_ms - 1).div_euclid(DAY_MS));
    let mut all = lock(&desk.days);
    let known = all.entry(raw.series().clone()).or_default();
    let mut days = Vec::new();
    for day in raw.days()?.into_iter().filter(|day| (from..=to).contains(day)) {
        let path = desk.layout.partition(raw.series(), day);
        let Ok(found) = fs::metadata(&path) else { continue };
        let stamp = (found.ino(), found.len());
        if known.get(&day).is_none_or(|(before, _)| *before != stamp) {
            let bars = raw.load_day(day)?;
            let whole = together(bars.iter().map(candle), DAY_MS);
            let Some(whole) = whole.last().copied() else { continue };
            known.insert(day, (stamp, whole));
        }
        days.extend(known.get(&day).map(|(_, candle)| *candle));
    }
    Ok(together(days.into_iter(), level_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_the_shortest_level_that_fits() {
        let days = |n: i64| SlotSpan { from_ts_ms: 0, to_ts_ms: n * DAY_MS };
        for (n, max, expected) in [
            (1, 2_000, 300_000),
            (6, 2_000, 300_000),
            (7, 2_000, 900_000),
            (365, 2_000, 6 * 3_600_000),
            (3_650, 2_000, 2 * DAY_MS),
            (3_650, 1, 364 * DAY_MS),
        ] {
            assert_eq!(level(Timeframe::M5, days(n), max), expected, "{n} {max}");
        }
        assert_eq!(level(Timeframe::D1, days(1), 2_000), DAY_MS, "never shorter than stored");
        assert_eq!(
            level(Timeframe::H6, days(400), 1_000),
            12 * 3_600_000,
            "8h is no multiple of 6h"
        );
    }

    #[test]
    fn bars_that_are_put_together_keep_their_extremes_and_their_volume() {
        let bar = |minute: i64, low: f64, high: f64| (minute * 60_000, low, high, low, high, 1.0);
        // Closes at 00:01 to 00:10; the bar that closes at 00:05 is the last of the first five.
        let bars = (1..=10).map(|minute| bar(minute, minute as f64, 20.0 - minute as f64));
        assert_eq!(
            together(bars, 300_000),
            [(300_000, 1.0, 19.0, 1.0, 15.0, 5.0), (600_000, 6.0, 14.0, 6.0, 10.0, 5.0)]
        );
        assert_eq!(together(std::iter::empty(), 300_000), []);
    }
}
