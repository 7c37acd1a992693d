//! The lifecycle state the ledger determines: money, position, pending order, risk. No features, no clock.

use xxhash_rust::xxh3::xxh3_64;

use super::{
    account::Book,
    position::{Position, price_of},
    risk::Risk,
    rules::Rules,
    strategy::Protection,
};
use crate::domain::{
    bar::Bar,
    command::Order,
    decision::{Block, Limit, RiskState, Side},
    money::{Money, Price},
    time::SlotTs,
    trade::{CloseReason, TradeEvent},
};

/// An order decided at one slot and filled at the next bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pending {
    Enter { side: Side, rule: &'static str, protection: Protection },
    Exit(CloseReason),
}

/// Everything a decision depends on besides the bars and the rules.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    pub(super) cash: Money,
    /// Result of the open position at the last known close.
    pub(super) open_result: Money,
    pub(super) position: Option<Position>,
    pub(super) pending: Option<Pending>,
    pub(super) risk: Risk,
    /// Whether the slot before was skipped: the strategy was not asked there. The row before says so too, hence it is not hashed.
    pub(super) unasked: bool,
}

impl State {
    /// Flat, with the cash of the rules.
    pub fn new(rules: &Rules) -> Self {
        Self {
            cash: rules.cash,
            open_result: Money::ZERO,
            position: None,
            pending: None,
            risk: Risk::new(rules.cash),
            unasked: false,
        }
    }

    /// Cash plus the open position at its last known close.
    pub fn equity(&self) -> Money {
        if self.position.is_none() { self.cash } else { self.cash + self.open_result }
    }

    /// Side held.
    pub fn side(&self) -> Option<Side> {
        self.position.map(|held| held.side)
    }

    /// Entry price, while in a position.
    pub fn entry_px(&self) -> Option<Price> {
        self.position.map(|held| held.entry_px())
    }

    /// Stop level, while in a position that has one.
    pub fn stop_px(&self) -> Option<Price> {
        self.position.and_then(|held| held.stop).map(|stop| stop.price)
    }

    /// The risk state.
    pub fn risk_state(&self) -> RiskState {
        self.risk.state
    }

    /// The risk state as people read it, with what brought it about: `HALTED (risk:ruin)`.
    pub fn risk_shown(&self) -> String {
        let state = self.risk_state().name();
        match self.latch() {
            Some(limit) => format!("{state} ({})", Block::Risk(limit).name()),
            None => state.to_owned(),
        }
    }

    /// What keeps entries away until an operator resumes.
    pub fn latch(&self) -> Option<Limit> {
        self.risk.latch
    }

    pub(super) fn obey(&mut self, orders: &[Order]) {
        for order in orders {
            self.risk.obey(*order, self.equity());
        }
    }

    /// One bar passes: the pending order fills at its open, then stop and target are tested, then the stop trails.
    pub(super) fn pass(&mut self, ts: SlotTs, bar: &Bar, book: &mut Book<'_>) {
        if self.pending.is_some() {
            self.fill_pending(ts, price_of(bar.open()), book);
        }
        let Some(held) = &mut self.position else { return };
        match held.hit(bar, book.rules.stop_fill) {
            Some(hit) => self.close_at_hit(ts, hit, book),
            None => held.ratchet(bar),
        }
    }

    pub(super) fn mark(&mut self, close: f64) {
        if let Some(held) = &self.position {
            self.open_result = held.gross_at(close);
        }
    }

    /// Closes what is open at the end of a backtest. An order that waits for a bar after the end is dropped with it.
    pub(super) fn close_out(
        &mut self,
        ts: SlotTs,
        close: f64,
        rules: &Rules,
        events: &mut Vec<TradeEvent>,
    ) {
        if self.position.is_some() {
            self.leave(ts, price_of(close), CloseReason::EndOfWindow, &mut Book { rules, events });
            self.pending = None;
        }
    }

    /// Hash of what a restart must not forget and money cannot show: side, entry slot, pending order, cooldown,
    /// stops in a row, risk state and latch, a wanted flattening, and the day's entries where they are limited.
    pub fn residual_hash(&self, ts: SlotTs, rules: &Rules) -> u64 {
        let side = |side: Side| match side {
            Side::Long => 1,
            Side::Short => 2,
        };
        let (held, entry) = self.position.map_or((0, 0), |p| (side(p.side), p.entry.ts_ms()));
        let pending = match self.pending {
            None => 0,
            Some(Pending::Enter { side: wanted, .. }) => side(wanted),
            Some(Pending::Exit(_)) => 3,
        };
        let state = match self.risk.state {
            RiskState::Active => 0,
            RiskState::Reducing => 1,
            RiskState::Halted => 2,
        };
        let latch = match self.risk.latch {
            None => 0,
            Some(Limit::DailyLoss) => 1,
            Some(Limit::Drawdown) => 2,
            Some(Limit::ConsecutiveStops) => 3,
            Some(Limit::Operator) => 4,
            Some(Limit::TradesPerDay) => 5,
            Some(Limit::MaxPosition) => 6,
            Some(Limit::Ruin) => 7,
        };
        let mut bytes = [0_u8; 32];
        bytes[..8].copy_from_slice(&entry.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.risk.cooldown_left(ts).to_le_bytes());
        bytes[16..20].copy_from_slice(&self.risk.stops_in_a_row.to_le_bytes());
        bytes[20..24]
            .copy_from_slice(&self.risk.entries_that_count(ts, &rules.limits).to_le_bytes());
        bytes[24..29].copy_from_slice(&[held, pending, state, latch, u8::from(self.risk.flatten)]);
        xxh3_64(&bytes)
    }
}
