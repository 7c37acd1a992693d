//! A feed over the network: the venue of the series, where it lies, and the clock it is lived through by.

use crate::{
    clock::{Clock, ScaledClock, SystemClock},
    domain::time::UtcMs,
    exchange::{
        http::client::Limits,
        remote::{Access, RemoteFeed},
        venue::which::Venue,
    },
    exit::Exit,
    jobs::{
        context::{Context, Failure},
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
        let exchange = job.trading.series.exchange();
        let venue = Venue::of(exchange).ok_or_else(|| {
            let known = Venue::ALL.map(Venue::name).join(", ");
            let message =
                format!("`{exchange}` is no venue that bars can be fetched from: {known}");
            Failure::new(Exit::Manifest, message)
        })?;
        let base_url = job.live.base_url.as_ref().map(|url| url.get().clone());
        let limits = Limits::within(job.live.request_timeout.get().duration());
        let seed = xxhash_rust::xxh3::xxh3_64(context.run_id.as_str().as_bytes());
        let access = Access { base_url, limits, attempts_max: ATTEMPTS_MAX, seed };
        Ok(Self { job, venue, access })
    }

    /// The feed, waiting on a clock.
    pub fn feed<'w, C: Clock>(
        &self,
        waiting: &'w Waiting<'_, C>,
    ) -> Result<RemoteFeed<'w>, Failure> {
        let symbol = self.job.trading.series.symbol().clone();
        RemoteFeed::new(self.venue, symbol, self.access.clone(), waiting)
            .map_err(|error| Failure::new(Exit::Unavailable, error.to_string()))
    }

    /// How many bars back the venue answers.
    pub fn horizon_bars(&self) -> u32 {
        let known = self.venue.spec().horizon_bars.unwrap_or(HORIZON_BARS);
        self.job.live.horizon_bars.unwrap_or(known)
    }

    /// Most slots in a row that are filled flat: none on a venue that leaves no bar out.
    pub fn carry_bars(&self) -> u32 {
        if self.venue.spec().omits_empty {
            return self.job.live.carry_bars;
        }
        if self.job.live.carry_bars > 0 {
            tracing::warn!(
                "live.carry-bars does nothing: {} has a bar for every slot, traded or not",
                self.venue.name()
            );
        }
        0
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
