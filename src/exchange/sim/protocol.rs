//! Which protocols are spoken, and the module behind each.

use super::{
    binance, coinbase, kraken,
    reply::{Query, Reply, View},
};
use crate::domain::time::{Timeframe, UtcMs};

/// The public interface of a real venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Binance, `/api/v3`.
    Binance,
    /// Coinbase Exchange, `/products`.
    Coinbase,
    /// Kraken, `/0/public`.
    Kraken,
}

/// Why a venue gives no answer to a good question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Asked too often.
    Throttled {
        /// The pause it asks for, in seconds of its own time, when it says one.
        retry_after_s: Option<u32>,
        /// Chooses the words.
        pick: usize,
    },
    /// Shut out.
    Banned {
        /// Its time.
        now: UtcMs,
        /// For how long, in seconds of its own time.
        wait_s: u32,
    },
    /// Broken or overloaded.
    Down {
        /// Chooses how.
        pick: usize,
    },
}

impl Protocol {
    /// The answer to a request.
    pub fn answer(self, view: &View<'_>, path: &str, query: &Query) -> Reply {
        match self {
            Self::Binance => binance::answer(view, path, query),
            Self::Coinbase => coinbase::answer(view, path, query),
            Self::Kraken => kraken::answer(view, path, query),
        }
    }

    /// The answer of a venue that does not want to, or cannot.
    pub fn refusal(self, refusal: &Refusal) -> Reply {
        match self {
            Self::Binance => binance::refusal(refusal),
            Self::Coinbase => coinbase::refusal(refusal),
            Self::Kraken => kraken::refusal(refusal),
        }
    }

    /// Whether the venue has bars of this length.
    pub fn has(self, timeframe: Timeframe) -> bool {
        match self {
            Self::Binance => true,
            Self::Coinbase => coinbase::has(timeframe),
            Self::Kraken => kraken::has(timeframe),
        }
    }

    /// What a request counts towards a limit that the venue reports in its headers.
    pub fn weight(self, path: &str) -> Option<u32> {
        match self {
            Self::Binance => Some(binance::weight(path)),
            Self::Coinbase | Self::Kraken => None,
        }
    }
}
