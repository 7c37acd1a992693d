//! `[strategy.let]`: names, the order in which they depend on each other, and circles.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{
        expr::Expr,
        parse::parse,
        problem::{Fault, Problem, Span},
        raw::RawStrategy,
    },
    expression::check_expr,
    scope::{Place, Scope, bad_name, reserved_name},
};

/// Checks every name into the scope and returns them in an order in which each comes after those it reads.
pub(super) fn lets(
    scope: &mut Scope<'_>,
    raw: &RawStrategy,
    parsed: &BTreeMap<String, Expr>,
    problems: &mut Vec<Problem>,
) -> Vec<String> {
    for name in raw.lets.keys() {
        let also_param = raw.params.contains_key(name);
        let why = bad_name(name).or_else(|| reserved_name(name)).or_else(|| {
            also_param.then(|| format!("`{name}` is a param already: choose another name"))
        });
        if let Some(why) = why {
            problems.push(Problem::error(key_of(name), why));
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
        problems.push(Problem::at(&key_of(&names[0]), fault));
        scope.broken.extend(names);
    }
    for name in &order {
        if scope.broken.contains(name) {
            continue;
        }
        let key = key_of(name);
        match check_expr(scope, Place::Let, (&key, &parsed[name]), problems) {
            Some(term) => scope.define(name, term),
            None => {
                scope.broken.insert(name.clone());
            }
        }
    }
    order.into_iter().filter(|name| scope.lets.contains_key(name)).collect()
}

/// Parses the texts; what cannot be parsed is left out.
pub(super) fn parsed(raw: &RawStrategy, problems: &mut Vec<Problem>) -> BTreeMap<String, Expr> {
    let mut parsed = BTreeMap::new();
    for (name, text) in &raw.lets {
        match parse(text) {
            Ok(expr) => {
                parsed.insert(name.clone(), expr);
            }
            Err(fault) => problems.push(Problem::at(&key_of(name), fault)),
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
    at: Span,
}

/// The names, each after those it reads, and the circles. Those of a circle are in the order too, somewhere.
fn ordered(parsed: &BTreeMap<String, Expr>) -> (Vec<String>, Vec<Circle>) {
    let reads: BTreeMap<&str, Vec<(&str, Span)>> = parsed
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
