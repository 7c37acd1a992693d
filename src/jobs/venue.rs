//! The venue behind a series, how a job reaches it, and the time and the stop of the job as it needs them.

use super::context::{Context, Failure};
use crate::{
    clock::Clock,
    domain::{
        base_url::BaseUrl,
        ids::Exchange,
        series::Symbol,
        time::{Steady, UtcMs},
    },
    exchange::{
        client::ClientLimits,
        feed::Sleeper,
        remote::{RemoteFeed, VenueAccess},
        venue::registry::Venue,
    },
    exit::Exit,
    manifest::{Parsed, Span},
    os::signals::Stop,
};

/// The venue an exchange is. Refused when nobody here speaks to it.
pub fn venue_of(exchange: &Exchange) -> Result<Venue, Failure> {
    Venue::of(exchange).ok_or_else(|| {
        let known: Vec<&str> = Venue::ALL.iter().map(|venue| venue.name()).collect();
        let known = known.join(", ");
        let message = format!("`{exchange}` is not a venue that can be asked: use one of {known}");
        Failure::new(Exit::Manifest, message)
    })
}

/// How a venue is reached: where it lies, how long one request may take, and most requests for one page.
pub fn access(
    context: &Context<'_>,
    base_url: Option<&Parsed<BaseUrl>>,
    request_timeout: &Parsed<Span>,
    attempts_max: u32,
) -> VenueAccess {
    VenueAccess {
        base_url: base_url.map(|url| url.get().clone()),
        limits: ClientLimits::within(request_timeout.get().duration()),
        attempts_max,
        seed: xxhash_rust::xxh3::xxh3_64(context.run_id.as_str().as_bytes()),
    }
}

/// A feed of a venue; nothing is asked yet.
pub fn remote_feed<'w>(
    venue: Venue,
    symbol: &Symbol,
    access: &VenueAccess,
    waits: &'w dyn Sleeper,
) -> Result<RemoteFeed<'w>, Failure> {
    RemoteFeed::new(venue, symbol.clone(), access, waits)
        .map_err(|error| Failure::new(Exit::Unavailable, error.to_string()))
}

/// A clock, and whether to stop.
#[derive(Debug, Clone, Copy)]
pub struct JobSleeper<'a, C> {
    /// Where time comes from.
    pub clock: &'a C,
    /// Whether this process was asked to stop.
    pub stop: &'a Stop,
}

impl<C: Clock> Sleeper for JobSleeper<'_, C> {
    fn now(&self) -> UtcMs {
        self.clock.now()
    }

    fn steady(&self) -> Steady {
        self.clock.steady()
    }

    fn wait_until(&self, until: Steady) -> bool {
        self.clock.sleep_until(until, &|| self.stop.asked());
        !self.stop.asked()
    }

    fn stopped(&self) -> bool {
        self.stop.asked()
    }
}
