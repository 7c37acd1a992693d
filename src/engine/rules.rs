//! The rules a run is played by: fills, stops, costs, size, limits. All explicit, all from the manifest.

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        decision::Block,
        money::{Grain, Money},
    },
    setting::{Dec, words},
};

/// The smallest order of any venue is worth more than this, in any quote currency.
const ORDER_MIN: Money = Money::ten_thousandths(1);

/// More than any account has; a larger value of a position counts as this one.
const VALUE_MAX: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);

words! {
    /// When a signal is filled.
    FillAt {
        /// Decided at a close, filled at the open of the next bar.
        NextOpen = "next_open",
        /// Filled at the close it was decided at.
        Close = "close",
    }
}

words! {
    /// At which price a stop is filled when the bar opens beyond it.
    StopFill {
        /// At the stop where the bar trades there, else at the open; a stop of a position that trails is never better than the open.
        AtStop = "at-stop",
        /// At the open.
        ThroughOpen = "through-open",
    }
}

words! {
    /// What a tripped limit does.
    OnTrip {
        /// No entries until an operator resumes; exits go on.
        Reduce = "reduce",
        /// No decisions until an operator resumes; stops go on.
        Halt = "halt",
    }
}

/// Limits that block entries. A limit without a value does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Limits {
    /// Slots after a stop in which nothing is entered.
    pub cooldown_bars: u32,
    /// Largest loss over the last 24 hours, in the quote currency.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub daily_loss_max: Option<Dec>,
    /// Largest fall of the equity from its peak, in percent.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 100))]
    pub drawdown_max_pct: Option<Dec>,
    /// Stops hit in a row.
    #[schemars(range(min = 1))]
    pub consecutive_stops_max: Option<u32>,
    /// Entries in one UTC day.
    #[schemars(range(min = 1))]
    pub trades_per_day_max: Option<u32>,
    /// Largest position, in the quote currency.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub position_max: Option<Dec>,
    /// What a tripped limit does.
    pub on_trip: OnTrip,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cooldown_bars: 0,
            daily_loss_max: None,
            drawdown_max_pct: None,
            consecutive_stops_max: None,
            trades_per_day_max: None,
            position_max: None,
            on_trip: OnTrip::Reduce,
        }
    }
}

/// Everything the step needs to know besides the strategy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// When signals are filled.
    pub fill_at: FillAt,
    /// Where stops are filled.
    pub stop_fill: StopFill,
    /// Fee of every fill, in basis points of its value.
    pub fee_bps: Decimal,
    /// Adverse slippage of entries, exits and stops, in basis points of the price; none on targets.
    pub slippage_bps: Decimal,
    /// Cash at the start.
    pub cash: Money,
    /// Value of one position at entry.
    pub notional: Money,
    /// How many times the equity a position may be worth at entry.
    pub leverage: Decimal,
    /// Slots without a hole that a decision needs behind it.
    pub cadence_bars: u32,
    /// The limits.
    pub limits: Limits,
}

impl Rules {
    /// What amounts are rounded to.
    pub(super) fn grain(&self) -> Grain {
        Grain::of(self.notional)
    }

    /// So many percent of an equity, so many times, rounded to the grain. What is too large for a number is more than any account has.
    pub(super) fn share(&self, equity: Money, percent: Decimal, times: Decimal) -> Money {
        let share = equity.get().checked_mul(percent / Decimal::ONE_HUNDRED);
        let value =
            share.and_then(|share| share.checked_mul(times)).filter(|value| *value <= VALUE_MAX);
        Money::rounded(value.unwrap_or(VALUE_MAX), self.grain())
    }

    /// The most a position may be worth at entry, with this equity.
    pub(super) fn value_max(&self, equity: Money) -> Money {
        let cash = equity.times(self.leverage).max(Money::ZERO);
        self.limits.position_max.map_or(cash, |most| cash.min(most.money()))
    }

    /// Who vetoes an entry of this value, with this equity.
    pub(super) fn size_veto(&self, value: Money, equity: Money) -> Option<Block> {
        if value > equity.times(self.leverage) {
            Some(Block::Cash)
        } else {
            (value <= ORDER_MIN).then_some(Block::Size)
        }
    }
}
