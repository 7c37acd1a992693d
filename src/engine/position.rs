//! A position and its protection: stop, target, trailing stop.

use rust_decimal::Decimal;

use super::{rules::StopFill, strategy::Protection};
use crate::domain::{
    bar::Bar,
    decision::Side,
    money::{Money, Price, Qty},
    stake::Stake,
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
    pub(super) fn new(price: Price) -> Self {
        Self { price, float: price.float() }
    }

    /// Whether the bar traded at it.
    fn lies_within(self, bar: &Bar) -> bool {
        bar.low() <= self.float && self.float <= bar.high()
    }
}

/// An open position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Position {
    pub(super) side: Side,
    /// The slot whose bar it was entered in.
    pub(super) entry: SlotTs,
    pub(super) stake: Stake,
    pub(super) stop: Option<Level>,
    pub(super) target: Option<Level>,
    pub(super) trail: Option<Decimal>,
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
        (side, entry): (Side, SlotTs),
        stake: Stake,
        protection: &Protection,
    ) -> Self {
        let Protection { stop, target, trail } = *protection;
        let exact = |distance: Option<f64>| stake.entry().distance(distance?);
        let behind = |distance: Decimal| match side {
            Side::Long => stake.entry().moved(-distance),
            Side::Short => stake.entry().moved(distance),
        };
        let level = |distance: Option<Decimal>| distance.and_then(behind).map(Level::new);
        let trail = exact(trail);
        let stop = tighter(side, level(exact(stop)), level(trail));
        let target = level(exact(target).map(|distance| -distance));
        Self { side, entry, stake, stop, target, trail }
    }

    /// Price it was entered at.
    pub(super) fn entry_px(&self) -> Price {
        self.stake.entry()
    }

    /// How much is held.
    pub(super) fn qty(&self) -> Qty {
        self.stake.qty()
    }

    /// Whether this bar ends the position. Touch is inclusive; of stop and target in one bar the stop comes first. The price is
    /// one of the bar's: a level that the bar has jumped over was not to be had.
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
            let at_open = match stop_fill {
                StopFill::ThroughOpen => gap,
                // A stop that trails lies where the price was a moment ago: filling it there after a jump would be a gift.
                StopFill::AtStop => gap && (self.trail.is_some() || !stop.lies_within(bar)),
            };
            let (price, reason) = if at_open {
                (price_of(bar.open()), CloseReason::StopGap)
            } else {
                (stop.price, CloseReason::StopHit)
            };
            return Some(Hit { price, reason, ambiguous });
        }
        let target = target_hit?;
        let price = match self.side {
            _ if target.lies_within(bar) => target.price,
            Side::Long => price_of(bar.low()),
            Side::Short => price_of(bar.high()),
        };
        Some(Hit { price, reason: CloseReason::TargetHit, ambiguous: false })
    }

    /// Moves a trailing stop behind the best price of a bar the position has survived.
    pub(super) fn ratchet(&mut self, bar: &Bar) {
        let Some(trail) = self.trail else { return };
        let moved = match self.side {
            Side::Long => price_of(bar.high()).moved(-trail),
            Side::Short => price_of(bar.low()).moved(trail),
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
