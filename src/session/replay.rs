//! A recorded window played through the engine: features by block in parallel, steps in order, the same bits at any number of threads.

use std::{collections::BTreeMap, ops::Range};

use rayon::prelude::*;

use crate::{
    domain::{
        bar::{Bar, TimedBar},
        command::Command,
        decision::{Decision, Degraded},
        time::{SlotTs, Window},
        trade::TradeEvent,
    },
    engine::{
        anchor::{Blocks, FeatureRow, block_rows},
        slot::SlotMaker,
        state::State,
        step::Core,
        strategy::{Strategy, Values},
    },
};

/// Slots stepped between two deliveries: enough to keep every core busy, little to keep in memory.
const SLOTS_AT_ONCE: i64 = 16_384;

/// Everything a replay depends on besides strategy and rules.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// The slots to decide.
    pub window: Window,
    /// The bars, sorted and unique: those of the window and, before it, as many as the features reach back.
    pub bars: Vec<TimedBar>,
    /// Slots that were hindered from outside.
    pub degraded: BTreeMap<i64, Degraded>,
    /// Operator commands, in the order of appending.
    pub commands: Vec<Command>,
}

/// Decisions and trade events of consecutive slots.
#[derive(Debug, Default)]
pub struct Batch {
    /// One per slot.
    pub decisions: Vec<Decision>,
    /// In order.
    pub trades: Vec<TradeEvent>,
}

/// What becomes of a position that is open after the last slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtEnd {
    /// It stays open.
    Keep,
    /// It is closed at the last known close, in the row of the last slot.
    Close,
}

/// Plays the window and hands over the rows, batch by batch and in order. While one batch is delivered the next is made.
/// Returns the state after the last slot.
pub fn replay<S, E, F>(
    core: &Core<S>,
    inputs: &Inputs,
    at_end: AtEnd,
    mut deliver: F,
) -> Result<State, E>
where
    S: Strategy,
    E: Send,
    F: FnMut(&Batch) -> Result<(), E> + Send,
{
    let mut player = Player::new(core, inputs, at_end);
    let mut ready = Batch::default();
    loop {
        let (delivered, next) = rayon::join(|| deliver(&ready), || player.next_batch());
        delivered?;
        match next {
            Some(batch) => ready = batch,
            None => return Ok(player.state),
        }
    }
}

struct Player<'a, S: Strategy> {
    core: &'a Core<S>,
    inputs: &'a Inputs,
    blocks: Blocks,
    state: State,
    maker: SlotMaker,
    next: SlotTs,
    at_end: AtEnd,
    /// The last close the engine was given.
    close: Option<f64>,
}

impl<'a, S: Strategy> Player<'a, S> {
    fn new(core: &'a Core<S>, inputs: &'a Inputs, at_end: AtEnd) -> Self {
        let first = inputs.window.first();
        assert!(inputs.bars.is_sorted_by(|a, b| a.ts < b.ts), "bars are sorted and unique");
        Self {
            core,
            inputs,
            blocks: core.blocks(first.timeframe()),
            state: State::new(&core.rules),
            maker: SlotMaker::new(inputs.commands.clone()),
            next: first,
            at_end,
            close: None,
        }
    }

    fn next_batch(&mut self) -> Option<Batch> {
        let last = self.inputs.window.last();
        if self.next > last {
            return None;
        }
        let end = self.next.plus(SLOTS_AT_ONCE - 1).min(last);
        let (bars, rows) = self.features(self.next, end);
        let mut batch = Batch {
            decisions: Vec::with_capacity(end.since(self.next) as usize + 1),
            trades: vec![],
        };
        let mut cursor = bars.start;
        while self.next <= end {
            let ts = self.next;
            let found = self.inputs.bars.get(cursor).filter(|bar| bar.ts == ts);
            let degraded = self.inputs.degraded.get(&ts.ts_ms()).copied();
            let slot = self
                .maker
                .make(ts, found.map(|bar| bar.bar), degraded, |ts| bar_at(&self.inputs.bars, ts));
            let features = slot.bar().map(|_| &rows[cursor - bars.start]);
            self.close = slot.bar().map(Bar::close).or(self.close);
            let row = self.core.step(&mut self.state, &slot, features, &mut batch.trades);
            batch.decisions.push(match (self.at_end, self.close) {
                (AtEnd::Close, Some(close)) if ts == last => {
                    self.core.close_out(&mut self.state, row, close, &mut batch.trades)
                }
                (AtEnd::Close | AtEnd::Keep, _) => row,
            });
            cursor += usize::from(found.is_some());
            self.next = ts.next();
        }
        Some(batch)
    }

    /// The bars from `first` to `last` and their features, each block computed from its own anchor.
    fn features(&self, first: SlotTs, last: SlotTs) -> (Range<usize>, Vec<FeatureRow<Values<S>>>) {
        let all = &self.inputs.bars;
        let range =
            all.partition_point(|bar| bar.ts < first)..all.partition_point(|bar| bar.ts <= last);
        let Some(newest) = all[range.clone()].last() else { return (range, Vec::new()) };
        let (from, to) = (self.blocks.of(all[range.start].ts), self.blocks.of(newest.ts));
        let start_of = |block: i64| all.partition_point(|bar| self.blocks.of(bar.ts) < block);
        let rows: Vec<Vec<_>> = (from..=to)
            .into_par_iter()
            .map(|block| {
                let (before, start) = (start_of(block - 1), start_of(block));
                let (own, end) = (start.max(range.start), start_of(block + 1).min(range.end));
                let mut rows = block_rows(
                    &self.core.strategy,
                    self.blocks,
                    &all[before..start],
                    &all[start..end],
                );
                rows.drain(..own - start);
                rows
            })
            .collect();
        (range, rows.concat())
    }
}

fn bar_at(bars: &[TimedBar], ts: SlotTs) -> Option<Bar> {
    bars.binary_search_by_key(&ts, |bar| bar.ts).ok().map(|at| bars[at].bar)
}
