//! The bars of one series: which days are there, and loading them.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use rayon::prelude::*;

use super::{
    codec,
    revisions::{Revision, parse_revisions},
};
use crate::{
    domain::{bar::TimedBar, series::Series, time::Window},
    store::{
        disk::Disk,
        error::StoreError,
        layout::{Layout, partition_day},
    },
};

/// Days decoded before their bars are joined: enough for every core, little memory on top of the result.
const DAYS_AT_ONCE: usize = 512;
/// So few days are looked for one by one: the folder, which grows with the years, is not listed for them.
const DAYS_FEW: i64 = 16;

/// The stored bars of one series.
#[derive(Debug)]
pub struct RawStore<'d, D: Disk> {
    pub(super) layout: &'d Layout,
    pub(super) disk: &'d D,
    pub(super) series: Series,
    pub(super) health: Mutex<Health>,
}

/// What earlier writes left behind.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// A partition has its new name, but the folder is not synced yet.
    pub(super) is_unsettled: bool,
    /// The log may have revisions that no partition has: an earlier write ended between the two.
    pub(super) is_unfinished: bool,
    /// Which days have a partition, as far as this writer knows. Nobody else adds one while it holds the lock.
    pub(super) span: Span,
    /// The day written last with its bars, which the next slot of a loop adds to.
    pub(super) newest: Option<(i64, Vec<TimedBar>)>,
    /// A sync failed: what is on disk is unknown, and nothing is written any more.
    pub(super) poisoned: Option<String>,
}

/// The days between which partitions lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Span {
    /// The folder was not listed since the lock was taken, or since a write failed.
    #[default]
    Unlisted,
    /// There is no partition.
    Empty,
    /// The oldest and the newest day that have one.
    Days(i64, i64),
}

impl Span {
    /// What a folder with partitions of these sorted days spans.
    pub(super) fn of(days: &[i64]) -> Self {
        match (days.first(), days.last()) {
            (Some(first), Some(last)) => Self::Days(*first, *last),
            (None, _) | (_, None) => Self::Empty,
        }
    }

    /// The same, with a partition of `day` beside what is there.
    pub(super) fn with(self, day: i64) -> Self {
        match self {
            Self::Unlisted => Self::Unlisted,
            Self::Empty => Self::Days(day, day),
            Self::Days(first, last) => Self::Days(first.min(day), last.max(day)),
        }
    }
}

impl<'d, D: Disk> RawStore<'d, D> {
    /// The store of `series`. Nothing is read or created.
    pub fn new(layout: &'d Layout, disk: &'d D, series: &Series) -> Self {
        Self { layout, disk, series: series.clone(), health: Mutex::default() }
    }

    pub fn series(&self) -> &Series {
        &self.series
    }

    /// The folder of its partitions.
    pub fn dir(&self) -> PathBuf {
        self.layout.raw_dir(&self.series)
    }

    /// The days (of the bars' open, since 1970) that have a partition, sorted.
    pub fn days(&self) -> Result<Vec<i64>, StoreError> {
        let names = self.disk.list(&self.dir())?;
        // Sorted names are sorted days: the date is written largest part first.
        Ok(names.iter().filter_map(|name| partition_day(name)).collect())
    }

    /// One day; empty when it has no partition.
    pub fn load_day(&self, day: i64) -> Result<Vec<TimedBar>, StoreError> {
        let path = self.layout.partition(&self.series, day);
        match self.disk.read(&path)? {
            Some(bytes) => codec::decode(bytes, &self.series, day, &path),
            None => Ok(Vec::new()),
        }
    }

    /// All bars that open on the days `first ..= last`, in order.
    pub fn load(&self, first: i64, last: i64) -> Result<Vec<TimedBar>, StoreError> {
        let days = self.days_between(first, last)?;
        let mut bars = Vec::new();
        for part in days.chunks(DAYS_AT_ONCE) {
            let loaded: Result<Vec<_>, StoreError> =
                part.par_iter().map(|day| self.load_day(*day)).collect();
            let loaded = loaded?;
            if bars.is_empty() {
                let per_day = loaded.iter().map(Vec::len).max().unwrap_or(0);
                bars.reserve_exact(per_day.saturating_mul(days.len()));
            }
            for day in &loaded {
                bars.extend_from_slice(day);
            }
        }
        Ok(bars)
    }

    /// The days `first ..= last`: of many only those that have a partition.
    fn days_between(&self, first: i64, last: i64) -> Result<Vec<i64>, StoreError> {
        if last.saturating_sub(first) < DAYS_FEW {
            return Ok((first..=last).collect());
        }
        let mut days = self.days()?;
        days.retain(|day| (first..=last).contains(day));
        Ok(days)
    }

    pub fn load_all(&self) -> Result<Vec<TimedBar>, StoreError> {
        self.load(i64::MIN, i64::MAX)
    }

    /// The bars that close inside the window.
    pub fn load_window(&self, window: Window) -> Result<Vec<TimedBar>, StoreError> {
        let mut bars = self.load(window.first().open_day(), window.last().open_day())?;
        let end = bars.partition_point(|bar| bar.ts.ts_ms() <= window.last().ts_ms());
        bars.truncate(end);
        let start = bars.partition_point(|bar| bar.ts.ts_ms() < window.first().ts_ms());
        bars.drain(..start);
        Ok(bars)
    }

    /// The newest stored bar.
    pub fn newest(&self) -> Result<Option<TimedBar>, StoreError> {
        self.days()?.last().map_or(Ok(None), |day| Ok(self.load_day(*day)?.last().copied()))
    }

    /// The oldest stored bar.
    pub fn oldest(&self) -> Result<Option<TimedBar>, StoreError> {
        self.days()?.first().map_or(Ok(None), |day| Ok(self.load_day(*day)?.first().copied()))
    }

    /// What was ever replaced or filled in, in the order it happened.
    pub fn revisions(&self) -> Result<Vec<Revision>, StoreError> {
        let path = self.layout.revisions(&self.series);
        match self.disk.read(&path)? {
            Some(bytes) => parse_revisions(&bytes, self.series.timeframe(), &path),
            None => Ok(Vec::new()),
        }
    }

    /// Creates the folder and removes what a crash left unfinished in it. Only whoever holds the writer lock may call this.
    pub fn prepare(&self) -> Result<usize, StoreError> {
        self.disk.create_dir_all(&self.dir())?;
        let removed = self.disk.clean_temps(&self.dir())?;
        // A partition may have got its name just before its writer died. Nothing is trusted that a power cut could take back.
        self.disk.sync_dir(&self.dir())?;
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        // It may also have died between the log and the partitions: the first write looks.
        health.is_unfinished = true;
        health.span = Span::Unlisted;
        health.newest = None;
        Ok(removed)
    }
}
