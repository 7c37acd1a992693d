//! The feeds of a loop: a venue over the network, with the clock it is lived through by; and recorded or made-up bars, with their window.

use crate::{
    clock::{Clock, ScaledClock, SystemClock, VirtualClock},
    domain::{
        bar::TimedBar,
        time::{UtcMs, Window},
    },
    engine::slot::first_at_or_after,
    exchange::{
        feed::{self, ReplayFeed},
        remote::{RemoteFeed, VenueAccess},
        venue::registry::Venue,
    },
    exit::Exit,
    jobs::{
        bars_file::recorded,
        context::{Context, Failure},
        ledgers::{last_decided, last_live},
        venue::{JobSleeper, access, remote_feed, venue_of},
    },
    manifest::{Feed, LiveJob, Speed},
    session::error::SessionError,
};

/// How far back such a feed answers when the manifest does not say.
const HORIZON_BARS_RECORDED: u32 = 1000;

/// Bars with the clock and the window they are lived through by.
pub struct Recording {
    /// The bars.
    pub feed: ReplayFeed,
    /// Their time.
    pub clock: VirtualClock,
    /// The slots to decide.
    pub window: Window,
    /// How many bars back the feed answers.
    pub horizon_bars: u32,
}

/// Loads or makes the bars between `from` and `to`.
pub fn recording(context: &Context<'_>, job: &LiveJob) -> Result<Recording, Failure> {
    let (series, live) = (&job.trading.series, &job.live);
    let (Some(from), Some(to)) = (&live.from, &live.to) else {
        let message = "recorded and made-up bars need live.from and live.to";
        return Err(Failure::new(Exit::Manifest, message));
    };
    let (from, to) = (from.get(), to.get());
    same_bars(context, job)?;
    let window = wanted(job, from, to)?;
    let horizon_bars = live.horizon_bars.unwrap_or(HORIZON_BARS_RECORDED);
    let bars = match (&live.source, live.feed) {
        (Some(written), Feed::Replay) => recorded(context, written, series)?,
        (None, Feed::Replay) => {
            let message =
                "the feed `replay` needs a source: -p source=FILE, a file of bars or a raw folder";
            return Err(Failure::new(Exit::Manifest, message));
        }
        (_, Feed::Synthetic | Feed::Http) => made_up(live.seed, window, horizon_bars)?,
    };
    if !bars.iter().any(|bar| window.contains(bar.ts)) {
        let message = format!("the source has no bar of {series} between {from} and {to}");
        return Err(Failure::new(Exit::Nothing, message));
    }
    let feed = ReplayFeed::new(bars, horizon_bars as usize);
    // What is decided was lived through already: waiting for it again at a given speed would be silence. A damaged ledger is named by the
    // start of the loop.
    let decided = last_decided(context.disk, context.layout, live.tag.get(), series).ok().flatten();
    let start = decided.map_or(from, |last| from.max(last.close()));
    Ok(Recording { feed, clock: VirtualClock::new(start, *live.speed.get()), window, horizon_bars })
}

/// Refuses made-up bars of another seed than those that the ledger was decided on: they are another market. Of other changes of where
/// its bars come from, which can be meant, it is said that they are there.
fn same_bars(context: &Context<'_>, job: &LiveJob) -> Result<(), Failure> {
    let (series, live) = (&job.trading.series, &job.live);
    // A damaged ledger is named by the start of the loop.
    let was = last_live(context.disk, context.layout, live.tag.get(), series).ok().flatten();
    let Some(was) = was else { return Ok(()) };
    let word = |key: &str| was.get(key).and_then(toml::Value::as_str).unwrap_or("-").to_owned();
    let (feed, source) = (word("feed"), word("source"));
    if feed != live.feed.name() {
        tracing::warn!(
            "live.feed is {}, was {feed} in the run that decided this ledger last: its rows are of two sources of bars",
            live.feed.name()
        );
        return Ok(());
    }
    match live.feed {
        Feed::Synthetic => {
            let seed =
                was.get("seed").and_then(toml::Value::as_integer).map(|seed| seed.to_string());
            let now = live.seed.to_string();
            match seed.filter(|seed| *seed != now) {
                Some(seed) => {
                    Err(SessionError::OtherSettings(vec![("live.seed".to_owned(), now, seed)])
                        .into())
                }
                None => Ok(()),
            }
        }
        Feed::Replay => {
            let now = live.source.as_deref().unwrap_or("-");
            if source != now {
                tracing::info!(
                    "live.source is {now}, was {source} in the run that decided this ledger last"
                );
            }
            Ok(())
        }
        Feed::Http => Ok(()),
    }
}

/// The slots between `from` and `to`, both included.
fn wanted(job: &LiveJob, from: UtcMs, to: UtcMs) -> Result<Window, Failure> {
    let timeframe = job.trading.series.timeframe();
    let first = first_at_or_after(timeframe, from.get());
    let window = first.zip(timeframe.last_closed(to)).map(|(first, last)| Window::new(first, last));
    if let Some(Ok(window)) = window {
        return Ok(window);
    }
    let message = format!("no bar closes between from = {from} and to = {to}");
    Err(Failure::new(Exit::Manifest, message))
}

fn made_up(seed: u64, window: Window, horizon_bars: u32) -> Result<Vec<TimedBar>, Failure> {
    let first = window.first().plus(-i64::from(horizon_bars));
    let made = Window::new(first, window.last().plus(2))
        .map_err(|error| Failure::new(Exit::Manifest, error.to_string()))?;
    Ok(feed::seeded_bars(seed, made))
}

/// Requests for one page before the question is given up; the loop asks the question again.
const ATTEMPTS_MAX: u32 = 3;
/// How often a simulated venue is asked what time it is: it may be told to fail now and then.
const PROBES_MAX: u32 = 10;
/// Most bars back that a venue is believed to answer when it keeps everything.
const HORIZON_BARS_VENUE: u32 = 1_000_000;

/// The venue of a job's series, and how it is reached.
pub struct NetworkFeed<'a> {
    job: &'a LiveJob,
    venue: Venue,
    access: VenueAccess,
}

impl<'a> NetworkFeed<'a> {
    /// Nothing is asked yet. Refused when nobody here speaks to that venue.
    pub fn new(context: &Context<'_>, job: &'a LiveJob) -> Result<Self, Failure> {
        let live = &job.live;
        let venue = venue_of(job.trading.series.exchange())?;
        let access = access(context, live.base_url.as_ref(), &live.request_timeout, ATTEMPTS_MAX);
        Ok(Self { job, venue, access })
    }

    /// The feed, waiting on a clock.
    pub fn feed<'w, C: Clock>(
        &self,
        waiting: &'w JobSleeper<'_, C>,
    ) -> Result<RemoteFeed<'w>, Failure> {
        remote_feed(self.venue, self.job.trading.series.symbol(), &self.access, waiting)
    }

    /// How many bars back the venue answers.
    pub fn horizon_bars(&self) -> u32 {
        let known = self.venue.spec().horizon_bars.unwrap_or(HORIZON_BARS_VENUE);
        self.job.live.horizon_bars.unwrap_or(known)
    }

    /// A clock as fast as a simulated venue, set by it; `None` for real time.
    pub fn drill_clock(&self, context: &Context<'_>) -> Result<Option<ScaledClock>, Failure> {
        let Speed::Times(factor) = self.job.live.speed.get() else { return Ok(None) };
        if factor.get() == 1 {
            return Ok(None);
        }
        let waiting = JobSleeper { clock: &SystemClock, stop: &context.stop };
        let mut feed = self.feed(&waiting)?;
        let mut told = feed.probe();
        for _ in 1..PROBES_MAX {
            if told.is_ok() || context.stop.asked() {
                break;
            }
            told = feed.probe();
        }
        let now: UtcMs =
            told.map_err(|error| Failure::new(Exit::Unavailable, error.to_string()))?;
        Ok(Some(ScaledClock::new(now, f64::from(factor.get()))))
    }
}
