//! The partitions of a series as they are: every row a column entry, every file that cannot be read an example.

use polars::prelude::DataFrame;
use rayon::prelude::*;

use super::{finding::Example, frame::FrameRows};
use crate::{
    domain::{
        series::Series,
        time::{DAY_MS, SlotTs},
    },
    exit::Exit,
    jobs::context::{Context, Failure},
    store::raw::{AsStored, RawStore},
};

/// Days read before their rows are joined.
const DAYS_AT_ONCE: usize = 512;

/// The slots looked at; an end that is not set is where the stored bars end.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scope {
    /// The first slot.
    pub first: Option<SlotTs>,
    /// The last slot.
    pub last: Option<SlotTs>,
}

impl Scope {
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
pub struct Stored {
    /// All rows in the order of days and files.
    pub frame: DataFrame,
    /// Files read.
    pub files: usize,
    /// Files and rows that cannot be read, or only here.
    pub unreadable: Vec<Example>,
}

/// Reads the partitions of a scope. What comes, goes or changes meanwhile is taken as it is found.
pub fn load(context: &Context<'_>, series: &Series, scope: Scope) -> Result<Stored, Failure> {
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
    Ok(Stored { frame: rows.into_frame()?, files, unreadable })
}

#[derive(Default)]
struct Loading {
    scope: Scope,
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
