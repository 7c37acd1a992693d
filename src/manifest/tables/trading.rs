//! What live, backtest and eqflat share: market, strategy, fill, account, risk.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    super::values::{Dec, Parsed},
    words,
};
use crate::domain::{ids::Exchange, series::Symbol, time::Timeframe};

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
    /// The strategies.
    StrategyKind {
        /// Crossing of two exponential averages, with stops in multiples of the average true range.
        EmaAtr = "ema_atr",
        /// Return from an extreme of the relative strength index, with the same stops.
        RsiRevert = "rsi_revert",
        /// The score of a trained model, with the same stops.
        Model = "model",
    }
}

/// The rule that decides.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in super::super) struct StrategyTable {
    /// Which rule.
    pub kind: StrategyKind,
    /// Slots without a hole that must lie behind a decision; with a hole among them the row says `cadence_failed`.
    #[serde(default = "StrategyTable::cadence")]
    #[schemars(range(min = 1))]
    pub cadence_bars: u32,
    /// Numbers of `ema_atr`.
    #[serde(default)]
    pub ema_atr: EmaAtr,
    /// Numbers of `rsi_revert`.
    #[serde(default)]
    pub rsi_revert: RsiRevert,
    /// The model and the numbers of `model`.
    #[serde(default)]
    pub model: ModelRule,
}

impl StrategyTable {
    fn cadence() -> u32 {
        12
    }
}

words! {
    /// The sides a strategy may take.
    Sides {
        /// Long and short.
        Both = "both",
        /// Long only.
        Long = "long",
        /// Short only.
        Short = "short",
    }
}

/// Numbers that every strategy has: its keys stand among those of the strategy.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
pub struct Stops {
    /// Bars of the average true range.
    #[schemars(range(min = 1, max = 10000))]
    pub atr: u32,
    /// Distance of the protective stop from the entry, in average true ranges.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub stop_atr: f64,
    /// Distance of the profit target, in average true ranges; none without it.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub target_atr: Option<f64>,
    /// Distance of the trailing stop behind the best price, in average true ranges; none without it.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub trail_atr: Option<f64>,
    /// The sides it may take.
    pub sides: Sides,
}

impl Default for Stops {
    fn default() -> Self {
        Self { atr: 14, stop_atr: 2.0, target_atr: None, trail_atr: None, sides: Sides::Both }
    }
}

/// Numbers of the strategy `ema_atr`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct EmaAtr {
    /// Bars of the fast average; fewer than `slow`.
    #[schemars(range(min = 1, max = 10000))]
    pub fast: u32,
    /// Bars of the slow average.
    #[schemars(range(min = 2, max = 10000))]
    pub slow: u32,
    /// Its stops, and the sides it may take.
    #[serde(flatten)]
    pub stops: Stops,
}

impl Default for EmaAtr {
    fn default() -> Self {
        Self { fast: 20, slow: 50, stops: Stops::default() }
    }
}

/// Numbers of the strategy `rsi_revert`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RsiRevert {
    /// Bars of the relative strength index.
    #[schemars(range(min = 1, max = 10000))]
    pub period: u32,
    /// Below this, long; less than `overbought`.
    #[schemars(range(min = 0, max = 100))]
    pub oversold: f64,
    /// Above this, short.
    #[schemars(range(min = 0, max = 100))]
    pub overbought: f64,
    /// Where a position is left: a long at or above, a short at or below.
    #[schemars(range(min = 0, max = 100))]
    pub exit: f64,
    /// Its stops, and the sides it may take.
    #[serde(flatten)]
    pub stops: Stops,
}

impl Default for RsiRevert {
    fn default() -> Self {
        Self { period: 14, oversold: 30.0, overbought: 70.0, exit: 50.0, stops: Stops::default() }
    }
}

/// The model and the numbers of the strategy `model`. A score is how much rather up than down a model says it will go, in millionths:
/// the difference of two logits, so that 200000 means odds of 1.22 to 1.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ModelRule {
    /// The folder of a model, or a file that names one as `name/id`, below the root. LIVE loads it at its start; one that differs
    /// from the ledger's is switched to from the first undecided slot on, and stands in the commands ledger.
    pub path: String,
    /// Long at this score or above; short at this score below zero, or lower. Without it, the one that was chosen for the model
    /// when it was trained, which its folder holds; 200000 for a model from elsewhere. A ledger that began with one keeps it.
    #[schemars(range(min = 1))]
    pub enter: Option<i64>,
    /// A long is left below this score, a short above it with the sign turned; above -`enter`, at most `enter`.
    pub exit: i64,
    /// Its stops, and the sides it may take.
    #[serde(flatten)]
    pub stops: Stops,
}

impl Default for ModelRule {
    fn default() -> Self {
        Self {
            path: "data/models/current".to_owned(),
            enter: None,
            exit: 0,
            stops: Stops::default(),
        }
    }
}

words! {
    /// When a signal is filled.
    FillAt {
        /// Decided at a close, filled at the open of the next bar.
        NextOpen = "next_open",
        /// Filled at the close it was decided at.
        Close = "close",
    }
}

words! {
    /// At which price a stop is filled when the bar opens beyond it.
    StopFill {
        /// At the stop where the bar trades there, else at the open; a stop of a position that trails is never better than the open.
        AtStop = "at-stop",
        /// At the open.
        ThroughOpen = "through-open",
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

words! {
    /// What a tripped limit does.
    OnTrip {
        /// No entries until an operator resumes; exits go on.
        Reduce = "reduce",
        /// No decisions until an operator resumes; stops go on.
        Halt = "halt",
    }
}

/// Limits that block entries. A limit without a value does not exist.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Risk {
    /// Slots after a stop in which nothing is entered.
    pub cooldown_bars: u32,
    /// Largest loss over the last 24 hours, in the quote currency.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub daily_loss_max: Option<Dec>,
    /// Largest fall of the equity from its peak, in percent.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 100))]
    pub drawdown_max_pct: Option<Dec>,
    /// Stops hit in a row.
    #[schemars(range(min = 1))]
    pub consecutive_stops_max: Option<u32>,
    /// Entries in one UTC day.
    #[schemars(range(min = 1))]
    pub trades_per_day_max: Option<u32>,
    /// Largest position, in the quote currency.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub position_max: Option<Dec>,
    /// What a tripped limit does.
    pub on_trip: OnTrip,
}

impl Default for Risk {
    fn default() -> Self {
        Self {
            cooldown_bars: 0,
            daily_loss_max: None,
            drawdown_max_pct: None,
            consecutive_stops_max: None,
            trades_per_day_max: None,
            position_max: None,
            on_trip: OnTrip::Reduce,
        }
    }
}
