//! Which venues there are, and the module behind each.

use super::{
    answer::Fault,
    ask::{Ask, Request},
    binance, binanceus, bitfinex, bitstamp, bybit, coinbase, gemini, kraken, kucoin, okx,
    spec::Spec,
};
use crate::domain::{bar::Shown, ids::Exchange};

/// A venue this program speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Venue {
    /// Binance.
    Binance,
    /// Binance.US.
    BinanceUs,
    /// Bitfinex.
    Bitfinex,
    /// Bitstamp.
    Bitstamp,
    /// Bybit, its spot market.
    Bybit,
    /// Coinbase Exchange, not Coinbase Advanced.
    Coinbase,
    /// Gemini.
    Gemini,
    /// Kraken.
    Kraken,
    /// KuCoin, its spot market.
    Kucoin,
    /// OKX, its spot market.
    Okx,
}

impl Venue {
    /// Every venue, in the order of their names.
    pub const ALL: [Self; 10] = [
        Self::Binance,
        Self::BinanceUs,
        Self::Bitfinex,
        Self::Bitstamp,
        Self::Bybit,
        Self::Coinbase,
        Self::Gemini,
        Self::Kraken,
        Self::Kucoin,
        Self::Okx,
    ];

    /// How it is called in manifests and paths.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Binance => "binance",
            Self::BinanceUs => "binanceus",
            Self::Bitfinex => "bitfinex",
            Self::Bitstamp => "bitstamp",
            Self::Bybit => "bybit",
            Self::Coinbase => "coinbase",
            Self::Gemini => "gemini",
            Self::Kraken => "kraken",
            Self::Kucoin => "kucoin",
            Self::Okx => "okx",
        }
    }

    /// The venue an exchange is, by our name or by the id that ccxt has for it where that differs;
    /// `None` for one that is only a name of a series.
    pub fn of(exchange: &Exchange) -> Option<Self> {
        match exchange.as_str() {
            "coinbaseexchange" => Some(Self::Coinbase),
            name => Self::ALL.into_iter().find(|venue| venue.name() == name),
        }
    }

    /// What it serves.
    pub const fn spec(self) -> &'static Spec {
        match self {
            Self::Binance => &binance::SPEC,
            Self::BinanceUs => &binanceus::SPEC,
            Self::Bitfinex => &bitfinex::SPEC,
            Self::Bitstamp => &bitstamp::SPEC,
            Self::Bybit => &bybit::SPEC,
            Self::Coinbase => &coinbase::SPEC,
            Self::Gemini => &gemini::SPEC,
            Self::Kraken => &kraken::SPEC,
            Self::Kucoin => &kucoin::SPEC,
            Self::Okx => &okx::SPEC,
        }
    }

    /// The request for a page. Refused when the venue has no such timeframe.
    pub fn request(self, ask: &Ask) -> Result<Request, Fault> {
        match self {
            Self::Binance | Self::BinanceUs => Ok(binance::request(ask)),
            Self::Bitfinex => bitfinex::request(ask),
            Self::Bitstamp => bitstamp::request(ask),
            Self::Bybit => bybit::request(ask),
            Self::Coinbase => coinbase::request(ask),
            Self::Gemini => gemini::request(ask),
            Self::Kraken => kraken::request(ask),
            Self::Kucoin => kucoin::request(ask),
            Self::Okx => okx::request(ask),
        }
    }

    /// What an answer shows: bars, oldest first, each stamp once, none outside the page, the newest perhaps still forming; and
    /// the rows that are not bars. Anything but a complete answer in the venue's own format is a fault, never an empty success.
    pub fn parse(self, ask: &Ask, status: u16, body: &[u8]) -> Result<Shown, Fault> {
        match self {
            Self::Binance | Self::BinanceUs => binance::parse(ask, status, body),
            Self::Bitfinex => bitfinex::parse(ask, status, body),
            Self::Bitstamp => bitstamp::parse(ask, status, body),
            Self::Bybit => bybit::parse(ask, status, body),
            Self::Coinbase => coinbase::parse(ask, status, body),
            Self::Gemini => gemini::parse(ask, status, body),
            Self::Kraken => kraken::parse(ask, status, body),
            Self::Kucoin => kucoin::parse(ask, status, body),
            Self::Okx => okx::parse(ask, status, body),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_venue_is_found_by_its_name_and_by_the_id_of_ccxt() {
        let of = |name: &str| Venue::of(&name.parse().unwrap());
        for venue in Venue::ALL {
            assert_eq!(of(venue.name()), Some(venue));
        }
        assert_eq!(of("coinbaseexchange"), Some(Venue::Coinbase));
        assert_eq!(of("Kraken"), Some(Venue::Kraken), "names of venues are lower-cased");
        for other in ["demo", "binance.us", "synthetic"] {
            assert_eq!(of(other), None, "{other}");
        }
        assert!(Venue::ALL.is_sorted_by(|a, b| a.name() < b.name()));
    }
}
