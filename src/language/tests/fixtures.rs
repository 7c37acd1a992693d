//! Bars and strategy files for tests.

use crate::{
    domain::{
        bar::{Bar, TimedBar},
        decimal::decimal,
        time::{SlotTs, Timeframe},
    },
    language::{Number, RawDistances, RawParam, RawProtect, RawRule, RawSize, RawStrategy},
};

/// Numbers that look random and are the same every time.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678)
    }

    /// Below `n`.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % n
    }

    /// From -1 to 1.
    pub(super) fn unit(&mut self) -> f64 {
        self.below(2_000_001) as f64 / 1_000_000.0 - 1.0
    }
}

pub(super) fn slot(timeframe: Timeframe, n: i64) -> SlotTs {
    timeframe.slot((100_000 + n) * timeframe.ms()).unwrap()
}

/// A walk of prices on a grid with holes, bars without range and equal closes.
pub(super) fn walk(seed: u64, many: usize, timeframe: Timeframe) -> Vec<TimedBar> {
    let mut dice = Dice::new(seed);
    let (mut price, mut at) = (100.0, dice.below(500) as i64);
    let mut bars = Vec::with_capacity(many);
    while bars.len() < many {
        at += match dice.below(40) {
            0 => 2,
            1 => 1 + dice.below(30) as i64,
            _ => 1,
        };
        let open: f64 = price;
        if dice.below(12) > 0 {
            price *= 1.0 + 0.01 * dice.unit();
        }
        let flat = dice.below(15) == 0;
        let (up, down) = if flat { (0.0, 0.0) } else { (dice.unit().abs(), dice.unit().abs()) };
        let high = open.max(price) * (1.0 + 0.004 * up);
        let low = open.min(price) * (1.0 - 0.004 * down);
        let volume = if dice.below(10) == 0 { 0.0 } else { 50.0 * dice.unit().abs() };
        let bar = Bar::new([open, high, low, price, volume]).unwrap();
        bars.push(TimedBar { ts: slot(timeframe, at), bar });
    }
    bars
}

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
