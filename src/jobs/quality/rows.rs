//! Faults of single rows, each a condition over the columns, and what is left when they are put in order.

use polars::prelude::{
    DataFrame, Expr, IntoLazy as _, PolarsResult, SortMultipleOptions, col, lit,
};

use super::{
    finding::{Example, Finding},
    frame::{Entry, VALUES, entries},
};
use crate::{
    domain::time::{DAY_MS, Timeframe, UtcMs},
    manifest::QualityCheck,
};

/// Every fault of a row by itself or with the row above it.
fn faults(timeframe: Timeframe) -> [(QualityCheck, Expr); 8] {
    let [open, high, low, close, volume] = VALUES.map(col);
    let finite = all(VALUES.map(|name| col(name).is_finite()));
    let prices = || [open.clone(), high.clone(), low.clone(), close.clone()];
    let too_small = prices().map(|price| price.clone().gt(lit(0.0)).and(price.lt(lit(1e-8))));
    let too_large = prices().map(|price| price.gt(lit(1e12)));
    let out_of_range = any(too_small).or(any(too_large)).or(volume.clone().gt(lit(1e18)));
    let enclosed = all([
        high.clone().gt_eq(open.clone()),
        high.clone().gt_eq(close.clone()),
        high.clone().gt_eq(low.clone()),
        low.clone().lt_eq(open.clone()),
        low.clone().lt_eq(close.clone()),
    ]);
    let above = |name: &str| col(name).shift(lit(1));
    let disorder = col("ts").lt(above("ts")).and(col("day").eq(above("day")));
    // A NaN compares as larger than every number here, so what is not finite is told apart first.
    let of_numbers = |fault: Expr| finite.clone().and(fault);
    [
        (QualityCheck::Misaligned, misaligned(timeframe)),
        (QualityCheck::Disorder, disorder),
        (QualityCheck::WrongDay, misaligned(timeframe).not().and(wrong_day(timeframe))),
        (QualityCheck::NotFinite, finite.clone().not()),
        (QualityCheck::NonPositive, of_numbers(any(prices().map(|x| x.lt_eq(lit(0.0)))))),
        (QualityCheck::NegativeVolume, of_numbers(volume.lt(lit(0.0)))),
        (QualityCheck::OutOfRange, of_numbers(out_of_range)),
        (QualityCheck::Ohlc, of_numbers(enclosed.not())),
    ]
}

fn any<const N: usize>(of: [Expr; N]) -> Expr {
    of.into_iter().fold(lit(false), Expr::or)
}

fn all<const N: usize>(of: [Expr; N]) -> Expr {
    of.into_iter().fold(lit(true), Expr::and)
}

fn misaligned(timeframe: Timeframe) -> Expr {
    let latest = UtcMs::EPOCH.plus_ms(i64::MAX).get();
    let off_grid = (col("ts") % lit(timeframe.ms())).neq(lit(0_i64));
    off_grid.or(col("ts").lt_eq(lit(0_i64))).or(col("ts").gt(lit(latest)))
}

/// Of rows on the grid, whose opens are not negative.
fn wrong_day(timeframe: Timeframe) -> Expr {
    let open = || col("ts") - lit(timeframe.ms());
    (open() - open() % lit(DAY_MS)).neq(col("day") * lit(DAY_MS))
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
        for (check, fault) in faults(self.timeframe) {
            let found = self.frame.clone().lazy().filter(fault).collect()?;
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
        let above = |name: &str| col(name).shift(lit(1));
        let differs = any(VALUES.map(|name| col(name).neq(above(name))));
        let again = col("ts").eq(above("ts"));
        let sorted = by_time(self.frame)?.lazy();
        let found = sorted.clone().filter(again.clone()).collect()?;
        let differing = sorted.filter(again.and(differs)).collect()?.height() as u64;
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
        let sound = misaligned(self.timeframe).or(wrong_day(self.timeframe)).not();
        let below = col("ts").shift(lit(-1));
        let sorted = by_time(self.frame)?.lazy().filter(sound).collect()?;
        let is_last = col("ts").neq(below).fill_null(lit(true));
        let unique = sorted.lazy().filter(is_last).collect()?;
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
