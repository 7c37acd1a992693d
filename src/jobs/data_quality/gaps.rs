//! Gaps: slots without a bar, each run of them with the most likely cause.

use std::collections::BTreeMap;

use super::{
    finding::{Example, QualityFinding},
    load::Evidence,
};
use crate::{
    domain::{
        bar::{Bar, TimedBar},
        time::{SlotTs, Window},
    },
    manifest::QualityCheck,
};

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
