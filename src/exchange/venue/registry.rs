//! Which venues there are. To add one: its file, its line in `mod.rs`, its row here, and what it sends in
//! `tests/sent/<name>.toml`; a test names whatever is missing.

use super::{
    answer::AnswerFault,
    binance, binanceus, bitfinex, bitstamp, bybit, coinbase, gemini, kraken, kucoin, mexc, okx,
    page_request::{HttpGet, PageRequest, VenueRow, VenueSpec},
};
use crate::domain::{
    bar::Shown,
    ids::Exchange,
    series::Symbol,
    time::{Timeframe, UtcMs, Window},
};

/// The enum of the venues, each with the module that has its row.
macro_rules! venues {
    ($($(#[$doc:meta])* $venue:ident = $module:ident,)+) => {
        /// A venue this program speaks to.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Venue {
            $($(#[$doc])* $venue,)+
        }

        impl Venue {
            /// Every venue, in the order of their names.
            pub const ALL: &'static [Self] = &[$(Self::$venue,)+];

            const fn row(self) -> &'static VenueRow {
                match self {
                    $(Self::$venue => &$module::VENUE,)+
                }
            }
        }
    };
}

venues! {
    Binance = binance,
    BinanceUs = binanceus,
    Bitfinex = bitfinex,
    Bitstamp = bitstamp,
    /// Bybit, its spot market.
    Bybit = bybit,
    /// Coinbase Exchange, not Coinbase Advanced.
    Coinbase = coinbase,
    Gemini = gemini,
    Kraken = kraken,
    /// KuCoin, its spot market.
    Kucoin = kucoin,
    /// MEXC, its spot market.
    Mexc = mexc,
    /// OKX, its spot market.
    Okx = okx,
}

/// A time that is the end of a bar of every timeframe: 2024-01-01.
const PROBE_MS: i64 = 1_704_067_200_000;

impl Venue {
    /// How it is called in manifests and paths.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The venue an exchange is, by our name or by the id that ccxt has for it; `None` for one that is only a name of a series.
    pub fn of(exchange: &Exchange) -> Option<Self> {
        let is_it = |row: &VenueRow| {
            row.name == exchange.as_str() || row.ccxt_id == Some(exchange.as_str())
        };
        Self::ALL.iter().copied().find(|venue| is_it(venue.row()))
    }

    pub const fn spec(self) -> &'static VenueSpec {
        &self.row().spec
    }

    /// Whether it has bars of this length; the fault names the lengths that it has.
    pub fn serves(self, symbol: &Symbol, timeframe: Timeframe) -> Result<(), AnswerFault> {
        // Any slot does: what is asked for does not depend on it.
        let now = UtcMs::EPOCH.plus_ms(PROBE_MS);
        let slot = timeframe.last_closed(now).and_then(|slot| Window::new(slot, slot).ok());
        let page = slot.map(|window| PageRequest { symbol: symbol.clone(), window, now });
        page.map_or(Ok(()), |page| self.request(&page).map(|_| ()))
    }

    /// The request for a page. Refused when the venue has no such timeframe.
    pub fn request(self, page: &PageRequest) -> Result<HttpGet, AnswerFault> {
        (self.row().request)(page)
    }

    /// What an answer shows: bars, oldest first, each stamp once, none outside the page, the newest perhaps still forming; and
    /// the rows that are not bars. Anything but a complete answer in the venue's own format is a fault, never an empty success.
    pub fn parse(self, page: &PageRequest, status: u16, body: &[u8]) -> Result<Shown, AnswerFault> {
        (self.row().parse)(page, status, body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_venue_is_found_by_its_name_and_by_the_id_of_ccxt() {
        let of = |name: &str| Venue::of(&name.parse().unwrap());
        for venue in Venue::ALL {
            assert_eq!(of(venue.name()), Some(*venue));
        }
        assert_eq!(of("coinbaseexchange"), Some(Venue::Coinbase));
        assert_eq!(of("Kraken"), Some(Venue::Kraken), "names of venues are lower-cased");
        for other in ["demo", "binance.us", "synthetic"] {
            assert_eq!(of(other), None, "{other}");
        }
        assert!(Venue::ALL.is_sorted_by(|a, b| a.name() < b.name()));
    }
}
