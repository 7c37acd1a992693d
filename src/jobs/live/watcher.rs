//! Who sees what a loop does, for the job: counts it, says it, and leaves what the venue said for others.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    cycle::{DecidedSlot, Fetched, LoopEnd as LoopOutcome, LoopEvent, Watcher},
    plan::EndReason,
    state::StateFile,
    voice::{Detail, Voice, VoiceLevel, VoiceLine, VoiceStart},
};
use crate::{
    domain::{
        decision::{Action, Event, Reason},
        time::{Now, SlotTs, Steady},
    },
    exit::Exit,
    jobs::context::{Context, Outcome},
    manifest::{Feed, LiveJob, Speed},
    os,
    session::live::{Recovered, Session},
    store::disk::{Disk, RealDisk},
};

/// The desk of one loop.
pub struct LoopWatcher<'a, 'c> {
    context: &'a Context<'c>,
    job: &'a LiveJob,
    tally: LoopTally,
    voice: Voice,
    /// Recorded and made-up bars come from no venue that could be heard from.
    state: Option<StateFile<'a, RealDisk>>,
    /// The steady clock of the loop, as it was seen last.
    up: Steady,
}

impl<'a, 'c> LoopWatcher<'a, 'c> {
    /// Of a loop that starts at `up`.
    pub fn new<D: Disk>(
        context: &'a Context<'c>,
        job: &'a LiveJob,
        session: &Session<'_, D>,
        (up, is_venue): (Steady, bool),
    ) -> Self {
        let (series, live) = (&job.trading.series, &job.live);
        let whose = (live.tag.get(), series);
        let state = (is_venue && !live.dry_run)
            .then(|| StateFile::new(context.disk, context.layout, whose, &context.run_id))
            .flatten();
        let engine = session.engine().state();
        let voice = Voice::new(VoiceStart {
            series: series.clone(),
            detail: detail(job),
            is_venue,
            is_dry: live.dry_run,
            last: session.last(),
            position: engine.side(),
            equity: engine.equity().to_string(),
            risk: engine.risk_state(),
        });
        Self { context, job, tally: LoopTally::default(), voice, state, up }
    }

    /// The loop is over: what it did, counted.
    pub fn end(mut self) -> LoopTally {
        self.voice.end().into_iter().for_each(|line| say(&line));
        self.tally
    }
}

impl Watcher for LoopWatcher<'_, '_> {
    fn turn(&mut self, now: Now) {
        self.up = now.up;
        self.voice.turn(now).into_iter().for_each(|line| say(&line));
    }

    fn fetched(&mut self, fetched: &Fetched<'_>) {
        if let Some(state) = &mut self.state {
            state.fetched(fetched);
        }
        self.voice.fetched(fetched).into_iter().for_each(|line| say(&line));
    }

    fn settled(&mut self, slot: &DecidedSlot<'_>) {
        self.tally.count(slot);
        self.voice.settled(slot, self.up).iter().for_each(say);
        let note = format!("{} {}", slot.decision.ts.close(), slot.decision.action.name());
        self.context.progress.advance(&note);
        let rows = self.tally.rows;
        if self.job.live.crash_after_bars.is_some_and(|after| rows >= after) {
            tracing::warn!(rows, "crash drill: this process kills itself now");
            os::signals::kill_myself();
        }
    }

    fn say(&mut self, word: LoopEvent) {
        self.voice.say(word, self.up).into_iter().for_each(|line| say(&line));
    }
}

fn say(VoiceLine { level, text }: &VoiceLine) {
    match level {
        VoiceLevel::Info => tracing::info!("{text}"),
        VoiceLevel::Warn => tracing::warn!("{text}"),
    }
}

/// How much a job says: of recorded bars as fast as they can be decided nobody reads every event.
fn detail(job: &LiveJob) -> Detail {
    match (job.live.feed, job.live.speed.get()) {
        (Feed::Replay | Feed::Synthetic, Speed::Max) => Detail::Summary,
        (Feed::Http, Speed::Max) => Detail::Events { factor: 1 },
        (_, Speed::Times(factor)) => Detail::Events { factor: factor.get() },
    }
}

/// Says what starts, and that it is a drill where it is one.
pub fn say_start(context: &Context<'_>, job: &LiveJob, last: Option<SlotTs>) {
    let (series, live) = (&job.trading.series, &job.live);
    let (tag, feed, run) = (live.tag.get(), live.feed.name(), &context.run_id);
    let last = last.map_or("none".to_owned(), |last| last.close().to_string());
    tracing::info!(
        "live starts: tag {tag}, {series}, feed {feed}, run {run}, last decided slot {last}"
    );
    if live.force_fetch_fail {
        tracing::warn!(
            "drill: FORCE_FETCH_FAIL is on, so every fetch fails and no slot gets its bar"
        );
    }
    if live.force_persist_fail {
        tracing::warn!(
            "drill: FORCE_PERSIST_FAIL is on, so no bar is stored and no slot gets its bar"
        );
    }
    if let Some(after) = live.crash_after_bars {
        tracing::warn!("drill: this process kills itself after {after} decided slots");
    }
    if live.dry_run {
        let bars = context.shown(&context.layout.raw_dir(series));
        tracing::warn!(
            "dry run: decisions are logged here and no row of a ledger is written; bars are written to {bars}"
        );
    }
}

/// What the loop did, counted.
#[derive(Debug, Default)]
pub struct LoopTally {
    /// Rows added.
    pub rows: u64,
    by_origin: BTreeMap<&'static str, u64>,
    skipped: BTreeMap<Reason, u64>,
    opened: u64,
    closed: u64,
    stopped: u64,
    vetoed: u64,
}

impl LoopTally {
    /// Counts one decision, and what was filled before it.
    pub fn count(&mut self, slot: &DecidedSlot<'_>) {
        let decision = slot.decision;
        self.rows += 1;
        *self.by_origin.entry(slot.origin.name()).or_default() += 1;
        if decision.action == Action::Skip {
            *self.skipped.entry(decision.reason).or_default() += 1;
        }
        self.vetoed += u64::from(decision.blocked_by.is_some());
        for event in slot.events {
            match event.event {
                Event::Open(_) => self.opened += 1,
                Event::Close(reason) => {
                    self.closed += 1;
                    self.stopped += u64::from(reason.is_stop());
                }
            }
        }
    }
}

/// Tells what the start found and repaired.
pub fn report_recovery(recovered: &Recovered, last: Option<String>) {
    match last {
        None => tracing::info!("a new ledger"),
        Some(last) => {
            let behind = recovered.behind.as_ref().map_or(String::new(), |checkpoint| {
                let rows = checkpoint.rows();
                format!(" behind a checkpoint; the {rows} rows before it are proved meanwhile")
            });
            let rows = recovered.rows;
            tracing::info!("{rows} rows folded and proved{behind}; the last one is {last}");
        }
    }
    if let Some(why) = &recovered.ignored {
        tracing::warn!("checkpoint.json is not used, and every row was proved instead: {why}");
    }
    for (file, cut) in &recovered.cuts {
        if cut.bytes == 0 {
            tracing::warn!("{file} was empty; it has its header again");
            continue;
        }
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

/// What the job gives back.
pub fn outcome<D: Disk>(
    context: &Context<'_>,
    job: &LiveJob,
    session: &Session<'_, D>,
    tally: &LoopTally,
    (ended, first): (LoopOutcome, Option<SlotTs>),
) -> Outcome {
    let (series, tag) = (&job.trading.series, job.live.tag.get());
    let why = match ended {
        LoopOutcome::Ended(EndReason::Window) => "the window is decided",
        LoopOutcome::Ended(EndReason::MaxBars) => "max-bars is reached",
        LoopOutcome::Ended(EndReason::Feed) => "the source has no more bars",
        LoopOutcome::Stopped => "asked to stop",
    };
    let counts = |counts: &BTreeMap<&str, u64>| {
        counts.iter().map(|(name, n)| format!("{n} {name}")).collect::<Vec<_>>().join(", ")
    };
    let last = session.last().map_or("none".to_owned(), |last| last.to_string());
    let mut summary = format!("{} rows added, the last one is {last}: {why}", tally.rows);
    match ended {
        LoopOutcome::Ended(EndReason::Window | EndReason::Feed) if tally.rows == 0 => {
            summary.push_str(&nothing_to_do(job, first));
        }
        LoopOutcome::Ended(_) | LoopOutcome::Stopped => {}
    }
    let bars = context.shown(&context.layout.raw_dir(series));
    if job.live.dry_run {
        let _ = write!(summary, " (dry run: no row was written; bars were written to {bars})");
    }
    let decisions = context.shown(&context.layout.decisions(tag, series));
    let trades = context.shown(&context.layout.trades(tag, series));
    let mut text = format!("{summary}\n");
    if tally.rows > 0 {
        let skipped = if tally.skipped.is_empty() {
            "none".to_owned()
        } else {
            counts(&tally.skipped.iter().map(|(reason, many)| (reason.as_str(), *many)).collect())
        };
        let _ = write!(text, "origin: {}\nskipped: {skipped}\n", counts(&tally.by_origin));
        let LoopTally { opened, closed, stopped, vetoed, .. } = tally;
        let _ = writeln!(
            text,
            "trades: {opened} opened, {closed} closed, {stopped} of them by a stop; {vetoed} vetoes"
        );
    }
    let state = session.engine().state();
    let _ = writeln!(text, "equity {}, risk {}", state.equity(), state.risk_shown());
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

/// Why a loop on a window had nothing to do.
fn nothing_to_do(job: &LiveJob, first: Option<SlotTs>) -> String {
    let tag = job.live.tag.get();
    let to = job.live.to.as_ref().map(|to| to.get());
    match (first, to) {
        (Some(first), Some(to)) if to < first.close() => format!(
            "; but the window ends at {to}, and the ledger of tag {tag} begins later, at {}: nothing was decided. A ledger only grows at its \
             end: take another tag",
            first.close()
        ),
        _ => " and was decided before this start, so there was nothing to do: give a later live.to, or another tag"
            .to_owned(),
    }
}
