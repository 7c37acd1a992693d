//! Made-up bars, and files of them.

use mjolnir::{
    domain::{
        bar::TimedBar,
        time::{SlotTs, Timeframe, Window},
    },
    exchange::feed,
};

/// Made-up bars between two times, both bar closes.
pub fn market(timeframe: Timeframe, first_ms: i64, last_ms: i64) -> Vec<TimedBar> {
    let slot = |ts_ms| -> SlotTs { timeframe.slot(ts_ms).unwrap() };
    feed::seeded_bars(7, Window::new(slot(first_ms), slot(last_ms)).unwrap())
}

/// Bars as a file of others would hold them.
pub fn csv(bars: &[TimedBar]) -> String {
    let row = |TimedBar { ts, bar }: &TimedBar| {
        let values = [bar.open(), bar.high(), bar.low(), bar.close(), bar.volume()];
        format!("{},{}\n", ts.ts_ms(), values.map(|value| value.to_string()).join(","))
    };
    "ts_ms,open,high,low,close,volume\n".to_owned() + &bars.iter().map(row).collect::<String>()
}

/// Dice with a seed.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `most`.
    pub fn below(&mut self, most: u64) -> u64 {
        for shift in [13_u32, 7, 17] {
            self.0 ^= if shift == 7 { self.0 >> shift } else { self.0 << shift };
        }
        (self.0 >> 16) % most
    }
}

/// Which seeds to try: those that a variable asks for as `N` or `A..=B`, else 1 to `usual`.
#[expect(clippy::disallowed_methods, reason = "a longer search is asked for from outside")]
pub fn seeds(variable: &str, usual: u64) -> std::ops::RangeInclusive<u64> {
    let wanted = std::env::var(variable).unwrap_or_default();
    let number =
        |text: &str| -> u64 { text.parse().unwrap_or_else(|_| panic!("{variable} is N or A..=B")) };
    match wanted.split_once("..=") {
        Some((first, last)) => number(first)..=number(last),
        None if wanted.is_empty() => 1..=usual,
        None => 1..=number(&wanted),
    }
}

/// The folder with real market files. Without one it says that the test is skipped.
#[expect(clippy::disallowed_methods, reason = "the bars are too large to be part of the project")]
pub fn recorded_market() -> Option<String> {
    let dir = std::env::var("MJOLNIR_MARKET").ok();
    if dir.is_none() {
        super::skip::skip("market", "MJOLNIR_MARKET does not name a folder with real bars");
    }
    dir
}
