//! A feed of recorded or made-up bars, and the window of them that is lived through.

use crate::{
    clock::{self, VirtualClock},
    domain::{
        bar::TimedBar,
        time::{UtcMs, Window},
    },
    engine::slot::first_at_or_after,
    exchange::{replay::ReplayFeed, synthetic},
    exit::Exit,
    jobs::{
        context::{Context, Failure},
        ledgers::last_decided,
        recorded::recorded,
    },
    manifest::{Feed, LiveJob, Speed},
};

/// How far back such a feed answers when the manifest does not say.
const HORIZON_BARS: u32 = 1000;

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
    let window = wanted(job, from, to)?;
    let horizon_bars = live.horizon_bars.unwrap_or(HORIZON_BARS);
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
    let speed = match live.speed.get() {
        Speed::Max => clock::Speed::Max,
        Speed::Times(factor) => clock::Speed::Times(f64::from(factor.get())),
    };
    let feed = ReplayFeed::new(bars, horizon_bars as usize);
    // What is decided was lived through already: waiting for it again at a given speed would be silence. A damaged ledger is named by the
    // start of the loop.
    let decided = last_decided(context.disk, context.layout, live.tag.get(), series).ok().flatten();
    let start = decided.map_or(from, |last| from.max(last.close()));
    Ok(Recording { feed, clock: VirtualClock::new(start, speed), window, horizon_bars })
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
    Ok(synthetic::bars(seed, made))
}
