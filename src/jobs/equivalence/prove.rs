//! Comparing two ledgers on disk, leaving the proof, and what a FAIL leads to: the shell around `compare` and `judge`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    both::Compared,
    compare::{Difference, LedgerComparison},
    judge::{Circumstances, ProofVerdict, cause, hypothesis, verdict, verdict_as_is},
    proofs::{
        LedgerHash, Mismatch, ProofDocument, SCHEMA, SideHashes, SideNames, layer_lines, mismatch,
        mismatch_block, operators_report,
    },
};
use crate::{
    domain::{
        command::{Command, CommandKind, in_force},
        ids::{RunId, Tag},
        series::Series,
        time::UtcMs,
    },
    jobs::{
        commands::{CommandRequest, CommandTime, DecidedSlots, give},
        context::{Context, Failure},
    },
    session::{
        error::SessionError,
        origin::{LedgerOrigin, StrategySettings, in_words},
        reader::{Extent, Files, RowFinder},
        record::read_commands,
    },
    store::{disk::Disk, document::document, error::StoreError, layout::Layout},
};

/// What is to be proved, and with what.
pub struct ProofCase<'a, D: Disk> {
    pub disk: &'a D,
    pub layout: &'a Layout,
    /// The folder that paths are shown relative to.
    pub root: &'a Path,
    pub series: &'a Series,
    /// LIVE's tag.
    pub tag: &'a Tag,
    /// The backtest's run id.
    pub runid: &'a RunId,
    /// Fewest rows worth a verdict.
    pub min_overlap_bars: usize,
    /// Rows shown around a mismatch.
    pub context_rows: usize,
    /// How the LIVE ledger began.
    pub origin: &'a LedgerOrigin,
    /// Strategy and rules of the backtest.
    pub card: &'a StrategySettings,
    pub build: &'a str,
    pub now: UtcMs,
}

/// Digests of the files of both sides as far as they were compared, where they are known already: decisions and trades of LIVE, then
/// of the backtest.
pub type Digests = [[Option<String>; 2]; 2];

/// What today's store adds to a proof.
pub struct AsIs {
    /// What was found on today's store, where its bars differ from those LIVE saw.
    pub today: Option<LedgerComparison>,
    /// Slots whose bars were revised, filled in, or cannot be found as seen.
    pub revised: BTreeSet<i64>,
}

/// A proof and how it reads.
pub struct ProofResult {
    pub proof: ProofDocument,
    /// Lines for people: layers, mismatch block, report.
    pub text: String,
    /// Where `proof.json` is.
    pub path: PathBuf,
}

/// What was found on the bars LIVE saw, and on today's store.
struct Findings {
    around: Circumstances,
    seen: LedgerComparison,
    seen_verdict: ProofVerdict,
    /// Present where today's bars differ from those LIVE saw.
    today: Option<LedgerComparison>,
    as_is: Option<ProofVerdict>,
}

impl Findings {
    fn cause(&self, found: &LedgerComparison) -> Option<&'static str> {
        found.first().map(|first| cause(first, found, &self.around).name())
    }

    /// One sentence on the first difference.
    fn sentence(&self) -> String {
        match self.seen.first() {
            None => "none".to_owned(),
            Some(first) => hypothesis(&cause(first, &self.seen, &self.around), first, &self.seen),
        }
    }

    /// The verdict people are told: on today's store where the bars as seen agree.
    fn reported(&self) -> ProofVerdict {
        match (self.seen_verdict, self.as_is) {
            (ProofVerdict::Pass, Some(as_is)) => as_is,
            (seen, _) => seen,
        }
    }

    fn mismatch(&self, found: &LedgerComparison) -> Option<Mismatch> {
        self.cause(found).and_then(|cause| mismatch(found, cause))
    }
}

/// Judges what was found and writes `proof.json` and `report.txt` into `data/reports/eqflat/<tag>/<runid>/`. The extents are those of
/// LIVE's files and of the backtest's, as far as they were compared.
pub fn prove<D: Disk>(
    case: &ProofCase<'_, D>,
    (extents, digests): ([Extent; 2], Digests),
    compared: Compared,
    as_is: Option<AsIs>,
) -> Result<ProofResult, SessionError> {
    let backtest_tag =
        case.tag.backtest(case.runid).map_err(|error| SessionError::Origin(error.to_string()))?;
    let Compared { found: seen, degraded, restarts } = compared;
    let (is_judged, today, revised) = match as_is {
        Some(AsIs { today, revised }) => (true, today, revised),
        None => (false, None, BTreeSet::new()),
    };
    let around = circumstances(case, restarts, revised);
    let seen_verdict = verdict(&seen, &around);
    let as_is = is_judged.then(|| {
        today.as_ref().map_or(seen_verdict, |today| verdict_as_is(seen_verdict, today, &around))
    });
    let found = Findings { around, seen, seen_verdict, today, as_is };
    let tags = [case.tag, &backtest_tag];
    let text = text(case, &backtest_tag, &found, &near(case, tags, extents, found.seen.first())?);
    let cards = [&case.origin.card, case.card];
    let [live, backtest] =
        [0, 1].map(|n| hashes(case, tags[n], (extents[n], &digests[n]), cards[n]));
    let proof = proof(case, &found, [live?, backtest?], degraded);
    let path = leave(case, &proof, &text)?;
    Ok(ProofResult { proof, text, path })
}

/// The rows around the first difference, of LIVE and of the backtest.
fn near<D: Disk>(
    case: &ProofCase<'_, D>,
    tags: [&Tag; 2],
    extents: [Extent; 2],
    first: Option<&Difference>,
) -> Result<[Vec<(i64, String)>; 2], StoreError> {
    let Some(first) = first else { return Ok([Vec::new(), Vec::new()]) };
    let rows = |n: usize| {
        let files = Files::of(case.layout, tags[n], case.series);
        match RowFinder::new(case.disk, &files, case.series, extents[n])? {
            Some(rows) => rows.near(first.ts_ms, case.context_rows as i64),
            None => Ok(Vec::new()),
        }
    };
    Ok([rows(0)?, rows(1)?])
}

fn text<D: Disk>(
    case: &ProofCase<'_, D>,
    backtest_tag: &Tag,
    found: &Findings,
    [live, backtest]: &[Vec<(i64, String)>; 2],
) -> String {
    let seen = &found.seen;
    let mut text = layer_lines(seen, found.seen_verdict).join("\n");
    text.push('\n');
    if let (Some(first), Some(cause)) = (seen.first(), found.cause(seen)) {
        text.push_str(&mismatch_block(first, (live, backtest), cause));
    }
    if let Some(drift) = found.today.as_ref().and_then(|today| found.mismatch(today)) {
        text.push_str(&drift_line(&drift, found.as_is));
    }
    text.push_str(&inconclusive_line(found.seen_verdict, seen, case.min_overlap_bars));
    if found.seen_verdict != ProofVerdict::Fail {
        text.push_str(&settings_line(&case.card.differences(&case.origin.card)));
    }
    let names = names(case, backtest_tag);
    text.push_str(&operators_report(seen, found.reported(), &names, &found.sentence()));
    text
}

fn hashes<D: Disk>(
    case: &ProofCase<'_, D>,
    tag: &Tag,
    (extent, [decisions_digest, trades_digest]): (Extent, &[Option<String>; 2]),
    card: &StrategySettings,
) -> Result<SideHashes, StoreError> {
    let Files { decisions, trades, timing: _ } = Files::of(case.layout, tag, case.series);
    let hash = |path: &Path, bytes, digest: &Option<String>| match digest {
        Some(digest) => Ok(LedgerHash::known(path, case.root, bytes, digest.clone())),
        None => LedgerHash::of(case.disk, path, case.root, bytes),
    };
    Ok(SideHashes {
        decisions: hash(&decisions, extent.decisions, decisions_digest)?,
        trades: hash(&trades, extent.trades, trades_digest)?,
        stop_fill: card.stop_fill.clone(),
    })
}

fn proof<D: Disk>(
    case: &ProofCase<'_, D>,
    found: &Findings,
    [live, backtest]: [SideHashes; 2],
    degraded: BTreeMap<String, usize>,
) -> ProofDocument {
    let (seen, series) = (&found.seen, case.series);
    ProofDocument {
        schema: SCHEMA.to_owned(),
        as_seen: found.seen_verdict.name().to_owned(),
        as_is: found.as_is.map(|verdict| verdict.name().to_owned()),
        mismatch: found.mismatch(seen),
        drift: found.today.as_ref().and_then(|today| found.mismatch(today)),
        tag: case.tag.to_string(),
        runid: case.runid.to_string(),
        series: [
            series.exchange().to_string(),
            series.symbol().to_string(),
            series.timeframe().to_string(),
        ],
        overlap_ts_ms: seen.overlap,
        sync_ts_ms: seen.sync_ts_ms,
        min_overlap_bars: case.min_overlap_bars,
        rows: seen.rows,
        trades: seen.trades,
        degraded,
        live,
        backtest,
        strategy_hash: case.card.strategy_hash(),
        live_build: case.origin.build.clone(),
        build: case.build.to_owned(),
        made_at_ms: case.now.get(),
    }
}

fn leave<D: Disk>(
    case: &ProofCase<'_, D>,
    proof: &ProofDocument,
    text: &str,
) -> Result<PathBuf, StoreError> {
    let dir = case.layout.proof_dir(case.tag, case.runid);
    case.disk.create_dir_all(&dir)?;
    case.disk.replace(&dir.join("report.txt"), text.as_bytes())?;
    let path = dir.join("proof.json");
    case.disk.replace(&path, document(proof).as_bytes())?;
    Ok(path)
}

fn circumstances<D: Disk>(
    case: &ProofCase<'_, D>,
    restarts: BTreeSet<i64>,
    revised: BTreeSet<i64>,
) -> Circumstances {
    let settings = in_words(&case.card.differences(&case.origin.card));
    Circumstances {
        settings: settings.iter().map(ToString::to_string).collect(),
        same_policy: case.card.stop_fill == case.origin.card.stop_fill,
        same_build: case.build == case.origin.build,
        revised,
        restarts,
        min_overlap_bars: case.min_overlap_bars,
    }
}

fn names<D: Disk>(case: &ProofCase<'_, D>, backtest_tag: &Tag) -> SideNames {
    let shown = |path: PathBuf| path.strip_prefix(case.root).unwrap_or(&path).display().to_string();
    SideNames {
        tag: case.tag.to_string(),
        runid: case.runid.to_string(),
        live_decisions: shown(case.layout.decisions(case.tag, case.series)),
        backtest_decisions: shown(case.layout.decisions(backtest_tag, case.series)),
        live_trades: shown(case.layout.trades(case.tag, case.series)),
        backtest_trades: shown(case.layout.trades(backtest_tag, case.series)),
    }
}

fn drift_line(drift: &Mismatch, verdict: Option<ProofVerdict>) -> String {
    format!(
        "[as-is] {}: on today's store the first difference is ts_ms {} column {} ({})\n",
        verdict.map_or("FAIL", ProofVerdict::name),
        drift.ts_ms,
        drift.column,
        drift.cause
    )
}

/// Settings that differ although no row does: what was proved is not what will be played. The values of the first one; the others by
/// their keys, since the texts of rules often follow from a param.
fn settings_line(differences: &[(String, String, String)]) -> String {
    let words = in_words(differences);
    let Some((first, others)) = words.split_first() else { return String::new() };
    let others: Vec<&str> = others.iter().map(|other| other.what.as_str()).collect();
    let (also, them) = match others.as_slice() {
        [] => (String::new(), "it"),
        others => (format!("; {} with it", others.join(", ")), "them"),
    };
    format!(
        "settings differ from those with which the ledger began: {first}{also}; no row differs for {them}\n"
    )
}

fn inconclusive_line(verdict: ProofVerdict, found: &LedgerComparison, least: usize) -> String {
    let why = match (verdict, found.overlap, found.sync_ts_ms) {
        (ProofVerdict::Pass | ProofVerdict::PassDataDrift | ProofVerdict::Fail, ..) => {
            return String::new();
        }
        (ProofVerdict::Inconclusive, None, _) => {
            "the two ledgers have no slot in common".to_owned()
        }
        (ProofVerdict::Inconclusive, Some(_), None) => {
            "no slot has both flat with nothing pending and equal state".to_owned()
        }
        (ProofVerdict::Inconclusive, Some(_), Some(sync)) => {
            format!("only {} rows from the sync slot {sync} on, {least} are needed", found.rows)
        }
    };
    format!("inconclusive: {why}\n")
}

/// Who gives the order.
const WHO: &str = "eqflat";

/// Gives the order, unless one is in force that still waits for an operator; what is planned for later does not count. Says in one line what was done. The verdict stands
/// whatever comes of it.
pub fn reduce(context: &Context<'_>, tag: &Tag, proof: &ProofDocument) -> String {
    match order(context, tag, proof) {
        Ok(line) => line,
        Err(failure) => {
            tracing::warn!("tag {tag} did not get the command to reduce: {}", failure.message);
            format!("no order was given: {}", failure.message)
        }
    }
}

fn order(context: &Context<'_>, tag: &Tag, proof: &ProofDocument) -> Result<String, Failure> {
    let (disk, layout) = (context.disk, context.layout);
    let commands = read_commands(disk, layout, tag)?;
    let acknowledge = format!("runner resume --tag {tag} --reason \"...\"");
    let decided = DecidedSlots::of(disk, layout, tag)?;
    if let Some(open) = in_force(&commands, decided.first()).filter(|last| is_open(last)) {
        let Command { order, at, who, .. } = open;
        return Ok(format!(
            "no order was given: {order} of {who}, given at {at}, is in force; to end it: {acknowledge}"
        ));
    }
    let first = proof.mismatch.as_ref().map_or(String::new(), Mismatch::place);
    // At the first slot that is not decided yet: the loop may live in recorded time.
    let wish = CommandRequest {
        order: CommandKind::Reduce,
        reason: format!("{} FAIL: {first}", proof.runid),
        who: WHO.to_owned(),
        when: CommandTime::Next,
    };
    give(disk, layout, tag, wish, context.started)?;
    tracing::warn!("tag {tag} got the command to reduce: no entries until `resume`");
    Ok(format!("order: reduce for tag {tag} from its next slot on; to end it: {acknowledge}"))
}

/// Whether nobody has answered it yet.
fn is_open(command: &Command) -> bool {
    match command.order {
        CommandKind::Halt | CommandKind::Reduce | CommandKind::Flatten => true,
        CommandKind::Resume | CommandKind::Model(_) | CommandKind::Revoke(_) => false,
    }
}
