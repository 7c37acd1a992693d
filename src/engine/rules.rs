//! The rules a run is played by: fills, stops, costs, size, limits. All explicit, all from the manifest.

use rust_decimal::Decimal;

use crate::domain::{
    decision::Block,
    money::{Grain, Money},
};

/// The smallest order of any venue is worth more than this, in any quote currency.
const ORDER_MIN: Money = Money::ten_thousandths(1);

/// More than any account has; a larger value of a position counts as this one.
const VALUE_MAX: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);

/// When a signal is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FillAt {
    /// Decided at close t, filled at the open of the next bar, booked when that bar is closed.
    NextOpen,
    /// Filled at the close it was decided on.
    Close,
}

/// At which price a touched stop fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopFill {
    /// At the stop where the bar reaches it; at the open where it does not, or where a stop that trails was jumped over.
    AtStop,
    /// At the open when the bar opens beyond the stop, else at the stop.
    ThroughOpen,
}

/// What a tripped limit does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnTrip {
    /// Exits only, until an operator resumes.
    Reduce,
    /// No decisions, until an operator resumes.
    Halt,
}

/// The limits of the risk states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Slots after a stop, its own included, in which entries are vetoed.
    pub cooldown_bars: u32,
    /// Largest loss over the rolling last 24 hours: realised plus open.
    pub daily_loss: Option<Money>,
    /// Largest fall of the equity from its peak, in percent of the peak.
    pub drawdown_pct: Option<Decimal>,
    /// Stops in a row.
    pub consecutive_stops: Option<u32>,
    /// Entries in one UTC day.
    pub trades_per_day: Option<u32>,
    /// Largest value of one position.
    pub position: Option<Money>,
    /// What a latching limit does when it trips.
    pub on_trip: OnTrip,
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

    /// Who vetoes an entry of this value, with this equity.
    pub(super) fn size_veto(&self, value: Money, equity: Money) -> Option<Block> {
        if value > equity.times(self.leverage) {
            Some(Block::Cash)
        } else {
            (value <= ORDER_MIN).then_some(Block::Size)
        }
    }
}
