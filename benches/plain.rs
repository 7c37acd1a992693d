//! The plain rules that benchmarks run with.

use mjolnir::{
    domain::money::Money,
    engine::rules::{FillAt, Limits, OnTrip, Rules, StopFill},
};
use rust_decimal::Decimal;

/// No limits, ten basis points of fee.
pub fn rules() -> Rules {
    Rules {
        fill_at: FillAt::NextOpen,
        stop_fill: StopFill::ThroughOpen,
        fee_bps: Decimal::TEN,
        slippage_bps: Decimal::ZERO,
        cash: Money::new(Decimal::from(10_000)),
        notional: Money::new(Decimal::from(1_000)),
        leverage: Decimal::ONE,
        cadence_bars: 12,
        limits: Limits {
            cooldown_bars: 0,
            daily_loss: None,
            drawdown_pct: None,
            consecutive_stops: None,
            trades_per_day: None,
            position: None,
            on_trip: OnTrip::Reduce,
        },
    }
}
