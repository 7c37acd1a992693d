//! `[[strategy.enter]]` and `[[strategy.exit]]`: names, sides, conditions.

use std::collections::BTreeSet;

use super::{
    super::{
        problem::{Fault, Problem, quoted},
        raw::{RawRule, RawStrategy},
        rule::{Kind, Rule, Sides},
        term::Type,
    },
    CheckedRule, Distances,
    expression::check,
    place_of,
    scope::{Place, Scope, bad_name},
};
use crate::domain::{
    decision::{Block, Reason, SkipReason},
    trade::CloseReason,
};

/// Reasons of rows that are no rules.
const HOLDS: [&str; 3] = ["no_signal", "no_range", "ruin"];
/// What can block an entry and could be a name.
const BLOCKS: [Block; 4] = [Block::Cooldown, Block::Cash, Block::Size, Block::CatchUp];

/// The checked rules of the sides that are held.
pub(super) fn rules(
    scope: &mut Scope<'_>,
    raw: &RawStrategy,
    (sides, protect): (Sides, &[Distances; 2]),
    problems: &mut Vec<Problem>,
) -> Vec<CheckedRule> {
    let mut checked = Vec::new();
    for (kind, list) in [(Kind::Enter, &raw.enter), (Kind::Exit, &raw.exit)] {
        let mut names = BTreeSet::new();
        for (at, rule) in list.iter().enumerate() {
            let key = format!("strategy.{}[{at}]", kind.name());
            let name = name_of(rule, &key, &mut names, problems);
            let rule_sides = sides_of(kind, rule, &key, problems);
            let key = format!("{key}.when");
            let of = rule_sides.unwrap_or(Sides::Both);
            let place =
                match kind {
                    Kind::Enter => Place::Enter,
                    Kind::Exit => Place::Exit(of.common(sides).is_none_or(|held| {
                        held.each().all(|side| has_stop(protect, place_of(side)))
                    })),
                };
            let when = check(scope, place, (&key, &rule.when), problems);
            let when = when.filter(|term| {
                let is_condition = term.ty == Type::Truth;
                if !is_condition {
                    let fault =
                        Fault::error(term.span, "this is a number; a rule needs a condition");
                    problems
                        .push(Problem::at(&key, fault.help("compare it with something: x > 0")));
                }
                is_condition
            });
            if let (Some(name), Some(of), Some(when)) = (name, rule_sides, when)
                && let Some(held) = of.common(sides)
            {
                let rule = Rule { kind, name, sides: held };
                checked.push(CheckedRule { rule, key, when });
            }
        }
    }
    way_in_and_out(raw, (sides, protect), &checked, problems);
    checked
}

/// Whether a side has a stop or a trail.
pub(super) fn has_stop(protect: &[Distances; 2], side: usize) -> bool {
    let [stop, _, trail, ..] = &protect[side];
    stop.is_some() || trail.is_some()
}

fn name_of(
    rule: &RawRule,
    key: &str,
    names: &mut BTreeSet<String>,
    problems: &mut Vec<Problem>,
) -> Option<Reason> {
    let name = rule.rule.as_str();
    let key = format!("{key}.rule");
    let skip = SkipReason::ALL.iter().any(|reason| reason.name() == name);
    let close = CloseReason::ALL.iter().any(|reason| reason.name() == name);
    let block = BLOCKS.iter().any(|block| block.name() == name);
    let why = if let Some(why) = bad_name(name) {
        why
    } else if skip || close || block || HOLDS.contains(&name) {
        format!("`{name}` is the reason of other rows: choose another name")
    } else if !names.insert(name.to_owned()) {
        format!("another rule of this list has the name {} already", quoted(name))
    } else {
        return Reason::of(name);
    };
    problems.push(Problem::error(key, why));
    None
}

fn sides_of(kind: Kind, rule: &RawRule, key: &str, problems: &mut Vec<Problem>) -> Option<Sides> {
    let key = format!("{key}.side");
    let problem = match (kind, rule.side.as_deref()) {
        (Kind::Enter, None) => Problem::error(key, "an entry needs a side"),
        (Kind::Exit, None) => return Some(Sides::Both),
        (Kind::Enter, Some("both")) => Problem::error(key, "an entry is on one side"),
        (_, Some(name)) => match Sides::named(name) {
            Some(sides) => return Some(sides),
            None => Problem::error(key, format!("{} is not a side", quoted(name))),
        },
    };
    problems.push(problem.help(match kind {
        Kind::Enter => "write \"long\" or \"short\"",
        Kind::Exit => "write \"long\", \"short\" or \"both\"",
    }));
    None
}

fn way_in_and_out(
    raw: &RawStrategy,
    (sides, protect): (Sides, &[Distances; 2]),
    checked: &[CheckedRule],
    problems: &mut Vec<Problem>,
) {
    let of = |kind: Kind| checked.iter().filter(move |rule| rule.rule.kind == kind);
    if raw.enter.is_empty() {
        let problem = Problem::error("strategy.enter", "no rule enters");
        problems.push(problem.help("add [[strategy.enter]] with rule, side and when"));
        return;
    }
    let other_side = |rule: &RawRule| {
        rule.side.as_deref().and_then(Sides::named).is_some_and(|side| side.common(sides).is_none())
    };
    if raw.enter.iter().all(other_side) {
        let message = format!(
            "no entry is left: `sides` is \"{}\", and every entry is of the other one",
            sides.name()
        );
        problems.push(Problem::error("strategy.sides", message));
    }
    for side in sides.each() {
        let enters = of(Kind::Enter).any(|rule| rule.rule.sides.allow(side));
        let leaves = of(Kind::Exit).any(|rule| rule.rule.sides.allow(side))
            || of(Kind::Enter).any(|rule| rule.rule.sides.allow(side.opposite()))
            || protect[place_of(side)].iter().any(Option::is_some);
        if enters && !leaves {
            let message = format!("nothing ever leaves a {} position", side.name());
            let problem = Problem::warning("strategy.exit", message);
            problems.push(problem.help("add [[strategy.exit]] or a stop in [strategy.protect]"));
        }
    }
}
