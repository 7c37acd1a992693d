//! What live, backtest and eqflat share: market, strategy, fill, account, risk.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::setting::{Dec, words};

use super::super::values::{Parsed, Span};
use crate::{
    domain::{ids::Exchange, series::Symbol, time::Timeframe},
    engine::rules::FillAt,
    language::Sides,
};

/// The series of bars.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in super::super) struct MarketTable {
    /// The venue.
    pub exchange: Parsed<Exchange>,
    /// The pair, `BASE/QUOTE` in upper case.
    pub symbol: Parsed<Symbol>,
    /// The length of one bar.
    pub timeframe: Parsed<Timeframe>,
}

words! {
    /// The side of a rule.
    RuleSide {
        /// A position that gains when the price rises.
        Long = "long",
        /// A position that gains when the price falls.
        Short = "short",
        /// Both; of exits only.
        Both = "both",
    }
}

/// The rules that decide: expressions over bars, written in the language of docs/RULES.md. A file with [[strategy.enter]] is whole: it
/// takes away every [strategy] below it, and files above it may set only `params.NAME.default`, `cadence-bars`, `sides`, `size` and
/// `model`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in super::super) struct StrategyTable {
    /// Slots without a hole that a decision needs before it; with a hole among them the row says `cadence_failed`.
    #[serde(default = "StrategyTable::cadence")]
    #[schemars(range(min = 1))]
    pub cadence_bars: u32,
    /// The sides it may take.
    #[serde(default = "StrategyTable::sides")]
    pub sides: Sides,
    /// Conditions over params: `fast < slow`. One that is false is an error that shows the values.
    #[serde(default)]
    pub require: Vec<String>,
    /// Numbers that can be turned, by name: with `-p NAME=VALUE`, by a variable, a schedule or a sweep.
    #[serde(default)]
    pub params: BTreeMap<String, StrategyParam>,
    /// Named expressions, in any order.
    #[serde(default, rename = "let")]
    pub lets: BTreeMap<String, String>,
    /// Entry rules: of those that are true, the first one counts.
    pub enter: Vec<EnterRule>,
    /// Exit rules.
    #[serde(default)]
    pub exit: Vec<ExitRule>,
    /// Distances that protect a position, in quote currency per unit.
    #[serde(default)]
    pub protect: ProtectTable,
    /// What a position is worth.
    #[serde(default)]
    pub size: SizeTable,
    /// Signals of programs in other languages, by name: `signal('NAME')` in a condition.
    #[serde(default)]
    pub signals: BTreeMap<String, StrategySignal>,
    /// The model that gives the `score` of the rules.
    pub model: Option<ModelRule>,
}

impl StrategyTable {
    fn cadence() -> u32 {
        12
    }

    fn sides() -> Sides {
        Sides::Both
    }
}

/// A number that can be turned. With a whole default it is a whole number, which may be a length.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StrategyParam {
    /// Its value where nothing else is given.
    pub default: f64,
    /// The least that is accepted.
    pub min: Option<f64>,
    /// The most that is accepted.
    pub max: Option<f64>,
    /// How far a sweep goes from value to value.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub step: Option<f64>,
    /// One sentence for people.
    pub help: Option<String>,
    /// The variable that gives it.
    pub env: Option<String>,
}

/// A rule that enters.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EnterRule {
    /// Its name: the `reason` of decisions.csv.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9_]{0,31}$"))]
    pub rule: String,
    /// The side it takes: `long` or `short`.
    pub side: RuleSide,
    /// The condition.
    pub when: String,
}

/// A rule that leaves.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ExitRule {
    /// Its name: the `reason` of decisions.csv.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9_]{0,31}$"))]
    pub rule: String,
    /// The side it leaves; both, without it.
    pub side: Option<RuleSide>,
    /// The condition.
    pub when: String,
}

/// Distances from the entry, each an expression over bars and params: what is left out does not exist. The one of a side counts before
/// the one of both.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ProtectTable {
    /// The protective stop.
    pub stop: Option<String>,
    /// The profit target.
    pub target: Option<String>,
    /// The trailing stop, behind the best price since entry.
    pub trail: Option<String>,
    /// How far the best price must be before the stop trails; at once, without it.
    pub trail_from: Option<String>,
    /// How far the best price must be before the stop moves to the entry price.
    pub break_even_at: Option<String>,
    /// Of long positions.
    pub long: SideDistances,
    /// Of short positions.
    pub short: SideDistances,
}

/// Distances of one side, in the place of those of both.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct SideDistances {
    /// The protective stop.
    pub stop: Option<String>,
    /// The profit target.
    pub target: Option<String>,
    /// The trailing stop.
    pub trail: Option<String>,
    /// How far the best price must be before the stop trails.
    pub trail_from: Option<String>,
    /// How far the best price must be before the stop moves to the entry price.
    pub break_even_at: Option<String>,
}

words! {
    /// How the value of a position is found.
    SizeBy {
        /// `account.notional`.
        Fixed = "fixed",
        /// A part of the equity.
        Percent = "percent",
        /// So much that the stop costs a part of the equity.
        Risk = "risk",
    }
}

/// What a position is worth, fixed at the close that decides.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct SizeTable {
    /// How it is found.
    pub mode: SizeBy,
    /// Part of the equity, in percent. Of `percent` only.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 100000))]
    pub percent: Option<Dec>,
    /// What the stop may cost, in percent of the equity. Of `risk` only.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 100))]
    pub risk_pct: Option<Dec>,
    /// The most a position may be worth, in the quote currency.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub max_notional: Option<Dec>,
}

impl Default for SizeTable {
    fn default() -> Self {
        Self { mode: SizeBy::Fixed, percent: None, risk_pct: None, max_notional: None }
    }
}

words! {
    /// What a signal says while no line speaks.
    SignalAbsent {
        /// 0, as if the program had said `flat`.
        Flat = "flat",
    }
}

/// A signal: a program appends `ts_ms,side,reason` to data/signals/NAME.csv, and rules read the side as `signal('NAME')`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct StrategySignal {
    /// How long a line speaks, from its own slot on; one bar without it, so that it speaks at its own slot only.
    pub max_age: Option<Parsed<Span>>,
    /// How long LIVE waits for the line of a slot, once its bar is stored; at most half a bar.
    pub wait: Parsed<Span>,
    /// What the signal says while no line speaks; unknown without it.
    pub absent: Option<SignalAbsent>,
}

impl Default for StrategySignal {
    fn default() -> Self {
        Self { max_age: None, wait: Parsed::new(Span::seconds(0)), absent: None }
    }
}

/// The model that rules read as `score`: how much rather up than down it says the price will go, the difference of two logits, so that
/// 0.2 means odds of 1.22 to 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ModelRule {
    /// The folder of a model, or a file that names one as `name/id`, below the root. LIVE loads it at its start; one that differs
    /// from the ledger's is switched to from the first undecided slot on, and recorded in the commands ledger.
    pub path: String,
    /// What rules read as `threshold`, in millionths of the score. Without it, the one that was chosen for the model when it was trained,
    /// which its folder holds; 200000 for a model from elsewhere.
    #[schemars(range(min = 1))]
    pub enter: Option<i64>,
}

impl Default for ModelRule {
    fn default() -> Self {
        Self { path: "data/models/current".to_owned(), enter: None }
    }
}

/// How signals are filled, and what that costs.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Fill {
    /// When a signal is filled.
    pub at: FillAt,
    /// Fee of each fill, in basis points of the amount.
    #[schemars(range(min = 0, max = 10000))]
    pub fee_bps: Dec,
    /// How much worse than the price a fill is, in basis points. Targets fill without it. With 10000 a sale would be given away.
    #[schemars(range(min = 0, max = 9999))]
    pub slippage_bps: Dec,
}

impl Default for Fill {
    fn default() -> Self {
        Self { at: FillAt::NextOpen, fee_bps: Dec::whole(10), slippage_bps: Dec::whole(0) }
    }
}

/// The paper account.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Account {
    /// Cash at the start, in the quote currency.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub cash: Dec,
    /// Amount of each position, in the quote currency.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub notional: Dec,
    /// How many times the equity a position may be worth when it is entered; 1 without it. A larger entry is vetoed (`cash`).
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 1000))]
    pub leverage: Option<Dec>,
}

impl Default for Account {
    fn default() -> Self {
        Self { cash: Dec::whole(10_000), notional: Dec::whole(1_000), leverage: None }
    }
}
