//! Features over the stored bars: finite when warm, near enough to what others compute, and blind to what comes later.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::{
    checklist::{CheckItem, Level},
    domain::{
        bar::TimedBar,
        decision::{Decision, Reason},
        time::{SlotTs, Window},
    },
    engine::{
        anchor::{Anchored, Blocks, FeatureRow, FeatureRows, Readiness, block_rows},
        state::State,
        step::Core,
        strategy::Strategy,
    },
    jobs::{context::Context, engine_setup::engine_setup, models::ModelSource},
    language::Intent,
    manifest::{CheckJob, CheckPart, StopFill},
    session::replay::{AtEnd, Batch, ReplayRequest, replay},
    store::raw::RawStore,
};

/// What is compared of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookaheadRow {
    pub ts: SlotTs,
    /// Hash of its features.
    pub features: Option<u64>,
    /// What was decided, and why.
    pub decision: (&'static str, Reason),
    /// Hash of the state behind it.
    pub state: u64,
}

impl From<&Decision> for LookaheadRow {
    fn from(decision: &Decision) -> Self {
        Self {
            ts: decision.ts,
            features: decision.feat_hash,
            decision: (decision.action.name(), decision.reason),
            state: decision.state_hash,
        }
    }
}

/// A slot that knew what came after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookaheadSlot {
    pub ts: SlotTs,
    /// The last slot whose bar it was allowed to know in the second run.
    pub cut: SlotTs,
    /// What differs.
    pub what: String,
}

/// The bars steps of all runs together that take seconds.
const STEPS_MAX: u64 = 20_000_000;

/// How far the cuts may lie apart, in slots, so that all runs together take seconds. Of a short series every slot is tried.
pub fn default_every(slots: u64) -> u64 {
    // A cut costs half the series on average.
    (slots.saturating_mul(slots) / (2 * STEPS_MAX)).max(1)
}

/// Cuts the bars after every `every`th slot, computes the rows anew, and compares them all with those of the full run.
/// Returns the number of cuts, or the first slot that peeked.
pub fn look_ahead<E>(
    bars: &[TimedBar],
    window: Window,
    every: u64,
    compute: impl Fn(&[TimedBar], Window) -> Result<Vec<LookaheadRow>, E>,
) -> Result<Result<u64, LookaheadSlot>, E> {
    let full = compute(bars, window)?;
    let step = usize::try_from(every.max(1)).unwrap_or(usize::MAX);
    let mut cuts = 0;
    for cut in window.iter().skip(step - 1).step_by(step).take_while(|cut| *cut < window.last()) {
        let known = bars.partition_point(|bar| bar.ts <= cut);
        let short = Window::new(window.first(), cut).expect("a cut is inside the window");
        let rows = compute(&bars[..known], short)?;
        if let Some(peek) = first_difference(&full, &rows, cut) {
            return Ok(Err(peek));
        }
        cuts += 1;
    }
    Ok(Ok(cuts))
}

fn first_difference(
    full: &[LookaheadRow],
    rows: &[LookaheadRow],
    cut: SlotTs,
) -> Option<LookaheadSlot> {
    let wanted = full.iter().take_while(|row| row.ts <= cut).count();
    if wanted != rows.len() {
        let what = format!("{} rows instead of {wanted}", rows.len());
        return Some(LookaheadSlot { ts: cut, cut, what });
    }
    let (with, without) = full.iter().zip(rows).find(|(with, without)| with != without)?;
    let what = if with.features != without.features {
        "features".to_owned()
    } else if with.decision == without.decision {
        "state".to_owned()
    } else {
        let text = |(action, reason): (&str, Reason)| format!("{action} ({reason})");
        format!("decision: {} became {}", text(without.decision), text(with.decision))
    };
    Some(LookaheadSlot { ts: with.ts, cut, what })
}

/// How far a feature may be from what one more block of history gives, as a share of its size. The warm-up leaves the oldest
/// bar a weight of a quarter of a percent at most.
const FADED_MAX: f64 = 0.0025;

/// All of them, on the bars as they are stored.
pub fn features(context: &Context<'_>, job: &CheckJob) -> Vec<CheckItem> {
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

fn check(name: &'static str, level: Level, value: String) -> CheckItem {
    CheckItem::new(name, level, value).part(CheckPart::Features.name())
}

/// A strategy's value that is not a number stops its decisions. It may never happen on possible bars.
fn finite(strategy: &Strategy, blocks: Blocks, bars: &[TimedBar]) -> CheckItem {
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
fn warm(core: &Core, blocks: Blocks, bars: &[TimedBar]) -> CheckItem {
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
fn blind(core: &Core, bars: &[TimedBar], window: Window, every: u64) -> CheckItem {
    let compute = |bars: &[TimedBar], window: Window| {
        let (degraded, commands) = (BTreeMap::new(), Vec::new());
        let signals = core.strategy.signals().clone();
        let inputs = ReplayRequest { window, bars: bars.to_vec(), degraded, commands, signals };
        let mut rows = Vec::with_capacity(window.slots().unsigned_abs() as usize);
        replay(core, &inputs, AtEnd::Keep, |batch: &Batch| {
            rows.extend(batch.decisions.iter().map(LookaheadRow::from));
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::{domain::time::Timeframe, exchange::feed};

    fn window() -> Window {
        let slot = |n: i64| Timeframe::M5.slot(1_704_067_200_000 + n * 300_000).unwrap();
        Window::new(slot(1), slot(200)).unwrap()
    }

    /// Rows whose features hash the bar `ahead` bars after their own.
    fn rows(bars: &[TimedBar], ahead: usize) -> Vec<LookaheadRow> {
        let row = |(n, bar): (usize, &TimedBar)| LookaheadRow {
            ts: bar.ts,
            features: bars.get(n + ahead).map(|bar| bar.bar.close().to_bits()),
            decision: ("hold", Reason::new("no_signal")),
            state: 0,
        };
        bars.iter().enumerate().map(row).collect()
    }

    fn test(
        every: u64,
        compute: impl Fn(&[TimedBar]) -> Vec<LookaheadRow>,
    ) -> Result<u64, LookaheadSlot> {
        let bars = feed::seeded_bars(7, window());
        let compute = |bars: &[TimedBar], _: Window| Ok::<_, Infallible>(compute(bars));
        let Ok(found) = look_ahead(&bars, window(), every, compute);
        found
    }

    #[test]
    fn what_looks_back_only_passes_at_every_cut() {
        assert_eq!(test(1, |bars| rows(bars, 0)), Ok(199));
        assert_eq!(test(50, |bars| rows(bars, 0)), Ok(3));
    }

    #[test]
    fn a_feature_that_peeks_at_the_next_bar_is_caught_and_its_slot_named() {
        let peek = test(50, |bars| rows(bars, 1)).unwrap_err();
        let cut = window().first().plus(49);
        assert_eq!((peek.ts, peek.cut, peek.what.as_str()), (cut, cut, "features"));
    }

    #[test]
    fn a_decision_that_depends_on_the_lowest_close_of_all_is_caught() {
        // Like a strategy that normalises with the whole series: the features of each slot are the same, the decisions are not.
        let bottom =
            |bars: &[TimedBar]| bars.iter().map(|bar| bar.bar.close()).fold(f64::MAX, f64::min);
        let peek = test(10, |bars| {
            let bottom = bottom(bars);
            let mut all = rows(bars, 0);
            for (row, bar) in all.iter_mut().zip(bars) {
                if bar.bar.close() <= bottom {
                    row.decision = ("enter_long", Reason::new("at_the_bottom"));
                }
            }
            all
        });
        let peek = peek.unwrap_err();
        assert_eq!(peek.what, "decision: enter_long (at_the_bottom) became hold (no_signal)");
        assert!(peek.ts <= peek.cut && peek.cut < window().last());
    }

    #[test]
    fn a_state_that_knows_how_many_bars_will_come_is_caught() {
        let peek = test(100, |bars| {
            let mut all = rows(bars, 0);
            for row in &mut all {
                row.state = bars.len() as u64;
            }
            all
        });
        assert_eq!(peek.unwrap_err().what, "state");
        let missing = test(100, |bars| rows(&bars[..bars.len().min(90)], 0));
        assert_eq!(missing, Ok(1), "rows that are missing in both runs are no peek");
        let late = test(100, |bars| rows(&bars[usize::from(bars.len() > 150)..], 0));
        assert!(late.unwrap_err().what.contains("rows instead of"));
    }

    #[test]
    fn the_cuts_of_a_long_series_lie_apart() {
        assert_eq!((default_every(1_000), default_every(1_000_000)), (1, 25_000));
    }
}
