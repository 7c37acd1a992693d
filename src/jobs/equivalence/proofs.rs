//! `proof.json`: what was compared and what came of it; and the proofs of a tag on the disk.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    compare::{Difference, LedgerComparison},
    judge::ProofVerdict,
};
use crate::{
    domain::{
        ids::{RunId, Tag},
        series::Series,
        time::UtcMs,
    },
    jobs::context::{Context, Failure},
    store::{
        digest::sha256_of,
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
    Proof(Box<ProofDocument>),
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
            let proof = bytes.and_then(|bytes| ProofDocument::from_json(&bytes));
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

/// The proof of a ledger that was made last.
pub fn newest_proof<D: Disk>(
    disk: &D,
    layout: &Layout,
    tag: &Tag,
    series: &Series,
) -> Result<Option<ProofDocument>, StoreError> {
    let own = [series.exchange().as_str(), &series.symbol().to_string(), series.timeframe().name()]
        .map(str::to_owned);
    let made = proofs(disk, layout, tag)?.into_iter().filter_map(|found| match found.left {
        ProofOnDisk::Proof(proof) => Some(*proof),
        ProofOnDisk::Nothing => None,
    });
    Ok(made.filter(|proof| proof.series == own).max_by_key(|proof| proof.made_at_ms))
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
pub struct ProofDocument {
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

impl ProofDocument {
    /// The document of that text; `None` when it is none of ours.
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        let proof: Self = serde_json::from_slice(bytes).ok()?;
        (proof.schema == SCHEMA).then_some(proof)
    }

    /// The verdict the exit code follows: drift is not a failure of the code.
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
