//! Whether anything was taken away from a ledger: its files know of each other where it begins and how far it goes.

use super::{card::Origin, record::Record};
use crate::{
    domain::{ids::Tag, series::Series},
    store::{error::StoreError, layout::Layout},
};

/// What a person can do about it.
const MEND: &str = "rows were taken away; restore the file from a backup, or start a new tag";

/// A ledger whose `decisions.csv` is not there, though its `origin.json` is: that one comes later.
pub fn gone((layout, tag, series): (&Layout, &Tag, &Series)) -> StoreError {
    let reason = "is missing, but the origin.json beside it says that a ledger began here: restore it, or start a new tag";
    StoreError::damaged(layout.decisions(tag, series), 0, reason)
}

/// Refuses a ledger that lacks rows at its beginning or its end, and names `decisions.csv`. What a crash leaves is none of it: the
/// decision is durable before its row of `timing.csv`, which may therefore be missing, and `origin.json` is there before the first row.
pub fn covered(
    record: &Record<'_>,
    origin: Option<&Origin>,
    (layout, tag, series): (&Layout, &Tag, &Series),
) -> Result<(), StoreError> {
    let path = layout.decisions(tag, series);
    let lacks = |line: usize, reason: String| {
        Err(StoreError::damaged(path.clone(), line as u64, format!("{reason}: {MEND}")))
    };
    let rows = record.decisions.len();
    let [first, last] = [record.decisions.first(), record.decisions.last()]
        .map(|row| row.map(crate::store::rows::decisions::DecisionLine::ts_ms));
    let timed = record.seen_at.keys();
    if let Some(known) = timed.clone().next_back().filter(|known| last.is_none_or(|l| l < **known))
    {
        // A crash that tore a decision came before its row of timing; only a hand tears behind it.
        let torn = record.is_torn && timed.filter(|ts| last.is_none_or(|l| l < **ts)).count() == 1;
        if !torn {
            let ends = last.map_or("it has no row".to_owned(), |l| format!("it ends at ts_ms {l}"));
            return lacks(rows + 1, format!("{ends}, timing.csv has a row for {known}"));
        }
    }
    let Some(first) = first else {
        return match record.trades.first() {
            Some(trade) if !record.is_torn => {
                lacks(1, format!("it has no row, trades.csv has one for ts_ms {}", trade.ts()))
            }
            Some(_) | None => Ok(()),
        };
    };
    if let Some(known) = record.seen_at.keys().next().filter(|known| **known < first) {
        return lacks(2, format!("it begins at ts_ms {first}, timing.csv has a row for {known}"));
    }
    match origin.and_then(|origin| origin.first_ts_ms) {
        Some(begun) if begun != first => {
            lacks(2, format!("it begins at ts_ms {first}, by origin.json it began at {begun}"))
        }
        Some(_) | None => Ok(()),
    }
}
