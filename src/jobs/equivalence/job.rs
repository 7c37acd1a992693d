//! The jobs `equivalence` (two ledgers that exist) and `eqflat` (the backtest of LIVE's window first, then the same).

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    both::compare_files,
    compare::ComparisonRules,
    flat::{ReplayInputs, Replayed, Replaying},
    judge::ProofVerdict,
    proofs::{Mismatch, discard, names, retain},
    prove::{AsIs, Digests, ProofCase, ProofResult, prove, reduce},
    proven::Proven,
};
use crate::{
    domain::{
        ids::{Exchange, RunId, Tag},
        series::{Series, Symbol},
        time::{Timeframe, Window},
    },
    engine::step::Core,
    exit::Exit,
    jobs::{
        backtest::{
            job::{backtest_place, write_origin},
            ledgers::{Base, write_rows},
        },
        context::{Context, Failure, Outcome},
        engine_setup::{EngineSetup, engine_setup, still_all_known},
        ledgers::{series_of, tags},
        models::ModelSource,
    },
    manifest::{EqflatJob, Equivalence, EquivalenceJob, OnFail, Parsed},
    session::{
        error::SessionError,
        live::LedgerLocation,
        origin::{LedgerOrigin, SIZE_MODE, StrategySettings},
        reader::{Extent, Files, RecordReader, RowFinder},
        record::{End, ends, gone, read_commands, read_origin},
        signals::{leave_used, read_used},
        watch::Sighting,
    },
    store::{
        disk::{Disk as _, RealDisk},
        lock::Lock,
    },
};

/// Compares LIVE's ledger with that of a backtest that was run before.
pub fn equivalence(context: &Context<'_>, job: &EquivalenceJob) -> Result<Outcome, Failure> {
    let table = &job.equivalence;
    let (tag, runid) = (table.tag.get(), table.runid.get());
    let series = &locate(context, table)?;
    let backtest_tag =
        tag.backtest(runid).map_err(|error| Failure::new(Exit::Manifest, error.to_string()))?;
    let live = extent(context, tag, series)?;
    let backtest = extent(context, &backtest_tag, series)?;
    let origin = origin(context, tag, series)?;
    let card = origin_card(context, &backtest_tag, series)?;
    let files = [tag, &backtest_tag].map(|tag| Files::of(context.layout, tag, series));
    let terms = terms(&card, &origin)?;
    let compared = compare_files(
        context.disk,
        series,
        [(&files[0], live), (&files[1], backtest)],
        terms,
        Some((&origin, (context.layout, tag, series))),
    )?;
    let what = What {
        tag,
        runid,
        min_overlap_bars: table.min_overlap_bars,
        context_rows: table.context_rows,
    };
    let case = case(context, series, &what, &origin, &card);
    let proved = prove(&case, ([live, backtest], Digests::default()), compared, None)?;
    Ok(outcome(context, &proved))
}

/// Replays LIVE's window on the bars it saw and compares; then on today's store, where that differs. A FAIL may make the tag
/// stand back, and old replays are taken away.
pub fn eqflat(context: &Context<'_>, job: &EqflatJob) -> Result<Outcome, Failure> {
    let stop_fill = job.backtest.stop_fill;
    let whose = ModelSource::Ledger(&job.tag);
    let EngineSetup { core, card, model } = engine_setup(context, &job.trading, stop_fill, whose)?;
    let outcome = eqflat_core(context, job, &core, &card)?;
    Ok(EngineSetup::noted(model, outcome))
}

fn eqflat_core(
    context: &Context<'_>,
    job: &EqflatJob,
    core: &Core,
    card: &StrategySettings,
) -> Result<Outcome, Failure> {
    let (series, tag) = (&job.trading.series, &job.tag);
    // Before anything is read: what is written from now on has another stamp.
    let sighting = Sighting::take(context.disk, (context.layout, tag, series), context.started);
    // Looked at once: a LIVE ledger that goes on growing cannot change the verdict while it is found.
    let live = extent(context, tag, series)?;
    let rows = RowFinder::new(context.disk, &Files::of(context.layout, tag, series), series, live)?;
    let Some(rows) = rows else {
        // A ledger without a row may have been emptied.
        let paths = Files::of(context.layout, tag, series);
        let mut reader = RecordReader::new(context.disk, &paths, series, live, 1)?;
        ends(&End::of(&mut reader)?, (context.layout, tag, series))?;
        return Err(no_rows(context, tag, series));
    };
    let window = Window::new(rows.first, rows.last)
        .map_err(|error| Failure::new(Exit::Data, error.to_string()))?;
    let origin = origin(context, tag, series)?;
    let live_place = context.place(tag, series);
    context.progress.begin("replaying the LIVE window", 0);
    let commands = read_commands(context.disk, context.layout, tag)?;
    still_all_known(core, &commands)?;
    let files = (context.layout, tag, series);
    let used = read_used(context.disk, files, core.strategy.signals(), Some(&origin))?;
    let Claimed { runid, place, lock } = claim(context, job, &live_place)?;
    let given = ReplayInputs {
        place: &live_place,
        extent: live,
        window,
        origin: &origin,
        commands: &commands,
        signals: &used.signals,
        core,
        card,
        build: context.build,
        sighting,
        now: context.started,
        terms: terms(card, &origin)?,
    };
    let replayed = Replaying::start(&given).map_err(Failure::from).and_then(|course| {
        let base = base(context, course.earlier(), &live_place, &place.tag);
        let base_files = base.as_ref().map(|(base, _)| base);
        write_rows(&place, job.backtest.on_existing, base_files, |is_based, deliver| {
            course.run(&given, is_based, deliver).map_err(Failure::from)
        })
    });
    let replayed = replayed.inspect_err(|_| {
        drop(lock);
        discard(context, &place.tag, series);
    })?;
    leave_used(context.disk, (context.layout, &place.tag, series), &used.signals, window)?;
    write_origin(context, &place, (replayed.floor, window.first()), card)?;
    let backtest = extent(context, &place.tag, series)?;
    context.progress.end();
    let Replayed { seen, today, revised, known, was_read, digests, proven, .. } = replayed;
    tell_known(known, was_read);
    let (min_overlap_bars, context_rows) = (job.min_overlap_bars, job.context_rows);
    let what = What { tag, runid: &runid, min_overlap_bars, context_rows };
    let case = case(context, series, &what, &origin, card);
    let proved = prove(&case, ([live, backtest], digests), seen, Some(AsIs { today, revised }))?;
    let mut outcome = outcome(context, &proved);
    if job.on_fail == OnFail::Reduce && proved.proof.verdict() == ProofVerdict::Fail {
        let _ = writeln!(outcome.text, "{}", reduce(context, tag, &proved.proof));
    }
    tidy(context, tag, job.keep as usize);
    // Last: to take an older name of the replay away changes its stamp.
    if let Some(Err(error)) = proven.map(|proven| proven.leave(&live_place, &place.tag)) {
        tracing::warn!("the next proof replays every row: {error}");
    }
    Ok(outcome)
}

fn tell_known(known: u64, was_read: bool) {
    if known > 0 {
        let read = if was_read { "" } else { ", nor read: nothing has touched them since" };
        tracing::info!(
            "the first {known} rows are those of an earlier proof and were not replayed{read}"
        );
    }
}

/// Takes old replays away.
fn tidy(context: &Context<'_>, tag: &Tag, keep: usize) {
    match retain(context, tag, keep) {
        Ok(0) => {}
        Ok(removed) => {
            tracing::info!("{removed} files of old replays of tag {tag} were taken away");
        }
        Err(error) => tracing::warn!("old replays of tag {tag} stay: {}", error.message),
    }
}

/// The replay of an earlier proof that a new one can be built on, and its lock; none where it is the same.
fn base(
    context: &Context<'_>,
    earlier: Option<&Proven>,
    live: &LedgerLocation<'_, RealDisk>,
    own: &Tag,
) -> Option<(Base, Option<Lock>)> {
    let (earlier, tag) = (earlier?, earlier?.replay()?);
    if tag == *own {
        return Some((earlier.base(live)?, None));
    }
    // To take a lock makes its folder: only where there is something to lock.
    earlier.base(live)?;
    let lock = context.lock(&context.layout.decisions_lock(&tag, &live.series)).ok()?;
    // Again behind the lock: two proofs at once must not append to one file.
    Some((earlier.base(live)?, Some(lock)))
}

/// A name that this run alone has, and where its replay goes.
struct Claimed<'a> {
    runid: RunId,
    place: LedgerLocation<'a, RealDisk>,
    lock: Lock,
}

/// Takes the name that is given, or one made from the time that nothing has. A name counts as taken by whoever holds its lock, by a
/// replay, and by a report.
fn claim<'a>(
    context: &Context<'a>,
    job: &EqflatJob,
    live: &LedgerLocation<'a, RealDisk>,
) -> Result<Claimed<'a>, Failure> {
    let (disk, layout, series) = (context.disk, context.layout, &job.trading.series);
    let take = |runid: RunId| {
        let place = backtest_place(context, &job.tag, &runid, live)?;
        let lock = context.lock(&layout.decisions_lock(&place.tag, series))?;
        Ok(Claimed { runid, place, lock })
    };
    if let Some(runid) = &job.runid {
        return take(runid.clone());
    }
    for runid in names(&job.tag, context.started) {
        let claimed = match take(runid) {
            Ok(claimed) => claimed,
            Err(failure) if failure.exit == Exit::Busy => continue,
            Err(failure) => return Err(failure),
        };
        let replay = layout.decisions(&claimed.place.tag, series);
        let report = layout.proof_dir(&job.tag, &claimed.runid);
        if disk.len(&replay)?.is_none() && !disk.is_dir(&report)? {
            return Ok(claimed);
        }
    }
    let message = format!(
        "every name for a replay of tag {} is taken: give one with RUNID, or use a shorter tag",
        job.tag
    );
    Err(Failure::new(Exit::Busy, message))
}

/// How much of a ledger counts now.
fn extent(context: &Context<'_>, tag: &Tag, series: &Series) -> Result<Extent, Failure> {
    let found = Extent::of(context.disk, &Files::of(context.layout, tag, series))?;
    if found.is_none() && context.disk.len(&context.layout.origin(tag, series))?.is_some() {
        return Err(gone((context.layout, tag, series)).into());
    }
    let has_line = |extent: &Extent| extent.decisions > 0;
    let found = found.filter(has_line).ok_or_else(|| no_rows(context, tag, series))?;
    same_exchange(context, tag, series)?;
    Ok(found)
}

/// The folder of a ledger is named by symbol and timeframe; the exchange is in its rows.
fn same_exchange(context: &Context<'_>, tag: &Tag, series: &Series) -> Result<(), Failure> {
    let all = series_of(context.disk, context.layout, tag)?;
    let beside = |other: &&Series| {
        other.symbol() == series.symbol()
            && other.timeframe() == series.timeframe()
            && other.exchange() != series.exchange()
    };
    let Some(other) = all.iter().find(beside) else { return Ok(()) };
    let message = format!(
        "the ledger of tag {tag} is of {other}, and this job asks for {series}: say `-p exchange={}`, or name another tag",
        other.exchange()
    );
    Err(Failure::new(Exit::Nothing, message))
}

fn no_rows(context: &Context<'_>, tag: &Tag, series: &Series) -> Failure {
    let file = context.layout.decisions(tag, series);
    let path = context.shown(&file);
    if context.disk.len(&file).is_ok_and(|len| len.is_some()) {
        let message = format!(
            "{path} has no row yet, so there is nothing to compare: the loop of tag {tag} has not decided a slot of {series}; `runner status` \
             shows whether it is up"
        );
        return Failure::new(Exit::Nothing, message);
    }
    let known = tags(context.disk, context.layout).unwrap_or_default();
    let known = known.iter().map(Tag::as_str).collect::<Vec<_>>().join(", ");
    let hint = if known.is_empty() {
        "no tag has a ledger yet: run jobs/live.toml first".to_owned()
    } else {
        format!("tags with a ledger: {known}")
    };
    Failure::new(
        Exit::Nothing,
        format!("tag {tag} does not have a decision of {series} ({path}): {hint}"),
    )
}

fn origin(context: &Context<'_>, tag: &Tag, series: &Series) -> Result<LedgerOrigin, Failure> {
    let found = read_origin(context.disk, context.layout, tag, series)?;
    let missing = || SessionError::NoOrigin(context.layout.origin(tag, series));
    Ok(found.ok_or_else(missing)?)
}

fn origin_card(
    context: &Context<'_>,
    tag: &Tag,
    series: &Series,
) -> Result<StrategySettings, Failure> {
    origin(context, tag, series).map(|origin| origin.card)
}

/// What is compared, and how it is shown.
struct What<'a> {
    tag: &'a Tag,
    runid: &'a RunId,
    min_overlap_bars: u32,
    context_rows: u32,
}

/// What decides how LIVE's ledger and a replay can be compared. Two stop rules give two equities, which rules must not read then.
fn terms(card: &StrategySettings, origin: &LedgerOrigin) -> Result<ComparisonRules, Failure> {
    let same_policy = card.stop_fill == origin.card.stop_fill;
    let reader = card.equity_reader();
    match (same_policy, &reader) {
        (false, Some(key)) if key != SIZE_MODE => {
            let message = format!(
                "`{key}` reads the equity, which differs under two stop rules: LIVE has {}, the replay {}; give both the same live.stop-fill and backtest.stop-fill",
                origin.card.stop_fill, card.stop_fill
            );
            Err(Failure::new(Exit::Manifest, message))
        }
        (_, _) => Ok(ComparisonRules { same_policy, reads_equity: reader.is_some() }),
    }
}

fn case<'a>(
    context: &'a Context<'_>,
    series: &'a Series,
    what: &What<'a>,
    origin: &'a LedgerOrigin,
    card: &'a StrategySettings,
) -> ProofCase<'a, crate::store::disk::RealDisk> {
    ProofCase {
        disk: context.disk,
        layout: context.layout,
        root: context.root,
        series,
        tag: what.tag,
        runid: what.runid,
        min_overlap_bars: what.min_overlap_bars as usize,
        context_rows: what.context_rows as usize,
        origin,
        card,
        build: context.build,
        now: context.started,
    }
}

fn outcome(context: &Context<'_>, proved: &ProofResult) -> Outcome {
    let proof = &proved.proof;
    let verdict = proof.verdict();
    let exit = match verdict {
        ProofVerdict::Pass | ProofVerdict::PassDataDrift => Exit::Ok,
        ProofVerdict::Fail => Exit::Negative,
        ProofVerdict::Inconclusive => Exit::Inconclusive,
    };
    let shown = context.shown(&proved.path);
    let mut summary = format!(
        "{}: {} rows and {} trade events compared",
        verdict.name(),
        proof.rows,
        proof.trades
    );
    if let Some(first) = proof.mismatch.as_ref().map(Mismatch::place) {
        summary = format!("{}: {first}; {} rows compared", verdict.name(), proof.rows);
    }
    let counts = format!(
        "compared {} rows and {} trade events from {} on; degraded slots: {}\n",
        proof.rows,
        proof.trades,
        proof.sync_ts_ms.map_or("nowhere".to_owned(), |ts| ts.to_string()),
        if proof.degraded.is_empty() { "none".to_owned() } else { counted(&proof.degraded) },
    );
    let ledgers = [&proof.live, &proof.backtest]
        .map(|side| format!("ledgers: {} {}\n", side.decisions.path, side.trades.path))
        .concat();
    let text = format!("{}{counts}{ledgers}proof: {shown}\n", proved.text);
    let out = [
        ("verdict", verdict.name().to_owned()),
        ("proof", shown),
        ("rows", proof.rows.to_string()),
    ];
    let out: BTreeMap<_, _> = out.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    Outcome { exit, summary, text, out }
}

fn counted(degraded: &BTreeMap<String, usize>) -> String {
    degraded.iter().map(|(reason, n)| format!("{n} {reason}")).collect::<Vec<_>>().join(", ")
}

/// What is told of a series.
#[derive(Clone, Copy)]
pub struct NamedSeries<'a> {
    pub exchange: &'a Option<Parsed<Exchange>>,
    pub symbol: &'a Option<Parsed<Symbol>>,
    /// The length of one bar.
    pub timeframe: &'a Option<Parsed<Timeframe>>,
}

/// The only series of the tag that fits what is told of it.
pub fn locate(context: &Context<'_>, table: &Equivalence) -> Result<Series, Failure> {
    let Equivalence { exchange, symbol, timeframe, .. } = table;
    only_series(context, table.tag.get(), NamedSeries { exchange, symbol, timeframe })
}

/// The same for any tag.
pub fn only_series(
    context: &Context<'_>,
    tag: &Tag,
    told: NamedSeries<'_>,
) -> Result<Series, Failure> {
    let all = series_of(context.disk, context.layout, tag)?;
    let fits = |series: &&Series| {
        told.exchange.as_ref().is_none_or(|told| told.get() == series.exchange())
            && told.symbol.as_ref().is_none_or(|told| told.get() == series.symbol())
            && told.timeframe.as_ref().is_none_or(|told| *told.get() == series.timeframe())
    };
    let fitting: Vec<&Series> = all.iter().filter(fits).collect();
    let named =
        |list: &[&Series]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    match fitting.as_slice() {
        [series] => Ok((*series).clone()),
        [] if all.is_empty() => {
            let message = format!("tag {tag} has no ledger: run jobs/live.toml with it first");
            Err(Failure::new(Exit::Nothing, message))
        }
        [] => {
            let has = named(&all.iter().collect::<Vec<_>>());
            Err(Failure::new(
                Exit::Nothing,
                format!("tag {tag} has no ledger of that series; it has: {has}"),
            ))
        }
        several => {
            let message = format!(
                "tag {tag} has several series ({}): say which with exchange, symbol and timeframe",
                named(several)
            );
            Err(Failure::new(Exit::Manifest, message))
        }
    }
}
