//! What is asked of a venue: one page of bars, the request it becomes, and the venue's words for timeframes.

use super::answer::{Class, Fault};
use crate::domain::{
    series::Symbol,
    time::{Timeframe, UtcMs, Window},
};

/// One page: the bars of these slots. A venue may answer fewer of them, and with some around them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The pair.
    pub symbol: Symbol,
    /// The slots, at most [`super::spec::Spec::page_bars`] of them. The last one may still be forming.
    pub window: Window,
    /// When it is asked; some venues keep old bars elsewhere.
    pub now: UtcMs,
}

impl PageRequest {
    /// The grid.
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
pub fn spelled(timeframe: Timeframe, spelling: &Spelling) -> Result<&'static str, Fault> {
    spelling.iter().find(|(known, _)| *known == timeframe).map(|(_, word)| *word).ok_or_else(|| {
        let known: Vec<&str> = spelling.iter().map(|(known, _)| known.name()).collect();
        Fault::new(
            Class::Config,
            format!("the venue has no bars of {timeframe}: use one of {}", known.join(" ")),
        )
    })
}
