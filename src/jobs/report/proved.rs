//! What proves a ledger: the newest comparison of it, and whether it still is of these bytes.

use super::which::ReportLedger;
use crate::{
    domain::time::SlotTs,
    jobs::{
        context::{Context, Failure},
        equivalence::{
            judge::ProofVerdict,
            proofs::{
                FoundProof as Folder, Mismatch, ProofDocument as Document, ProofOnDisk, SideHashes,
                proofs,
            },
        },
    },
    report::header::{ProofState, ReportProof},
    store::{digest::sha256_of, disk::Disk as _},
};

/// The newest proof of a ledger whose last row is `last`.
pub fn proof(
    context: &Context<'_>,
    ledger: &ReportLedger,
    last: Option<SlotTs>,
) -> Result<ProofState, Failure> {
    let live = ledger.backtest.as_ref().map_or(&ledger.tag, |(live, _)| live);
    let own = |document: &Document| {
        let names = [
            ledger.series.exchange().to_string(),
            ledger.series.symbol().to_string(),
            ledger.series.timeframe().to_string(),
        ];
        let is_of = |(_, run): &(_, crate::domain::ids::RunId)| run.as_str() == document.runid;
        document.series == names && ledger.backtest.as_ref().is_none_or(is_of)
    };
    let found = proofs(context.disk, context.layout, live)?;
    let documents = found.into_iter().filter_map(|Folder { dir, left, .. }| match left {
        ProofOnDisk::Proof(document) if own(&document) => Some((dir, *document)),
        ProofOnDisk::Proof(_) | ProofOnDisk::Nothing => None,
    });
    let Some((dir, document)) = documents.max_by_key(|(_, document)| document.made_at_ms) else {
        return none(context, ledger);
    };
    let side = if ledger.backtest.is_some() { &document.backtest } else { &document.live };
    let is_same = is_same(context, ledger, side)?;
    let verdict = document.verdict();
    let window_ts_ms = document.overlap_ts_ms;
    let bar_ms = ledger.series.timeframe().ms();
    let after = last.zip(window_ts_ms).map_or(0, |(last, (_, to))| (last.ts_ms() - to) / bar_ms);
    Ok(ProofState::Found(ReportProof {
        verdict: verdict.name().to_owned(),
        is_pass: matches!(verdict, ProofVerdict::Pass | ProofVerdict::PassDataDrift),
        window_ts_ms,
        rows: document.rows,
        trades: document.trades,
        mismatch: document.mismatch.as_ref().map(Mismatch::place),
        made_at_ms: document.made_at_ms,
        path: context.shown(&dir.join("proof.json")),
        is_same,
        rows_after: after.max(0).unsigned_abs(),
        tag: document.tag,
        runid: document.runid,
        build: document.build,
    }))
}

/// Whether the ledger begins with the bytes that were compared.
fn is_same(
    context: &Context<'_>,
    ledger: &ReportLedger,
    side: &SideHashes,
) -> Result<bool, Failure> {
    let files = [
        (context.layout.decisions(&ledger.tag, &ledger.series), &side.decisions),
        (context.layout.trades(&ledger.tag, &ledger.series), &side.trades),
    ];
    for (path, hash) in files {
        let many = context.disk.len(&path)?.unwrap_or(0);
        if many < hash.bytes || sha256_of(context.disk, &path, hash.bytes)?.1 != hash.sha256 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What to type where nothing was compared.
fn none(context: &Context<'_>, ledger: &ReportLedger) -> Result<ProofState, Failure> {
    let series = &ledger.series;
    let of = format!(
        "exchange={} symbol={} timeframe={}",
        series.exchange(),
        series.symbol(),
        series.timeframe()
    );
    let (why, command) = match &ledger.backtest {
        None => (
            "this ledger was not compared with its replay; to compare them".to_owned(),
            format!("runner run jobs/eqflat.toml -p tag={} {of}", ledger.tag),
        ),
        Some((live, run)) => {
            let path = context.layout.decisions(live, series);
            if context.disk.len(&path)?.is_some() {
                (
                    "this replay was not compared with LIVE; to compare them".to_owned(),
                    format!("runner run jobs/equivalence.toml -p tag={live} runid={run} {of}"),
                )
            } else {
                (
                    format!(
                        "tag {live} has no LIVE ledger to compare this replay with; to begin one"
                    ),
                    format!("runner run jobs/live.toml -p tag={live} {of}"),
                )
            }
        }
    };
    Ok(ProofState::None { why, command })
}
