//! `proof.json`: what was compared, what came of it, and the hashes that let anyone check it again; and the same as text for operators.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use serde::{Deserialize, Serialize};

use super::{
    compare::{Difference, LedgerComparison},
    judge::ProofVerdict,
};
use crate::store::{digest::sha256_of, disk::Disk, error::StoreError};

/// Name and version of the document.
pub const SCHEMA: &str = "mjolnir.proof/1";

/// One ledger file: where it is, how much of it was compared, and the hash of that much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerHash {
    /// Path below the root.
    pub path: String,
    /// Bytes from the beginning that were read. A live ledger grows behind them.
    pub bytes: u64,
    /// sha256 of these bytes.
    pub sha256: String,
}

impl LedgerHash {
    /// Of the first bytes of a file.
    pub fn of<D: Disk>(disk: &D, path: &Path, root: &Path, bytes: u64) -> Result<Self, StoreError> {
        Ok(Self::known(path, root, bytes, sha256_of(disk, path, bytes)?.1))
    }

    /// Of the first bytes of a file whose digest is known.
    pub fn known(path: &Path, root: &Path, bytes: u64, sha256: String) -> Self {
        let path = path.strip_prefix(root).unwrap_or(path).display().to_string();
        Self { path, bytes, sha256 }
    }
}

/// Decisions and trades of one side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideHashes {
    /// `decisions.csv`.
    pub decisions: LedgerHash,
    /// `trades.csv`.
    pub trades: LedgerHash,
    /// Where touched stops fill.
    pub stop_fill: String,
}

/// The first difference, as it stands in the proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatch {
    /// Layer it lies in.
    pub layer: String,
    /// Slot it lies at.
    pub ts_ms: i64,
    /// Trade event since the sync slot, from 0; absent for decisions.
    pub trade_index: Option<usize>,
    /// Column it lies in.
    pub column: String,
    /// What LIVE has there.
    pub live: String,
    /// What the backtest has there.
    pub backtest: String,
    /// Cause class.
    pub cause: String,
}

impl Mismatch {
    /// Where it lies, in one line.
    pub fn place(&self) -> String {
        let Self { layer, ts_ms, column, cause, .. } = self;
        format!("first mismatch: layer {layer} column {column} ts_ms {ts_ms} ({cause})")
    }
}

/// The whole document: `proof.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// [`SCHEMA`].
    pub schema: String,
    /// Verdict on the bars LIVE saw.
    pub as_seen: String,
    /// Verdict on today's store; absent when only two ledgers were compared.
    pub as_is: Option<String>,
    /// First difference on the bars LIVE saw.
    pub mismatch: Option<Mismatch>,
    /// First difference on today's store.
    pub drift: Option<Mismatch>,
    /// LIVE's tag.
    pub tag: String,
    /// The backtest's run id.
    pub runid: String,
    /// Venue, symbol and timeframe.
    pub series: [String; 3],
    /// First and last common slot.
    pub overlap_ts_ms: Option<(i64, i64)>,
    /// First slot from which both were compared.
    pub sync_ts_ms: Option<i64>,
    /// Fewest rows that were worth a verdict.
    pub min_overlap_bars: usize,
    /// Decision rows compared.
    pub rows: usize,
    /// LIVE trade events compared.
    pub trades: usize,
    /// LIVE rows hindered from outside, by reason.
    pub degraded: BTreeMap<String, usize>,
    /// LIVE's files.
    pub live: SideHashes,
    /// The backtest's files.
    pub backtest: SideHashes,
    /// Hash of strategy and rules of the backtest.
    pub strategy_hash: String,
    /// The build that began LIVE.
    pub live_build: String,
    /// The build that made this proof.
    pub build: String,
    /// When, milliseconds UTC.
    pub made_at_ms: i64,
}

impl Proof {
    /// The document of that text; `None` when it is none of ours.
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        let proof: Self = serde_json::from_slice(bytes).ok()?;
        (proof.schema == SCHEMA).then_some(proof)
    }

    /// The verdict the exit code follows: drift is no failure of the code.
    pub fn verdict(&self) -> ProofVerdict {
        let named = |text: &str| {
            [
                ProofVerdict::Pass,
                ProofVerdict::PassDataDrift,
                ProofVerdict::Fail,
                ProofVerdict::Inconclusive,
            ]
            .into_iter()
            .find(|verdict| verdict.name() == text)
        };
        match (named(&self.as_seen), self.as_is.as_deref().and_then(named)) {
            (Some(ProofVerdict::Pass), Some(as_is)) => as_is,
            (as_seen, _) => as_seen.unwrap_or(ProofVerdict::Fail),
        }
    }
}

/// A proof's mismatch from a finding.
pub fn mismatch(found: &LedgerComparison, cause: &str) -> Option<Mismatch> {
    found.first().map(|first| Mismatch {
        layer: first.layer.name().to_owned(),
        ts_ms: first.ts_ms,
        trade_index: first.index,
        column: first.column.to_owned(),
        live: first.live.clone(),
        backtest: first.backtest.clone(),
        cause: cause.to_owned(),
    })
}

/// What the report names.
#[derive(Debug, Clone)]
pub struct SideNames {
    /// LIVE's tag.
    pub tag: String,
    /// The backtest's run id.
    pub runid: String,
    /// Path of LIVE's decisions.
    pub live_decisions: String,
    /// Path of the backtest's decisions.
    pub backtest_decisions: String,
    /// Path of LIVE's trades.
    pub live_trades: String,
    /// Path of the backtest's trades.
    pub backtest_trades: String,
}

/// `[decisions] PASS` and `[trades] PASS`, or FAIL, or INCONCLUSIVE.
pub fn layer_lines(found: &LedgerComparison, verdict: ProofVerdict) -> [String; 2] {
    let word = |finding: &Option<Difference>| match (finding, verdict) {
        (Some(_), _) => "FAIL",
        (None, ProofVerdict::Inconclusive) => "INCONCLUSIVE",
        (None, ProofVerdict::Pass | ProofVerdict::PassDataDrift | ProofVerdict::Fail) => "PASS",
    };
    [format!("[decisions] {}", word(&found.decisions)), format!("[trades] {}", word(&found.trade))]
}

/// The report operators know, filled in.
pub fn operators_report(
    found: &LedgerComparison,
    verdict: ProofVerdict,
    names: &SideNames,
    hypothesis: &str,
) -> String {
    let first = found.first();
    let layer = match first {
        None => "none",
        Some(finding) if finding.index.is_some() => "trades",
        Some(_) => "decisions",
    };
    let window =
        found.overlap.map_or("none".to_owned(), |(first, last)| format!("[{first}, {last}]"));
    let mismatch = match first {
        None => "none".to_owned(),
        Some(Difference { ts_ms, column, layer, index: None, .. }) => {
            format!("{ts_ms} column {column} (layer {})", layer.name())
        }
        Some(Difference { ts_ms, column, layer, index: Some(n), .. }) => {
            format!("trade index {n} at {ts_ms} column {column} (layer {})", layer.name())
        }
    };
    format!(
        "Result: {}\nDATA_TAG={}\nRUNID={}\nLayer: {layer}\nWindow overlap: {window}\n\
         First mismatch (ts_ms or trade index): {mismatch}\n\
         Hypothesis (1 sentence, no solution yet): {hypothesis}\n\
         Next check I will run (1 command): {}\n",
        verdict.name(),
        names.tag,
        names.runid,
        next_check(found, names),
    )
}

fn next_check(found: &LedgerComparison, names: &SideNames) -> String {
    match found.first() {
        None => "none".to_owned(),
        Some(finding) => {
            let (live, backtest) = if finding.index.is_some() {
                (&names.live_trades, &names.backtest_trades)
            } else {
                (&names.live_decisions, &names.backtest_decisions)
            };
            format!("awk -F, -v ts=\"{}\" '$4==ts' {live} {backtest}", finding.ts_ms)
        }
    }
}

/// A row: its slot and its text.
pub type TimedRow = (i64, String);

/// Both rows of the first difference with their neighbours; lines of LIVE begin with `-`, of the backtest with `+`.
pub fn mismatch_block(
    finding: &Difference,
    (live, backtest): (&[TimedRow], &[TimedRow]),
    cause: &str,
) -> String {
    let mut text = format!(
        "first mismatch: ts_ms {} layer {} column {}\n  LIVE     {}\n  BACKTEST {}\n  cause: {cause}\n",
        finding.ts_ms,
        finding.layer.name(),
        finding.column,
        shown(&finding.live),
        shown(&finding.backtest),
    );
    for (ts_ms, row) in live {
        let other = backtest.iter().find(|(other, _)| other == ts_ms);
        let _ = match other {
            Some((_, other)) if other == row => writeln!(text, "    {row}"),
            Some((_, other)) => writeln!(text, "  - {row}\n  + {other}"),
            None => writeln!(text, "  - {row}"),
        };
    }
    text
}

fn shown(value: &str) -> &str {
    if value.is_empty() { "(empty)" } else { value }
}
