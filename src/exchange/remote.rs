//! A venue over the network: pages asked with good manners, joined whole or not at all, and the venue's clock beside ours.

use super::{
    feed::{Feed, FeedError, Waits},
    governor::{Admit, Governor, Next},
    http::{
        client::{Answer, Client, Limits},
        error::{Broke, HttpError},
    },
    skew::Skew,
    venue::{
        answer::{Class, Fault},
        ask::Ask,
        which::Venue,
    },
};
use crate::domain::{
    bar::TimedBar,
    base_url::BaseUrl,
    series::Symbol,
    time::{SlotTs, UtcMs, Window},
};

/// How a venue is reached.
#[derive(Debug, Clone)]
pub struct Access {
    /// Where its public interface lies; `None` is its own.
    pub base_url: Option<BaseUrl>,
    /// The bounds of one request.
    pub limits: Limits,
    /// Most requests for one page. With 1, whoever asks does the asking again.
    pub attempts_max: u32,
    /// What the pauses between attempts are drawn from.
    pub seed: u64,
}

/// The bars of one symbol of one venue.
pub struct RemoteFeed<'w> {
    venue: Venue,
    symbol: Symbol,
    base_url: String,
    client: Client,
    governor: Governor,
    skew: Skew,
    waits: &'w dyn Waits,
}

/// Why one request gave no bars.
struct Trouble {
    fault: Fault,
    pause_ms: Option<i64>,
}

impl<'w> RemoteFeed<'w> {
    /// Nothing is asked yet.
    pub fn new(
        venue: Venue,
        symbol: Symbol,
        access: Access,
        waits: &'w dyn Waits,
    ) -> Result<Self, FeedError> {
        let own = || venue.spec().base_url.to_owned();
        let base_url = access.base_url.map_or_else(own, |url| url.to_string());
        let client = Client::new(access.limits).map_err(|error| FeedError {
            venue: venue.name().to_owned(),
            url: base_url.clone(),
            class: Class::Config,
            why: error.to_string(),
            retry_at: None,
        })?;
        let governor = Governor::new(venue.spec().pace, access.attempts_max, access.seed);
        Ok(Self { venue, symbol, base_url, client, governor, skew: Skew::default(), waits })
    }

    /// Asks the base URL itself once, whatever the status, and returns what time it is there.
    pub fn probe(&mut self) -> Result<UtcMs, FeedError> {
        let url = self.base_url.clone();
        let answer = self
            .client
            .get(&url, self.waits)
            .map_err(|error| self.error(&url, fault_of(&error)))?;
        let dateless = || {
            let why = format!("HTTP {} without a date, which tells its time", answer.status);
            self.error(&url, Fault::malformed(why))
        };
        answer.date.ok_or_else(dateless)
    }

    /// One page: the bars of `window` that the venue has, the newest perhaps still forming. Asks again where that may help.
    pub fn page(&mut self, window: Window, now: UtcMs) -> Result<Vec<TimedBar>, FeedError> {
        let ask = Ask { symbol: self.symbol.clone(), window, now };
        let request = self.venue.request(&ask);
        let request = request.map_err(|fault| self.error(&self.base_url, fault))?;
        let url = request.url(&self.base_url);
        let mut attempt = 0;
        loop {
            attempt += 1;
            self.admitted(&url)?;
            let Trouble { fault, pause_ms } = match self.once(&ask, &url) {
                Ok(bars) => return Ok(bars),
                Err(trouble) => trouble,
            };
            if self.waits.stopped() {
                return Err(self.stopped(&url));
            }
            match self.governor.failed(fault.class, pause_ms, attempt, self.waits.now()) {
                Next::GiveUp => return Err(self.error(&url, fault)),
                Next::Retry(then) => {
                    let pause_ms = then.get() - self.waits.now().get();
                    tracing::warn!(attempt, pause_ms, "{}: asking again", self.error(&url, fault));
                    if !self.waits.wait_until(then) {
                        return Err(self.stopped(&url));
                    }
                }
            }
        }
    }

    /// Waits for its turn.
    fn admitted(&mut self, url: &str) -> Result<(), FeedError> {
        loop {
            match self.governor.admit(self.waits.now()) {
                Admit::Now => return Ok(()),
                Admit::At(then) if self.waits.wait_until(then) => {}
                Admit::At(_) => return Err(self.stopped(url)),
                Admit::Shut { until, class } => {
                    let why = format!("it was not asked, since a pause is on until {until}");
                    return Err(self.error(url, Fault::new(class, why)));
                }
            }
        }
    }

    /// One request.
    fn once(&mut self, ask: &Ask, url: &str) -> Result<Vec<TimedBar>, Trouble> {
        let asked = self.waits.now();
        let got = self.client.get(url, self.waits);
        let answer = got.map_err(|error| Trouble { fault: fault_of(&error), pause_ms: None })?;
        let bars = self.bars(ask, &answer);
        let bars = bars.map_err(|fault| Trouble { fault, pause_ms: answer.pause_ms })?;
        if let Some(date) = answer.date {
            self.skew.add(date, asked, self.waits.now());
        }
        Ok(bars)
    }

    fn bars(&self, ask: &Ask, answer: &Answer) -> Result<Vec<TimedBar>, Fault> {
        if (300..400).contains(&answer.status) {
            let to = answer.location.as_deref().unwrap_or_default().escape_debug();
            let why = format!("HTTP {}: a redirect to `{to}`, not followed", answer.status);
            return Err(Fault::new(Class::Config, why));
        }
        self.venue.parse(ask, answer.status, &answer.body)
    }

    fn error(&self, url: &str, fault: Fault) -> FeedError {
        FeedError {
            venue: self.venue.name().to_owned(),
            url: url.to_owned(),
            class: fault.class,
            why: fault.why,
            retry_at: self.governor.shut_until(self.waits.now()),
        }
    }

    fn stopped(&self, url: &str) -> FeedError {
        self.error(url, Fault::new(Class::Transient, "told to stop before it answered"))
    }
}

impl Feed for RemoteFeed<'_> {
    /// All of it or nothing: a page that fails would look like a hole. The newest page is asked first, so that every bar of an
    /// older one was closed already when it was asked for: only the newest bar of the whole can still be forming.
    fn fetch(&mut self, since: SlotTs, now: UtcMs) -> Result<Vec<TimedBar>, FeedError> {
        let pages = pages(self.venue, since, now);
        let mut bars = Vec::new();
        for window in pages.into_iter().rev() {
            bars.extend(self.page(window, now)?);
        }
        Ok(bars)
    }

    fn ends(&self) -> Option<UtcMs> {
        None
    }

    fn skew_ms(&self) -> Option<i64> {
        self.skew.ms()
    }
}

/// The pages from `since` to the slot that is forming at `now`, as far back as the venue answers. When `since` is still to come
/// it alone is asked for: its answer has a date, which tells how wrong `now` is.
fn pages(venue: Venue, since: SlotTs, now: UtcMs) -> Vec<Window> {
    let spec = venue.spec();
    let forming = since.timeframe().last_closed(now).map_or(since, SlotTs::next);
    let oldest = spec.horizon_bars.map(|bars| forming.plus(-i64::from(bars)));
    let first = oldest.map_or(since, |oldest| since.max(oldest));
    let window =
        Window::new(first, forming.max(first)).expect("the last slot is not before the first");
    window.pages(spec.page_bars)
}

fn fault_of(error: &HttpError) -> Fault {
    let class = match error.broke {
        Broke::TooLarge => Class::Malformed,
        Broke::Dns
        | Broke::Refused
        | Broke::Unreachable
        | Broke::Tls
        | Broke::TimedOut
        | Broke::BrokenOff
        | Broke::Stopped => Class::Transient,
    };
    Fault::new(class, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timeframe;

    #[test]
    fn pages_reach_from_since_to_the_forming_slot() {
        let slot = |n: i64| Timeframe::M5.slot(1_700_000_100_000).unwrap().plus(n);
        let now = slot(2_500).close();
        let ends = |since| {
            pages(Venue::Binance, since, now)
                .iter()
                .map(|w| (w.first().since(slot(0)), w.last().since(slot(0))))
                .collect::<Vec<_>>()
        };
        assert_eq!(ends(slot(0)), [(0, 999), (1000, 1999), (2000, 2501)]);
        assert_eq!(ends(slot(2_501)), [(2_501, 2_501)]);
        assert_eq!(ends(slot(2_900)), [(2_900, 2_900)], "a clock that is behind");
    }
}
