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
            daily_loss_max: None,
            drawdown_max_pct: None,
            consecutive_stops_max: None,
            trades_per_day_max: None,
            position_max: None,
            on_trip: OnTrip::Reduce,
        },
    }
}
