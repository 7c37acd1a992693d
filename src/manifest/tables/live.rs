//! The table of the paper loop.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::setting::words;

use super::{
    super::values::{Parsed, Span, Speed, Time},
    StopFill,
};
use crate::domain::{base_url::BaseUrl, ids::Tag};

words! {
    /// Where the bars of the paper loop come from.
    Feed {
        /// From the venue itself, over the network, in real time.
        Http = "http",
        /// From recorded bars in a file, as if they happened now.
        Replay = "replay",
        /// Made up from a seed, as if they happened now.
        Synthetic = "synthetic",
    }
}

words! {
    /// What happens to a decision that is not later than the last one written.
    Monotonic {
        /// The job stops with the row.
        Enforce = "enforce",
        /// The row is left out and logged.
        Warn = "warn",
    }
}

words! {
    /// What happens to slots missed while the loop was down.
    CatchUpMode {
        /// Decided and filled as if live.
        Replay = "replay",
        /// Exits only; a suppressed entry has the reason `catchup_no_entry`.
        Observe = "observe",
        /// Not decided: rows with the reason `downtime`.
        Off = "off",
    }
}

/// Slots missed while the loop was down.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct CatchUp {
    /// What happens to them.
    pub mode: CatchUpMode,
    /// Most slots caught up; further back the rows say `bar_missing` and the loop is halted.
    pub max_bars: u32,
}

impl Default for CatchUp {
    fn default() -> Self {
        Self { mode: CatchUpMode::Replay, max_bars: 10_000 }
    }
}

/// The paper loop.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "keys of a file that switch one thing each")]
pub struct Live {
    /// Storage namespace of the ledgers.
    pub tag: Parsed<Tag>,
    /// Where the bars come from.
    pub feed: Feed,
    /// File of recorded bars, with `feed = "replay"`.
    pub source: Option<String>,
    /// Seed of made-up bars, with `feed = "synthetic"`.
    #[serde(default = "Live::seed_7")]
    pub seed: u64,
    /// When recorded or made-up time starts.
    pub from: Option<Time>,
    /// When it ends; later than `from`. With `feed = "http"` it may be absent: the loop goes on until it is asked to stop.
    pub to: Option<Time>,
    /// How fast it passes. With `feed = "http"`, `max` means real time, and a factor is for a venue that is simulated
    /// just as fast: the clock is then set by what that venue says.
    #[serde(default = "Live::speed_max")]
    pub speed: Parsed<Speed>,
    /// Where the venue's public interface is, such as `http://127.0.0.1:8080`; without it, its own.
    pub base_url: Option<Parsed<BaseUrl>>,
    /// The longest one request may take.
    #[serde(default = "Live::timeout_10s")]
    pub request_timeout: Parsed<Span>,
    /// Slots in a row without a trade that are filled flat at the last close, on venues that leave such bars out; 0 for none.
    #[serde(default)]
    #[schemars(range(max = 1000))]
    pub carry_bars: u32,
    /// How long after a bar closes the venue is asked for it.
    #[serde(default = "Live::settle_2s")]
    pub settle: Parsed<Span>,
    /// Bars after which a slot with a bar that cannot be fetched is given up as `fetch_failed`, from the first question after its close
    /// that failed: what was missed while the loop was off, or the machine slept, is caught up.
    #[serde(default = "Live::deadline")]
    #[schemars(range(min = 1))]
    pub decide_deadline_bars: u32,
    /// What happens to a decision that is not later than the last one written.
    #[serde(default = "Live::enforce")]
    pub monotonic: Monotonic,
    /// At which price a stop is filled when the bar opens beyond it.
    #[serde(default = "Live::at_stop")]
    pub stop_fill: StopFill,
    /// Decide and log, but write no ledger.
    #[serde(default)]
    pub dry_run: bool,
    /// End after this many decided slots; without it, at `to`.
    #[schemars(range(min = 1))]
    pub max_bars: Option<u64>,
    /// Bars asked for again behind the last decided one, to notice revisions.
    #[serde(default = "Live::overlap")]
    pub overlap_bars: u32,
    /// How many bars back the venue answers; without it, as many as it is known for, and 1000 for recorded or made-up bars.
    #[schemars(range(min = 1))]
    pub horizon_bars: Option<u32>,
    /// Drill: every fetch fails.
    #[serde(default)]
    pub force_fetch_fail: bool,
    /// Drill: every write to the raw store fails.
    #[serde(default)]
    pub force_persist_fail: bool,
    /// Drill: the process kills itself with SIGKILL after this many decided slots.
    #[schemars(range(min = 1))]
    pub crash_after_bars: Option<u64>,
    /// Slots missed while the loop was down.
    #[serde(default)]
    pub catch_up: CatchUp,
}

impl Live {
    fn seed_7() -> u64 {
        7
    }

    fn speed_max() -> Parsed<Speed> {
        Parsed::new(Speed::Max)
    }

    fn timeout_10s() -> Parsed<Span> {
        Parsed::new(Span::seconds(10))
    }

    fn settle_2s() -> Parsed<Span> {
        Parsed::new(Span::seconds(2))
    }

    fn deadline() -> u32 {
        3
    }

    fn enforce() -> Monotonic {
        Monotonic::Enforce
    }

    fn at_stop() -> StopFill {
        StopFill::AtStop
    }

    fn overlap() -> u32 {
        12
    }
}
