//! Reading what there is to know about a box. Nothing is changed, and no lock is taken.

use std::path::Path;

use super::facts::{Facts, Followed, InUse, LastProof, LedgerFacts, ReplayCheck, Tail};
use crate::{
    checklist::Level,
    domain::{
        command::{Command, in_force, in_order_of_effect},
        ids::{ModelId, RunId, Tag},
        series::Series,
        time::{SlotTs, UtcMs},
    },
    engine::model::Timeline,
    jobs::{
        check,
        context::{Context, Failure},
        equivalence::proofs::{Mismatch, ProofDocument, ProofOnDisk, proofs},
        ledgers::{in_recorded_time, manifest_of},
        live::state::LiveState,
        models::{find, first_model, load, resolve},
        promote::history::History,
    },
    manifest::{Check, CheckJob, CheckPart, HealthJob, HealthMode, Parsed, Time, Trading},
    os::filesystem::{Room, room},
    session::{
        reader::{Extent, Files, RecordReader, RowFinder},
        record::{End, begins, ends, read_commands, read_origin},
    },
    store::{
        disk::{Disk as _, RealDisk},
        error::StoreError,
        lines::LineReader,
        lock::{Owner, is_held},
        raw::RawStore,
        rows::signals::{TIMING_HEADER, parse_timing_rows},
        runs::{Ahead, RunState, RunStore},
    },
};

/// All of it. Only a ledger that cannot be read at all is a failure: then nothing can be said.
pub fn gather(context: &Context<'_>, job: &HealthJob, mode: HealthMode) -> Result<Facts, Failure> {
    let Context { disk, layout, .. } = *context;
    let (series, tag) = (&job.series, job.health.tag.get());
    let as_of = job.health.at.map(Time::get);
    let now = as_of.unwrap_or(context.started);
    let ledger = ledger(context, job, as_of)?;
    let heard = LiveState::read(disk, layout, tag, series);
    let said = |error: StoreError| error.to_string();
    let commands = read_commands(disk, layout, tag);
    let live_run = live_run(context, ledger.as_ref(), heard.as_ref());
    let run = live_run.as_ref().map(|(run, _)| run);
    let model = commands.as_ref().ok().and_then(|all| followed(context, job, run, all));
    // What is planned for later does not say how the loop stands.
    let last = ledger.as_ref().and_then(|ledger| ledger.tail.last());
    let until = last.map_or(now, |last| last.ts.next().close());
    Ok(Facts {
        now,
        newest_bar: newest_bar(context, series, as_of).map_err(said),
        order: commands.map_err(said).map(|all| in_force(&all, until).cloned()),
        fold: fold(context, job, mode, ledger.as_ref())?,
        proof: last_proof(context, series, tag, now).map_err(said),
        is_held: is_held(&layout.decisions_lock(tag, series)),
        is_recorded: in_recorded_time(disk, layout, tag).unwrap_or(false),
        live_run,
        drills: drills(context, tag, series),
        tick: tick(context),
        silent: silent(context),
        model,
        free: free(context),
        ledger,
        heard,
    })
}

fn ledger(
    context: &Context<'_>,
    job: &HealthJob,
    as_of: Option<UtcMs>,
) -> Result<Option<LedgerFacts>, Failure> {
    let Context { disk, layout, .. } = *context;
    let (series, tag, table) = (&job.series, job.health.tag.get(), &job.health);
    let files = Files::of(layout, tag, series);
    let Some(extent) = Extent::of(disk, &files)? else { return Ok(None) };
    // One row more than the grace, since it is the distances that count, and one whose time may not be written yet.
    let most = table.tail.max(table.grace_bars.saturating_add(2)) as usize;
    let rows = last_lines(disk, &files.decisions, extent.decisions, most)?;
    let timing = last_lines(disk, &files.timing, extent.timing, most)?;
    let place = (files.timing.as_path(), 0);
    let timing = parse_timing_rows(&timing.bytes, series.timeframe(), place, None);
    let (checked, damage) = match checked(context, (tag, series), &files, extent) {
        Ok(rows) => (Some(rows), None),
        Err(error) => (None, Some(worded(context, &error))),
    };
    // Where it cannot be told from the slots, the lines that were read are all that is known.
    let lines = if rows.is_whole { rows.lines } else { checked.unwrap_or(rows.lines) };
    let timing = timing.unwrap_or_default();
    let tail = Tail::read(&rows.bytes, lines, &timing, series.timeframe(), (most, as_of));
    Ok(Some(LedgerFacts { tail, damage, is_torn: extent.is_torn }))
}

/// Rows of a ledger that are checked each time: a proof, a check and the next start of the loop look at all of them.
const CHECKED_ROWS: u64 = 2_000;
/// Bytes that are read for each row wanted: rows are shorter.
const ROW_BYTES: u64 = 320;

/// The last lines of a file.
struct LastLines {
    bytes: Vec<u8>,
    lines: usize,
    /// Whether these are all of them, without the header.
    is_whole: bool,
}

#[expect(clippy::naive_bytecount, reason = "once for a file, or a part of one")]
fn last_lines(
    disk: &RealDisk,
    path: &Path,
    end: u64,
    most: usize,
) -> Result<LastLines, StoreError> {
    let from = end.saturating_sub((most as u64 + 2) * ROW_BYTES);
    let mut bytes = match end {
        0 => Vec::new(),
        end => disk.read_at(path, from, (end - from) as usize)?,
    };
    // What comes first is the header, or a part of a line.
    let first = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
    bytes.drain(..first);
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    Ok(LastLines { bytes, lines, is_whole: from == 0 })
}

/// Checks the last rows of a ledger and where it begins and ends, and says how many rows there are.
fn checked(
    context: &Context<'_>,
    (tag, series): (&Tag, &Series),
    files: &Files,
    extent: Extent,
) -> Result<usize, StoreError> {
    let Context { disk, layout, .. } = *context;
    let origin = read_origin(disk, layout, tag, series)?;
    let place = (layout, tag, series);
    let rows = RowFinder::new(disk, files, series, extent)?;
    let count = rows.as_ref().map_or(0, RowFinder::count);
    let mut reader = match &rows {
        Some(rows) if count > CHECKED_ROWS => {
            rows.reader(count - CHECKED_ROWS, CHECKED_ROWS as usize)?
        }
        Some(_) | None => RecordReader::new(disk, files, series, extent, CHECKED_ROWS as usize)?,
    };
    while reader.next()?.is_some() {}
    ends(&End::of(&mut reader)?, place)?;
    if let Some(rows) = &rows {
        begins(rows.first, first_timed(disk, files, series, extent)?, origin.as_ref(), place)?;
    }
    Ok(count as usize)
}

/// The slot of the first row of `timing.csv`.
fn first_timed(
    disk: &RealDisk,
    files: &Files,
    series: &Series,
    extent: Extent,
) -> Result<Option<i64>, StoreError> {
    let mut lines = LineReader::of_rows(disk, &files.timing, TIMING_HEADER, extent.timing)?;
    let Some(row) = lines.next(1)? else { return Ok(None) };
    let place = (files.timing.as_path(), row.first);
    let rows = parse_timing_rows(&row.bytes, series.timeframe(), place, None)?;
    Ok(rows.first().map(|row| row.ts.ts_ms()))
}

/// An error with its paths as people know them.
fn worded(context: &Context<'_>, error: &StoreError) -> String {
    error.to_string().replace(&format!("{}/", context.root.display()), "")
}

/// The newest bar that was closed then.
fn newest_bar(
    context: &Context<'_>,
    series: &Series,
    as_of: Option<UtcMs>,
) -> Result<Option<SlotTs>, StoreError> {
    let raw = RawStore::new(context.layout, context.disk, series);
    let Some(last) = as_of.and_then(|at| series.timeframe().last_closed(at)) else {
        return Ok(raw.newest()?.map(|bar| bar.ts));
    };
    for day in raw.days()?.into_iter().rev().filter(|day| *day <= last.open_day()) {
        let bars = raw.load_day(day)?;
        if let Some(bar) = bars.iter().rev().find(|bar| bar.ts <= last) {
            return Ok(Some(bar.ts));
        }
    }
    Ok(None)
}

fn fold(
    context: &Context<'_>,
    job: &HealthJob,
    mode: HealthMode,
    ledger: Option<&LedgerFacts>,
) -> Result<ReplayCheck, Failure> {
    if !job.health.fold.unwrap_or(mode == HealthMode::Strict) {
        return Ok(ReplayCheck::Off("not asked for: healthcheck.fold"));
    }
    let Some(trading) = &job.trading else { return Ok(ReplayCheck::Off("[strategy] is missing")) };
    if ledger.is_none_or(|ledger| ledger.tail.lines == 0) {
        return Ok(ReplayCheck::Off("no row to make again"));
    }
    folded(context, trading, job.health.tag.get())
}

/// The check of the same name in the job kind `check`.
fn folded(context: &Context<'_>, trading: &Trading, tag: &Tag) -> Result<ReplayCheck, Failure> {
    let table = Check {
        only: vec![CheckPart::State],
        tag: Some(Parsed::new(tag.clone())),
        lookahead_every: None,
    };
    let checks =
        check::state::state(context, &CheckJob { trading: trading.clone(), check: table })?;
    let ledger = checks.into_iter().find(|check| check.name == "ledger");
    Ok(match ledger {
        Some(one) if one.level == Level::Ok => ReplayCheck::Same(one.value),
        Some(one) => ReplayCheck::Differs(one.value),
        None => ReplayCheck::Off("the ledger was not looked at"),
    })
}

fn last_proof(
    context: &Context<'_>,
    series: &Series,
    tag: &Tag,
    now: UtcMs,
) -> Result<Option<LastProof>, StoreError> {
    let (exchange, symbol) = (series.exchange().to_string(), series.symbol().to_string());
    let own = [exchange, symbol, series.timeframe().to_string()];
    let ours = |proof: &ProofDocument| {
        proof.tag == tag.as_str() && proof.series == own && proof.made_at_ms <= now.get()
    };
    let found = proofs(context.disk, context.layout, tag)?.into_iter().filter_map(|found| {
        let ProofOnDisk::Proof(proof) = found.left else { return None };
        ours(&proof).then_some((found.run, found.dir, proof))
    });
    let newest = found.max_by_key(|(.., proof)| proof.made_at_ms);
    Ok(newest.map(|(run, dir, proof)| LastProof {
        run,
        dir: context.shown(&dir),
        verdict: proof.verdict(),
        made: UtcMs::EPOCH.plus_ms(proof.made_at_ms),
        mismatch: proof.mismatch.as_ref().map(Mismatch::place),
    }))
}

/// The run that the loop's own document names, or the one that decided the last row, whichever is newer.
fn live_run(
    context: &Context<'_>,
    ledger: Option<&LedgerFacts>,
    heard: Option<&LiveState>,
) -> Option<(RunId, Option<RunState>)> {
    let stamp = ledger.and_then(|ledger| ledger.tail.last()).and_then(|row| row.timing.as_ref());
    let newer = heard.filter(|heard| stamp.is_none_or(|s| heard.at_ms >= s.seen_at.get()));
    let run = newer.and_then(|heard| heard.run_id.parse().ok());
    let run: RunId = run.or_else(|| stamp.map(|stamp| stamp.run_id.clone()))?;
    let store = RunStore::open(context.disk, context.layout).ok();
    let state = store.and_then(|store| store.get(&run).ok().flatten()).map(|run| run.state);
    Some((run, state))
}

/// What the loop that holds the ledger was started with that keeps it from its work.
fn drills(context: &Context<'_>, tag: &Tag, series: &Series) -> Vec<&'static str> {
    let lock = context.layout.decisions_lock(tag, series);
    let holder = Owner::read(&lock).filter(|_| is_held(&lock));
    let table = holder.and_then(|owner| manifest_of(context.disk, context.layout, &owner.run_id));
    let live = table.as_ref().and_then(|table| table.get("live")?.as_table());
    let is_on = |key: &str| match live.and_then(|live| live.get(key)) {
        Some(toml::Value::Boolean(on)) => *on,
        Some(_) => true,
        None => false,
    };
    DRILLS.iter().filter(|(key, _)| is_on(key)).map(|(_, what)| *what).collect()
}

/// Keys of a live job that are not for every day, and what they do.
const DRILLS: [(&str, &str); 4] = [
    ("force-fetch-fail", "FORCE_FETCH_FAIL: every fetch fails"),
    ("force-persist-fail", "FORCE_PERSIST_FAIL: no bar is stored"),
    ("crash-after-bars", "crash-after-bars: the loop kills itself"),
    ("dry-run", "DRY_RUN: no ledger is written"),
];

/// The room that is left.
fn free(context: &Context<'_>) -> Result<(Room, Option<String>), String> {
    let data = context.layout.data();
    let room = room(data).map_err(|error| error.to_string())?;
    let is_part = room.path.starts_with(data) && room.path != data;
    let place = is_part.then(|| context.shown(&room.path));
    Ok((room, place))
}

/// When the scheduler service last looked at its clock.
fn tick(context: &Context<'_>) -> Result<Option<UtcMs>, String> {
    let path = context.layout.scheduler_tick();
    let shown = context.shown(&path);
    let bytes = context.disk.read(&path).map_err(|error| error.to_string())?;
    let Some(bytes) = bytes else { return Ok(None) };
    let document: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
    let tick = document.and_then(|document| document.get("tick_ms")?.as_i64());
    let tick = tick.and_then(|ms| UtcMs::new(ms).ok());
    tick.map(Some).ok_or_else(|| format!("{shown} has no tick_ms"))
}

/// The watermark of the scheduler that is furthest ahead of its clock.
fn silent(context: &Context<'_>) -> Option<Ahead> {
    let bytes = context.disk.read(&context.layout.scheduler_tick()).ok().flatten()?;
    let document: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    let tick = UtcMs::new(document.get("tick_ms")?.as_i64()?).ok()?;
    let schedules = document.get("schedules")?.as_array()?;
    // Without a next slot it is an event that makes it due, whatever the clock says.
    let timed = schedules.iter().filter(|schedule| schedule["next_ms"].is_i64());
    let upto = timed.filter_map(|schedule| UtcMs::new(schedule["decided_ms"].as_i64()?).ok());
    upto.filter_map(|upto| Ahead::of(upto, tick)).max()
}

/// The models of the ledger. `None` for one that follows no model, or one that was named by itself, and as of another instant: what was
/// in use then is not known. A ledger that cannot be read is told by other checks. `run` is the one that wrote last: what its manifest
/// says counts more than the one at hand.
pub fn followed(
    context: &Context<'_>,
    job: &HealthJob,
    run: Option<&RunId>,
    commands: &[Command],
) -> Option<Followed> {
    let path = path(context, job, run).map(|path| context.path(&path));
    if job.health.at.is_some() || path != Some(context.layout.model_in_use()) {
        return None;
    }
    let tag: &Tag = job.health.tag.get();
    let origin = read_origin(context.disk, context.layout, tag, &job.series).ok().flatten()?;
    let begun = first_model(&origin).ok().flatten()?;
    let mut switches = in_order_of_effect(commands).into_iter().rev();
    let present = switches.find_map(|(_, command)| command.order.model()).unwrap_or(begun);
    let root = format!("{}/", context.root.display());
    let said = |failure: Failure| failure.message.replace(&root, "");
    Some(Followed { present, in_use: in_use(context, present).map_err(said) })
}

/// The model that the manifest of a run names, or the one at hand, where that of the run is gone.
fn path(context: &Context<'_>, job: &HealthJob, run: Option<&RunId>) -> Option<String> {
    let Some(table) = run.and_then(|run| manifest_of(context.disk, context.layout, run)) else {
        return at_hand(job);
    };
    table.get("strategy")?.get("model")?.get("path")?.as_str().map(str::to_owned)
}

fn at_hand(job: &HealthJob) -> Option<String> {
    job.trading.as_ref()?.model.as_ref().map(|model| model.path.clone())
}

/// What is in use, since when, and whether the ledger can go on with it.
fn in_use(context: &Context<'_>, present: ModelId) -> Result<InUse, Failure> {
    let Context { disk, layout, .. } = *context;
    let named = load(disk, &resolve(disk, layout, &layout.model_in_use())?)?;
    let unfit = find(disk, layout, present)?.and_then(|ours| {
        let timeline = Timeline::new(ours.speaker(None));
        timeline.admit(named.id, &named.model).err().map(|error| error.to_string())
    });
    Ok(InUse { id: named.id, since: since(context, named.id), unfit })
}

/// When a model came into use; `None` when that is not written down.
fn since(context: &Context<'_>, id: ModelId) -> Option<UtcMs> {
    let bytes = context.disk.read(&context.layout.model_history()).ok().flatten()?;
    let history = History::parse(&bytes).ok()?;
    let named = history.in_use()?.rsplit_once('/')?.1.parse::<ModelId>().ok()?;
    history.changed().filter(|_| named == id)
}
