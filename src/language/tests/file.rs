//! A strategy file for tests: read as the manifest would read it, but without a word about what is wrong.

use crate::{
    domain::decimal::decimal,
    language::{Number, RawDistances, RawParam, RawProtect, RawRule, RawSize, RawStrategy},
};

/// The strategy of a file, as the manifest would read it.
pub(super) fn of_toml(text: &str) -> RawStrategy {
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
    let size_of = |name: &str| size.get(name).map(|value| decimal(number(value).float()).unwrap());
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
            percent: size_of("percent"),
            risk_pct: size_of("risk-pct"),
            max_notional: size_of("max-notional"),
        },
        signals: section("signals").keys().cloned().collect(),
        model: table.contains_key("model"),
    }
}
