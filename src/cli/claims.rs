//! What a proof says beside its hashes and its verdict, held against itself, its files, and the `origin.json` of both sides.

use std::{collections::BTreeSet, path::Path};

use crate::{
    domain::{
        ids::{RunId, Tag},
        series::Series,
        time::UtcMs,
    },
    jobs::equivalence::{
        both::Compared,
        compare::{DiffLayer, LedgerComparison},
        judge::{Circumstances, MismatchCause, ProofVerdict, cause, verdict},
        proof::{Mismatch, Proof, mismatch},
    },
    session::{
        card::Origin,
        error::SessionError,
        reader::{Extent, Files, RowFinder},
        record::read_origin,
    },
    store::{disk::RealDisk, layout::Layout, rows::decisions::DECISIONS_HEADER},
};

/// Whose ledgers a proof compares.
pub struct ClaimOwner {
    pub series: Series,
    /// LIVE's tag, and that of the backtest.
    pub tags: [Tag; 2],
}

impl ClaimOwner {
    /// By the names in the proof; the error is the one that is no name.
    pub fn of(proof: &Proof) -> Result<Self, String> {
        let told = |error: crate::domain::ids::NameError| error.to_string();
        let [exchange, symbol, timeframe] = &proof.series;
        let timeframe =
            timeframe.parse().map_err(|error: crate::domain::time::TimeError| error.to_string())?;
        let symbol = symbol.parse().map_err(told)?;
        let series = Series::new(exchange.parse().map_err(told)?, symbol, timeframe);
        let tag: Tag = proof.tag.parse().map_err(told)?;
        let runid: RunId = proof.runid.parse().map_err(told)?;
        let backtest = tag.backtest(&runid).map_err(told)?;
        Ok(Self { series, tags: [tag, backtest] })
    }

    /// Adds files that are not those of the tag, the run and the series of the proof.
    pub fn check_files(&self, root: &Path, proof: &Proof, broken: &mut Vec<String>) {
        let layout = Layout::new(root);
        for (tag, side) in self.tags.iter().zip([&proof.live, &proof.backtest]) {
            let files = Files::of(&layout, tag, &self.series);
            for (path, ledger) in [(files.decisions, &side.decisions), (files.trades, &side.trades)]
            {
                let path = path.strip_prefix(root).unwrap_or(&path).display().to_string();
                if path != ledger.path {
                    broken.push(format!(
                        "{} is not the file of tag {tag} and {}, which is {path}",
                        ledger.path, self.series
                    ));
                }
            }
        }
    }

    /// Adds what is not as the `origin.json` of both sides has it. Returns what they say of the circumstances.
    pub fn check_origins(
        &self,
        disk: &RealDisk,
        root: &Path,
        proof: &Proof,
        broken: &mut Vec<String>,
    ) -> Result<Circumstances, SessionError> {
        let layout = Layout::new(root);
        let origin = |tag: &Tag| -> Result<Origin, SessionError> {
            let missing = || SessionError::NoOrigin(layout.origin(tag, &self.series));
            read_origin(disk, &layout, tag, &self.series)?.ok_or_else(missing)
        };
        let [live, backtest] = [origin(&self.tags[0])?, origin(&self.tags[1])?];
        let hash = backtest.card.strategy_hash();
        let mut said = vec![
            ("live.stop_fill", &proof.live.stop_fill, &live.card.stop_fill),
            ("backtest.stop_fill", &proof.backtest.stop_fill, &backtest.card.stop_fill),
            ("strategy_hash", &proof.strategy_hash, &hash),
            ("live_build", &proof.live_build, &live.build),
        ];
        // The run that made the backtest made this proof.
        if proof.as_is.is_some() {
            said.push(("build", &proof.build, &backtest.build));
        }
        for (name, said, is) in said {
            if said != is {
                broken.push(format!("{name} is {is} by origin.json, the proof says {said}"));
            }
        }
        let (made, born) = (proof.made_at_ms, backtest.born_at_ms);
        let fits = if proof.as_is.is_some() { made == born } else { made >= born };
        if !fits || UtcMs::new(made).is_err() {
            broken.push(format!("the backtest is of {born} by origin.json, made_at_ms is {made}"));
        }
        let one = |(key, now, was): (String, String, String)| format!("{key} is {now}, was {was}");
        Ok(Circumstances {
            settings: backtest.card.differences(&live.card).into_iter().map(one).collect(),
            same_policy: backtest.card.stop_fill == live.card.stop_fill,
            same_build: proof.build == proof.live_build,
            min_overlap_bars: proof.min_overlap_bars,
            ..Circumstances::default()
        })
    }

    /// Adds a drift whose row of LIVE has something else there.
    pub fn check_drift(
        &self,
        disk: &RealDisk,
        root: &Path,
        proof: &Proof,
        broken: &mut Vec<String>,
    ) -> Result<(), SessionError> {
        let Some(drift) = proof.drift.as_ref().filter(|drift| drift.trade_index.is_none()) else {
            return Ok(());
        };
        let files = Files::of(&Layout::new(root), &self.tags[0], &self.series);
        let (decisions, trades) = (proof.live.decisions.bytes, proof.live.trades.bytes);
        let extent = Extent { decisions, trades, timing: 0, is_torn: false };
        let rows = match RowFinder::new(disk, &files, &self.series, extent)? {
            Some(finder) => finder.near(drift.ts_ms, 0)?,
            None => Vec::new(),
        };
        let row = rows.iter().find(|(ts_ms, _)| *ts_ms == drift.ts_ms);
        let place = DECISIONS_HEADER.split(',').position(|name| name == drift.column);
        let there = row.zip(place).and_then(|((_, text), at)| text.split(',').nth(at));
        if there != Some(drift.live.as_str()) {
            broken.push("the drift is not what LIVE has there".to_owned());
        }
        Ok(())
    }
}

/// Adds what contradicts itself.
pub fn check_itself(proof: &Proof, broken: &mut Vec<String>) {
    let Proof { as_seen, as_is, mismatch, drift, .. } = proof;
    let fail = ProofVerdict::Fail.name();
    if (as_seen == fail) != mismatch.is_some() {
        broken.push(format!("as_seen is {as_seen}, which does not fit its mismatch"));
    }
    let fits = match (as_is.as_deref(), drift.is_some()) {
        (None, false) => true,
        (None, true) => false,
        (Some(as_is), true) if as_seen == ProofVerdict::Pass.name() => {
            as_is == ProofVerdict::PassDataDrift.name()
        }
        (Some(as_is), true) => as_is == fail,
        // Today's bars are those LIVE saw, or make no difference.
        (Some(as_is), false) => {
            as_is == as_seen
                || [ProofVerdict::Pass, ProofVerdict::Inconclusive]
                    .iter()
                    .any(|one| one.name() == as_is)
        }
    };
    if !fits {
        let as_is = as_is.as_deref().unwrap_or("none");
        broken.push(format!("as_is is {as_is}, which does not fit as_seen and the drift"));
    }
    for found in mismatch.iter().chain(drift) {
        if !LAYERS.iter().any(|layer| layer.name() == found.layer) {
            broken.push(format!("`{}` is not a layer", found.layer));
        }
        if !CAUSES.iter().any(|cause| cause.name() == found.cause) {
            broken.push(format!("`{}` is not a cause", found.cause));
        }
        if found.live == found.backtest && found.column != "equity" {
            broken.push(format!("`{}` is the same on both sides", found.column));
        }
    }
}

const LAYERS: [DiffLayer; 6] = [
    DiffLayer::Bar,
    DiffLayer::Features,
    DiffLayer::Decision,
    DiffLayer::Risk,
    DiffLayer::Trades,
    DiffLayer::Pnl,
];
const CAUSES: [MismatchCause; 7] = [
    MismatchCause::BarRevised,
    MismatchCause::BarMissing,
    MismatchCause::SettingsDiffer(String::new()),
    MismatchCause::BuildDiffers,
    MismatchCause::FillPolicyDiffers,
    MismatchCause::RestartLostState,
    MismatchCause::Unknown,
];

/// Adds what is found otherwise when the files are compared again.
pub fn check_again(
    proof: &Proof,
    compared: &Compared,
    around: &Circumstances,
    broken: &mut Vec<String>,
) {
    let Compared { found, degraded, .. } = compared;
    let again = verdict(found, around).name();
    if again != proof.as_seen {
        broken.push(format!("the verdict is {again}, the proof says {}", proof.as_seen));
    }
    if (found.overlap, found.sync_ts_ms) != (proof.overlap_ts_ms, proof.sync_ts_ms) {
        broken.push("the window or the sync slot is not the one in the proof".to_owned());
    }
    if (found.rows, found.trades) != (proof.rows, proof.trades) {
        let LedgerComparison { rows, trades, .. } = found;
        broken.push(format!(
            "{rows} rows and {trades} trade events can be compared, the proof says {} and {}",
            proof.rows, proof.trades
        ));
    }
    if *degraded != proof.degraded {
        broken.push("the degraded rows of LIVE are not those in the proof".to_owned());
    }
    if !is_first(found, around, proof.mismatch.as_ref()) {
        broken.push("the first mismatch is not the one in the proof".to_owned());
    }
}

/// Whether this is what differs first. Of the causes that bars revised since, and restarts, make possible any is believed.
fn is_first(found: &LedgerComparison, around: &Circumstances, said: Option<&Mismatch>) -> bool {
    let (Some(first), Some(said)) = (found.first(), said) else {
        return found.first().is_none() == said.is_none();
    };
    let at = BTreeSet::from([first.ts_ms]);
    let more = Circumstances { revised: at.clone(), restarts: at, ..around.clone() };
    let causes = [cause(first, found, around), cause(first, found, &more)];
    causes.iter().any(|cause| mismatch(found, cause.name()).as_ref() == Some(said))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn told(as_seen: &str, [as_is, mismatch, drift]: [&Value; 3]) -> Vec<String> {
        let file = json!({ "path": "x", "bytes": 0, "sha256": "" });
        let side = json!({ "decisions": file, "trades": file, "stop_fill": "at-stop" });
        let proof = json!({
            "schema": "mjolnir.proof/1", "as_seen": as_seen, "as_is": as_is, "mismatch": mismatch, "drift": drift,
            "tag": "paper", "runid": "e1", "series": ["demo", "BTC/USD", "5m"], "overlap_ts_ms": null,
            "sync_ts_ms": null, "min_overlap_bars": 12, "rows": 0, "trades": 0, "degraded": {}, "live": side,
            "backtest": side, "strategy_hash": "", "live_build": "", "build": "", "made_at_ms": 1,
        });
        let mut broken = Vec::new();
        check_itself(&serde_json::from_value(proof).unwrap(), &mut broken);
        broken
    }

    #[test]
    fn verdicts_fit_what_was_found() {
        let found = |layer: &str, cause: &str, live: &str| {
            json!({ "layer": layer, "ts_ms": 5, "trade_index": null, "column": "close", "live": live, "backtest": "b",
                "cause": cause })
        };
        let real = || found("bar", "unknown", "a");
        let none = || Value::Null;
        for (as_seen, as_is, mismatch, drift, fits) in [
            ("PASS", json!("PASS"), none(), none(), true),
            ("PASS", none(), none(), none(), true),
            ("PASS", json!("PASS_DATA_DRIFT"), none(), real(), true),
            ("FAIL", json!("FAIL"), real(), real(), true),
            ("FAIL", json!("PASS"), real(), none(), true),
            ("PASS", json!("FAIL"), none(), none(), false),
            ("PASS", json!("PASS_DATA_DRIFT"), none(), none(), false),
            ("PASS", json!("PASS"), none(), real(), false),
            ("PASS", json!("PASS"), real(), none(), false),
            ("FAIL", json!("FAIL"), none(), none(), false),
            ("PASS", json!("GOOD"), none(), none(), false),
            ("FAIL", json!("FAIL"), found("soul", "unknown", "a"), none(), false),
            ("FAIL", json!("FAIL"), found("bar", "moon", "a"), none(), false),
            ("FAIL", json!("FAIL"), found("bar", "unknown", "b"), none(), false),
        ] {
            let broken = told(as_seen, [&as_is, &mismatch, &drift]);
            assert_eq!(broken.is_empty(), fits, "{as_seen} {as_is}: {broken:?}");
        }
    }
}
