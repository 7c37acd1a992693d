//! The tables of backtest, equivalence, eqflat and report.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::setting::words;

use super::{
    super::values::{Parsed, Time},
    StopFill,
};
use crate::domain::{
    ids::{Exchange, RunId, Tag},
    series::Symbol,
    time::Timeframe,
};

words! {
    /// What a backtest takes over from LIVE besides the bars.
    Inputs {
        /// What LIVE recorded under this tag: its oldest bar, its degraded slots, its operator commands.
        Auto = "auto",
        /// Nothing.
        None = "none",
    }
}

words! {
    /// What happens when the ledgers of a backtest exist already.
    OnExisting {
        /// The job stops.
        Fail = "fail",
        /// They are written again.
        Replace = "replace",
    }
}

/// The replay. An eqflat job takes the tag, the run id and the window from elsewhere.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(in super::super) struct BacktestTable {
    /// Storage namespace of LIVE; the ledgers go to `<tag>_bt_<runid>`. Needed in a backtest, not accepted in eqflat.
    pub tag: Option<Parsed<Tag>>,
    /// Names this replay. Needed in a backtest, not accepted in eqflat.
    pub runid: Option<Parsed<RunId>>,
    /// Close time of the first row; without it, the first slot with a bar. Not accepted in eqflat.
    #[schemars(range(min = 0))]
    pub start_ts_ms: Option<i64>,
    /// Close time of the last row; without it, the last slot with a bar. Not accepted in eqflat.
    #[schemars(range(min = 0))]
    pub end_ts_ms: Option<i64>,
    /// The first row closes at this time or later: a time in place of `start-ts-ms`. Not accepted in eqflat.
    pub from: Option<Time>,
    /// The last row closes at this time or earlier: a time in place of `end-ts-ms`. Not accepted in eqflat.
    pub to: Option<Time>,
    /// At which price a stop is filled when the bar opens beyond it.
    pub stop_fill: StopFill,
    /// What is taken over from LIVE besides the bars.
    pub inputs: Inputs,
    /// Whether an open position is closed at the end of the window, at the last known close. The last row and all figures count it.
    pub close_at_end: bool,
    /// What happens when the ledgers exist already.
    pub on_existing: OnExisting,
    /// Whether a table of what the rules saw is left beside the ledgers, `features.parquet`: one row per bar with the bar, every name of
    /// `[strategy.let]` and the truth of every rule, as `runner features` makes it. Not accepted in eqflat.
    pub features: bool,
}

impl Default for BacktestTable {
    fn default() -> Self {
        Self {
            tag: None,
            runid: None,
            start_ts_ms: None,
            end_ts_ms: None,
            from: None,
            to: None,
            stop_fill: StopFill::ThroughOpen,
            inputs: Inputs::Auto,
            close_at_end: false,
            on_existing: OnExisting::Fail,
            features: false,
        }
    }
}

words! {
    /// What a verdict of FAIL leads to.
    OnFail {
        /// Nothing more than its exit code.
        None = "none",
        /// The tag gets the command `reduce`, once: no entries until an operator says `resume`.
        Reduce = "reduce",
    }
}

fn nothing() -> OnFail {
    OnFail::None
}

fn two_days() -> u32 {
    48
}

fn twelve() -> u32 {
    12
}

fn three() -> u32 {
    3
}

/// The comparison.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Equivalence {
    /// Storage namespace of LIVE.
    pub tag: Parsed<Tag>,
    /// Which replay: it is under `<tag>_bt_<runid>`.
    pub runid: Parsed<RunId>,
    /// The venue. What is not written of the series is found in the ledger, where the tag has only one.
    #[serde(default)]
    pub exchange: Option<Parsed<Exchange>>,
    /// The pair, as for `exchange`.
    #[serde(default)]
    pub symbol: Option<Parsed<Symbol>>,
    /// The length of one bar, as for `exchange`.
    #[serde(default)]
    pub timeframe: Option<Parsed<Timeframe>>,
    /// Fewer rows in both: the verdict is INCONCLUSIVE.
    #[serde(default = "twelve")]
    #[schemars(range(min = 1))]
    pub min_overlap_bars: u32,
    /// Rows printed before and after the first difference.
    #[serde(default = "three")]
    pub context_rows: u32,
}

/// The replay of the LIVE window and the comparison.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in super::super) struct EqflatTable {
    /// Storage namespace of LIVE.
    pub tag: Parsed<Tag>,
    /// Names the replay. Without it, `eqflat_YYYYmmdd_HHMMSS_mmm` of the time in UTC, and a number behind it if that is in use.
    #[serde(default)]
    pub runid: Option<Parsed<RunId>>,
    /// Fewer rows in both: the verdict is INCONCLUSIVE.
    #[serde(default = "twelve")]
    #[schemars(range(min = 1))]
    pub min_overlap_bars: u32,
    /// Rows printed before and after the first difference.
    #[serde(default = "three")]
    pub context_rows: u32,
    /// What a verdict of FAIL leads to.
    #[serde(default = "nothing")]
    pub on_fail: OnFail,
    /// Replays and reports named by the time that are kept of this tag: the newest, and every one that says FAIL.
    /// Others of that name are removed after the run.
    #[serde(default = "two_days")]
    #[schemars(range(min = 1, max = 100_000))]
    pub keep: u32,
}

/// Which ledger is reported on.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReportTable {
    /// Storage namespace of a LIVE ledger. With `of`, it says which one where several backtests have that name.
    pub tag: Parsed<Tag>,
    /// A backtest, by its run id or by the name that its ledgers have behind `_bt_`; a sweep, by its id or its run id; a training, by its
    /// run id. The run id of another job takes the LIVE ledger of its tag.
    #[serde(default)]
    pub of: Option<Parsed<RunId>>,
    /// The venue. What is not given of the series is found in the ledger, where the tag has only one.
    #[serde(default)]
    pub exchange: Option<Parsed<Exchange>>,
    /// The pair, as for `exchange`.
    #[serde(default)]
    pub symbol: Option<Parsed<Symbol>>,
    /// The length of one bar, as for `exchange`.
    #[serde(default)]
    pub timeframe: Option<Parsed<Timeframe>>,
}
