//! Binance.US: the formats of [`super::binance`] at another address, with less patience.

use super::spec::{Pace, Spec};

/// What it serves. The pace is a fifth of what it allows: 1200 a minute, and a page costs 1.
pub const SPEC: Spec = Spec {
    base_url: "https://api.binance.us",
    page_bars: super::binance::SPEC.page_bars,
    horizon_bars: None,
    omits_empty: false,
    pace: Pace { burst: 5, refill_ms: 250 },
};
