//! A tag's ledgers read piece by piece: each piece is some decision rows with the trades and the timing up to them.

use std::{
    collections::VecDeque,
    ops::Range,
    path::{Path, PathBuf},
};

use super::record::Decided;
use crate::{
    domain::{
        ids::Tag,
        series::Series,
        time::{SlotTs, Window},
    },
    store::{
        disk::Disk,
        error::StoreError,
        layout::Layout,
        ledger::{last_line, last_row},
        lines::{LineReader, LineStart, Lines},
        rows::{
            decisions::{DECISIONS_HEADER, DecisionLine, parse_decision_rows},
            signals::{TIMING_HEADER, Timing, parse_timing_rows},
            trades::{AfterTrade, TRADES_HEADER, parse_trade_rows},
        },
    },
};

/// Rows of trades and timing parsed at once.
const AHEAD: usize = 1_024;

/// The files of a tag's ledger of one series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// `decisions.csv`.
    pub decisions: PathBuf,
    /// `trades.csv`.
    pub trades: PathBuf,
    /// `timing.csv`.
    pub timing: PathBuf,
}

impl Files {
    /// Where they are.
    pub fn of(layout: &Layout, tag: &Tag, series: &Series) -> Self {
        Self {
            decisions: layout.decisions(tag, series),
            trades: layout.trades(tag, series),
            timing: layout.timing(tag, series),
        }
    }
}

/// How many bytes of a tag's files count: up to a newline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Of `decisions.csv`.
    pub decisions: u64,
    /// Of `trades.csv`.
    pub trades: u64,
    /// Of `timing.csv`; 0 for a backtest.
    pub timing: u64,
    /// Whether something follows the last whole row of `decisions.csv`.
    pub is_torn: bool,
}

impl Extent {
    /// As a bystander sees it: the writer may be at work, so bytes after the last newline do not count. `None` without a ledger.
    pub fn of<D: Disk>(disk: &D, files: &Files) -> Result<Option<Self>, StoreError> {
        let lengths = |path: &Path| -> Result<Option<(u64, u64)>, StoreError> {
            match disk.len(path)? {
                Some(len) => Ok(Some((last_line(disk, path, len)?.0, len))),
                None => Ok(None),
            }
        };
        let whole = |path: &Path| lengths(path).map(|found| found.map_or(0, |f| f.0));
        // A row of timing is written after its decision: looked at before, it never knows of one that is not there.
        let timing = whole(&files.timing)?;
        let Some((decisions, len)) = lengths(&files.decisions)? else { return Ok(None) };
        // Trades are written after their decision: looking at them later can only show more than needed, never less.
        let trades = whole(&files.trades)?;
        Ok(Some(Self { decisions, trades, timing, is_torn: decisions < len || len == 0 }))
    }
}

/// Where the next rows are, and what they have to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The next row of `decisions.csv`.
    pub decisions: LineStart,
    /// The next row of `trades.csv`.
    pub trades: LineStart,
    /// The next row of `timing.csv`.
    pub timing: LineStart,
    /// The last slot before them.
    pub after: Option<SlotTs>,
}

/// One row of `decisions.csv`: what a replay needs of it, and where its text is.
#[derive(Debug, Clone)]
pub struct DecisionRow {
    /// What it says about its bars.
    pub decided: Decided,
    text: Range<usize>,
}

/// One row of `trades.csv`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TradeRow {
    /// The slot whose bar it happened in.
    pub ts: SlotTs,
    /// Its number in the file, from 1.
    pub line: u64,
    /// The row, without its newline.
    pub text: String,
}

/// Consecutive decisions, and the rows of the other files up to the last of them.
#[derive(Debug)]
pub struct LedgerPiece {
    lines: Lines,
    /// The decisions.
    pub rows: Vec<DecisionRow>,
    /// Trades that happened up to the last of them and after the piece before.
    pub trades: Vec<TradeRow>,
    /// Timing likewise.
    pub timing: Vec<Timing>,
    /// Where the next piece begins.
    pub end: Mark,
}

impl LedgerPiece {
    /// The bytes of the decisions.
    pub fn bytes(&self) -> &[u8] {
        &self.lines.bytes
    }

    /// The text of a row, without its newline.
    pub fn text(&self, row: &DecisionRow) -> &str {
        str::from_utf8(&self.lines.bytes[row.text.clone()]).expect("rows were read as text")
    }

    /// The text of the last row, without its newline.
    pub fn last_text(&self) -> &str {
        self.text(self.rows.last().expect("a piece has rows"))
    }

    /// The number of row `n` of this piece in the file, from 1.
    pub fn line(&self, n: usize) -> u64 {
        self.lines.first + n as u64
    }

    /// First and last slot.
    pub fn window(&self) -> Window {
        let [first, last] = [self.rows.first(), self.rows.last()]
            .map(|row| row.expect("a piece has rows").decided.ts);
        Window::new(first, last).expect("rows are in order")
    }

    /// What each row says about its bars.
    pub fn decided(&self) -> Vec<Decided> {
        self.rows.iter().map(|row| row.decided).collect()
    }
}

/// What is left behind the last decision.
#[derive(Debug, Default)]
pub struct Leftover {
    /// The first trade there.
    pub trade: Option<TradeRow>,
    /// How many rows of timing.
    pub timed: usize,
    /// Slot of the last row of timing.
    pub timed_last: Option<SlotTs>,
}

/// A row of one of the smaller files, read ahead, with the end of its line.
type Ahead<T> = VecDeque<(T, LineStart)>;

/// Reads a tag's files in pieces.
pub struct RecordReader<'d, D: Disk> {
    series: Series,
    rows: usize,
    decisions: LineReader<'d, D>,
    trades: LineReader<'d, D>,
    timing: LineReader<'d, D>,
    trades_ahead: Ahead<TradeRow>,
    timing_ahead: Ahead<Timing>,
    after_trade: AfterTrade,
    after_timing: Option<SlotTs>,
    mark: Mark,
    is_torn: bool,
}

impl<'d, D: Disk> RecordReader<'d, D> {
    /// From the first row on, in pieces of at most `rows` decisions.
    pub fn new(
        disk: &'d D,
        files: &Files,
        series: &Series,
        extent: Extent,
        rows: usize,
    ) -> Result<Self, StoreError> {
        let open = |path, header, end| LineReader::of_rows(disk, path, header, end);
        let decisions = open(&files.decisions, DECISIONS_HEADER, extent.decisions)?;
        let trades = open(&files.trades, TRADES_HEADER, extent.trades)?;
        let timing = open(&files.timing, TIMING_HEADER, extent.timing)?;
        let mark = Mark {
            decisions: decisions.at(),
            trades: trades.at(),
            timing: timing.at(),
            after: None,
        };
        Ok(Self::from(disk, files, series, extent, (mark, AfterTrade::default(), rows)))
    }

    /// Behind the rows before a place; from the first row on where nothing is before it.
    pub fn behind(
        disk: &'d D,
        files: &Files,
        series: &Series,
        extent: Extent,
        (mark, rows): (&Mark, usize),
    ) -> Result<Self, StoreError> {
        if mark.after.is_none() {
            return Self::new(disk, files, series, extent, rows);
        }
        let after = after_trade(disk, files, series, mark.trades.bytes)?;
        Ok(Self::from(disk, files, series, extent, (mark.clone(), after, rows)))
    }

    fn from(
        disk: &'d D,
        files: &Files,
        series: &Series,
        extent: Extent,
        (mark, after_trade, rows): (Mark, AfterTrade, usize),
    ) -> Self {
        let open = |path, at, end| LineReader::from(disk, path, at, end);
        Self {
            series: series.clone(),
            rows,
            decisions: open(&files.decisions, mark.decisions, extent.decisions),
            trades: open(&files.trades, mark.trades, extent.trades),
            timing: open(&files.timing, mark.timing, extent.timing),
            trades_ahead: VecDeque::new(),
            timing_ahead: VecDeque::new(),
            after_trade,
            // The timing of the last row may have been written after its decision was read.
            after_timing: mark.after.map(|last| last.plus(-1)),
            mark,
            is_torn: extent.is_torn,
        }
    }

    /// Where the next piece begins.
    pub fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Whether something follows the last whole row of `decisions.csv`.
    pub fn is_torn(&self) -> bool {
        self.is_torn
    }

    /// The next piece; `None` behind the last row.
    #[expect(clippy::should_implement_trait, reason = "it can fail")]
    pub fn next(&mut self) -> Result<Option<LedgerPiece>, StoreError> {
        let Some(lines) = self.decisions.next(self.rows)? else { return Ok(None) };
        let place = (self.decisions.path(), lines.first);
        let parsed = parse_decision_rows(&lines.bytes, &self.series, place, self.mark.after)?;
        let last = parsed.last().expect("a line was read").ts();
        let mut at = 0;
        let mut row = |line: &DecisionLine<'_>| {
            let text = at..at + line.line().len();
            at = text.end + 1;
            let decided = Decided {
                ts: line.ts(),
                degraded: line.degraded(),
                bar_hash: line.bar_hash(),
                seen_at: None,
            };
            DecisionRow { decided, text }
        };
        let mut rows: Vec<DecisionRow> = parsed.iter().map(&mut row).collect();
        drop(parsed);
        let timing = self.timing_to(last)?;
        let trades = self.trades_to(last)?;
        let mut timed = timing.iter().peekable();
        for row in &mut rows {
            while timed.next_if(|timing| timing.ts < row.decided.ts).is_some() {}
            let own = timed.peek().filter(|timing| timing.ts == row.decided.ts);
            row.decided.seen_at = own.map(|timing| timing.seen_at);
        }
        self.mark.decisions = self.decisions.at();
        self.mark.after = Some(last);
        Ok(Some(LedgerPiece { lines, rows, trades, timing, end: self.mark.clone() }))
    }

    /// The next trade, behind the last piece; known when the last piece was read and [`RecordReader::left`] was asked.
    pub fn next_trade(&self) -> Option<&TradeRow> {
        self.trades_ahead.front().map(|(trade, _)| trade)
    }

    /// What is left behind the last decision, in the files beside it.
    pub fn left(&mut self) -> Result<Leftover, StoreError> {
        if self.trades_ahead.is_empty() {
            self.read_trades()?;
        }
        let trade = self.trades_ahead.front().map(|(trade, _)| trade.clone());
        let mut left = Leftover { trade, ..Leftover::default() };
        loop {
            for (timing, _) in self.timing_ahead.drain(..) {
                left.timed += 1;
                left.timed_last = Some(timing.ts);
            }
            if !self.read_timing()? {
                return Ok(left);
            }
        }
    }

    fn timing_to(&mut self, last: SlotTs) -> Result<Vec<Timing>, StoreError> {
        let mut timing = Vec::new();
        loop {
            take_to(
                &mut self.timing_ahead,
                last,
                |row| row.ts,
                (&mut timing, &mut self.mark.timing),
            );
            if !self.timing_ahead.is_empty() || !self.read_timing()? {
                return Ok(timing);
            }
        }
    }

    fn trades_to(&mut self, last: SlotTs) -> Result<Vec<TradeRow>, StoreError> {
        let mut trades = Vec::new();
        loop {
            take_to(
                &mut self.trades_ahead,
                last,
                |row| row.ts,
                (&mut trades, &mut self.mark.trades),
            );
            if !self.trades_ahead.is_empty() || !self.read_trades()? {
                return Ok(trades);
            }
        }
    }

    /// Reads some timing ahead; false at the end.
    fn read_timing(&mut self) -> Result<bool, StoreError> {
        let at = self.timing.at();
        let Some(lines) = self.timing.next(AHEAD)? else { return Ok(false) };
        let place = (self.timing.path(), lines.first);
        let timeframe = self.series.timeframe();
        let rows = parse_timing_rows(&lines.bytes, timeframe, place, self.after_timing)?;
        self.after_timing = rows.last().map(|row| row.ts);
        self.timing_ahead.extend(rows.into_iter().zip(ends(&lines.bytes, at)));
        Ok(true)
    }

    /// Reads some trades ahead; false at the end.
    fn read_trades(&mut self) -> Result<bool, StoreError> {
        let at = self.trades.at();
        let Some(lines) = self.trades.next(AHEAD)? else { return Ok(false) };
        let place = (self.trades.path(), lines.first);
        let rows = parse_trade_rows(&lines.bytes, &self.series, place, &mut self.after_trade)?;
        let rows = rows.iter().zip(lines.first..).map(|(row, line)| TradeRow {
            ts: row.ts(),
            line,
            text: row.line().to_owned(),
        });
        self.trades_ahead.extend(rows.zip(ends(&lines.bytes, at)));
        Ok(true)
    }
}

/// Moves the rows up to a slot out of those read ahead, and the place behind them on.
fn take_to<T>(
    ahead: &mut Ahead<T>,
    last: SlotTs,
    slot: impl Fn(&T) -> SlotTs,
    (rows, behind): (&mut Vec<T>, &mut LineStart),
) {
    while let Some((row, end)) = ahead.pop_front_if(|(row, _)| slot(row) <= last) {
        *behind = end;
        rows.push(row);
    }
}

/// What a trade has to follow that begins at a byte of `trades.csv`.
fn after_trade<D: Disk>(
    disk: &D,
    files: &Files,
    series: &Series,
    bytes: u64,
) -> Result<AfterTrade, StoreError> {
    // Without a trade there may be no file.
    if bytes <= TRADES_HEADER.len() as u64 + 1 {
        return Ok(AfterTrade::default());
    }
    match last_row(disk, &files.trades, bytes)? {
        Some((_, row)) => AfterTrade::row(&row, series, &files.trades),
        None => Ok(AfterTrade::default()),
    }
}

/// The number of the line that begins at a byte.
fn line_at<D: Disk>(disk: &D, path: &Path, start: u64) -> Result<u64, StoreError> {
    let mut lines = LineReader::from(disk, path, LineStart { bytes: 0, line: 1 }, start);
    while lines.next(AHEAD)?.is_some() {}
    Ok(lines.at().line)
}

/// Where each line of some bytes ends: where the next one is.
fn ends(bytes: &[u8], mut at: LineStart) -> impl Iterator<Item = LineStart> {
    bytes.split_inclusive(|byte| *byte == b'\n').map(move |line| {
        at.bytes += line.len() as u64;
        at.line += 1;
        at
    })
}

/// Bytes that are read where a line is looked for; a row is much shorter.
const LOOK: u64 = 4 << 10;

/// Finds rows of a ledger without reading what is before them: its rows are one slot apart.
pub struct RowFinder<'d, D: Disk> {
    disk: &'d D,
    files: Files,
    series: Series,
    extent: Extent,
    /// The slot of the first row.
    pub first: SlotTs,
    /// The slot of the last row.
    pub last: SlotTs,
}

impl<'d, D: Disk> RowFinder<'d, D> {
    /// Of a ledger; `None` where it has no row.
    pub fn new(
        disk: &'d D,
        files: &Files,
        series: &Series,
        extent: Extent,
    ) -> Result<Option<Self>, StoreError> {
        let path = &files.decisions;
        let mut lines = LineReader::of_rows(disk, path, DECISIONS_HEADER, extent.decisions)?;
        let Some(row) = lines.next(1)? else { return Ok(None) };
        let parsed = parse_decision_rows(&row.bytes, series, (path, row.first), None)?;
        let first = parsed.first().expect("a line is a row or an error").ts();
        let (end, start) = last_line(disk, path, extent.decisions)?;
        let row = disk.read_at(path, start, (end - start) as usize)?;
        let parsed = match parse_decision_rows(&row, series, (path, 0), None) {
            Ok(parsed) => parsed,
            // Only an error needs its number, and only then all lines are counted.
            Err(_) => parse_decision_rows(&row, series, (path, line_at(disk, path, start)?), None)?,
        };
        let last = parsed.first().expect("a line is a row or an error").ts();
        Ok(Some(Self { disk, files: files.clone(), series: series.clone(), extent, first, last }))
    }

    /// The rows of the slots that are at most `around` away from a slot: slot and text.
    pub fn near(&self, ts_ms: i64, around: i64) -> Result<Vec<(i64, String)>, StoreError> {
        let at = (ts_ms - self.first.ts_ms()).div_euclid(self.series.timeframe().ms());
        let from = (at - around).max(0);
        let many = at + around + 1 - from;
        let mut rows = Vec::new();
        if many > 0 && self.first.plus(from) <= self.last {
            let mut reader = self.reader(from.unsigned_abs(), many.unsigned_abs() as usize)?;
            if let Some(piece) = reader.next()? {
                let text = |row| piece.text(row).to_owned();
                rows = piece.rows.iter().map(|row| (row.decided.ts.ts_ms(), text(row))).collect();
            }
        }
        Ok(rows)
    }

    /// How many rows there are.
    pub fn count(&self) -> u64 {
        self.last.since(self.first).unsigned_abs() + 1
    }

    /// Reads from row `n` on, from 0, in pieces of at most `rows`.
    pub fn reader(&self, n: u64, rows: usize) -> Result<RecordReader<'d, D>, StoreError> {
        let mark = self.mark(n)?;
        let (files, series) = (&self.files, &self.series);
        let after = after_trade(self.disk, files, series, mark.trades.bytes)?;
        Ok(RecordReader::from(self.disk, files, series, self.extent, (mark, after, rows)))
    }

    /// Where row `n` is, from 0.
    fn mark(&self, n: u64) -> Result<Mark, StoreError> {
        let slot = self.first.plus(n as i64);
        let find = |path: &Path, header: &str, end: u64, column: usize| {
            self.find(path, (header.len() as u64 + 1, end), column, slot.ts_ms())
        };
        let decisions = find(&self.files.decisions, DECISIONS_HEADER, self.extent.decisions, 3)?;
        let timing = find(&self.files.timing, TIMING_HEADER, self.extent.timing, 0)?;
        let trades = find(&self.files.trades, TRADES_HEADER, self.extent.trades, 3)?;
        // Rows of these are not one slot apart, so that their numbers are not known.
        let unnumbered = |bytes| LineStart { bytes, line: 0 };
        Ok(Mark {
            decisions: LineStart { bytes: decisions, line: n + 2 },
            trades: unnumbered(trades),
            timing: unnumbered(timing),
            after: (n > 0).then(|| slot.plus(-1)),
        })
    }

    /// Where the first line is whose slot is at or after `ts_ms`; the end when there is none.
    fn find(
        &self,
        path: &Path,
        (mut low, end): (u64, u64),
        column: usize,
        ts_ms: i64,
    ) -> Result<u64, StoreError> {
        let slot = |line: &[u8]| -> Result<i64, StoreError> {
            let text = line.split(|byte| *byte == b',').nth(column);
            let number = text.and_then(|text| str::from_utf8(text).ok()?.parse().ok());
            number.ok_or_else(|| StoreError::damaged(path, 0, "a row has no ts_ms"))
        };
        let newline = |bytes: &[u8]| bytes.iter().position(|byte| *byte == b'\n');
        if end <= low {
            return Ok(low);
        }
        let mut high = end;
        while high.saturating_sub(low) > LOOK {
            let middle = low + (high - low) / 2;
            let bytes = self.disk.read_at(path, middle, LOOK as usize)?;
            let start = newline(&bytes).map(|at| at + 1);
            let line = start.map(|start| &bytes[start..]);
            match (start, line.and_then(|line| newline(line).map(|end| &line[..end]))) {
                (Some(start), Some(line)) if middle + (start as u64) < high => {
                    if slot(line)? < ts_ms {
                        low = middle + start as u64;
                    } else {
                        high = middle;
                    }
                }
                _ => high = middle,
            }
        }
        let mut lines = LineReader::from(self.disk, path, LineStart { bytes: low, line: 0 }, end);
        loop {
            let at = lines.at().bytes;
            let Some(line) = lines.next(1)? else { return Ok(at) };
            if slot(&line.bytes)? >= ts_ms {
                return Ok(at);
            }
        }
    }
}
