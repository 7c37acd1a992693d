//! The live job: builds feed, clock and session from the manifest, takes the locks, and runs the loop.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{
    cycle::{LoopContext, LoopEnd as LoopOutcome, LoopError, run as run_loop},
    feeds::{NetworkFeed, Recording, recording},
    plan::LoopPace,
    watcher::{LoopWatcher, outcome, report_recovery, say_start},
};
use crate::{
    clock::{Clock, Deadline, SystemClock},
    domain::{decision::Degraded, ids::Tag, series::Series, time::SlotTs},
    engine::{anchor::Blocks, step::Core},
    exchange::{feed::Feed, venue::registry::Venue},
    exit::Exit,
    jobs::{
        context::{Context, Failure, Outcome},
        engine_setup::{EngineSetup, engine_setup},
        ledgers::{in_recorded_time, last_decided},
        models::ModelSource,
        report::job::key_figures,
        venue::JobSleeper,
    },
    manifest::{self, LiveJob},
    session::{
        checkpoint::Checkpoint,
        error::SessionError,
        fold::Folded,
        live::{Belief, CHECKPOINT_ROWS, LedgerLocation, Session, prove_before},
        origin::StrategySettings,
        record::read_origin,
    },
    store::{disk::Disk, lock::LockGate, raw::RawStore},
};

/// A loop that is asked to stop has its grace and no more: for a longer ledger, some 200,000 rows, the figures have half of it, and where
/// that is not enough they are left to a report.
const STOPPED_LEDGER_MAX: u64 = 32 << 20;

impl From<LoopError> for Failure {
    fn from(error: LoopError) -> Self {
        match error {
            LoopError::Session(error) => error.into(),
            LoopError::Store(error) => error.into(),
            LoopError::Refused(error) => Self::new(Exit::Manifest, error.to_string()),
        }
    }
}

pub fn run(context: &Context<'_>, job: &LiveJob) -> Result<Outcome, Failure> {
    match job.live.feed {
        manifest::Feed::Replay | manifest::Feed::Synthetic => {
            let Recording { mut feed, clock, window, horizon_bars } = recording(context, job)?;
            let (until, slots) = (Some(window.last()), window.slots());
            let carry_bars = carry_bars(job);
            let bound = Bound { until, slots, horizon_bars, carry_bars };
            on_feed(context, job, &mut feed, (&clock, bound))
        }
        manifest::Feed::Http => {
            let network = NetworkFeed::new(context, job)?;
            if let Some(clock) = network.drill_clock(context)? {
                over(context, job, &network, &clock)
            } else {
                refuse_recorded(context, job)?;
                over(context, job, &network, &SystemClock)
            }
        }
    }
}

/// Refuses a loop in real time on a ledger that lives in recorded or simulated time, further from now than what is caught up: it would
/// fill the years between with rows without bars, which cannot be taken back.
fn refuse_recorded(context: &Context<'_>, job: &LiveJob) -> Result<(), Failure> {
    let (tag, series) = (job.live.tag.get(), &job.trading.series);
    let last = last_decided(context.disk, context.layout, tag, series)?;
    let is_near = |last: SlotTs| {
        let slots = (context.started.get() - last.ts_ms()) / series.timeframe().ms();
        slots.unsigned_abs() <= u64::from(job.live.catch_up.max_bars)
    };
    let Some(last) = last.filter(|last| !is_near(*last)) else { return Ok(()) };
    if !in_recorded_time(context.disk, context.layout, tag)? {
        return Ok(());
    }
    let message = format!(
        "the ledger of tag {tag} lives in recorded or simulated time and ends at {}, and this loop would run in real time: start it \
         as it was started (runner history live, runner logs RUN), or take another tag",
        last.close()
    );
    Err(Failure::new(Exit::Manifest, message))
}

/// How far a loop goes, and how far back it can see.
#[derive(Debug, Clone, Copy)]
struct Bound {
    until: Option<SlotTs>,
    slots: i64,
    horizon_bars: u32,
    carry_bars: u32,
}

fn over<C: Clock>(
    context: &Context<'_>,
    job: &LiveJob,
    network: &NetworkFeed<'_>,
    clock: &C,
) -> Result<Outcome, Failure> {
    let waiting = JobSleeper { clock, stop: &context.stop };
    let mut feed = network.feed(&waiting)?;
    let to = job.live.to.as_ref();
    let carry_bars = carry_bars(job);
    if carry_bars < job.live.carry_bars {
        tracing::warn!(
            "live.carry-bars does nothing: {} has a bar for every slot, traded or not",
            job.trading.series.exchange()
        );
    }
    let bound = Bound {
        until: to.and_then(|to| job.trading.series.timeframe().last_closed(to.get())),
        slots: 0,
        horizon_bars: network.horizon_bars(),
        carry_bars,
    };
    on_feed(context, job, &mut feed, (clock, bound))
}

/// Takes the locks, and then the models of the ledger: nobody else switches them meanwhile.
fn on_feed<F: Feed, C: Clock>(
    context: &Context<'_>,
    job: &LiveJob,
    feed: &mut F,
    (clock, bound): (&C, Bound),
) -> Result<Outcome, Failure> {
    let (series, tag) = (&job.trading.series, job.live.tag.get());
    let _series_lock = context.lock(&context.layout.raw_lock(series))?;
    let _ledger_lock = context.lock(&context.layout.decisions_lock(tag, series))?;
    let whose = if job.live.dry_run { ModelSource::DryLoop(tag) } else { ModelSource::Loop(tag) };
    let EngineSetup { core, card, model } =
        engine_setup(context, &job.trading, job.live.stop_fill, whose)?;
    let outcome = Frame { context, job, core, card }.live(feed, clock, bound)?;
    Ok(EngineSetup::noted(model, outcome))
}

/// What a loop is made of, beside where its bars and its time come from.
struct Frame<'a, 'c> {
    context: &'a Context<'c>,
    job: &'a LiveJob,
    core: Core,
    card: StrategySettings,
}

impl Frame<'_, '_> {
    fn live<F: Feed, C: Clock>(
        self,
        feed: &mut F,
        clock: &C,
        bound: Bound,
    ) -> Result<Outcome, Failure> {
        let Self { context, job, core, card } = self;
        let (series, live) = (&job.trading.series, &job.live);
        let tag = live.tag.get();
        let place = context.place(tag, series);
        let raw = RawStore::new(context.layout, context.disk, series);
        raw.prepare()?;
        let pace = pace(job, core.blocks(series.timeframe()), &bound);
        let again = core.clone();
        let settings = (card.clone(), context.build);
        let (mut session, recovered) = Session::open(
            place,
            core,
            settings,
            Belief::Checkpoint(CHECKPOINT_ROWS),
            clock.now(),
            live.dry_run,
        )?;
        report_recovery(&recovered, session.last().map(|last| last.to_string()));
        let left = match (bound.until, session.last()) {
            (Some(until), Some(last)) => until.since(last).max(0),
            (Some(_), None) => bound.slots,
            (None, _) => 0,
        };
        context.progress.begin(&format!("live {series}"), left.unsigned_abs());
        let proof = Background::default();
        let gate = if live.dry_run { None } else { Some(commands_gate(context, tag)?) };
        let is_venue = feed.ends().is_none();
        say_start(context, job, session.last());
        let mut desk = LoopWatcher::new(context, job, &session, (clock.steady(), is_venue));
        let mut on = LoopContext {
            feed,
            clock,
            raw,
            commands_gate: gate.as_ref(),
            stopped: &|| context.stop.asked() || proof.contradicts(),
            watcher: &mut desk,
            run_id: context.run_id.clone(),
            skip_not_later: live.monotonic == manifest::Monotonic::Warn,
        };
        let ended = std::thread::scope(|threads| {
            if let Some(checkpoint) = &recovered.behind {
                let place = context.place(tag, series);
                let (proof, core, card) = (&proof, &again, &card);
                let told = || context.stop.asked();
                threads.spawn(move || proof.run(&place, (core, card), checkpoint, &told));
            }
            let ended = run_loop(pace, &mut session, &mut on);
            // A loop that came to its end waits for the proof; one that was asked to stop, or failed, does not.
            if !matches!(ended, Ok(LoopOutcome::Ended(_))) {
                proof.end();
            }
            ended
        });
        context.progress.end();
        let tally = desk.end();
        proof.into_result()?;
        let ended = ended?;
        session.checkpoint();
        session.keep_watch(true);
        let origin = read_origin(context.disk, context.layout, tag, series).ok().flatten();
        let first = origin.and_then(|origin| series.timeframe().slot(origin.first_ts_ms?).ok());
        let mut outcome = outcome(context, job, &session, &tally, (ended, first));
        if !live.dry_run {
            outcome.out.extend(figures(context, (tag, series), ended));
        }
        Ok(outcome)
    }
}

/// The key figures of the ledger as it is now. Without them a loop has ended no worse.
fn figures(
    context: &Context<'_>,
    (tag, series): (&Tag, &Series),
    ended: LoopOutcome,
) -> BTreeMap<String, String> {
    let path = context.layout.decisions(tag, series);
    let bytes = context.disk.len(&path).ok().flatten().unwrap_or(0);
    let time = figures_time(ended, bytes, context.grace);
    key_figures(context, (tag, series), Deadline::after(time)).unwrap_or_else(|failure| {
        if failure.exit == Exit::Timeout {
            tracing::info!("the figures of this ledger: runner run jobs/report.toml -p tag={tag}");
        } else {
            tracing::warn!("the figures of this ledger are not known: {}", failure.message);
        }
        BTreeMap::new()
    })
}

/// How long the figures of a ledger of so many bytes may take; `None` is as long as it takes.
fn figures_time(ended: LoopOutcome, bytes: u64, grace: Duration) -> Option<Duration> {
    let is_hurried = ended == LoopOutcome::Stopped && bytes > STOPPED_LEDGER_MAX;
    is_hurried.then_some(grace / 2)
}

/// Most slots in a row that are filled flat: none on a venue that leaves no bar out. A recording has the holes of its venue.
fn carry_bars(job: &LiveJob) -> u32 {
    let venue = Venue::of(job.trading.series.exchange());
    if venue.is_some_and(|venue| venue.spec().omits_empty) { job.live.carry_bars } else { 0 }
}

fn commands_gate(context: &Context<'_>, tag: &Tag) -> Result<LockGate, Failure> {
    context.disk.create_dir_all(&context.layout.commands_dir())?;
    Ok(LockGate::open(&context.layout.commands_gate(tag))?)
}

fn pace(job: &LiveJob, blocks: Blocks, bound: &Bound) -> LoopPace {
    let live = &job.live;
    let forced = match (live.force_fetch_fail, live.force_persist_fail) {
        (true, _) => Some(Degraded::FetchFailed),
        (false, true) => Some(Degraded::PersistFailed),
        (false, false) => None,
    };
    LoopPace {
        timeframe: job.trading.series.timeframe(),
        blocks,
        settle_ms: live.settle.get().duration().as_millis().try_into().unwrap_or(i64::MAX),
        deadline_bars: live.decide_deadline_bars.into(),
        overlap_bars: live.overlap_bars.into(),
        catch_up: live.catch_up.mode,
        catch_up_bars_max: live.catch_up.max_bars.into(),
        horizon_bars: bound.horizon_bars.into(),
        until: bound.until,
        bars_max: live.max_bars,
        forced,
        carry_bars_max: bound.carry_bars.into(),
    }
}

/// The proof and what came of it.
#[derive(Debug, Default)]
pub struct Background {
    is_over: AtomicBool,
    contradicts: AtomicBool,
    found: Mutex<Option<SessionError>>,
}

impl Background {
    /// Plays the rows before the checkpoint again. Returns when it is done, soon after [`Background::end`], or when it is asked to stop.
    pub fn run<D: Disk>(
        &self,
        place: &LedgerLocation<'_, D>,
        (core, card): (&Core, &StrategySettings),
        checkpoint: &Checkpoint,
        told: &(dyn Fn() -> bool + Sync),
    ) {
        let stop = || self.is_over.load(Ordering::Relaxed) || told();
        let rows = checkpoint.rows();
        let proved = prove_before(place, core, card, checkpoint, &stop)
            // The loop may have stored bars between two reads; what is really wrong is wrong twice.
            .or_else(|_| prove_before(place, core, card, checkpoint, &stop));
        match proved {
            Ok(Folded::Whole) => tracing::info!("the {rows} rows before the checkpoint are proved"),
            Ok(Folded::Stopped) => tracing::info!(
                "the loop ended before the {rows} rows before the checkpoint were proved again: \
                 the next start, `runner run jobs/check.toml` and eqflat prove them"
            ),
            Err(error) => {
                *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                self.contradicts.store(true, Ordering::Release);
            }
        }
    }

    /// Whether a row came out otherwise than it was written.
    pub fn contradicts(&self) -> bool {
        self.contradicts.load(Ordering::Acquire)
    }

    /// The loop is over: what is not proved yet is left.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// What came of it: the contradiction, if one was found.
    pub fn into_result(self) -> Result<(), SessionError> {
        match self.found.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::live::plan::EndReason;

    #[test]
    fn only_a_long_ledger_of_a_loop_that_was_asked_to_stop_is_hurried() {
        let grace = Duration::from_secs(20);
        let of = |ended, bytes| figures_time(ended, bytes, grace);
        assert_eq!(of(LoopOutcome::Stopped, STOPPED_LEDGER_MAX), None);
        assert_eq!(of(LoopOutcome::Stopped, STOPPED_LEDGER_MAX + 1), Some(grace / 2));
        assert_eq!(of(LoopOutcome::Ended(EndReason::Window), u64::MAX), None);
    }
}
