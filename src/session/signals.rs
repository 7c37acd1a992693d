//! Lines of programs in other languages: what LIVE hears of them, and the copy of what it used, which is all that a replay reads.

use std::{collections::VecDeque, path::PathBuf};

use super::{error::CheckpointError, origin::LedgerOrigin};
use crate::{
    domain::{
        ids::Tag,
        series::Series,
        signal::{SIGNAL_LINE_HEADER, SignalLine},
        time::{SlotTs, Timeframe, Window},
    },
    engine::signals::{SignalRule, Signals},
    store::{
        disk::Disk,
        error::StoreError,
        layout::Layout,
        ledger::{self, Inspection, LedgerContent},
        lines::{LineReader, LineStart, Lines},
        rows::signals::{SIGNALS_HEADER, UsedSignal, parse_signals, push_signal},
    },
};

/// Lines parsed at once.
const LINES_AT_ONCE: usize = 4_096;
/// Bytes in which a line must end: what is longer is not read on.
const BYTES_AHEAD: u64 = 1 << 20;
/// Lines that are named in one look at a file; of the others the number is said.
const NAMED_MAX: usize = 3;

/// What the copy of a ledger holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Used {
    /// The signals of the strategy with the lines that were used.
    pub signals: Signals,
    /// Of each row, from which slot its line speaks, and its check.
    rows: Vec<(SlotTs, u64)>,
}

/// Rows of a copy and the check of the last of them, as a checkpoint keeps it.
pub type UsedMark = (u64, String);

impl Used {
    fn of(signals: &Signals, rows: &[UsedSignal]) -> Self {
        let mut used = Self { signals: signals.clone(), rows: Vec::with_capacity(rows.len()) };
        for row in rows {
            used.signals.learn(&row.name, row.ts, row.side);
            used.rows.push((row.ts, row.check));
        }
        used
    }

    /// What it lacks of the rows that were there before: the line of the file, and the reason.
    pub fn lacks(&self, (rows, check): &UsedMark) -> Option<(u64, String)> {
        const TAKEN: &str = "restore the file from a backup, or start a new tag";
        let known = usize::try_from(*rows).unwrap_or(usize::MAX);
        let Some(before) = self.rows.get(..known) else {
            let has = self.rows.len();
            let reason = format!(
                "it has {has} rows, and had {rows} when checkpoint.json was written: rows were taken away; {TAKEN}"
            );
            return Some((has as u64 + 1, reason));
        };
        let found = before.last().map_or(0, |(_, check)| *check);
        (format!("{found:016x}") != *check).then(|| {
            let reason =
                format!("it is another row than when checkpoint.json was written; {TAKEN}");
            (rows + 1, reason)
        })
    }

    /// Whether it goes on from what was there when `last_ts_ms` had been decided.
    pub fn goes_on(
        &self,
        known: Option<&UsedMark>,
        last_ts_ms: i64,
    ) -> Result<(), CheckpointError> {
        let (rows, check) = match known {
            None if self.signals.is_empty() => return Ok(()),
            None => return Err(CheckpointError::NoSignals),
            Some((rows, check)) => (usize::try_from(*rows).unwrap_or(usize::MAX), check),
        };
        let (before, since) =
            self.rows.split_at_checked(rows).ok_or(CheckpointError::FewerSignals)?;
        let found = before.last().map_or(0, |(_, check)| *check);
        if format!("{found:016x}") != *check {
            return Err(CheckpointError::ChangedSignal);
        }
        if since.iter().any(|(ts, _)| ts.ts_ms() <= last_ts_ms) {
            return Err(CheckpointError::LateSignal);
        }
        Ok(())
    }
}

/// Reads the copy of a ledger as a bystander: the writer may be at work.
pub fn read_used<D: Disk>(
    disk: &D,
    (layout, tag, series): (&Layout, &Tag, &Series),
    signals: &Signals,
    origin: Option<&LedgerOrigin>,
) -> Result<Used, StoreError> {
    if signals.is_empty() {
        return Ok(Used::default());
    }
    let path = layout.used_signals(tag, series);
    match disk.read(&path)? {
        Some(bytes) => Ok(Used::of(signals, &parse_signals(&bytes, series.timeframe(), &path)?)),
        None => absent(path, signals, origin),
    }
}

/// The same for its writer, with what is to be opened; nothing for a strategy without signals.
pub fn inspect_used<D: Disk>(
    disk: &D,
    (layout, tag, series): (&Layout, &Tag, &Series),
    signals: &Signals,
    origin: Option<&LedgerOrigin>,
) -> Result<(Option<Inspection>, Used), StoreError> {
    if signals.is_empty() {
        return Ok((None, Used::default()));
    }
    let path = layout.used_signals(tag, series);
    let found = ledger::inspect(disk, &path, SIGNALS_HEADER)?;
    if *found.found() == LedgerContent::Absent {
        let used = absent(path, signals, origin)?;
        return Ok((Some(found), used));
    }
    let mut bytes = disk.read(&path)?.unwrap_or_default();
    bytes.truncate(usize::try_from(found.whole()).unwrap_or(usize::MAX));
    let rows = parse_signals(&bytes, series.timeframe(), &path)?;
    Ok((Some(found), Used::of(signals, &rows)))
}

/// A ledger without a copy: one that did not begin yet, or one of other settings, which is for its certificate to say.
fn absent(
    path: PathBuf,
    signals: &Signals,
    origin: Option<&LedgerOrigin>,
) -> Result<Used, StoreError> {
    let reads = |origin: &LedgerOrigin| {
        origin.card.settings.keys().any(|key| key.starts_with("strategy.signals."))
    };
    if origin.is_some_and(reads) {
        let reason =
            "is missing, but the ledger was made with signals: restore it, or start a new tag";
        return Err(StoreError::damaged(path, 0, reason));
    }
    Ok(Used::of(signals, &[]))
}

/// Leaves a copy beside the ledger of a backtest: of the lines that speak in its window.
pub fn leave_used<D: Disk>(
    disk: &D,
    (layout, tag, series): (&Layout, &Tag, &Series),
    signals: &Signals,
    window: Window,
) -> Result<(), StoreError> {
    if signals.is_empty() {
        return Ok(());
    }
    let (mut bytes, mut check) = (format!("{SIGNALS_HEADER}\n").into_bytes(), 0);
    for (ts, name, side) in signals.within(window) {
        let line = SignalLine { ts, side, reason: String::new() };
        check = push_signal(&mut bytes, check, name, &line);
    }
    disk.create_dir_all(&layout.used_signals_dir(tag, series))?;
    Ok(disk.replace(&layout.used_signals(tag, series), &bytes)?)
}

/// The lines of the programs' own files, for a backtest without a LIVE record, and what is to be said about them.
pub fn read_programs<D: Disk>(
    disk: &D,
    layout: &Layout,
    signals: &Signals,
    timeframe: Timeframe,
) -> Result<(Signals, Vec<String>), StoreError> {
    let (mut all, mut said) = (signals.clone(), Vec::new());
    for rule in signals.rules() {
        let mut file = ProgramFile::new(layout, rule, timeframe);
        let Some(Read { lines, bad, .. }) = file.read(disk)? else {
            said.push(file.not_there());
            continue;
        };
        said.extend(file.named(bad));
        for line in lines {
            all.learn(&rule.name, line.ts, line.side);
        }
    }
    Ok((all, said))
}

/// A file to which a program appends.
#[derive(Debug)]
struct ProgramFile {
    name: String,
    path: PathBuf,
    timeframe: Timeframe,
    at: LineStart,
    /// The newest good line before `at`.
    newest: Option<SlotTs>,
}

/// What was new in it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    /// Whether the file was written anew, and was therefore read from its first line.
    is_anew: bool,
    lines: Vec<SignalLine>,
    /// Lines that are skipped, by number, and why.
    bad: Vec<(u64, String)>,
}

impl ProgramFile {
    const START: LineStart = LineStart { bytes: 0, line: 1 };

    fn new(layout: &Layout, rule: &SignalRule, timeframe: Timeframe) -> Self {
        let (name, path) = (rule.name.clone(), layout.program_signal(&rule.name));
        Self { name, path, timeframe, at: Self::START, newest: None }
    }

    fn restart(&mut self) {
        (self.at, self.newest) = (Self::START, None);
    }

    /// What was appended since, as whole lines; `None` without a file.
    fn read<D: Disk>(&mut self, disk: &D) -> Result<Option<Read>, StoreError> {
        let Some(len) = disk.len(&self.path)? else {
            self.restart();
            return Ok(None);
        };
        // A program that writes its file anew does not append; where that shows, all of it is read again.
        let before = self.at.bytes.checked_sub(1);
        let is_anew = match before {
            Some(_) if len < self.at.bytes => true,
            Some(before) if len > self.at.bytes => disk.read_at(&self.path, before, 1)? != b"\n",
            Some(_) | None => false,
        };
        if is_anew {
            self.restart();
        }
        let mut read = Read { is_anew, ..Read::default() };
        loop {
            let end = len.min(self.at.bytes + BYTES_AHEAD);
            let mut reader = LineReader::from(disk, &self.path, self.at, end);
            if let Some(lines) = reader.next(LINES_AT_ONCE)? {
                self.at = reader.at();
                self.take(&lines, &mut read);
            } else if end < len && read.lines.is_empty() && read.bad.is_empty() {
                let reason = format!("it has no end within {BYTES_AHEAD} bytes");
                return Err(StoreError::damaged(&self.path, self.at.line, reason));
            } else {
                return Ok(Some(read));
            }
        }
    }

    fn take(&mut self, lines: &Lines, read: &mut Read) {
        let lines = lines.bytes.split_inclusive(|byte| *byte == b'\n').zip(lines.first..);
        for (line, number) in lines {
            let text = String::from_utf8_lossy(line);
            let text = text.trim();
            if number == 1 && text == SIGNAL_LINE_HEADER {
                continue;
            }
            match SignalLine::parse(text, self.timeframe) {
                Ok(line) if self.newest.is_none_or(|newest| newest < line.ts) => {
                    self.newest = Some(line.ts);
                    read.lines.push(line);
                }
                Ok(line) => {
                    let why = format!("{} does not come after the line before", line.ts);
                    read.bad.push((number, why));
                }
                Err(why) => read.bad.push((number, why.to_string())),
            }
        }
    }

    /// What is said about lines that are skipped.
    fn named(&self, bad: Vec<(u64, String)>) -> Vec<String> {
        let path = self.path.display();
        let more = bad.len().saturating_sub(NAMED_MAX);
        let one = |(line, why): (u64, String)| format!("{path}:{line}: {why}: the line is skipped");
        let mut said: Vec<String> = bad.into_iter().take(NAMED_MAX).map(one).collect();
        if more > 0 {
            said.push(format!("{path}: {more} more such lines are skipped"));
        }
        said
    }

    fn not_there(&self) -> String {
        format!(
            "{} is not there: signal('{}') has no line until a program writes one",
            self.path.display(),
            self.name
        )
    }
}

/// What LIVE listens to: the files of programs, and how far its own copy goes.
#[derive(Debug)]
pub struct Hearing {
    programs: Vec<Program>,
    rows: Vec<(SlotTs, u64)>,
}

#[derive(Debug)]
struct Program {
    rule: SignalRule,
    file: ProgramFile,
    /// Lines that were read and whose slot is not decided.
    waiting: VecDeque<SignalLine>,
    /// Whether its file was looked at by this process: before that, old lines are no news.
    has_read: bool,
    /// The failure that was said last.
    failure: Option<String>,
}

/// Lines to be used at a slot.
#[derive(Debug, Default)]
pub struct DueSignals {
    /// Each with the name of its signal.
    pub lines: Vec<(String, SignalLine)>,
    /// Their rows of the copy.
    pub bytes: Vec<u8>,
    rows: Vec<(SlotTs, u64)>,
}

impl Hearing {
    /// Behind the rows of a copy; nothing for a strategy without signals.
    pub fn new(layout: &Layout, timeframe: Timeframe, used: &Used) -> Option<Self> {
        let program = |rule: &SignalRule| Program {
            rule: rule.clone(),
            file: ProgramFile::new(layout, rule, timeframe),
            waiting: VecDeque::new(),
            has_read: false,
            failure: None,
        };
        let programs = used.signals.rules().map(program).collect();
        (!used.signals.is_empty()).then(|| Self { programs, rows: used.rows.clone() })
    }

    /// Reads what programs wrote since; returns what an operator should know. `last` is the newest decided slot.
    pub fn listen<D: Disk>(
        &mut self,
        disk: &D,
        last: Option<SlotTs>,
        used: &Signals,
    ) -> Vec<String> {
        self.programs.iter_mut().flat_map(|program| program.listen(disk, last, used)).collect()
    }

    /// Whether a program has said what it has to say about a slot.
    pub fn has_heard(&self, name: &str, ts: SlotTs) -> bool {
        let program = self.programs.iter().find(|program| program.rule.name == name);
        program.is_none_or(|program| program.file.newest.is_some_and(|newest| newest >= ts))
    }

    /// The lines to be used at the next slot: of each signal the newest one, if it speaks there.
    pub fn due(&mut self, ts: SlotTs) -> DueSignals {
        let mut due = DueSignals::default();
        let mut check = self.rows.last().map_or(0, |(_, check)| *check);
        for Program { rule, waiting, .. } in &mut self.programs {
            let mut newest = None;
            while let Some(line) = waiting.pop_front_if(|line| line.ts <= ts) {
                newest = Some(line);
            }
            let Some(line) = newest.filter(|line| rule.speaks(line.ts, ts)) else {
                continue;
            };
            check = push_signal(&mut due.bytes, check, &rule.name, &line);
            due.rows.push((line.ts, check));
            due.lines.push((rule.name.clone(), line));
        }
        due
    }

    /// The rows of these lines are in the copy.
    pub fn used(&mut self, due: &DueSignals) {
        self.rows.extend_from_slice(&due.rows);
    }

    /// How far the copy goes, as a checkpoint keeps it.
    pub fn mark(&self) -> UsedMark {
        let check = self.rows.last().map_or(0, |(_, check)| *check);
        (self.rows.len() as u64, format!("{check:016x}"))
    }
}

impl Program {
    fn listen<D: Disk>(&mut self, disk: &D, last: Option<SlotTs>, used: &Signals) -> Vec<String> {
        let failure = match self.file.read(disk) {
            Ok(Some(Read { is_anew, lines, bad })) => {
                self.failure = None;
                self.has_read &= !is_anew;
                let mut said = self.file.named(bad);
                said.extend(self.sort(lines, last, used));
                self.has_read = true;
                return said;
            }
            Ok(None) => {
                self.has_read = true;
                self.file.not_there()
            }
            Err(error) => format!("a signal could not be read: {error}"),
        };
        let is_new = self.failure.replace(failure.clone()).is_none_or(|before| before != failure);
        is_new.then_some(failure).into_iter().collect()
    }

    /// Puts aside what is for slots that are not decided, and says what came too late.
    fn sort(
        &mut self,
        lines: Vec<SignalLine>,
        last: Option<SlotTs>,
        used: &Signals,
    ) -> Vec<String> {
        let name = &self.rule.name;
        let known = |line: &SignalLine| {
            let waits = self.waiting.back().is_some_and(|newest| line.ts <= newest.ts);
            waits || used.knows(name, line.ts)
        };
        let new: Vec<SignalLine> = lines.into_iter().filter(|line| !known(line)).collect();
        let (late, new): (Vec<_>, Vec<_>) =
            new.into_iter().partition(|line| last.is_some_and(|last| line.ts <= last));
        self.waiting.extend(new);
        let path = self.file.path.display();
        let Some(newest) = late.last() else { return Vec::new() };
        if !self.has_read {
            let many = late.len();
            tracing::info!(
                "{path}: {many} lines up to {} are of slots that were decided without them",
                newest.ts
            );
            return Vec::new();
        }
        let one = |line: &SignalLine| {
            format!(
                "{path}: the line for {} came after that slot was decided: it is not used",
                line.ts
            )
        };
        late.iter().take(NAMED_MAX).map(one).collect()
    }
}

#[cfg(test)]
mod tests;
