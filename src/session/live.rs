//! The live session: one slot at a time, each row durable before the next, and one recovery path at every start.

use super::{
    card::{Born, Card, Origin},
    cover::{covered, gone},
    error::SessionError,
    record::{Record, RecordBytes, birth, durable_commands, load_bars, read_origin},
};
use crate::{
    domain::{
        bar::{Bar, TimedBar},
        command::Command,
        decision::{Decision, Degraded},
        ids::{RunId, Tag},
        series::Series,
        time::{SlotTs, UtcMs},
        trade::TradeEvent,
    },
    engine::{
        slot::{SlotMaker, Unlearned},
        step::{Core, Engine},
        strategy::Strategy,
    },
    session::as_seen::seen_bars,
    store::{
        disk::Disk,
        document::document,
        error::StoreError,
        layout::Layout,
        ledger::{self, Cut, Found, Inspection, Ledger},
        monotonic::Monotonic,
        raw::RawStore,
        rows::{
            decisions::{Column, DECISIONS_HEADER, DecisionLine},
            encode::{SeriesPrefix, push_decision, push_timing, push_trade},
            timing::{Origin as Cause, TIMING_HEADER, Timing},
            trades::TRADES_HEADER,
        },
    },
};

/// How often one row is offered to a disk that refuses it before the session gives up.
const APPEND_TRIES: u32 = 3;
/// What a person can do about a ledger that contradicts itself.
const MEND: &str =
    "the file was changed after it was written; restore it from a backup, or start a new tag";

/// Where a session writes, and whose ledger it is.
#[derive(Debug)]
pub struct Place<'d, D: Disk> {
    /// The disk.
    pub disk: &'d D,
    /// Its paths.
    pub layout: &'d Layout,
    /// Name of the ledger.
    pub tag: Tag,
    /// The series it is about.
    pub series: Series,
}

/// When a slot was decided, for `timing.csv`.
#[derive(Debug, Clone)]
pub struct Stamp {
    /// Why then.
    pub cause: Cause,
    /// When its answer came.
    pub seen_at: UtcMs,
    /// The run that decided it.
    pub run_id: RunId,
}

/// What a start found and repaired.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Rows whose fold was proved.
    pub rows: usize,
    /// Torn tails that were cut, with the file's name.
    pub cuts: Vec<(String, Cut)>,
    /// Trade rows that a crash had left unwritten.
    pub trades_owed: usize,
}

/// The durable side of a session.
struct Journal<'d, D: Disk> {
    decisions: Ledger<'d, D>,
    trades: Ledger<'d, D>,
    timing: Ledger<'d, D>,
}

/// A ledger with the engine that stands behind its last row.
pub struct Session<'d, S: Strategy, D: Disk> {
    place: Place<'d, D>,
    prefix: SeriesPrefix,
    card: Card,
    engine: Engine<S>,
    maker: SlotMaker,
    gate: Monotonic,
    journal: Option<Journal<'d, D>>,
    buffer: Vec<u8>,
}

impl<'d, S: Strategy, D: Disk> Session<'d, S, D> {
    /// Opens or creates a ledger. The caller holds its writer lock.
    ///
    /// Everything is read and checked before anything is touched: the rows are folded through the engine on the bars as
    /// they were seen, and every recomputed row must equal the recorded one. Then torn tails are cut and owed trades written.
    /// With `dry` nothing is written, now or later.
    pub fn open(
        place: Place<'d, D>,
        core: Core<S>,
        card: Card,
        now: UtcMs,
        dry: bool,
    ) -> Result<(Self, Recovered), SessionError> {
        let Place { disk, layout, tag, series } = &place;
        let mut found = [
            ledger::inspect(*disk, &layout.decisions(tag, series), DECISIONS_HEADER)?,
            ledger::inspect(*disk, &layout.trades(tag, series), TRADES_HEADER)?,
            ledger::inspect(*disk, &layout.timing(tag, series), TIMING_HEADER)?,
        ];
        let [decisions, trades, timing] = found.each_ref().map(|file| file.whole().to_vec());
        let is_torn = found[0].is_torn();
        let bytes = RecordBytes { decisions, trades, timing, is_torn };
        let record = bytes.parse(layout, tag, series)?;
        let origin = read_origin(*disk, layout, tag, series)?;
        if origin.is_some() && *found[0].found() == Found::Absent {
            return Err(gone((layout, tag, series)).into());
        }
        covered(&record, origin.as_ref(), (layout, tag, series))?;
        // A decision that is not there will be made again, and then it has another time.
        let last_ms = record.window().map_or(i64::MIN, |window| window.last().ts_ms());
        found[2].keep_rows(record.seen_at.range(..=last_ms).count());
        let commands = durable_commands(*disk, layout, tag)?;
        all_known(&core.strategy, &commands)?;
        let mut session = Self {
            prefix: SeriesPrefix::new(series),
            engine: Engine::new(core, series.timeframe()),
            maker: SlotMaker::new(commands),
            gate: Monotonic::after(None),
            journal: None,
            buffer: Vec::new(),
            card,
            place,
        };
        let owed = session.fold(&record, origin.as_ref())?;
        let mut recovered = Recovered { rows: record.decisions.len(), ..Recovered::default() };
        if !dry {
            recovered.trades_owed = owed.len();
            session.open_journal(&found, &owed, now, &mut recovered)?;
        }
        Ok((session, recovered))
    }

    /// Replays the recorded rows and returns the trade rows that are still owed.
    fn fold(
        &mut self,
        record: &Record<'_>,
        origin: Option<&Origin>,
    ) -> Result<Vec<Vec<u8>>, SessionError> {
        let Place { disk, layout, tag, series } = &self.place;
        let (disk, layout) = (*disk, *layout);
        let Some(window) = record.window() else {
            return self.settle_trades(record, Vec::new());
        };
        let origin = origin.ok_or_else(|| SessionError::NoOrigin(layout.origin(tag, series)))?;
        let mut differences = self.card.differences(&origin.card);
        if self.card.stop_fill != origin.card.stop_fill {
            let (ours, theirs) = (self.card.stop_fill.clone(), origin.card.stop_fill.clone());
            differences.push(("live.stop-fill".into(), ours, theirs));
        }
        if !differences.is_empty() {
            return Err(SessionError::OtherSettings(differences));
        }
        let raw = RawStore::new(layout, disk, series);
        let blocks = self.engine.core().blocks(series.timeframe());
        let (stored, revisions) = load_bars(&raw, window, blocks)?;
        let seen = seen_bars(&stored, &revisions, &record.decided(), birth(origin, series)?);
        let path = layout.decisions(tag, series);
        if let Some(lost) = seen.unresolved.first() {
            let line = lost.since(window.first()).unsigned_abs() + 2;
            return Err(StoreError::damaged(path, line, bar_lost(*lost)).into());
        }
        let series = series.clone();
        let bar_at = |ts: SlotTs| {
            seen.bars.binary_search_by_key(&ts, |bar| bar.ts).ok().map(|n| seen.bars[n].bar)
        };
        for bar in seen.bars.iter().take_while(|bar| bar.ts < window.first()) {
            self.engine.warm(bar);
        }
        let (mut events, mut trades) = (Vec::new(), Vec::new());
        for (line, number) in record.decisions.iter().zip(2..) {
            let slot = self.maker.make(line.ts(), bar_at(line.ts()), line.degraded(), bar_at);
            events.clear();
            let decision = self.engine.step(&slot, &mut events);
            self.buffer.clear();
            push_decision(&mut self.buffer, &self.prefix, &decision);
            if self.buffer.strip_suffix(b"\n") != Some(line.line().as_bytes()) {
                return Err(StoreError::damaged(path, number, self.mismatch(line)).into());
            }
            self.gate.admit(line.ts())?;
            trades.extend(events.iter().map(|event| trade_row(&self.prefix, &series, event)));
        }
        self.settle_trades(record, trades)
    }

    /// The recorded trades must be the first ones of the fold; the rest is owed.
    fn settle_trades(
        &self,
        record: &Record<'_>,
        folded: Vec<Vec<u8>>,
    ) -> Result<Vec<Vec<u8>>, SessionError> {
        let path = self.place.layout.trades(&self.place.tag, &self.place.series);
        for (n, line) in record.trades.iter().enumerate() {
            let reason = match folded.get(n) {
                Some(row) if row.strip_suffix(b"\n") == Some(line.line().as_bytes()) => continue,
                Some(row) => format!(
                    "the decisions lead to `{}` here, the file has `{}`: {MEND}",
                    String::from_utf8_lossy(row).trim_end(),
                    line.line()
                ),
                None => format!("a trade that no decision leads to: {MEND}"),
            };
            return Err(StoreError::damaged(path, n as u64 + 2, reason).into());
        }
        Ok(folded.into_iter().skip(record.trades.len()).collect())
    }

    /// Names the first column in which the recomputed row in the buffer differs from the recorded one.
    fn mismatch(&self, line: &DecisionLine<'_>) -> String {
        let text = String::from_utf8_lossy(&self.buffer);
        let recomputed: Vec<&str> = text.trim_end().split(',').collect();
        let differing = Column::ALL
            .into_iter()
            .zip(&recomputed)
            .find(|(column, now)| line.column(*column) != **now);
        match differing {
            Some((column, now)) => format!(
                "replaying the row for ts_ms {} gives another result: column {} is recorded as `{}`, recomputed as `{now}`; {MEND}",
                line.ts_ms(),
                column.name(),
                line.column(column)
            ),
            None => {
                format!("replaying the row for ts_ms {} gives another row; {MEND}", line.ts_ms())
            }
        }
    }

    fn open_journal(
        &mut self,
        found: &[Inspection; 3],
        owed: &[Vec<u8>],
        now: UtcMs,
        recovered: &mut Recovered,
    ) -> Result<(), SessionError> {
        let Place { disk, layout, tag, series } = &self.place;
        let (disk, layout) = (*disk, *layout);
        disk.create_dir_all(&layout.decisions_dir(tag, series)).map_err(StoreError::from)?;
        disk.create_dir_all(&layout.trades_dir(tag, series)).map_err(StoreError::from)?;
        disk.clean_temps(&layout.decisions_dir(tag, series)).map_err(StoreError::from)?;
        disk.clean_temps(&layout.trades_dir(tag, series)).map_err(StoreError::from)?;
        let mut open = |file: &Inspection| -> Result<Ledger<'d, D>, StoreError> {
            let (ledger, cut) = ledger::open(disk, file, &layout.quarantine(file.path(), now))?;
            let name = file.path().display().to_string();
            recovered.cuts.extend(cut.map(|cut| (name, cut)));
            Ok(ledger)
        };
        let (decisions, mut trades, timing) =
            (open(&found[0])?, open(&found[1])?, open(&found[2])?);
        for (n, row) in owed.iter().enumerate() {
            trades.append(row, n + 1 == owed.len())?;
        }
        self.journal = Some(Journal { decisions, trades, timing });
        Ok(())
    }

    /// Where it writes.
    pub fn place(&self) -> &Place<'d, D> {
        &self.place
    }

    /// The last decided slot.
    pub fn last(&self) -> Option<SlotTs> {
        self.gate.last()
    }

    /// Slots whose bars are held back.
    pub fn held(&self) -> &[SlotTs] {
        self.maker.held()
    }

    /// Operator commands it has taken note of.
    pub fn commands(&self) -> &[Command] {
        self.maker.commands()
    }

    /// The engine behind the last row.
    pub fn engine(&self) -> &Engine<S> {
        &self.engine
    }

    /// Begins a ledger that has no rows: writes its birth certificate and takes in the warm-up bars, which emit nothing.
    pub fn begin(
        &mut self,
        first: SlotTs,
        warm_up: &[TimedBar],
        born: Born,
        build: &str,
    ) -> Result<(), SessionError> {
        assert!(self.last().is_none(), "a ledger begins once");
        let floor = warm_up.first().map_or(first, |bar| bar.ts);
        let from = (floor.ts_ms(), first.ts_ms());
        let origin = Origin::new(from, born, self.card.clone(), build.to_owned());
        if self.journal.is_some() {
            let Place { disk, layout, tag, series } = &self.place;
            let path = layout.origin(tag, series);
            disk.replace(&path, document(&origin).as_bytes()).map_err(StoreError::from)?;
        }
        for bar in warm_up {
            assert!(bar.ts < first, "warm-up ends before the first slot");
            self.engine.warm(bar);
        }
        Ok(())
    }

    /// Takes note of operator commands that came since.
    pub fn learn(&mut self, commands: Vec<Command>) -> Result<(), SessionError> {
        let last = self.last();
        if commands.len() != self.maker.commands().len() {
            all_known(&self.engine.core().strategy, &commands)?;
        }
        self.maker.learn(commands, last).map_err(|why| match why {
            Unlearned::Late(command) => SessionError::LateCommand(command),
            Unlearned::Changed(line) => SessionError::ChangedCommand(line),
        })
    }

    /// Decides one slot and makes it durable: the decision row, then its trade rows, then its timing.
    /// A slot that is not later than the last one is refused, always.
    pub fn decide(
        &mut self,
        (ts, bar, degraded): (SlotTs, Option<Bar>, Option<Degraded>),
        late: impl Fn(SlotTs) -> Option<Bar>,
        stamp: Stamp,
    ) -> Result<Decision, SessionError> {
        let last = self.last();
        self.gate.admit(ts)?;
        assert!(last.is_none_or(|last| last.next() == ts), "slots are decided without a gap");
        let slot = self.maker.make(ts, bar, degraded, late);
        let mut events = Vec::new();
        let decision = self.engine.step(&slot, &mut events);
        let Some(journal) = &mut self.journal else { return Ok(decision) };
        self.buffer.clear();
        push_decision(&mut self.buffer, &self.prefix, &decision);
        append(&mut journal.decisions, &self.buffer, true)?;
        for (n, event) in events.iter().enumerate() {
            let row = trade_row(&self.prefix, &self.place.series, event);
            append(&mut journal.trades, &row, n + 1 == events.len())?;
        }
        let late_ms = stamp.seen_at.get() - ts.ts_ms();
        let Stamp { cause, seen_at, run_id } = stamp;
        self.buffer.clear();
        push_timing(&mut self.buffer, &Timing { ts, origin: cause, seen_at, late_ms, run_id });
        append(&mut journal.timing, &self.buffer, true)?;
        Ok(decision)
    }
}

/// Refuses commands that a strategy has not what it needs for: it would decide otherwise than its replay.
pub fn all_known<S: Strategy>(strategy: &S, commands: &[Command]) -> Result<(), SessionError> {
    match commands.iter().find(|command| !strategy.knows(command)) {
        Some(unknown) => Err(SessionError::UnknownModel(unknown.clone())),
        None => Ok(()),
    }
}

fn bar_lost(ts: SlotTs) -> String {
    format!(
        "column bar_hash of the row for ts_ms {ts} fits no version of that bar in the raw store: \
         restore this file, or the bars of that day and revisions.csv"
    )
}

/// Appends one row. A refused write has been rolled back and is offered again; what was not synced is never offered again.
fn append<D: Disk>(ledger: &mut Ledger<'_, D>, row: &[u8], sync: bool) -> Result<(), StoreError> {
    let mut tries = 1;
    loop {
        match ledger.append(row, sync) {
            Ok(()) => return Ok(()),
            Err(error) if ledger.is_poisoned() || tries >= APPEND_TRIES => return Err(error),
            Err(_) => tries += 1,
        }
    }
}

fn trade_row(prefix: &SeriesPrefix, series: &Series, event: &TradeEvent) -> Vec<u8> {
    let mut row = Vec::with_capacity(160);
    push_trade(&mut row, prefix, series, event);
    row
}
