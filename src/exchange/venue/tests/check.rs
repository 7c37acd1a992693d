//! The page that the tests of the venues ask for, and what they demand of its answer.

use crate::{
    domain::{
        bar::TimedBar,
        time::{Timeframe, UtcMs, Window},
    },
    exchange::venue::{page_request::PageRequest, registry::Venue},
};

/// 2025-11-11T00:00:00Z, when the first bar of the page opens.
pub const T: i64 = 1_762_819_200_000;

/// A page of `slots` bars of `symbol`, the first of which opens at [`T`], asked while the last one forms.
pub fn page(symbol: &str, timeframe: Timeframe, slots: i64) -> PageRequest {
    let first = timeframe.slot_of_open(T).unwrap();
    let last = first.plus(slots - 1);
    PageRequest {
        symbol: symbol.parse().unwrap(),
        window: Window::new(first, last).unwrap(),
        now: UtcMs::new(last.open_ms() + 2_000).unwrap(),
    }
}

/// The bars of an answer without a row that is left out.
#[track_caller]
pub fn good(venue: Venue, page: &PageRequest, body: &str) -> Vec<TimedBar> {
    let shown = venue.parse(page, 200, body.as_bytes()).unwrap();
    assert!(shown.bad.is_empty(), "{}: {:?}", venue.name(), shown.bad);
    shown.bars
}

/// Bars that are equal have equal bits.
pub fn bits(bars: &[TimedBar]) -> Vec<(i64, [u64; 5])> {
    bars.iter().map(|bar| (bar.ts.ts_ms(), bar.bar.values().map(f64::to_bits))).collect()
}
