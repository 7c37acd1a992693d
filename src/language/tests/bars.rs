//! Series for tests: reproducible, irregular, with holes.

use crate::domain::{
    bar::{Bar, TimedBar},
    time::{SlotTs, Timeframe},
};

/// Numbers that look random and are the same every time.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678)
    }

    /// Below `n`.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % n
    }

    /// From -1 to 1.
    pub(super) fn unit(&mut self) -> f64 {
        self.below(2_000_001) as f64 / 1_000_000.0 - 1.0
    }
}

pub(super) fn slot(timeframe: Timeframe, n: i64) -> SlotTs {
    timeframe.slot((100_000 + n) * timeframe.ms()).unwrap()
}

/// A walk of prices on a grid with holes, bars without range and equal closes.
pub(super) fn walk(seed: u64, many: usize, timeframe: Timeframe) -> Vec<TimedBar> {
    let mut dice = Dice::new(seed);
    let (mut price, mut at) = (100.0, dice.below(500) as i64);
    let mut bars = Vec::with_capacity(many);
    while bars.len() < many {
        at += match dice.below(40) {
            0 => 2,
            1 => 1 + dice.below(30) as i64,
            _ => 1,
        };
        let open: f64 = price;
        if dice.below(12) > 0 {
            price *= 1.0 + 0.01 * dice.unit();
        }
        let flat = dice.below(15) == 0;
        let (up, down) = if flat { (0.0, 0.0) } else { (dice.unit().abs(), dice.unit().abs()) };
        let high = open.max(price) * (1.0 + 0.004 * up);
        let low = open.min(price) * (1.0 - 0.004 * down);
        let volume = if dice.below(10) == 0 { 0.0 } else { 50.0 * dice.unit().abs() };
        let bar = Bar::new([open, high, low, price, volume]).unwrap();
        bars.push(TimedBar { ts: slot(timeframe, at), bar });
    }
    bars
}
