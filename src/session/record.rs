//! What LIVE left on disk under a tag, read and checked, and what of it a replay takes as inputs.

use std::collections::BTreeMap;

use super::{
    as_seen::{Birth, Decided, Seen, seen_bars},
    card::Origin,
    error::SessionError,
    replay::Inputs,
};
use crate::{
    domain::{
        bar::TimedBar,
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
        raw::{RawStore, Revision},
        rows::{
            commands::parse_commands,
            decisions::{DecisionLine, parse_decisions},
            timing::parse_timing,
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

    /// What each row says about its bars.
    pub fn decided(&self) -> Vec<Decided> {
        let one = |line: &DecisionLine<'_>| Decided {
            ts: line.ts(),
            degraded: line.degraded(),
            bar_hash: line.bar_hash(),
            seen_at: self.seen_at.get(&line.ts_ms()).copied(),
        };
        self.decisions.iter().map(one).collect()
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
) -> Result<Option<Origin>, StoreError> {
    let path = layout.origin(tag, series);
    let Some(bytes) = disk.read(&path)? else { return Ok(None) };
    Origin::from_json(&bytes).map(Some).map_err(|reason| StoreError::damaged(path, 0, reason))
}

/// The operator commands of a tag.
pub fn read_commands<D: Disk>(
    disk: &D,
    layout: &Layout,
    tag: &Tag,
) -> Result<Vec<Command>, StoreError> {
    let path = layout.commands(tag);
    match disk.read(&path)? {
        Some(bytes) => parse_commands(&bytes, &path),
        None => Ok(Vec::new()),
    }
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
    let anchor = crate::domain::time::UtcMs::EPOCH.plus_ms(blocks.anchor_ms(window.first()));
    let mut bars = raw.load(anchor.day(), window.last().open_day())?;
    bars.retain(|bar| bar.ts <= window.last());
    Ok((bars, raw.revisions()?))
}

/// When and from where a ledger began.
pub fn birth(origin: &Origin, series: &Series) -> Result<Birth, SessionError> {
    let floor = series.timeframe().slot(origin.floor_ts_ms);
    let at = UtcMs::new(origin.born_at_ms);
    match (floor, at) {
        (Ok(floor), Ok(at)) => Ok(Birth { floor, at, revisions: origin.born_revisions }),
        (Err(error), _) | (_, Err(error)) => Err(SessionError::Origin(error.to_string())),
    }
}

/// The inputs that replay a ledger on the bars LIVE saw, and the slots whose bars could not be found again.
pub fn inputs_as_seen(
    record: &Record<'_>,
    window: Window,
    (stored, revisions): (&[TimedBar], &[Revision]),
    commands: Vec<Command>,
    birth: Birth,
) -> (Inputs, Vec<SlotTs>) {
    let Seen { bars, unresolved } = seen_bars(stored, revisions, &record.decided(), birth);
    (Inputs { window, bars, degraded: record.degraded(), commands }, unresolved)
}
