//! Checks of bars in their order: the share of slots per UTC day, long runs without volume, revisions, spikes.

use std::collections::BTreeMap;

use polars::prelude::{ChunkQuantile as _, Float64Chunked};

use super::{
    report::{Example, QualityFinding},
    rows::Evidence,
};
use crate::{
    domain::{
        bar::{Bar, TimedBar},
        time::{DAY_MS, SlotTs, UtcMs, Window},
    },
    language::kernels::{spread::LogReturn, window::Length},
    manifest::QualityCheck,
    store::raw::Revision,
};

/// The median absolute deviation of a normal distribution times this is its standard deviation.
const SIGMAS_PER_MAD: f64 = 1.4826;

/// Above which distance a return is a spike.
#[derive(Debug, Clone, Copy)]
pub struct SpikeRule {
    /// In robust standard deviations.
    pub sigmas: f64,
    /// In percent of the price before.
    pub pct: f64,
}

/// Bars whose close is both `sigmas` and `pct` away from the close of the slot before, or whose high or low is as far from
/// both its open and its close.
pub fn spikes(bars: &[TimedBar], rule: SpikeRule, most: usize) -> QualityFinding {
    let returns = returns(bars);
    let sigma = SIGMAS_PER_MAD * deviation(&returns);
    // A logarithm and its sign tell rise and fall apart; the percents are what people read.
    let pct = |log_return: f64| (log_return.exp() - 1.0) * 100.0;
    let far = |log_return: &f64| {
        log_return.abs() > rule.sigmas * sigma && pct(*log_return).abs() > rule.pct
    };
    let closes = returns.iter().filter(|(_, x)| far(x)).map(|(ts, x)| (*ts, "close", *x));
    let wicks = bars.iter().filter_map(|bar| {
        let wick = wick(&bar.bar);
        far(&wick).then_some((bar.ts, "wick", wick))
    });
    let mut found: Vec<(SlotTs, &str, f64)> = closes.chain(wicks).collect();
    found.sort_by_key(|(ts, ..)| *ts);
    let wicks = found.iter().filter(|(_, what, _)| *what == "wick").count() as u64;
    let examples = found.iter().take(most).map(|(ts, what, log_return)| {
        let sigmas = log_return.abs() / sigma;
        Example::at(*ts, format!("{what} {:+.2} %, {sigmas:.1} sigmas", pct(*log_return)))
    });
    let count = found.len() as u64;
    let mut finding = QualityFinding::new(QualityCheck::Spikes, "places", count, examples);
    if count > 0 {
        finding.classes = [("closes", count - wicks), ("wicks", wicks)].into();
    }
    finding
}

/// How far the bar reached beyond its open and close, on the side where it reached farther, as a log return.
fn wick(bar: &Bar) -> f64 {
    let up = (bar.high() / bar.open().max(bar.close())).ln();
    let down = (bar.low() / bar.open().min(bar.close())).ln();
    if up > -down { up } else { down }
}

/// Log returns over one slot; none across a gap.
fn returns(bars: &[TimedBar]) -> Vec<(SlotTs, f64)> {
    let one = Length::new(1).expect("one bar is a length");
    let mut log_return = LogReturn::new(one);
    let mut before = None;
    let mut returns = Vec::with_capacity(bars.len());
    for bar in bars {
        let value = log_return.update(bar.bar.close());
        if before.replace(bar.ts).is_some_and(|before| before.next() == bar.ts) {
            returns.push((bar.ts, value));
        }
    }
    returns
}

/// The median distance from the median; 0 without a return. An ulp more or less does not matter here.
fn deviation(returns: &[(SlotTs, f64)]) -> f64 {
    let values: Float64Chunked = returns.iter().map(|(_, value)| Some(*value)).collect();
    let middle = values.median().unwrap_or(0.0);
    let distances: Float64Chunked = values.iter().map(|x| Some((x? - middle).abs())).collect();
    distances.median().unwrap_or(0.0)
}

/// Days of the window with a smaller share than `share_min`; of the first and the last day only the slots inside it count.
pub fn coverage(present: &[SlotTs], window: Window, share_min: f64, most: usize) -> QualityFinding {
    let mut by_day = BTreeMap::new();
    for ts in present {
        *by_day.entry(ts.open_day()).or_insert(0_i64) += 1;
    }
    let (first, last) = (window.first().open_day(), window.last().open_day());
    let per_day = DAY_MS / window.first().timeframe().ms();
    let mut count = 0;
    let mut examples = Vec::new();
    for day in first..=last {
        let bars = by_day.get(&day).copied().unwrap_or(0);
        let start = window.first().open_ms().max(day * DAY_MS);
        let end = window.last().ts_ms().min((day + 1) * DAY_MS);
        let slots = (end - start) * per_day / DAY_MS;
        if (bars as f64) >= share_min * slots as f64 {
            continue;
        }
        count += 1;
        if examples.len() < most {
            let date = UtcMs::EPOCH.plus_ms(day * DAY_MS).format("%Y-%m-%d");
            let ts_ms = Some(start + window.first().timeframe().ms());
            let what = format!("{date}: {bars} of {slots} slots");
            examples.push(Example { ts_ms, file: None, row: None, what });
        }
    }
    QualityFinding::new(QualityCheck::Coverage, "days", count, examples)
}

/// Runs of adjacent bars without volume, longer than `bars_max`; their bars are counted.
pub fn zero_volume(bars: &[TimedBar], bars_max: u32, most: usize) -> QualityFinding {
    let runs: Vec<&[TimedBar]> = bars
        .chunk_by(|a, b| a.bar.volume() == 0.0 && b.bar.volume() == 0.0 && a.ts.next() == b.ts)
        .filter(|run| run[0].bar.volume() == 0.0 && run.len() > bars_max as usize)
        .collect();
    let count = runs.iter().map(|run| run.len() as u64).sum();
    let examples = runs
        .iter()
        .take(most)
        .map(|run| Example::at(run[0].ts, format!("{} bars without volume", run.len())));
    QualityFinding::new(QualityCheck::ZeroVolume, "bars", count, examples)
}

/// The bars whose value was replaced, when they are more than `rate_max` of those stored.
pub fn revisions(
    present: &[SlotTs],
    revisions: &[Revision],
    rate_max: f64,
    most: usize,
) -> QualityFinding {
    let changed: BTreeMap<SlotTs, &Revision> = revisions
        .iter()
        .filter(|revision| revision.old.is_some_and(|old| old != revision.new))
        .filter(|revision| present.binary_search(&revision.ts).is_ok())
        .map(|revision| (revision.ts, revision))
        .collect();
    let revised = changed.len() as u64;
    let is_too_many = revised as f64 > rate_max * present.len() as f64;
    let examples = changed.iter().take(most).map(|(ts, revision)| {
        let old = revision.old.map_or(f64::NAN, |old| old.close());
        let (new, seen_at) = (revision.new.close(), revision.seen_at);
        Example::at(*ts, format!("close {old} became {new} at {seen_at}"))
    });
    let count = if is_too_many { revised } else { 0 };
    let examples: Vec<Example> = if is_too_many { examples.collect() } else { Vec::new() };
    let mut finding = QualityFinding::new(QualityCheck::Revisions, "bars", count, examples);
    if revised > 0 {
        finding.classes.insert("revised", revised);
        finding.classes.insert("stored", present.len() as u64);
    }
    finding
}

/// Why a run of slots has no bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GapCause {
    /// The venue leaves out bars without a trade. Harmless.
    NoTrades,
    /// The venue had nothing for long, or for a time with frozen prices around it.
    Outage,
    /// We failed to fetch or to store.
    Ours,
    /// Nothing explains it.
    Unknown,
}

impl GapCause {
    const fn name(self) -> &'static str {
        match self {
            Self::NoTrades => "no-trades",
            Self::Outage => "outage",
            Self::Ours => "ours",
            Self::Unknown => "unknown",
        }
    }
}

/// Missing slots in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GapRun {
    pub first: SlotTs,
    pub slots: i64,
}

/// What a gap is judged by.
pub struct GapRules<'a> {
    /// The slots that must have a bar.
    pub window: Window,
    /// The possible bars, sorted.
    pub bars: &'a [TimedBar],
    /// Our own failures.
    pub evidence: &'a Evidence,
    /// Whether the venue leaves out bars without a trade.
    pub omits_empty: bool,
    /// Missing slots in a row above which it is an outage.
    pub outage_bars: i64,
}

/// The gaps between the slots that have a row, sorted.
pub fn gaps(present: &[SlotTs], window: Window) -> Vec<GapRun> {
    let mut gaps = Vec::new();
    let mut next = window.first();
    for ts in present.iter().copied().chain([window.last().next()]) {
        if ts > next {
            gaps.push(GapRun { first: next, slots: ts.since(next) });
        }
        next = ts.next();
    }
    gaps
}

impl GapRules<'_> {
    /// The finding: harmless gaps are classed and not counted.
    pub fn finding(&self, present: &[SlotTs], most: usize) -> QualityFinding {
        let mut classes: BTreeMap<GapCause, u64> = BTreeMap::new();
        let mut examples = Vec::new();
        for gap in gaps(present, self.window) {
            let cause = self.cause(&gap);
            *classes.entry(cause).or_default() += gap.slots.unsigned_abs();
            if cause != GapCause::NoTrades && examples.len() < most {
                let plural = if gap.slots == 1 { "slot" } else { "slots" };
                let what = format!("{}: {} {plural}", cause.name(), gap.slots);
                examples.push(Example::at(gap.first, what));
            }
        }
        let bad = classes.iter().filter(|(cause, _)| **cause != GapCause::NoTrades);
        let count = bad.map(|(_, slots)| slots).sum();
        let mut finding = QualityFinding::new(QualityCheck::Gaps, "slots", count, examples);
        finding.classes = classes.iter().map(|(cause, slots)| (cause.name(), *slots)).collect();
        let filled = present.iter().filter(|ts| self.evidence.filled.contains(&ts.ts_ms()));
        let filled = filled.count() as u64;
        if filled > 0 {
            finding.classes.insert("filled-in", filled);
        }
        finding
    }

    /// What is known about us comes first; frozen prices speak for an outage, however short.
    fn cause(&self, gap: &GapRun) -> GapCause {
        let (before, after) = (gap.first.plus(-1), gap.first.plus(gap.slots));
        let Evidence { failed, filled } = self.evidence;
        let missing = gap.first.ts_ms()..after.ts_ms();
        // A hole that was filled in part is ours as a whole.
        if failed.range(missing).next().is_some()
            || filled.range(before.ts_ms()..=after.ts_ms()).next().is_some()
        {
            GapCause::Ours
        } else if gap.slots > self.outage_bars || self.is_frozen(before) || self.is_frozen(after) {
            GapCause::Outage
        } else if self.omits_empty {
            GapCause::NoTrades
        } else {
            GapCause::Unknown
        }
    }

    fn is_frozen(&self, ts: SlotTs) -> bool {
        let found = self.bars.binary_search_by_key(&ts, |bar| bar.ts);
        found.is_ok_and(|n| self.bars[n].bar.volume() == 0.0 && is_flat(&self.bars[n].bar))
    }
}

fn is_flat(bar: &Bar) -> bool {
    *bar == Bar::flat(bar)
}
