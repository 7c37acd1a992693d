//! What a report is about, and what proves it: given by whoever has the files.

use std::collections::BTreeMap;

use serde::Serialize;

/// Which ledger, made with what.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Header {
    /// `backtest` or `live`.
    pub kind: &'static str,
    /// Storage namespace of the ledger.
    pub tag: String,
    /// The run id of a backtest.
    pub runid: Option<String>,
    /// The venue.
    pub exchange: String,
    /// The pair.
    pub symbol: String,
    /// The quote currency.
    pub quote: String,
    /// The length of one bar.
    pub timeframe: String,
    /// When the report was made, milliseconds UTC.
    pub made_at_ms: i64,
    /// The build that made the report.
    pub build: String,
    /// The build that began the ledger; absent where that is not known.
    pub ledger_build: Option<String>,
    /// `decisions.csv`, below the root.
    pub decisions: String,
    /// `trades.csv`, below the root.
    pub trades: String,
    /// sha256 over the hashes of the bars as they were decided on, in order: equal data have an equal one.
    pub data_sha256: String,
    /// Every setting that trades depend on, by its manifest key; the texts of the rules among them.
    pub settings: BTreeMap<String, String>,
    /// Where touched stops fill.
    pub stop_fill: Option<String>,
    /// Hash of the settings.
    pub strategy_hash: Option<String>,
    /// Bytes behind the last whole row were left out.
    pub is_torn: bool,
}

/// What proves a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum ProofState {
    /// Nothing does.
    None {
        /// Why, and what to do.
        why: String,
        /// What to type for one.
        command: String,
    },
    /// A comparison of LIVE with its replay.
    Found(ReportProof),
}

/// A proof, and what has become of its ledger since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportProof {
    /// Verdict on both sides.
    pub verdict: String,
    /// Whether the verdict is one that can be relied on: PASS or PASS_DATA_DRIFT.
    pub is_pass: bool,
    /// LIVE's tag.
    pub tag: String,
    /// The replay.
    pub runid: String,
    /// First and last slot of the overlap.
    pub window_ts_ms: Option<(i64, i64)>,
    /// Decision rows compared.
    pub rows: usize,
    /// Trade events compared.
    pub trades: usize,
    /// Where the two differ first.
    pub mismatch: Option<String>,
    /// When it was made, milliseconds UTC.
    pub made_at_ms: i64,
    /// By which build.
    pub build: String,
    /// The document, below the root.
    pub path: String,
    /// Whether the ledger still begins with the bytes that were compared.
    pub is_same: bool,
    /// Rows of the ledger behind it.
    pub rows_after: u64,
}
