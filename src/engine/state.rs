//! The lifecycle state the ledger determines: money, position, pending order, risk. No features, no clock.

use xxhash_rust::xxh3::xxh3_64;

use super::{
    account::FillContext,
    position::{Position, price_of},
    risk::Risk,
    rules::Rules,
};
use crate::{
    domain::{
        bar::Bar,
        command::CommandKind,
        decision::{Block, CloseReason, Limit, Reason, RiskState, Side, TradeEvent},
        money::{Money, Price},
        time::SlotTs,
    },
    language::{BARS_SINCE_EXIT_MAX, Held, LedgerState, Protection},
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
    pub(super) residue: Residue,
}

/// The hash of the last row, and what it was made of: at most slots that is the same again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Residue {
    words: [u64; 4],
    since: Option<u32>,
    hash: u64,
}

impl Residue {
    /// Words that no state has.
    pub(super) const NONE: Self = Self { words: [u64::MAX; 4], since: None, hash: 0 };

    fn hash(words: [u64; 4], since: Option<u32>) -> u64 {
        let words = words.map(u64::to_le_bytes);
        match since {
            Some(since) => xxh3_64(&[words.as_flattened(), &since.to_le_bytes()].concat()),
            None => xxh3_64(words.as_flattened()),
        }
    }
}

/// What is kept to save time is not part of a state.
impl PartialEq for Residue {
    fn eq(&self, _: &Self) -> bool {
        true
    }
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
            residue: Residue::NONE,
        }
    }

    /// Cash plus the open position at its last known close.
    #[inline]
    pub fn equity(&self) -> Money {
        if self.position.is_none() { self.cash } else { self.cash + self.open_result }
    }

    /// Side held.
    pub fn side(&self) -> Option<Side> {
        self.position.as_ref().map(|held| held.side)
    }

    /// Entry price, while in a position.
    pub fn entry_px(&self) -> Option<Price> {
        self.position.as_ref().map(Position::entry_px)
    }

    /// Stop level, while in a position that has one.
    pub fn stop_px(&self) -> Option<Price> {
        self.position.as_ref().and_then(|held| held.stop.as_ref()).map(|stop| stop.price)
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
    #[inline]
    pub(super) fn pass(&mut self, ts: SlotTs, bar: &Bar, book: &mut FillContext<'_>) {
        if self.pending.is_some() {
            self.fill_pending(ts, price_of(bar.open()), book);
        }
        let Some(held) = &mut self.position else { return };
        match held.hit(bar, book.rules.stop_fill) {
            Some(hit) => self.close_at_hit(ts, hit, book),
            None => held.ratchet(bar),
        }
    }

    #[inline]
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
            self.leave(
                ts,
                price_of(close),
                CloseReason::EndOfWindow,
                &mut FillContext { rules, events },
            );
            self.pending = None;
        }
    }

    /// What rules may ask of the ledger at a slot.
    #[inline]
    pub fn ledger(&self, ts: SlotTs) -> LedgerState {
        let held = self.position.as_ref().map(|held| Held {
            side: held.side,
            entry_px: held.entry_px(),
            best_px: held.best,
            bars: u32::try_from(ts.since(held.entry)).unwrap_or(u32::MAX),
            first_stop: held.first_stop,
        });
        LedgerState {
            held,
            bars_since_exit: self.bars_since_exit(ts),
            stops_in_a_row: self.risk.stops_in_a_row,
            equity: self.equity(),
        }
    }

    /// Slots since the last exit, as far as they are counted.
    #[inline]
    fn bars_since_exit(&self, ts: SlotTs) -> u32 {
        let since = self.last_exit.and_then(|exit| u32::try_from(ts.since(exit)).ok());
        since.unwrap_or(BARS_SINCE_EXIT_MAX).min(BARS_SINCE_EXIT_MAX)
    }

    /// Hash of what a restart must not forget and money cannot show: side, entry slot, pending order, cooldown,
    /// stops in a row, risk state and latch, a wanted flattening, the day's entries where they are limited, and the bars since the last
    /// exit where a rule counts them.
    pub fn residual_hash(&self, ts: SlotTs, rules: &Rules, counts_exit: bool) -> u64 {
        let since = counts_exit.then(|| self.bars_since_exit(ts));
        Residue::hash(self.words(ts, rules), since)
    }

    /// The same, where it is asked for slot by slot.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "what is compared stays in registers")]
    pub(super) fn residual_hash_kept(
        &mut self,
        ts: SlotTs,
        rules: &Rules,
        counts_exit: bool,
    ) -> u64 {
        let since = counts_exit.then(|| self.bars_since_exit(ts));
        let words = self.words(ts, rules);
        let kept = &self.residue.words;
        let changes = words.iter().zip(kept).fold(0, |changes, (now, kept)| changes | (now ^ kept));
        if changes != 0 || since != self.residue.since {
            self.residue = Residue { words, since, hash: Residue::hash(words, since) };
        }
        self.residue.hash
    }

    /// What the residual hash is made of.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "what is compared stays in registers")]
    fn words(&self, ts: SlotTs, rules: &Rules) -> [u64; 4] {
        let side = |side: Side| match side {
            Side::Long => 1,
            Side::Short => 2,
        };
        let (held, entry) =
            self.position.as_ref().map_or((0, 0), |p| (side(p.side), p.entry.ts_ms()));
        let pending = match &self.pending {
            None => 0,
            Some(Pending::Enter { side: wanted, .. }) => side(*wanted),
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
        let entries = self.risk.entries_that_count(ts, &rules.limits);
        [
            entry as u64,
            self.risk.cooldown_left(ts) as u64,
            u64::from(self.risk.stops_in_a_row) | u64::from(entries) << 32,
            held | pending << 8 | state << 16 | latch << 24 | u64::from(self.risk.flatten) << 32,
        ]
    }
}
