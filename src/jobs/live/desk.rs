//! Who sees what a loop does, for the job: counts it, says it, and leaves what the venue said for others.

use super::{
    cycle::{Fetched, Settled, Watcher, Word},
    state::StateFile,
    tally::Tally,
    voice::{Detail, Level, Line, Start, Voice},
};
use crate::{
    domain::time::{Now, SlotTs, Steady},
    jobs::context::Context,
    manifest::{Feed, LiveJob, Speed},
    os,
    session::live::Session,
    store::disk::{Disk, RealDisk},
};

/// The desk of one loop.
pub struct Desk<'a, 'c> {
    context: &'a Context<'c>,
    job: &'a LiveJob,
    tally: Tally,
    voice: Voice,
    /// Recorded and made-up bars come from no venue that could be heard from.
    state: Option<StateFile<'a, RealDisk>>,
    /// The steady clock of the loop, as it was seen last.
    up: Steady,
}

impl<'a, 'c> Desk<'a, 'c> {
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
        let voice = Voice::new(Start {
            series: series.clone(),
            detail: detail(job),
            is_venue,
            is_dry: live.dry_run,
            last: session.last(),
            position: engine.side(),
            equity: engine.equity().to_string(),
            risk: engine.risk_state(),
        });
        Self { context, job, tally: Tally::default(), voice, state, up }
    }

    /// The loop is over: what it did, counted.
    pub fn end(mut self) -> Tally {
        self.voice.end().into_iter().for_each(|line| say(&line));
        self.tally
    }
}

impl Watcher for Desk<'_, '_> {
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

    fn settled(&mut self, slot: &Settled<'_>) {
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

    fn say(&mut self, word: Word) {
        self.voice.say(word, self.up).into_iter().for_each(|line| say(&line));
    }
}

fn say(Line { level, text }: &Line) {
    match level {
        Level::Info => tracing::info!("{text}"),
        Level::Warn => tracing::warn!("{text}"),
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
