//! The end of a ledger, read as far as it can be read: a damaged ledger has an age too.

use std::collections::BTreeMap;

use crate::{
    domain::{
        decision::{Block, Limit, RiskState, SkipReason},
        ids::RunId,
        time::{SlotTs, Timeframe, UtcMs},
    },
    store::rows::{
        decisions::Column,
        timing::{Origin, Timing},
    },
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub ts: SlotTs,
    /// Why it could not be evaluated.
    pub skipped: Option<SkipReason>,
    /// Equity after it.
    pub equity: String,
    /// Risk state after it.
    pub risk: Option<RiskState>,
    /// Whether the account is ruined.
    pub is_ruined: bool,
    /// When it was decided; absent after a crash between the decision and this.
    pub timing: Option<Stamp>,
}

/// When a slot was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    pub origin: Origin,
    /// When its bar had been seen.
    pub seen_at: UtcMs,
    /// How long after the close that was.
    pub late_ms: i64,
    /// The run that decided it.
    pub run_id: RunId,
}

/// The end of a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tail {
    /// The last rows that can be read, in the order of the file.
    pub rows: Vec<Row>,
    /// Whole lines after the header, readable or not.
    pub lines: usize,
}

impl Tail {
    /// The last `most` rows of some whole lines, which are the last of `lines` of the file. With `as_of`, rows that were decided later
    /// are left out.
    pub fn read(
        bytes: &[u8],
        mut lines: usize,
        timing: &[Timing],
        timeframe: Timeframe,
        (most, as_of): (usize, Option<UtcMs>),
    ) -> Self {
        let stamps: BTreeMap<SlotTs, &Timing> = timing.iter().map(|row| (row.ts, row)).collect();
        let mut rows = Vec::new();
        for line in bytes.rsplit(|byte| *byte == b'\n') {
            let Some(row) = row(line, timeframe, &stamps) else { continue };
            if as_of.is_some_and(|at| row.known_at() > at) {
                lines = lines.saturating_sub(1);
                continue;
            }
            if rows.len() == most {
                break;
            }
            rows.push(row);
        }
        rows.reverse();
        Self { rows, lines }
    }

    pub fn last(&self) -> Option<&Row> {
        self.rows.last()
    }

    /// Whether these are all rows there are.
    pub fn is_whole(&self) -> bool {
        self.rows.len() == self.lines
    }
}

impl Row {
    /// When it was decided, or could have been at the earliest.
    fn known_at(&self) -> UtcMs {
        self.timing.as_ref().map_or(self.ts.close(), |timing| timing.seen_at)
    }
}

fn row(line: &[u8], timeframe: Timeframe, stamps: &BTreeMap<SlotTs, &Timing>) -> Option<Row> {
    let fields: Vec<&str> = str::from_utf8(line).ok()?.split(',').collect();
    let field = |column: Column| fields.get(column as usize).copied();
    let ts = timeframe.slot(field(Column::TsMs)?.parse().ok()?).ok()?;
    let reason = field(Column::Reason).filter(|_| field(Column::Decision) == Some("skip"));
    let skipped =
        reason.and_then(|text| SkipReason::ALL.into_iter().find(|known| known.name() == text));
    let states = [RiskState::Active, RiskState::Reducing, RiskState::Halted];
    let risk = states.into_iter().find(|state| field(Column::RiskState) == Some(state.name()));
    let timing = stamps.get(&ts).map(|timing| Stamp {
        origin: timing.origin,
        seen_at: timing.seen_at,
        late_ms: timing.late_ms,
        run_id: timing.run_id.clone(),
    });
    let equity = field(Column::Equity).unwrap_or_default().to_owned();
    let is_ruined = field(Column::BlockedBy) == Some(Block::Risk(Limit::Ruin).name());
    Some(Row { ts, skipped, equity, risk, is_ruined, timing })
}
