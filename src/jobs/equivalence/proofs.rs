//! The proofs of a tag on the disk: what they say, names for more of them, and which replays of eqflat are taken away.
//! Those can be made again.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{judge::ProofVerdict, proof::Proof};
use crate::{
    domain::{
        ids::{RunId, Tag},
        series::Series,
        time::UtcMs,
    },
    jobs::context::{Context, Failure},
    store::{
        disk::{Disk, RealDisk, is_own_dir, remove_empty_dir},
        error::StoreError,
        layout::{Layout, WRITER_LOCK},
        lock::is_held,
    },
};

/// How names begin that are made from a time.
const STEM: &str = "eqflat_";
/// How many names of one millisecond are tried.
const NAMES_MAX: u32 = 1_000;

/// What is in the folder of one comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProofOnDisk {
    Proof(Box<Proof>),
    /// Nothing, or nothing that can be read.
    Nothing,
}

/// The folder that one comparison left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundProof {
    pub run: RunId,
    pub dir: PathBuf,
    /// What is in it.
    pub left: ProofOnDisk,
}

/// Every comparison of a tag that left a folder, in the order of the names; first those of an older build, which had the folders of all
/// tags in one. Of those that cannot be read it is not known whether they are of this tag.
pub fn proofs<D: Disk>(
    disk: &D,
    layout: &Layout,
    tag: &Tag,
) -> Result<Vec<FoundProof>, StoreError> {
    let mut all = Vec::new();
    for (home, is_shared) in [(layout.proofs_dir(), true), (layout.tag_proofs_dir(tag), false)] {
        for name in disk.list(&home)? {
            let (Ok(run), dir) = (name.parse::<RunId>(), home.join(&name)) else { continue };
            let bytes = disk.read(&dir.join("proof.json")).ok().flatten();
            // The folder of a tag holds folders only.
            if is_shared && bytes.is_none() && disk.len(&dir.join("report.txt"))?.is_none() {
                continue;
            }
            let proof = bytes.and_then(|bytes| Proof::from_json(&bytes));
            if proof.as_ref().is_some_and(|proof| proof.tag != tag.as_str()) {
                continue;
            }
            let left =
                proof.map_or(ProofOnDisk::Nothing, |proof| ProofOnDisk::Proof(Box::new(proof)));
            all.push(FoundProof { run, dir, left });
        }
    }
    Ok(all)
}

/// Names for a comparison that starts now, the first one that is free to be taken. With a tag so long that milliseconds find no room
/// they have only seconds.
pub fn names(tag: &Tag, now: UtcMs) -> impl Iterator<Item = RunId> {
    let fits = |name: &RunId| tag.backtest(name).is_ok();
    let stem = ["%Y%m%d_%H%M%S_%3f", "%Y%m%d_%H%M%S"]
        .into_iter()
        .filter_map(|pattern| format!("{STEM}{}", now.format(pattern)).parse::<RunId>().ok())
        .find(fits);
    let numbered = |stem: RunId| {
        let more = stem.clone();
        let more = (2..NAMES_MAX).filter_map(move |n| format!("{more}_{n}").parse::<RunId>().ok());
        [stem].into_iter().chain(more)
    };
    stem.into_iter().flat_map(numbered).filter(fits).collect::<Vec<_>>().into_iter()
}

/// The run id in a name made from a time: `eqflat_YYYYmmdd_HHMMSS`, milliseconds perhaps, a number behind them perhaps, and nothing else.
pub(super) fn stamped(name: &str) -> Option<RunId> {
    let parts: Vec<&str> = name.strip_prefix(STEM)?.split('_').collect();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let is_ours = matches!(lengths[..], [8, 6] | [8, 6, 3] | [8, 6, 3, 1..=3]);
    (is_ours && parts.into_iter().all(digits)).then(|| name.parse().ok()).flatten()
}

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
    for FoundProof { run, dir, left } in proofs(disk, layout, tag)? {
        let verdict = match left {
            ProofOnDisk::Proof(proof) => Some(proof.verdict()),
            ProofOnDisk::Nothing => None,
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
    reports: &BTreeMap<RunId, Option<ProofVerdict>>,
    keep: usize,
) -> Vec<RunId> {
    let said = reports.iter().filter(|(_, verdict)| verdict.is_some()).map(|(run, _)| run);
    let all: BTreeSet<&RunId> =
        replays.iter().chain(said.filter(|run| stamped(run.as_str()).is_some())).collect();
    let old = all.into_iter().rev().skip(keep);
    let may_go = |run: &&RunId| match reports.get(*run) {
        None => true,
        Some(verdict) => verdict.is_some_and(|verdict| verdict != ProofVerdict::Fail),
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

    #[test]
    fn names_of_one_millisecond_differ_and_fit_behind_their_tag() {
        let now = UtcMs::new(1_700_000_000_007).unwrap();
        let of = |tag: &str| -> Vec<String> {
            names(&tag.parse().unwrap(), now).take(3).map(|name| name.to_string()).collect()
        };
        let first = "eqflat_20231114_221320_007";
        assert_eq!(of("paper"), [first.to_owned(), format!("{first}_2"), format!("{first}_3")]);
        assert_eq!(of(&"x".repeat(34)), [first], "there is no room for a number");
        assert_eq!(
            of(&"x".repeat(35)),
            ["eqflat_20231114_221320", "eqflat_20231114_221320_2", "eqflat_20231114_221320_3"]
        );
        assert_eq!(of(&"x".repeat(39)), [""; 0]);
        for name in of("paper") {
            assert_eq!(stamped(&name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn only_names_made_from_a_time_are_ours() {
        for ours in
            ["eqflat_20240101_000000", "eqflat_20240101_000000_012", "eqflat_20240101_000000_012_2"]
        {
            assert!(stamped(ours).is_some(), "{ours}");
        }
        for other in [
            "eqflat_20240101_00000",
            "eqflat_20240101_0000000",
            "eqflat_20240101_000000_2",
            "eqflat_20240101_000000_0120",
            "eqflat_20240101_000000_012_",
            "eqflat_20240101_000000_012_x",
            "eqflat_20240101_000000_012_2_2",
            "eqflat_2024o101_000000",
            "xeqflat_20240101_000000",
            "eqflat_20240101-000000",
            "eqflat_+0240101_000000",
            "eqflat_",
            "march",
        ] {
            assert_eq!(stamped(other), None, "{other}");
        }
    }

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
            (at(0), Some(ProofVerdict::Pass)),
            (at(1), Some(ProofVerdict::Fail)),
            (at(2), None),
            // The ledgers of this one are gone already.
            (run("eqflat_20230101_000000"), Some(ProofVerdict::Inconclusive)),
            (run("march"), Some(ProofVerdict::Pass)),
        ]);
        let gone = |keep| superfluous(&replays, &reports, keep);
        assert_eq!(gone(2), [at(3), at(0), run("eqflat_20230101_000000")]);
        assert_eq!(gone(1), [at(4), at(3), at(0), run("eqflat_20230101_000000")]);
        assert_eq!(gone(6), [run("eqflat_20230101_000000")]);
        assert_eq!(gone(7), []);
    }
}
