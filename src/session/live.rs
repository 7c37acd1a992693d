//! The live session: one slot at a time, each row durable before the next, and one recovery path at every start.

use std::path::PathBuf;

use super::{
    checkpoint::{Checkpoint, CheckpointOwner, CheckpointState, Proved},
    error::{CheckpointError, SessionError},
    fold::{Fold, FoldInputs, Folded, REPAIR},
    origin::{LedgerOrigin, StrategySettings, WarmupSeen},
    reader::{Extent, Files},
    record::{commands_ledger, durable_commands, gone, read_origin},
    signals::{Hearing, Used, inspect_used, read_used},
    watch::Watch,
};
use crate::{
    domain::{
        bar::{Bar, TimedBar},
        command::Command,
        decision::{Decision, Degraded, TradeEvent},
        ids::{RunId, Tag},
        series::Series,
        time::{SlotTs, UtcMs},
    },
    engine::{
        slot::{SlotMaker, Unlearned},
        step::{Core, Engine},
        strategy::Strategy,
    },
    store::{
        disk::Disk,
        document::document,
        error::StoreError,
        layout::Layout,
        ledger::{self, CutOff, Inspection, Ledger, LedgerContent, Monotonic},
        rows::{
            commands::parse_commands,
            decisions::DECISIONS_HEADER,
            signals::{SlotOrigin as Cause, TIMING_HEADER, Timing},
            table::{SeriesPrefix, push_decision, push_timing, push_trade},
            trades::TRADES_HEADER,
        },
    },
};

/// How often one row is offered to a disk that refuses it before the session gives up.
const APPEND_TRIES: u32 = 3;
/// Rows between two checkpoints of a loop: a start folds at most so many, and writing one costs two syncs.
pub const CHECKPOINT_ROWS: u64 = 64;

/// Where a session writes, and whose ledger it is.
#[derive(Debug)]
pub struct LedgerLocation<'d, D: Disk> {
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
pub struct DecisionTiming {
    /// Why then.
    pub cause: Cause,
    /// When its answer came.
    pub seen_at: UtcMs,
    /// The run that decided it.
    pub run_id: RunId,
}

/// What of a ledger a start believes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Belief {
    /// A checkpoint that fits; the rows before it are to be proved while the loop goes on, which writes one every so many rows.
    Checkpoint(u64),
    /// Nothing: every row is played again, and no checkpoint is written.
    Nothing,
}

/// What a start found and repaired.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Rows that were played again, and came out as they were written.
    pub rows: u64,
    /// Torn tails that were cut, with the file's name.
    pub cuts: Vec<(String, CutOff)>,
    /// Trade rows that a crash had left unwritten.
    pub trades_owed: usize,
    /// The checkpoint that the start went on from: what is before it was not proved yet.
    pub behind: Option<Checkpoint>,
    /// Why a checkpoint was not used.
    pub ignored: Option<CheckpointError>,
}

/// The durable side of a session.
struct Journal<'d, D: Disk> {
    decisions: Ledger<'d, D>,
    trades: Ledger<'d, D>,
    timing: Ledger<'d, D>,
    /// The copy of the signals; `None` for a strategy without signals.
    signals: Option<Ledger<'d, D>>,
}

/// What a start looked at, before anything is changed.
struct Inspected {
    /// Decisions, trades, timing.
    ledgers: [Inspection; 3],
    /// The copy of the signals; `None` for a strategy without signals.
    signals: Option<Inspection>,
}

impl Inspected {
    /// The files, of which what a checkpoint proved is not looked through.
    fn of<D: Disk>(
        disk: &D,
        (layout, tag, series): (&Layout, &Tag, &Series),
        checkpoint: Option<&Checkpoint>,
        signals: Option<Inspection>,
    ) -> Result<Self, StoreError> {
        let known = checkpoint.map_or([0; 3], |checkpoint| {
            let Extent { decisions, trades, timing, .. } = checkpoint.extent();
            [decisions, trades, timing]
        });
        let look =
            |path: PathBuf, header, known| ledger::inspect_behind(disk, &path, header, known);
        // A loop may be at work, and what it writes of a slot begins with the decision: looked at last, that one lacks nothing that the
        // others have. What they lack is what a crash leaves.
        let timing = look(layout.timing(tag, series), TIMING_HEADER, known[2])?;
        let trades = look(layout.trades(tag, series), TRADES_HEADER, known[1])?;
        let decisions = look(layout.decisions(tag, series), DECISIONS_HEADER, known[0])?;
        Ok(Self { ledgers: [decisions, trades, timing], signals })
    }

    fn extent(&self) -> Extent {
        let [decisions, trades, timing] = self.ledgers.each_ref().map(Inspection::whole);
        Extent { decisions, trades, timing, is_torn: self.ledgers[0].is_torn() }
    }
}

/// When the next checkpoint is due.
#[derive(Debug, Clone, Copy)]
struct Checkpoints {
    /// Rows in the one on disk.
    known: u64,
    every: u64,
}

impl Checkpoints {
    /// Behind the one that a start went on from.
    fn due(belief: Belief, behind: Option<&Checkpoint>) -> Option<Self> {
        match belief {
            Belief::Checkpoint(every) => {
                Some(Self { known: behind.map_or(0, Checkpoint::rows), every })
            }
            Belief::Nothing => None,
        }
    }
}

/// A ledger with the engine that is behind its last row.
pub struct Session<'d, D: Disk> {
    place: LedgerLocation<'d, D>,
    prefix: SeriesPrefix,
    card: StrategySettings,
    build: String,
    origin: Option<LedgerOrigin>,
    engine: Engine,
    maker: SlotMaker,
    gate: Monotonic,
    journal: Option<Journal<'d, D>>,
    /// `None` before the ledgers are open, and where no word can be left.
    watch: Option<Watch>,
    proved: Proved,
    /// `None` where none is written.
    checkpoints: Option<Checkpoints>,
    /// The commands ledger as it was learned last; `None` before the first time.
    commands_read: Option<Vec<u8>>,
    /// `None` for a strategy without signals.
    hearing: Option<Hearing>,
    /// What was filled in the last slot that was decided.
    events: Vec<TradeEvent>,
    buffer: Vec<u8>,
}

impl<'d, D: Disk> Session<'d, D> {
    /// Opens or creates a ledger. The caller holds its writer lock.
    ///
    /// Everything is read and checked before anything is touched: the rows behind the checkpoint, or all of them, are folded through
    /// the engine on the bars as they were seen, and every recomputed row must equal the recorded one. Then torn tails are cut and
    /// owed trades written. With `dry` nothing is written, now or later.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is another thing, and named where it is called"
    )]
    #[expect(clippy::needless_pass_by_value, reason = "the session keeps them")]
    pub fn open(
        place: LedgerLocation<'d, D>,
        core: Core,
        (card, build): (StrategySettings, &str),
        belief: Belief,
        now: UtcMs,
        dry: bool,
    ) -> Result<(Self, Recovered), SessionError> {
        let LedgerLocation { disk, layout, tag, series } = &place;
        let files = (*layout, tag, series);
        let origin = read_origin(*disk, layout, tag, series)?;
        let commands = durable_commands(*disk, layout, tag)?;
        let (signals, mut used) =
            inspect_used(*disk, files, core.strategy.signals(), origin.as_ref())?;
        none_taken(*disk, files, (belief, origin.as_ref()), &used)?;
        let mut recovered = Recovered::default();
        let checkpoint = match (belief, &origin) {
            (Belief::Checkpoint(_), Some(origin)) => {
                let whose = CheckpointOwner { build, card: &card, origin, commands: &commands };
                usable(*disk, files, (whose, &used)).unwrap_or_else(|why| {
                    recovered.ignored = Some(why);
                    None
                })
            }
            (Belief::Checkpoint(_) | Belief::Nothing, _) => None,
        };
        let mut found = Inspected::of(*disk, files, checkpoint.as_ref(), signals)?;
        if origin.is_some() && *found.ledgers[0].found() == LedgerContent::Absent {
            return Err(gone(files).into());
        }
        let extent = found.extent();
        if belief == Belief::Nothing {
            // A bystander, while a loop is at work: read after the rows, the copy has the lines of all of them.
            used = read_used(*disk, files, core.strategy.signals(), origin.as_ref())?;
        }
        all_known(&core.strategy, &commands)?;
        let hearing = Hearing::new(layout, series.timeframe(), &used);
        let given = FoldInputs {
            place: &place,
            core: &core,
            card: &card,
            origin: origin.as_ref(),
            commands: &commands,
            signals: &used.signals,
        };
        let fold = folded(&given, checkpoint, extent, &mut recovered)?;
        // A decision that is not there will be made again, and then it has another time.
        found.ledgers[2].keep(*disk, fold.proved.mark.timing.bytes)?;
        recovered.rows = fold.rows;
        let Fold { engine, maker, mut proved, owed, last_row, .. } = fold;
        let last = proved.mark.after;
        let owed: Vec<Vec<u8>> = owed.into();
        for row in &owed {
            advance_trades(&mut proved, row);
        }
        let checkpoints = Checkpoints::due(belief, recovered.behind.as_ref());
        let mut session = Self {
            prefix: SeriesPrefix::new(&place.series),
            engine,
            maker,
            gate: Monotonic::after(last),
            journal: None,
            watch: None,
            proved,
            checkpoints,
            commands_read: None,
            hearing,
            events: Vec::new(),
            buffer: last_row.into_bytes(),
            build: build.to_owned(),
            origin,
            card,
            place,
        };
        if !dry {
            recovered.trades_owed = owed.len();
            session.open_journal(&found, &owed, now, &mut recovered)?;
            session.checkpoint_if_due();
        }
        Ok((session, recovered))
    }

    fn open_journal(
        &mut self,
        found: &Inspected,
        owed: &[Vec<u8>],
        now: UtcMs,
        recovered: &mut Recovered,
    ) -> Result<(), SessionError> {
        let LedgerLocation { disk, layout, tag, series } = &self.place;
        let (disk, layout) = (*disk, *layout);
        disk.create_dir_all(&layout.decisions_dir(tag, series)).map_err(StoreError::from)?;
        disk.create_dir_all(&layout.trades_dir(tag, series)).map_err(StoreError::from)?;
        disk.clean_temps(&layout.decisions_dir(tag, series)).map_err(StoreError::from)?;
        disk.clean_temps(&layout.trades_dir(tag, series)).map_err(StoreError::from)?;
        if found.signals.is_some() {
            let dir = layout.used_signals_dir(tag, series);
            disk.create_dir_all(&dir).map_err(StoreError::from)?;
            disk.clean_temps(&dir).map_err(StoreError::from)?;
        }
        let mut open = |file: &Inspection| -> Result<Ledger<'d, D>, StoreError> {
            let (ledger, cut) = ledger::open(disk, file, &layout.quarantine(file.path(), now))?;
            let name = file.path().display().to_string();
            recovered.cuts.extend(cut.map(|cut| (name, cut)));
            Ok(ledger)
        };
        let [decisions, trades, timing] = &found.ledgers;
        let (decisions, mut trades, timing) = (open(decisions)?, open(trades)?, open(timing)?);
        let signals = found.signals.as_ref().map(open).transpose()?;
        for (n, row) in owed.iter().enumerate() {
            trades.append(row, n + 1 == owed.len())?;
        }
        self.watch = Some(Watch::begin([decisions.left(), trades.left()]));
        self.journal = Some(Journal { decisions, trades, timing, signals });
        Ok(())
    }

    /// Leaves word of how the ledgers are, for the next proof: when the loop rests, and at its end.
    pub fn keep_watch(&mut self, is_last: bool) {
        let (Some(journal), Some(watch)) = (&self.journal, &mut self.watch) else { return };
        let LedgerLocation { disk, layout, tag, series } = &self.place;
        let left = [journal.decisions.left(), journal.trades.left()];
        if let Err(error) = watch.tell(*disk, (layout, tag, series), left, is_last) {
            tracing::info!("the next eqflat reads every row again: {error}");
            self.watch = None;
        }
    }

    fn checkpoint_if_due(&mut self) {
        let rows = self.proved.mark.decisions.line - 2;
        if self.checkpoints.is_some_and(|kept| rows >= kept.known + kept.every) {
            self.checkpoint();
        }
    }

    /// Writes down how far the ledger is proved, so that the next start is short. A disk that refuses costs that start time and
    /// nothing else.
    pub fn checkpoint(&mut self) {
        let rows = self.proved.mark.decisions.line - 2;
        let Some(origin) = &self.origin else { return };
        let is_new = self.checkpoints.is_some_and(|kept| kept.known != rows);
        if self.journal.is_none() || rows == 0 || !is_new {
            return;
        }
        let LedgerLocation { disk, layout, tag, series } = &self.place;
        let whose = CheckpointOwner {
            build: &self.build,
            card: &self.card,
            origin,
            commands: self.maker.commands(),
        };
        let last_row = String::from_utf8_lossy(&self.buffer).trim_end().to_owned();
        let stand = CheckpointState {
            proved: &self.proved,
            last_row: &last_row,
            held: self.maker.held(),
            signals: self.hearing.as_ref().map(Hearing::mark),
            state: &self.engine.state().save(),
        };
        let text = document(&Checkpoint::new(whose, stand));
        let path = layout.checkpoint(tag, series);
        match disk.replace(&path, text.as_bytes()) {
            Ok(()) => {
                if let Some(kept) = &mut self.checkpoints {
                    kept.known = rows;
                }
            }
            Err(error) => {
                tracing::warn!(
                    "no checkpoint could be written, so the next start takes longer: {error}"
                );
                self.checkpoints = None;
            }
        }
    }

    /// Where it writes.
    pub fn place(&self) -> &LedgerLocation<'d, D> {
        &self.place
    }

    /// The last decided slot.
    pub fn last(&self) -> Option<SlotTs> {
        self.gate.last()
    }

    /// Rows of `trades.csv`, recorded or owed.
    pub fn recorded_trades(&self) -> u64 {
        self.proved.mark.trades.line - 2
    }

    /// Slots whose bars are held back.
    pub fn held(&self) -> &[SlotTs] {
        self.maker.held()
    }

    /// What was filled in the last slot that this session decided.
    pub fn events(&self) -> &[TradeEvent] {
        &self.events
    }

    /// The commands of the tag that it knows, obeyed or not.
    pub fn commands(&self) -> &[Command] {
        self.maker.commands()
    }

    /// The engine behind the last row.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Begins a ledger that has no rows: writes its birth certificate and takes in the warm-up bars, which emit nothing.
    pub fn begin(
        &mut self,
        first: SlotTs,
        warm_up: &[TimedBar],
        born: WarmupSeen,
    ) -> Result<(), SessionError> {
        assert!(self.last().is_none(), "a ledger begins once");
        let floor = warm_up.first().map_or(first, |bar| bar.ts);
        let from = (floor.ts_ms(), first.ts_ms());
        let origin = LedgerOrigin::new(from, born, self.card.clone(), self.build.clone());
        if self.journal.is_some() {
            let LedgerLocation { disk, layout, tag, series } = &self.place;
            let path = layout.origin(tag, series);
            disk.replace(&path, document(&origin).as_bytes()).map_err(StoreError::from)?;
        }
        self.origin = Some(origin);
        for bar in warm_up {
            assert!(bar.ts < first, "warm-up ends before the first slot");
            self.engine.warm(bar);
        }
        Ok(())
    }

    /// Takes note of operator commands that came since. A ledger that is as it was read last is not parsed again.
    pub fn learn(&mut self) -> Result<(), SessionError> {
        let LedgerLocation { disk, layout, tag, .. } = &self.place;
        let ledger = commands_ledger(*disk, layout, tag)?;
        if self.commands_read.as_ref() == Some(&ledger) {
            return Ok(());
        }
        let mut commands = parse_commands(&ledger, &layout.commands(tag))?;
        if commands != self.maker.commands() {
            commands = durable_commands(*disk, layout, tag)?;
        }
        let last = self.last();
        if commands.len() != self.maker.commands().len() {
            all_known(&self.engine.core().strategy, &commands)?;
        }
        self.maker.learn(commands, last).map_err(|why| match why {
            Unlearned::Late(command) => SessionError::LateCommand(command),
            Unlearned::Changed(line) => SessionError::ChangedCommand(line),
        })?;
        self.commands_read = Some(ledger);
        Ok(())
    }

    /// Reads what programs wrote since; returns what an operator should know.
    pub fn hear(&mut self) -> Vec<String> {
        let (disk, last) = (self.place.disk, self.gate.last());
        let signals = self.maker.signals();
        self.hearing.as_mut().map(|hearing| hearing.listen(disk, last, signals)).unwrap_or_default()
    }

    /// Whether the program of a signal has said what it has to say about a slot.
    pub fn has_heard(&self, signal: &str, ts: SlotTs) -> bool {
        self.hearing.as_ref().is_none_or(|hearing| hearing.has_heard(signal, ts))
    }

    /// Copies the lines that are used at a slot, durably, and takes them in.
    fn use_signals(&mut self, ts: SlotTs) -> Result<(), StoreError> {
        let Some(hearing) = &mut self.hearing else { return Ok(()) };
        let due = hearing.due(ts);
        if due.lines.is_empty() {
            return Ok(());
        }
        if let Some(copy) = self.journal.as_mut().and_then(|journal| journal.signals.as_mut()) {
            append(copy, &due.bytes, true)?;
        }
        hearing.used(&due);
        for (name, line) in &due.lines {
            self.maker.hear(name, line.ts, line.side);
        }
        Ok(())
    }

    /// Decides one slot and makes it durable: the lines of programs that it uses, the decision row, then its trade rows, then its timing.
    /// A slot that is not later than the last one is refused, always.
    pub fn decide(
        &mut self,
        (ts, bar, degraded): (SlotTs, Option<Bar>, Option<Degraded>),
        late: impl Fn(SlotTs) -> Option<Bar>,
        stamp: DecisionTiming,
    ) -> Result<Decision, SessionError> {
        let last = self.last();
        self.gate.admit(ts)?;
        assert!(last.is_none_or(|last| last.next() == ts), "slots are decided without a gap");
        self.use_signals(ts)?;
        let slot = self.maker.make(ts, bar, degraded, late);
        self.events.clear();
        let decision = self.engine.step(&slot, &mut self.events);
        let Some(journal) = &mut self.journal else { return Ok(decision) };
        self.buffer.clear();
        push_decision(&mut self.buffer, &self.prefix, &decision);
        append(&mut journal.decisions, &self.buffer, true)?;
        let Proved { mark, decisions, .. } = &mut self.proved;
        decisions.add(&self.buffer);
        mark.decisions.bytes = journal.decisions.len_bytes();
        mark.decisions.line += 1;
        mark.after = Some(ts);
        for (n, event) in self.events.iter().enumerate() {
            let row = trade_row(&self.prefix, &self.place.series, event);
            append(&mut journal.trades, &row, n + 1 == self.events.len())?;
            advance_trades(&mut self.proved, &row);
        }
        let late_ms = stamp.seen_at.get() - ts.ts_ms();
        let DecisionTiming { cause, seen_at, run_id } = stamp;
        let mut row = Vec::new();
        push_timing(&mut row, &Timing { ts, origin: cause, seen_at, late_ms, run_id });
        append(&mut journal.timing, &row, true)?;
        self.proved.mark.timing.bytes = journal.timing.len_bytes();
        self.proved.mark.timing.line += 1;
        self.checkpoint_if_due();
        Ok(decision)
    }
}

/// Plays the rows behind a checkpoint, or all of them. What cannot be gone on from is no worse than none: then every row is played, and
/// that says what is wrong.
fn folded<D: Disk>(
    given: &FoldInputs<'_, '_, D>,
    checkpoint: Option<Checkpoint>,
    extent: Extent,
    recovered: &mut Recovered,
) -> Result<Fold, SessionError> {
    if let Some(checkpoint) = checkpoint {
        let behind = Fold::behind(given, &checkpoint).and_then(|mut fold| {
            fold.run(given, extent, &|| false)?;
            Ok(fold)
        });
        match behind {
            Ok(fold) => {
                recovered.behind = Some(checkpoint);
                return Ok(fold);
            }
            Err(why) => recovered.ignored = Some(why),
        }
    }
    let mut fold = Fold::fresh(given);
    fold.run(given, extent, &|| false)?;
    Ok(fold)
}

/// Refuses a copy of the signals without rows that a checkpoint knows of: what they say may be in no row of the ledger, so that playing
/// it again does not miss them.
fn none_taken<D: Disk>(
    disk: &D,
    files: (&Layout, &Tag, &Series),
    (belief, origin): (Belief, Option<&LedgerOrigin>),
    used: &Used,
) -> Result<(), StoreError> {
    let (Belief::Checkpoint(_), Some(origin), false) = (belief, origin, used.signals.is_empty())
    else {
        return Ok(());
    };
    let Ok(Some(checkpoint)) = Checkpoint::read(disk, files) else { return Ok(()) };
    let (layout, tag, series) = files;
    match checkpoint.lacks(origin, used) {
        Some((line, reason)) => {
            Err(StoreError::damaged(layout.used_signals(tag, series), line, reason))
        }
        None => Ok(()),
    }
}

/// The checkpoint of a ledger, if there is one, which must fit.
fn usable<D: Disk>(
    disk: &D,
    files: (&Layout, &Tag, &Series),
    whose: (CheckpointOwner<'_>, &Used),
) -> Result<Option<Checkpoint>, CheckpointError> {
    let Some(checkpoint) = Checkpoint::read(disk, files)? else { return Ok(None) };
    let (layout, tag, series) = files;
    let extent = Extent::of(disk, &Files::of(layout, tag, series))?;
    let extent = extent.ok_or(CheckpointError::NoDecisions)?;
    checkpoint.fits(disk, files, whose, extent)?;
    Ok(Some(checkpoint))
}

fn advance_trades(proved: &mut Proved, row: &[u8]) {
    proved.trades.add(row);
    proved.mark.trades.bytes += row.len() as u64;
    proved.mark.trades.line += 1;
}

/// Plays the rows before a checkpoint again, as a start without one does, and compares the engine behind them with that of the
/// checkpoint: what went on from it stands on these rows. `stop` is asked now and then.
pub fn prove_before<D: Disk>(
    place: &LedgerLocation<'_, D>,
    core: &Core,
    card: &StrategySettings,
    checkpoint: &Checkpoint,
    stop: &dyn Fn() -> bool,
) -> Result<Folded, SessionError> {
    let LedgerLocation { disk, layout, tag, series } = place;
    let origin = read_origin(*disk, layout, tag, series)?;
    let commands = crate::session::record::read_commands(*disk, layout, tag)?;
    let (signals, origin) = (core.strategy.signals(), origin.as_ref());
    let used = read_used(*disk, (layout, tag, series), signals, origin)?;
    let given =
        FoldInputs { place, core, card, origin, commands: &commands, signals: &used.signals };
    let mut fold = Fold::fresh(&given);
    if fold.run(&given, checkpoint.extent(), stop)? == Folded::Stopped {
        return Ok(Folded::Stopped);
    }
    let lacking = fold.owed.front().map(|row| {
        let row = String::from_utf8_lossy(row).trim_end().to_owned();
        let line = fold.proved.mark.trades.line;
        let reason =
            format!("the decisions lead to `{row}` here, the file has no such row: {REPAIR}");
        StoreError::damaged(layout.trades(tag, series), line, reason)
    });
    if let Some(lacking) = lacking {
        return Err(lacking.into());
    }
    if fold.state() == checkpoint.state {
        return Ok(Folded::Whole);
    }
    let reason = "the rows of decisions.csv lead to another state than the one in it: stop, remove it, \
                  and start again, which plays every row";
    Err(StoreError::damaged(layout.checkpoint(tag, series), 0, reason).into())
}

/// Refuses commands that a strategy has not what it needs for: it would decide otherwise than its replay.
pub fn all_known(strategy: &Strategy, commands: &[Command]) -> Result<(), SessionError> {
    match commands.iter().find(|command| !strategy.knows(command)) {
        Some(unknown) => Err(SessionError::UnknownModel(unknown.clone())),
        None => Ok(()),
    }
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

/// The row of a trade event, with its newline.
pub(super) fn trade_row(prefix: &SeriesPrefix, series: &Series, event: &TradeEvent) -> Vec<u8> {
    let mut row = Vec::with_capacity(160);
    push_trade(&mut row, prefix, series, event);
    row
}
