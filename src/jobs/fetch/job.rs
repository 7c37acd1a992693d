//! The fetch job: asks the venue for page after page and makes each durable before it asks for the next.

use std::collections::BTreeSet;

use super::{
    plan::{Bounds, Plan, closed},
    report::{Ended, Tally, outcome},
};
use crate::{
    clock::SystemClock,
    domain::{
        bar::{ClosedBar, TimedBar},
        time::{SlotTs, Timeframe, UtcMs, Window},
    },
    engine::slot::first_at_or_after,
    exchange::{
        feed::{FeedError, Waits as _},
        remote::RemoteFeed,
        venue::answer::Class,
    },
    exit::Exit,
    jobs::{
        context::{Context, Failure, Outcome},
        venue::{access, remote_feed, venue_of},
        waiting::Waiting,
    },
    manifest::{FetchJob, Time},
    store::{disk::RealDisk, raw::RawStore},
};

/// Runs the job.
pub fn run(context: &Context<'_>, job: &FetchJob) -> Result<Outcome, Failure> {
    let (series, table) = (&job.series, &job.fetch);
    let venue = venue_of(series.exchange())?;
    let waits = Waiting { clock: &SystemClock, stop: &context.stop };
    let now = waits.now();
    let (wanted, forming) =
        wanted(series.timeframe(), table.from.get(), table.to.map(Time::get), now)?;
    let access = access(context, table.base_url.as_ref(), &table.timeout, table.attempts);
    let feed = remote_feed(venue, series.symbol(), access, &waits)?;
    let _lock = context.lock(&context.layout.raw_lock(series))?;
    let raw = RawStore::new(context.layout, context.disk, series);
    raw.prepare()?;
    let stored: Vec<SlotTs> = if table.force {
        Vec::new()
    } else {
        raw.load_window(wanted)?.iter().map(|bar| bar.ts).collect()
    };
    let spec = venue.spec();
    let bounds = Bounds { page_bars: spec.page_bars, horizon_bars: spec.horizon_bars, forming };
    let plan = Plan::new(wanted, &stored, bounds);
    let tally = Tally { already_there: stored.len(), ..Tally::default() };
    let mut filling = Filling { feed, raw, waits, tally, got: BTreeSet::new(), newest_seen: None };
    context.progress.begin(&format!("fetch {series}"), plan.pages().len() as u64);
    let ended = filling.fill(context, &plan);
    context.progress.end();
    let ended = ended?;
    let Filling { tally, got, newest_seen, .. } = filling;
    let lacks = plan.lacks(tally.pages, &got, newest_seen.map(|bar| bar.ts));
    Ok(outcome(context, job, &tally, &lacks, &ended))
}

/// The slots between `from` and `to`, both included, that are over by our clock, and the slot after them.
fn wanted(
    timeframe: Timeframe,
    from: UtcMs,
    to: Option<UtcMs>,
    now: UtcMs,
) -> Result<(Window, SlotTs), Failure> {
    let nothing = || {
        let to = to.unwrap_or(now);
        let message =
            format!("no bar of {timeframe} closes between {from} and {to} that is over at {now}");
        Failure::new(Exit::Nothing, message)
    };
    let over = timeframe.last_closed(now).ok_or_else(nothing)?;
    let last = timeframe.last_closed(to.unwrap_or(now)).ok_or_else(nothing)?.min(over);
    let first = first_at_or_after(timeframe, from.get()).ok_or_else(nothing)?;
    let window = Window::new(first, last).map_err(|_| nothing())?;
    Ok((window, over.next()))
}

struct Filling<'w, 'd> {
    feed: RemoteFeed<'w>,
    raw: RawStore<'d, RealDisk>,
    waits: Waiting<'w, SystemClock>,
    tally: Tally,
    got: BTreeSet<SlotTs>,
    newest_seen: Option<TimedBar>,
}

impl Filling<'_, '_> {
    /// Page after page, each durable before the next one is asked for.
    fn fill(&mut self, context: &Context<'_>, plan: &Plan) -> Result<Ended, Failure> {
        for page in plan.pages() {
            if self.waits.stopped() {
                return Ok(Ended::Stopped);
            }
            let answer = match self.feed.page(*page, self.waits.now()) {
                Ok(answer) => answer,
                Err(_) if self.waits.stopped() => return Ok(Ended::Stopped),
                Err(error) => return refused(error),
            };
            let mut bars = closed(answer, &mut self.newest_seen);
            bars.retain(|bar| plan.wants(bar.ts()));
            let put = self.raw.put(&bars, self.waits.now())?;
            self.got.extend(bars.iter().map(ClosedBar::ts));
            self.tally.count(bars.len(), &put);
            context.progress.advance(&page.first().close().to_string());
        }
        Ok(Ended::Done)
    }
}

/// A question that is wrong is no failure of the venue.
fn refused(error: FeedError) -> Result<Ended, Failure> {
    match error.class {
        Class::Config => Err(Failure::new(Exit::Manifest, error.to_string())),
        Class::Transient | Class::Throttled | Class::Banned | Class::Malformed => {
            Ok(Ended::Failed(error))
        }
    }
}
