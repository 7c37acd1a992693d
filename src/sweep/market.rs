//! The null market: the real bars, each of which a coin may turn upside down. What a rule could know of direction is gone; ranges, gaps,
//! bursts, volumes, holes and the time of day are what they were, and buying and holding earns the same.

use super::xoshiro::Xoshiro;
use crate::domain::bar::{Bar, PRICE_MAX, PRICE_MIN, TimedBar};

/// Most decimal places of a price.
const PLACES_MAX: u32 = 12;

/// A market that null markets are made from.
#[derive(Debug, Clone)]
pub struct NullMarket {
    /// Logs of open, high, low, close, relative to the close before.
    logs: Vec<[f64; 4]>,
    bars: Vec<TimedBar>,
    /// The log that the first bar is relative to.
    base: f64,
    /// The mean log return of a bar.
    mean: f64,
    /// The last log close, relative to `base`.
    total: f64,
    places: u32,
}

impl NullMarket {
    /// Of real bars, in order.
    pub fn new(bars: &[TimedBar]) -> Self {
        let base = bars.first().map_or(0.0, |bar| libm::log(bar.bar.open()));
        let mut before = base;
        let mut logs = Vec::with_capacity(bars.len());
        for TimedBar { bar, .. } in bars {
            let own = [bar.open(), bar.high(), bar.low(), bar.close()].map(libm::log);
            logs.push(own.map(|log| log - before));
            before = own[3];
        }
        let total = before - base;
        let mean = if bars.is_empty() { 0.0 } else { total / bars.len() as f64 };
        Self { logs, bars: bars.to_vec(), base, mean, total, places: places(bars) }
    }

    /// Null market `k` of a seed.
    pub fn null(&self, seed: u64, k: u32) -> Vec<TimedBar> {
        let mut chance = Xoshiro::new(seed, u64::from(k));
        let turned: Vec<[f64; 4]> = self
            .logs
            .iter()
            .map(|logs| if chance.coin() { self.mirrored(*logs) } else { *logs })
            .collect();
        // What the coins changed of the way from the first price to the last one, shared by all bars.
        let way: f64 = turned.iter().map(|logs| logs[3]).sum();
        let share = (self.total - way) / (self.bars.len() as f64).max(1.0);
        let mut level = self.base;
        let bars = self.bars.iter().zip(turned);
        bars.map(|(real, logs)| {
            let prices = logs.map(|log| libm::exp(level + log + share));
            level += logs[3] + share;
            TimedBar { ts: real.ts, bar: self.rounded(prices, real.bar.volume()) }
        })
        .collect()
    }

    /// Upside down, but for the mean.
    fn mirrored(&self, [open, high, low, close]: [f64; 4]) -> [f64; 4] {
        [open, low, high, close].map(|log| 2.0 * self.mean - log)
    }

    /// With as many places as the real prices have: the high up, the low down.
    fn rounded(&self, [open, high, low, close]: [f64; 4], volume: f64) -> Bar {
        let scale = power_of_ten(self.places);
        // What is too large for places has none.
        let to = |x: f64, round: fn(f64) -> f64| {
            let scaled = x * scale;
            let rounded = if scaled < 9e15 { round(scaled) / scale } else { x };
            rounded.clamp(PRICE_MIN.max(1.0 / scale), PRICE_MAX)
        };
        let (open, close) = (to(open, f64::round), to(close, f64::round));
        let high = to(high, f64::ceil).max(open).max(close);
        let low = to(low, f64::floor).min(open).min(close);
        Bar::new([open, high, low, close, volume]).expect("a bar upside down is a bar")
    }
}

fn power_of_ten(places: u32) -> f64 {
    (0..places).fold(1.0, |power, _| power * 10.0)
}

/// The decimal places of all prices.
fn places(bars: &[TimedBar]) -> u32 {
    let mut places = 0;
    for TimedBar { bar, .. } in bars {
        for price in [bar.open(), bar.high(), bar.low(), bar.close()] {
            while places < PLACES_MAX {
                let scale = power_of_ten(places);
                if (price * scale).round() / scale == price {
                    break;
                }
                places += 1;
            }
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::time::Timeframe;

    /// A walk in cents, with holes.
    fn walk(seed: u64, many: i64) -> Vec<TimedBar> {
        let mut chance = Xoshiro::new(seed, 99);
        let mut close = 10_000_i64;
        let mut bars = Vec::new();
        for n in 1..=many {
            let open = close + chance.below(21) as i64 - 10;
            close = (open + chance.below(205) as i64 - 101).max(1_000);
            let open = open.max(1_000);
            let high = open.max(close) + chance.below(30) as i64;
            let low = open.min(close) - chance.below(30) as i64;
            let [o, h, l, c] = [open, high, low, close].map(|cents| cents as f64 / 100.0);
            if n % 17 != 0 {
                let bar = Bar::new([o, h, l, c, n as f64]).unwrap();
                bars.push(TimedBar { ts: Timeframe::M5.slot(n * 300_000).unwrap(), bar });
            }
        }
        bars
    }

    #[test]
    fn places_are_those_of_the_prices() {
        assert_eq!(places(&walk(1, 50)), 2);
        assert_eq!(places(&[]), 0);
        let mut bars = walk(1, 3);
        bars[0].bar = Bar::new([1.0, 1.0, 1.0, 1.0, 0.0]).unwrap();
        assert_eq!(places(&bars[..1]), 0);
        bars[1].bar = Bar::new([0.1 + 0.2, 1.0, 0.1, 0.5, 0.0]).unwrap();
        assert_eq!(places(&bars[..2]), PLACES_MAX, "a price that is no decimal");
    }

    #[test]
    fn half_of_the_bars_are_turned_and_every_market_is_another_one() {
        let real = walk(3, 4_000);
        let market = NullMarket::new(&real);
        let (one, two) = (market.null(7, 1), market.null(7, 2));
        assert_ne!(one, two);
        assert_eq!(one, market.null(7, 1));
        assert_ne!(one, market.null(8, 1));
        let up = |bars: &[TimedBar]| -> Vec<bool> {
            bars.iter().map(|bar| bar.bar.close() > bar.bar.open()).collect()
        };
        let same = up(&real).iter().zip(up(&one)).filter(|(a, b)| **a == *b).count();
        let part = same as f64 / real.len() as f64;
        assert!((0.46..0.54).contains(&part), "{part}");
    }

    proptest! {
        #[test]
        fn a_null_market_keeps_ranges_volumes_holes_and_the_way(seed in 0_u64..1000, k in 1_u32..50) {
            let real = walk(seed, 600);
            let market = NullMarket::new(&real);
            let null = market.null(seed, k);
            prop_assert_eq!(real.len(), null.len());
            let first = |bars: &[TimedBar]| bars[0].bar.open();
            let last = |bars: &[TimedBar]| bars[bars.len() - 1].bar.close();
            let way = |bars: &[TimedBar]| (last(bars) / first(bars)).ln();
            // One cent at each end.
            prop_assert!((last(&real) - last(&null)).abs() <= 0.011);
            prop_assert!((way(&real) - way(&null)).abs() < 0.02);
            for (real, null) in real.iter().zip(&null) {
                prop_assert_eq!(real.ts, null.ts);
                prop_assert_eq!(real.bar.volume(), null.bar.volume());
                let range = |bar: &Bar| (bar.high() / bar.low()).ln();
                // Two roundings of a cent, outwards.
                let cent = 0.01 / null.bar.low();
                let wider = range(&null.bar) - range(&real.bar);
                prop_assert!((-1e-9..2.0 * cent + 1e-9).contains(&wider), "{}", wider);
            }
        }
    }

    /// Without rounding: the log true range of a mirrored bar is that of the real one, but for the mean and the share.
    #[test]
    fn a_mirrored_bar_has_the_true_range_of_the_real_one() {
        let market = NullMarket { mean: 0.0, ..NullMarket::new(&walk(5, 300)) };
        let true_range = |[_, high, low, _]: [f64; 4]| high.max(0.0) - low.min(0.0);
        for logs in &market.logs {
            let mirrored = market.mirrored(*logs);
            assert_eq!(true_range(mirrored), true_range(*logs));
            assert_eq!(market.mirrored(mirrored), *logs);
        }
    }
}
