//! The fetch job: asks the venue for page after page and makes each durable before it asks for the next.

use super::{
    plan::{Bounds, Plan, Seen},
    report::{Ended, Found, Tally, outcome},
};
use crate::{
    clock::SystemClock,
    domain::{
        bar::{ClosedBar, Shown},
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
    let feed = remote_feed(venue, series.symbol(), &access, &waits)?;
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
    let mut filling = Filling { feed, raw, waits, tally, seen: Seen::default(), bad: Vec::new() };
    context.progress.begin(&format!("fetch {series}"), plan.pages().len() as u64);
    let ended = filling.fill(context, &plan);
    context.progress.end();
    let ended = ended?;
    let Filling { tally, seen, bad, .. } = filling;
    let found = Found { tally, lacks: plan.lacks(tally.pages, &seen), bad };
    Ok(outcome(context, job, &found, &ended))
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
    seen: Seen,
    /// Rows that are not bars, as they are named.
    bad: Vec<String>,
}

impl Filling<'_, '_> {
    /// Page after page, each durable before the next one is asked for.
    fn fill(&mut self, context: &Context<'_>, plan: &Plan) -> Result<Ended, Failure> {
        for page in plan.pages() {
            if self.waits.stopped() {
                return Ok(Ended::Stopped);
            }
            let answer = match self.page(*page) {
                Ok(answer) => answer,
                Err(_) if self.waits.stopped() => return Ok(Ended::Stopped),
                Err(error) => return refused(error),
            };
            let mut closed = self.seen.closed(answer);
            closed.bars.retain(|bar| plan.wants(bar.ts()));
            let put = self.raw.put(&closed.bars, self.waits.now())?;
            self.seen.got.extend(closed.bars.iter().map(ClosedBar::ts));
            for row in closed.bad {
                // A row without a slot could be any of them.
                if row.ts.is_some_and(|ts| !plan.wants(ts)) {
                    continue;
                }
                tracing::warn!("page from {}: {}", page.first(), row.why);
                self.seen.bad.extend(row.ts);
                self.bad.push(format!("page from {}: {}", page.first(), row.why));
            }
            self.tally.count(closed.bars.len(), &put);
            context.progress.advance(&page.first().close().to_string());
        }
        Ok(Ended::Done)
    }

    /// A page. One with rows that are not bars is asked for once more before that is believed.
    fn page(&mut self, page: Window) -> Result<Shown, FeedError> {
        let answer = self.feed.page(page, self.waits.now())?;
        if answer.bad.is_empty() {
            return Ok(answer);
        }
        self.feed.page(page, self.waits.now())
    }
}

/// A question that is wrong is not a failure of the venue.
fn refused(error: FeedError) -> Result<Ended, Failure> {
    match error.class {
        Class::Config => Err(Failure::new(Exit::Manifest, error.to_string())),
        Class::Refused | Class::Transient | Class::Throttled | Class::Banned | Class::Malformed => {
            Ok(Ended::Failed(error))
        }
    }
}
