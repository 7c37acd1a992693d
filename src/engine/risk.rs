//! Risk states and limits: a pure function of what was traded and what operators ordered. A trip latches until `resume`.

use std::collections::VecDeque;

use rust_decimal::Decimal;

use super::rules::{Limits, OnTrip};
use crate::{
    domain::{
        command::CommandKind,
        decision::{Block, Limit, RiskState},
        money::Money,
        time::{DAY_MS, SlotTs},
    },
    setting::Dec,
};

/// What the limits have to remember.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Risk {
    pub(super) state: RiskState,
    pub(super) latch: Option<Limit>,
    pub(super) stops_in_a_row: u32,
    pub(super) cooldown_until: Option<SlotTs>,
    /// An operator, or ruin, wants the position closed.
    pub(super) flatten: bool,
    pub(super) entries_day: i64,
    pub(super) entries: u32,
    pub(super) peak: Money,
    /// Realised results of the last 24 hours, oldest first.
    pub(super) realised: VecDeque<(SlotTs, Money)>,
}

impl Risk {
    pub(super) fn new(cash: Money) -> Self {
        Self {
            state: RiskState::Active,
            latch: None,
            stops_in_a_row: 0,
            cooldown_until: None,
            flatten: false,
            entries_day: 0,
            entries: 0,
            peak: cash,
            realised: VecDeque::new(),
        }
    }

    pub(super) fn obey(&mut self, order: CommandKind, equity: Money) {
        match order {
            // Strategies know their models, and what is revoked never comes here; no risk changes.
            CommandKind::Model(_) | CommandKind::Revoke(_) => {}
            CommandKind::Halt => self.set(RiskState::Halted),
            CommandKind::Reduce => self.set(self.state.max(RiskState::Reducing)),
            CommandKind::Flatten => {
                self.set(RiskState::Halted);
                self.flatten = true;
            }
            CommandKind::Resume => {
                self.state = RiskState::Active;
                self.latch = None;
                self.flatten = false;
                self.stops_in_a_row = 0;
                self.peak = equity;
                self.realised.clear();
            }
        }
    }

    fn set(&mut self, state: RiskState) {
        self.state = state;
        self.latch = Some(Limit::Operator);
    }

    pub(super) fn entered(&mut self, ts: SlotTs) {
        let day = ts.close().day();
        self.entries = if day == self.entries_day { self.entries + 1 } else { 1 };
        self.entries_day = day;
    }

    pub(super) fn booked(&mut self, ts: SlotTs, result: Money, limits: &Limits) {
        if limits.daily_loss_max.is_some() {
            self.realised.push_back((ts, result));
        }
    }

    pub(super) fn stopped(&mut self, ts: SlotTs, limits: &Limits) {
        self.stops_in_a_row += 1;
        self.cooldown_until = Some(ts.plus(i64::from(limits.cooldown_bars)));
    }

    /// Trips the limits that are exceeded at this slot.
    #[inline]
    pub(super) fn check(&mut self, ts: SlotTs, equity: Money, open_result: Money, limits: &Limits) {
        self.peak = self.peak.max(equity);
        if equity <= Money::ZERO {
            // Nothing is left to trade with: whatever the limits say, the account is closed.
            self.state = RiskState::Halted;
            self.latch = Some(Limit::Ruin);
            self.flatten = true;
            return;
        }
        if self.state != RiskState::Active {
            return;
        }
        let tripped = if limits.daily_loss_max.is_some() && self.lost(ts, open_result, limits) {
            Limit::DailyLoss
        } else if limits.drawdown_max_pct.is_some() && self.drawn_down(equity, limits) {
            Limit::Drawdown
        } else if limits.consecutive_stops_max.is_some_and(|most| self.stops_in_a_row >= most) {
            Limit::ConsecutiveStops
        } else {
            return;
        };
        self.latch = Some(tripped);
        self.state = match limits.on_trip {
            OnTrip::Reduce => RiskState::Reducing,
            OnTrip::Halt => RiskState::Halted,
        };
    }

    fn lost(&mut self, ts: SlotTs, open_result: Money, limits: &Limits) -> bool {
        let Some(most) = limits.daily_loss_max.map(Dec::money) else { return false };
        while self.realised.front().is_some_and(|(at, _)| at.ts_ms() <= ts.ts_ms() - DAY_MS) {
            self.realised.pop_front();
        }
        let result = self.realised.iter().fold(open_result, |sum, (_, result)| sum + *result);
        -result >= most
    }

    fn drawn_down(&self, equity: Money, limits: &Limits) -> bool {
        let Some(most_pct) = limits.drawdown_max_pct.map(Dec::get) else { return false };
        if self.peak <= equity || self.peak <= Money::ZERO {
            return false;
        }
        (self.peak - equity).times(Decimal::ONE_HUNDRED) >= self.peak.times(most_pct)
    }

    /// Who vetoes an entry at this slot.
    pub(super) fn veto(&self, ts: SlotTs, value: Money, limits: &Limits) -> Option<Block> {
        if self.state != RiskState::Active {
            return Some(Block::Risk(self.latch.unwrap_or(Limit::Operator)));
        }
        if self.cooldown_left(ts) > 0 {
            return Some(Block::Cooldown);
        }
        let today = if ts.close().day() == self.entries_day { self.entries } else { 0 };
        if limits.trades_per_day_max.is_some_and(|most| today >= most) {
            return Some(Block::Risk(Limit::TradesPerDay));
        }
        limits
            .position_max
            .is_some_and(|most| value > most.money())
            .then_some(Block::Risk(Limit::MaxPosition))
    }

    /// Slots in which entries are still vetoed, this one included.
    pub(super) fn cooldown_left(&self, ts: SlotTs) -> i64 {
        // A cooldown that is over is not divided by the length of a slot.
        self.cooldown_until
            .filter(|until| until.ts_ms() > ts.ts_ms())
            .map_or(0, |until| until.since(ts))
    }

    /// Entries of this UTC day, where a limit makes them matter.
    pub(super) fn entries_that_count(&self, ts: SlotTs, limits: &Limits) -> u32 {
        let counts = limits.trades_per_day_max.is_some() && ts.close().day() == self.entries_day;
        if counts { self.entries } else { 0 }
    }
}
