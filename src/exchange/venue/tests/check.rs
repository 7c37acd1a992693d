//! The page that the tests of the venues ask for, and what they demand of its answer.

use crate::{
    domain::{
        bar::{Bar, TimedBar},
        time::{Timeframe, UtcMs, Window},
    },
    exchange::venue::{answer::Class, ask::Ask, which::Venue},
};

/// 2025-11-11T00:00:00Z, when the first bar of the page opens.
pub const T: i64 = 1_762_819_200_000;

/// A page of `slots` bars of `symbol`, the first of which opens at [`T`], asked while the last one forms.
pub fn page(symbol: &str, timeframe: Timeframe, slots: i64) -> Ask {
    let first = timeframe.slot_of_open(T).unwrap();
    let last = first.plus(slots - 1);
    Ask {
        symbol: symbol.parse().unwrap(),
        window: Window::new(first, last).unwrap(),
        now: UtcMs::new(last.open_ms() + 2_000).unwrap(),
    }
}

/// Demands exactly these bars (open time, then open, high, low, close, volume) of an answer to a page of three minutes.
#[track_caller]
pub fn check_bars(venue: Venue, body: &str, expected: &[(i64, [f64; 5])]) {
    let ask = page("BTC/USD", Timeframe::M1, 3);
    let expected: Vec<TimedBar> = expected
        .iter()
        .map(|(open_ms, values)| TimedBar {
            ts: Timeframe::M1.slot_of_open(*open_ms).unwrap(),
            bar: Bar::new(*values).unwrap(),
        })
        .collect();
    let found = good(venue, &ask, body);
    assert_eq!(bits(&found), bits(&expected), "{}: {found:?}", venue.name());
}

/// The bars of an answer without a row that is left out.
#[track_caller]
pub fn good(venue: Venue, ask: &Ask, body: &str) -> Vec<TimedBar> {
    let shown = venue.parse(ask, 200, body.as_bytes()).unwrap();
    assert!(shown.bad.is_empty(), "{}: {:?}", venue.name(), shown.bad);
    shown.bars
}

/// Demands a fault of a class. Its words are short, and not empty.
#[track_caller]
pub fn check_class(venue: Venue, status: u16, body: &str, class: Class) {
    let ask = page("BTC/USD", Timeframe::M1, 3);
    let fault = venue.parse(&ask, status, body.as_bytes()).unwrap_err();
    assert_eq!(fault.class, class, "{} {status} {body}: {fault}", venue.name());
    assert!((5..500).contains(&fault.why.len()), "{fault}");
}

/// Bars that are equal have equal bits.
pub fn bits(bars: &[TimedBar]) -> Vec<(i64, [u64; 5])> {
    bars.iter().map(|bar| (bar.ts.ts_ms(), bar.bar.values().map(f64::to_bits))).collect()
}
