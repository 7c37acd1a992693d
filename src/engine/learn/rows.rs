//! The rows that a model is fitted on, and walking forward through them: training, validation and test without leaks.

use std::ops::Range;

use thiserror::Error;

use super::label::{Class, Label};
use crate::{
    domain::{bar::TimedBar, time::SlotTs},
    engine::anchor::{FeatureRows, Readiness},
    setting::words,
};

/// Rows in the order of their slots.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TrainRows {
    width: usize,
    slots: Vec<SlotTs>,
    ends: Vec<SlotTs>,
    classes: Vec<Class>,
    inputs: Vec<f64>,
    places: Vec<usize>,
}

impl TrainRows {
    /// The rows of `bars`, whose features are `features`, one for each bar. `label` answers for a bar by its place; a bar without an
    /// answer, and one whose features are not ready or not known, gives no row. Of a feature vector the first `width` values are inputs.
    pub fn collect(
        bars: &[TimedBar],
        features: &FeatureRows,
        width: usize,
        mut label: impl FnMut(usize, &[f64]) -> Option<Label>,
    ) -> Self {
        assert_eq!(bars.len(), features.len(), "every bar has its features");
        let mut rows = Self { width, ..Self::default() };
        for (place, row) in features.iter().enumerate() {
            let inputs = &row.values[..width];
            let is_known = inputs.iter().all(|value| value.is_finite());
            if row.readiness != Readiness::Ready || !is_known {
                continue;
            }
            let Some(label) = label(place, row.values) else { continue };
            rows.slots.push(bars[place].ts);
            rows.ends.push(label.end);
            rows.classes.push(label.class);
            rows.inputs.extend_from_slice(inputs);
            rows.places.push(place);
        }
        rows
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Inputs of each row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The inputs of one row.
    pub fn inputs(&self, row: usize) -> &[f64] {
        &self.inputs[row * self.width..(row + 1) * self.width]
    }

    /// Close of the bar each row was made at.
    pub fn slots(&self) -> &[SlotTs] {
        &self.slots
    }

    /// The last slot each label depends on.
    pub fn ends(&self) -> &[SlotTs] {
        &self.ends
    }

    /// Where the price went after each row.
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// The place of each row's bar among the bars.
    pub fn places(&self) -> &[usize] {
        &self.places
    }

    /// How many of some rows are of each class.
    pub fn counts(&self, of: &[usize]) -> [usize; 3] {
        let mut counts = [0; 3];
        for row in of {
            counts[self.classes[*row].place()] += 1;
        }
        counts
    }
}

/// Fewest rows of a part that anything can be learned or said from.
pub const PART_ROWS_MIN: usize = 50;

words! {
    /// What the training window does from fold to fold.
    FoldGrowth {
        /// It begins at the first row and grows.
        Expanding = "expanding",
        /// It keeps its length and moves.
        Rolling = "rolling",
    }
}

/// How the rows are cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FoldSettings {
    /// How many test windows, of equal length, one after another.
    pub folds: u32,
    /// Part of all slots before the first test window, more than 0 and less than 1.
    pub train_min: f64,
    /// Part of a training window that is kept back at its end for validation, more than 0 and less than 1.
    pub validation: f64,
    /// Slots between the last slot a label depends on and the next part.
    pub embargo: u32,
    /// What the training window does.
    pub growth: FoldGrowth,
}

/// Three windows of slots, each without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoldWindows {
    /// What weights are fitted on.
    pub train: Range<i64>,
    /// What ends the fitting and chooses thresholds.
    pub validation: Range<i64>,
    /// What nothing is chosen by. Empty for the model that is fitted last.
    pub test: Range<i64>,
}

/// The rows of a fold, purged: no label of one part reaches the next one, nor the embargo before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoldRows {
    /// Places of the training rows.
    pub train: Vec<usize>,
    /// Places of the validation rows.
    pub validation: Vec<usize>,
    /// Places of the test rows.
    pub test: Vec<usize>,
}

/// Why rows cannot be cut.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CutError {
    /// A part would hold too little.
    #[error(
        "the {part} part of {fold} would have {rows} rows, at least {PART_ROWS_MIN} are needed: take more bars, fewer folds, or a shorter embargo"
    )]
    TooFew {
        /// Which fold.
        fold: String,
        /// Which part of it.
        part: &'static str,
        /// Rows it would have.
        rows: usize,
    },
    /// Rows are missing altogether.
    #[error("no slot has ready features and a whole label window")]
    NoRows,
}

/// Number of a slot on its grid.
pub const fn number(slot: SlotTs) -> i64 {
    slot.ts_ms() / slot.timeframe().ms()
}

impl FoldSettings {
    /// The folds of rows, oldest test window first.
    pub fn folds(&self, rows: &TrainRows) -> Result<Vec<FoldWindows>, CutError> {
        let (first, end) = span(rows)?;
        let most = ((end - first) as f64 * self.train_min) as i64;
        let count = i64::from(self.folds.max(1));
        let test_starts = |n: i64| first + most + (end - first - most) * n / count;
        let fold = |n: i64| {
            let test = test_starts(n)..test_starts(n + 1);
            let start = match self.growth {
                FoldGrowth::Expanding => first,
                FoldGrowth::Rolling => test.start - most,
            };
            let (train, validation) = self.kept_back(start..test.start);
            FoldWindows { train, validation, test }
        };
        Ok((0..count).map(fold).collect())
    }

    /// The fold of the model that is fitted last: everything, with the last part kept back.
    pub fn last(&self, rows: &TrainRows) -> Result<FoldWindows, CutError> {
        let (first, end) = span(rows)?;
        let (train, validation) = self.kept_back(first..end);
        Ok(FoldWindows { train, validation, test: end..end })
    }

    fn kept_back(&self, window: Range<i64>) -> (Range<i64>, Range<i64>) {
        let kept = ((window.end - window.start) as f64 * self.validation) as i64;
        let split = window.end - kept;
        (window.start..split, split..window.end)
    }

    /// The rows of a fold. Its name is for the error.
    pub fn parts(
        &self,
        rows: &TrainRows,
        fold: &FoldWindows,
        name: &str,
    ) -> Result<FoldRows, CutError> {
        let embargo = i64::from(self.embargo);
        let within = |window: &Range<i64>, next: Option<i64>| -> Vec<usize> {
            let ends_in_time =
                |row: &usize| next.is_none_or(|next| number(rows.ends()[*row]) + embargo < next);
            let start = rows.slots().partition_point(|slot| number(*slot) < window.start);
            let end = rows.slots().partition_point(|slot| number(*slot) < window.end);
            (start..end).filter(ends_in_time).collect()
        };
        let is_last = fold.test.is_empty();
        let parts = FoldRows {
            train: within(&fold.train, Some(fold.validation.start)),
            validation: within(&fold.validation, (!is_last).then_some(fold.test.start)),
            test: within(&fold.test, None),
        };
        let mut wanted =
            vec![("training", parts.train.len()), ("validation", parts.validation.len())];
        if !is_last {
            wanted.push(("test", parts.test.len()));
        }
        if let Some((part, rows)) = wanted.into_iter().find(|(_, rows)| *rows < PART_ROWS_MIN) {
            return Err(CutError::TooFew { fold: name.to_owned(), part, rows });
        }
        parts.assert_apart(rows, embargo);
        Ok(parts)
    }
}

fn span(rows: &TrainRows) -> Result<(i64, i64), CutError> {
    let (Some(first), Some(last)) = (rows.slots().first(), rows.slots().last()) else {
        return Err(CutError::NoRows);
    };
    Ok((number(*first), number(*last) + 1))
}

impl FoldRows {
    /// No label of a part ends in the embargo before a later part, or behind it.
    fn assert_apart(&self, rows: &TrainRows, embargo: i64) {
        let last_end = |part: &[usize]| part.iter().map(|row| number(rows.ends()[*row])).max();
        let first = |part: &[usize]| part.first().map(|row| number(rows.slots()[*row]));
        for (earlier, later) in [
            (&self.train, &self.validation),
            (&self.train, &self.test),
            (&self.validation, &self.test),
        ] {
            if let (Some(end), Some(start)) = (last_end(earlier), first(later)) {
                assert!(end + embargo < start, "no label reaches into a later part");
            }
        }
    }
}
