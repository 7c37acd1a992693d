//! A position and its protection: stop, target, trailing stop.

use rust_decimal::Decimal;

use super::{rules::StopFill, strategy::Protection};
use crate::domain::{
    bar::Bar,
    decision::Side,
    money::{Money, Price, Qty, Stake, decimal},
    time::SlotTs,
    trade::CloseReason,
};

/// A price level, kept exact and as the float bars are compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Level {
    pub(super) price: Price,
    float: f64,
}

impl Level {
    fn new(price: Price) -> Self {
        Self { price, float: price.float() }
    }
}

/// An open position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Position {
    pub(super) side: Side,
    /// The slot whose bar it was entered in.
    pub(super) entry: SlotTs,
    pub(super) entry_px: Price,
    pub(super) qty: Qty,
    stake: Stake,
    pub(super) stop: Option<Level>,
    target: Option<Level>,
    trail: Option<Decimal>,
}

/// How a bar ends a position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Hit {
    pub(super) price: Price,
    pub(super) reason: CloseReason,
    pub(super) ambiguous: bool,
}

impl Position {
    pub(super) fn open(
        side: Side,
        entry: SlotTs,
        entry_px: Price,
        qty: Qty,
        protection: &Protection,
    ) -> Self {
        let behind = |distance: Decimal| match side {
            Side::Long => Price::new(entry_px.get() - distance),
            Side::Short => Price::new(entry_px.get() + distance),
        };
        let level = |distance: Option<Decimal>| distance.and_then(behind).map(Level::new);
        let trail = protection.trail.and_then(decimal);
        let stop = level(protection.stop.and_then(decimal));
        let trailing = level(trail);
        let target = level(protection.target.and_then(decimal).map(|distance| -distance));
        let (stake, stop) = (Stake::new(entry_px, qty), tighter(side, stop, trailing));
        Self { side, entry, entry_px, qty, stake, stop, target, trail }
    }

    /// Whether this bar ends the position. Touch is inclusive; of stop and target in one bar the stop comes first.
    pub(super) fn hit(&self, bar: &Bar, stop_fill: StopFill) -> Option<Hit> {
        let (stop_hit, gap, target_hit) = match self.side {
            Side::Long => (
                self.stop.filter(|stop| bar.low() <= stop.float),
                self.stop.is_some_and(|stop| bar.open() < stop.float),
                self.target.filter(|target| bar.high() >= target.float),
            ),
            Side::Short => (
                self.stop.filter(|stop| bar.high() >= stop.float),
                self.stop.is_some_and(|stop| bar.open() > stop.float),
                self.target.filter(|target| bar.low() <= target.float),
            ),
        };
        if let Some(stop) = stop_hit {
            let ambiguous = target_hit.is_some() && !gap;
            let (price, reason) = match stop_fill {
                StopFill::ThroughOpen if gap => (price_of(bar.open()), CloseReason::StopGap),
                StopFill::ThroughOpen | StopFill::AtStop => (stop.price, CloseReason::StopHit),
            };
            return Some(Hit { price, reason, ambiguous });
        }
        let target = target_hit?;
        Some(Hit { price: target.price, reason: CloseReason::TargetHit, ambiguous: false })
    }

    /// Moves a trailing stop behind the best price of a bar the position has survived.
    pub(super) fn ratchet(&mut self, bar: &Bar) {
        let Some(trail) = self.trail else { return };
        let moved = match self.side {
            Side::Long => Price::new(price_of(bar.high()).get() - trail),
            Side::Short => Price::new(price_of(bar.low()).get() + trail),
        };
        self.stop = tighter(self.side, self.stop, moved.map(Level::new));
    }

    /// Gross result at a price.
    pub(super) fn gross(&self, price: Price) -> Money {
        self.signed(self.stake.gain(price))
    }

    /// Gross result at the close of a bar.
    pub(super) fn gross_at(&self, close: f64) -> Money {
        let gain = self.stake.gain_at(close);
        self.signed(gain.expect("a bar's prices lie in the range of exact prices"))
    }

    fn signed(&self, gain: Money) -> Money {
        match self.side {
            Side::Long => gain,
            Side::Short => -gain,
        }
    }
}

/// The price a float of a bar stands for.
pub(super) fn price_of(value: f64) -> Price {
    Price::from_float(value).expect("a bar's prices lie in the range of exact prices")
}

fn tighter(side: Side, one: Option<Level>, other: Option<Level>) -> Option<Level> {
    match (one, other) {
        (Some(a), Some(b)) => {
            let keep_a = match side {
                Side::Long => a.price >= b.price,
                Side::Short => a.price <= b.price,
            };
            Some(if keep_a { a } else { b })
        }
        (a, b) => a.or(b),
    }
}
