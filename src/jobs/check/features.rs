//! Features over the stored bars: finite when warm, near enough to what more history would give, blind for what follows.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::lookahead::{Row, default_every, look_ahead};
use crate::{
    checklist::{Check, Level},
    domain::{
        bar::TimedBar,
        time::{SlotTs, Window},
    },
    engine::{
        anchor::{Anchored, Blocks, FeatureRow, FeatureRows, Readiness, block_rows},
        state::State,
        step::Core,
        strategy::Strategy,
    },
    jobs::{context::Context, engine_setup::engine_setup, model_timeline::ModelSource},
    language::Intent,
    manifest::{CheckJob, CheckPart, StopFill},
    session::replay::{AtEnd, Batch, Inputs, replay},
    store::raw::RawStore,
};

/// How far a feature may be from what one more block of history gives, as a share of its size. The warm-up leaves the oldest
/// bar a weight of a quarter of a percent at most.
const FADED_MAX: f64 = 0.0025;

/// All of them, on the bars as they are stored.
pub fn features(context: &Context<'_>, job: &CheckJob) -> Vec<Check> {
    let series = &job.trading.series;
    let raw = RawStore::new(context.layout, context.disk, series);
    let bars = match raw.load_all() {
        Ok(bars) => bars,
        Err(error) => {
            let (venue, symbol) = (series.exchange(), series.symbol());
            let next = format!(
                "runner run jobs/data-quality.toml -p exchange={venue} symbol={symbol} timeframe={}",
                series.timeframe()
            );
            return vec![check("bars", Level::Fail, error.to_string()).next(next)];
        }
    };
    let ends = bars.first().zip(bars.last()).map(|(first, last)| (first.ts, last.ts));
    let Some(Ok(window)) = ends.map(|(first, last)| Window::new(first, last)) else {
        let text = format!("the store does not have bars of {series} to compute features from");
        let next = "runner run jobs/import.toml -p path=FILE";
        return vec![check("bars", Level::Warn, text).next(next)];
    };
    context.progress.begin("features", 0);
    let every = job
        .check
        .lookahead_every
        .map_or_else(|| default_every(window.slots().unsigned_abs()), u64::from);
    // Where stops are filled changes no feature, and both runs of a comparison have the same rule.
    let whose = match job.check.tag.as_ref() {
        Some(tag) => ModelSource::Ledger(tag.get()),
        None => ModelSource::Named,
    };
    let core = match engine_setup(context, &job.trading, StopFill::ThroughOpen, whose) {
        Ok(set_up) => set_up.core,
        Err(failure) => return vec![check("strategy", Level::Fail, failure.message)],
    };
    let blocks = core.blocks(series.timeframe());
    let checks = vec![
        finite(&core.strategy, blocks, &bars),
        warm(&core, blocks, &bars),
        blind(&core, &bars, window, every),
    ];
    context.progress.end();
    checks
}

fn check(name: &'static str, level: Level, value: String) -> Check {
    Check::new(name, level, value).part(CheckPart::Features.name())
}

/// A strategy's value that is not a number stops its decisions. It may never happen on possible bars.
fn finite(strategy: &Strategy, blocks: Blocks, bars: &[TimedBar]) -> Check {
    let mut anchored = Anchored::new(strategy.clone(), blocks);
    let (mut warm, mut broken, mut first) = (0_u64, 0_u64, None);
    for bar in bars {
        let row = anchored.observe(bar);
        if row.readiness == Readiness::NotEnoughBars {
            continue;
        }
        warm += 1;
        let vector = &row.values[..strategy.features().len()];
        let at = vector.iter().position(|value| !value.is_finite());
        if let Some(at) = at {
            broken += 1;
            first = first.or(Some((bar.ts, at)));
        }
    }
    match first {
        Some((ts, at)) => {
            let name = strategy.features().names().get(at).map_or("a feature", String::as_str);
            let text = format!("{name} is not finite at {ts}; so are {broken} of {warm} slots");
            check("finite", Level::Fail, text)
        }
        None if warm == 0 => {
            let text = format!("none of {} bars comes after a whole warm-up", bars.len());
            check("finite", Level::Warn, text)
        }
        None => check("finite", Level::Ok, format!("{warm} slots after the warm-up")),
    }
}

/// What one more block of history before the anchor would change.
#[derive(Debug, Clone, Copy, Default)]
struct MoreHistory {
    slots: u64,
    same_bits: u64,
    farthest: f64,
    signals: u64,
    first: Option<SlotTs>,
}

impl MoreHistory {
    fn join(mut self, other: Self) -> Self {
        self.slots += other.slots;
        self.same_bits += other.same_bits;
        self.farthest = self.farthest.max(other.farthest);
        self.signals += other.signals;
        self.first = self.first.or(other.first);
        self
    }
}

/// Whether the warm-up is long enough: more history moves no feature visibly and changes no signal.
fn warm(core: &Core, blocks: Blocks, bars: &[TimedBar]) -> Check {
    let strategy = &core.strategy;
    let mut by_block: BTreeMap<i64, &[TimedBar]> = BTreeMap::new();
    for part in bars.chunk_by(|a, b| blocks.of(a.ts) == blocks.of(b.ts)) {
        by_block.insert(blocks.of(part[0].ts), part);
    }
    let all: Vec<i64> = by_block.keys().copied().collect();
    let parts = all.par_iter().map(|block| {
        let of = |block: i64| by_block.get(&block).copied().unwrap_or_default();
        let (own, before, earlier) = (of(*block), of(block - 1), of(block - 2));
        if earlier.is_empty() {
            return MoreHistory::default();
        }
        let longer: Vec<TimedBar> = earlier.iter().chain(before).copied().collect();
        let ours = block_rows(strategy, blocks, before, own);
        let theirs = block_rows(strategy, blocks, &longer, own);
        compare(core, own, &ours, &theirs)
    });
    let parts: Vec<MoreHistory> = parts.collect();
    let MoreHistory { slots, same_bits, farthest, signals, first } =
        parts.into_iter().fold(MoreHistory::default(), MoreHistory::join);
    if slots == 0 {
        let text = "there are not three blocks of bars in a row to compare".to_owned();
        return check("warm-up", Level::Warn, text);
    }
    let text = format!(
        "with one more block of history {same_bits} of {slots} slots keep their bits, no feature moves by more than {farthest:.1e}, {signals} signals change"
    );
    let text = first.map_or(text.clone(), |ts| format!("{text}, the first one at {ts}"));
    let is_fine = signals == 0 && farthest <= FADED_MAX;
    check("warm-up", if is_fine { Level::Ok } else { Level::Warn }, text)
}

fn compare(
    core: &Core,
    bars: &[TimedBar],
    ours: &FeatureRows,
    theirs: &FeatureRows,
) -> MoreHistory {
    let mut found = MoreHistory::default();
    let flat = State::new(&core.rules);
    for ((bar, ours), theirs) in bars.iter().zip(ours.iter()).zip(theirs.iter()) {
        if ours.readiness != Readiness::Ready || theirs.readiness != Readiness::Ready {
            continue;
        }
        found.slots += 1;
        found.same_bits += u64::from(ours.hash == theirs.hash);
        for (a, b) in ours.values.iter().zip(theirs.values) {
            let size = a.abs().max(b.abs());
            if size > 0.0 {
                found.farthest = found.farthest.max((a - b).abs() / size);
            }
        }
        // The distances of stops move with the features; which rule fires must not.
        let signals = core.strategy.signals().at(bar.ts);
        let rule = |row: &FeatureRow<'_>| {
            let inputs = core.inputs(&flat, (bar.ts, &signals), &bar.bar, row);
            match core.strategy.rules().decide(&inputs) {
                Intent::Skip => None,
                Intent::Hold(rule) | Intent::Exit(rule) | Intent::Enter(_, rule, _) => Some(rule),
            }
        };
        if rule(&ours) != rule(&theirs) {
            found.signals += 1;
            found.first = found.first.or(Some(bar.ts));
        }
    }
    found
}

/// Whether anything knew what came after it.
fn blind(core: &Core, bars: &[TimedBar], window: Window, every: u64) -> Check {
    let compute = |bars: &[TimedBar], window: Window| {
        let (degraded, commands) = (BTreeMap::new(), Vec::new());
        let signals = core.strategy.signals().clone();
        let inputs = Inputs { window, bars: bars.to_vec(), degraded, commands, signals };
        let mut rows = Vec::with_capacity(window.slots().unsigned_abs() as usize);
        replay(core, &inputs, AtEnd::Keep, |batch: &Batch| {
            rows.extend(batch.decisions.iter().map(Row::from));
            Ok::<(), std::convert::Infallible>(())
        })?;
        Ok::<_, std::convert::Infallible>(rows)
    };
    let Ok(found) = look_ahead(bars, window, every, compute);
    match found {
        Ok(cuts) => {
            let text = format!(
                "{} slots are the same without the bars after {cuts} cuts, one every {every} slots",
                window.slots()
            );
            check("look-ahead", if cuts > 0 { Level::Ok } else { Level::Warn }, text)
        }
        Err(peek) => {
            let text = format!(
                "slot {} knew what came after {}: {} differ without it",
                peek.ts, peek.cut, peek.what
            );
            check("look-ahead", Level::Fail, text)
        }
    }
}
