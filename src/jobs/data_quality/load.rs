//! The partitions of a series as they are, every row and every file that cannot be read; and what explains a gap.

use std::collections::BTreeSet;

use polars::prelude::DataFrame;
use rayon::prelude::*;

use super::{finding::Example, rows::FrameRows};
use crate::{
    domain::{
        decision::Degraded,
        ids::Tag,
        series::Series,
        time::{DAY_MS, SlotTs},
    },
    exit::Exit,
    jobs::context::{Context, Failure},
    session::record::RecordBytes,
    store::{
        error::StoreError,
        raw::{AsStored, RawStore, Revision},
        rows::decisions::DecisionLine,
    },
};

/// Days read before their rows are joined.
const DAYS_AT_ONCE: usize = 512;

/// The slots looked at; an end that is not set is where the stored bars end.
#[derive(Debug, Clone, Copy, Default)]
pub struct LoadScope {
    pub first: Option<SlotTs>,
    pub last: Option<SlotTs>,
}

impl LoadScope {
    fn has_day(self, day: i64) -> bool {
        self.first.is_none_or(|first| first.open_day() <= day)
            && self.last.is_none_or(|last| day <= last.open_day())
    }

    fn has(self, ts_ms: i64) -> bool {
        self.first.is_none_or(|first| first.ts_ms() <= ts_ms)
            && self.last.is_none_or(|last| ts_ms <= last.ts_ms())
    }
}

/// What the store holds of a series.
pub struct StoredRows {
    /// All rows in the order of days and files.
    pub frame: DataFrame,
    /// Files read.
    pub files: usize,
    /// Files and rows that cannot be read, or only here.
    pub unreadable: Vec<Example>,
}

/// Reads the partitions of a scope. What comes, goes or changes meanwhile is taken as it is found.
pub fn load(
    context: &Context<'_>,
    series: &Series,
    scope: LoadScope,
) -> Result<StoredRows, Failure> {
    let raw = RawStore::new(context.layout, context.disk, series);
    let days: Vec<i64> = raw.days()?.into_iter().filter(|day| scope.has_day(*day)).collect();
    let mut stored = Loading { scope, tf_ms: series.timeframe().ms(), ..Loading::default() };
    context.progress.begin(&format!("reading {series}"), days.len() as u64);
    for part in days.chunks(DAYS_AT_ONCE) {
        if let Some(signal) = context.stop.signal() {
            return Err(Failure::new(Exit::Signal(signal), "stopped while reading the bars"));
        }
        let read = |day: &i64| {
            let read = raw.day_as_stored(*day);
            context.progress.advance("");
            (*day, read)
        };
        let read: Vec<_> = part.par_iter().map(read).collect();
        for (day, read) in read {
            let file = context.shown(&context.layout.partition(series, day));
            match read {
                Ok(Some(partition)) => stored.push(day, &file, partition),
                Ok(None) => {}
                Err(error) => stored.refuse(Example::in_file(file, error.to_string())),
            }
        }
    }
    context.progress.end();
    let Loading { rows, files, unreadable, .. } = stored;
    Ok(StoredRows { frame: rows.into_frame()?, files, unreadable })
}

#[derive(Default)]
struct Loading {
    scope: LoadScope,
    tf_ms: i64,
    rows: FrameRows,
    files: usize,
    unreadable: Vec<Example>,
}

impl Loading {
    fn push(&mut self, day: i64, file: &str, partition: AsStored) {
        self.files += 1;
        let AsStored { rows, foreign } = partition;
        if let Some(reason) = foreign {
            self.unreadable.push(Example::in_file(file.to_owned(), reason));
        }
        let refused = rows.refused.into_iter().map(|refused| Example {
            ts_ms: None,
            file: Some(file.to_owned()),
            row: Some(refused.row),
            what: refused.reason,
        });
        self.unreadable.extend(refused);
        for row in &rows.rows {
            // A row that belongs to this day but not to the scope is nobody's business; one that belongs elsewhere is a finding.
            let is_own = row.ts_ms.saturating_sub(self.tf_ms).div_euclid(DAY_MS) == day;
            if !is_own || self.scope.has(row.ts_ms) {
                self.rows.push(day, row);
            }
        }
    }

    fn refuse(&mut self, example: Example) {
        self.files += 1;
        self.unreadable.push(example);
    }
}

/// Slots where we failed.
#[derive(Debug, Default)]
pub struct Evidence {
    /// LIVE could not fetch or store the bar, or was down.
    pub failed: BTreeSet<i64>,
    /// The bar was filled in later.
    pub filled: BTreeSet<i64>,
}

impl Evidence {
    /// Of the revision log alone.
    pub fn of(revisions: &[Revision]) -> Self {
        let filled = revisions.iter().filter(|revision| revision.old.is_none());
        let filled = filled.map(|revision| revision.ts.ts_ms()).collect();
        Self { failed: BTreeSet::new(), filled }
    }

    /// Adds what the ledger of a tag says; false when it has none.
    pub fn learn(
        &mut self,
        context: &Context<'_>,
        tag: &Tag,
        series: &Series,
    ) -> Result<bool, StoreError> {
        let (disk, layout) = (context.disk, context.layout);
        let Some(bytes) = RecordBytes::read(disk, layout, tag, series)? else { return Ok(false) };
        let record = bytes.parse(layout, tag, series)?;
        let ours = record.decisions.iter().filter(|line| match line.degraded() {
            Some(Degraded::FetchFailed | Degraded::PersistFailed | Degraded::Downtime) => true,
            Some(Degraded::BarMissing | Degraded::CatchupNoEntry) | None => false,
        });
        self.failed.extend(ours.map(DecisionLine::ts_ms));
        Ok(true)
    }
}
