//! A feed over the network: the venue of the series, where it lies, and the clock it is lived through by.

use crate::{
    clock::{Clock, ScaledClock, SystemClock},
    domain::time::UtcMs,
    exchange::{
        remote::{Access, RemoteFeed},
        venue::registry::Venue,
    },
    exit::Exit,
    jobs::{
        context::{Context, Failure},
        venue::{access, remote_feed, venue_of},
        waiting::Waiting,
    },
    manifest::{LiveJob, Speed},
};

/// Requests for one page before the question is given up; the loop asks the question again.
const ATTEMPTS_MAX: u32 = 3;
/// How often a simulated venue is asked what time it is: it may be told to fail now and then.
const PROBES_MAX: u32 = 10;
/// Most bars back that a venue is believed to answer when it keeps everything.
const HORIZON_BARS: u32 = 1_000_000;

/// The venue of a job's series, and how it is reached.
pub struct Network<'a> {
    job: &'a LiveJob,
    venue: Venue,
    access: Access,
}

impl<'a> Network<'a> {
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
        waiting: &'w Waiting<'_, C>,
    ) -> Result<RemoteFeed<'w>, Failure> {
        remote_feed(self.venue, self.job.trading.series.symbol(), &self.access, waiting)
    }

    /// How many bars back the venue answers.
    pub fn horizon_bars(&self) -> u32 {
        let known = self.venue.spec().horizon_bars.unwrap_or(HORIZON_BARS);
        self.job.live.horizon_bars.unwrap_or(known)
    }

    /// A clock as fast as a simulated venue, set by it; `None` for real time.
    pub fn drill_clock(&self, context: &Context<'_>) -> Result<Option<ScaledClock>, Failure> {
        let Speed::Times(factor) = self.job.live.speed.get() else { return Ok(None) };
        if factor.get() == 1 {
            return Ok(None);
        }
        let waiting = Waiting { clock: &SystemClock, stop: &context.stop };
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
