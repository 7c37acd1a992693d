//! The table of a simulated venue.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::setting::words;

use super::super::values::{Parsed, Span, Speed, Time};

words! {
    /// The public interface that a simulated venue speaks.
    Protocol {
        /// Binance, `/api/v3`.
        Binance = "binance",
        /// Coinbase Exchange, `/products`.
        Coinbase = "coinbase",
        /// Kraken, `/0/public`.
        Kraken = "kraken",
    }
}

/// A venue that does not exist, for drills: it shows `market.symbol` in bars of `market.timeframe` through the public
/// interface of a real venue.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ExchangeSim {
    /// Which interface.
    pub protocol: Protocol,
    /// Address and port to listen on; port 0 takes a free one. Only this machine can reach the default.
    #[serde(default = "ExchangeSim::loopback")]
    #[schemars(regex(pattern = r"^([0-9.]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}$"))]
    pub listen: String,
    /// File, below the root, that takes the address listened on, as `127.0.0.1:40001`; it is there as long as the job listens.
    #[schemars(length(min = 1))]
    pub port_file: Option<String>,
    /// File of recorded bars, or a folder of daily ones. A gap in it is an outage.
    #[schemars(length(min = 1))]
    pub source: Option<String>,
    /// Seed of made-up bars, without a source.
    #[serde(default = "ExchangeSim::seed_7")]
    pub seed: u64,
    /// The venue's time at the start.
    pub from: Time,
    /// The venue's time at which the job ends; without it, when it is asked to stop.
    pub to: Option<Time>,
    /// How fast the venue's time passes, as a factor.
    #[serde(default = "ExchangeSim::real_time")]
    pub speed: Parsed<Speed>,
    /// What goes wrong.
    #[serde(default)]
    pub faults: FaultTable,
}

impl ExchangeSim {
    fn loopback() -> String {
        "127.0.0.1:0".to_owned()
    }

    fn seed_7() -> u64 {
        7
    }

    fn real_time() -> Parsed<Speed> {
        Parsed::new(Speed::Times(std::num::NonZeroU32::MIN))
    }
}

/// What goes wrong. Chances are from 0 to 1. Those of `latency` to `wrong-date` are for every request, and are together
/// at most 1, since at most one of them meets a request; those of `holes`, `late` and `revise` are for every bar, and the
/// same in every answer. One seed always tells the same story.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct FaultTable {
    /// Chooses the requests and the bars.
    pub seed: u64,
    /// The answer takes its time, up to `latency-max`.
    #[schemars(range(min = 0, max = 1))]
    pub latency: f64,
    /// The longest a slow answer takes, in real time.
    pub latency_max: Parsed<Span>,
    /// There is never an answer.
    #[schemars(range(min = 0, max = 1))]
    pub timeout: f64,
    /// The connection is reset.
    #[schemars(range(min = 0, max = 1))]
    pub reset: f64,
    /// Asked too often: status 429, from Kraken 200 with an error in it. About half of them say how long to wait, where the venue does.
    #[schemars(range(min = 0, max = 1))]
    pub throttle: f64,
    /// How long that is, in the venue's time.
    pub retry_after: Parsed<Span>,
    /// Shut out: status 418, from Kraken 200 with an error in it. Coinbase has none.
    #[schemars(range(min = 0, max = 1))]
    pub ban: f64,
    /// Broken or overloaded: a status of 500 or above, from Kraken also 200 with an error in it.
    #[schemars(range(min = 0, max = 1))]
    pub server_error: f64,
    /// A page for people, with status 200.
    #[schemars(range(min = 0, max = 1))]
    pub html: f64,
    /// The body ends before its announced length.
    #[schemars(range(min = 0, max = 1))]
    pub truncate: f64,
    /// A row comes twice.
    #[schemars(range(min = 0, max = 1))]
    pub duplicate: f64,
    /// Two rows have changed places.
    #[schemars(range(min = 0, max = 1))]
    pub reorder: f64,
    /// The `Date` header is ahead by `date-skew`.
    #[schemars(range(min = 0, max = 1))]
    pub wrong_date: f64,
    /// How far ahead it is.
    pub date_skew: Parsed<Span>,
    /// The bar is never there, as after an outage.
    #[schemars(range(min = 0, max = 1))]
    pub holes: f64,
    /// The bar is there only `late-bars` after its close.
    #[schemars(range(min = 0, max = 1))]
    pub late: f64,
    /// How many bars later a late bar comes.
    #[schemars(range(min = 1, max = 1000))]
    pub late_bars: u32,
    /// The bar is another one until it changes, once, one to eight bars after its close.
    #[schemars(range(min = 0, max = 1))]
    pub revise: f64,
    /// Nothing happens to requests after this many of them.
    pub calm_after: Option<u64>,
    /// Nothing happens to requests from this time of the venue on.
    pub calm_at: Option<Time>,
}

impl Default for FaultTable {
    fn default() -> Self {
        Self {
            seed: 1,
            latency: 0.0,
            latency_max: Parsed::new(Span::seconds(2)),
            timeout: 0.0,
            reset: 0.0,
            throttle: 0.0,
            retry_after: Parsed::new(Span::seconds(5)),
            ban: 0.0,
            server_error: 0.0,
            html: 0.0,
            truncate: 0.0,
            duplicate: 0.0,
            reorder: 0.0,
            wrong_date: 0.0,
            date_skew: Parsed::new(Span::seconds(90)),
            holes: 0.0,
            late: 0.0,
            late_bars: 2,
            revise: 0.0,
            calm_after: None,
            calm_at: None,
        }
    }
}

impl FaultTable {
    /// The keys with chances for every request.
    pub(in super::super) const OF_REQUESTS: [&'static str; 11] = [
        "latency",
        "timeout",
        "reset",
        "throttle",
        "ban",
        "server-error",
        "html",
        "truncate",
        "duplicate",
        "reorder",
        "wrong-date",
    ];
}
