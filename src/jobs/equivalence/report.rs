//! The operators' report and the mismatch block, as text.

use std::fmt::Write as _;

use super::{
    compare::{Comparison, Finding},
    judge::Verdict,
};

/// What the report names.
#[derive(Debug, Clone)]
pub struct Names {
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
pub fn layer_lines(found: &Comparison, verdict: Verdict) -> [String; 2] {
    let word = |finding: &Option<Finding>| match (finding, verdict) {
        (Some(_), _) => "FAIL",
        (None, Verdict::Inconclusive) => "INCONCLUSIVE",
        (None, Verdict::Pass | Verdict::PassDataDrift | Verdict::Fail) => "PASS",
    };
    [format!("[decisions] {}", word(&found.decisions)), format!("[trades] {}", word(&found.trade))]
}

/// The report operators know, filled in.
pub fn operators_report(
    found: &Comparison,
    verdict: Verdict,
    names: &Names,
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
        Some(Finding { ts_ms, column, layer, index: None, .. }) => {
            format!("{ts_ms} column {column} (layer {})", layer.name())
        }
        Some(Finding { ts_ms, column, layer, index: Some(n), .. }) => {
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

fn next_check(found: &Comparison, names: &Names) -> String {
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
    finding: &Finding,
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
