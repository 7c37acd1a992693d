//! Why a strategy decided as it did: every clause of every rule with its value.

use super::{
    check::{DISTANCES, place_of},
    decision::Inputs,
    intent::Intent,
    rule::{Kind, Rule},
    strategy::Strategy,
    term::{Term, Type, What},
};
use crate::domain::decision::Side;

/// A decision and all that it was made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Why {
    /// What the strategy wants.
    pub intent: Intent,
    /// Its rules.
    pub rules: Vec<RuleWhy>,
    /// The names that they read, with their texts below.
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

impl Strategy {
    /// What it wants at a slot, and why.
    pub fn why(&self, inputs: &Inputs<'_>) -> Why {
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
            Some(Clause { text, value: inputs.values[at], is_condition, parts: Vec::new() })
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

    fn clause(&self, term: &Term, inputs: &Inputs<'_>) -> Clause {
        let shown = |part: &&Term| part.constant.is_none();
        // Inside a `tf` there are other bars, whose values are not known here.
        let parts = if matches!(term.what, What::Tf(..)) { &[] } else { term.below() };
        Clause {
            text: term.to_string(),
            value: self.0.decision.value_of(term, inputs),
            is_condition: term.ty == Type::Truth,
            parts: parts.iter().filter(shown).map(|part| self.clause(part, inputs)).collect(),
        }
    }
}
