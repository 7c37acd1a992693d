//! Made-up bars, and files of them.

use mjolnir::{
    domain::{
        bar::TimedBar,
        time::{SlotTs, Timeframe, Window},
    },
    exchange::synthetic,
};

/// Made-up bars between two times, both bar closes.
pub fn market(timeframe: Timeframe, first_ms: i64, last_ms: i64) -> Vec<TimedBar> {
    let slot = |ts_ms| -> SlotTs { timeframe.slot(ts_ms).unwrap() };
    synthetic::bars(7, Window::new(slot(first_ms), slot(last_ms)).unwrap())
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
