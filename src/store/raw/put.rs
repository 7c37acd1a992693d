//! Merging closed bars into the partitions: the last value wins, and what it replaces is in the revision log before it is gone.

use std::{collections::BTreeMap, sync::PoisonError};

use super::{
    codec,
    revisions::{REVISIONS_HEADER, Revision, push_revision},
    store::{DaySpan, Health, RawStore},
};
use crate::{
    domain::{
        bar::{ClosedBar, TimedBar},
        time::{SlotTs, UtcMs},
    },
    store::{
        disk::{Disk, DiskOp},
        error::StoreError,
        ledger::{self, LedgerContent},
    },
};

/// What a call to [`RawStore::put`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PutReport {
    /// Bars that were not there before.
    pub written: usize,
    /// Of these, bars that filled a hole inside what was stored.
    pub filled: usize,
    /// Bars whose value changed.
    pub replaced: usize,
    /// Bars that were there already, value for value.
    pub unchanged: usize,
    /// Partitions that were rewritten.
    pub days: usize,
}

/// The merge of some bars into one partition, worked out before anything is written.
struct Merge {
    bars: Vec<TimedBar>,
    revisions: Vec<Revision>,
    report: PutReport,
}

impl<D: Disk> RawStore<'_, D> {
    /// Stores closed bars seen at `seen_at`; of several with one stamp the last wins. On return they are durable.
    /// The caller holds the writer lock and has called [`RawStore::prepare`]. After a failed sync every later call is refused.
    pub fn put(&self, bars: &[ClosedBar], seen_at: UtcMs) -> Result<PutReport, StoreError> {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = &health.poisoned {
            return Err(StoreError::Poisoned { path: self.dir(), reason: reason.clone() });
        }
        let done = self.merge_all(bars, seen_at, &mut health);
        if let Err(StoreError::Disk(error)) = &done
            && matches!(error.op, DiskOp::Sync | DiskOp::SyncDir)
        {
            health.poisoned = Some(error.to_string());
        }
        done
    }

    fn merge_all(
        &self,
        bars: &[ClosedBar],
        seen_at: UtcMs,
        health: &mut Health,
    ) -> Result<PutReport, StoreError> {
        if health.is_unfinished {
            self.finish(health)?;
            health.is_unfinished = false;
        }
        // A write that fails leaves nothing known: what it did is looked at, not guessed.
        let mut newest = health.newest.take();
        let mut span = match std::mem::take(&mut health.span) {
            DaySpan::Unlisted => DaySpan::of(&self.days()?),
            known @ (DaySpan::Empty | DaySpan::Days(..)) => known,
        };
        let mut report = PutReport::default();
        let mut log = Vec::new();
        let mut changed = Vec::new();
        for (day, offered) in self.by_day(bars) {
            let inside = |stored: &[TimedBar], ts| lies_inside(span, day, stored, ts);
            let stored = match newest.take_if(|(known, _)| *known == day) {
                Some((_, bars)) => bars,
                None => self.load_day(day)?,
            };
            let merge = merge(&stored, &offered, seen_at, inside);
            report.written += merge.report.written;
            report.filled += merge.report.filled;
            report.replaced += merge.report.replaced;
            report.unchanged += merge.report.unchanged;
            merge.revisions.iter().for_each(|revision| push_revision(&mut log, revision));
            if merge.report.written + merge.report.replaced > 0 {
                changed.push((day, codec::encode(&merge.bars)));
            }
            newest = Some((day, merge.bars));
        }
        report.days = changed.len();
        if !log.is_empty() {
            self.log_revisions(&log, seen_at)?;
            health.is_unfinished = true;
        }
        for (day, bytes) in &changed {
            let staged = self.disk.stage(&self.layout.partition(&self.series, *day), bytes)?;
            self.disk.settle(staged)?;
            span = span.with(*day);
            health.is_unsettled = true;
        }
        if health.is_unsettled {
            self.disk.sync_dir(&self.dir())?;
            health.is_unsettled = false;
        }
        health.is_unfinished = false;
        (health.span, health.newest) = (span, newest);
        Ok(report)
    }

    /// Puts the revisions into their partitions that the last write to the log has and that a crash, or a disk that refused, kept out:
    /// they were seen and written down. Else the venue's next answer would be written down as the same revision again.
    fn finish(&self, health: &mut Health) -> Result<(), StoreError> {
        // Made durable before it is trusted: a power cut must not take back why a partition changed.
        ledger::inspect(self.disk, &self.layout.revisions(&self.series), REVISIONS_HEADER)?;
        let log = self.revisions()?;
        let Some(last) = log.last() else { return Ok(()) };
        let batch = log.iter().rev().take_while(|revision| revision.seen_at == last.seen_at);
        let mut by_day: BTreeMap<i64, BTreeMap<SlotTs, &Revision>> = BTreeMap::new();
        for revision in batch {
            let day = by_day.entry(revision.ts.open_day()).or_default();
            day.entry(revision.ts).or_insert(revision);
        }
        for (day, revisions) in by_day {
            let mut bars: BTreeMap<SlotTs, TimedBar> =
                self.load_day(day)?.into_iter().map(|bar| (bar.ts, bar)).collect();
            let mut is_changed = false;
            for (ts, revision) in revisions {
                if bars.get(&ts).map(|bar| bar.bar) == revision.old {
                    bars.insert(ts, TimedBar { ts, bar: revision.new });
                    is_changed = revision.old != Some(revision.new) || is_changed;
                }
            }
            if is_changed {
                let bars: Vec<TimedBar> = bars.into_values().collect();
                let path = self.layout.partition(&self.series, day);
                let staged = self.disk.stage(&path, &codec::encode(&bars))?;
                self.disk.settle(staged)?;
                health.is_unsettled = true;
            }
        }
        Ok(())
    }

    fn by_day(&self, bars: &[ClosedBar]) -> BTreeMap<i64, BTreeMap<SlotTs, TimedBar>> {
        let mut by_day: BTreeMap<i64, BTreeMap<SlotTs, TimedBar>> = BTreeMap::new();
        let timeframe = self.series.timeframe();
        for bar in bars {
            assert_eq!(bar.ts().timeframe(), timeframe, "a bar is of the series' timeframe");
            by_day.entry(bar.ts().open_day()).or_default().insert(bar.ts(), bar.get());
        }
        by_day
    }

    fn log_revisions(&self, rows: &[u8], seen_at: UtcMs) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let path = self.layout.revisions(&self.series);
        let inspection = ledger::inspect(self.disk, &path, REVISIONS_HEADER)?;
        if let LedgerContent::Present { torn, whole: _ } = inspection.found()
            && !torn.is_empty()
        {
            tracing::warn!(path = %path.display(), bytes = torn.len(), "cutting a torn tail");
        }
        let quarantine = self.layout.quarantine(&path, seen_at);
        let (mut log, _) = ledger::open(self.disk, &inspection, &quarantine)?;
        log.append(rows, true)
    }
}

fn merge(
    stored: &[TimedBar],
    offered: &BTreeMap<SlotTs, TimedBar>,
    seen_at: UtcMs,
    lies_inside: impl Fn(&[TimedBar], SlotTs) -> bool,
) -> Merge {
    let mut merged: BTreeMap<SlotTs, TimedBar> = stored.iter().map(|bar| (bar.ts, *bar)).collect();
    let mut report = PutReport::default();
    let mut revisions = Vec::new();
    for (ts, new) in offered {
        let old = merged.insert(*ts, *new).map(|bar| bar.bar);
        let inside = lies_inside(stored, *ts);
        let is_revision = match old {
            Some(old) if old == new.bar => {
                report.unchanged += 1;
                false
            }
            Some(_) => {
                report.replaced += 1;
                true
            }
            None => {
                report.written += 1;
                report.filled += usize::from(inside);
                inside
            }
        };
        if is_revision {
            revisions.push(Revision { ts: *ts, old, new: new.bar, seen_at });
        }
    }
    Merge { bars: merged.into_values().collect(), revisions, report }
}

/// Whether a slot of `day` lies strictly between the oldest and the newest stored bar. Only the partition of `day` must be known for it.
fn lies_inside(span: DaySpan, day: i64, stored: &[TimedBar], ts: SlotTs) -> bool {
    let DaySpan::Days(first, last) = span else { return false };
    (day > first || (day == first && stored.first().is_some_and(|bar| bar.ts < ts)))
        && (day < last || (day == last && stored.last().is_some_and(|bar| ts < bar.ts)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;
    use crate::{
        domain::{
            bar::Bar,
            series::Series,
            time::{Timeframe, Window},
        },
        store::{
            disk::RealDisk,
            layout::{Layout, partition_day},
        },
    };

    struct Bench {
        _temp: TempDir,
        layout: Layout,
        disk: RealDisk,
        series: Series,
    }

    impl Bench {
        fn new() -> Self {
            let temp = tempfile::tempdir().unwrap();
            let layout = Layout::new(temp.path());
            let disk = RealDisk::new(layout.data());
            let symbol = "BTC/USDT".parse().unwrap();
            let series = Series::new("binance".parse().unwrap(), symbol, Timeframe::H4);
            let bench = Self { _temp: temp, layout, disk, series };
            bench.store().prepare().unwrap();
            bench
        }

        fn store(&self) -> RawStore<'_, RealDisk> {
            RawStore::new(&self.layout, &self.disk, &self.series)
        }

        fn put(&self, bars: &[(i64, f64)], seen_at: i64) -> PutReport {
            let bars: Vec<_> = bars.iter().map(|(n, close)| bar(*n, *close)).collect();
            self.store().put(&bars, UtcMs::new(seen_at).unwrap()).unwrap()
        }

        fn files(&self) -> Vec<(String, Vec<u8>)> {
            let dir = self.store().dir();
            let names = self.disk.list(&dir).unwrap();
            let parquet = names.into_iter().filter(|name| partition_day(name).is_some());
            parquet.map(|n| (n.clone(), self.disk.read(&dir.join(n)).unwrap().unwrap())).collect()
        }
    }

    fn bar(n: i64, close: f64) -> ClosedBar {
        let ts = Timeframe::H4.slot_of_open(n * Timeframe::H4.ms()).unwrap();
        let bar = Bar::new([close, close, close, close, 1.0]).unwrap();
        ClosedBar::archived(TimedBar { ts, bar })
    }

    #[test]
    fn c9_appends_and_prepends_are_no_revisions_but_changes_and_filled_holes_are() {
        let bench = Bench::new();
        let fresh = bench.put(&[(100, 1.0), (101, 2.0), (104, 5.0)], 1);
        assert_eq!(fresh, PutReport { written: 3, days: 2, ..PutReport::default() });
        assert_eq!(bench.put(&[(98, 9.0), (105, 6.0)], 2).written, 2);
        assert!(bench.store().revisions().unwrap().is_empty());
        let report = bench.put(&[(101, 2.0), (104, 5.5), (102, 3.0)], 3);
        assert_eq!((report.unchanged, report.replaced, report.filled, report.days), (1, 1, 1, 1));
        let revisions = bench.store().revisions().unwrap();
        let seen: Vec<_> = revisions
            .iter()
            .map(|r| (r.ts, r.old.map(|b| b.close()), r.new.close(), r.seen_at.get()))
            .collect();
        let ts = |n| bar(n, 1.0).ts();
        assert_eq!(seen, [(ts(102), None, 3.0, 3), (ts(104), Some(5.0), 5.5, 3)]);
    }

    #[test]
    fn a_partition_that_does_not_change_is_not_rewritten() {
        let bench = Bench::new();
        bench.put(&[(100, 1.0)], 1);
        let path = bench.layout.partition(&bench.series, 16);
        let before = std::fs::metadata(&path).unwrap().modified().unwrap();
        let report = bench.put(&[(100, 7.0), (100, 1.0)], 2);
        assert_eq!(report, PutReport { unchanged: 1, ..PutReport::default() });
        assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), before);
    }

    #[test]
    fn windows_and_days_select_what_they_name() {
        let bench = Bench::new();
        bench.put(&[(5, 1.0), (6, 2.0), (7, 3.0), (13, 4.0)], 1);
        let store = bench.store();
        assert_eq!(store.days().unwrap(), [0, 1, 2]);
        assert_eq!(store.load(1, 1).unwrap().len(), 2);
        assert_eq!(store.load_all().unwrap().len(), 4);
        assert_eq!(store.oldest().unwrap().unwrap().ts, bar(5, 1.0).ts());
        assert_eq!(store.newest().unwrap().unwrap().ts, bar(13, 1.0).ts());
        let window = Window::new(bar(6, 1.0).ts(), bar(12, 1.0).ts()).unwrap();
        let closes: Vec<_> =
            store.load_window(window).unwrap().iter().map(|b| b.bar.close()).collect();
        assert_eq!(closes, [2.0, 3.0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn any_split_of_any_order_gives_the_same_bytes(
            (bars, shuffled) in prop::collection::vec((1_i64..60, 1_u8..4), 1..60).prop_flat_map(|bars| {
                let mut unique: Vec<(i64, f64)> = bars.into_iter().map(|(n, c)| (n, f64::from(c))).collect();
                unique.sort_by_key(|bar| bar.0);
                unique.dedup_by_key(|bar| bar.0);
                let doubled = [unique.clone(), unique.clone()].concat();
                (Just(unique), Just(doubled).prop_shuffle())
            }),
            size in 1_usize..50,
        ) {
            let (whole, split) = (Bench::new(), Bench::new());
            whole.put(&bars, 1);
            for part in shuffled.chunks(size) {
                split.put(part, 1);
            }
            prop_assert_eq!(whole.files(), split.files());
        }
    }
}
