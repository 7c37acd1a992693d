//! Anchored features: a value depends only on the bars since a deterministic anchor, never on where a process started.
//!
//! Time is cut into blocks aligned to the UTC epoch. A bar in block k is answered by indicators that started
//! fresh at the beginning of block k-1.

use xxhash_rust::xxh3::xxh3_64;

use super::{
    model::FEATURES_MAX,
    strategy::{Features, Strategy, Values},
};
use crate::domain::{
    bar::TimedBar,
    time::{DAY_MS, SlotTs, Timeframe},
};

/// Most values of a feature vector.
const MANY: usize = FEATURES_MAX;
/// As many as the rules without a model have, and more.
const FEW: usize = 8;

/// The cut of time into blocks, and the lengths the features are checked against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks {
    block_ms: i64,
    warm_up_bars: u32,
    cadence_bars: u32,
}

impl Blocks {
    /// Blocks of the smallest whole number of UTC days that holds the warm-up length, which is at least the cadence length.
    pub fn new(timeframe: Timeframe, warm_up_bars: u32, cadence_bars: u32) -> Self {
        let warm_up_bars = warm_up_bars.max(cadence_bars).max(1);
        let days = (i64::from(warm_up_bars) * timeframe.ms()).div_euclid(DAY_MS);
        let whole = (i64::from(warm_up_bars) * timeframe.ms()).rem_euclid(DAY_MS) == 0;
        let days = if whole { days } else { days + 1 };
        Self { block_ms: days * DAY_MS, warm_up_bars, cadence_bars }
    }

    /// The block a slot's bar opens in.
    pub const fn of(self, ts: SlotTs) -> i64 {
        ts.open_ms().div_euclid(self.block_ms)
    }

    /// Open time, milliseconds UTC, of the oldest bar a slot's features can depend on.
    pub const fn anchor_ms(self, ts: SlotTs) -> i64 {
        let start = (self.of(ts) - 1) * self.block_ms;
        if start < 0 { 0 } else { start }
    }

    /// Length of a block in milliseconds: whole UTC days.
    pub const fn block_ms(self) -> i64 {
        self.block_ms
    }
}

/// Whether a feature vector may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// It may.
    Ready,
    /// Fewer bars than the warm-up length since the anchor.
    NotEnoughBars,
    /// A hole among the last bars.
    CadenceFailed,
    /// A value is NaN or infinite.
    Invalid,
}

/// The features at one bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FeatureRow<V> {
    /// The vector.
    pub values: V,
    /// Whether it may be used.
    pub readiness: Readiness,
    /// Hash of its bits; `None` while there are not enough bars.
    pub hash: Option<u64>,
    /// What a model makes of it, in units of 1e-6; `None` for a rule without a model, and where the vector may not be used.
    pub score: Option<i64>,
}

/// One run of indicators from one anchor.
#[derive(Clone)]
struct Instance<S: Strategy> {
    features: S::Features,
    bars: u32,
    unbroken: u32,
    last: Option<SlotTs>,
}

impl<S: Strategy> Instance<S> {
    fn start(strategy: &S) -> Self {
        Self { features: strategy.features(), bars: 0, unbroken: 0, last: None }
    }

    fn update(&mut self, bar: &TimedBar) -> Values<S> {
        assert!(self.last.is_none_or(|last| last < bar.ts), "bars reach the features in order");
        let follows = self.last.is_none_or(|last| last.next() == bar.ts);
        self.unbroken = if follows { self.unbroken.saturating_add(1) } else { 1 };
        self.bars = self.bars.saturating_add(1);
        self.last = Some(bar.ts);
        self.features.update(&bar.bar)
    }

    fn answer(&mut self, strategy: &S, bar: &TimedBar, blocks: Blocks) -> FeatureRow<Values<S>> {
        let values = self.update(bar);
        if self.bars < blocks.warm_up_bars {
            let readiness = Readiness::NotEnoughBars;
            return FeatureRow { values, readiness, hash: None, score: None };
        }
        let finite = values.as_ref().iter().all(|value| value.is_finite());
        let readiness = if self.unbroken < blocks.cadence_bars {
            Readiness::CadenceFailed
        } else if finite {
            Readiness::Ready
        } else {
            Readiness::Invalid
        };
        let score = match readiness {
            Readiness::Ready => strategy.score(bar.ts, &values),
            Readiness::NotEnoughBars | Readiness::CadenceFailed | Readiness::Invalid => None,
        };
        FeatureRow { values, readiness, hash: Some(hash_values(values.as_ref())), score }
    }
}

/// xxh3-64 of the bit patterns, little endian; every NaN counts as the same one.
fn hash_values(values: &[f64]) -> u64 {
    // Rules have few values, and room that is not used costs time too.
    if values.len() <= FEW {
        hash_within::<{ FEW * 8 }>(values)
    } else {
        hash_within::<{ MANY * 8 }>(values)
    }
}

fn hash_within<const BYTES: usize>(values: &[f64]) -> u64 {
    let mut bytes = [0_u8; BYTES];
    assert!(values.len() * 8 <= BYTES, "a feature vector has at most {MANY} values");
    for (chunk, value) in bytes.chunks_exact_mut(8).zip(values) {
        let bits = if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() };
        chunk.copy_from_slice(&bits.to_le_bytes());
    }
    xxh3_64(&bytes[..values.len() * 8])
}

/// Features bar by bar, with at most two runs of indicators alive.
#[derive(Clone)]
pub struct Anchored<S: Strategy> {
    strategy: S,
    blocks: Blocks,
    block: i64,
    /// Open time at which the block is over; bars come in order, so a division per bar is saved.
    block_ends_ms: i64,
    answering: Instance<S>,
    following: Instance<S>,
}

impl<S: Strategy> Anchored<S> {
    /// No bar seen yet.
    pub fn new(strategy: S, blocks: Blocks) -> Self {
        let fresh = Instance::start(&strategy);
        Self {
            blocks,
            block: i64::MIN,
            block_ends_ms: i64::MIN,
            answering: fresh.clone(),
            following: fresh,
            strategy,
        }
    }

    /// Takes in the next bar and returns the features at its close.
    pub fn observe(&mut self, bar: &TimedBar) -> FeatureRow<Values<S>> {
        if bar.ts.open_ms() >= self.block_ends_ms {
            let block = self.blocks.of(bar.ts);
            let fresh = Instance::start(&self.strategy);
            let adjacent = self.block != i64::MIN && block == self.block + 1;
            let started_before = std::mem::replace(&mut self.following, fresh.clone());
            self.answering = if adjacent { started_before } else { fresh };
            self.block = block;
            self.block_ends_ms = (block + 1) * self.blocks.block_ms();
        }
        self.following.update(bar);
        self.answering.answer(&self.strategy, bar, self.blocks)
    }
}

/// The features of all bars of one block, given the bars of the block before: what [`Anchored`] answers there,
/// computed without the rest of history, so that blocks can be computed in parallel.
pub fn block_rows<S: Strategy>(
    strategy: &S,
    blocks: Blocks,
    before: &[TimedBar],
    block: &[TimedBar],
) -> Vec<FeatureRow<Values<S>>> {
    let mut instance = Instance::start(strategy);
    for bar in before {
        instance.update(bar);
    }
    block.iter().map(|bar| instance.answer(strategy, bar, blocks)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_the_smallest_number_of_days_that_holds_the_warm_up() {
        for (timeframe, warm_up, days) in [
            (Timeframe::M5, 201, 1),
            (Timeframe::M5, 288, 1),
            (Timeframe::M5, 289, 2),
            (Timeframe::M1, 201, 1),
            (Timeframe::H1, 201, 9),
            (Timeframe::D1, 5, 5),
        ] {
            let blocks = Blocks::new(timeframe, warm_up, 12.min(warm_up));
            assert_eq!(blocks.block_ms(), days * DAY_MS, "{timeframe} {warm_up}");
        }
    }

    #[test]
    fn the_anchor_is_the_start_of_the_block_before() {
        let blocks = Blocks::new(Timeframe::M5, 201, 12);
        let slot = Timeframe::M5.slot(10 * DAY_MS).unwrap();
        assert_eq!(blocks.anchor_ms(slot), 8 * DAY_MS, "this bar opened on day 9");
        assert_eq!(blocks.anchor_ms(slot.next()), 9 * DAY_MS);
    }
    #[test]
    fn a_hash_covers_every_value_and_does_not_depend_on_the_room() {
        let values: Vec<f64> = (0..MANY).map(|n| n as f64).collect();
        for many in 1..=MANY {
            let mut other = values.clone();
            other[many - 1] += 0.5;
            assert_ne!(hash_values(&values[..many]), hash_values(&other[..many]), "{many}");
        }
        let few = &values[..FEW];
        assert_eq!(hash_within::<{ FEW * 8 }>(few), hash_within::<{ MANY * 8 }>(few));
    }
}
