//! The venue behind a series, how a job reaches it, and the time and the stop of the job as it needs them.

use super::context::{Context, Failure};
use crate::{
    clock::Clock,
    domain::{
        base_url::BaseUrl,
        ids::Exchange,
        series::{Series, Symbol},
        time::{DAY_MS, Steady, UtcMs},
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

const HOUR_MS: f64 = 3_600_000.0;

/// A start of a live loop that has no bars yet.
#[derive(Debug, Clone, Copy)]
pub struct FirstStart<'a> {
    series: &'a Series,
    /// Bars before it can decide.
    needs: u32,
    /// How many bars back the manifest says the venue answers.
    told: Option<u32>,
}

/// Why the first decision comes late, and what brings it at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Late {
    /// What is short, and for how long.
    pub message: String,
    /// The command that brings the bars in.
    pub command: String,
}

impl<'a> FirstStart<'a> {
    /// Of a strategy that looks back so many bars. `told` is `live.horizon-bars`.
    pub const fn new(series: &'a Series, needs: u32, told: Option<u32>) -> Self {
        Self { series, needs, told }
    }

    /// What it needs: `201 bars of 5m, 0.7 days`.
    pub fn needs(&self) -> String {
        let timeframe = self.series.timeframe();
        let days = f64::from(self.needs) * timeframe.ms() as f64 / DAY_MS as f64;
        format!("{} bars of {timeframe}, {days:.1} days", self.needs)
    }

    /// How many bars back the venue answers; `None` where it keeps all, or is not known.
    fn horizon(&self) -> Option<u32> {
        let venue = Venue::of(self.series.exchange());
        self.told.or_else(|| venue.and_then(|venue| venue.spec().horizon_bars))
    }

    /// What the venue gives; `None` for one that is only a name of a series.
    pub fn gives(&self) -> Option<String> {
        let venue = Venue::of(self.series.exchange())?;
        let (name, page) = (venue.name(), venue.spec().page_bars.max(2));
        let wanted = self.horizon().map_or(self.needs + 1, |most| most.min(self.needs + 1));
        let answers = match wanted.div_ceil(page) {
            1 => "one answer".to_owned(),
            many => format!("{many} answers"),
        };
        Some(match self.horizon() {
            Some(most) => {
                format!("{name} answers {most} bars back, the newest not closed: {answers}")
            }
            None => format!("{name} answers as far back as that: {answers} of at most {page} bars"),
        })
    }

    /// Where the venue does not answer far enough back. The newest bar of an answer is not closed yet.
    pub fn late(&self) -> Option<Late> {
        let most = self.horizon()?;
        let short = self.needs.checked_sub(most.saturating_sub(1)).filter(|short| *short > 0)?;
        let (venue, symbol) = (self.series.exchange(), self.series.symbol());
        let timeframe = self.series.timeframe();
        let hours = f64::from(short) * timeframe.ms() as f64 / HOUR_MS;
        let message = format!(
            "a first live start needs {}; {venue} answers {most} bars back, the newest of which is not closed: \
             the first decision comes after {hours:.1} hours",
            self.needs()
        );
        let command = format!(
            "runner run jobs/import.toml -p path=FILE exchange={venue} symbol={symbol} timeframe={timeframe}"
        );
        Some(Late { message, command })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timeframe;

    fn series(venue: &str) -> Series {
        Series::new(venue.parse().unwrap(), "BTC/USD".parse().unwrap(), Timeframe::M5)
    }

    #[test]
    fn the_bar_that_is_not_closed_does_not_count() {
        // Kraken answers 720 bars, 719 of them closed.
        for (needs, hours) in [(719, None), (720, Some("0.1 hours")), (2_411, Some("141.0 hours"))]
        {
            let series = series("kraken");
            let late = FirstStart::new(&series, needs, None).late();
            assert_eq!(late.is_some(), hours.is_some(), "{needs}");
            let Some((late, hours)) = late.zip(hours) else { continue };
            assert!(late.message.contains(hours), "{}", late.message);
            assert!(late.command.ends_with("exchange=kraken symbol=BTC/USD timeframe=5m"));
        }
    }

    #[test]
    fn what_the_manifest_says_of_the_venue_counts_and_an_unknown_one_is_not_judged() {
        let (kraken, binance, demo) = (series("kraken"), series("binance"), series("demo"));
        assert!(FirstStart::new(&kraken, 720, Some(10_000)).late().is_none());
        assert!(FirstStart::new(&binance, 400_000, None).late().is_none());
        assert!(FirstStart::new(&binance, 400, Some(400)).late().is_some());
        assert!(FirstStart::new(&demo, 400_000, None).late().is_none());
        assert_eq!(FirstStart::new(&demo, 400, None).gives(), None);
        let gives = FirstStart::new(&binance, 2_411, None).gives().unwrap();
        assert!(gives.contains("3 answers of at most 1000 bars"), "{gives}");
        let gives = FirstStart::new(&kraken, 2_411, None).gives().unwrap();
        assert!(gives.contains("720 bars back") && gives.ends_with("one answer"), "{gives}");
    }
}
