//! From rows in any order to bars: sorted, unique, the latest in the file wins, holes and refusals named.

use crate::domain::{
    bar::{Bar, TimedBar},
    time::{SlotTs, Timeframe},
};

use super::stamp::{Meaning, Stamp};

/// A row that is no bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Line of a text file, row of a table; from 1.
    pub row: u64,
    /// Why.
    pub reason: String,
}

/// A row as it stands in a file: nothing about it is checked.
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
pub struct Rows {
    /// Those whose fields can be read.
    pub rows: Vec<RawRow>,
    /// The others.
    pub refused: Vec<Refused>,
}

/// Slots without a bar between two bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The first slot that is missing.
    pub first: SlotTs,
    /// How many are missing in a row.
    pub slots: i64,
}

/// How the rows of a file follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    Ascending,
    /// Newest first.
    Descending,
    /// Neither.
    Mixed,
}

/// What a file of others holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Archive {
    /// The bars, sorted and unique.
    pub bars: Vec<TimedBar>,
    /// Rows read, the refused ones included.
    pub read: u64,
    /// Rows that gave way to a later row with the same stamp.
    pub duplicates: u64,
    /// Of these, rows whose values differed from the row that won.
    pub conflicts: u64,
    /// Rows that are no bars.
    pub refused: Vec<Refused>,
    /// Holes between the bars.
    pub gaps: Vec<Gap>,
    /// How the rows followed each other.
    pub order: Order,
    /// What had to be assumed.
    pub warnings: Vec<String>,
}

/// Takes in rows one by one.
#[derive(Debug)]
pub(super) struct Assembler {
    timeframe: Timeframe,
    meaning: Meaning,
    bars: Vec<TimedBar>,
    refused: Vec<Refused>,
    read: u64,
    naive: u64,
    rises: u64,
    falls: u64,
}

impl Assembler {
    pub(super) const fn new(timeframe: Timeframe, meaning: Meaning) -> Self {
        Self {
            timeframe,
            meaning,
            bars: Vec::new(),
            refused: Vec::new(),
            read: 0,
            naive: 0,
            rises: 0,
            falls: 0,
        }
    }

    /// A row whose fields could be read, or the reason why not.
    pub(super) fn push(&mut self, row: u64, fields: Result<(Stamp, [f64; 5]), String>) {
        self.read += 1;
        let bar = fields.and_then(|(stamp, values)| {
            self.naive += u64::from(stamp.is_naive);
            self.bar(stamp.ms, values)
        });
        match bar {
            Ok(bar) => {
                if let Some(last) = self.bars.last() {
                    self.rises += u64::from(bar.ts > last.ts);
                    self.falls += u64::from(bar.ts < last.ts);
                }
                self.bars.push(bar);
            }
            Err(reason) => self.refused.push(Refused { row, reason }),
        }
    }

    fn bar(&self, stamp_ms: i64, values: [f64; 5]) -> Result<TimedBar, String> {
        let ts = match self.meaning {
            Meaning::Open => self.timeframe.slot_of_open(stamp_ms),
            // Some venues give the last millisecond of the bar.
            Meaning::Close if stamp_ms.rem_euclid(1000) == 999 => {
                self.timeframe.slot(stamp_ms.saturating_add(1))
            }
            Meaning::Close => self.timeframe.slot(stamp_ms),
        };
        let ts = ts.map_err(|error| error.to_string())?;
        let bar = Bar::new(values).map_err(|error| error.to_string())?;
        Ok(TimedBar { ts, bar })
    }

    pub(super) fn finish(self, mut warnings: Vec<String>, offset: Option<i64>) -> Archive {
        let Self { timeframe: _, meaning: _, bars: mut rows, refused, read, naive, rises, falls } =
            self;
        if naive > 0 && offset.is_none() {
            warnings.push(format!("{naive} stamps have no offset and are taken as UTC"));
        }
        // The sort is stable, so of several rows with one stamp the latest in the file stays last.
        rows.sort_by_key(|bar| bar.ts);
        let mut bars: Vec<TimedBar> = Vec::with_capacity(rows.len());
        let (mut duplicates, mut conflicts) = (0, 0);
        for row in rows {
            match bars.last_mut() {
                Some(last) if last.ts == row.ts => {
                    duplicates += 1;
                    conflicts += u64::from(last.bar != row.bar);
                    *last = row;
                }
                _ => bars.push(row),
            }
        }
        let gaps = bars
            .windows(2)
            .map(|pair| Gap { first: pair[0].ts.next(), slots: pair[1].ts.since(pair[0].ts) - 1 })
            .filter(|gap| gap.slots > 0)
            .collect();
        let order = match (rises, falls) {
            (_, 0) => Order::Ascending,
            (0, _) => Order::Descending,
            (_, _) => Order::Mixed,
        };
        Archive { bars, read, duplicates, conflicts, refused, gaps, order, warnings }
    }
}
