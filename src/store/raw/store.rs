//! The bars of one series: which days are there, and loading them.

use std::{
    path::{Path, PathBuf},
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
        archive::{self, ArchiveRows, RawRow, ReadOptions},
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
    pub(super) span: DaySpan,
    /// The day written last with its bars, which the next slot of a loop adds to.
    pub(super) newest: Option<(i64, Vec<TimedBar>)>,
    /// A sync failed: what is on disk is unknown, and nothing is written any more.
    pub(super) poisoned: Option<String>,
}

/// The days between which partitions lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum DaySpan {
    /// The folder was not listed since the lock was taken, or since a write failed.
    #[default]
    Unlisted,
    /// There is no partition.
    Empty,
    /// The oldest and the newest day that have one.
    Days(i64, i64),
}

impl DaySpan {
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
        self.load_days(&self.days_between(first, last)?)
    }

    /// All bars that open on some sorted days, in order.
    pub fn load_days(&self, days: &[i64]) -> Result<Vec<TimedBar>, StoreError> {
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
        health.span = DaySpan::Unlisted;
        health.newest = None;
        Ok(removed)
    }
}

/// The rows of a partition, unchecked, and why no other job could read the file, if none could.
#[derive(Debug, Clone, PartialEq)]
pub struct AsStored {
    /// The rows in the order of the file, and those whose fields cannot be read.
    pub rows: ArchiveRows,
    /// Why the file is not laid out as a partition must be; its rows were read all the same.
    pub foreign: Option<String>,
}

impl<D: Disk> RawStore<'_, D> {
    /// One day as it is stored; `None` when it has no partition, perhaps no longer.
    pub fn day_as_stored(&self, day: i64) -> Result<Option<AsStored>, StoreError> {
        let path = self.layout.partition(&self.series, day);
        let Some(bytes) = self.disk.read(&path)? else { return Ok(None) };
        decode_as_stored(bytes, &self.series, &path).map(Some)
    }
}

/// A file without any row that can be read is an error, everything else is told in the result.
fn decode_as_stored(bytes: Vec<u8>, series: &Series, path: &Path) -> Result<AsStored, StoreError> {
    // Reading a damaged file twice is rare, reading a good one is a hot path: so the copy is made of the file as it is packed.
    let packed = bytes.clone();
    let foreign = match codec::decode_columns(bytes) {
        Ok(columns) => {
            let value = |n: usize| columns.values.each_ref().map(|column| column[n]);
            let row = |(n, ts_ms): (usize, &i64)| RawRow {
                row: n as u64 + 1,
                ts_ms: *ts_ms,
                values: value(n),
            };
            let rows = columns.times.iter().enumerate().map(row).collect();
            return Ok(AsStored { rows: ArchiveRows { rows, refused: Vec::new() }, foreign: None });
        }
        Err(reason) => reason,
    };
    let options = ReadOptions::new(series.timeframe());
    match archive::parse_rows(packed, path, &options) {
        Ok(rows) => Ok(AsStored { rows, foreign: Some(foreign) }),
        Err(_) => Err(StoreError::damaged(path, 0, foreign)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{
            bar::{Bar, TimedBar},
            time::Timeframe,
        },
        store::raw::encode,
    };

    fn series() -> Series {
        Series::new("demo".parse().unwrap(), "BTC/USD".parse().unwrap(), Timeframe::M5)
    }

    fn file(days: i64) -> Vec<u8> {
        let bar = Bar::new([1.0, 3.0, 0.5, 2.0, 0.25]).unwrap();
        let bars: Vec<_> = (1..=288 * days)
            .map(|n| TimedBar { ts: Timeframe::M5.slot(n * 300_000).unwrap(), bar })
            .collect();
        encode(&bars)
    }

    #[test]
    fn a_sound_partition_comes_back_row_by_row() {
        let read = decode_as_stored(file(1), &series(), Path::new("p")).unwrap();
        assert_eq!((read.rows.rows.len(), read.rows.refused.len(), read.foreign), (288, 0, None));
        let last = RawRow { row: 288, ts_ms: 86_400_000, values: [1.0, 3.0, 0.5, 2.0, 0.25] };
        assert_eq!(read.rows.rows[287], last);
    }

    #[test]
    fn a_file_too_long_for_a_day_is_foreign_and_its_rows_are_read() {
        let read = decode_as_stored(file(6), &series(), Path::new("p")).unwrap();
        let foreign = read.foreign.unwrap();
        assert!(foreign.contains("1728 rows, but a day has at most 1440"), "{foreign}");
        assert_eq!((read.rows.rows.len(), read.rows.rows[1727].ts_ms), (1728, 1728 * 300_000));
    }

    #[test]
    fn a_torn_file_is_an_error() {
        let mut bytes = file(1);
        bytes.truncate(bytes.len() / 2);
        let error = decode_as_stored(bytes, &series(), Path::new("p.parquet")).unwrap_err();
        assert!(error.to_string().starts_with("p.parquet: "), "{error}");
    }
}
