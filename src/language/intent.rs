//! What a strategy wants at a slot: the order in which its rules are asked, and what an unknown one means.

use super::{
    check::place_of,
    decision::Inputs,
    rule::{Kind, Rule},
    strategy::Strategy,
};
use crate::domain::{decision::Side, reason::Reason};

/// No rule is true.
pub const NO_SIGNAL: Reason = Reason::new("no_signal");
/// An entry is true, and a distance is not a usable one.
pub const NO_RANGE: Reason = Reason::new("no_range");

/// What a strategy wants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Intent {
    /// Nothing is true, and a rule that was asked is unknown: `features_invalid`.
    Skip,
    /// Nothing; the name of a rule of the side that is held, [`NO_SIGNAL`] or [`NO_RANGE`].
    Hold(Reason),
    /// Be flat.
    Exit(Reason),
    /// Hold this side, which is not held yet; reverses if the other one is.
    Enter(Side, Reason, Protection),
}

/// Crosses of exit rules that are made up for; a strategy has at most as many rules.
const STANDING_MAX: usize = 64;

/// Distances from the entry price, in quote currency per unit; above 0 when present.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Protection {
    /// Of the protective stop.
    pub stop: Option<f64>,
    /// Of the profit target.
    pub target: Option<f64>,
    /// Of the trailing stop, behind the best price since entry.
    pub trail: Option<f64>,
    /// How far the best price must be before the trailing stop begins.
    pub trail_from: Option<f64>,
    /// How far the best price must be before the stop moves to the entry price.
    pub break_even_at: Option<f64>,
}

impl Protection {
    /// The distance of the first stop: the smaller of stop and trail.
    pub fn first_stop(&self) -> Option<f64> {
        match (self.stop, self.trail) {
            (Some(stop), Some(trail)) => Some(stop.min(trail)),
            (stop, trail) => stop.or(trail),
        }
    }
}

/// The answers of rules that are asked one after another.
struct Asking<'a> {
    strategy: &'a Strategy,
    inputs: &'a Inputs<'a>,
    /// Whether one of them was unknown.
    unknown: bool,
}

impl Asking<'_> {
    /// The first rule of a kind and side that is true.
    fn first(&mut self, kind: Kind, side: Side) -> Option<Rule> {
        let plan = &self.strategy.0;
        for (rule, root) in plan.rules.iter().zip(&plan.roots) {
            if rule.kind != kind || !rule.sides.allow(side) {
                continue;
            }
            let truth = plan.decision.value(*root, self.inputs);
            if truth == 1.0 {
                return Some(*rule);
            }
            self.unknown |= truth.is_nan();
        }
        None
    }

    fn flat(mut self) -> Intent {
        let plan = &self.strategy.0;
        for (rule, root) in plan.rules.iter().zip(&plan.roots) {
            if rule.kind != Kind::Enter {
                continue;
            }
            let truth = plan.decision.value(*root, self.inputs);
            if truth == 1.0 {
                let side = side_of(rule);
                return match self.strategy.protection(side, self.inputs) {
                    Some(protection) => Intent::Enter(side, rule.name, protection),
                    None => Intent::Hold(NO_RANGE),
                };
            }
            self.unknown |= truth.is_nan();
        }
        self.nothing(false)
    }

    fn held(mut self, side: Side) -> Intent {
        let other = side.opposite();
        let reversal = self.first(Kind::Enter, other);
        if let Some(rule) = reversal
            && let Some(protection) = self.strategy.protection(other, self.inputs)
        {
            return Intent::Enter(other, rule.name, protection);
        }
        if let Some(rule) = self.first(Kind::Exit, side) {
            return Intent::Exit(rule.name);
        }
        match self.first(Kind::Enter, side) {
            Some(rule) => Intent::Hold(rule.name),
            None => self.nothing(reversal.is_some()),
        }
    }

    fn nothing(&self, without_range: bool) -> Intent {
        if without_range {
            Intent::Hold(NO_RANGE)
        } else if self.unknown {
            Intent::Skip
        } else {
            Intent::Hold(NO_SIGNAL)
        }
    }
}

fn side_of(entry: &Rule) -> Side {
    if entry.sides.allow(Side::Long) { Side::Long } else { Side::Short }
}

impl Strategy {
    /// What it wants at the close of a slot. In a position: the first true entry of the other side reverses, else the first true
    /// exit leaves, else the first true entry of the side held names the row. Flat: the first true entry enters.
    pub fn decide(&self, inputs: &Inputs<'_>) -> Intent {
        let asking = Asking { strategy: self, inputs, unknown: false };
        match inputs.ledger.held {
            Some(held) => asking.held(held.side),
            None => asking.flat(),
        }
    }

    /// The states that the crosses of its exit rules lead to, as they are now: a bit for each.
    pub fn standing(&self, inputs: &Inputs<'_>) -> u64 {
        let plan = &self.0;
        let due = |root| plan.decision.value(root, inputs) == 1.0;
        let bits = plan.overdue.iter().take(STANDING_MAX).enumerate();
        bits.filter(|(_, (_, root))| due(*root)).fold(0, |bits, (n, _)| bits | 1 << n)
    }

    /// The exit by which a position of this side should have been left already: its cross came and went at slots at which nothing was
    /// asked. `since` has the bits of [`Strategy::standing`] that are new since the last slot that was asked.
    pub fn overdue(&self, side: Side, since: u64) -> Option<Reason> {
        let plan = &self.0;
        let bits = plan.overdue.iter().take(STANDING_MAX).enumerate();
        let mut due =
            bits.filter(|(n, (at, _))| since & (1 << n) != 0 && plan.rules[*at].sides.allow(side));
        due.next().map(|(_, (at, _))| plan.rules[*at].name)
    }

    /// The first true entry of a long and the first of a short position, where both sides have one.
    pub fn contested(&self, inputs: &Inputs<'_>) -> Option<(Reason, Reason)> {
        let mut asking = Asking { strategy: self, inputs, unknown: false };
        let long = asking.first(Kind::Enter, Side::Long)?;
        let short = asking.first(Kind::Enter, Side::Short)?;
        Some((long.name, short.name))
    }

    /// What each of its rules says: 1 true, 0 false, NaN unknown.
    pub fn truths(&self, inputs: &Inputs<'_>) -> Vec<f64> {
        self.0.roots.iter().map(|root| self.0.decision.value(*root, inputs)).collect()
    }

    /// The distances of a position entered now; `None` where one of them is not usable.
    pub(super) fn protection(&self, side: Side, inputs: &Inputs<'_>) -> Option<Protection> {
        let close = inputs.bar.close();
        let mut distances = [None; 5];
        for (distance, root) in distances.iter_mut().zip(self.0.protect[place_of(side)]) {
            let Some(root) = root else { continue };
            let value = self.0.decision.value(root, inputs);
            if value.is_nan() || value <= 0.0 {
                return None;
            }
            *distance = Some(value);
        }
        let [stop, target, trail, trail_from, break_even_at] = distances;
        let protection = Protection { stop, target, trail, trail_from, break_even_at };
        let within = |distance: Option<f64>| distance.is_none_or(|distance| distance < close);
        (within(stop) && within(trail)).then_some(protection)
    }
}
