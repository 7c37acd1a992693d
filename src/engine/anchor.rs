//! Anchored features: a value depends only on the bars since a deterministic anchor, never on where a process started.
//!
//! Time is cut into blocks aligned to the UTC epoch. A bar in block k is answered by indicators that started
//! fresh at the beginning of block k-1.

use xxhash_rust::xxh3::xxh3_64;

use super::strategy::Strategy;
use crate::{
    domain::{
        bar::TimedBar,
        time::{DAY_MS, SlotTs, Timeframe},
    },
    language::{FEATURES_MAX, Instance},
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

    /// Whether features may be used after so many bars since the anchor, the last `unbroken` of them without a hole.
    pub const fn readiness(self, bars: u32, unbroken: u32) -> Readiness {
        if bars < self.warm_up_bars {
            Readiness::NotEnoughBars
        } else if unbroken < self.cadence_bars {
            Readiness::CadenceFailed
        } else {
            Readiness::Ready
        }
    }

    /// Length of a block in milliseconds: whole UTC days.
    pub const fn block_ms(self) -> i64 {
        self.block_ms
    }
}

/// Whether a feature vector may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// It may. Single values may still be unknown: what that means is the business of the rules that read them.
    Ready,
    /// Fewer bars than the warm-up length since the anchor.
    NotEnoughBars,
    /// A hole among the last bars.
    CadenceFailed,
}

/// The features at one bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FeatureRow<'a> {
    /// The vector, and behind it what the rules work out of it. An unknown value is the one NaN.
    pub values: &'a [f64],
    /// Whether it may be used.
    pub readiness: Readiness,
    /// Hash of its bits; `None` while there are not enough bars.
    pub hash: Option<u64>,
    /// What a model makes of it, in units of 1e-6; `None` for rules without a model, and where the vector may not be used.
    pub score: Option<i64>,
}

/// All of a row but its values.
#[derive(Debug, Clone, Copy)]
struct Head {
    readiness: Readiness,
    hash: Option<u64>,
    score: Option<i64>,
}

impl Head {
    const fn with(self, values: &[f64]) -> FeatureRow<'_> {
        let Self { readiness, hash, score } = self;
        FeatureRow { values, readiness, hash, score }
    }
}

/// The features at consecutive bars, their values in one piece.
#[derive(Debug, Default)]
pub struct FeatureRows {
    width: usize,
    values: Vec<f64>,
    heads: Vec<Head>,
}

impl FeatureRows {
    /// Rows that are all ready and know nothing but their values, `width` of them each.
    pub fn ready(width: usize, values: Vec<f64>) -> Self {
        let head = Head { readiness: Readiness::Ready, hash: None, score: None };
        let heads = vec![head; values.len() / width];
        Self { width, values, heads }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// The features at the bar of a place.
    ///
    /// # Panics
    /// Behind the last one.
    pub fn at(&self, place: usize) -> FeatureRow<'_> {
        self.heads[place].with(&self.values[place * self.width..(place + 1) * self.width])
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = FeatureRow<'_>> {
        (0..self.len()).map(|place| self.at(place))
    }

    /// Puts the rows of consecutive blocks behind each other.
    pub fn joined(blocks: Vec<Self>) -> Self {
        let mut blocks = blocks.into_iter();
        let mut all = blocks.next().unwrap_or_default();
        for block in blocks {
            assert!(block.is_empty() || all.is_empty() || block.width == all.width, "one strategy");
            all.width = all.width.max(block.width);
            all.values.extend(block.values);
            all.heads.extend(block.heads);
        }
        all
    }
}

/// What is counted of the bars since an anchor.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    bars: u32,
    unbroken: u32,
    last: Option<SlotTs>,
}

impl Count {
    fn take(&mut self, ts: SlotTs) {
        assert!(self.last.is_none_or(|last| last < ts), "bars reach the features in order");
        let follows = self.last.is_none_or(|last| last.next() == ts);
        self.unbroken = if follows { self.unbroken.saturating_add(1) } else { 1 };
        self.bars = self.bars.saturating_add(1);
        self.last = Some(ts);
    }

    /// `values` are those of the vector, without what is worked out of them.
    fn head(self, strategy: &Strategy, blocks: Blocks, values: &[f64], ts: SlotTs) -> Head {
        let readiness = blocks.readiness(self.bars, self.unbroken);
        let hash = (readiness != Readiness::NotEnoughBars).then(|| hash_values(values));
        let ready = readiness == Readiness::Ready;
        let score = ready.then(|| strategy.score(ts, values)).flatten();
        Head { readiness, hash, score }
    }
}

/// One run of indicators from one anchor.
#[derive(Debug, Clone)]
struct Run {
    instance: Instance,
    count: Count,
}

impl Run {
    fn start(strategy: &Strategy) -> Self {
        Self { instance: strategy.features().start(), count: Count::default() }
    }
}

/// xxh3-64 of the bit patterns, little endian. An unknown value is the one NaN already.
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
        chunk.copy_from_slice(&value.to_bits().to_le_bytes());
    }
    xxh3_64(&bytes[..values.len() * 8])
}

/// Features bar by bar, with at most two runs of indicators alive.
#[derive(Debug, Clone)]
pub struct Anchored {
    strategy: Strategy,
    blocks: Blocks,
    block: i64,
    /// Open time at which the block is over; bars come in order, so a division per bar is saved.
    block_ends_ms: i64,
    answering: Run,
    following: Run,
    /// The values at the last bar.
    values: Vec<f64>,
}

impl Anchored {
    /// No bar seen yet.
    pub fn new(strategy: Strategy, blocks: Blocks) -> Self {
        let fresh = Run::start(&strategy);
        Self {
            blocks,
            block: i64::MIN,
            block_ends_ms: i64::MIN,
            answering: fresh.clone(),
            following: fresh,
            values: vec![f64::NAN; strategy.features().width()],
            strategy,
        }
    }

    /// Takes in the next bar and returns the features at its close.
    pub fn observe(&mut self, bar: &TimedBar) -> FeatureRow<'_> {
        if bar.ts.open_ms() >= self.block_ends_ms {
            let block = self.blocks.of(bar.ts);
            let fresh = Run::start(&self.strategy);
            let adjacent = self.block != i64::MIN && block == self.block + 1;
            let started_before = std::mem::replace(&mut self.following, fresh.clone());
            self.answering = if adjacent { started_before } else { fresh };
            self.block = block;
            self.block_ends_ms = (block + 1) * self.blocks.block_ms();
        }
        self.following.count.take(bar.ts);
        self.following.instance.pass(std::slice::from_ref(bar));
        let Run { instance, count } = &mut self.answering;
        count.take(bar.ts);
        instance.update(bar, &mut self.values);
        let vector = &self.values[..self.strategy.features().len()];
        count.head(&self.strategy, self.blocks, vector, bar.ts).with(&self.values)
    }
}

/// The features of all bars of one block, given the bars of the block before: what [`Anchored`] answers there,
/// computed without the rest of history, so that blocks can be computed in parallel.
pub fn block_rows(
    strategy: &Strategy,
    blocks: Blocks,
    before: &[TimedBar],
    block: &[TimedBar],
) -> FeatureRows {
    let Run { mut instance, mut count } = Run::start(strategy);
    for bar in before {
        count.take(bar.ts);
    }
    instance.pass(before);
    let (len, width) = (strategy.features().len(), strategy.features().width());
    let mut values = Vec::with_capacity(block.len() * width);
    instance.run(block, &mut values);
    let heads = block.iter().enumerate().map(|(place, bar)| {
        count.take(bar.ts);
        count.head(strategy, blocks, &values[place * width..][..len], bar.ts)
    });
    let heads = heads.collect();
    FeatureRows { width, values, heads }
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
