//! `signals.csv` and `timing.csv`: the lines of programs that LIVE used, and when each slot was decided, and why then.

use std::{collections::BTreeMap, path::Path};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::table::{TableRow, lines, push_hash, push_int, rows};
use crate::{
    domain::{
        ids::RunId,
        signal::{SignalLine, SignalSide},
        time::{SlotTs, Timeframe, UtcMs},
    },
    store::error::StoreError,
};

/// Header of `signals.csv`.
pub const SIGNALS_HEADER: &str = "ts_ms,signal,side,reason,check";

/// One row of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedSignal {
    /// The slot from which the line speaks.
    pub ts: SlotTs,
    /// Name of the signal.
    pub name: String,
    /// The side.
    pub side: SignalSide,
    /// What stands for this row and all before it.
    pub check: u64,
}

/// Appends one row behind a row with the check `before`, 0 for the first one, and returns its own check.
pub fn push_signal(out: &mut Vec<u8>, before: u64, name: &str, line: &SignalLine) -> u64 {
    let start = out.len();
    push_int(out, line.ts.ts_ms());
    for text in [name, line.side.name(), &line.reason] {
        out.push(b',');
        out.extend_from_slice(text.as_bytes());
    }
    let check = xxh3_64_with_seed(&out[start..], before);
    out.push(b',');
    push_hash(out, check);
    out.push(b'\n');
    check
}

/// Reads `signals.csv`. The lines of each signal increase. Bytes after the last newline are ignored.
pub fn parse_signals(
    bytes: &[u8],
    timeframe: Timeframe,
    path: &Path,
) -> Result<Vec<UsedSignal>, StoreError> {
    let mut all: Vec<UsedSignal> = Vec::new();
    let mut newest = BTreeMap::new();
    let mut before = 0;
    for row in rows::<5>(bytes, SIGNALS_HEADER, path)? {
        let row = row?;
        let (ts, check) = (row.slot(0, timeframe)?, row.hash(4)?);
        let side = row.one_of(2, "a side", SignalSide::named)?;
        let line = row.fields().line();
        let covered = line.rsplit_once(',').map_or(line, |(covered, _)| covered);
        if xxh3_64_with_seed(covered.as_bytes(), before) != check {
            let reason = "it, or a row before it, was changed after LIVE used it: restore the file from a backup, or start a new tag";
            return Err(row.damaged(reason));
        }
        let name = row.field(1);
        if newest.insert(name, ts).is_some_and(|last| last >= ts) {
            let reason = format!("ts_ms {ts} does not come after the row of `{name}` before");
            return Err(row.damaged(reason));
        }
        before = check;
        all.push(UsedSignal { ts, name: name.to_owned(), side, check });
    }
    Ok(all)
}

/// Header of `timing.csv`.
pub const TIMING_HEADER: &str = "ts_ms,origin,seen_at_ms,late_ms,run_id";

/// How a slot came to be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SlotOrigin {
    /// In time.
    Live,
    /// Missed, and decided later.
    Catchup,
    /// Without its bar.
    Degraded,
    /// From disk.
    Backtest,
}

impl SlotOrigin {
    /// Every origin.
    pub const ALL: [Self; 4] = [Self::Live, Self::Catchup, Self::Degraded, Self::Backtest];

    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Catchup => "catchup",
            Self::Degraded => "degraded",
            Self::Backtest => "backtest",
        }
    }
}

/// One row of `timing.csv`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// The slot.
    pub ts: SlotTs,
    /// How it came to be decided.
    pub origin: SlotOrigin,
    /// When its bar had been seen.
    pub seen_at: UtcMs,
    /// How long after the close that was.
    pub late_ms: i64,
    /// The run that decided it.
    pub run_id: RunId,
}

/// Reads `timing.csv`. Slots increase; some may be missing, since a crash can come between the decision and this row.
pub fn parse_timing(
    bytes: &[u8],
    timeframe: Timeframe,
    path: &Path,
) -> Result<Vec<Timing>, StoreError> {
    checked(rows(bytes, TIMING_HEADER, path)?, timeframe, None)
}

/// Reads rows of it from line `first` on, which come after the slot `after`.
pub fn parse_timing_rows(
    bytes: &[u8],
    timeframe: Timeframe,
    (path, first): (&Path, u64),
    after: Option<SlotTs>,
) -> Result<Vec<Timing>, StoreError> {
    checked(lines(bytes, first, path)?, timeframe, after)
}

fn checked<'a, 'p>(
    rows: impl Iterator<Item = Result<TableRow<'a, 'p, 5>, StoreError>>,
    timeframe: Timeframe,
    mut after: Option<SlotTs>,
) -> Result<Vec<Timing>, StoreError> {
    let mut all: Vec<Timing> = Vec::new();
    for row in rows {
        let row = row?;
        let ts = row.slot(0, timeframe)?;
        if after.replace(ts).is_some_and(|last| last >= ts) {
            return Err(row.damaged(format!("ts_ms {ts} does not come after the row before")));
        }
        all.push(Timing {
            ts,
            origin: row.one_of(1, "an origin", |text| {
                SlotOrigin::ALL.into_iter().find(|origin| origin.name() == text)
            })?,
            seen_at: row.instant(2)?,
            late_ms: row.int(3)?,
            run_id: row.one_of(4, "a run id", |text| text.parse().ok())?,
        });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::rows::table::push_timing;

    fn file(lines: &[(i64, &str, &str)]) -> String {
        let mut out = format!("{SIGNALS_HEADER}\n").into_bytes();
        let mut check = 0;
        for (n, name, side) in lines {
            let line = format!("{},{side},why not", n * 60_000);
            let line = SignalLine::parse(&line, Timeframe::M1).unwrap();
            check = push_signal(&mut out, check, name, &line);
        }
        String::from_utf8(out).unwrap()
    }

    fn read(text: &str) -> Result<Vec<UsedSignal>, String> {
        parse_signals(text.as_bytes(), Timeframe::M1, Path::new("s"))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn rows_come_back_and_a_torn_one_is_ignored() {
        let text = file(&[(1, "a", "long"), (1, "b", "flat"), (2, "a", "short")]);
        let back = read(&format!("{text}180000,a,lo")).unwrap();
        let shown: Vec<_> =
            back.iter().map(|row| (row.ts.ts_ms(), row.name.as_str(), row.side.name())).collect();
        assert_eq!(shown, [(60_000, "a", "long"), (60_000, "b", "flat"), (120_000, "a", "short")]);
        assert!(read("").unwrap().is_empty() && read(&file(&[])).unwrap().is_empty());
    }

    #[test]
    fn any_changed_letter_is_seen_and_so_is_a_row_that_is_gone_or_moved() {
        let text = file(&[(1, "a", "long"), (2, "a", "flat"), (3, "a", "short")]);
        let first = SIGNALS_HEADER.len() + 1;
        for at in first..text.len() {
            let mut bytes = text.clone().into_bytes();
            if bytes[at] == b'\n' {
                continue;
            }
            bytes[at] = if bytes[at] == b'7' { b'8' } else { b'7' };
            assert!(read(&String::from_utf8(bytes).unwrap()).is_err(), "byte {at}");
        }
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        for order in [[0, 2, 3, 3], [0, 1, 3, 3], [0, 2, 1, 3], [0, 1, 2, 2]] {
            let text: String = order.map(|at| lines[at]).concat();
            assert!(read(&text).unwrap_err().starts_with("s:"), "{order:?}");
        }
        let words = "was changed after LIVE used it";
        assert!(read(&text.replacen("long", "short", 1)).unwrap_err().contains(words));
    }

    #[test]
    fn a_line_of_the_past_is_damage() {
        let twice = read(&file(&[(2, "a", "long"), (1, "b", "long"), (2, "a", "long")]));
        assert!(twice.unwrap_err().starts_with("s:4: ts_ms 120000"));
    }

    #[test]
    fn rows_come_back_and_order_is_checked() {
        let ts = Timeframe::M5.slot(600_000).unwrap();
        let seen_at = UtcMs::new(600_900).unwrap();
        let timing = |n| Timing {
            ts: ts.plus(n),
            origin: SlotOrigin::Catchup,
            seen_at,
            late_ms: 900,
            run_id: "r1".parse().unwrap(),
        };
        let write = |rows: &[Timing]| {
            let mut bytes = format!("{TIMING_HEADER}\n").into_bytes();
            for row in rows {
                push_timing(&mut bytes, row);
            }
            bytes
        };
        let rows = [timing(0), timing(3)];
        let bytes = write(&rows);
        assert!(bytes.ends_with(b"\n1500000,catchup,600900,900,r1\n"));
        assert_eq!(parse_timing(&bytes, Timeframe::M5, Path::new("t")).unwrap(), rows);
        let bytes = write(&[timing(1), timing(1)]);
        let error = parse_timing(&bytes, Timeframe::M5, Path::new("t")).unwrap_err();
        assert!(error.to_string().starts_with("t:3: ts_ms 900000"), "{error}");
    }
}
