//! What is known about a box before it is judged, and the end of a ledger, read as far as it can be read.

use std::collections::BTreeMap;

use crate::{
    domain::{
        command::Command,
        decision::{Block, Limit, RiskState, SkipReason},
        ids::{ModelId, RunId},
        time::{SlotTs, Timeframe, UtcMs},
    },
    jobs::{equivalence::judge::ProofVerdict, live::state::LiveState},
    os::filesystem::Room,
    store::{
        rows::{
            decisions::Column,
            signals::{SlotOrigin, Timing},
        },
        runs::{Ahead, RunState},
    },
};

/// The facts. A text in place of a value says why it could not be had.
#[derive(Debug)]
pub struct Facts {
    /// The instant that is judged.
    pub now: UtcMs,
    /// The ledger; `None` when there is none.
    pub ledger: Option<LedgerFacts>,
    /// The newest stored bar.
    pub newest_bar: Result<Option<SlotTs>, String>,
    /// The last order given to the tag.
    pub order: Result<Option<Command>, String>,
    /// The ledger made again from its bars.
    pub fold: ReplayCheck,
    /// The last comparison.
    pub proof: Result<Option<LastProof>, String>,
    /// Whether a loop holds the ledger.
    pub is_held: bool,
    /// Whether the loop lived in recorded or simulated time.
    pub is_recorded: bool,
    /// The run that wrote last, and how it stands.
    pub live_run: Option<(RunId, Option<RunState>)>,
    /// What the loop last heard from its venue.
    pub heard: Option<LiveState>,
    /// The drills that the loop at work was started with, and whether it writes no ledger.
    pub drills: Vec<&'static str>,
    /// When the scheduler service last looked at its clock; `None` when none has run here.
    pub tick: Result<Option<UtcMs>, String>,
    /// Up to where a schedule is decided that is silent, since that is ahead of the clock: the furthest one.
    pub silent: Option<Ahead>,
    /// The models of a ledger that follows the one in use; `None` for any other.
    pub model: Option<Followed>,
    /// What is left of the fullest disk that data is written to, and where that is when it is a part of the data only.
    pub free: Result<(Room, Option<String>), String>,
}

/// The models of a ledger that follows the one in use.
#[derive(Debug)]
pub struct Followed {
    /// The one that speaks in the ledger from its last switch on.
    pub present: ModelId,
    /// The one that is in use.
    pub in_use: Result<InUse, String>,
}

/// The model in use.
#[derive(Debug)]
pub struct InUse {
    pub id: ModelId,
    /// Since when, where that is written down.
    pub since: Option<UtcMs>,
    /// Why the ledger cannot go on with it.
    pub unfit: Option<String>,
}

#[derive(Debug)]
pub struct LedgerFacts {
    /// Its end.
    pub tail: Tail,
    /// What is wrong with it.
    pub damage: Option<String>,
    /// Whether bytes follow the last newline.
    pub is_torn: bool,
}

/// What came of making the ledger again.
#[derive(Debug)]
pub enum ReplayCheck {
    /// It was not done, for this reason.
    Off(&'static str),
    /// Every row is the same.
    Same(String),
    /// One is not.
    Differs(String),
}

/// The last comparison of LIVE with its replay.
#[derive(Debug)]
pub struct LastProof {
    pub run: RunId,
    /// Its folder, as people know it.
    pub dir: String,
    pub verdict: ProofVerdict,
    /// When it was made.
    pub made: UtcMs,
    /// Where the first difference lies.
    pub mismatch: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionFact {
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
    pub timing: Option<SlotTiming>,
}

/// When a slot was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotTiming {
    pub origin: SlotOrigin,
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
    pub rows: Vec<DecisionFact>,
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

    pub fn last(&self) -> Option<&DecisionFact> {
        self.rows.last()
    }

    /// Whether these are all rows there are.
    pub fn is_whole(&self) -> bool {
        self.rows.len() == self.lines
    }
}

impl DecisionFact {
    /// When it was decided, or could have been at the earliest.
    fn known_at(&self) -> UtcMs {
        self.timing.as_ref().map_or(self.ts.close(), |timing| timing.seen_at)
    }
}

fn row(
    line: &[u8],
    timeframe: Timeframe,
    stamps: &BTreeMap<SlotTs, &Timing>,
) -> Option<DecisionFact> {
    let fields: Vec<&str> = str::from_utf8(line).ok()?.split(',').collect();
    let field = |column: Column| fields.get(column as usize).copied();
    let ts = timeframe.slot(field(Column::TsMs)?.parse().ok()?).ok()?;
    let reason = field(Column::Reason).filter(|_| field(Column::Decision) == Some("skip"));
    let skipped =
        reason.and_then(|text| SkipReason::ALL.into_iter().find(|known| known.name() == text));
    let states = [RiskState::Active, RiskState::Reducing, RiskState::Halted];
    let risk = states.into_iter().find(|state| field(Column::RiskState) == Some(state.name()));
    let timing = stamps.get(&ts).map(|timing| SlotTiming {
        origin: timing.origin,
        seen_at: timing.seen_at,
        late_ms: timing.late_ms,
        run_id: timing.run_id.clone(),
    });
    let equity = field(Column::Equity).unwrap_or_default().to_owned();
    let is_ruined = field(Column::BlockedBy) == Some(Block::Risk(Limit::Ruin).name());
    Some(DecisionFact { ts, skipped, equity, risk, is_ruined, timing })
}
