//! Made-up markets to try a search on: a random walk, on which every rule is useless, and the same walk with a drift that changes its
//! direction every twelve bars, which a rule can follow. Every bar is a function of seed and slot.

use super::feed::draw;
use crate::domain::{
    bar::{Bar, TimedBar},
    time::{SlotTs, Window},
};

/// Price at the beginning of 2015.
const PRICE: f64 = 20_000.0;
const BEGIN_MS: i64 = 1_420_070_400_000;
const HOUR_MS: f64 = 3_600_000.0;
/// Standard deviation of the return of an hour.
const HOURLY: f64 = 0.006;
/// Bars for which a planted drift keeps its direction.
const DRIFT_BARS: i64 = 12;

/// The bars of a window. `drift` is the mean return of a bar in its direction, in standard deviations of a bar; 0 is a random walk.
pub fn walk_bars(seed: u64, window: Window, drift: f64) -> Vec<TimedBar> {
    let timeframe = window.first().timeframe();
    let spread = HOURLY * (timeframe.ms() as f64 / HOUR_MS).sqrt();
    let index = |ts: SlotTs| ts.ts_ms() / timeframe.ms();
    let step = |at: i64| {
        let side = if draw(seed, 211, at.div_euclid(DRIFT_BARS)) < 0.5 { -1.0 } else { 1.0 };
        spread * (bell(seed, at) + drift * side)
    };
    let (base, first) = (BEGIN_MS / timeframe.ms(), index(window.first()));
    let way = |from: i64, to: i64| (from + 1..to).map(step).sum::<f64>();
    let mut level = if first > base { way(base, first) } else { -way(first - 1, base + 1) };
    let price = |level: f64| PRICE * libm::exp(level);
    let cents = |x: f64| ((x * 100.0).round() / 100.0).max(0.01);
    let mut bars = Vec::new();
    for ts in window.iter() {
        let at = index(ts);
        let open = price(level);
        level += step(at);
        let close = price(level);
        let wick = |salt| 1.0 + spread * draw(seed, salt, at);
        let (high, low) = (open.max(close) * wick(213), open.min(close) / wick(214));
        let volume = (100_000.0 * (1.0 + 50.0 * draw(seed, 215, at))).round() / 100_000.0;
        let [open, high, low, close] = [open, high, low, close].map(cents);
        let bar = Bar::new([open, high, low, close, volume]).expect("a made bar is a bar");
        bars.push(TimedBar { ts, bar });
    }
    bars
}

/// A number with mean 0 and variance 1, nearly normal: the sum of four.
fn bell(seed: u64, at: i64) -> f64 {
    let sum: f64 = (220..224).map(|salt| draw(seed, salt, at)).sum();
    (sum - 2.0) * 3.0_f64.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timeframe;

    fn window(first: i64, many: i64) -> Window {
        let slot = |n: i64| Timeframe::H1.slot(BEGIN_MS + n * 3_600_000).unwrap();
        Window::new(slot(first), slot(first + many - 1)).unwrap()
    }

    #[test]
    fn any_window_of_a_seed_is_of_one_market() {
        for first in [-700, 0, 1, 5_000] {
            let whole = walk_bars(7, window(first, 900), 0.5);
            let part = walk_bars(7, window(first + 300, 50), 0.5);
            for (whole, part) in whole[300..].iter().zip(&part) {
                assert_eq!(whole.ts, part.ts);
                assert!((whole.bar.close() / part.bar.close() - 1.0).abs() < 1e-6, "{first}");
            }
            assert_ne!(whole, walk_bars(8, window(first, 900), 0.5));
        }
    }

    #[test]
    fn a_walk_has_the_spread_it_should_and_no_memory() {
        let bars = walk_bars(3, window(0, 20_000), 0.0);
        let returns: Vec<f64> =
            bars.windows(2).map(|two| (two[1].bar.close() / two[0].bar.close()).ln()).collect();
        let n = returns.len() as f64;
        let variance = returns.iter().map(|r| r * r).sum::<f64>() / n;
        assert!((variance.sqrt() / HOURLY - 1.0).abs() < 0.03, "{}", variance.sqrt());
        let memory: f64 = returns.windows(2).map(|two| two[0] * two[1]).sum::<f64>() / n / variance;
        assert!(memory.abs() < 0.03, "{memory}");
        let drifting = walk_bars(3, window(0, 20_000), 0.6);
        let returns: Vec<f64> =
            drifting.windows(2).map(|two| (two[1].bar.close() / two[0].bar.close()).ln()).collect();
        let memory: f64 = returns.windows(2).map(|two| two[0] * two[1]).sum::<f64>() / n;
        assert!(memory / (HOURLY * HOURLY) > 0.2, "{memory}");
    }
}
