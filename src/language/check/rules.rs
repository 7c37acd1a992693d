//! What a strategy does: `[[strategy.enter]]` and `[[strategy.exit]]`, `sides`, `[strategy.protect]` and `[strategy.size]`.

use std::collections::BTreeSet;

use rust_decimal::Decimal;

use super::{
    super::{
        op::Op,
        problem::{Fault, RuleProblem, Severity, quoted},
        raw::{RawDistances, RawRule, RawStrategy},
        rule::{Kind, Rule, Sides, SizeMode, SizeRule},
        term::{Term, Type, Unit, What, number},
        values::Price,
    },
    CheckedRule, DISTANCES, Distances,
    expression::check,
    place_of,
    scope::{Scope, TextPlace, bad_name, instead_of, reserved_name},
};
use crate::domain::decision::{Block, CloseReason, Reason, Side, SkipReason};

/// Reasons of rows that are no rules.
const HOLDS: [&str; 3] = ["no_signal", "no_range", "ruin"];
/// What can block an entry and could be a name.
const BLOCKS: [Block; 4] = [Block::Cooldown, Block::Cash, Block::Size, Block::CatchUp];

/// The checked rules of the sides that are held.
pub(super) fn rules(
    scope: &mut Scope<'_>,
    raw: &RawStrategy,
    (sides, protect): (Sides, &[Distances; 2]),
    problems: &mut Vec<RuleProblem>,
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
                    Kind::Enter => TextPlace::Enter,
                    Kind::Exit => TextPlace::Exit(of.common(sides).is_none_or(|held| {
                        held.each().all(|side| has_stop(protect, place_of(side)))
                    })),
                };
            let when = check(scope, place, (&key, &rule.when), problems);
            let when = when.filter(|term| {
                let is_condition = term.ty == Type::Truth;
                if !is_condition {
                    let fault =
                        Fault::error(term.span, "this is a number; a rule needs a condition");
                    problems.push(RuleProblem::at(
                        &key,
                        fault.help("compare it with something: x > 0"),
                    ));
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
    problems: &mut Vec<RuleProblem>,
) -> Option<Reason> {
    let name = rule.rule.as_str();
    let key = format!("{key}.rule");
    let skip = SkipReason::ALL.iter().any(|reason| reason.name() == name);
    let close = CloseReason::ALL.iter().any(|reason| reason.name() == name);
    let block = BLOCKS.iter().any(|block| block.name() == name);
    let why = if let Some(why) = bad_name(name) {
        why
    } else if skip || close || block || HOLDS.contains(&name) {
        format!("`{name}` is the reason of other rows")
    } else if let Some(why) = reserved_name(name) {
        why
    } else if !names.insert(name.to_owned()) {
        format!("another rule of this list has the name {} already", quoted(name))
    } else {
        return Reason::of(name);
    };
    problems.push(RuleProblem::error(key, why).help(instead_of(name)));
    None
}

fn sides_of(
    kind: Kind,
    rule: &RawRule,
    key: &str,
    problems: &mut Vec<RuleProblem>,
) -> Option<Sides> {
    let key = format!("{key}.side");
    let problem = match (kind, rule.side.as_deref()) {
        (Kind::Enter, None) => RuleProblem::error(key, "an entry needs a side"),
        (Kind::Exit, None) => return Some(Sides::Both),
        (Kind::Enter, Some("both")) => RuleProblem::error(key, "an entry is on one side"),
        (_, Some(name)) => match Sides::named(name) {
            Some(sides) => return Some(sides),
            None => RuleProblem::error(key, format!("{} is not a side", quoted(name))),
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
    problems: &mut Vec<RuleProblem>,
) {
    let of = |kind: Kind| checked.iter().filter(move |rule| rule.rule.kind == kind);
    if raw.enter.is_empty() {
        let problem = RuleProblem::error("strategy.enter", "no rule enters");
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
        let help = format!("write sides = \"both\", or add a {} entry", sides.name());
        problems.push(RuleProblem::error("strategy.sides", message).help(help));
    }
    for side in sides.each() {
        let enters = of(Kind::Enter).any(|rule| rule.rule.sides.allow(side));
        let leaves = of(Kind::Exit).any(|rule| rule.rule.sides.allow(side))
            || of(Kind::Enter).any(|rule| rule.rule.sides.allow(side.opposite()))
            || protect[place_of(side)].iter().any(Option::is_some);
        if enters && !leaves {
            let message = format!("nothing ever leaves a {} position", side.name());
            let problem = RuleProblem::warning("strategy.exit", message);
            problems.push(problem.help("add [[strategy.exit]] or a stop in [strategy.protect]"));
        }
    }
}

/// The sides; both, where the word is not one.
pub(super) fn sides(raw: &RawStrategy, problems: &mut Vec<RuleProblem>) -> Sides {
    Sides::named(&raw.sides).unwrap_or_else(|| {
        let message = format!("{} is not a side", quoted(&raw.sides));
        let problem = RuleProblem::error("strategy.sides", message);
        problems.push(problem.help("write \"both\", \"long\" or \"short\""));
        Sides::Both
    })
}

/// The distances of both sides.
pub(super) fn protect(
    scope: &mut Scope<'_>,
    raw: &RawStrategy,
    problems: &mut Vec<RuleProblem>,
) -> [Distances; 2] {
    let protect = &raw.protect;
    let both = distances(scope, "strategy.protect", &protect.both, problems);
    let long = distances(scope, "strategy.protect.long", &protect.long, problems);
    let short = distances(scope, "strategy.protect.short", &protect.short, problems);
    let sides = [(&protect.long, long), (&protect.short, short)];
    let merged = sides.map(|(own, checked)| {
        let given = own.keys().map(|(_, text)| text.is_some());
        std::array::from_fn(|i| if given[i] { checked[i].clone() } else { both[i].clone() })
    });
    let dangling = |[_, _, trail, from, _]: &Distances| from.is_some() && trail.is_none();
    let table = match merged.each_ref().map(dangling) {
        [false, false] => return merged,
        [true, true] => "strategy.protect",
        [true, false] => "strategy.protect.long",
        [false, true] => "strategy.protect.short",
    };
    let problem = RuleProblem::error(format!("{table}.trail-from"), "`trail-from` needs a `trail`");
    problems.push(problem.help("write trail = \"3 * atr(14)\""));
    merged
}

fn distances(
    scope: &mut Scope<'_>,
    table: &str,
    raw: &RawDistances,
    problems: &mut Vec<RuleProblem>,
) -> Distances {
    let keys = raw.keys();
    assert!(keys.iter().map(|(key, _)| *key).eq(DISTANCES), "both lists have one order");
    keys.map(|(name, text)| {
        let key = format!("{table}.{name}");
        let term = check(scope, TextPlace::Protect, (&key, text?), problems)?;
        let Some(fault) = fault_of(&term, table, name) else { return Some(term) };
        let usable = fault.severity != Severity::Error;
        problems.push(RuleProblem::at(&key, fault));
        usable.then_some(term)
    })
}

/// A part of the price from which on nobody means a distance: what moves so far with all prices was meant as a price.
const PRICE_SHARE: f64 = 0.5;

/// Why a term is not a good distance.
fn fault_of(term: &Term, table: &str, key: &str) -> Option<Fault> {
    let Term { span, ty, unit, bounds, .. } = term;
    if *ty == Type::Truth {
        let fault = Fault::error(*span, "this is a condition; a distance is a number");
        return Some(fault.help(DISTANCES_ARE));
    }
    if bounds.most <= 0.0 {
        let message =
            "a distance must be above 0, and this one cannot be: it would prevent every entry";
        let help =
            "a distance has no sign, whatever the side: 2 * atr(14), close - lowest(low, 10)";
        return Some(Fault::error(*span, message).help(help));
    }
    if !unit.fits(Unit::PRICE) {
        let message = format!("a distance has the kind of a price, this is {unit}");
        return Some(Fault::warning(*span, message).help(DISTANCES_ARE));
    }
    bounds.shift.filter(|shift| shift.abs() >= PRICE_SHARE).map(|_| {
        let message = "this is a price; a distance is counted from the entry price";
        Fault::warning(*span, message).help(from_the_close(term, table, key))
    })
}

/// The part of the close between it and a price that is written as a part of it, such as 0.98 * close.
fn part_of_the_close(term: &Term) -> Option<String> {
    let What::Op(Op::Multiply, parts) = &term.what else { return None };
    let is_close = |part: &Term| part.what == What::Price(Price::Close);
    let factor = parts.iter().find(|part| !is_close(part)).and_then(|part| part.constant)?;
    let part = ((1.0 - factor).abs() * 1e9).round() / 1e9;
    (parts.iter().any(is_close) && part > 0.0).then(|| number(part))
}

const DISTANCES_ARE: &str = "write 2 * atr(14), 0.02 * close, or close - lowest(low, 10)";

/// How a price is written as a distance.
fn from_the_close(term: &Term, table: &str, key: &str) -> String {
    const CHARS_MAX: usize = 60;
    let text = term.to_string();
    // A close without something that is not a price, such as close - 95, is a price still: what was meant is not known.
    let is_close = |term: &Term| term.what == What::Price(Price::Close);
    let less =
        matches!(&term.what, What::Op(Op::Subtract, parts) if parts.first().is_some_and(is_close));
    if is_close(term) || less || text.len() > CHARS_MAX {
        return DISTANCES_ARE.to_owned();
    }
    if let Some(part) = part_of_the_close(term) {
        return format!("write {key} = \"{part} * close\"");
    }
    // What is subtracted is bracketed where it is a sum.
    let sum = Op::Subtract.strength();
    let behind = if term.strength() <= sum {
        format!("close - ({text})")
    } else {
        format!("close - {text}")
    };
    let ahead = format!("{text} - close");
    // A stop of a long position lies below the price, its target above.
    let is_behind = ["stop", "trail"].contains(&key);
    let of = |side: Side| if (side == Side::Long) == is_behind { &behind } else { &ahead };
    let (long, short) = (of(Side::Long), of(Side::Short));
    match table.rsplit_once('.') {
        Some((_, "long")) => format!("write {key} = \"{long}\""),
        Some((_, "short")) => format!("write {key} = \"{short}\""),
        _ => format!("write {key} = \"{long}\" for a long position, \"{short}\" for a short one"),
    }
}

/// What a number of `[strategy.size]` looks like.
fn example_of(name: &str) -> &'static str {
    match name {
        "percent" => "write percent = 10 for a tenth of the equity",
        "risk-pct" => "write risk-pct = 0.5 to risk half a percent of the equity",
        _ => "write max-notional = 5000, or take it out",
    }
}

/// The size of a position.
pub(super) fn size(
    raw: &RawStrategy,
    (sides, protect): (Sides, &[Distances; 2]),
    problems: &mut Vec<RuleProblem>,
) -> Option<SizeRule> {
    let raw = &raw.size;
    let mode = raw.mode.as_deref().unwrap_or("fixed");
    let before = problems.len();
    let mut positive = |name: &str, value: Option<Decimal>, wanted: bool| {
        let key = format!("strategy.size.{name}");
        match value {
            Some(_) if !wanted => {
                let message = format!("`{name}` has no meaning in mode \"{mode}\"");
                let help = match name {
                    "percent" => "take it out, or write mode = \"percent\"",
                    _ => "take it out, or write mode = \"risk\"",
                };
                problems.push(RuleProblem::error(key, message).help(help));
            }
            Some(value) if value <= Decimal::ZERO => {
                let problem = RuleProblem::error(key, format!("`{name}` must be above 0"));
                problems.push(problem.help(example_of(name)));
            }
            None if wanted => {
                let problem = RuleProblem::error(key, format!("mode \"{mode}\" needs `{name}`"));
                problems.push(problem.help(example_of(name)));
            }
            Some(_) | None => {}
        }
        value.unwrap_or_default()
    };
    let percent = positive("percent", raw.percent, mode == "percent");
    let risk = positive("risk-pct", raw.risk_pct, mode == "risk");
    positive("max-notional", raw.max_notional, raw.max_notional.is_some());
    let mode = match mode {
        "fixed" => SizeMode::Fixed,
        "percent" => SizeMode::Percent(percent),
        "risk" => SizeMode::Risk(risk),
        other => {
            let message = format!("{} is not a way to size a position", quoted(other));
            let problem = RuleProblem::error("strategy.size.mode", message);
            problems.push(problem.help("write \"fixed\", \"percent\" or \"risk\""));
            return None;
        }
    };
    let open = sides.each().find(|side| !has_stop(protect, place_of(*side)));
    if let (SizeMode::Risk(_), Some(side)) = (mode, open) {
        let message =
            format!("mode \"risk\" needs a stop or a trail for a {} position", side.name());
        let problem = RuleProblem::error("strategy.size.mode", message);
        problems.push(problem.help("give one in [strategy.protect]"));
    }
    (problems.len() == before).then_some(SizeRule { mode, max_notional: raw.max_notional })
}
