//! A seeded market: every bar is a pure function of seed and slot, so any window of it is always the same.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::domain::{
    bar::{Bar, TimedBar},
    time::{SlotTs, Window},
};

/// Octaves of the price path: waves of 1 to 2048 bars.
const OCTAVES: u32 = 12;
/// Size of the one-bar wave, as a fraction of the price; longer waves grow with the square root of their length.
const WAVE: f64 = 0.0008;
const PRICE: f64 = 20_000.0;

/// The bars of a window, with one bar in 400 absent, as on a real venue.
pub fn bars(seed: u64, window: Window) -> Vec<TimedBar> {
    window.iter().filter_map(|ts| bar(seed, ts).map(|bar| TimedBar { ts, bar })).collect()
}

/// The bar of one slot; `None` when it has no trade.
pub fn bar(seed: u64, ts: SlotTs) -> Option<Bar> {
    let index = ts.ts_ms() / ts.timeframe().ms();
    if draw(seed, 100, index) < 1.0 / 400.0 {
        return None;
    }
    let jump =
        if draw(seed, 101, index) < 0.02 { (draw(seed, 102, index) - 0.5) * 0.01 } else { 0.0 };
    let open = price(seed, index - 1) * (1.0 + jump);
    let close = price(seed, index);
    let wick = |salt| 1.0 + 0.0015 * draw(seed, salt, index);
    let high = open.max(close) * wick(103);
    let low = open.min(close) / wick(104);
    let volume = 1.0 + 50.0 * draw(seed, 105, index);
    let [open, high, low, close] = [open, high, low, close].map(|x| (x * 100.0).round() / 100.0);
    let volume = (volume * 1e5).round() / 1e5;
    Some(Bar::new([open, high, low, close, volume]).expect("a made bar is a bar"))
}

fn price(seed: u64, index: i64) -> f64 {
    let path: f64 = (0..OCTAVES)
        .map(|octave| {
            let length = 1_i64 << octave;
            let (cell, inside) = (index.div_euclid(length), index.rem_euclid(length));
            let part = inside as f64 / length as f64;
            let (a, b) = (draw(seed, octave, cell), draw(seed, octave, cell + 1));
            (a + (b - a) * part - 0.5) * WAVE * (length as f64).sqrt()
        })
        .sum();
    PRICE * libm::exp(path)
}

/// A number in 0..1 that depends on its arguments alone.
pub(super) fn draw(seed: u64, salt: u32, index: i64) -> f64 {
    let mut bytes = [0_u8; 12];
    bytes[..4].copy_from_slice(&salt.to_le_bytes());
    bytes[4..].copy_from_slice(&index.to_le_bytes());
    (xxh3_64_with_seed(&bytes, seed) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timeframe;

    #[test]
    fn any_window_shows_the_same_market_and_another_seed_another_one() {
        let first = Timeframe::M5.slot(1_700_000_100_000).unwrap();
        let whole = bars(7, Window::new(first, first.plus(2_000)).unwrap());
        let part = bars(7, Window::new(first.plus(500), first.plus(600)).unwrap());
        let from_whole: Vec<_> =
            whole.iter().filter(|b| (500..=600).contains(&b.ts.since(first))).copied().collect();
        assert_eq!(part, from_whole);
        assert_ne!(part, bars(8, Window::new(first.plus(500), first.plus(600)).unwrap()));
        let absent = 2_001 - whole.len();
        assert!((1..20).contains(&absent), "{absent} absent bars");
    }
}
