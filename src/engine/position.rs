//! A position and its protection: stop, target, trailing stop.

use rust_decimal::Decimal;

use super::rules::StopFill;
use crate::{
    domain::{
        bar::Bar,
        decision::{CloseReason, Side},
        money::{Money, Price, Qty, Stake},
        time::SlotTs,
    },
    language::Protection,
};

/// A price level, kept exact and as the float bars are compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PriceLevel {
    pub(super) price: Price,
    float: f64,
}

impl PriceLevel {
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
    pub(super) stop: Option<PriceLevel>,
    pub(super) target: Option<PriceLevel>,
    pub(super) trail: Option<Decimal>,
    /// How far the best price must be from the entry before the stop trails; always, without it.
    pub(super) trail_from: Option<Decimal>,
    /// How far the best price must be from the entry before the stop moves to the entry.
    pub(super) break_even_at: Option<Decimal>,
    /// The best price of the bars it has survived, or the entry.
    pub(super) best: f64,
    /// Distance of the first stop; what a result is measured in.
    pub(super) first_stop: Option<f64>,
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
        let Protection { stop, target, trail, trail_from, break_even_at } = *protection;
        let exact = |distance: Option<f64>| stake.entry().distance(distance?);
        let first_stop = stop.into_iter().chain(trail).min_by(f64::total_cmp);
        let behind = |distance: Decimal| match side {
            Side::Long => stake.entry().moved(-distance),
            Side::Short => stake.entry().moved(distance),
        };
        let level = |distance: Option<Decimal>| distance.and_then(behind).map(PriceLevel::new);
        let (trail, trail_from) = (exact(trail), exact(trail_from));
        let trails_now = trail.filter(|_| trail_from.is_none());
        let stop = tighter(side, level(exact(stop)), level(trails_now));
        let target = level(exact(target).map(|distance| -distance));
        let (break_even_at, best) = (exact(break_even_at), stake.entry().float());
        Self {
            side,
            entry,
            stake,
            stop,
            target,
            trail,
            trail_from,
            break_even_at,
            best,
            first_stop,
        }
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
    #[inline]
    pub(super) fn hit(&self, bar: &Bar, stop_fill: StopFill) -> Option<Hit> {
        let (is_stopped, has_arrived) = match self.side {
            Side::Long => (
                self.stop.as_ref().is_some_and(|stop| bar.low() <= stop.float),
                self.target.as_ref().is_some_and(|target| bar.high() >= target.float),
            ),
            Side::Short => (
                self.stop.as_ref().is_some_and(|stop| bar.high() >= stop.float),
                self.target.as_ref().is_some_and(|target| bar.low() <= target.float),
            ),
        };
        if is_stopped || has_arrived { self.ends(bar, stop_fill) } else { None }
    }

    /// The same for a bar that reaches the stop or the target.
    #[cold]
    fn ends(&self, bar: &Bar, stop_fill: StopFill) -> Option<Hit> {
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
                // A stop that moves lies where the price was a moment ago: filling it there after a jump would be a gift.
                StopFill::AtStop => gap && (self.moves() || !stop.lies_within(bar)),
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

    /// Whether its stop can move.
    fn moves(&self) -> bool {
        self.trail.is_some() || self.break_even_at.is_some()
    }

    /// Takes in the best price of a bar the position has survived, and moves the stop: to the entry where the best price is far
    /// enough, and behind the best price where it trails.
    #[inline]
    pub(super) fn ratchet(&mut self, bar: &Bar) {
        self.best = self.best_with(bar);
        if self.moves() {
            self.tighten();
        }
    }

    /// The best price with that of a bar.
    #[inline]
    fn best_with(&self, bar: &Bar) -> f64 {
        // Without branches: at what bars a price is the best so far cannot be foreseen.
        match self.side {
            Side::Long => greater(bar.high(), self.best),
            Side::Short => -greater(-bar.low(), -self.best),
        }
    }

    /// Survives a bar at which its stop does not move; false, and nothing is changed, at any other. Without a better price than before
    /// the stop is where it was.
    #[inline]
    pub(super) fn drifts(&mut self, bar: &Bar, stop_fill: StopFill) -> bool {
        let best = self.best_with(bar);
        if self.hit(bar, stop_fill).is_some() || self.moves() && best != self.best {
            return false;
        }
        self.best = best;
        true
    }

    fn tighten(&mut self) {
        let ahead = match self.side {
            Side::Long => Decimal::ONE,
            Side::Short => Decimal::NEGATIVE_ONE,
        };
        let (entry, best) = (self.entry_px(), price_of(self.best));
        let is_far = |distance: Decimal| {
            entry.moved(distance * ahead).is_some_and(|level| match self.side {
                Side::Long => best >= level,
                Side::Short => best <= level,
            })
        };
        if self.break_even_at.is_some_and(is_far) {
            self.stop = tighter(self.side, self.stop, Some(PriceLevel::new(entry)));
        }
        if let Some(trail) = self.trail
            && self.trail_from.is_none_or(is_far)
        {
            self.stop =
                tighter(self.side, self.stop, best.moved(-trail * ahead).map(PriceLevel::new));
        }
    }

    /// Gross result at a price.
    pub(super) fn gross(&self, price: Price) -> Money {
        self.signed(self.stake.gain(price))
    }

    /// Gross result at the close of a bar.
    #[inline]
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

#[inline]
fn greater(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

fn tighter(side: Side, one: Option<PriceLevel>, other: Option<PriceLevel>) -> Option<PriceLevel> {
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
