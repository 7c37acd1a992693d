//! A stretch of a ledger in a few numbers: what was decided, traded, earned and left out, and what its newest proof says.

use std::{collections::BTreeMap, path::Path};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::ledger_event::span;
use crate::{
    domain::{ids::Tag, series::Series, time::UtcMs},
    jobs::equivalence::proofs::newest_proof,
    store::{
        disk::Disk, error::StoreError, layout::Layout, lines::read_end, rows::decisions::Column,
    },
};

/// Bytes at the end of a ledger in which the stretch is looked for first.
const ROOM: u64 = 256 << 10;

/// The numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaySummary {
    /// Behind this instant.
    pub from_ms: i64,
    /// Up to this one.
    pub to_ms: i64,
    /// Slots that were decided.
    pub rows: u64,
    /// Equity at the end.
    pub equity: String,
    /// What it grew by.
    pub pnl: String,
    /// Positions that were opened, and closed.
    pub opened: u64,
    pub closed: u64,
    /// Slots without a decision, by reason.
    pub skips: BTreeMap<String, u64>,
    pub position: String,
    pub risk: String,
    /// The last decided slot.
    pub last_ts_ms: i64,
    /// What the newest proof says.
    pub proof: Option<String>,
    /// How old that is.
    pub proof_age_ms: Option<i64>,
}

impl DaySummary {
    /// The most important of it.
    pub fn headline(&self) -> String {
        let Self { equity, pnl, rows, .. } = self;
        if *rows == 0 {
            return format!("no slot was decided, equity {equity}");
        }
        format!("pnl {pnl}, equity {equity}")
    }

    /// All of it, a fact a line.
    pub fn lines(&self) -> String {
        let Self { rows, opened, closed, skips, position, risk, .. } = self;
        let at = |ms: i64| UtcMs::new(ms).map_or_else(|_| ms.to_string(), |at| at.to_string());
        let total: u64 = skips.values().sum();
        let by: Vec<String> = skips.iter().map(|(reason, n)| format!("{n} {reason}")).collect();
        let by = if by.is_empty() { String::new() } else { format!(" ({})", by.join(", ")) };
        let proof = match (&self.proof, self.proof_age_ms) {
            (Some(verdict), Some(age_ms)) => format!("{verdict}, {} old", span(age_ms)),
            _ => "none yet".to_owned(),
        };
        format!(
            "from {} to {}\nslots: {rows}, the last one {}\ntrades: {opened} opened, {closed} closed\nskips: {total}{by}\n\
             position: {position}, risk {risk}\nproof: {proof}\n",
            at(self.from_ms),
            at(self.to_ms),
            at(self.last_ts_ms),
        )
    }
}

/// Sums up a ledger behind one instant and up to another; `None` where it has no row yet.
pub fn day<D: Disk>(
    (disk, layout): (&D, &Layout),
    (tag, series): (&Tag, &Series),
    (from, to): (UtcMs, UtcMs),
    now: UtcMs,
) -> Result<Option<DaySummary>, StoreError> {
    let rows = rows_since(disk, &layout.decisions(tag, series), from)?;
    let (mut equity_before, mut last) = (None, None);
    let (mut count, mut skips) = (0, BTreeMap::new());
    for row in &rows {
        let cells: Vec<&str> = row.split(',').collect();
        let cell = |column: Column| cells.get(column as usize).copied().unwrap_or_default();
        let Ok(ts_ms) = cell(Column::TsMs).parse::<i64>() else { continue };
        let equity: Decimal = cell(Column::Equity).parse().unwrap_or_default();
        if ts_ms > to.get() {
            break;
        }
        if ts_ms > from.get() {
            count += 1;
            if cell(Column::Decision) == "skip" {
                *skips.entry(cell(Column::Reason).to_owned()).or_default() += 1;
            }
        } else {
            equity_before = Some(equity);
        }
        // A ledger that began within the stretch began with what its first row has.
        equity_before = equity_before.or(Some(equity));
        let state = [Column::Position, Column::RiskState].map(|column| cell(column).to_owned());
        last = Some((ts_ms, equity, state));
    }
    let Some((last_ts_ms, equity, [position, risk])) = last else { return Ok(None) };
    let (mut opened, mut closed) = (0, 0);
    for row in rows_since(disk, &layout.trades(tag, series), from)? {
        let cells: Vec<&str> = row.split(',').collect();
        let ts_ms = cells.get(3).and_then(|ts_ms| ts_ms.parse::<i64>().ok());
        if ts_ms.is_some_and(|ts_ms| ts_ms > from.get() && ts_ms <= to.get()) {
            let is_open = cells.get(5) == Some(&"open");
            *(if is_open { &mut opened } else { &mut closed }) += 1;
        }
    }
    let proof = newest_proof(disk, layout, tag, series)?;
    Ok(Some(DaySummary {
        from_ms: from.get(),
        to_ms: to.get(),
        rows: count,
        equity: equity.to_string(),
        pnl: (equity - equity_before.unwrap_or(equity)).to_string(),
        opened,
        closed,
        skips,
        position,
        risk,
        last_ts_ms,
        proof_age_ms: proof.as_ref().map(|proof| now.get() - proof.made_at_ms),
        proof: proof.map(|proof| proof.verdict().name().to_owned()),
    }))
}

/// The whole rows at the end of a ledger, from at least one at or before an instant on, as far as there is one. The header is left out.
fn rows_since<D: Disk>(disk: &D, path: &Path, from: UtcMs) -> Result<Vec<String>, StoreError> {
    let mut room = ROOM;
    loop {
        let (bytes, is_cut) = read_end(disk, path, room)?;
        let text = String::from_utf8_lossy(&bytes);
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        // The first line is the header, or torn by where the reading began.
        let rows: Vec<String> = whole.split('\n').skip(1).map(str::to_owned).collect();
        let first = rows.first().and_then(|row| row.split(',').nth(3)?.parse::<i64>().ok());
        if !is_cut || first.is_some_and(|first| first <= from.get()) {
            return Ok(rows);
        }
        room = room.saturating_mul(4);
    }
}
