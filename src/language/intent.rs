//! What a strategy wants at a slot: the order in which its rules are asked, and what an unknown one means.

use super::{
    check::place_of,
    decision::{DecisionInputs, Root},
    rule::{Kind, Rule},
    strategy::{CheckedStrategy, Plan},
};
use crate::domain::decision::{Reason, Side};

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

/// What is known of a strategy at slots at which every condition that depends on bars alone is false.
#[derive(Debug, Clone)]
pub struct Hush {
    /// The place of the value that is 0 at these slots.
    pub place: usize,
    /// Whether then no rule is left to be asked: flat, long, short.
    is_left_alone: [bool; 3],
    /// The places of the states behind crosses of exits, with a bit for each.
    stands_at: Vec<(usize, u64)>,
}

impl Hush {
    const fn at(held: Option<Side>) -> usize {
        match held {
            None => 0,
            Some(Side::Long) => 1,
            Some(Side::Short) => 2,
        }
    }

    /// Whether no rule is left to be asked with this position.
    #[inline]
    pub const fn says_nothing(&self, held: Option<Side>) -> bool {
        self.is_left_alone[Self::at(held)]
    }

    /// What [`CheckedStrategy::standing_of`] says of these values.
    #[inline]
    pub fn standing(&self, value: impl Fn(usize) -> f64) -> u64 {
        let bits = self.stands_at.iter();
        bits.fold(0, |bits, (at, bit)| if value(*at) == 1.0 { bits | bit } else { bits })
    }
}

/// Crosses of exit rules that are made up for; a strategy has at most as many rules.
const STANDING_MAX: usize = 64;

/// The places of these states among the values with a bit for each, where all of them are there.
pub(super) fn stands_at(overdue: &[(usize, Root)]) -> Option<Vec<(usize, u64)>> {
    let bits = overdue.iter().take(STANDING_MAX).enumerate();
    let places = bits.map(|(n, (_, root))| match root {
        Root::Value(at) => Some((usize::from(*at), 1 << n)),
        Root::Node(_) => None,
    });
    places.collect()
}

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

/// A rule that is asked: where its condition is, and its place.
type Question = (Root, usize);

/// The rules that are asked, and those that are left where every condition that depends on bars alone is false.
#[derive(Debug)]
pub(super) struct Asked {
    all: Lists,
    left: Lists,
}

/// Rules in the order of the file.
#[derive(Debug)]
struct Lists {
    /// Entries.
    enter: Vec<Question>,
    /// Entries of longs and of shorts.
    enter_side: [Vec<Question>; 2],
    /// Exits of longs and of shorts.
    exit_side: [Vec<Question>; 2],
}

impl Asked {
    pub(super) fn new(rules: &[Rule], roots: &[Root]) -> Self {
        let all: Vec<Question> = roots.iter().copied().zip(0..).collect();
        let left: Vec<Question> =
            all.iter().copied().filter(|(root, _)| matches!(root, Root::Node(_))).collect();
        Self { all: Lists::new(rules, &all), left: Lists::new(rules, &left) }
    }
}

impl Lists {
    fn new(rules: &[Rule], questions: &[Question]) -> Self {
        let places = |asked: &dyn Fn(&Rule) -> bool| {
            let questions = questions.iter().copied();
            questions.filter(|(_, at)| asked(&rules[*at])).collect::<Vec<_>>()
        };
        let by_side = |kind| {
            let mut sides = [Vec::new(), Vec::new()];
            for side in [Side::Long, Side::Short] {
                sides[place_of(side)] = places(&|rule| rule.kind == kind && rule.sides.allow(side));
            }
            sides
        };
        let enter = places(&|rule| rule.kind == Kind::Enter);
        Self { enter, enter_side: by_side(Kind::Enter), exit_side: by_side(Kind::Exit) }
    }

    /// Whether none of them is asked with this position.
    #[inline]
    fn is_empty(&self, held: Option<Side>) -> bool {
        let Some(side) = held.map(place_of) else { return self.enter.is_empty() };
        self.exit_side[side].is_empty() && self.enter_side.iter().all(Vec::is_empty)
    }
}

/// The answers of rules that are asked one after another.
struct Asking<'a> {
    strategy: &'a CheckedStrategy,
    lists: &'a Lists,
    inputs: &'a DecisionInputs<'a>,
    /// Whether one of them was unknown.
    unknown: bool,
}

impl<'a> Asking<'a> {
    /// The first rule that is true of these.
    #[inline]
    fn first(&mut self, questions: &[Question]) -> Option<&'a Rule> {
        let plan: &'a Plan = &self.strategy.0;
        for (root, at) in questions {
            let truth = plan.decision.value(*root, self.inputs);
            if truth == 1.0 {
                return Some(&plan.rules[*at]);
            }
            self.unknown |= truth.is_nan();
        }
        None
    }

    fn flat(mut self) -> Intent {
        let Some(rule) = self.first(&self.lists.enter) else {
            return self.nothing(false);
        };
        let side = side_of(rule);
        match self.strategy.protection(side, self.inputs) {
            Some(protection) => Intent::Enter(side, rule.name, protection),
            None => Intent::Hold(NO_RANGE),
        }
    }

    fn held(mut self, side: Side) -> Intent {
        let (asked, other) = (self.lists, side.opposite());
        let reversal = self.first(&asked.enter_side[place_of(other)]);
        if let Some(rule) = reversal
            && let Some(protection) = self.strategy.protection(other, self.inputs)
        {
            return Intent::Enter(other, rule.name, protection);
        }
        if let Some(rule) = self.first(&asked.exit_side[place_of(side)]) {
            return Intent::Exit(rule.name);
        }
        match self.first(&asked.enter_side[place_of(side)]) {
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

impl CheckedStrategy {
    /// What it wants at the close of a slot. In a position: the first true entry of the other side reverses, else the first true
    /// exit leaves, else the first true entry of the side held names the row. Flat: the first true entry enters.
    #[inline]
    pub fn decide(&self, inputs: &DecisionInputs<'_>) -> Intent {
        let Asked { all, left } = &self.0.asked;
        let lists = if self.is_quiet(inputs.values) { left } else { all };
        let asking = Asking { strategy: self, lists, inputs, unknown: false };
        match inputs.ledger.held {
            Some(held) => asking.held(held.side),
            None => asking.flat(),
        }
    }

    /// Whether every condition that depends on bars alone is false: at most bars.
    #[inline]
    fn is_quiet(&self, values: &[f64]) -> bool {
        self.0.silence.and_then(|at| values.get(at)).is_some_and(|any| *any == 0.0)
    }

    /// Whether it wants nothing whatever the ledger knows besides the position: no rule is left to be asked.
    #[inline]
    pub fn is_silent(&self, held: Option<Side>, values: &[f64]) -> bool {
        self.is_quiet(values) && self.0.asked.left.is_empty(held)
    }

    /// What makes it silent; `None` where that cannot be seen from values of bars alone.
    pub fn hush(&self) -> Option<Hush> {
        let sides = [None, Some(Side::Long), Some(Side::Short)];
        Some(Hush {
            place: self.0.silence?,
            is_left_alone: sides.map(|held| self.0.asked.left.is_empty(held)),
            stands_at: self.0.stands_at.clone()?,
        })
    }

    /// The states that the crosses of its exit rules lead to, as they are now: a bit for each.
    pub fn standing(&self, inputs: &DecisionInputs<'_>) -> u64 {
        let plan = &self.0;
        let bits = plan.overdue.iter().take(STANDING_MAX).enumerate();
        let due = |root| u64::from(plan.decision.value(root, inputs) == 1.0);
        bits.fold(0, |bits, (n, (_, root))| bits | due(*root) << n)
    }

    /// The same where the states depend on bars alone; `None` where they do not.
    #[inline]
    pub fn standing_of(&self, values: &[f64]) -> Option<u64> {
        let places = self.0.stands_at.as_ref()?;
        Some(
            places
                .iter()
                .fold(0, |bits, (at, bit)| if values[*at] == 1.0 { bits | bit } else { bits }),
        )
    }

    /// The exit by which a position of this side should have been left already: its cross came and went at slots at which nothing was
    /// asked. `since` has the bits of [`CheckedStrategy::standing`] that are new since the last slot that was asked.
    pub fn overdue(&self, side: Side, since: u64) -> Option<Reason> {
        let plan = &self.0;
        let bits = plan.overdue.iter().take(STANDING_MAX).enumerate();
        let mut due =
            bits.filter(|(n, (at, _))| since & (1 << n) != 0 && plan.rules[*at].sides.allow(side));
        due.next().map(|(_, (at, _))| plan.rules[*at].name)
    }

    /// The first true entry of a long and the first of a short position, where both sides have one.
    pub fn contested(&self, inputs: &DecisionInputs<'_>) -> Option<(Reason, Reason)> {
        let lists = &self.0.asked.all;
        let mut asking = Asking { strategy: self, lists, inputs, unknown: false };
        let [longs, shorts] = &lists.enter_side;
        let (long, short) = (asking.first(longs)?, asking.first(shorts)?);
        Some((long.name, short.name))
    }

    /// What each of its rules says: 1 true, 0 false, NaN unknown.
    pub fn truths(&self, inputs: &DecisionInputs<'_>) -> Vec<f64> {
        self.0.roots.iter().map(|root| self.0.decision.value(*root, inputs)).collect()
    }

    /// The distances of a position entered now; `None` where one of them is not usable.
    pub(super) fn protection(&self, side: Side, inputs: &DecisionInputs<'_>) -> Option<Protection> {
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
