//! The live job: builds feed, clock and session from the manifest, takes the locks, and runs the loop.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    cycle::{LoopError, Outcome as LoopOutcome, Surroundings, run as run_loop},
    plan::{CatchUp, Ended, Pace},
};
use crate::{
    clock::{Clock, Speed, VirtualClock},
    domain::{
        bar::TimedBar,
        decision::{Action, Decision, Degraded},
        series::Series,
        time::Window,
    },
    engine::{slot::first_at_or_after, step::Core, strategy::Strategy},
    exchange::{replay::ReplayFeed, synthetic},
    exit::Exit,
    jobs::{
        context::{Context, Failure, Outcome},
        setup::{self, with_core},
    },
    manifest::{self, LiveJob},
    os,
    session::{
        card::Card,
        live::{Recovered, Session},
    },
    store::{archive, disk::Disk, raw::RawStore, rows::timing::Origin},
};

impl From<LoopError> for Failure {
    fn from(error: LoopError) -> Self {
        match error {
            LoopError::Session(error) => error.into(),
            LoopError::Store(error) => error.into(),
        }
    }
}

/// Runs the job.
pub fn run(context: &Context<'_>, job: &LiveJob) -> Result<Outcome, Failure> {
    let stop_fill = job.live.stop_fill;
    let card = setup::card(&job.trading, stop_fill);
    with_core!(setup::core(&job.trading, stop_fill)?, core => run_core(context, job, core, card))
}

/// What the loop did, counted.
#[derive(Debug, Default)]
struct Tally {
    rows: u64,
    by_origin: BTreeMap<&'static str, u64>,
    skipped: BTreeMap<&'static str, u64>,
}

impl Tally {
    fn count(&mut self, decision: &Decision, origin: Origin) {
        self.rows += 1;
        *self.by_origin.entry(origin.name()).or_default() += 1;
        if decision.action == Action::Skip {
            *self.skipped.entry(decision.reason).or_default() += 1;
        }
    }
}

fn run_core<S: Strategy>(
    context: &Context<'_>,
    job: &LiveJob,
    core: Core<S>,
    card: Card,
) -> Result<Outcome, Failure> {
    let (series, live) = (&job.trading.series, &job.live);
    let place = context.place(live.tag.get(), series);
    let window = wanted(job)?;
    let bars = source(context, job, window)?;
    let horizon_bars = live.horizon_bars as usize;
    let clock = VirtualClock::new(
        live.from.get(),
        match live.speed.get() {
            manifest::Speed::Max => Speed::Max,
            manifest::Speed::Times(factor) => Speed::Times(f64::from(factor.get())),
        },
    );
    let _series_lock = context.lock(&context.layout.raw_lock(series))?;
    let _ledger_lock = context.lock(&context.layout.decisions_lock(&place.tag, series))?;
    let raw = RawStore::new(context.layout, context.disk, series);
    raw.prepare()?;
    let blocks = core.blocks(series.timeframe());
    let (mut session, recovered) = Session::open(place, core, card, clock.now(), live.dry_run)?;
    report_recovery(&recovered, session.last().map(|last| last.to_string()));
    let pace = pace(job, blocks, window);
    let left = session.last().map_or(window.slots(), |last| window.last().since(last).max(0));
    context.progress.begin(&format!("live {series}"), left.unsigned_abs());
    let mut tally = Tally::default();
    let crash_after = live.crash_after_bars;
    let mut decided = |decision: &Decision, origin: Origin| {
        tally.count(decision, origin);
        context.progress.advance(&format!("{} {}", decision.ts.close(), decision.action.name()));
        if crash_after.is_some_and(|after| tally.rows >= after) {
            tracing::warn!(rows = tally.rows, "crash drill: this process kills itself now");
            os::signals::kill_myself();
        }
    };
    let mut on = Surroundings {
        feed: &mut ReplayFeed::new(bars, horizon_bars),
        clock: &clock,
        raw,
        stopped: &|| context.stop.asked(),
        decided: &mut decided,
        warn: &mut |text| tracing::warn!("{text}"),
        run_id: context.run_id.clone(),
        build: context.build,
        skip_not_later: live.monotonic == manifest::Monotonic::Warn,
    };
    let ended = run_loop(pace, &mut session, &mut on);
    context.progress.end();
    let ended = ended?;
    Ok(outcome(context, job, &session, &tally, ended))
}

/// The slots between `from` and `to`, both included.
fn wanted(job: &LiveJob) -> Result<Window, Failure> {
    let (timeframe, live) = (job.trading.series.timeframe(), &job.live);
    let first = first_at_or_after(timeframe, live.from.get().get());
    let window = first
        .zip(timeframe.last_closed(live.to.get()))
        .map(|(first, last)| Window::new(first, last));
    if let Some(Ok(window)) = window {
        Ok(window)
    } else {
        let message =
            format!("no bar closes between from = {} and to = {}", live.from.get(), live.to.get());
        Err(Failure::new(Exit::Manifest, message))
    }
}

fn pace(job: &LiveJob, blocks: crate::engine::anchor::Blocks, window: Window) -> Pace {
    let live = &job.live;
    let forced = match (live.force_fetch_fail, live.force_persist_fail) {
        (true, _) => Some(Degraded::FetchFailed),
        (false, true) => Some(Degraded::PersistFailed),
        (false, false) => None,
    };
    Pace {
        timeframe: job.trading.series.timeframe(),
        blocks,
        settle_ms: live.settle.get().duration().as_millis().try_into().unwrap_or(i64::MAX),
        deadline_bars: live.decide_deadline_bars.into(),
        overlap_bars: live.overlap_bars.into(),
        catch_up: match live.catch_up.mode {
            manifest::CatchUpMode::Replay => CatchUp::Replay,
            manifest::CatchUpMode::Observe => CatchUp::Observe,
            manifest::CatchUpMode::Off => CatchUp::Off,
        },
        catch_up_bars_max: live.catch_up.max_bars.into(),
        horizon_bars: live.horizon_bars.into(),
        until: Some(window.last()),
        bars_max: live.max_bars,
        forced,
    }
}

/// The recorded or made-up bars that the feed serves.
fn source(context: &Context<'_>, job: &LiveJob, window: Window) -> Result<Vec<TimedBar>, Failure> {
    let (series, live) = (&job.trading.series, &job.live);
    let bars = match live.feed {
        manifest::Feed::Synthetic => {
            let first = window.first().plus(-i64::from(live.horizon_bars));
            let made = Window::new(first, window.last().plus(2));
            synthetic::bars(
                live.seed,
                made.map_err(|error| Failure::new(Exit::Manifest, error.to_string()))?,
            )
        }
        manifest::Feed::Replay => {
            let Some(written) = &live.source else {
                let message = "the feed `replay` needs a source: -p source=FILE, a file of bars or a raw folder";
                return Err(Failure::new(Exit::Manifest, message));
            };
            recorded(context, written, series)?
        }
    };
    if bars.iter().any(|bar| window.contains(bar.ts)) {
        return Ok(bars);
    }
    let message = format!(
        "the source has no bar of {series} between {} and {}",
        live.from.get(),
        live.to.get()
    );
    Err(Failure::new(Exit::Nothing, message))
}

fn recorded(
    context: &Context<'_>,
    written: &str,
    series: &Series,
) -> Result<Vec<TimedBar>, Failure> {
    let path = context.path(written);
    let options = archive::Options::new(series.timeframe());
    let files = if context.disk.is_dir(&path)? {
        let names = context.disk.list(&path)?;
        names.iter().filter(|name| name.ends_with(".parquet")).map(|name| path.join(name)).collect()
    } else {
        vec![path.clone()]
    };
    let mut bars = Vec::new();
    for file in files {
        let read = archive::read(context.disk, &file, &options)?;
        for warning in &read.warnings {
            tracing::warn!("{written}: {warning}");
        }
        if let Some(first) = read.refused.first() {
            let (many, row, reason) = (read.refused.len(), first.row, &first.reason);
            tracing::warn!("{}: {many} rows refused; row {row}: {reason}", file.display());
        }
        bars.extend(read.bars);
    }
    bars.sort_by_key(|bar: &TimedBar| bar.ts);
    bars.dedup_by_key(|bar| bar.ts);
    Ok(bars)
}

fn report_recovery(recovered: &Recovered, last: Option<String>) {
    match last {
        None => tracing::info!("a new ledger"),
        Some(last) => {
            tracing::info!("{} rows folded and proved; the last one is {last}", recovered.rows);
        }
    }
    for (file, cut) in &recovered.cuts {
        let kept = cut
            .kept
            .as_ref()
            .map_or("nothing to keep".to_owned(), |path| path.display().to_string());
        tracing::warn!("{file}: a torn tail of {} bytes was cut; kept in {kept}", cut.bytes);
    }
    if recovered.trades_owed > 0 {
        tracing::warn!(
            "{} trade rows that a crash had left unwritten were added",
            recovered.trades_owed
        );
    }
}

fn outcome<S: Strategy, D: Disk>(
    context: &Context<'_>,
    job: &LiveJob,
    session: &Session<'_, S, D>,
    tally: &Tally,
    ended: LoopOutcome,
) -> Outcome {
    let (series, tag) = (&job.trading.series, job.live.tag.get());
    let why = match ended {
        LoopOutcome::Ended(Ended::Window) => "the window is decided",
        LoopOutcome::Ended(Ended::MaxBars) => "max-bars is reached",
        LoopOutcome::Ended(Ended::Feed) => "the source has no more bars",
        LoopOutcome::Stopped => "told to stop",
    };
    let counts = |counts: &BTreeMap<&str, u64>| {
        counts.iter().map(|(name, n)| format!("{n} {name}")).collect::<Vec<_>>().join(", ")
    };
    let last = session.last().map_or("none".to_owned(), |last| last.to_string());
    let mut summary = format!("{} rows added, the last one is {last}: {why}", tally.rows);
    if job.live.dry_run {
        summary.push_str(" (dry run: nothing was written)");
    }
    let decisions = context.shown(&context.layout.decisions(tag, series));
    let trades = context.shown(&context.layout.trades(tag, series));
    let mut text = format!("{summary}\n");
    if tally.rows > 0 {
        let skipped =
            if tally.skipped.is_empty() { "none".to_owned() } else { counts(&tally.skipped) };
        let _ = write!(text, "origin: {}\nskipped: {skipped}\n", counts(&tally.by_origin));
    }
    let state = session.engine().state();
    let _ = writeln!(text, "equity {}, risk {}", state.equity(), state.risk_state().name());
    if !job.live.dry_run {
        let _ = write!(text, "{decisions}\n{trades}\n");
    }
    let out = [
        ("rows", tally.rows.to_string()),
        ("last_ts_ms", session.last().map_or(String::new(), |last| last.ts_ms().to_string())),
        ("decisions", decisions),
        ("trades", trades),
    ];
    let out = out.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    Outcome { exit: Exit::Ok, summary, text, out }
}
