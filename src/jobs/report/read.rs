//! The rows of a ledger and the bars they were decided on, handed to the report piece by piece.

use std::path::Path;

use rust_decimal::Decimal;

use super::which::ReportLedger;
use crate::{
    clock::Deadline,
    domain::{
        bar::{Bar, TimedBar},
        decision::{Action, CloseReason, Event, Reason, RiskState, Side, TradeEvent},
        money::{Money, Price, Qty},
        time::SlotTs,
    },
    exit::Exit,
    jobs::context::{Context, Failure},
    report::{
        gather::{Gather, ReportRow},
        trade::Fills,
    },
    session::{
        origin::LedgerOrigin,
        reader::{DecisionRow, Extent, Files, LedgerPiece, RecordReader, TradeRow},
        record::gone,
    },
    store::{
        digest::RunningDigest,
        disk::{Disk as _, RealDisk},
        error::StoreError,
        raw::RawStore,
    },
};

/// Rows read at once: with their bars they take a few megabytes.
const ROWS_AT_ONCE: usize = 16_384;

/// What was read.
pub struct Read {
    /// Everything of the rows.
    pub gather: Gather,
    /// The last slot; `None` without rows.
    pub last: Option<SlotTs>,
    /// Digest of the hashes of the bars.
    pub data_sha256: String,
    /// Whether something follows the last whole row.
    pub is_torn: bool,
}

/// Reads a ledger from its first row to its last whole one; a failure of [`Exit::Timeout`] where the time is too short for all of it.
pub fn read(
    context: &Context<'_>,
    ledger: &ReportLedger,
    origin: Option<&LedgerOrigin>,
    until: Deadline,
) -> Result<Read, Failure> {
    let (tag, series) = (&ledger.tag, &ledger.series);
    let files = Files::of(context.layout, tag, series);
    let Some(extent) = Extent::of(context.disk, &files)? else {
        let missing = match origin {
            Some(_) => gone((context.layout, tag, series)),
            None => StoreError::Missing { path: files.decisions, what: "the ledger".to_owned() },
        };
        return Err(missing.into());
    };
    let setting = |key: &str| origin.and_then(|origin| origin.card.settings.get(key));
    let fills = match setting("fill.at").map(String::as_str) {
        Some("close") => Fills::AtClose,
        _ => Fills::AtOpen,
    };
    let cash = setting("account.cash").and_then(|cash| cash.parse().ok());
    let mut gather = Gather::new(fills, cash);
    let raw = RawStore::new(context.layout, context.disk, series);
    let mut reader = RecordReader::new(context.disk, &files, series, extent, ROWS_AT_ONCE)?;
    let mut hashes = RunningDigest::default();
    let (mut entry, mut held, mut last) = (None, false, None);
    context.progress.begin("reading the ledger", 0);
    while let Some(piece) = next(&mut reader, until)? {
        let bars = bars(context, &raw, &piece, held)?;
        let mut bars = bars.iter().peekable();
        let mut trades = piece.trades.iter().peekable();
        let mut events = Vec::new();
        for decision in &piece.rows {
            let row = row(&piece, decision, &mut hashes);
            while bars.next_if(|bar| bar.ts < row.ts).is_some() {}
            let bar: Option<Bar> = bars.next_if(|bar| bar.ts == row.ts).map(|bar| bar.bar);
            events.clear();
            while let Some(trade) = trades.next_if(|trade| trade.ts <= row.ts) {
                events.push(event(&files.trades, trade, &mut entry)?);
            }
            held = row.position.is_some();
            gather.take(&row, bar, &events);
            last = Some(row.ts);
        }
    }
    context.progress.end();
    Ok(Read { gather, last, data_sha256: hashes.digest(), is_torn: extent.is_torn })
}

/// The next piece, while there is time.
fn next(
    reader: &mut RecordReader<'_, RealDisk>,
    until: Deadline,
) -> Result<Option<LedgerPiece>, Failure> {
    if until.is_over() {
        return Err(Failure::new(Exit::Timeout, "the ledger is too long to be read in this time"));
    }
    Ok(reader.next()?)
}

/// The stored bars of a piece; none are read for rows without a position.
fn bars(
    context: &Context<'_>,
    raw: &RawStore<'_, RealDisk>,
    piece: &LedgerPiece,
    held: bool,
) -> Result<Vec<TimedBar>, Failure> {
    let is_idle = !held && piece.trades.is_empty();
    // What was collected for another box may be read there without its bars.
    if is_idle || !context.disk.is_dir(&raw.dir())? {
        return Ok(Vec::new());
    }
    Ok(raw.load_window(piece.window())?)
}

/// Columns of `decisions.csv`, which the reader has checked.
fn row<'p>(
    piece: &'p LedgerPiece,
    decision: &DecisionRow,
    hashes: &mut RunningDigest,
) -> ReportRow<'p> {
    let mut columns = [""; 17];
    for (column, text) in columns.iter_mut().zip(piece.text(decision).split(',')) {
        *column = text;
    }
    let [
        _,
        _,
        _,
        _,
        action,
        reason,
        blocked_by,
        _,
        position,
        close,
        _,
        stop,
        equity,
        risk,
        bar,
        ..,
    ] = columns;
    hashes.add(bar.as_bytes());
    hashes.add(b"\n");
    let is = |side: Side| position == side.name();
    ReportRow {
        ts: decision.decided.ts,
        skipped: (action == Action::Skip.name()).then_some(reason),
        blocked_by,
        position: [Side::Long, Side::Short].into_iter().find(|side| is(*side)),
        close: close.parse().ok(),
        stop: stop.parse().ok(),
        equity: equity.parse().expect("the reader has checked it"),
        risk: [RiskState::Active, RiskState::Reducing, RiskState::Halted]
            .into_iter()
            .find(|state| state.name() == risk)
            .expect("the reader has checked it"),
    }
}

/// A row of `trades.csv`, whose fields the reader has checked; `entry` is the slot of the position that is open.
fn event(
    path: &Path,
    trade: &TradeRow,
    entry: &mut Option<SlotTs>,
) -> Result<TradeEvent, StoreError> {
    let columns: Vec<&str> = trade.text.split(',').collect();
    let bad = |what: &str| StoreError::damaged(path, trade.line, format!("it has no {what}"));
    let amount = |n: usize| columns[n].parse::<Decimal>().map_err(|_| bad("amount"));
    let reason = columns[11];
    let event = if columns[5] == "open" {
        *entry = Some(trade.ts);
        Event::Open(Reason::of(reason).ok_or_else(|| bad("entry rule of at most 32 bytes"))?)
    } else {
        let known = CloseReason::ALL.into_iter().find(|known| known.name() == reason);
        Event::Close(known.ok_or_else(|| bad("reason to close"))?)
    };
    let side = [Side::Long, Side::Short].into_iter().find(|side| side.name() == columns[6]);
    Ok(TradeEvent {
        ts: trade.ts,
        entry: entry.unwrap_or(trade.ts),
        event,
        side: side.ok_or_else(|| bad("side"))?,
        price: Price::new(amount(7)?).ok_or_else(|| bad("price above zero"))?,
        qty: Qty::new(amount(8)?).ok_or_else(|| bad("quantity above zero"))?,
        fee: Money::new(amount(9)?),
        pnl: Money::new(amount(10)?),
        ambiguous: columns[12] == "1",
    })
}
