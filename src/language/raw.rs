//! A strategy as its file has it: strings and numbers, nothing checked, so that the check can give all problems at once.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// `[strategy]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RawStrategy {
    /// `cadence-bars`: the warm-up is at least this.
    pub cadence_bars: u32,
    /// `sides`: `both`, `long` or `short`.
    pub sides: String,
    /// `require`: conditions over the params.
    pub require: Vec<String>,
    /// `[strategy.params]`.
    pub params: BTreeMap<String, RawParam>,
    /// `[strategy.let]`.
    pub lets: BTreeMap<String, String>,
    /// `[[strategy.enter]]`.
    pub enter: Vec<RawRule>,
    /// `[[strategy.exit]]`.
    pub exit: Vec<RawRule>,
    /// `[strategy.protect]`.
    pub protect: RawProtect,
    /// `[strategy.size]`.
    pub size: RawSize,
    /// The names of `[strategy.signals.NAME]`.
    pub signals: BTreeSet<String>,
    /// Whether there is a `[strategy.model]`.
    pub model: bool,
}

/// A number that is whole by the way it is written, or not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Number {
    /// Written without a point.
    Integer(i64),
    /// Written with one.
    Float(f64),
}

/// Values of params that differ from the defaults.
pub type Values = BTreeMap<String, Number>;

/// One of `[strategy.params]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RawParam {
    /// Its value, where nothing else gives one. It says whether the param is whole.
    pub default: Number,
    /// Smallest value.
    pub min: Option<Number>,
    /// Largest value.
    pub max: Option<Number>,
    /// From one value of a sweep to the next.
    pub step: Option<Number>,
    /// What it is.
    pub help: Option<String>,
}

/// A rule that enters or leaves.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RawRule {
    /// Its name.
    pub rule: String,
    /// `long` or `short`; of an exit also `both`, as without it.
    pub side: Option<String>,
    /// The condition.
    pub when: String,
}

/// `[strategy.protect]`, and what replaces its keys on one side.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RawProtect {
    /// On both sides.
    pub both: RawDistances,
    /// `[strategy.protect.long]`.
    pub long: RawDistances,
    /// `[strategy.protect.short]`.
    pub short: RawDistances,
}

/// Distances from the entry price.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RawDistances {
    /// `stop`.
    pub stop: Option<String>,
    /// `target`.
    pub target: Option<String>,
    /// `trail`.
    pub trail: Option<String>,
    /// `trail-from`.
    pub trail_from: Option<String>,
    /// `break-even-at`.
    pub break_even_at: Option<String>,
}

/// `[strategy.size]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RawSize {
    /// `mode`: `fixed`, as without it, `percent` or `risk`.
    pub mode: Option<String>,
    /// `percent`, of the equity.
    #[serde(with = "decimal_text")]
    pub percent: Option<Decimal>,
    /// `risk-pct`: the loss at the stop in percent of the equity.
    #[serde(with = "decimal_text")]
    pub risk_pct: Option<Decimal>,
    /// `max-notional`: the largest value of a position.
    #[serde(with = "decimal_text")]
    pub max_notional: Option<Decimal>,
}

impl Number {
    /// As a number of an expression.
    pub fn float(self) -> f64 {
        match self {
            Self::Integer(whole) => whole as f64,
            Self::Float(x) => x,
        }
    }
}

impl RawDistances {
    /// The keys, as the file writes them, and their texts.
    pub(super) fn keys(&self) -> [(&'static str, Option<&str>); 5] {
        let Self { stop, target, trail, trail_from, break_even_at } = self;
        [
            ("stop", stop.as_deref()),
            ("target", target.as_deref()),
            ("trail", trail.as_deref()),
            ("trail-from", trail_from.as_deref()),
            ("break-even-at", break_even_at.as_deref()),
        ]
    }
}

/// A decimal as its text.
mod decimal_text {
    use rust_decimal::Decimal;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    #[expect(clippy::ref_option, reason = "serde calls it with a reference to the field")]
    pub(super) fn serialize<S: Serializer>(
        value: &Option<Decimal>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.map(|value| value.to_string()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Decimal>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}
