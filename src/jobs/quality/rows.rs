//! Faults of single rows, each a condition over the columns, and what is left when they are put in order.

use polars::prelude::{
    BooleanChunked, ChunkCompareEq as _, ChunkCompareIneq as _, ChunkShift as _, DataFrame,
    Float64Chunked, Int64Chunked, PolarsResult, SortMultipleOptions,
};

use super::{
    finding::{Example, Finding},
    frame::{Entry, VALUES, entries},
};
use crate::{
    domain::{
        bar::{PRICE_MAX, PRICE_MIN, VOLUME_MAX},
        time::{DAY_MS, Timeframe, UtcMs},
    },
    manifest::QualityCheck,
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
    /// The grid.
    pub timeframe: Timeframe,
    /// Examples kept.
    pub most: usize,
    /// How people know the file of a day.
    pub file: Box<dyn Fn(i64) -> String + 'a>,
}

impl RowChecks<'_> {
    /// A finding per fault, those that were not found included.
    pub fn findings(&self) -> PolarsResult<Vec<Finding>> {
        let mut findings = vec![self.duplicates()?];
        for (check, fault) in Columns::of(self.frame)?.faults(self.timeframe) {
            let found = self.frame.filter(&fault)?;
            let examples = entries(&found, self.most)?;
            let examples = examples.iter().map(|entry| self.example(entry, says(check, entry)));
            findings.push(Finding::new(check, "rows", found.height() as u64, examples));
        }
        Ok(findings)
    }

    fn example(&self, entry: &Entry, what: String) -> Example {
        Example {
            ts_ms: Some(entry.ts_ms),
            file: Some((self.file)(entry.day)),
            row: Some(entry.row),
            what,
        }
    }

    fn duplicates(&self) -> PolarsResult<Finding> {
        let sorted = by_time(self.frame)?;
        let (again, differing) = Columns::of(&sorted)?.repeated();
        let found = sorted.filter(&again)?;
        let differing = u64::from(differing.sum().unwrap_or(0));
        let examples = entries(&found, self.most)?;
        let says = "the stamp of another row".to_owned();
        let examples = examples.iter().map(|entry| self.example(entry, says.clone()));
        let count = found.height() as u64;
        let mut finding = Finding::new(QualityCheck::Duplicates, "rows", count, examples);
        if count > 0 {
            finding.classes.insert("same-values", count - differing);
            finding.classes.insert("other-values", differing);
        }
        Ok(finding)
    }

    /// The rows on the grid and in the partition of their day, sorted, of several with one stamp the last; perhaps impossible bars.
    pub fn in_order(&self) -> PolarsResult<Vec<Entry>> {
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

fn says(check: QualityCheck, entry: &Entry) -> String {
    let [open, high, low, close, volume] = entry.values;
    match check {
        QualityCheck::Misaligned => "not on the grid".to_owned(),
        QualityCheck::Disorder => "earlier than the row above".to_owned(),
        QualityCheck::WrongDay => "opens on another day than its file".to_owned(),
        QualityCheck::NegativeVolume => format!("volume {volume}"),
        _ => format!("open {open} high {high} low {low} close {close} volume {volume}"),
    }
}
