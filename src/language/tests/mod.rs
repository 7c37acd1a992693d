//! The language as a whole: wrong texts, random programs against a naive evaluator, the shipped strategies.

mod bad_input;
mod bars;
mod frames;
mod naive;
mod order;
mod random;
mod shipped;
mod wrong;

use std::collections::BTreeMap;

use super::{
    Inputs, Ledger, Number, Problem, RawDistances, RawParam, RawProtect, RawRule, RawSize,
    RawStrategy, Severity, Strategy, Values, check,
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

fn errors(raw: &RawStrategy) -> Vec<Problem> {
    let mut problems = check(raw, &Values::new(), Some(Timeframe::M5));
    problems.retain(|problem| problem.severity == Severity::Error);
    problems
}

fn strategy(raw: &RawStrategy) -> Strategy {
    Strategy::new(raw, &Values::new(), Timeframe::M5, &[]).unwrap()
}

/// What a strategy without a model and signals is given.
fn inputs<'a>(ts: SlotTs, bar: &'a Bar, values: &'a [f64], ledger: Ledger) -> Inputs<'a> {
    Inputs { ts, bar, values, score: None, threshold: None, signals: &[], ledger }
}

/// The strategy of a file, as the manifest would read it.
fn of_toml(text: &str) -> RawStrategy {
    let file: toml::Table = text.parse().unwrap();
    let table = file["strategy"].as_table().unwrap();
    let text = |value: Option<&toml::Value>| value.map(|value| value.as_str().unwrap().to_owned());
    let section = |name: &str| {
        let section = table.get(name).map(|value| value.as_table().unwrap().clone());
        section.unwrap_or_default()
    };
    let rules = |name: &str| -> Vec<RawRule> {
        let list = table.get(name).map(|value| value.as_array().unwrap().clone());
        let each = |value: &toml::Value| RawRule {
            rule: text(value.get("rule")).unwrap(),
            side: text(value.get("side")),
            when: text(value.get("when")).unwrap(),
        };
        list.unwrap_or_default().iter().map(each).collect()
    };
    let number = |value: &toml::Value| match value {
        toml::Value::Integer(whole) => Number::Integer(*whole),
        other => Number::Float(other.as_float().unwrap()),
    };
    let params = section("params").into_iter().map(|(name, value)| {
        let get = |key: &str| value.get(key).map(number);
        let help = text(value.get("help"));
        let default = get("default").unwrap();
        (name, RawParam { default, min: get("min"), max: get("max"), step: get("step"), help })
    });
    let protect = section("protect");
    let distances = |table: &toml::Table| RawDistances {
        stop: text(table.get("stop")),
        target: text(table.get("target")),
        trail: text(table.get("trail")),
        trail_from: text(table.get("trail-from")),
        break_even_at: text(table.get("break-even-at")),
    };
    let of_side = |name: &str| {
        let table = protect.get(name).map(|value| value.as_table().unwrap().clone());
        distances(&table.unwrap_or_default())
    };
    let size = section("size");
    let decimal = |name: &str| {
        size.get(name).map(|value| crate::domain::decimal::decimal(number(value).float()).unwrap())
    };
    RawStrategy {
        cadence_bars: 12,
        sides: text(table.get("sides")).unwrap(),
        require: table.get("require").map_or_else(Vec::new, |value| {
            let list = value.as_array().unwrap().iter();
            list.map(|text| text.as_str().unwrap().to_owned()).collect()
        }),
        params: params.collect(),
        lets: section("let")
            .iter()
            .map(|(name, value)| (name.clone(), text(Some(value)).unwrap()))
            .collect(),
        enter: rules("enter"),
        exit: rules("exit"),
        protect: RawProtect {
            both: distances(&protect),
            long: of_side("long"),
            short: of_side("short"),
        },
        size: RawSize {
            mode: text(size.get("mode")),
            percent: decimal("percent"),
            risk_pct: decimal("risk-pct"),
            max_notional: decimal("max-notional"),
        },
        signals: section("signals").keys().cloned().collect(),
        model: table.contains_key("model"),
    }
}
