//! Binance.US: the formats of [`super::binance`] at another address, with less patience.

use super::{
    binance,
    page_request::{VenuePace, VenueRow, VenueSpec},
};

/// The venue. The pace is a fifth of what it allows: 1200 a minute, and a page costs 1.
pub const VENUE: VenueRow = VenueRow {
    name: "binanceus",
    ccxt_id: None,
    spec: VenueSpec {
        base_url: "https://api.binance.us",
        page_bars: binance::SPEC.page_bars,
        horizon_bars: None,
        omits_empty: false,
        pace: VenuePace { burst: 5, refill_ms: 250 },
    },
    request: binance::request,
    parse: binance::parse,
};
