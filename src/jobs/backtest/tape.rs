//! The stored bars of a backtest, read day by day as the replay comes to them: what is kept of them does not grow with the years.

use crate::{
    domain::{
        bar::TimedBar,
        time::{SlotTs, UtcMs, Window},
    },
    engine::step::Core,
    jobs::sweep::plan::{BarsDigest, hashed_from_ms},
    store::{disk::Disk, error::StoreError, raw::RawStore},
    sweep::windows::Days,
};

/// Days read at once where the first bar of the window is looked for.
const DAYS_AT_ONCE: usize = 16;

/// The bars of a window, and before it those that features reach back to.
pub struct StoredTape<'d, D: Disk> {
    raw: RawStore<'d, D>,
    window: Window,
    /// Days with a partition that were not read yet, the last one first.
    days: Vec<i64>,
    /// The oldest bar that may be used.
    floor: Option<SlotTs>,
    /// The oldest bar that was read.
    oldest: Option<SlotTs>,
    /// Bars of the window that were read.
    inside: u64,
    digest: BarsDigest,
}

impl<'d, D: Disk> StoredTape<'d, D> {
    /// Before the first bar.
    pub fn new(
        raw: RawStore<'d, D>,
        core: &Core,
        window: Window,
        floor: Option<SlotTs>,
    ) -> Result<Self, StoreError> {
        let timeframe = window.first().timeframe();
        let blocks = core.blocks(timeframe);
        let anchor_ms = blocks.anchor_ms(window.first());
        let (first, last) = (UtcMs::EPOCH.plus_ms(anchor_ms).day(), window.last().open_day());
        let mut days = raw.days()?;
        days.retain(|day| (first..=last).contains(day));
        days.reverse();
        let digest = BarsDigest::from_ms(hashed_from_ms(&blocks, timeframe, days_of(window)));
        Ok(Self { raw, window, days, floor, oldest: None, inside: 0, digest })
    }

    /// The days of the window.
    pub fn days(&self) -> Days {
        days_of(self.window)
    }

    /// The bars up to the first one of the window, the rest of its days included.
    pub fn begin(&mut self) -> Result<Vec<TimedBar>, StoreError> {
        let mut bars = Vec::new();
        self.upto(self.window.first(), &mut bars)?;
        while self.inside == 0 && !self.days.is_empty() {
            self.read(DAYS_AT_ONCE.min(self.days.len()), &mut bars)?;
        }
        Ok(bars)
    }

    /// Adds the bars up to a slot, the rest of its day included.
    pub fn upto(&mut self, ts: SlotTs, bars: &mut Vec<TimedBar>) -> Result<(), StoreError> {
        let later = self.days.partition_point(|day| *day > ts.open_day());
        self.read(self.days.len() - later, bars)
    }

    fn read(&mut self, days: usize, bars: &mut Vec<TimedBar>) -> Result<(), StoreError> {
        let mut next = self.days.split_off(self.days.len() - days);
        next.reverse();
        let mut read = self.raw.load_days(&next)?;
        let (floor, last) = (self.floor, self.window.last());
        read.retain(|bar| bar.ts <= last && floor.is_none_or(|floor| floor <= bar.ts));
        for bar in &read {
            self.digest.add(bar);
        }
        self.oldest = self.oldest.or_else(|| read.first().map(|bar| bar.ts));
        self.inside += read.iter().filter(|bar| self.window.contains(bar.ts)).count() as u64;
        bars.append(&mut read);
        Ok(())
    }

    /// The oldest bar; the first slot of the window where there is none.
    pub fn oldest(&self) -> SlotTs {
        self.oldest.unwrap_or(self.window.first())
    }

    /// Bars of the window, as far as it was read.
    pub const fn inside(&self) -> u64 {
        self.inside
    }

    /// The hash of the bars that were read, as searches know them, and from which time on.
    pub fn hash(&self) -> (i64, String) {
        self.digest.hash()
    }
}

fn days_of(window: Window) -> Days {
    Days { first: window.first().open_day(), last: window.last().open_day() }
}
