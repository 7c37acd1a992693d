//! The lifecycle state the ledger determines: money, position, pending order, risk. No features, no clock.

use xxhash_rust::xxh3::xxh3_64;

use super::{
    account::Book,
    position::{Position, price_of},
    risk::Risk,
    rules::Rules,
};
use crate::{
    domain::{
        bar::Bar,
        command::CommandKind,
        decision::{Block, Limit, Reason, RiskState, Side},
        money::{Money, Price},
        time::SlotTs,
        trade::{CloseReason, TradeEvent},
    },
    language::{BARS_SINCE_EXIT_MAX, Held, Ledger, Protection},
};

/// An order decided at one slot and filled at the next bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pending {
    /// `value` is what the position will be worth, in quote currency.
    Enter {
        side: Side,
        rule: Reason,
        value: Money,
        protection: Protection,
    },
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
    /// The slot whose bar the last position ended in.
    pub(super) last_exit: Option<SlotTs>,
    /// Whether the slot before was skipped: the strategy was not asked there. The row before says so too, hence it is not hashed.
    pub(super) unasked: bool,
    /// The states behind the crosses of exit rules, as they were at the last slot that was asked. They follow from bars and rows.
    pub(super) stood: u64,
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
            last_exit: None,
            unasked: false,
            stood: 0,
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

    pub(super) fn obey(&mut self, orders: &[CommandKind]) {
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

    /// What rules may ask of the ledger at a slot.
    pub fn ledger(&self, ts: SlotTs) -> Ledger {
        let held = self.position.map(|held| Held {
            side: held.side,
            entry_px: held.entry_px(),
            best_px: held.best,
            bars: u32::try_from(ts.since(held.entry)).unwrap_or(u32::MAX),
            first_stop: held.first_stop,
        });
        Ledger {
            held,
            bars_since_exit: self.bars_since_exit(ts),
            stops_in_a_row: self.risk.stops_in_a_row,
            equity: self.equity(),
        }
    }

    /// Slots since the last exit, as far as they are counted.
    fn bars_since_exit(&self, ts: SlotTs) -> u32 {
        let since = self.last_exit.and_then(|exit| u32::try_from(ts.since(exit)).ok());
        since.unwrap_or(BARS_SINCE_EXIT_MAX).min(BARS_SINCE_EXIT_MAX)
    }

    /// Hash of what a restart must not forget and money cannot show: side, entry slot, pending order, cooldown,
    /// stops in a row, risk state and latch, a wanted flattening, the day's entries where they are limited, and the bars since the last
    /// exit where a rule counts them.
    pub fn residual_hash(&self, ts: SlotTs, rules: &Rules, counts_exit: bool) -> u64 {
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
        if counts_exit {
            let since = self.bars_since_exit(ts).to_le_bytes();
            return xxh3_64(&[bytes.as_slice(), since.as_slice()].concat());
        }
        xxh3_64(&bytes)
    }
}
