//! From a comparison to a verdict, a cause, one sentence and one command. Pure.

use std::collections::BTreeSet;

use super::compare::{DiffLayer, Difference, LedgerComparison};

/// What a proof says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofVerdict {
    /// Equal.
    Pass,
    /// Equal on the bars LIVE saw; the venue has changed history since.
    PassDataDrift,
    /// Different.
    Fail,
    /// Nothing, or too little, could be compared.
    Inconclusive,
}

impl ProofVerdict {
    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::PassDataDrift => "PASS_DATA_DRIFT",
            Self::Fail => "FAIL",
            Self::Inconclusive => "INCONCLUSIVE",
        }
    }
}

/// Why two ledgers differ, as far as it can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MismatchCause {
    /// The venue changed a bar after it was decided on.
    BarRevised,
    /// One side has no bar there.
    BarMissing,
    /// Strategy or parameters differ: the first of them.
    SettingsDiffer(String),
    /// Another build began the ledger.
    BuildDiffers,
    /// Stops fill by different rules.
    FillPolicyDiffers,
    /// The difference begins where LIVE was restarted.
    RestartLostState,
    /// None of these.
    Unknown,
}

impl MismatchCause {
    /// How it is written.
    pub fn name(&self) -> &'static str {
        match self {
            Self::BarRevised => "bar revised after decision",
            Self::BarMissing => "bar missing on one side",
            Self::SettingsDiffer(_) => "strategy or parameters differ",
            Self::BuildDiffers => "build differs",
            Self::FillPolicyDiffers => "fill policy differs",
            Self::RestartLostState => "restart lost state",
            Self::Unknown => "unknown",
        }
    }
}

/// What is known besides the rows.
#[derive(Debug, Clone, Default)]
pub struct Circumstances {
    /// `key is a, was b` for every setting that differs.
    pub settings: Vec<String>,
    /// Whether stops fill by the same rule on both sides.
    pub same_policy: bool,
    /// Whether the same build began the ledger and runs now.
    pub same_build: bool,
    /// Slots whose bars were revised, filled in, or cannot be found as LIVE saw them.
    pub revised: BTreeSet<i64>,
    /// First slots decided after a restart.
    pub restarts: BTreeSet<i64>,
    /// Fewest rows worth a verdict.
    pub min_overlap_bars: usize,
}

/// The verdict on one comparison.
pub fn verdict(found: &LedgerComparison, around: &Circumstances) -> ProofVerdict {
    if found.first().is_some() {
        ProofVerdict::Fail
    } else if found.sync_ts_ms.is_none() || found.rows < around.min_overlap_bars {
        ProofVerdict::Inconclusive
    } else {
        ProofVerdict::Pass
    }
}

/// The verdict on today's store, given the one on the bars as seen.
pub fn verdict_as_is(
    as_seen: ProofVerdict,
    as_is: &LedgerComparison,
    around: &Circumstances,
) -> ProofVerdict {
    match (as_seen, verdict(as_is, around)) {
        (ProofVerdict::Pass, ProofVerdict::Fail) => ProofVerdict::PassDataDrift,
        (_, verdict) => verdict,
    }
}

/// Why the first difference is there.
pub fn cause(
    first: &Difference,
    found: &LedgerComparison,
    around: &Circumstances,
) -> MismatchCause {
    if let Some(setting) = around.settings.first() {
        return MismatchCause::SettingsDiffer(setting.clone());
    }
    if first.layer == DiffLayer::Bar && first.column == "bar_hash" {
        if first.live.is_empty() || first.backtest.is_empty() {
            return MismatchCause::BarMissing;
        }
        return if around.revised.contains(&first.ts_ms) {
            MismatchCause::BarRevised
        } else {
            MismatchCause::Unknown
        };
    }
    if !around.same_policy {
        return MismatchCause::FillPolicyDiffers;
    }
    if found.differing > 1 && around.restarts.contains(&first.ts_ms) {
        return MismatchCause::RestartLostState;
    }
    if around.same_build { MismatchCause::Unknown } else { MismatchCause::BuildDiffers }
}

/// One sentence on the cause, without a solution.
pub fn hypothesis(cause: &MismatchCause, first: &Difference, found: &LedgerComparison) -> String {
    match cause {
        MismatchCause::BarRevised => "the bar was revised after LIVE had decided on it".into(),
        MismatchCause::BarMissing => {
            "one side had a bar at this slot and the other had none".into()
        }
        MismatchCause::SettingsDiffer(setting) => {
            format!("the two sides were run with different settings: {setting}")
        }
        MismatchCause::BuildDiffers => "another build started LIVE, and decided differently".into(),
        MismatchCause::FillPolicyDiffers => {
            "the two stop-fill rules led to different lifecycles".into()
        }
        MismatchCause::RestartLostState => "a restart of LIVE at this slot lost state".into(),
        MismatchCause::Unknown if found.differing == 1 && first.index.is_none() => format!(
            "the row was edited after it was written: column {} differs in this row alone",
            first.column
        ),
        MismatchCause::Unknown if found.differing == 0 => {
            format!(
                "trades.csv was edited after it was written: the decisions agree, column {} differs",
                first.column
            )
        }
        MismatchCause::Unknown => format!(
            "LIVE and BACKTEST part in the {} layer on equal inputs, so the code or a ledger was changed",
            first.layer.name()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(layer: DiffLayer, column: &'static str, live: &str) -> Difference {
        Difference { layer, ts_ms: 5, column, live: live.into(), backtest: "b".into(), index: None }
    }

    fn comparison(first: Option<Difference>, rows: usize) -> LedgerComparison {
        LedgerComparison {
            overlap: Some((1, 9)),
            sync_ts_ms: Some(1),
            rows,
            trades: 0,
            differing: 3 * usize::from(first.is_some()),
            decisions: first,
            trade: None,
        }
    }

    #[test]
    fn too_little_or_never_synced_is_inconclusive_and_never_pass() {
        let around = Circumstances { min_overlap_bars: 12, ..Circumstances::default() };
        assert_eq!(verdict(&comparison(None, 12), &around), ProofVerdict::Pass);
        assert_eq!(verdict(&comparison(None, 11), &around), ProofVerdict::Inconclusive);
        let never = LedgerComparison { sync_ts_ms: None, ..comparison(None, 0) };
        assert_eq!(verdict(&never, &Circumstances::default()), ProofVerdict::Inconclusive);
        let different = comparison(Some(finding(DiffLayer::Bar, "bar_hash", "a")), 3);
        assert_eq!(verdict(&different, &around), ProofVerdict::Fail);
        assert_eq!(
            verdict_as_is(ProofVerdict::Pass, &different, &around),
            ProofVerdict::PassDataDrift
        );
        assert_eq!(verdict_as_is(ProofVerdict::Fail, &different, &around), ProofVerdict::Fail);
    }

    #[test]
    fn each_cause_is_named() {
        let plain =
            || Circumstances { same_policy: true, same_build: true, ..Circumstances::default() };
        let bar = |live: &str| finding(DiffLayer::Bar, "bar_hash", live);
        let state = || finding(DiffLayer::Decision, "state_hash", "a");
        let at = || BTreeSet::from([5]);
        for (first, around, want) in [
            (bar(""), plain(), MismatchCause::BarMissing),
            (bar("a"), Circumstances { revised: at(), ..plain() }, MismatchCause::BarRevised),
            (bar("a"), plain(), MismatchCause::Unknown),
            (
                state(),
                Circumstances { settings: vec!["x is 1, was 2".into()], ..plain() },
                MismatchCause::SettingsDiffer("x is 1, was 2".into()),
            ),
            (
                state(),
                Circumstances { same_policy: false, ..plain() },
                MismatchCause::FillPolicyDiffers,
            ),
            (state(), Circumstances { restarts: at(), ..plain() }, MismatchCause::RestartLostState),
            (state(), Circumstances { same_build: false, ..plain() }, MismatchCause::BuildDiffers),
            (state(), plain(), MismatchCause::Unknown),
        ] {
            let found = comparison(Some(first.clone()), 9);
            assert_eq!(cause(&first, &found, &around), want);
        }
    }
}
