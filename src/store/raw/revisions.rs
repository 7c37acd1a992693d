//! The revision log: which values of decided bars were replaced or filled in, when, and what LIVE therefore saw.

use std::{collections::BTreeMap, path::Path};

use crate::{
    domain::{
        bar::{Bar, TimedBar},
        time::{SlotTs, Timeframe, UtcMs},
    },
    store::{
        error::StoreError,
        rows::table::{TableRow, push_float, push_int, rows},
    },
};

/// Header of `revisions.csv`.
pub const REVISIONS_HEADER: &str = "ts_ms,old_open,old_high,old_low,old_close,old_volume,new_open,new_high,new_low,new_close,new_volume,seen_at_ms";

/// One value that replaced another one, or filled a hole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Revision {
    pub ts: SlotTs,
    /// What was stored before; `None`: nothing.
    pub old: Option<Bar>,
    /// What was to be stored. It never was, if a crash came in between and nobody offered it again.
    pub new: Bar,
    /// When it was offered.
    pub seen_at: UtcMs,
}

pub(super) fn push_revision(out: &mut Vec<u8>, revision: &Revision) {
    let Revision { ts, old, new, seen_at } = revision;
    push_int(out, ts.ts_ms());
    for n in 0..5 {
        out.push(b',');
        if let Some(old) = old {
            push_float(out, old.values()[n]);
        }
    }
    for value in new.values() {
        out.push(b',');
        push_float(out, value);
    }
    out.push(b',');
    push_int(out, seen_at.get());
    out.push(b'\n');
}

/// Reads a revision log. Bytes after the last newline are ignored; an entry that repeats the one before it is dropped.
pub fn parse_revisions(
    bytes: &[u8],
    timeframe: Timeframe,
    path: &Path,
) -> Result<Vec<Revision>, StoreError> {
    let mut revisions: Vec<Revision> = Vec::new();
    for row in rows::<12>(bytes, REVISIONS_HEADER, path)? {
        let row = row?;
        let ts = row.slot(0, timeframe)?;
        let is_absent = (1..6).all(|n| row.field(n).is_empty());
        let old = if is_absent { None } else { Some(bar(&row, 1)?) };
        let revision = Revision { ts, old, new: bar(&row, 6)?, seen_at: row.instant(11)? };
        if revisions.last() != Some(&revision) {
            revisions.push(revision);
        }
    }
    Ok(revisions)
}

fn bar(row: &TableRow<'_, '_, 12>, first: usize) -> Result<Bar, StoreError> {
    let mut values = [0.0; 5];
    for (n, value) in values.iter_mut().enumerate() {
        *value = row.float(first + n)?;
    }
    Bar::new(values).map_err(|error| row.damaged(error.to_string()))
}

/// The stored bars with the revision log undone: what LIVE had at a given time.
#[derive(Debug)]
pub struct AsSeen<'b> {
    bars: &'b [TimedBar],
    revised: BTreeMap<i64, Vec<Revision>>,
}

impl<'b> AsSeen<'b> {
    /// From the stored bars (sorted) and the log (in the order it was written).
    pub fn new(bars: &'b [TimedBar], revisions: &[Revision]) -> Self {
        let mut revised: BTreeMap<i64, Vec<Revision>> = BTreeMap::new();
        for revision in revisions {
            revised.entry(revision.ts.ts_ms()).or_default().push(*revision);
        }
        Self { bars, revised }
    }

    /// The bar at a slot as it stood at `seen_until`; `None` when there was none.
    ///
    /// The old value of the first later entry was in the store at that time, whatever became of the entries before it.
    /// So an entry that is repeated, or whose new value never arrived, does no harm.
    pub fn at(&self, ts: SlotTs, seen_until: UtcMs) -> Option<Bar> {
        let entries = self.revised.get(&ts.ts_ms()).map_or(&[][..], Vec::as_slice);
        match entries.iter().find(|entry| entry.seen_at > seen_until) {
            Some(undone) => undone.old,
            None => self.now(ts),
        }
    }

    /// The bar as it is stored now.
    pub fn now(&self, ts: SlotTs) -> Option<Bar> {
        let found = self.bars.binary_search_by_key(&ts.ts_ms(), |bar| bar.ts.ts_ms());
        found.ok().map(|n| self.bars[n].bar)
    }

    /// The distinct values the slot ever had, oldest first; `None` stands for no bar, before a hole was filled.
    pub fn versions(&self, ts: SlotTs) -> Vec<Option<Bar>> {
        let mut versions: Vec<Option<Bar>> = Vec::new();
        let olds = self.revised.get(&ts.ts_ms()).into_iter().flatten().map(|entry| entry.old);
        for version in olds.chain([self.now(ts)]) {
            if !versions.contains(&version) {
                versions.push(version);
            }
        }
        versions
    }

    /// When the slot's value changed, oldest first.
    pub fn changes(&self, ts: SlotTs) -> impl Iterator<Item = UtcMs> {
        self.revised.get(&ts.ts_ms()).into_iter().flatten().map(|entry| entry.seen_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(n: i64) -> SlotTs {
        Timeframe::M5.slot(n * 300_000).unwrap()
    }

    fn flat(close: f64) -> Bar {
        Bar::new([close, close, close, close, 0.25]).unwrap()
    }

    fn revision(n: i64, old: Option<f64>, new: f64, seen_at: i64) -> Revision {
        let seen_at = UtcMs::new(seen_at).unwrap();
        Revision { ts: slot(n), old: old.map(flat), new: flat(new), seen_at }
    }

    fn log(revisions: &[Revision]) -> Vec<u8> {
        let mut bytes = format!("{REVISIONS_HEADER}\n").into_bytes();
        for revision in revisions {
            push_revision(&mut bytes, revision);
        }
        bytes
    }

    #[test]
    fn the_log_comes_back_without_repetitions_and_torn_tail() {
        let (a, b) = (revision(1, None, 0.1, 5), revision(2, Some(1.5), 27_344.11, 6));
        let mut bytes = log(&[a, a, b]);
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.contains("\n300000,,,,,,0.1,0.1,0.1,0.1,0.25,5\n"), "{text}");
        bytes.extend_from_slice(b"600000,1");
        assert_eq!(parse_revisions(&bytes, Timeframe::M5, Path::new("r")).unwrap(), [a, b]);
    }

    #[test]
    fn damage_is_named_by_line() {
        let parse = |row: &str| {
            let bytes = format!("{REVISIONS_HEADER}\n{row}\n").into_bytes();
            parse_revisions(&bytes, Timeframe::M5, Path::new("r")).unwrap_err().to_string()
        };
        assert!(parse("1,,,,,,1,1,1,1,1,5").starts_with("r:2: ts_ms 1 is not aligned to 5m"));
        assert_eq!(parse("300000,,,,,,1,1,1,1,1"), "r:2: 11 columns, expected 12");
        assert_eq!(parse("300000,1,,,,,1,1,1,1,1,5"), "r:2: column 3: `` is not a number");
        assert_eq!(parse("300000,,,,,,1,1,1,1,-1,5"), "r:2: the volume is negative");
    }

    #[test]
    fn as_seen_undoes_what_came_later() {
        let bars = [1, 2, 3].map(|n| TimedBar { ts: slot(n), bar: flat(10.0 * n as f64) });
        // Slot 2 was filled late, then changed. Slot 3: a crash came before its value was stored, and it was offered again.
        let seen = AsSeen::new(
            &bars,
            &[
                revision(2, None, 19.0, 100),
                revision(2, Some(19.0), 20.0, 200),
                revision(3, Some(29.0), 30.0, 300),
                revision(3, Some(29.0), 30.0, 400),
            ],
        );
        let at = |n, until| seen.at(slot(n), UtcMs::new(until).unwrap()).map(|bar| bar.close());
        for (n, until, close) in [
            (1, 0, Some(10.0)),
            (2, 99, None),
            (2, 100, Some(19.0)),
            (2, 199, Some(19.0)),
            (2, 200, Some(20.0)),
            (3, 299, Some(29.0)),
            (3, 350, Some(29.0)),
            (3, 400, Some(30.0)),
            (4, 400, None),
        ] {
            assert_eq!(at(n, until), close, "slot {n} as of {until}");
        }
        assert_eq!(seen.versions(slot(2)), [None, Some(flat(19.0)), Some(flat(20.0))]);
        assert_eq!(seen.versions(slot(3)), [Some(flat(29.0)), Some(flat(30.0))]);
    }
}
