//! The stored bars that a proof used, as a digest. What nothing has touched since it was digested is not read again.

use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        bar::{TimedBar, hash_bars},
        series::Series,
        time::{SlotTs, UtcMs},
    },
    store::{
        digest::{FileStamp, RunningDigest},
        disk::Disk,
        error::StoreError,
        layout::Layout,
        raw::RawStore,
    },
};

/// Whole days whose files are left alone, as they were digested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettledDays {
    /// The first day behind them.
    end: i64,
    /// Unfinished sha256 of their files.
    content: String,
    /// sha256 of their stamps.
    stamps: String,
}

/// Where bars are stored, and when the proof began that uses them.
#[derive(Debug)]
pub struct DigestedBars<'a, D: Disk> {
    pub disk: &'a D,
    pub layout: &'a Layout,
    pub series: &'a Series,
    /// Before anything was read.
    pub now: UtcMs,
}

/// A digest of stored bars, from some day on.
#[derive(Debug, Clone)]
pub struct StoredBars {
    /// The first day that is read each time.
    day: i64,
    /// Of the days before.
    content: RunningDigest,
    stamps: RunningDigest,
    /// Whether a whole day was changed since the proof began.
    is_moving: bool,
}

impl StoredBars {
    /// Before the first day.
    pub fn from(day: i64) -> Self {
        Self {
            day,
            content: RunningDigest::default(),
            stamps: RunningDigest::default(),
            is_moving: false,
        }
    }

    /// Behind the days that an earlier proof digested from `first` on, where their files have the same stamps. They are not behind `last`.
    pub fn behind<D: Disk>(
        bars: &DigestedBars<'_, D>,
        (first, last): (i64, i64),
        settled: &SettledDays,
    ) -> Option<Self> {
        if settled.end < first || last < settled.end {
            return None;
        }
        let mut stored = Self::from(first);
        for day in first..settled.end {
            let stamp = bars.disk.stamp(&bars.layout.partition(bars.series, day))?;
            add_stamp(&mut stored.stamps, &stamp);
        }
        if stored.stamps.digest() != settled.stamps {
            return None;
        }
        stored.content = RunningDigest::resume(&settled.content)?;
        stored.day = settled.end;
        Some(stored)
    }

    /// sha256 of the bars that rows up to `last` can depend on: of whole days the files, of the last day the bars.
    pub fn digest<D: Disk>(
        &mut self,
        bars: &DigestedBars<'_, D>,
        last: SlotTs,
    ) -> Result<String, StoreError> {
        let DigestedBars { disk, layout, series, now } = *bars;
        let mut all = self.content.clone();
        let mut is_settled = true;
        for day in self.day..last.open_day() {
            let path = layout.partition(series, day);
            // Looked at before it is read: what is written meanwhile has another stamp.
            let stamp = disk.stamp(&path);
            let bytes = disk.read(&path)?.unwrap_or_default();
            all.add(&day.to_le_bytes());
            all.add(&bytes.len().to_le_bytes());
            all.add(&bytes);
            self.is_moving |= stamp.is_some_and(|stamp| stamp.is_newer(now));
            let settled = stamp.filter(|stamp| is_settled && stamp.is_settled(now));
            is_settled = settled.is_some();
            if let Some(stamp) = settled {
                add_stamp(&mut self.stamps, &stamp);
                self.day = day + 1;
                self.content = all.clone();
            }
        }
        let stored = RawStore::new(layout, disk, series).load_day(last.open_day())?;
        let known: Vec<TimedBar> = stored.into_iter().filter(|bar| bar.ts <= last).collect();
        all.add(&hash_bars(&known).to_le_bytes());
        Ok(all.digest())
    }

    /// Whether a whole day was changed since the proof began, so that it may have used other bars than were digested.
    pub const fn is_moving(&self) -> bool {
        self.is_moving
    }

    /// What the next proof need not read.
    pub fn settled(&self) -> SettledDays {
        SettledDays { end: self.day, content: self.content.save(), stamps: self.stamps.digest() }
    }
}

fn add_stamp(all: &mut RunningDigest, stamp: &FileStamp) {
    all.add(&serde_json::to_vec(stamp).expect("plain values serialise"));
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File},
        io::{Seek as _, SeekFrom, Write as _},
        path::Path,
    };

    use super::*;
    use crate::{
        domain::{
            bar::ClosedBar,
            time::{Timeframe, Window},
        },
        exchange::feed,
        store::disk::RealDisk,
    };

    const LATE_MS: i64 = 7_000_000_000_000;

    /// Writes one byte of a file where it is, and puts back when it was written.
    fn edit(path: &Path, at: u64, byte: u8) {
        let mut file = File::options().write(true).open(path).unwrap();
        let written = file.metadata().unwrap().modified().unwrap();
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(&[byte]).unwrap();
        file.set_modified(written).unwrap();
        assert_eq!(file.metadata().unwrap().modified().unwrap(), written);
    }

    /// Four days of hourly bars, and the last of them.
    fn place(root: &Path) -> (Layout, RealDisk, Series, SlotTs) {
        let layout = Layout::new(root);
        let symbol = "BTC/USD".parse().unwrap();
        let series = Series::new("demo".parse().unwrap(), symbol, Timeframe::H1);
        let disk = RealDisk::new(layout.data());
        let first = Timeframe::H1.slot(3_600_000).unwrap();
        let last = first.plus(90);
        let all = feed::seeded_bars(7, Window::new(first, last).unwrap());
        let bars: Vec<ClosedBar> = all.into_iter().map(ClosedBar::archived).collect();
        let raw = RawStore::new(&layout, &disk, &series);
        raw.prepare().unwrap();
        raw.put(&bars, UtcMs::EPOCH).unwrap();
        (layout, disk, series, last)
    }

    fn later(of: &(Layout, RealDisk, Series, SlotTs)) -> DigestedBars<'_, RealDisk> {
        let now = UtcMs::new(LATE_MS).unwrap();
        DigestedBars { disk: &of.1, layout: &of.0, series: &of.2, now }
    }

    #[test]
    fn days_that_nothing_touched_are_not_read_again_and_lead_to_the_same_digest() {
        let temp = tempfile::tempdir().unwrap();
        let place = place(temp.path());
        let (bars, last) = (later(&place), place.3);
        let mut whole = StoredBars::from(0);
        let digest = whole.digest(&bars, last).unwrap();
        let settled = whole.settled();
        assert_eq!((settled.end, whole.is_moving()), (3, false));
        let mut again = StoredBars::behind(&bars, (0, 3), &settled).unwrap();
        assert_eq!(again.digest(&bars, last).unwrap(), digest);
        assert_eq!(again.settled(), settled);
        // Had it read them, what is written down would not matter.
        let wrong = SettledDays { content: RunningDigest::default().save(), ..settled.clone() };
        let mut wrong = StoredBars::behind(&bars, (0, 3), &wrong).unwrap();
        assert_ne!(wrong.digest(&bars, last).unwrap(), digest);
        // Fewer rows, and from another day on, it says nothing.
        assert!(StoredBars::behind(&bars, (0, 2), &settled).is_none());
        assert!(StoredBars::behind(&bars, (1, 3), &settled).is_none());
        // Day by day it comes to the same.
        let mut stepwise = StoredBars::from(0);
        stepwise.digest(&bars, last.plus(-48)).unwrap();
        assert_eq!(stepwise.settled().end, 1);
        assert_eq!(stepwise.digest(&bars, last).unwrap(), digest);
    }

    #[test]
    fn an_edit_of_a_day_that_keeps_length_and_time_of_writing_is_found() {
        let temp = tempfile::tempdir().unwrap();
        let place = place(temp.path());
        let (bars, last) = (later(&place), place.3);
        let mut whole = StoredBars::from(0);
        let digest = whole.digest(&bars, last).unwrap();
        let day = place.0.partition(&place.2, 1);
        let byte = fs::read(&day).unwrap()[20];
        edit(&day, 20, !byte);
        assert!(StoredBars::behind(&bars, (0, 3), &whole.settled()).is_none());
        let mut edited = StoredBars::from(0);
        assert_ne!(edited.digest(&bars, last).unwrap(), digest);
        // Touched, but the same again: it is read, and fits.
        edit(&day, 20, byte);
        assert!(StoredBars::behind(&bars, (0, 3), &whole.settled()).is_none());
        assert_eq!(StoredBars::from(0).digest(&bars, last).unwrap(), digest);
    }

    #[test]
    fn a_day_that_is_young_is_read_each_time() {
        let temp = tempfile::tempdir().unwrap();
        let place = place(temp.path());
        let bars = DigestedBars { now: UtcMs::EPOCH, ..later(&place) };
        let mut young = StoredBars::from(0);
        young.digest(&bars, place.3).unwrap();
        assert_eq!((young.settled().end, young.is_moving()), (0, true));
    }
}
