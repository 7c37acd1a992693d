//! Names that a strategy gives: params with their limits and values, `[strategy.let]`, and circles among them.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{
        parse::{Expr, parse},
        problem::{Fault, RuleProblem, TextSpan, meant, quoted},
        raw::{Number, RawParam, RawStrategy, Values},
        term::{Term, Type, number},
    },
    expression::{check, check_expr},
    scope::{Scope, TextPlace, bad_name, instead_of, reserved_name},
};

/// Checks the params and puts the values into the scope.
pub(super) fn params(
    scope: &mut Scope<'_>,
    raw: &RawStrategy,
    values: &Values,
    problems: &mut Vec<RuleProblem>,
) {
    for (name, param) in &raw.params {
        let key = format!("strategy.params.{name}");
        if let Some(why) = bad_name(name).or_else(|| reserved_name(name)) {
            problems.push(RuleProblem::error(&key, why).help(instead_of(name)));
            scope.broken.insert(name.clone());
            continue;
        }
        let value = values.get(name).copied();
        match placed(param, value) {
            Ok(value) => {
                scope.params.insert(name.clone(), value);
            }
            Err((why, help)) => {
                problems.push(RuleProblem::error(&key, why).help(help));
                scope.broken.insert(name.clone());
            }
        }
    }
    for name in values.keys().filter(|name| !raw.params.contains_key(*name)) {
        let key = format!("strategy.params.{name}");
        let problem =
            RuleProblem::error(key, format!("{} is not a param of this strategy", quoted(name)));
        problems.push(match meant(name, raw.params.keys().map(String::as_str)) {
            Some(meant) => problem.help(format!("did you mean `{meant}`?")),
            None => problem.help("params are declared in [strategy.params]"),
        });
    }
}

/// The value of a param, or why it has none and what to do about it.
fn placed(param: &RawParam, value: Option<Number>) -> Result<Number, (String, String)> {
    let RawParam { default, min, max, step, help: _ } = param;
    let given = [("default", Some(*default)), ("min", *min), ("max", *max), ("step", *step)];
    let finite = || "write a finite number".to_owned();
    for (what, given) in given {
        let Some(given) = given else { continue };
        if !given.float().is_finite() {
            return Err((format!("`{what}` is not a finite number"), finite()));
        }
        if let (Number::Integer(whole), Number::Float(x)) = (default, given) {
            return Err((
                format!("`{what}` is {x:?}, but the default is whole"),
                format!("write it without a point, or the default with one: {whole}.0"),
            ));
        }
    }
    if step.is_some_and(|step| step.float() <= 0.0) {
        let help = "write the distance of two values of a sweep, such as step = 5, or take it out";
        return Err(("`step` must be above 0".to_owned(), help.to_owned()));
    }
    if let (Some(min), Some(max)) = (min, max)
        && min.float() > max.float()
    {
        let why = format!("`min` ({}) is above `max` ({})", shown(*min), shown(*max));
        return Err((why, "`min` is the smallest value, `max` the largest".to_owned()));
    }
    let value = match (*default, value.unwrap_or(*default)) {
        (Number::Integer(_), Number::Float(x)) => {
            let why = format!("{x:?} is not a whole number, and this param takes no other");
            return Err((why, format!("give {x:.0}, or write the default with a point")));
        }
        (Number::Float(_), Number::Integer(whole)) => Number::Float(whole as f64),
        (_, value) => value,
    };
    let x = value.float();
    if !x.is_finite() {
        return Err(("its value is not a finite number".to_owned(), finite()));
    }
    let below = min.filter(|min| x < min.float()).map(|min| ("below", "min", min));
    let above = max.filter(|max| x > max.float()).map(|max| ("above", "max", max));
    match below.or(above) {
        Some((side, limit, bound)) => {
            let why = format!("{} is {side} `{limit}`, {}", shown(value), shown(bound));
            let range = match (min, max) {
                (Some(min), Some(max)) => format!("from {} to {}", shown(*min), shown(*max)),
                (Some(min), None) => format!("of at least {}", shown(*min)),
                (None, _) => format!("of at most {}", shown(bound)),
            };
            Err((why, format!("give a value {range}, or change `{limit}`")))
        }
        None => Ok(value),
    }
}

fn shown(value: Number) -> String {
    match value {
        Number::Integer(whole) => whole.to_string(),
        Number::Float(x) => format!("{x:?}"),
    }
}

/// Checks the conditions of `require`; one that these values do not meet is an error that shows them.
pub(super) fn require(scope: &mut Scope<'_>, raw: &RawStrategy, problems: &mut Vec<RuleProblem>) {
    for (at, text) in raw.require.iter().enumerate() {
        let key = format!("strategy.require[{at}]");
        let Some(term) = check(scope, TextPlace::Require, (&key, text), problems) else { continue };
        let Term { ty, constant, .. } = term;
        if ty != Type::Truth {
            let problem = RuleProblem::error(&key, "this is a number; `require` has conditions");
            problems.push(problem.help("write fast < slow"));
        } else if constant != Some(1.0) {
            problems.push(unmet(scope, &key, text));
        }
    }
}

fn unmet(scope: &Scope<'_>, key: &str, text: &str) -> RuleProblem {
    let expr = super::super::parse::parse(text);
    let mut names: Vec<String> = Vec::new();
    for (name, _) in expr.iter().flat_map(|expr| expr.names()) {
        if let Some(value) = scope.params.get(name) {
            let shown = format!("{name} = {}", number(value.float()));
            if !names.contains(&shown) {
                names.push(shown);
            }
        }
    }
    let message = format!("{} is false: {}", quoted(text.trim()), names.join(", "));
    let help = "change the values of the params, such as -p fast=10".to_owned();
    RuleProblem { unmet: true, ..RuleProblem::error(key, message).help(help) }
}

/// Checks every name into the scope and returns them in an order in which each comes after those it reads.
pub(super) fn lets(
    scope: &mut Scope<'_>,
    raw: &RawStrategy,
    parsed: &BTreeMap<String, Expr>,
    problems: &mut Vec<RuleProblem>,
) -> Vec<String> {
    for name in raw.lets.keys() {
        let also_param = raw.params.contains_key(name);
        let why = bad_name(name)
            .or_else(|| reserved_name(name))
            .or_else(|| also_param.then(|| format!("`{name}` is a param already")));
        if let Some(why) = why {
            problems.push(RuleProblem::error(key_of(name), why).help(instead_of(name)));
            scope.broken.insert(name.clone());
        } else if !parsed.contains_key(name) {
            scope.broken.insert(name.clone());
        }
    }
    let (order, circles) = ordered(parsed);
    for circle in circles {
        let Circle { names, at } = circle;
        let path = names.iter().chain(names.first()).map(|name| format!("`{name}`"));
        let message = format!("a circle: {}", path.collect::<Vec<_>>().join(" needs "));
        let fault = Fault::error(at, message).help("let one of them do without the others");
        problems.push(RuleProblem::at(&key_of(&names[0]), fault));
        scope.broken.extend(names);
    }
    for name in &order {
        if scope.broken.contains(name) {
            continue;
        }
        let key = key_of(name);
        match check_expr(scope, TextPlace::Let, (&key, &parsed[name]), problems) {
            Some(term) => scope.define(name, term),
            None => {
                scope.broken.insert(name.clone());
            }
        }
    }
    order.into_iter().filter(|name| scope.lets.contains_key(name)).collect()
}

/// Parses the texts; what cannot be parsed is left out.
pub(super) fn parsed(raw: &RawStrategy, problems: &mut Vec<RuleProblem>) -> BTreeMap<String, Expr> {
    let mut parsed = BTreeMap::new();
    for (name, text) in &raw.lets {
        match parse(text) {
            Ok(expr) => {
                parsed.insert(name.clone(), expr);
            }
            Err(fault) => problems.push(RuleProblem::at(&key_of(name), fault)),
        }
    }
    parsed
}

fn key_of(name: &str) -> String {
    format!("strategy.let.{name}")
}

/// Names that need each other, and where the first reads the second.
#[derive(Debug)]
struct Circle {
    names: Vec<String>,
    at: TextSpan,
}

/// The names, each after those it reads, and the circles. Those of a circle are in the order too, somewhere.
fn ordered(parsed: &BTreeMap<String, Expr>) -> (Vec<String>, Vec<Circle>) {
    let reads: BTreeMap<&str, Vec<(&str, TextSpan)>> = parsed
        .iter()
        .map(|(name, expr)| {
            let others = expr.names().into_iter().filter(|(other, _)| parsed.contains_key(*other));
            (name.as_str(), others.collect())
        })
        .collect();
    let (mut order, mut circles) = (Vec::new(), Vec::new());
    // One circle of a tangle is enough to say.
    let mut tangled: BTreeSet<&str> = BTreeSet::new();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for start in reads.keys() {
        // The way from the start, each name with how many of those it reads have been looked at.
        let mut way: Vec<(&str, usize)> = Vec::new();
        if !done.contains(start) {
            way.push((start, 0));
        }
        while let Some((name, looked)) = way.last_mut() {
            let name = *name;
            let Some((next, _)) = reads[name].get(*looked) else {
                done.insert(name);
                order.push(name.to_owned());
                way.pop();
                continue;
            };
            *looked += 1;
            if done.contains(next) {
                continue;
            }
            match way.iter().position(|(on_way, _)| on_way == next) {
                Some(from) => {
                    let names: Vec<&str> = way[from..].iter().map(|(name, _)| *name).collect();
                    if names.iter().any(|name| tangled.contains(name)) {
                        continue;
                    }
                    tangled.extend(&names);
                    let second = names.get(1).copied().unwrap_or(names[0]);
                    let at = reads[names[0]].iter().find(|(name, _)| *name == second);
                    let names = names.iter().map(|name| (*name).to_owned()).collect();
                    circles.push(Circle { names, at: at.map(|(_, at)| *at).unwrap_or_default() });
                }
                None => way.push((next, 0)),
            }
        }
    }
    (order, circles)
}
