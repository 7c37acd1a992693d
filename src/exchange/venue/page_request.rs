//! What is known of a venue, one page of bars that is asked of it, and the request it becomes, with the venue's words for timeframes.

use super::answer::{AnswerFault, FaultClass};
use crate::domain::{
    bar::Shown,
    series::Symbol,
    time::{Timeframe, UtcMs, Window},
};

/// One page: the bars of these slots. A venue may answer fewer of them, and with some around them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    pub symbol: Symbol,
    /// The slots, at most [`super::spec::Spec::page_bars`] of them. The last one may still be forming.
    pub window: Window,
    /// When it is asked; some venues keep old bars elsewhere.
    pub now: UtcMs,
}

impl PageRequest {
    pub fn timeframe(&self) -> Timeframe {
        self.window.first().timeframe()
    }

    /// When the first bar opens, milliseconds since 1970.
    pub fn first_open_ms(&self) -> i64 {
        self.window.first().open_ms()
    }

    /// When the last bar opens, milliseconds since 1970.
    pub fn last_open_ms(&self) -> i64 {
        self.window.last().open_ms()
    }

    /// The last millisecond of the last bar. Whether a venue counts its end in or out, and by the open or by the
    /// close of a bar, this end has the last bar inside and the next one outside.
    pub fn last_inside_ms(&self) -> i64 {
        self.window.last().ts_ms() - 1
    }
}

/// A GET request below the base URL of a venue. Path and values hold only characters that need no escape in a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpGet {
    /// Begins with `/`.
    pub path: String,
    /// In this order.
    pub query: Vec<(&'static str, String)>,
}

impl HttpGet {
    /// The URL below `base`, which has no slash at its end.
    pub fn url(&self, base: &str) -> String {
        let pairs: Vec<String> =
            self.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mark = if pairs.is_empty() { "" } else { "?" };
        format!("{base}{}{mark}{}", self.path, pairs.join("&"))
    }
}

/// How a venue spells the timeframes that it has.
pub type Spelling = [(Timeframe, &'static str)];

/// The venue's word for a timeframe; refused, with those it has, when it has no such bars.
pub fn spelled(timeframe: Timeframe, spelling: &Spelling) -> Result<&'static str, AnswerFault> {
    spelling.iter().find(|(known, _)| *known == timeframe).map(|(_, word)| *word).ok_or_else(|| {
        let known: Vec<&str> = spelling.iter().map(|(known, _)| known.name()).collect();
        AnswerFault::new(
            FaultClass::Config,
            format!("the venue has no bars of {timeframe}: use one of {}", known.join(" ")),
        )
    })
}

/// One venue, as its own file writes it. Every part is mandatory.
#[derive(Debug, Clone, Copy)]
pub struct VenueRow {
    /// How it is called in manifests and paths.
    pub name: &'static str,
    /// The id that ccxt has for it, where that is another one.
    pub ccxt_id: Option<&'static str>,
    pub spec: VenueSpec,
    /// The request for a page. Refused when the venue does not have the timeframe.
    pub request: fn(&PageRequest) -> Result<HttpGet, AnswerFault>,
    /// What an answer with this status and body shows.
    pub parse: fn(&PageRequest, u16, &[u8]) -> Result<Shown, AnswerFault>,
}

/// What a venue serves, and how often it may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VenueSpec {
    /// Where its public interface is, without a slash at the end.
    pub base_url: &'static str,
    /// Most bars of one answer, the forming one included.
    pub page_bars: u32,
    /// How many bars back it answers at all; `None` when it keeps everything, or does not say.
    pub horizon_bars: Option<u32>,
    /// Whether a bar without a trade is left out of its answers.
    pub omits_empty: bool,
    /// How often it may be asked.
    pub pace: VenuePace,
}

/// A token bucket: so many requests at once, and one more after each pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VenuePace {
    /// Requests that may follow each other at once.
    pub burst: u32,
    /// Milliseconds after which one more is allowed.
    pub refill_ms: u32,
}
