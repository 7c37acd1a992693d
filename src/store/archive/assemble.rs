//! From rows in any order to bars: sorted, unique, the row that was written last wins, holes and refusals named.

use super::{
    distance,
    read::ReadOptions,
    row::RowFields,
    stamp::{StampKind, StampMeaning},
    twice::{self, RowLabels, StampPair},
    when::instant,
};
use crate::domain::{
    bar::{Bar, TimedBar},
    time::SlotTs,
};

/// A row that is not a bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRow {
    /// Line of a text file, row of a table; from 1.
    pub row: u64,
    pub reason: String,
}

/// A row as it is in a file: nothing about it is checked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RawRow {
    /// Row of the table, from 1.
    pub row: u64,
    /// Close of the bar, milliseconds; perhaps not on the grid.
    pub ts_ms: i64,
    /// `[open, high, low, close, volume]`; perhaps impossible.
    pub values: [f64; 5],
}

/// The rows of a file in the order of the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ArchiveRows {
    /// Those with fields that can be read.
    pub rows: Vec<RawRow>,
    /// The others.
    pub refused: Vec<RefusedRow>,
}

/// Slots without a bar between two bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveGap {
    /// The first slot that is missing.
    pub first: SlotTs,
    /// How many are missing in a row.
    pub slots: i64,
}

/// How the rows of a file follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowOrder {
    /// Oldest first.
    Ascending,
    /// Newest first.
    Descending,
    Mixed,
}

/// Two rows with one stamp and different values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conflict {
    /// Their stamp.
    pub ts: SlotTs,
    /// The row that was taken, and its values.
    pub kept: (u64, Bar),
    /// The row that gave way, and its values.
    pub lost: (u64, Bar),
}

impl Archive {
    /// Whether the bars go on better when open and close change places: then the columns are in another order than was thought.
    pub(super) fn is_turned_round(&self) -> bool {
        let mut jumps = [0.0, 0.0];
        for pair in self.bars.windows(2).filter(|pair| pair[0].ts.next() == pair[1].ts) {
            let (one, next) = (pair[0].bar, pair[1].bar);
            jumps[0] += (next.open() - one.close()).abs();
            jumps[1] += (next.close() - one.open()).abs();
        }
        jumps[1] < jumps[0]
    }
}

impl Conflict {
    /// Whether the row that was taken can be the same bar, seen later.
    pub(super) fn is_growth(&self) -> bool {
        let (now, before) = (self.kept.1, self.lost.1);
        now.open() == before.open()
            && now.high() >= before.high()
            && now.low() <= before.low()
            && now.volume() >= before.volume()
    }
}

/// What a file of others holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Archive {
    /// The bars, sorted and unique.
    pub bars: Vec<TimedBar>,
    /// Rows read, the refused ones included.
    pub read: u64,
    /// Rows that gave way to another row with the same stamp.
    pub duplicates: u64,
    /// Those of them with other values than the row that won.
    pub conflicts: Vec<Conflict>,
    /// Rows that are not bars.
    pub refused: Vec<RefusedRow>,
    /// Holes between the bars.
    pub gaps: Vec<ArchiveGap>,
    /// How the rows followed each other.
    pub order: RowOrder,
    /// What had to be assumed.
    pub warnings: Vec<String>,
}

/// A bar and the row it comes from.
#[derive(Debug, Clone, Copy)]
struct Found {
    row: u64,
    bar: TimedBar,
    label: u16,
}

/// Takes in rows one by one.
#[derive(Debug)]
pub(super) struct Assembler<'a> {
    options: &'a ReadOptions,
    meaning: StampMeaning,
    found: Vec<Found>,
    /// When the bars of all rows with a possible time close, in the order of the file.
    closes: Vec<i64>,
    refused: Vec<RefusedRow>,
    read: u64,
    naive: u64,
    exact: u64,
}

impl<'a> Assembler<'a> {
    pub(super) const fn new(options: &'a ReadOptions, meaning: StampMeaning) -> Self {
        Self {
            options,
            meaning,
            found: Vec::new(),
            closes: Vec::new(),
            refused: Vec::new(),
            read: 0,
            naive: 0,
            exact: 0,
        }
    }

    /// A row that is refused, whatever its fields say.
    pub(super) fn refuse(&mut self, row: u64, reason: String) {
        self.read += 1;
        self.refused.push(RefusedRow { row, reason });
    }

    pub(super) fn push(&mut self, row: u64, fields: RowFields) {
        self.read += 1;
        let label = fields.label;
        match self.bar(fields) {
            Ok(bar) => self.found.push(Found { row, bar, label }),
            Err(reason) => self.refused.push(RefusedRow { row, reason }),
        }
    }

    fn bar(&mut self, fields: RowFields) -> Result<TimedBar, String> {
        let stamp = fields.stamp?;
        let timeframe = self.options.timeframe;
        let close_ms = match self.meaning {
            StampMeaning::Open => stamp.ms.saturating_add(timeframe.ms()),
            // Some venues give the last millisecond of the bar.
            StampMeaning::Close if stamp.ms.rem_euclid(1000) == 999 => stamp.ms.saturating_add(1),
            StampMeaning::Close => stamp.ms,
        };
        let earliest_ms = self.options.earliest_ms;
        if close_ms < earliest_ms {
            let (close, earliest) = (instant(close_ms), instant(earliest_ms));
            return Err(format!(
                "the bar closes at {close}, before {earliest}: see `unit` and `earliest`"
            ));
        }
        if let Some(now_ms) = self.options.now_ms
            && close_ms > now_ms
        {
            let (close, now) = (instant(close_ms), instant(now_ms));
            return Err(format!("the bar closes at {close}, which is after now, {now}"));
        }
        match stamp.kind {
            StampKind::Exact => self.exact += 1,
            StampKind::Naive | StampKind::Day => self.naive += 1,
        }
        self.closes.push(close_ms);
        let values = fields.values?;
        let ts = timeframe.slot(close_ms).map_err(|error| error.to_string())?;
        let bar = Bar::new(values).map_err(|error| error.to_string())?;
        Ok(TimedBar { ts, bar })
    }

    /// All rows are there. An error is a reason to trust none of them. `labels` and `names` are those of the columns.
    pub(super) fn finish(
        self,
        mut warnings: Vec<String>,
        labels: &RowLabels,
        names: &[String],
    ) -> Result<Archive, String> {
        let Self { options, found: mut rows, mut closes, refused, read, naive, exact, .. } = self;
        let is_offset_unknown = naive > 0 && options.offset_minutes.is_none();
        if is_offset_unknown && exact > 0 {
            return Err(format!(
                "{naive} stamps have no offset and {exact} say which instant they are: write all of them in UTC, or say with offset which clock the others are of"
            ));
        }
        let order = order(&closes);
        distance::judge_parts(&closes, options.timeframe, options.is_sparse)?;
        closes.sort_unstable();
        closes.dedup();
        distance::judge(&closes, options.timeframe, options.is_sparse)?;
        if is_offset_unknown {
            warnings.push(format!("{naive} stamps have no offset and are taken as UTC"));
        }
        // In a file that is kept newest first, the first of several rows was written last.
        if order == RowOrder::Descending {
            rows.reverse();
        }
        // The sort is stable, so of several rows with one stamp the one written last stays last.
        rows.sort_by_key(|found| found.bar.ts);
        let Unique { bars, duplicates, pairs } = Unique::of(rows);
        let conflicts: Vec<Conflict> = pairs.iter().map(|pair| pair.conflict).collect();
        if let Some(conflict) = conflicts.iter().find(|conflict| !conflict.is_growth())
            && is_offset_unknown
        {
            return Err(twice(conflict));
        }
        twice::judge(&pairs, &bars, labels, names)?;
        let gaps = bars
            .windows(2)
            .map(|pair| ArchiveGap {
                first: pair[0].ts.next(),
                slots: pair[1].ts.since(pair[0].ts) - 1,
            })
            .filter(|gap| gap.slots > 0)
            .collect();
        Ok(Archive { bars, read, duplicates, conflicts, refused, gaps, order, warnings })
    }
}

/// Of each stamp the row that is written last, and those that gave way to it.
struct Unique {
    bars: Vec<TimedBar>,
    duplicates: u64,
    pairs: Vec<StampPair>,
}

impl Unique {
    /// From rows that are sorted by their stamp and then by when they were written.
    fn of(rows: Vec<Found>) -> Self {
        let mut kept: Vec<Found> = Vec::with_capacity(rows.len());
        let (mut duplicates, mut pairs): (u64, Vec<StampPair>) = (0, Vec::new());
        for now in rows {
            match kept.last_mut() {
                Some(last) if last.bar.ts == now.bar.ts => {
                    duplicates += 1;
                    let ts = now.bar.ts;
                    let [lost, kept] = [*last, now].map(|found| (found.row, found.bar.bar));
                    let of_slot = |pair: &&mut StampPair| pair.conflict.ts == ts;
                    pairs.iter_mut().rev().take_while(of_slot).for_each(|pair| {
                        pair.conflict.kept = kept;
                        pair.labels.0 = now.label;
                    });
                    if lost.1 != kept.1 {
                        let conflict = Conflict { ts, kept, lost };
                        pairs.push(StampPair { conflict, labels: (now.label, last.label) });
                    }
                    *last = now;
                }
                _ => kept.push(now),
            }
        }
        Self { bars: kept.into_iter().map(|found| found.bar).collect(), duplicates, pairs }
    }
}

/// How rows with these stamps follow each other. A few rows out of order do not turn a file round.
fn order(closes: &[i64]) -> RowOrder {
    let rises = closes.windows(2).filter(|pair| pair[0] < pair[1]).count();
    let falls = closes.windows(2).filter(|pair| pair[0] > pair[1]).count();
    match (rises, falls) {
        (_, 0) => RowOrder::Ascending,
        (0, _) => RowOrder::Descending,
        (rises, falls) if falls > 10 * rises => RowOrder::Descending,
        (_, _) => RowOrder::Mixed,
    }
}

/// Why a stamp without an offset that is there twice is no small thing.
fn twice(conflict: &Conflict) -> String {
    let [first, second] = [conflict.lost, conflict.kept].map(|(row, bar)| (row.to_string(), bar));
    let (ts, (a, x), (b, y)) = (conflict.ts, first, second);
    format!(
        "rows {a} and {b} both close at {ts} and differ ({:?}, {:?}): without an offset they may be local times of a night with a change of clocks. \
         Write the stamps in UTC, or say offset=+00:00 if they are",
        x.values(),
        y.values()
    )
}
