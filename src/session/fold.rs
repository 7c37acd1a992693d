//! A recorded ledger played again: row by row, on the bars as they were seen, and every row must come out as it was written.

use std::collections::VecDeque;

use super::{
    checkpoint::{Checkpoint, Proved},
    error::{CheckpointError, SessionError},
    live::{LedgerLocation, trade_row},
    origin::{LedgerOrigin, StrategySettings},
    reader::{DecisionRow, Extent, Files, LedgerPiece, RecordReader, RowFinder},
    record::{End, Seen, SeenRows, begins, ends, ledger_start, stored_bars, warm_up_bars},
};
use crate::{
    domain::{bar::TimedBar, command::Command, time::SlotTs},
    engine::{
        saved::SavedState,
        signals::Signals,
        slot::SlotMaker,
        step::{Core, Engine, SlotView},
    },
    store::{
        disk::Disk,
        error::StoreError,
        raw::{RawStore, Revision},
        rows::{
            decisions::Column,
            table::{SeriesPrefix, push_decision},
        },
    },
};

/// Rows played between two looks at the store.
const ROWS_AT_ONCE: usize = 4_096;
/// Rows read at once where the rows that the features need are looked for.
const ROWS_BACK: u64 = 256;
/// What a person can do about a ledger that contradicts itself.
pub(super) const REPAIR: &str =
    "the file was changed after it was written; restore it from a backup, or start a new tag";

/// What a ledger is folded with.
pub struct FoldInputs<'a, 'd, D: Disk> {
    /// Whose ledger it is.
    pub place: &'a LedgerLocation<'d, D>,
    /// Strategy and rules.
    pub core: &'a Core,
    /// The same as text.
    pub card: &'a StrategySettings,
    /// Its certificate; `None` only for a ledger without rows.
    pub origin: Option<&'a LedgerOrigin>,
    /// All commands of the tag.
    pub commands: &'a [Command],
    /// What LIVE used of its signals.
    pub signals: &'a Signals,
}

/// The engine behind the last row that was played, and how far the files are proved.
pub struct Fold {
    /// The engine.
    pub engine: Engine,
    /// What makes its slots.
    pub maker: SlotMaker,
    /// How far the files are proved.
    pub proved: Proved,
    /// The last row, without its newline.
    pub last_row: String,
    /// Trades that the rows lead to and that are not in `trades.csv`.
    pub owed: VecDeque<Vec<u8>>,
    /// Decisions that were played.
    pub rows: u64,
    /// A slot that is to be looked at.
    pub asked: Option<SlotTs>,
    /// Its row, and what the rules saw there.
    pub looked: Option<(String, Option<SlotView>, String)>,
    seen: SeenRows,
    revisions: Vec<Revision>,
}

/// How a fold ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folded {
    /// Behind the last row.
    Whole,
    /// It was asked to stop.
    Stopped,
}

impl Fold {
    /// Before the first row.
    pub fn fresh<D: Disk>(given: &FoldInputs<'_, '_, D>) -> Self {
        let timeframe = given.place.series.timeframe();
        Self {
            engine: Engine::new(given.core.clone(), timeframe),
            maker: SlotMaker::new(given.commands.to_vec()).hearing(given.signals.clone()),
            proved: Proved::nothing(),
            last_row: String::new(),
            owed: VecDeque::new(),
            rows: 0,
            asked: None,
            looked: None,
            seen: SeenRows::default(),
            revisions: Vec::new(),
        }
    }

    /// Behind the last row of a checkpoint that fits: its state, and the features made of the bars since their anchor.
    pub fn behind<D: Disk>(
        given: &FoldInputs<'_, '_, D>,
        checkpoint: &Checkpoint,
    ) -> Result<Self, CheckpointError> {
        let LedgerLocation { series, .. } = given.place;
        let timeframe = series.timeframe();
        let proved = checkpoint.proved(timeframe).ok_or(CheckpointError::Impossible)?;
        let held = checkpoint.held(timeframe).ok_or(CheckpointError::Impossible)?;
        let last = proved.mark.after.ok_or(CheckpointError::Impossible)?;
        let state = checkpoint.restore(given.core, timeframe).ok_or(CheckpointError::Impossible)?;
        let mut engine = Engine::resume(given.core.clone(), timeframe, state);
        let raw = RawStore::new(given.place.layout, given.place.disk, series);
        let revisions = raw.revisions()?;
        let (extent, store) = (checkpoint.extent(), (&raw, revisions.as_slice()));
        for bar in since_anchor(given, store, extent, last)? {
            engine.warm(&bar);
        }
        let maker = SlotMaker::behind(given.commands.to_vec(), last, held.clone());
        Ok(Self {
            engine,
            maker: maker.hearing(given.signals.clone()),
            last_row: checkpoint.last_row().to_owned(),
            proved,
            owed: VecDeque::new(),
            rows: 0,
            asked: None,
            looked: None,
            seen: SeenRows::behind(held),
            revisions,
        })
    }

    /// Plays the rows of `extent` behind those that are proved. `stop` is asked between pieces.
    pub fn run<D: Disk>(
        &mut self,
        given: &FoldInputs<'_, '_, D>,
        extent: Extent,
        stop: &dyn Fn() -> bool,
    ) -> Result<Folded, SessionError> {
        let LedgerLocation { disk, layout, tag, series } = given.place;
        let files = (*layout, tag, series);
        let paths = Files::of(layout, tag, series);
        let place = (&self.proved.mark, ROWS_AT_ONCE);
        let mut reader = RecordReader::behind(*disk, &paths, series, extent, place)?;
        let raw = RawStore::new(layout, *disk, series);
        while let Some(piece) = reader.next()? {
            if stop() {
                return Ok(Folded::Stopped);
            }
            if self.proved.mark.after.is_none() {
                let timed = piece.timing.first().map(|timing| timing.ts.ts_ms());
                begins(piece.window().first(), timed, given.origin, files)?;
                self.warm_up(given, &raw, piece.window().first())?;
            }
            self.play(given, &raw, &piece)?;
        }
        let end = End::of(&mut reader)?;
        ends(&end, files)?;
        match reader.next_trade() {
            // Of a ledger without a row, torn at its first one, the trade is of the row that was torn.
            Some(trade) => Err(Self::no_decision(given, trade.line).into()),
            None => Ok(Folded::Whole),
        }
    }

    /// What comes before the first row: the settings must be those of the certificate, and the features see the bars before it.
    fn warm_up<D: Disk>(
        &mut self,
        given: &FoldInputs<'_, '_, D>,
        raw: &RawStore<'_, D>,
        first: SlotTs,
    ) -> Result<(), SessionError> {
        let LedgerLocation { layout, tag, series, .. } = given.place;
        let origin =
            given.origin.ok_or_else(|| SessionError::NoOrigin(layout.origin(tag, series)))?;
        same_settings(given.card, &origin.card)?;
        let anchor = given.core.blocks(series.timeframe()).anchor_ms(first);
        let stored = stored_bars(raw, anchor, first)?;
        self.revisions = raw.revisions()?;
        let birth = ledger_start(origin, series)?;
        for bar in warm_up_bars(&stored, &self.revisions, first, birth) {
            self.engine.warm(&bar);
        }
        Ok(())
    }

    fn play<D: Disk>(
        &mut self,
        given: &FoldInputs<'_, '_, D>,
        raw: &RawStore<'_, D>,
        piece: &LedgerPiece,
    ) -> Result<(), SessionError> {
        let LedgerLocation { layout, tag, series, .. } = given.place;
        let path = layout.decisions(tag, series);
        let (_, seen) = next_seen(&mut self.seen, raw, &self.revisions, piece)?;
        if let Some(lost) = seen.unresolved.first() {
            let line = piece.line(lost.since(piece.window().first()).unsigned_abs() as usize);
            return Err(StoreError::damaged(path, line, bar_lost(*lost)).into());
        }
        let bar_at = |ts: SlotTs| {
            seen.bars.binary_search_by_key(&ts, |bar| bar.ts).ok().map(|n| seen.bars[n].bar)
        };
        let beside = Beside {
            commands: format!("commands/{tag}.csv"),
            signals: (!given.signals.is_empty())
                .then(|| layout.used_signals(tag, series).display().to_string()),
        };
        let prefix = SeriesPrefix::new(series);
        let (mut events, mut text) = (Vec::new(), Vec::new());
        for (n, row) in piece.rows.iter().enumerate() {
            let (ts, recorded) = (row.decided.ts, piece.text(row));
            let slot = self.maker.make(ts, bar_at(ts), row.decided.degraded, bar_at);
            let look = (self.asked == Some(ts)).then(|| self.engine.look(&slot));
            events.clear();
            let decision = self.engine.step(&slot, &mut events);
            if let Some(look) = look {
                let risk = self.engine.state().risk_shown();
                self.looked = Some((recorded.to_owned(), look, risk));
            }
            text.clear();
            push_decision(&mut text, &prefix, &decision);
            if text.strip_suffix(b"\n") != Some(recorded.as_bytes()) {
                let reason = mismatch(ts, recorded, &text, &beside);
                return Err(StoreError::damaged(path, piece.line(n), reason).into());
            }
            self.owed.extend(events.iter().map(|event| trade_row(&prefix, series, event)));
        }
        for trade in &piece.trades {
            let path = layout.trades(tag, series);
            let reason = match self.owed.pop_front() {
                Some(row) if row.strip_suffix(b"\n") == Some(trade.text.as_bytes()) => continue,
                Some(row) => format!(
                    "the decisions lead to `{}` here, the file has `{}`: {REPAIR}",
                    String::from_utf8_lossy(&row).trim_end(),
                    trade.text
                ),
                None => return Err(Self::no_decision(given, trade.line).into()),
            };
            return Err(StoreError::damaged(path, trade.line, reason).into());
        }
        self.rows += piece.rows.len() as u64;
        self.proved.add(piece);
        piece.last_text().clone_into(&mut self.last_row);
        Ok(())
    }

    fn no_decision<D: Disk>(given: &FoldInputs<'_, '_, D>, line: u64) -> StoreError {
        let LedgerLocation { layout, tag, series, .. } = given.place;
        let reason = format!("a trade that no decision leads to: {REPAIR}");
        StoreError::damaged(layout.trades(tag, series), line, reason)
    }

    /// The state behind the last row, as plain values.
    pub fn state(&self) -> SavedState {
        self.engine.state().save()
    }
}

/// Refuses to go on with other settings than those a ledger was begun with.
fn same_settings(ours: &StrategySettings, theirs: &StrategySettings) -> Result<(), SessionError> {
    let mut differences = ours.differences(theirs);
    if ours.stop_fill != theirs.stop_fill {
        let (ours, theirs) = (ours.stop_fill.clone(), theirs.stop_fill.clone());
        differences.push(("live.stop-fill".into(), ours, theirs));
    }
    if differences.is_empty() { Ok(()) } else { Err(SessionError::OtherSettings(differences)) }
}

/// The stored bars of a piece and of the slots held back before it, and what of them LIVE saw.
pub fn next_seen<D: Disk>(
    seen: &mut SeenRows,
    raw: &RawStore<'_, D>,
    revisions: &[Revision],
    piece: &LedgerPiece,
) -> Result<(Vec<TimedBar>, Seen), StoreError> {
    let (first, last) = (piece.window().first(), piece.window().last());
    let oldest = seen.held().first().copied().unwrap_or(first);
    let stored = stored_bars(raw, oldest.open_ms(), last)?;
    let within = |revision: &&Revision| (oldest..=last).contains(&revision.ts);
    let revisions: Vec<Revision> = revisions.iter().filter(within).copied().collect();
    let found = seen.next(&stored, &revisions, &piece.decided());
    Ok((stored, found))
}

/// The bars that the features behind a row are made of, as they were seen: those since the anchor of the next slot, whose own row is
/// among the last that are read.
pub fn since_anchor<D: Disk>(
    given: &FoldInputs<'_, '_, D>,
    (raw, revisions): (&RawStore<'_, D>, &[Revision]),
    extent: Extent,
    last: SlotTs,
) -> Result<Vec<TimedBar>, SessionError> {
    let LedgerLocation { disk, layout, tag, series } = given.place;
    let files = Files::of(layout, tag, series);
    let origin = given.origin.ok_or_else(|| SessionError::NoOrigin(layout.origin(tag, series)))?;
    let anchor = given.core.blocks(series.timeframe()).anchor_ms(last.next());
    let ledger = RowFinder::new(*disk, &files, series, extent)?
        .ok_or_else(|| StoreError::damaged(&files.decisions, 2, "it has no row"))?;
    let first = ledger.first;
    let ahead = (anchor.saturating_sub(first.open_ms()) / series.timeframe().ms()).max(0);
    let mut from = ahead.unsigned_abs();
    // Bars that were held back before are handed in with a row behind: nothing may be held where reading begins.
    while from > 0 {
        let back = from.saturating_sub(ROWS_BACK);
        let piece = ledger.reader(back, (from - back) as usize)?.next()?;
        let had_bar = |row: &DecisionRow| row.decided.bar_hash.is_some();
        match piece.and_then(|piece| piece.rows.iter().rposition(had_bar)) {
            Some(n) => {
                from = back + n as u64 + 1;
                break;
            }
            None => from = back,
        }
    }
    let mut bars = Vec::new();
    if from == 0 {
        let stored = stored_bars(raw, anchor, first)?;
        bars = warm_up_bars(&stored, revisions, first, ledger_start(origin, series)?);
    }
    let mut reader = ledger.reader(from, ROWS_AT_ONCE)?;
    let mut seen = SeenRows::default();
    while let Some(piece) = reader.next()? {
        if piece.window().first() > last.next() {
            break;
        }
        let (_, found) = next_seen(&mut seen, raw, revisions, &piece)?;
        if let Some(lost) = found.unresolved.first() {
            let path = layout.decisions(tag, series);
            return Err(StoreError::damaged(path, 0, bar_lost(*lost)).into());
        }
        bars.extend(found.bars);
    }
    bars.retain(|bar| bar.ts.open_ms() >= anchor);
    Ok(bars)
}

fn bar_lost(ts: SlotTs) -> String {
    format!(
        "column bar_hash of the row for ts_ms {ts} fits no version of that bar in the raw store: \
         restore this file, or the bars of that day and revisions.csv"
    )
}

/// The files that are inputs of a ledger beside its bars.
struct Beside {
    commands: String,
    /// `None` for a strategy without signals.
    signals: Option<String>,
}

/// Names the first column in which the recomputed row differs from the recorded one. Where what operators ordered made the difference,
/// the ledger of commands is named first; else, where the strategy reads signals, the copy of them.
fn mismatch(ts: SlotTs, recorded: &str, recomputed: &[u8], beside: &Beside) -> String {
    let text = String::from_utf8_lossy(recomputed);
    let columns = || {
        let both = recorded.split(',').zip(text.trim_end().split(','));
        Column::ALL.into_iter().zip(both).filter(|(_, (was, now))| was != now)
    };
    let is_ordered = |(column, (was, now)): (Column, (&str, &str))| {
        let words = ["halted", "kill_switch", "risk:operator"];
        column == Column::RiskState || words.contains(&was) || words.contains(&now)
    };
    let mend = match &beside.signals {
        _ if columns().any(is_ordered) => {
            format!("{} was changed after it was obeyed, or {REPAIR}", beside.commands)
        }
        Some(signals) => format!("{signals} was changed after it was used, or {REPAIR}"),
        None => REPAIR.to_owned(),
    };
    match columns().next() {
        Some((column, (was, now))) => format!(
            "replaying the row for ts_ms {ts} gives another result: column {} is recorded as `{was}`, recomputed as `{now}`; {mend}",
            column.name(),
        ),
        None => format!("replaying the row for ts_ms {ts} gives another row; {mend}"),
    }
}
