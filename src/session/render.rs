//! A replay turned into the bytes of its two ledgers, formatted on all cores and in order.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::replay::{AtEnd, Batch, Inputs, replay};
use crate::{
    domain::{
        decision::{Action, Block, Decision, Reason, RiskState},
        series::Series,
        time::SlotTs,
        trade::TradeEvent,
    },
    engine::{
        metrics::curve::{CurveStats, Point, Start, Walk},
        state::State,
        step::Core,
    },
    store::rows::encode::{SeriesPrefix, push_decision, push_trade},
};

/// Rows formatted by one task.
const ROWS_PER_TASK: usize = 2_048;
/// Room for one row of `decisions.csv`.
const ROW_BYTES: usize = 192;

/// Bytes of consecutive rows.
#[derive(Debug, Default)]
pub struct Rows {
    /// Pieces of `decisions.csv`, in order.
    pub decisions: Vec<Vec<u8>>,
    /// A piece of `trades.csv`.
    pub trades: Vec<u8>,
}

/// What a replay came to.
#[derive(Debug, Clone)]
pub struct Played {
    /// Decision rows.
    pub rows: u64,
    /// All trade events.
    pub trades: Vec<TradeEvent>,
    /// Where the account began: at the open of the first slot.
    pub start: Start,
    /// Figures of the equity after each slot.
    pub curve: CurveStats,
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
    inputs: &Inputs,
    series: &Series,
    at_end: AtEnd,
    mut deliver: impl FnMut(&Rows) -> Result<(), E> + Send,
) -> Result<Played, E>
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
    let mut curve = Walk::new(start);
    let state = replay(core, inputs, at_end, |batch: &Batch| {
        rows += batch.decisions.len() as u64;
        trades.extend_from_slice(&batch.trades);
        batch.decisions.iter().map(point).for_each(|point| curve.take(point));
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
    Ok(Played { rows, trades, start, curve, tripped, contested, skipped, blocked, far_stop, state })
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
pub fn format(batch: &Batch, prefix: &SeriesPrefix, series: &Series) -> Rows {
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
    Rows { decisions, trades }
}
