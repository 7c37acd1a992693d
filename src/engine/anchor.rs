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
    #[inline]
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
    #[inline]
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

/// The features of consecutive blocks, row by row.
#[derive(Debug)]
pub struct RowsInOrder<'a> {
    blocks: std::slice::Iter<'a, FeatureRows>,
    /// What is left of the block at hand.
    heads: std::slice::Iter<'a, Head>,
    values: &'a [f64],
    width: usize,
}

impl<'a> RowsInOrder<'a> {
    /// Of all rows of these blocks.
    pub fn of(blocks: &'a [FeatureRows]) -> Self {
        Self { blocks: blocks.iter(), heads: [].iter(), values: &[], width: 0 }
    }
}

impl<'a> Iterator for RowsInOrder<'a> {
    type Item = FeatureRow<'a>;

    #[inline]
    fn next(&mut self) -> Option<FeatureRow<'a>> {
        loop {
            if let Some(head) = self.heads.next() {
                let (row, left) = self.values.split_at(self.width);
                self.values = left;
                return Some(head.with(row));
            }
            let FeatureRows { width, values, heads } = self.blocks.next()?;
            (self.width, self.values, self.heads) = (*width, values, heads.iter());
        }
    }
}

/// What is counted of the bars since an anchor.
#[derive(Debug, Clone, Copy)]
struct Count {
    bars: u32,
    unbroken: u32,
    /// The slot of the last one; before the first, the beginning of time.
    last_ms: i64,
}

impl Count {
    const NONE: Self = Self { bars: 0, unbroken: 0, last_ms: i64::MIN };

    #[inline]
    fn take(&mut self, ts: SlotTs) {
        assert!(self.last_ms < ts.ts_ms(), "bars reach the features in order");
        let follows = self.last_ms == ts.open_ms();
        self.unbroken = if follows { self.unbroken.saturating_add(1) } else { 1 };
        self.bars = self.bars.saturating_add(1);
        self.last_ms = ts.ts_ms();
    }

    /// What is counted of the first bars since an anchor. Of unbroken ones no more than `enough` are counted.
    fn of(bars: &[TimedBar], enough: u32) -> Self {
        let mut count = Self::NONE;
        let (mut unbroken, enough) = (1, enough.max(1) as usize);
        while unbroken < enough.min(bars.len()) {
            let [earlier, later] = [1, 0].map(|more| bars[bars.len() - unbroken - more].ts);
            if earlier.ts_ms() != later.open_ms() {
                break;
            }
            unbroken += 1;
        }
        for bar in &bars[bars.len().saturating_sub(unbroken)..] {
            count.take(bar.ts);
        }
        count.bars = u32::try_from(bars.len()).unwrap_or(u32::MAX);
        count
    }

    /// `values` are those of the vector, without what is worked out of them.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "it is the body of a loop")]
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
        Self { instance: strategy.features().start(), count: Count::NONE }
    }
}

/// xxh3-64 of the bit patterns, little endian. An unknown value is the one NaN already.
fn hash_values(values: &[f64]) -> u64 {
    /// For a vector of each of these lengths the hash is compiled for it.
    macro_rules! exactly {
        ($($many:literal)*) => {
            match values.len() {
                $($many => hash_exactly::<$many>(values),)*
                many => {
                    let mut room = [0.0; FEATURES_MAX];
                    room[..many].copy_from_slice(values);
                    xxh3_64(&bytes_of(&room).as_flattened()[..many * 8])
                }
            }
        };
    }
    exactly!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
}

fn hash_exactly<const MANY: usize>(values: &[f64]) -> u64 {
    let values: &[f64; MANY] = values.try_into().expect("so many values");
    xxh3_64(bytes_of(values).as_flattened())
}

#[inline]
fn bytes_of<const MANY: usize>(values: &[f64; MANY]) -> [[u8; 8]; MANY] {
    let mut bytes = [[0; 8]; MANY];
    for (bytes, value) in bytes.iter_mut().zip(values) {
        *bytes = value.to_bits().to_le_bytes();
    }
    bytes
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
    assert!(
        before.is_sorted_by(|a, b| a.ts.ts_ms() < b.ts.ts_ms()),
        "bars reach the features in order"
    );
    let (mut instance, mut count) =
        (strategy.features().start(), Count::of(before, blocks.cadence_bars));
    instance.pass(before);
    let (len, width) = (strategy.features().len(), strategy.features().width());
    let mut values = Vec::with_capacity(block.len() * width);
    instance.run(block, &mut values);
    let mut heads = Vec::with_capacity(block.len());
    let mut rest = values.as_slice();
    for bar in block {
        let (row, others) = rest.split_at(width);
        rest = others;
        count.take(bar.ts);
        heads.push(count.head(strategy, blocks, &row[..len], bar.ts));
    }
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
    fn a_hash_is_that_of_the_bytes_of_every_value() {
        let values: Vec<f64> = (0..FEATURES_MAX).map(|n| n as f64 + 0.5).collect();
        for many in 1..=FEATURES_MAX {
            let bytes: Vec<u8> =
                values[..many].iter().flat_map(|x| x.to_bits().to_le_bytes()).collect();
            assert_eq!(hash_values(&values[..many]), xxh3_64(&bytes), "{many}");
        }
    }
}
