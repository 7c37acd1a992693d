//! Why a strategy decided as it did: every clause of every rule with its value.

use std::collections::BTreeMap;

use super::{
    check::{DISTANCES, place_of},
    decision::DecisionInputs,
    features::Features,
    intent::Intent,
    kernels::window::Length,
    rule::{Kind, Rule},
    strategy::CheckedStrategy,
    term::{Term, Type, What},
};
use crate::domain::{bar::TimedBar, decision::Side};

/// A decision and all that it was made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Why {
    /// What the strategy wants.
    pub intent: Intent,
    /// Its rules.
    pub rules: Vec<RuleWhy>,
    /// The names that they read, with their texts; conditions, and what looks back by `[n]`, with what they are made of.
    pub lets: Vec<Clause>,
    /// The distances of each side.
    pub protect: Vec<(Side, &'static str, Clause)>,
}

/// What one rule says.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleWhy {
    /// Which.
    pub rule: Rule,
    /// Whether it has anything to say in this position: an exit has not while flat, or on the other side.
    pub concerned: bool,
    /// Its condition.
    pub clause: Clause,
}

/// A value and what it is made of, as far as that is known at a slot.
#[derive(Debug, Clone, PartialEq)]
pub struct Clause {
    /// The value, as canonical text.
    pub text: String,
    /// A number, or for a condition 1 true and 0 false; NaN is unknown.
    pub value: f64,
    /// Whether it is a condition.
    pub is_condition: bool,
    /// What it is made of.
    pub parts: Vec<Self>,
}

impl CheckedStrategy {
    /// What it wants at a slot, and why.
    pub fn why(&self, inputs: &DecisionInputs<'_>) -> Why {
        let plan = &self.0;
        let held = inputs.ledger.held.map(|held| held.side);
        let concerned = |rule: &Rule| match rule.kind {
            Kind::Enter => true,
            Kind::Exit => held.is_some_and(|side| rule.sides.allow(side)),
        };
        let rule = |(rule, when): (&Rule, &Term)| RuleWhy {
            rule: *rule,
            concerned: concerned(rule),
            clause: self.clause(when, inputs),
        };
        let features = plan.lets.terms.iter().filter(|(name, _)| plan.read.contains(*name));
        let lets = features.filter_map(|(name, body)| {
            let at = self.features().names().iter().position(|feature| feature == name)?;
            let text = format!("{name} = {body}");
            let is_condition = body.ty == Type::Truth;
            let is_open = is_condition || has_ago(body);
            let parts = if is_open { self.clause(body, inputs).parts } else { Vec::new() };
            Some(Clause { text, value: inputs.values[at], is_condition, parts })
        });
        let mut protect = Vec::new();
        for side in plan.sides.each() {
            for (name, term) in DISTANCES.into_iter().zip(&plan.distances[place_of(side)]) {
                if let Some(term) = term {
                    protect.push((side, name, self.clause(term, inputs)));
                }
            }
        }
        Why {
            intent: self.decide(inputs),
            rules: plan.rules.iter().zip(&plan.whens).map(rule).collect(),
            lets: lets.collect(),
            protect,
        }
    }

    fn clause(&self, term: &Term, inputs: &DecisionInputs<'_>) -> Clause {
        let plain = |term: &Term, parts| Clause {
            text: term.to_string(),
            value: self.0.decision.value_of(term, inputs),
            is_condition: term.ty == Type::Truth,
            parts,
        };
        let mut parts: Vec<Clause> = parts(term).map(|part| self.clause(part, inputs)).collect();
        parts.extend(sides_before(term).iter().map(|before| plain(before, Vec::new())));
        plain(term, parts)
    }

    /// The values of what clauses are made of, by canonical text, at the last of these bars: those since the anchor of its slot. They
    /// come from one run, as the features of the slot do, so that a cross is a cross of what is shown.
    pub fn values_at(&self, bars: &[TimedBar]) -> BTreeMap<String, f64> {
        let plan = &self.0;
        let sides = plan.sides.each().map(place_of);
        let distances = sides.flat_map(|side| plan.distances[side].iter().flatten());
        let lets = plan.lets.terms.iter().filter(|(name, _)| plan.read.contains(*name));
        let roots = plan.whens.iter().chain(distances).chain(lets.map(|(_, body)| body));
        let mut found = BTreeMap::new();
        for root in roots {
            collect(root, &mut found);
        }
        let (names, terms): (Vec<String>, Vec<Term>) = found.into_iter().unzip();
        let features = Features::new(names.clone(), &terms, &[], &plan.lets, plan.timeframe);
        let (mut run, mut values) = (features.start(), vec![f64::NAN; terms.len()]);
        if let [before @ .., last] = bars {
            run.pass(before);
            run.update(last, &mut values);
        }
        names.into_iter().zip(values).collect()
    }
}

impl Why {
    /// Fills in what a slot does not know by itself: the feature vector has the outermost values only.
    pub fn fill(&mut self, values: &BTreeMap<String, f64>) {
        let rules = self.rules.iter_mut().map(|rule| &mut rule.clause);
        let protect = self.protect.iter_mut().map(|(.., clause)| clause);
        rules.chain(protect).chain(&mut self.lets).for_each(|clause| clause.fill(values));
    }
}

impl Clause {
    fn fill(&mut self, values: &BTreeMap<String, f64>) {
        if self.value.is_nan() {
            self.value = values.get(&self.text).copied().unwrap_or(f64::NAN);
        }
        self.parts.iter_mut().for_each(|part| part.fill(values));
    }
}

/// What a term is made of, as far as it is shown. Inside a `tf` there are other bars.
fn parts(term: &Term) -> impl Iterator<Item = &Term> {
    let parts = if matches!(term.what, What::Tf(..)) { &[] } else { term.below() };
    parts.iter().filter(|part| part.constant.is_none())
}

/// Both sides of a cross, one bar ago.
fn sides_before(term: &Term) -> Vec<Term> {
    let What::Back(call) = &term.what else { return Vec::new() };
    let sides = call.inputs.iter().filter(|side| call.back.crosses() && side.constant.is_none());
    sides.filter_map(before).collect()
}

/// The value of a term one bar ago.
fn before(term: &Term) -> Option<Term> {
    let (inner, n) = match &term.what {
        What::Ago(inner, n) => ((**inner).clone(), n.get() + 1),
        _ => (term.clone(), 1),
    };
    let what = What::Ago(Box::new(inner), Length::new(n)?);
    Some(Term { what, ..term.clone() })
}

/// Whether a value of a bar before is read in it, or a cross.
fn has_ago(term: &Term) -> bool {
    let mut found = false;
    term.visit(&mut |part| {
        found |= matches!(part.what, What::Ago(..)) || !sides_before(part).is_empty();
        !found && !matches!(part.what, What::Tf(..))
    });
    found
}

/// Adds the terms that depend on bars alone, and what they are made of. Returns whether this one does.
fn collect(term: &Term, found: &mut BTreeMap<String, Term>) -> bool {
    let mut on_bars = !matches!(term.what, What::Slot(_) | What::Signal(_));
    for part in parts(term) {
        on_bars &= collect(part, found);
    }
    if on_bars && term.constant.is_none() {
        let known = std::iter::once(term.clone()).chain(sides_before(term));
        found.extend(known.map(|term| (term.to_string(), term)));
    }
    on_bars
}
