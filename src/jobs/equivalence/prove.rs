//! Comparing two ledgers on disk and leaving the proof: the shell around `compare` and `judge`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    compare::{Comparison, compare},
    judge::{Circumstances, Verdict, cause, hypothesis, verdict, verdict_as_is},
    proof::{LedgerHash, Mismatch, Proof, Rows, SCHEMA, SideHashes, mismatch},
    report::{Names, layer_lines, mismatch_block, operators_report},
};
use crate::{
    domain::{
        ids::{RunId, Tag},
        series::Series,
        time::UtcMs,
    },
    session::{
        card::{Card, Origin},
        error::SessionError,
        record::{Record, RecordBytes},
    },
    store::{
        disk::Disk, document::document, error::StoreError, layout::Layout,
        rows::decisions::DecisionLine,
    },
};

/// What is to be proved, and with what.
pub struct Case<'a, D: Disk> {
    /// The disk.
    pub disk: &'a D,
    /// Its paths.
    pub layout: &'a Layout,
    /// The folder that paths are shown relative to.
    pub root: &'a Path,
    /// The series.
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
    pub origin: &'a Origin,
    /// Strategy and rules of the backtest.
    pub card: &'a Card,
    /// This build.
    pub build: &'a str,
    /// Now.
    pub now: UtcMs,
}

/// What today's store adds to a proof.
pub struct AsIs<'a> {
    /// The backtest on today's store, where its bars differ from those LIVE saw.
    pub ledgers: Option<&'a RecordBytes>,
    /// Slots whose bars were revised, filled in, or cannot be found as seen.
    pub revised: BTreeSet<i64>,
}

/// A proof and how it reads.
pub struct Proved {
    /// The document.
    pub proof: Proof,
    /// Lines for people: layers, mismatch block, report.
    pub text: String,
    /// Where `proof.json` is.
    pub path: PathBuf,
}

/// What was found on the bars LIVE saw, and on today's store.
struct Findings {
    around: Circumstances,
    seen: Comparison,
    seen_verdict: Verdict,
    /// Present where today's bars differ from those LIVE saw.
    today: Option<Comparison>,
    as_is: Option<Verdict>,
}

impl Findings {
    fn cause(&self, found: &Comparison) -> Option<&'static str> {
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
    fn told(&self) -> Verdict {
        match (self.seen_verdict, self.as_is) {
            (Verdict::Pass, Some(as_is)) => as_is,
            (seen, _) => seen,
        }
    }

    fn mismatch(&self, found: &Comparison) -> Option<Mismatch> {
        self.cause(found).and_then(|cause| mismatch(found, cause))
    }
}

/// Compares and writes `proof.json` and `report.txt` into `data/reports/eqflat/<tag>/<runid>/`.
pub fn prove<D: Disk>(
    case: &Case<'_, D>,
    live: &RecordBytes,
    backtest: &RecordBytes,
    as_is: Option<&AsIs<'_>>,
) -> Result<Proved, SessionError> {
    let backtest_tag =
        case.tag.backtest(case.runid).map_err(|error| SessionError::Origin(error.to_string()))?;
    let live_record = live.parse(case.layout, case.tag, case.series)?;
    let backtest_record = backtest.parse(case.layout, &backtest_tag, case.series)?;
    let today = as_is.and_then(|as_is| as_is.ledgers);
    let today =
        today.map(|bytes| bytes.parse(case.layout, &backtest_tag, case.series)).transpose()?;
    let around =
        circumstances(case, live, as_is.map(|as_is| as_is.revised.clone()).unwrap_or_default());
    let (live_rows, backtest_rows) = (Rows::of(&live_record), Rows::of(&backtest_record));
    let against =
        |rows: &Rows<'_>| compare(live_rows.ledgers(), rows.ledgers(), around.same_policy);
    let seen = against(&backtest_rows);
    let today = today.map(|record| against(&Rows::of(&record)));
    let seen_verdict = verdict(&seen, &around);
    let as_is = as_is.map(|_| {
        today.as_ref().map_or(seen_verdict, |today| verdict_as_is(seen_verdict, today, &around))
    });
    let found = Findings { around, seen, seen_verdict, today, as_is };
    let text = text(case, &backtest_tag, &found, &live_rows, &backtest_rows);
    let sides = [(case.tag, live, &case.origin.card), (&backtest_tag, backtest, case.card)]
        .map(|(tag, bytes, card)| hashes(case, tag, bytes, card));
    let proof = proof(case, &found, sides, degraded(&live_record));
    let path = leave(case, &proof, &text)?;
    Ok(Proved { proof, text, path })
}

fn text<D: Disk>(
    case: &Case<'_, D>,
    backtest_tag: &Tag,
    found: &Findings,
    live: &Rows<'_>,
    backtest: &Rows<'_>,
) -> String {
    let seen = &found.seen;
    let mut text = layer_lines(seen, found.seen_verdict).join("\n");
    text.push('\n');
    if let (Some(first), Some(cause)) = (seen.first(), found.cause(seen)) {
        let rows = (live.decisions.as_slice(), backtest.decisions.as_slice());
        text.push_str(&mismatch_block(first, rows, case.context_rows, cause));
    }
    if let Some(drift) = found.today.as_ref().and_then(|today| found.mismatch(today)) {
        text.push_str(&drift_line(&drift, found.as_is));
    }
    text.push_str(&inconclusive_line(found.seen_verdict, seen, case.min_overlap_bars));
    let names = names(case, backtest_tag);
    text.push_str(&operators_report(seen, found.told(), &names, &found.sentence()));
    text
}

fn hashes<D: Disk>(case: &Case<'_, D>, tag: &Tag, bytes: &RecordBytes, card: &Card) -> SideHashes {
    let root = case.root;
    SideHashes {
        decisions: LedgerHash::of(&case.layout.decisions(tag, case.series), root, &bytes.decisions),
        trades: LedgerHash::of(&case.layout.trades(tag, case.series), root, &bytes.trades),
        stop_fill: card.stop_fill.clone(),
    }
}

fn degraded(record: &Record<'_>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for cause in record.decisions.iter().filter_map(DecisionLine::degraded) {
        *counts.entry(cause.reason().name().to_owned()).or_insert(0) += 1;
    }
    counts
}

fn proof<D: Disk>(
    case: &Case<'_, D>,
    found: &Findings,
    [live, backtest]: [SideHashes; 2],
    degraded: BTreeMap<String, usize>,
) -> Proof {
    let (seen, series) = (&found.seen, case.series);
    Proof {
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

fn leave<D: Disk>(case: &Case<'_, D>, proof: &Proof, text: &str) -> Result<PathBuf, StoreError> {
    let dir = case.layout.proof_dir(case.tag, case.runid);
    case.disk.create_dir_all(&dir)?;
    case.disk.replace(&dir.join("report.txt"), text.as_bytes())?;
    let path = dir.join("proof.json");
    case.disk.replace(&path, document(proof).as_bytes())?;
    Ok(path)
}

fn circumstances<D: Disk>(
    case: &Case<'_, D>,
    live: &RecordBytes,
    revised: BTreeSet<i64>,
) -> Circumstances {
    let one = |(key, now, was): (String, String, String)| format!("{key} is {now}, was {was}");
    Circumstances {
        settings: case.card.differences(&case.origin.card).into_iter().map(one).collect(),
        same_policy: case.card.stop_fill == case.origin.card.stop_fill,
        same_build: case.build == case.origin.build,
        revised,
        restarts: restarts(&live.timing),
        min_overlap_bars: case.min_overlap_bars,
    }
}

/// Slots at which another run took over, from the last column of `timing.csv`.
fn restarts(timing: &[u8]) -> BTreeSet<i64> {
    let text = String::from_utf8_lossy(timing);
    let mut last_run: Option<&str> = None;
    let mut slots = BTreeSet::new();
    for line in text.lines().skip(1) {
        let (Some((ts, _)), Some((_, run))) = (line.split_once(','), line.rsplit_once(',')) else {
            continue;
        };
        if last_run.is_some_and(|last| last != run) {
            slots.extend(ts.parse::<i64>());
        }
        last_run = Some(run);
    }
    slots
}

fn names<D: Disk>(case: &Case<'_, D>, backtest_tag: &Tag) -> Names {
    let shown = |path: PathBuf| path.strip_prefix(case.root).unwrap_or(&path).display().to_string();
    Names {
        tag: case.tag.to_string(),
        runid: case.runid.to_string(),
        live_decisions: shown(case.layout.decisions(case.tag, case.series)),
        backtest_decisions: shown(case.layout.decisions(backtest_tag, case.series)),
        live_trades: shown(case.layout.trades(case.tag, case.series)),
        backtest_trades: shown(case.layout.trades(backtest_tag, case.series)),
    }
}

fn drift_line(drift: &Mismatch, verdict: Option<Verdict>) -> String {
    format!(
        "[as-is] {}: on today's store the first difference is ts_ms {} column {} ({})\n",
        verdict.map_or("FAIL", Verdict::name),
        drift.ts_ms,
        drift.column,
        drift.cause
    )
}

fn inconclusive_line(verdict: Verdict, found: &Comparison, least: usize) -> String {
    let why = match (verdict, found.overlap, found.sync_ts_ms) {
        (Verdict::Pass | Verdict::PassDataDrift | Verdict::Fail, ..) => return String::new(),
        (Verdict::Inconclusive, None, _) => "the two ledgers have no slot in common".to_owned(),
        (Verdict::Inconclusive, Some(_), None) => {
            "there is no slot where both are flat with nothing pending and equal state".to_owned()
        }
        (Verdict::Inconclusive, Some(_), Some(sync)) => {
            format!("only {} rows from the sync slot {sync} on, {least} are needed", found.rows)
        }
    };
    format!("inconclusive: {why}\n")
}
