//! `runner verify`: a proof checked again, from the files it names.

use std::{
    collections::BTreeSet,
    fs,
    io::Read as _,
    path::{Component, Path, PathBuf},
};

use serde_json::json;

use super::{
    output::{print, print_json, say},
    refuse::tell,
};
use crate::{
    domain::{
        ids::{RunId, Tag},
        series::Series,
        time::UtcMs,
    },
    exit::Exit,
    jobs::{
        context::Failure,
        equivalence::{
            both::{Compared, compare_files},
            compare::{ComparisonRules, DiffLayer, LedgerComparison},
            judge::{Circumstances, MismatchCause, ProofVerdict, cause, verdict},
            proofs::{LedgerHash, Mismatch, ProofDocument, SCHEMA, mismatch},
        },
    },
    session::{
        error::SessionError,
        origin::{LedgerOrigin, in_words},
        reader::{Extent, Files, RowFinder},
        record::read_origin,
    },
    store::{
        digest::sha256_of,
        disk::{Disk as _, RealDisk},
        error::StoreError,
        layout::Layout,
        rows::decisions::DECISIONS_HEADER,
    },
};

/// Longest proof that is read, in bytes.
const PROOF_MAX: u64 = 4 << 20;

/// Checks hashes and verdict, and says which of them no longer holds.
pub fn verify(root: &Path, path: &Path, json: bool) -> Exit {
    match check(root, path) {
        Ok(broken) if broken.is_empty() => {
            if json {
                print_json(&json!({ "schema": "mjolnir.verify/1", "holds": true, "broken": [] }));
            } else {
                print("the proof holds: all hashes, counts and verdicts are the same\n");
            }
            Exit::Ok
        }
        Ok(broken) => {
            if json {
                print_json(
                    &json!({ "schema": "mjolnir.verify/1", "holds": false, "broken": broken }),
                );
            }
            for line in &broken {
                say(&format!("broken: {line}"));
            }
            Exit::Negative
        }
        Err(failure) => tell(&failure, json),
    }
}

fn check(root: &Path, path: &Path) -> Result<Vec<String>, Failure> {
    let bytes = read(path, PROOF_MAX)?;
    if bytes.len() as u64 == PROOF_MAX {
        let message = format!("{}: a proof is shorter than {PROOF_MAX} bytes", path.display());
        return Err(Failure::new(Exit::Data, message));
    }
    let damaged =
        |reason: String| Failure::new(Exit::Data, format!("{}: {reason}", path.display()));
    let proof: ProofDocument =
        serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    if proof.schema != SCHEMA {
        return Err(damaged(format!("schema `{}`, expected `{SCHEMA}`", proof.schema)));
    }
    let whose = ClaimOwner::of(&proof).map_err(&damaged)?;
    let mut broken = Vec::new();
    let disk = RealDisk::new(Layout::new(root).data());
    check_itself(&proof, &mut broken);
    whose.check_files(root, &proof, &mut broken);
    let sides = [&proof.live, &proof.backtest];
    for ledger in sides.into_iter().flat_map(|side| [&side.decisions, &side.trades]) {
        check_hash(&disk, root, ledger, &mut broken)?;
    }
    if !broken.is_empty() {
        return Ok(broken);
    }
    let around = whose.check_origins(&disk, root, &proof, &mut broken)?;
    let compared =
        compare_again(&disk, root, &proof, &whose).map_err(|error| damaged(error.to_string()))?;
    check_again(&proof, &compared, &around, &mut broken);
    whose.check_drift(&disk, root, &proof, &mut broken)?;
    Ok(broken)
}

fn compare_again(
    disk: &RealDisk,
    root: &Path,
    proof: &ProofDocument,
    whose: &ClaimOwner,
) -> Result<Compared, StoreError> {
    let [live, backtest] = [&proof.live, &proof.backtest].map(|side| {
        let files = Files {
            decisions: root.join(&side.decisions.path),
            trades: root.join(&side.trades.path),
            timing: PathBuf::new(),
        };
        let (decisions, trades) = (side.decisions.bytes, side.trades.bytes);
        (files, Extent { decisions, trades, timing: 0, is_torn: false })
    });
    let origin = live.0.decisions.with_file_name("origin.json");
    let origin = disk.read(&origin)?.and_then(|bytes| LedgerOrigin::from_json(&bytes).ok());
    let terms = ComparisonRules {
        same_policy: proof.live.stop_fill == proof.backtest.stop_fill,
        reads_equity: origin.is_some_and(|origin| origin.card.equity_reader().is_some()),
    };
    let sides = [(&live.0, live.1), (&backtest.0, backtest.1)];
    compare_files(disk, &whose.series, sides, terms, None)
}

/// Adds what is not as the proof says about one of its files.
fn check_hash(
    disk: &RealDisk,
    root: &Path,
    ledger: &LedgerHash,
    broken: &mut Vec<String>,
) -> Result<(), Failure> {
    let path = Path::new(&ledger.path);
    if !path.components().all(|part| matches!(part, Component::Normal(_))) {
        let message = format!("{}: a ledger of a proof is below the root", path.display());
        return Err(Failure::new(Exit::Data, message));
    }
    let path = &root.join(path);
    if ledger.bytes > 0 {
        refuse_irregular(path)?;
    }
    let (bytes, sha256) = sha256_of(disk, path, ledger.bytes)?;
    if bytes < ledger.bytes {
        broken.push(format!("{} has only {bytes} of {} bytes", ledger.path, ledger.bytes));
    }
    if sha256 != ledger.sha256 {
        broken.push(format!("{} was changed: its hash is not the one in the proof", ledger.path));
    }
    Ok(())
}

/// A pipe or a device may never end.
fn refuse_irregular(path: &Path) -> Result<(), Failure> {
    let missing =
        |error: std::io::Error| Failure::new(Exit::Nothing, format!("{}: {error}", path.display()));
    if fs::metadata(path).map_err(missing)?.is_file() {
        return Ok(());
    }
    Err(Failure::new(Exit::Data, format!("{}: it is not a regular file", path.display())))
}

/// The first bytes of a regular file.
fn read(path: &Path, most: u64) -> Result<Vec<u8>, Failure> {
    let missing =
        |error: std::io::Error| Failure::new(Exit::Nothing, format!("{}: {error}", path.display()));
    refuse_irregular(path)?;
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(missing)?;
    file.take(most).read_to_end(&mut bytes).map_err(missing)?;
    Ok(bytes)
}

/// Whose ledgers a proof compares.
pub struct ClaimOwner {
    pub series: Series,
    /// LIVE's tag, and that of the backtest.
    pub tags: [Tag; 2],
}

impl ClaimOwner {
    /// By the names in the proof; the error is the one that is not a name.
    fn of(proof: &ProofDocument) -> Result<Self, String> {
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
    pub fn check_files(&self, root: &Path, proof: &ProofDocument, broken: &mut Vec<String>) {
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
        proof: &ProofDocument,
        broken: &mut Vec<String>,
    ) -> Result<Circumstances, SessionError> {
        let layout = Layout::new(root);
        let origin = |tag: &Tag| -> Result<LedgerOrigin, SessionError> {
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
        let settings = in_words(&backtest.card.differences(&live.card));
        Ok(Circumstances {
            settings: settings.iter().map(ToString::to_string).collect(),
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
        proof: &ProofDocument,
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
pub fn check_itself(proof: &ProofDocument, broken: &mut Vec<String>) {
    let ProofDocument { as_seen, as_is, mismatch, drift, .. } = proof;
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
    proof: &ProofDocument,
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
