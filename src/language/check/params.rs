//! Params: their names, limits and values, and the conditions that `require` puts on them.

use super::{
    super::{
        problem::{Problem, meant, quoted},
        raw::{Number, RawParam, RawStrategy, Values},
        term::{Term, Type, number},
    },
    expression::check,
    scope::{Place, Scope, bad_name, reserved_name},
};

/// Checks the params and puts the values into the scope.
pub(super) fn params(
    scope: &mut Scope<'_>,
    raw: &RawStrategy,
    values: &Values,
    problems: &mut Vec<Problem>,
) {
    for (name, param) in &raw.params {
        let key = format!("strategy.params.{name}");
        if let Some(why) = bad_name(name).or_else(|| reserved_name(name)) {
            problems.push(Problem::error(&key, why));
            scope.broken.insert(name.clone());
            continue;
        }
        let value = values.get(name).copied();
        match placed(param, value) {
            Ok(value) => {
                scope.params.insert(name.clone(), value);
            }
            Err(why) => {
                problems.push(Problem::error(&key, why));
                scope.broken.insert(name.clone());
            }
        }
    }
    for name in values.keys().filter(|name| !raw.params.contains_key(*name)) {
        let key = format!("strategy.params.{name}");
        let problem =
            Problem::error(key, format!("{} is not a param of this strategy", quoted(name)));
        problems.push(match meant(name, raw.params.keys().map(String::as_str)) {
            Some(meant) => problem.help(format!("did you mean `{meant}`?")),
            None => problem.help("params are declared in [strategy.params]"),
        });
    }
}

/// The value of a param, or why it has none.
fn placed(param: &RawParam, value: Option<Number>) -> Result<Number, String> {
    let RawParam { default, min, max, step, help: _ } = param;
    let given = [("default", Some(*default)), ("min", *min), ("max", *max), ("step", *step)];
    for (what, given) in given {
        let Some(given) = given else { continue };
        if !given.float().is_finite() {
            return Err(format!("`{what}` is not a finite number"));
        }
        if let (Number::Integer(_), Number::Float(x)) = (default, given) {
            return Err(format!(
                "`{what}` is {x:?}, but the default is whole: write it without a point, or the default with one"
            ));
        }
    }
    if step.is_some_and(|step| step.float() <= 0.0) {
        return Err("`step` must be above 0".to_owned());
    }
    if let (Some(min), Some(max)) = (min, max)
        && min.float() > max.float()
    {
        return Err(format!("`min` ({}) is above `max` ({})", shown(*min), shown(*max)));
    }
    let value = match (*default, value.unwrap_or(*default)) {
        (Number::Integer(_), Number::Float(x)) => {
            return Err(format!("{x:?} is not a whole number, and this param takes no other"));
        }
        (Number::Float(_), Number::Integer(whole)) => Number::Float(whole as f64),
        (_, value) => value,
    };
    let x = value.float();
    if !x.is_finite() {
        return Err("its value is not a finite number".to_owned());
    }
    let below = min.filter(|min| x < min.float()).map(|min| ("below", "min", min));
    let above = max.filter(|max| x > max.float()).map(|max| ("above", "max", max));
    match below.or(above) {
        Some((side, limit, bound)) => {
            Err(format!("{} is {side} `{limit}`, {}", shown(value), shown(bound)))
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
pub(super) fn require(scope: &mut Scope<'_>, raw: &RawStrategy, problems: &mut Vec<Problem>) {
    for (at, text) in raw.require.iter().enumerate() {
        let key = format!("strategy.require[{at}]");
        let Some(term) = check(scope, Place::Require, (&key, text), problems) else { continue };
        let Term { ty, constant, .. } = term;
        if ty != Type::Truth {
            let problem = Problem::error(&key, "this is a number; `require` has conditions");
            problems.push(problem.help("write fast < slow"));
        } else if constant != Some(1.0) {
            problems.push(unmet(scope, &key, text));
        }
    }
}

fn unmet(scope: &Scope<'_>, key: &str, text: &str) -> Problem {
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
    Problem { unmet: true, ..Problem::error(key, message).help(help) }
}
