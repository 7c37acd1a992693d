//! The tearsheet: everything a run achieved.

use super::{
    curve::{CurveStats, Point, Start},
    trades::{RoundTrip, TradeStats},
};
use crate::domain::decision::TradeEvent;

/// All figures of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Tearsheet {
    /// Where the curve starts.
    pub start: Start,
    /// Of the equity curve.
    pub curve: CurveStats,
    /// Of the trades.
    pub trades: TradeStats,
}

impl Tearsheet {
    /// From the curve, one point per slot, and the trade events of the same slots. `initial_risk`: see [`TradeStats::of`].
    pub fn of(
        start: Start,
        points: impl IntoIterator<Item = Point>,
        events: &[TradeEvent],
        initial_risk: impl Fn(&RoundTrip) -> Option<f64>,
    ) -> Self {
        let curve = CurveStats::of(start, points);
        Self { start, curve, trades: TradeStats::of(events, initial_risk) }
    }
}
