//! The rows of many partitions as columns, and back.
//!
//! Careful: polars computes `column / number` as a product with the inverse, which is off by an ulp in one of eight
//! quotients. This job divides no float column; whole numbers are exact.

use polars::prelude::{Column, DataFrame, PolarsError, PolarsResult};

use crate::{
    domain::{
        bar::{Bar, TimedBar},
        time::Timeframe,
    },
    exit::Exit,
    jobs::context::Failure,
    store::archive::RawRow,
};

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
pub struct Entry {
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
pub fn entries(frame: &DataFrame, most: usize) -> PolarsResult<Vec<Entry>> {
    let (days, rows, times) =
        (frame.column("day")?.i64()?, frame.column("row")?.i64()?, frame.column("ts")?.i64()?);
    let [open, high, low, close, volume] = VALUES.map(|name| frame.column(name));
    let values = [open?.f64()?, high?.f64()?, low?.f64()?, close?.f64()?, volume?.f64()?];
    let entry = |n: usize| {
        Some(Entry {
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
pub fn bars_of(entries: &[Entry], timeframe: Timeframe) -> Vec<TimedBar> {
    let bar = |entry: &Entry| {
        let ts = timeframe.slot(entry.ts_ms).ok()?;
        Some(TimedBar { ts, bar: Bar::new(entry.values).ok()? })
    };
    entries.iter().filter_map(bar).collect()
}
