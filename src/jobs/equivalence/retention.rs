//! Replays that eqflat made by the hour are taken away again: they can be made anew. Which of them is decided by name and verdict.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{
    judge::Verdict,
    proofs::{Found, Left, proofs, stamped},
};
use crate::{
    domain::{
        ids::{RunId, Tag},
        series::Series,
    },
    jobs::context::{Context, Failure},
    store::{
        disk::{Disk, RealDisk, is_own_dir, remove_empty_dir},
        error::StoreError,
        layout::WRITER_LOCK,
        lock::is_held,
    },
};

/// The files of one series of a replay. Whatever else lies there stays, and its folder with it.
const REPLAY_FILES: [&str; 6] =
    ["decisions.csv", "trades.csv", "timing.csv", "signals.csv", "origin.json", WRITER_LOCK];
/// The files of one report.
const REPORT_FILES: [&str; 2] = ["report.txt", "proof.json"];

/// Takes away what is beyond the newest `keep` and does not say FAIL. Returns how many files went.
pub fn retain(context: &Context<'_>, tag: &Tag, keep: usize) -> Result<usize, Failure> {
    let (disk, layout) = (context.disk, context.layout);
    let prefix = format!("{tag}_bt_");
    let mut replays = BTreeSet::new();
    for dir in [layout.tags_dir(), layout.tags_trades_dir()] {
        let names = disk.list(&dir)?;
        let runs = names.iter().filter_map(|name| name.strip_prefix(prefix.as_str()));
        replays.extend(runs.filter_map(stamped));
    }
    let (mut reports, mut dirs) = (BTreeMap::new(), BTreeMap::new());
    for Found { run, dir, left } in proofs(disk, layout, tag)? {
        let verdict = match left {
            Left::Proof(proof) => Some(proof.verdict()),
            Left::Nothing => None,
        };
        dirs.insert(run.clone(), dir);
        reports.insert(run, verdict);
    }
    let gone = superfluous(&replays, &reports, keep);
    let mut files = 0;
    for run in &gone {
        let Ok(place) = tag.backtest(run) else { continue };
        for dir in [layout.tags_dir(), layout.tags_trades_dir(), layout.tags_signals_dir()] {
            files += remove_replay(disk, &dir.join(place.as_str()))?;
        }
        if let Some(dir) = dirs.get(run) {
            files += remove_files(disk, dir, &REPORT_FILES)?;
        }
    }
    Ok(files)
}

/// Takes away what a replay that failed has left of its folders. A ledger that is there stays.
pub fn discard(context: &Context<'_>, tag: &Tag, series: &Series) {
    let (disk, layout) = (context.disk, context.layout);
    if matches!(disk.len(&layout.decisions(tag, series)), Ok(None)) {
        for dir in [layout.tag_dir(tag), layout.tags_trades_dir().join(tag.as_str())] {
            // What cannot be taken away is empty, and does no harm.
            remove_replay(disk, &dir).ok();
        }
    }
}

/// The older runs that are not kept for what they say. A report of this tag without a verdict that can be read is kept too: it
/// may be one that says FAIL.
fn superfluous(
    replays: &BTreeSet<RunId>,
    reports: &BTreeMap<RunId, Option<Verdict>>,
    keep: usize,
) -> Vec<RunId> {
    let said = reports.iter().filter(|(_, verdict)| verdict.is_some()).map(|(run, _)| run);
    let all: BTreeSet<&RunId> =
        replays.iter().chain(said.filter(|run| stamped(run.as_str()).is_some())).collect();
    let old = all.into_iter().rev().skip(keep);
    let may_go = |run: &&RunId| match reports.get(*run) {
        None => true,
        Some(verdict) => verdict.is_some_and(|verdict| verdict != Verdict::Fail),
    };
    old.filter(may_go).cloned().collect()
}

/// Takes away the ledgers of one replay, unless somebody writes them.
fn remove_replay(disk: &RealDisk, dir: &Path) -> Result<usize, StoreError> {
    let mut files = 0;
    if !is_own_dir(dir) {
        return Ok(files);
    }
    for symbol in disk.list(dir)?.iter().map(|name| dir.join(name)) {
        if !is_own_dir(&symbol) {
            continue;
        }
        for timeframe in disk.list(&symbol)?.iter().map(|name| symbol.join(name)) {
            if !is_held(&timeframe.join(WRITER_LOCK)) {
                files += remove_files(disk, &timeframe, &REPLAY_FILES)?;
            }
        }
        remove_empty_dir(&symbol);
    }
    remove_empty_dir(dir);
    Ok(files)
}

fn remove_files(disk: &RealDisk, dir: &Path, files: &[&str]) -> Result<usize, StoreError> {
    let mut removed = 0;
    if !is_own_dir(dir) {
        return Ok(removed);
    }
    for file in files.iter().map(|name| dir.join(name)) {
        if disk.len(&file)?.is_some() {
            disk.remove(&file)?;
            removed += 1;
        }
    }
    remove_empty_dir(dir);
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str) -> RunId {
        name.parse().unwrap()
    }

    fn at(second: u32) -> RunId {
        run(&format!("eqflat_20240101_0000{second:02}"))
    }

    #[test]
    fn the_newest_and_those_that_say_fail_stay() {
        let replays: BTreeSet<RunId> = (0..6).map(at).collect();
        let reports = BTreeMap::from([
            (at(0), Some(Verdict::Pass)),
            (at(1), Some(Verdict::Fail)),
            (at(2), None),
            // The ledgers of this one are gone already.
            (run("eqflat_20230101_000000"), Some(Verdict::Inconclusive)),
            (run("march"), Some(Verdict::Pass)),
        ]);
        let gone = |keep| superfluous(&replays, &reports, keep);
        assert_eq!(gone(2), [at(3), at(0), run("eqflat_20230101_000000")]);
        assert_eq!(gone(1), [at(4), at(3), at(0), run("eqflat_20230101_000000")]);
        assert_eq!(gone(6), [run("eqflat_20230101_000000")]);
        assert_eq!(gone(7), []);
    }
}
