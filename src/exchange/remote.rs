//! A venue over the network: pages asked with good manners, joined whole or not at all, and the venue's clock beside ours.

use super::{
    client::{Client, ClientLimits, Get, HttpAnswer, VenueTime},
    feed::{Feed, FeedError, Heard, Sleeper},
    rate_limiter::{Admit, Next, RateLimiter},
    venue::{
        answer::{AnswerFault, FaultClass},
        page_request::PageRequest,
        registry::Venue,
    },
};
use crate::{
    domain::{
        bar::Shown,
        base_url::BaseUrl,
        series::Symbol,
        time::{Now, SlotTs, Steady, UtcMs, Window},
    },
    net::{Broke, HttpError},
};

/// A clock that differs less from the venue's, milliseconds, is as good as it.
const APART_MS: i64 = 2_000;

/// Target of the event that tells of one attempt that failed. Whoever counts the questions that failed does not want it.
pub const RETRY: &str = "retry";

/// How a venue is reached.
#[derive(Debug, Clone)]
pub struct VenueAccess {
    /// Where its public interface is; `None` is its own address.
    pub base_url: Option<BaseUrl>,
    /// The bounds of one request.
    pub limits: ClientLimits,
    /// Most requests for one page. With 1, the caller asks again.
    pub attempts_max: u32,
    /// What the pauses between attempts are drawn from.
    pub seed: u64,
}

/// The bars of one symbol of one venue.
pub struct RemoteFeed<'w, G = Client> {
    venue: Venue,
    symbol: Symbol,
    base_url: String,
    client: G,
    limiter: RateLimiter,
    time: VenueTime,
    sleeper: &'w dyn Sleeper,
    /// Whether a warning said that a pause is cut short.
    has_said_cut: bool,
}

/// Why one request gave no bars.
struct Trouble {
    fault: AnswerFault,
    pause_ms: Option<i64>,
}

impl<'w> RemoteFeed<'w> {
    /// A feed over the network. Nothing is asked yet.
    pub fn new(
        venue: Venue,
        symbol: Symbol,
        access: &VenueAccess,
        sleeper: &'w dyn Sleeper,
    ) -> Result<Self, FeedError> {
        let client = Client::new(access.limits).map_err(|error| FeedError {
            venue: venue.name().to_owned(),
            url: base_url(venue, access),
            class: FaultClass::Config,
            why: error.to_string(),
            pause_ms: None,
        })?;
        Ok(Self::over(client, (venue, symbol), access, sleeper))
    }
}

impl<'w, G: Get> RemoteFeed<'w, G> {
    /// A feed over anything that answers.
    pub fn over(
        client: G,
        (venue, symbol): (Venue, Symbol),
        access: &VenueAccess,
        sleeper: &'w dyn Sleeper,
    ) -> Self {
        let limiter = RateLimiter::new(venue.spec().pace, access.attempts_max, access.seed);
        let (base_url, time) = (base_url(venue, access), VenueTime::default());
        Self { venue, symbol, base_url, client, limiter, time, sleeper, has_said_cut: false }
    }

    /// Asks the base URL itself once, whatever the status, and returns what time it is there.
    pub fn probe(&mut self) -> Result<UtcMs, FeedError> {
        let url = self.base_url.clone();
        let answer = self
            .client
            .get(&url, self.sleeper)
            .map_err(|error| self.error(&url, fault_of(&error)))?;
        let dateless = || {
            let why = format!(
                "HTTP {} without a Date header, from which its time is read",
                answer.status
            );
            self.error(&url, AnswerFault::malformed(why))
        };
        answer.date.ok_or_else(dateless)
    }

    /// One page: what the venue shows of `window`, the newest bar perhaps still forming. Asks again where that may help.
    pub fn page(&mut self, window: Window, now: UtcMs) -> Result<Shown, FeedError> {
        let page = PageRequest { symbol: self.symbol.clone(), window, now };
        let request = self.venue.request(&page);
        let request = request.map_err(|fault| self.error(&self.base_url, fault))?;
        let url = request.url(&self.base_url);
        let mut attempt = 0;
        loop {
            attempt += 1;
            self.admitted(&url)?;
            let Trouble { fault, pause_ms } = match self.once(&page, &url) {
                Ok(shown) => return Ok(shown),
                Err(trouble) => trouble,
            };
            if self.sleeper.stopped() {
                return Err(self.stopped(&url));
            }
            self.say_cut(fault.class, pause_ms);
            match self.limiter.failed(fault.class, pause_ms, attempt, self.sleeper.steady()) {
                Next::GiveUp => return Err(self.error(&url, fault)),
                Next::Retry(then) => {
                    let pause_ms = then.since(self.sleeper.steady());
                    let error = self.error(&url, fault);
                    tracing::warn!(target: RETRY, attempt, pause_ms, "{error}: asking again");
                    if !self.sleeper.wait_until(then) {
                        return Err(self.stopped(&url));
                    }
                }
            }
        }
    }

    /// Says once that the venue is not left alone for as long as it asks.
    fn say_cut(&mut self, class: FaultClass, pause_ms: Option<i64>) {
        let most_ms = RateLimiter::pause_max_ms(class);
        let Some(asked_ms) = pause_ms.filter(|ms| *ms > most_ms && !self.has_said_cut) else {
            return;
        };
        self.has_said_cut = true;
        let (venue, asked_s, most_s) = (self.venue.name(), asked_ms / 1000, most_ms / 1000);
        tracing::warn!(
            "{venue} asks for a pause of {asked_s} s; it is asked again after {most_s} s"
        );
    }

    /// Waits for its turn.
    fn admitted(&mut self, url: &str) -> Result<(), FeedError> {
        loop {
            let now = self.sleeper.steady();
            match self.limiter.admit(now) {
                Admit::Now => return Ok(()),
                Admit::At(then) if self.sleeper.wait_until(then) => {}
                Admit::At(_) => return Err(self.stopped(url)),
                Admit::Shut { until, class } => {
                    let left_s = until.since(now) / 1000;
                    let why = format!("not asked: the venue wants a pause, {left_s} s are left");
                    return Err(self.error(url, AnswerFault::new(class, why)));
                }
            }
        }
    }

    fn once(&mut self, page: &PageRequest, url: &str) -> Result<Shown, Trouble> {
        let asked = self.sleeper.steady();
        let got = self.client.get(url, self.sleeper);
        let answer = got.map_err(|error| Trouble { fault: fault_of(&error), pause_ms: None })?;
        let shown = self.shown(page, &answer);
        let shown = shown.map_err(|fault| Trouble { fault, pause_ms: answer.pause_ms })?;
        if let Some(date) = answer.date {
            self.time.add(date, asked, self.sleeper.steady());
        }
        Ok(shown)
    }

    fn shown(&self, page: &PageRequest, answer: &HttpAnswer) -> Result<Shown, AnswerFault> {
        if (300..400).contains(&answer.status) {
            let to = answer.location.as_deref().unwrap_or_default().escape_debug();
            let why = format!("HTTP {}: a redirect to `{to}`, not followed", answer.status);
            return Err(AnswerFault::new(FaultClass::Refused, why));
        }
        self.venue.parse(page, answer.status, &answer.body)
    }

    fn error(&self, url: &str, fault: AnswerFault) -> FeedError {
        FeedError {
            venue: self.venue.name().to_owned(),
            url: url.to_owned(),
            class: fault.class,
            why: fault.why,
            pause_ms: self.limiter.shut_ms(self.sleeper.steady()),
        }
    }

    fn stopped(&self, url: &str) -> FeedError {
        self.error(url, AnswerFault::new(FaultClass::Transient, "asked to stop before it answered"))
    }
}

fn base_url(venue: Venue, access: &VenueAccess) -> String {
    let own = || venue.spec().base_url.to_owned();
    access.base_url.as_ref().map_or_else(own, ToString::to_string)
}

impl<G: Get> Feed for RemoteFeed<'_, G> {
    /// All of it or nothing: a page that fails would look like a hole. The newest page is asked first, so that every bar of an
    /// older one was closed already when it was asked for: only the newest bar of the whole can still be forming. Its answer has
    /// a date: where that makes another slot the forming one, the question was the wrong one, and the caller asks again.
    fn fetch(&mut self, since: SlotTs, now: UtcMs) -> Result<Shown, FeedError> {
        let started = self.sleeper.steady();
        let mut all = Shown::default();
        for window in pages(self.venue, since, now).into_iter().rev() {
            let asked = self.sleeper.steady();
            let Shown { bars, bad } = self.page(window, now)?;
            let up = self.sleeper.steady();
            // A date is no better than the way of its answer is short.
            let least_ms = APART_MS + up.since(asked);
            let here = Now { at: now.plus_ms(up.since(started)), up };
            if let Some(apart_ms) = self.time.contradicts(here, since.timeframe(), least_ms) {
                let (seconds, side) =
                    (apart_ms.abs() / 1000, if apart_ms > 0 { "behind" } else { "ahead of" });
                let why = format!("the request was made by a clock {seconds} s {side} the venue's");
                return Err(
                    self.error(&self.base_url, AnswerFault::new(FaultClass::Transient, why))
                );
            }
            all.bars.extend(bars);
            all.bad.extend(bad);
        }
        Ok(all)
    }

    fn ends(&self) -> Option<UtcMs> {
        None
    }

    fn heard(&self, up: Steady) -> Option<Heard> {
        self.time.at(up)
    }
}

/// The pages from `since` to the slot that is forming at `now`, as far back as the venue answers. When `since` is still to come,
/// `now` is wrong, and one page is asked for: whatever time it is, it has the bars of the next hours.
fn pages(venue: Venue, since: SlotTs, now: UtcMs) -> Vec<Window> {
    let spec = venue.spec();
    let forming = since.timeframe().last_closed(now).map_or(since, SlotTs::next);
    if forming <= since {
        let last = since.plus(i64::from(spec.page_bars) - 1);
        return vec![Window::new(since, last).expect("a page has bars")];
    }
    let oldest = spec.horizon_bars.map(|bars| forming.plus(-i64::from(bars)));
    let first = oldest.map_or(since, |oldest| since.max(oldest));
    let window = Window::new(first, forming).expect("the last slot is not before the first");
    window.pages(spec.page_bars)
}

fn fault_of(error: &HttpError) -> AnswerFault {
    let class = match error.broke {
        Broke::TooLarge => FaultClass::Malformed,
        Broke::Dns
        | Broke::Refused
        | Broke::Unreachable
        | Broke::Tls
        | Broke::TimedOut
        | Broke::BrokenOff
        | Broke::Stopped => FaultClass::Transient,
    };
    AnswerFault::new(class, error.to_string())
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
        assert_eq!(ends(slot(2_500)), [(2_500, 2_501)]);
        assert_eq!(ends(slot(2_900)), [(2_900, 3_899)], "a clock that is behind");
    }
}
