//! The rows of many partitions as columns: faults of single rows, each a condition over the columns, and what is left in order.
//!
//! Careful: polars computes `column / number` as a product with the inverse, which is off by an ulp in one of eight
//! quotients. This job divides no float column; whole numbers are exact.

use std::collections::BTreeSet;

use polars::prelude::{
    BooleanChunked, ChunkCompareEq as _, ChunkCompareIneq as _, ChunkShift as _, Column, DataFrame,
    Float64Chunked, Int64Chunked, PolarsError, PolarsResult, SortMultipleOptions,
};
use rayon::prelude::*;

use super::report::{Example, QualityFinding};
use crate::{
    domain::{
        bar::{Bar, PRICE_MAX, PRICE_MIN, TimedBar, VOLUME_MAX},
        decision::Degraded,
        ids::Tag,
        series::Series,
        time::{DAY_MS, SlotTs, Timeframe, UtcMs},
    },
    exit::Exit,
    jobs::context::{Context, Failure},
    manifest::QualityCheck,
    session::record::RecordBytes,
    store::{
        archive::RawRow,
        error::StoreError,
        raw::{AsStored, RawStore, Revision},
        rows::decisions::DecisionLine,
    },
};

/// The columns of a frame by what they hold.
struct Columns<'a> {
    day: &'a Int64Chunked,
    ts: &'a Int64Chunked,
    values: [&'a Float64Chunked; 5],
}

impl<'a> Columns<'a> {
    fn of(frame: &'a DataFrame) -> PolarsResult<Self> {
        let [open, high, low, close, volume] = VALUES.map(|name| frame.column(name));
        Ok(Self {
            day: frame.column("day")?.i64()?,
            ts: frame.column("ts")?.i64()?,
            values: [open?.f64()?, high?.f64()?, low?.f64()?, close?.f64()?, volume?.f64()?],
        })
    }

    /// Every fault of a row by itself or with the row above it.
    fn faults(&self, timeframe: Timeframe) -> [(QualityCheck, BooleanChunked); 8] {
        let [open, high, low, close, volume] = self.values;
        let prices = [open, high, low, close];
        // A NaN compares as larger than every number, so it is not below infinity.
        let finite = all(self.values.map(|x| x.gt(f64::NEG_INFINITY) & x.lt(f64::INFINITY)));
        let too_small = any(prices.map(|price| price.gt(0.0) & price.lt(PRICE_MIN)));
        let too_large = any(prices.map(|price| price.gt(PRICE_MAX)));
        let enclosed = all([
            high.gt_eq(open),
            high.gt_eq(close),
            high.gt_eq(low),
            low.lt_eq(open),
            low.lt_eq(close),
        ]);
        let out_of_range = too_small | too_large | volume.gt(VOLUME_MAX);
        let disorder = self.ts.lt(&self.ts.shift(1)) & self.day.equal(&self.day.shift(1));
        let misaligned = self.misaligned(timeframe);
        let wrong_day = !&misaligned & self.wrong_day(timeframe);
        let of_numbers = |fault: BooleanChunked| &finite & &fault;
        [
            (QualityCheck::Misaligned, misaligned),
            (QualityCheck::Disorder, disorder),
            (QualityCheck::WrongDay, wrong_day),
            (QualityCheck::NotFinite, !&finite),
            (QualityCheck::NonPositive, of_numbers(any(prices.map(|x| x.lt_eq(0.0))))),
            (QualityCheck::NegativeVolume, of_numbers(volume.lt(0.0))),
            (QualityCheck::OutOfRange, of_numbers(out_of_range)),
            (QualityCheck::Ohlc, of_numbers(!enclosed)),
        ]
    }

    fn misaligned(&self, timeframe: Timeframe) -> BooleanChunked {
        let latest = UtcMs::EPOCH.plus_ms(i64::MAX).get();
        let off_grid = (self.ts % timeframe.ms()).not_equal(0);
        off_grid | self.ts.lt_eq(0) | self.ts.gt(latest)
    }

    /// Of rows on the grid, whose opens are not negative.
    fn wrong_day(&self, timeframe: Timeframe) -> BooleanChunked {
        let open = self.ts - timeframe.ms();
        let of_day = &open % DAY_MS;
        (&open - &of_day).not_equal(&(self.day * DAY_MS))
    }

    /// Which rows have the stamp of the row above them, and which of those have other values.
    fn repeated(&self) -> (BooleanChunked, BooleanChunked) {
        let again = self.ts.equal(&self.ts.shift(1));
        let differs = any(self.values.map(|x| x.not_equal(&x.shift(1))));
        let differing = &again & &differs;
        (again, differing)
    }
}

fn any<const N: usize>(of: [BooleanChunked; N]) -> BooleanChunked {
    of.into_iter().reduce(|a, b| a | b).expect("there is a condition")
}

fn all<const N: usize>(of: [BooleanChunked; N]) -> BooleanChunked {
    of.into_iter().reduce(|a, b| a & b).expect("there is a condition")
}

/// The rows of a series with the names of their files.
pub struct RowChecks<'a> {
    /// All rows, in the order of days and files.
    pub frame: &'a DataFrame,
    pub timeframe: Timeframe,
    /// Examples kept.
    pub most: usize,
    /// How people know the file of a day.
    pub file: Box<dyn Fn(i64) -> String + 'a>,
}

impl RowChecks<'_> {
    /// A finding per fault, those that were not found included.
    pub fn findings(&self) -> PolarsResult<Vec<QualityFinding>> {
        let mut findings = vec![self.duplicates()?];
        for (check, fault) in Columns::of(self.frame)?.faults(self.timeframe) {
            let found = self.frame.filter(&fault)?;
            let examples = entries(&found, self.most)?;
            let examples = examples.iter().map(|entry| self.example(entry, says(check, entry)));
            findings.push(QualityFinding::new(check, "rows", found.height() as u64, examples));
        }
        Ok(findings)
    }

    fn example(&self, entry: &FrameRow, what: String) -> Example {
        Example {
            ts_ms: Some(entry.ts_ms),
            file: Some((self.file)(entry.day)),
            row: Some(entry.row),
            what,
        }
    }

    fn duplicates(&self) -> PolarsResult<QualityFinding> {
        let sorted = by_time(self.frame)?;
        let (again, differing) = Columns::of(&sorted)?.repeated();
        let found = sorted.filter(&again)?;
        let differing = u64::from(differing.sum().unwrap_or(0));
        let examples = entries(&found, self.most)?;
        let says = "the stamp of another row".to_owned();
        let examples = examples.iter().map(|entry| self.example(entry, says.clone()));
        let count = found.height() as u64;
        let mut finding = QualityFinding::new(QualityCheck::Duplicates, "rows", count, examples);
        if count > 0 {
            finding.classes.insert("same-values", count - differing);
            finding.classes.insert("other-values", differing);
        }
        Ok(finding)
    }

    /// The rows on the grid and in the partition of their day, sorted, of several with one stamp the last; perhaps impossible bars.
    pub fn in_order(&self) -> PolarsResult<Vec<FrameRow>> {
        let sorted = by_time(self.frame)?;
        let columns = Columns::of(&sorted)?;
        let sound = !(columns.misaligned(self.timeframe) | columns.wrong_day(self.timeframe));
        let sound = sorted.filter(&sound)?;
        let ts = sound.column("ts")?.i64()?;
        let is_last: BooleanChunked =
            ts.iter().zip(ts.shift(-1).iter()).map(|(here, below)| Some(here != below)).collect();
        let unique = sound.filter(&is_last)?;
        entries(&unique, unique.height())
    }
}

/// Rows with one stamp stay in the order of their files.
fn by_time(frame: &DataFrame) -> PolarsResult<DataFrame> {
    frame.sort(["ts"], SortMultipleOptions::default().with_maintain_order(true))
}

fn says(check: QualityCheck, entry: &FrameRow) -> String {
    let [open, high, low, close, volume] = entry.values;
    match check {
        QualityCheck::Misaligned => "not on the grid".to_owned(),
        QualityCheck::Disorder => "earlier than the row above".to_owned(),
        QualityCheck::WrongDay => "opens on another day than its file".to_owned(),
        QualityCheck::NegativeVolume => format!("volume {volume}"),
        _ => format!("open {open} high {high} low {low} close {close} volume {volume}"),
    }
}

/// Names of the value columns.
pub const VALUES: [&str; 5] = ["open", "high", "low", "close", "volume"];

impl From<PolarsError> for Failure {
    fn from(error: PolarsError) -> Self {
        Self::new(Exit::Bug, format!("columns of bars: {error}"))
    }
}

/// Rows on their way to columns.
#[derive(Default)]
pub struct FrameRows {
    days: Vec<i64>,
    rows: Vec<i64>,
    times: Vec<i64>,
    values: [Vec<f64>; 5],
}

impl FrameRows {
    /// One row of the partition of a day.
    pub fn push(&mut self, day: i64, row: &RawRow) {
        self.days.push(day);
        self.rows.push(i64::try_from(row.row).unwrap_or(i64::MAX));
        self.times.push(row.ts_ms);
        self.values.iter_mut().zip(row.values).for_each(|(column, value)| column.push(value));
    }

    /// Columns `day` (days since 1970), `row` (from 1), `ts` (close, milliseconds) and the five values.
    pub fn into_frame(self) -> PolarsResult<DataFrame> {
        let mut columns = vec![
            Column::new("day".into(), self.days),
            Column::new("row".into(), self.rows),
            Column::new("ts".into(), self.times),
        ];
        let values = VALUES.iter().zip(self.values);
        columns.extend(values.map(|(name, values)| Column::new((*name).into(), values)));
        DataFrame::new_infer_height(columns)
    }
}

/// A row of a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrameRow {
    /// Day of the partition.
    pub day: i64,
    /// Row in its file, from 1.
    pub row: u64,
    /// What it says about its close.
    pub ts_ms: i64,
    /// What it says about its values.
    pub values: [f64; 5],
}

/// The first `most` rows.
pub fn entries(frame: &DataFrame, most: usize) -> PolarsResult<Vec<FrameRow>> {
    let (days, rows, times) =
        (frame.column("day")?.i64()?, frame.column("row")?.i64()?, frame.column("ts")?.i64()?);
    let [open, high, low, close, volume] = VALUES.map(|name| frame.column(name));
    let values = [open?.f64()?, high?.f64()?, low?.f64()?, close?.f64()?, volume?.f64()?];
    let entry = |n: usize| {
        Some(FrameRow {
            day: days.get(n)?,
            row: rows.get(n)?.unsigned_abs(),
            ts_ms: times.get(n)?,
            values: [
                values[0].get(n)?,
                values[1].get(n)?,
                values[2].get(n)?,
                values[3].get(n)?,
                values[4].get(n)?,
            ],
        })
    };
    Ok((0..frame.height().min(most)).filter_map(entry).collect())
}

/// The bars among the rows of a frame that is sorted: what any other job would accept.
pub fn bars_of(entries: &[FrameRow], timeframe: Timeframe) -> Vec<TimedBar> {
    let bar = |entry: &FrameRow| {
        let ts = timeframe.slot(entry.ts_ms).ok()?;
        Some(TimedBar { ts, bar: Bar::new(entry.values).ok()? })
    };
    entries.iter().filter_map(bar).collect()
}

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
