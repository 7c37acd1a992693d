//! What LIVE left on disk under a tag, read and checked, and what of it a replay takes as inputs.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    error::{OriginError, SessionError},
    origin::LedgerOrigin,
    reader::RecordReader,
};
use crate::{
    domain::{
        bar::{TimedBar, hash_bars},
        command::Command,
        decision::Degraded,
        ids::Tag,
        series::Series,
        time::{SlotTs, UtcMs, Window},
    },
    engine::anchor::Blocks,
    store::{
        disk::{Disk, parent},
        error::StoreError,
        layout::Layout,
        raw::{AsSeen, RawStore, Revision},
        rows::{
            commands::parse_commands,
            decisions::{DecisionLine, parse_decisions},
            signals::parse_timing,
            trades::{TradeLine, parse_trades},
        },
    },
};

/// The bytes of a tag's files, up to their last newline.
#[derive(Debug, Default)]
pub struct RecordBytes {
    /// `decisions.csv`.
    pub decisions: Vec<u8>,
    /// `trades.csv`.
    pub trades: Vec<u8>,
    /// `timing.csv`; empty for a backtest.
    pub timing: Vec<u8>,
    /// Whether something follows the last whole row of `decisions.csv`.
    pub is_torn: bool,
}

/// The checked content of a tag's files.
#[derive(Debug)]
pub struct Record<'a> {
    /// One per slot.
    pub decisions: Vec<DecisionLine<'a>>,
    /// In order.
    pub trades: Vec<TradeLine<'a>>,
    /// When each slot's answer came, where that is recorded.
    pub seen_at: BTreeMap<i64, UtcMs>,
    /// Whether something follows the last decision.
    pub is_torn: bool,
}

impl RecordBytes {
    /// Reads as a bystander: the writer may be at work, so bytes after the last newline are ignored. `None` without a ledger.
    pub fn read<D: Disk>(
        disk: &D,
        layout: &Layout,
        tag: &Tag,
        series: &Series,
    ) -> Result<Option<Self>, StoreError> {
        // A row of timing is written after its decision: read before, it never knows of one that is not there.
        let timing = disk.read(&layout.timing(tag, series))?.unwrap_or_default();
        let Some(decisions) = disk.read(&layout.decisions(tag, series))? else { return Ok(None) };
        // Trades are written after their decision: reading them later can only show more than needed, never less.
        let trades = disk.read(&layout.trades(tag, series))?.unwrap_or_default();
        let is_torn = !decisions.ends_with(b"\n");
        let [decisions, trades, timing] = [decisions, trades, timing].map(whole_lines);
        Ok(Some(Self { decisions, trades, timing, is_torn }))
    }

    /// Checks and parses all of it.
    pub fn parse(
        &self,
        layout: &Layout,
        tag: &Tag,
        series: &Series,
    ) -> Result<Record<'_>, StoreError> {
        let decisions = if self.decisions.is_empty() {
            Vec::new()
        } else {
            parse_decisions(&self.decisions, series, &layout.decisions(tag, series))?
        };
        let trades = if self.trades.is_empty() {
            Vec::new()
        } else {
            parse_trades(&self.trades, series, &layout.trades(tag, series))?
        };
        let timing = if self.timing.is_empty() {
            Vec::new()
        } else {
            parse_timing(&self.timing, series.timeframe(), &layout.timing(tag, series))?
        };
        let seen_at = timing.iter().map(|row| (row.ts.ts_ms(), row.seen_at)).collect();
        Ok(Record { decisions, trades, seen_at, is_torn: self.is_torn })
    }
}

fn whole_lines(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    bytes.truncate(end);
    bytes
}

impl Record<'_> {
    /// First and last decided slot; `None` for a ledger without rows.
    pub fn window(&self) -> Option<Window> {
        let (first, last) = (self.decisions.first()?, self.decisions.last()?);
        Window::new(first.ts(), last.ts()).ok()
    }

    /// The slots that were hindered from outside. An absent bar is not among them: the bars show that themselves.
    pub fn degraded(&self) -> BTreeMap<i64, Degraded> {
        let cause = |line: &DecisionLine<'_>| line.degraded().map(|cause| (line.ts_ms(), cause));
        self.decisions
            .iter()
            .filter_map(cause)
            .filter(|(_, cause)| *cause != Degraded::BarMissing)
            .collect()
    }
}

/// The birth certificate of a tag; `None` when it has none.
pub fn read_origin<D: Disk>(
    disk: &D,
    layout: &Layout,
    tag: &Tag,
    series: &Series,
) -> Result<Option<LedgerOrigin>, StoreError> {
    let path = layout.origin(tag, series);
    let Some(bytes) = disk.read(&path)? else { return Ok(None) };
    let damaged = |error: OriginError| StoreError::damaged(path, 0, error.to_string());
    LedgerOrigin::from_json(&bytes).map(Some).map_err(damaged)
}

/// The bytes of the commands ledger of a tag; none without one.
pub fn commands_ledger<D: Disk>(
    disk: &D,
    layout: &Layout,
    tag: &Tag,
) -> Result<Vec<u8>, StoreError> {
    Ok(disk.read(&layout.commands(tag))?.unwrap_or_default())
}

/// The operator commands of a tag.
pub fn read_commands<D: Disk>(
    disk: &D,
    layout: &Layout,
    tag: &Tag,
) -> Result<Vec<Command>, StoreError> {
    parse_commands(&commands_ledger(disk, layout, tag)?, &layout.commands(tag))
}

/// The same for a loop that acts on them: they are made durable first, since whoever gave one may have died before he could.
pub fn durable_commands<D: Disk>(
    disk: &D,
    layout: &Layout,
    tag: &Tag,
) -> Result<Vec<Command>, StoreError> {
    let path = layout.commands(tag);
    if disk.len(&path)?.is_some() {
        disk.sync(&path)?;
        disk.sync_dir(parent(&path))?;
    }
    read_commands(disk, layout, tag)
}

/// The stored bars a window's decisions can depend on, and the revision log.
pub fn load_bars<D: Disk>(
    raw: &RawStore<'_, D>,
    window: Window,
    blocks: Blocks,
) -> Result<(Vec<TimedBar>, Vec<Revision>), StoreError> {
    let bars = stored_bars(raw, blocks.anchor_ms(window.first()), window.last())?;
    Ok((bars, raw.revisions()?))
}

/// The stored bars of the days from an instant on that close by a slot.
pub fn stored_bars<D: Disk>(
    raw: &RawStore<'_, D>,
    open_ms: i64,
    last: SlotTs,
) -> Result<Vec<TimedBar>, StoreError> {
    let mut bars = raw.load(UtcMs::EPOCH.plus_ms(open_ms).day(), last.open_day())?;
    bars.retain(|bar| bar.ts <= last);
    Ok(bars)
}

/// When and from where a ledger began.
pub fn ledger_start(origin: &LedgerOrigin, series: &Series) -> Result<LedgerStart, SessionError> {
    let floor = series.timeframe().slot(origin.floor_ts_ms);
    let at = UtcMs::new(origin.born_at_ms);
    match (floor, at) {
        (Ok(floor), Ok(at)) => Ok(LedgerStart { floor, at, revisions: origin.born_revisions }),
        (Err(error), _) | (_, Err(error)) => Err(SessionError::Origin(error.to_string())),
    }
}

/// What a person can do about rows that were taken away.
const TAKEN: &str = "rows were taken away; restore the file from a backup, or start a new tag";

/// A ledger whose `decisions.csv` is not there, though its `origin.json` is: that one comes later.
pub fn gone((layout, tag, series): (&Layout, &Tag, &Series)) -> StoreError {
    let reason = "is missing, but the origin.json beside it says that a ledger began here: restore it, or start a new tag";
    StoreError::damaged(layout.decisions(tag, series), 0, reason)
}

/// Refuses a ledger that lacks rows at its beginning or its end, and names `decisions.csv`: its files know of each other where it
/// begins and how far it goes. What a crash leaves is none of it: the decision is durable before its row of `timing.csv`, which may
/// therefore be missing, and `origin.json` is there before the first row.
pub fn covered(
    record: &Record<'_>,
    origin: Option<&LedgerOrigin>,
    files: (&Layout, &Tag, &Series),
) -> Result<(), StoreError> {
    let [first, last] =
        [record.decisions.first(), record.decisions.last()].map(|row| row.map(DecisionLine::ts));
    let after = record.seen_at.range(last.map_or(i64::MIN, |last| last.ts_ms() + 1)..);
    let end = End {
        rows: record.decisions.len() as u64,
        last: last.map(SlotTs::ts_ms),
        timed: after.clone().count(),
        timed_last: after.clone().next_back().map(|(ts, _)| *ts),
        first_trade: record.trades.first().map(|trade| trade.ts().ts_ms()),
        is_torn: record.is_torn,
    };
    ends(&end, files)?;
    match first {
        Some(first) => begins(first, record.seen_at.keys().next().copied(), origin, files),
        None => Ok(()),
    }
}

/// Refuses a ledger that lacks rows at its beginning.
pub fn begins(
    first: SlotTs,
    timed: Option<i64>,
    origin: Option<&LedgerOrigin>,
    (layout, tag, series): (&Layout, &Tag, &Series),
) -> Result<(), StoreError> {
    let first = first.ts_ms();
    let reason = match (timed, origin.and_then(|origin| origin.first_ts_ms)) {
        (Some(known), _) if known < first => {
            format!("it begins at ts_ms {first}, timing.csv has a row for {known}")
        }
        (_, Some(begun)) if begun != first => {
            format!("it begins at ts_ms {first}, by origin.json it began at {begun}")
        }
        _ => return Ok(()),
    };
    Err(StoreError::damaged(layout.decisions(tag, series), 2, format!("{reason}: {TAKEN}")))
}

/// Where a ledger ends, and what the files beside it have behind that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Decisions.
    pub rows: u64,
    /// The last of them.
    pub last: Option<i64>,
    /// Rows of timing behind it.
    pub timed: usize,
    /// The last of these.
    pub timed_last: Option<i64>,
    /// The first trade behind it; of a ledger without a row, the first one.
    pub first_trade: Option<i64>,
    /// Whether something follows the last whole row.
    pub is_torn: bool,
}

impl End {
    /// Of a ledger that was read to its last row.
    pub fn of<D: Disk>(reader: &mut RecordReader<'_, D>) -> Result<Self, StoreError> {
        let left = reader.left()?;
        Ok(Self {
            rows: reader.mark().decisions.line.saturating_sub(2),
            last: reader.mark().after.map(SlotTs::ts_ms),
            timed: left.timed,
            timed_last: left.timed_last.map(SlotTs::ts_ms),
            first_trade: left.trade.as_ref().map(|trade| trade.ts.ts_ms()),
            is_torn: reader.is_torn(),
        })
    }
}

/// Refuses a ledger that lacks rows at its end.
pub fn ends(end: &End, (layout, tag, series): (&Layout, &Tag, &Series)) -> Result<(), StoreError> {
    let lacks = |line: u64, reason: String| {
        let path = layout.decisions(tag, series);
        Err(StoreError::damaged(path, line, format!("{reason}: {TAKEN}")))
    };
    if let Some(known) = end.timed_last {
        // A crash that tore a decision came before its row of timing; only a hand tears behind it.
        if !(end.is_torn && end.timed == 1) {
            let ends =
                end.last.map_or("it has no row".to_owned(), |l| format!("it ends at ts_ms {l}"));
            return lacks(end.rows + 1, format!("{ends}, timing.csv has a row for {known}"));
        }
    }
    match (end.last, end.first_trade) {
        (None, Some(trade)) if !end.is_torn => {
            lacks(1, format!("it has no row, trades.csv has one for ts_ms {trade}"))
        }
        _ => Ok(()),
    }
}

/// Most combinations of versions tried for bars that were handed in late.
const COMBINATIONS_MAX: usize = 4_096;

/// What a ledger row says about its bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decided {
    /// The slot.
    pub ts: SlotTs,
    /// What hindered it.
    pub degraded: Option<Degraded>,
    /// Hash of the bars it was given.
    pub bar_hash: Option<u64>,
    /// When the answer came that it was decided on, where that is known.
    pub seen_at: Option<UtcMs>,
}

/// When LIVE began and how far back it could look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerStart {
    /// The oldest bar it could see.
    pub floor: SlotTs,
    /// When it saw the warm-up bars.
    pub at: UtcMs,
    /// Entries of the revision log at that time, where that is known. A clock may have been set back since; the log only grows.
    pub revisions: Option<usize>,
}

/// The bars as seen, sorted, and the slots whose bars can no longer be found.
#[derive(Debug, Default)]
pub struct Seen {
    /// Warm-up bars at or above the floor, then those of the decided slots.
    pub bars: Vec<TimedBar>,
    /// Slots whose recorded hash no version of the bar has; today's version stands in for them.
    pub unresolved: Vec<SlotTs>,
}

/// The bars at or above the floor and before the first decided slot, as LIVE saw them when it began.
pub fn warm_up_bars(
    stored: &[TimedBar],
    revisions: &[Revision],
    first: SlotTs,
    birth: LedgerStart,
) -> Vec<TimedBar> {
    let (known, at) = match birth.revisions {
        Some(count) => (revisions.get(count..).unwrap_or_default(), UtcMs::EPOCH),
        None => (revisions, birth.at),
    };
    let view = AsSeen::new(stored, known);
    let earlier = stored.iter().filter(|bar| birth.floor <= bar.ts && bar.ts < first);
    earlier
        .filter_map(|stored| view.at(stored.ts, at).map(|bar| TimedBar { ts: stored.ts, bar }))
        .collect()
}

/// Rebuilds what LIVE saw piece by piece: it remembers the slots whose bars are held back.
#[derive(Debug, Clone, Default)]
pub struct SeenRows {
    held: Vec<SlotTs>,
}

impl SeenRows {
    /// Behind a row after which the bars of these slots are held back.
    pub fn behind(held: Vec<SlotTs>) -> Self {
        Self { held }
    }

    /// Slots whose bars are held back.
    pub fn held(&self) -> &[SlotTs] {
        &self.held
    }

    /// The bars of the next rows, which follow those before without a hole. `stored` has those of the rows and of the held slots.
    pub fn next(
        &mut self,
        stored: &[TimedBar],
        revisions: &[Revision],
        decided: &[Decided],
    ) -> Seen {
        let mut seen = Seen::default();
        let Some(first) = decided.first() else { return seen };
        let view = AsSeen::new(stored, revisions);
        let mut cursor = stored.partition_point(|bar| bar.ts < first.ts);
        for row in decided {
            if row.degraded.is_some_and(Degraded::holds_bar_back) {
                self.held.push(row.ts);
            }
            while stored.get(cursor).is_some_and(|bar| bar.ts < row.ts) {
                cursor += 1;
            }
            let Some(hash) = row.bar_hash else { continue };
            let own = stored.get(cursor).filter(|bar| bar.ts == row.ts);
            match own {
                Some(own) if self.held.is_empty() && hash_bars(&[*own]) == hash => {
                    seen.bars.push(*own);
                }
                _ => {
                    if let Some(bars) = find(&view, &self.held, row, hash) {
                        seen.bars.extend(bars);
                    } else {
                        seen.unresolved.push(row.ts);
                        seen.bars.extend(own);
                    }
                }
            }
            self.held.clear();
        }
        seen
    }
}

/// The versions of the held bars and the slot's own bar that together have the recorded hash.
fn find(view: &AsSeen, held: &[SlotTs], row: &Decided, hash: u64) -> Option<Vec<TimedBar>> {
    let timed = |ts: SlotTs, bar: Option<_>| bar.map(|bar| TimedBar { ts, bar });
    let slots: Vec<SlotTs> = held.iter().copied().chain([row.ts]).collect();
    // What was decided on is the store as it stood at one instant: the recorded one, or, where that is lost, before or
    // after some change.
    let changes = slots.iter().flat_map(|ts| view.changes(*ts));
    let instants: BTreeSet<UtcMs> = changes.flat_map(|at| [at.plus_ms(-1), at]).collect();
    for seen_at in row.seen_at.into_iter().chain(instants) {
        let bars: Vec<_> =
            slots.iter().filter_map(|ts| timed(*ts, view.at(*ts, seen_at))).collect();
        if hash_bars(&bars) == hash {
            return Some(bars);
        }
    }
    let versions: Vec<_> = slots.iter().map(|ts| view.versions(*ts)).collect();
    let count = versions.iter().try_fold(1_usize, |n, v| n.checked_mul(v.len().max(1)))?;
    (0..count.min(COMBINATIONS_MAX)).find_map(|mut n| {
        let mut bars = Vec::with_capacity(slots.len());
        for (ts, versions) in slots.iter().zip(&versions) {
            let many = versions.len().max(1);
            bars.extend(versions.get(n % many).and_then(|bar| timed(*ts, *bar)));
            n /= many;
        }
        (hash_bars(&bars) == hash).then_some(bars)
    })
}
