//! A replay turned into the bytes of its two ledgers, formatted on all cores and in order.

use rayon::prelude::*;

use super::replay::{Batch, Inputs, replay};
use crate::{
    domain::{decision::Decision, series::Series, trade::TradeEvent},
    engine::{metrics::curve::Point, state::State, step::Core, strategy::Strategy},
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
    /// Equity after each slot.
    pub curve: Vec<Point>,
    /// State after the last slot.
    pub state: State,
}

/// Plays the inputs and delivers the rows. With `close_at_end` an open position is closed at the last known close.
pub fn render<S, E>(
    core: &Core<S>,
    inputs: &Inputs,
    series: &Series,
    close_at_end: bool,
    mut deliver: impl FnMut(&Rows) -> Result<(), E> + Send,
) -> Result<Played, E>
where
    S: Strategy,
    E: Send,
{
    let prefix = SeriesPrefix::new(series);
    let mut rows = 0;
    let mut trades = Vec::new();
    let mut curve = Vec::with_capacity(inputs.window.slots().unsigned_abs() as usize);
    let mut state = replay(core, inputs, |batch: &Batch| {
        rows += batch.decisions.len() as u64;
        trades.extend_from_slice(&batch.trades);
        curve.extend(batch.decisions.iter().map(point));
        deliver(&format(batch, &prefix, series))
    })?;
    if let (true, Some(last)) = (close_at_end, inputs.bars.last()) {
        let known = trades.len();
        state.close_out(inputs.window.last(), last.bar.close(), &core.rules, &mut trades);
        let batch = Batch { decisions: Vec::new(), trades: trades[known..].to_vec() };
        deliver(&format(&batch, &prefix, series))?;
    }
    Ok(Played { rows, trades, curve, state })
}

fn point(decision: &Decision) -> Point {
    Point {
        ts_ms: decision.ts.ts_ms(),
        equity: decision.equity.float(),
        in_position: decision.position.is_some(),
    }
}

fn format(batch: &Batch, prefix: &SeriesPrefix, series: &Series) -> Rows {
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
