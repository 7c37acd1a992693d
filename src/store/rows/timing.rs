//! `timing.csv`: when each slot was decided, and why then. It stands beside the ledger, so that the ledger holds no wall-clock time.

use std::path::Path;

use super::table::{Row, lines, rows};
use crate::{
    domain::{
        ids::RunId,
        time::{SlotTs, Timeframe, UtcMs},
    },
    store::error::StoreError,
};

/// Header of `timing.csv`.
pub const TIMING_HEADER: &str = "ts_ms,origin,seen_at_ms,late_ms,run_id";

/// How a slot came to be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// In time.
    Live,
    /// Missed, and decided later.
    Catchup,
    /// Without its bar.
    Degraded,
    /// From disk.
    Backtest,
}

impl Origin {
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
    pub origin: Origin,
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
    rows: impl Iterator<Item = Result<Row<'a, 'p, 5>, StoreError>>,
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
                Origin::ALL.into_iter().find(|origin| origin.name() == text)
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
    use crate::store::rows::encode::push_timing;

    #[test]
    fn rows_come_back_and_order_is_checked() {
        let ts = Timeframe::M5.slot(600_000).unwrap();
        let seen_at = UtcMs::new(600_900).unwrap();
        let timing = |n| Timing {
            ts: ts.plus(n),
            origin: Origin::Catchup,
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
