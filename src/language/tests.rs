//! The language as a whole: wrong texts, random programs against a naive evaluator, the shipped strategies.

mod bad_input;
mod fixtures;
mod frames;
mod functions;
mod naive;
mod order;
mod random;
mod shipped;
mod wrong;

use std::collections::BTreeMap;

use super::{
    CheckedStrategy, DecisionInputs, LedgerState, Number, RawParam, RawRule, RawStrategy,
    RuleProblem, Severity, Values, check,
};
use crate::domain::{
    bar::Bar,
    time::{SlotTs, Timeframe},
};

/// A strategy that holds a long position while a condition is true, for tests to change.
fn raw(when: &str) -> RawStrategy {
    RawStrategy {
        cadence_bars: 1,
        sides: "both".to_owned(),
        enter: vec![rule("in", Some("long"), when)],
        exit: vec![rule("out", None, "bars_held > 100")],
        ..RawStrategy::default()
    }
}

fn rule(name: &str, side: Option<&str>, when: &str) -> RawRule {
    RawRule { rule: name.to_owned(), side: side.map(str::to_owned), when: when.to_owned() }
}

fn param(default: Number) -> RawParam {
    RawParam { default, min: None, max: None, step: None, help: None }
}

fn texts<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.map(|(name, text)| (name.to_owned(), text.to_owned())).into()
}

fn errors(raw: &RawStrategy) -> Vec<RuleProblem> {
    let mut problems = check(raw, &Values::new(), Some(Timeframe::M5));
    problems.retain(|problem| problem.severity == Severity::Error);
    problems
}

fn strategy(raw: &RawStrategy) -> CheckedStrategy {
    CheckedStrategy::new(raw, &Values::new(), Timeframe::M5, &[]).unwrap()
}

/// What a strategy without a model and signals is given.
fn inputs<'a>(
    ts: SlotTs,
    bar: &'a Bar,
    values: &'a [f64],
    ledger: LedgerState,
) -> DecisionInputs<'a> {
    DecisionInputs { ts, bar, values, score: None, threshold: None, signals: &[], ledger }
}

/// A vector made by hand, and behind it what is worked out of it, term by term.
fn whole(strategy: &CheckedStrategy, inputs: &DecisionInputs<'_>) -> Vec<f64> {
    let decision = &strategy.0.decision;
    let ahead = decision.ahead().iter().map(|term| decision.value_of(term, inputs));
    inputs.values.iter().copied().chain(ahead).collect()
}
