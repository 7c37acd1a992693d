//! A recorded window played through the engine: features by block in parallel, steps in order, and the bytes of the two ledgers.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::{
    domain::{
        bar::{Bar, TimedBar},
        command::Command,
        decision::{Action, Block, Decision, Degraded, Reason, RiskState, TradeEvent},
        series::Series,
        time::{DAY_MS, SlotTs, Window},
    },
    engine::{
        anchor::{Blocks, FeatureRows, RowsInOrder, block_rows},
        metrics::curve::{CurveStats, CurveWalk, Point, Start},
        signals::Signals,
        slot::{Slot, SlotMaker},
        state::State,
        step::{Core, Moment},
    },
    language::{Intent, NO_SIGNAL},
    store::rows::table::{SeriesPrefix, push_decision, push_trade},
};

/// Slots stepped between two deliveries: enough to keep every core busy, little to keep in memory.
const SLOTS_AT_ONCE: i64 = 16_384;

/// Everything a replay depends on besides strategy and rules.
#[derive(Debug, Clone)]
pub struct ReplayRequest {
    /// The slots to decide.
    pub window: Window,
    /// The bars, sorted and unique: those of the window and, before it, as many as the features reach back. The first of them, where
    /// the others are read later.
    pub bars: Vec<TimedBar>,
    /// Slots that were hindered from outside.
    pub degraded: BTreeMap<i64, Degraded>,
    /// Operator commands, in the order of appending.
    pub commands: Vec<Command>,
    /// The lines of programs, where the strategy reads signals.
    pub signals: Signals,
}

/// Decisions and trade events of consecutive slots.
#[derive(Debug, Default)]
pub struct Batch {
    /// One per slot.
    pub decisions: Vec<Decision>,
    /// In order.
    pub trades: Vec<TradeEvent>,
    /// Slots at which entry rules of both sides were true, with the first one of each side. Only a replay of a backtest looks.
    pub contested: Vec<(SlotTs, Reason, Reason)>,
}

/// What becomes of a position that is open after the last slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtEnd {
    /// It stays open.
    Keep,
    /// It is closed at the last known close, in the row of the last slot.
    Close,
}

/// Reads bars that a replay comes to: adds those up to a slot, perhaps some more, behind the ones that were added before.
pub type ReadBars<'a, E> = &'a mut (dyn FnMut(SlotTs, &mut Vec<TimedBar>) -> Result<(), E> + Send);

/// Plays the window and hands over the rows, batch by batch and in order. While one batch is delivered the next is made.
/// Returns the state after the last slot.
pub fn replay<E, F>(
    core: &Core,
    inputs: &ReplayRequest,
    at_end: AtEnd,
    deliver: F,
) -> Result<State, E>
where
    E: Send,
    F: FnMut(&Batch) -> Result<(), E> + Send,
{
    replay_reading(core, (inputs, None), at_end, deliver)
}

/// The same, with bars that are read when it comes to them.
pub fn replay_reading<E, F>(
    core: &Core,
    (inputs, more): (&ReplayRequest, Option<ReadBars<'_, E>>),
    at_end: AtEnd,
    mut deliver: F,
) -> Result<State, E>
where
    E: Send,
    F: FnMut(&Batch) -> Result<(), E> + Send,
{
    let (first, last) = (inputs.window.first(), inputs.window.last());
    let mut player =
        Player::new(core, first, inputs.commands.clone()).hearing(inputs.signals.clone());
    player.looks = core.strategy.rules().has_both_sides();
    let mut near = more.map(|read| NearBars { bars: inputs.bars.clone(), read });
    let mut from = first;
    let mut next_batch = || -> Result<Option<Batch>, E> {
        let to = from.plus(SLOTS_AT_ONCE - 1).min(last);
        let Ok(window) = Window::new(from, to) else { return Ok(None) };
        let bars = match &mut near {
            Some(near) => near.upto(to, player.needs_from_ms(from))?,
            None => &inputs.bars,
        };
        let mut batch = player.play(window, bars, &inputs.degraded);
        if to == last && at_end == AtEnd::Close {
            player.close_out(&mut batch);
        }
        from = to.next();
        Ok(Some(batch))
    };
    let mut ready = Batch::default();
    loop {
        let (delivered, next) = rayon::join(|| deliver(&ready), &mut next_batch);
        delivered?;
        match next? {
            Some(batch) => ready = batch,
            None => break,
        }
    }
    Ok(player.state)
}

/// Bars that are read, without those that nothing that comes can depend on.
struct NearBars<'a, E> {
    bars: Vec<TimedBar>,
    read: ReadBars<'a, E>,
}

impl<E> NearBars<'_, E> {
    /// Those up to a slot, from an open time on or earlier.
    fn upto(&mut self, to: SlotTs, from_ms: i64) -> Result<&[TimedBar], E> {
        let gone = self.bars.partition_point(|bar| bar.ts.open_ms() < from_ms);
        // What stays is moved, so it is done when that is the smaller part.
        if gone * 2 >= self.bars.len() {
            self.bars.drain(..gone);
        }
        (self.read)(to, &mut self.bars)?;
        Ok(&self.bars)
    }
}

/// A replay under way: it plays windows that follow each other.
#[derive(Clone)]
pub struct Player<'a> {
    core: &'a Core,
    blocks: Blocks,
    state: State,
    maker: SlotMaker,
    /// The last close the engine was given.
    close: Option<f64>,
    /// Whether it looks for slots at which rules of both sides are true.
    looks: bool,
}

impl<'a> Player<'a> {
    /// Before the slot `first`.
    pub fn new(core: &'a Core, first: SlotTs, commands: Vec<Command>) -> Self {
        Self {
            core,
            blocks: core.blocks(first.timeframe()),
            state: State::new(&core.rules),
            maker: SlotMaker::new(commands),
            close: None,
            looks: false,
        }
    }

    /// The same with the lines of programs.
    pub fn hearing(self, signals: Signals) -> Self {
        Self { maker: self.maker.hearing(signals), ..self }
    }

    /// Behind the slot `last`, with the state there and the slots whose bars are held back.
    pub fn behind(
        core: &'a Core,
        last: SlotTs,
        commands: Vec<Command>,
        (state, held): (State, Vec<SlotTs>),
    ) -> Self {
        let maker = SlotMaker::behind(commands, last, held);
        Self { state, maker, ..Self::new(core, last, Vec::new()) }
    }

    /// The state behind the last slot.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Slots whose bars are held back.
    pub fn held(&self) -> &[SlotTs] {
        self.maker.held()
    }

    /// Plays the slots of a window. `bars` are sorted and unique: those of the window, as many before it as the features reach back,
    /// and those of slots whose bars are held back.
    pub fn play(
        &mut self,
        window: Window,
        bars: &[TimedBar],
        degraded: &BTreeMap<i64, Degraded>,
    ) -> Batch {
        let (start, rows) = self.features(window, bars);
        let mut rows = RowsInOrder::of(&rows);
        let mut batch = Batch {
            decisions: Vec::with_capacity(window.slots().unsigned_abs() as usize),
            trades: vec![],
            contested: vec![],
        };
        let rules = self.core.strategy.rules();
        let (mut cursor, mut ts) = (start, window.first());
        while ts <= window.last() {
            let found = bars.get(cursor).filter(|bar| bar.ts == ts);
            let cause = if degraded.is_empty() { None } else { degraded.get(&ts.ts_ms()).copied() };
            let slot = match found {
                Some(bar) if cause.is_none() && self.maker.has_nothing_else() => {
                    Slot::plain(ts, bar.bar)
                }
                found => {
                    self.maker.make(ts, found.map(|bar| bar.bar), cause, |ts| bar_at(bars, ts))
                }
            };
            // The row of a bar that is held back is passed over with it.
            let row = found.and_then(|_| rows.next());
            let features = slot.bar().and(row);
            let Batch { trades, contested, .. } = &mut batch;
            // Two sides can be true only where one of them is.
            let mut watch = |moment: &Moment<'_>, intent: &Intent| {
                if self.looks
                    && *intent != Intent::Skip
                    && *intent != Intent::Hold(NO_SIGNAL)
                    && let Some((long, short)) = rules.contested(&moment.inputs())
                {
                    contested.push((ts, long, short));
                }
            };
            let seen = (&slot, features.as_ref());
            let row = self.core.step_watched(&mut self.state, seen, trades, &mut watch);
            batch.decisions.push(row);
            cursor += usize::from(found.is_some());
            ts = ts.next();
        }
        let closes = batch.decisions.iter().rev().find_map(|row| row.close);
        self.close = closes.or(self.close);
        batch
    }

    /// Closes what is open behind the last slot of a batch, at the last known close.
    fn close_out(&mut self, batch: &mut Batch) {
        if let (Some(close), Some(row)) = (self.close, batch.decisions.pop()) {
            let row = self.core.close_out(&mut self.state, row, close, &mut batch.trades);
            batch.decisions.push(row);
        }
    }

    /// Open time of the oldest bar that the slot `next` and those after it can depend on.
    pub fn needs_from_ms(&self, next: SlotTs) -> i64 {
        let anchor_ms = self.blocks.anchor_ms(next);
        self.maker.held().first().map_or(anchor_ms, |oldest| oldest.open_ms().min(anchor_ms))
    }

    /// Where the bars of a window begin, and their features block by block, each computed from its own anchor.
    fn features(&self, window: Window, all: &[TimedBar]) -> (usize, Vec<FeatureRows>) {
        let range = all.partition_point(|bar| bar.ts < window.first())
            ..all.partition_point(|bar| bar.ts <= window.last());
        let own = &all[range.clone()];
        assert!(own.is_sorted_by(|a, b| a.ts.ts_ms() < b.ts.ts_ms()), "bars are sorted and unique");
        let Some(newest) = own.last() else { return (range.start, Vec::new()) };
        let (from, to) = (self.blocks.of(all[range.start].ts), self.blocks.of(newest.ts));
        let open_ms = |block: i64| block * self.blocks.block_ms();
        let start_of = |block: i64| all.partition_point(|bar| bar.ts.open_ms() < open_ms(block));
        // Where the block before the first begins, the first, and so on up to the end of the last.
        let starts: Vec<usize> = (from - 1..=to + 1).map(start_of).collect();
        let rows = starts
            .par_windows(3)
            .map(|starts| {
                let (own, end) = (starts[1].max(range.start), starts[2].min(range.end));
                block_rows(&self.core.strategy, self.blocks, &all[starts[0]..own], &all[own..end])
            })
            .collect();
        (range.start, rows)
    }
}

fn bar_at(bars: &[TimedBar], ts: SlotTs) -> Option<Bar> {
    bars.binary_search_by_key(&ts, |bar| bar.ts).ok().map(|at| bars[at].bar)
}

/// Rows formatted by one task.
const ROWS_PER_TASK: usize = 2_048;
/// Room for one row of `decisions.csv`.
const ROW_BYTES: usize = 192;

/// Bytes of consecutive rows.
#[derive(Debug, Default)]
pub struct RowBytes {
    /// Pieces of `decisions.csv`, in order.
    pub decisions: Vec<Vec<u8>>,
    /// A piece of `trades.csv`.
    pub trades: Vec<u8>,
}

/// What a replay came to.
#[derive(Debug, Clone)]
pub struct ReplayOutcome {
    /// Decision rows.
    pub rows: u64,
    /// All trade events.
    pub trades: Vec<TradeEvent>,
    /// Where the account began: at the open of the first slot.
    pub start: Start,
    /// Figures of the equity after each slot.
    pub curve: CurveStats,
    /// Equity at the end of each UTC day.
    pub days: Vec<f64>,
    /// Since which slot risk is in the state it ends in; `None` when that is ACTIVE.
    pub tripped: Option<(RiskState, SlotTs)>,
    /// How often entry rules of both sides were true at one slot, by the first one of each side, and the first such slot.
    pub contested: BTreeMap<(Reason, Reason), (u64, SlotTs)>,
    /// Slots at which no rule was asked, by reason.
    pub skipped: BTreeMap<Reason, u64>,
    /// Entries that were vetoed, by what vetoed them.
    pub blocked: BTreeMap<Block, u64>,
    /// The first position whose stop was further away than half of its price, and that part.
    pub far_stop: Option<(SlotTs, f64)>,
    /// State after the last slot.
    pub state: State,
}

/// A stop further away than this part of the price was probably written as a price and not as a distance.
const FAR: f64 = 0.5;

/// Plays the inputs and delivers the rows.
pub fn render<E>(
    core: &Core,
    inputs: &ReplayRequest,
    series: &Series,
    at_end: AtEnd,
    deliver: impl FnMut(&RowBytes) -> Result<(), E> + Send,
) -> Result<ReplayOutcome, E>
where
    E: Send,
{
    render_reading(core, (inputs, None), series, at_end, deliver)
}

/// The same, with bars that are read when it comes to them.
pub fn render_reading<E>(
    core: &Core,
    (inputs, more): (&ReplayRequest, Option<ReadBars<'_, E>>),
    series: &Series,
    at_end: AtEnd,
    mut deliver: impl FnMut(&RowBytes) -> Result<(), E> + Send,
) -> Result<ReplayOutcome, E>
where
    E: Send,
{
    let prefix = SeriesPrefix::new(series);
    let mut rows = 0;
    let mut trades = Vec::new();
    let mut tripped = None;
    let mut contested: BTreeMap<(Reason, Reason), (u64, SlotTs)> = BTreeMap::new();
    let (mut skipped, mut blocked) = (BTreeMap::new(), BTreeMap::new());
    let (mut far_stop, mut last_entry) = (None, None);
    let start = Start { ts_ms: inputs.window.first().open_ms(), equity: core.rules.cash.float() };
    // Walked and not kept: a point for every slot would grow with the years.
    let (mut curve, mut days) = (CurveWalk::new(start), Vec::new());
    let state = replay_reading(core, (inputs, more), at_end, |batch: &Batch| {
        rows += batch.decisions.len() as u64;
        trades.extend_from_slice(&batch.trades);
        for point in batch.decisions.iter().map(point) {
            curve.take(point);
            if point.ts_ms % DAY_MS == 0 {
                days.push(point.equity);
            }
        }
        batch.decisions.iter().for_each(|row| tripped = since(tripped, row));
        for row in &batch.decisions {
            if row.action == Action::Skip {
                *skipped.entry(row.reason).or_default() += 1;
            }
            if let Some(block) = row.blocked_by {
                *blocked.entry(block).or_default() += 1;
            }
            // The first stop of a position is where it is furthest away: later rows are not looked at.
            let entered = row.entry_px.filter(|entry| last_entry != Some(*entry));
            last_entry = row.entry_px;
            if far_stop.is_none() && entered.is_some() {
                far_stop = far(row);
            }
        }
        for (ts, long, short) in &batch.contested {
            contested.entry((*long, *short)).or_insert((0, *ts)).0 += 1;
        }
        deliver(&format(batch, &prefix, series))
    })?;
    let (curve, _) = curve.finish();
    Ok(ReplayOutcome {
        rows,
        trades,
        start,
        curve,
        days,
        tripped,
        contested,
        skipped,
        blocked,
        far_stop,
        state,
    })
}

/// How far the stop of a row is from the entry, as a part of it, where that is far.
fn far(row: &Decision) -> Option<(SlotTs, f64)> {
    let (entry, stop) = (row.entry_px?.float(), row.stop_px?.float());
    let part = (entry - stop).abs() / entry;
    (part > FAR).then_some((row.ts, part))
}

/// The risk state of a row and its first slot, after that of the row before; `None` for ACTIVE.
fn since(before: Option<(RiskState, SlotTs)>, row: &Decision) -> Option<(RiskState, SlotTs)> {
    match row.risk_state {
        RiskState::Active => None,
        state => before.filter(|(held, _)| *held == state).or(Some((state, row.ts))),
    }
}

fn point(decision: &Decision) -> Point {
    Point {
        ts_ms: decision.ts.ts_ms(),
        equity: decision.equity.float(),
        in_position: decision.position.is_some(),
    }
}

/// The rows of a batch as bytes, formatted on all cores.
pub fn format(batch: &Batch, prefix: &SeriesPrefix, series: &Series) -> RowBytes {
    let decisions = batch
        .decisions
        .par_chunks(ROWS_PER_TASK)
        .map(|part| {
            let mut out = Vec::with_capacity(part.len() * ROW_BYTES);
            for decision in part {
                push_decision(&mut out, prefix, decision);
            }
            out
        })
        .collect();
    let mut trades = Vec::new();
    batch.trades.iter().for_each(|trade| push_trade(&mut trades, prefix, series, trade));
    RowBytes { decisions, trades }
}
