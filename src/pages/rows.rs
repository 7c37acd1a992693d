//! Rows of a ledger inside a window: what is drawn over the bars, and the newest decisions.

use serde::Serialize;

use super::{
    bars::SlotSpan,
    desk::{Desk, DeskLedger},
};
use crate::{
    domain::ids::RunId,
    jobs::context::Failure,
    report::pyramid::{Pyramid, PyramidPoint},
    session::reader::{Extent, Files, LedgerPiece, RowFinder},
    store::disk::Disk as _,
    store::rows::decisions::Column,
};

/// Rows read at once.
const ROWS_AT_ONCE: usize = 8_192;
/// Stretches of one kind in an answer at most; of more, those that touch at the resolution of the picture are joined.
const STRETCHES_MAX: usize = 2_000;
/// Points of a line of equity.
const POINTS_MAX: usize = 1_500;
/// Bytes of a row of trades.
const ROW_MAX: u64 = 400;
/// Trades in an answer at most: the newest.
const TRADES_MAX: usize = 600;

/// Consecutive slots that were skipped for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkippedStretch {
    /// Its first slot.
    pub from_ts_ms: i64,
    /// Its last slot.
    pub to_ts_ms: i64,
    /// Why.
    pub reason: String,
    /// How many.
    pub slots: u64,
}

/// Consecutive slots with one stop.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StopStretch {
    /// Its first slot.
    pub from_ts_ms: i64,
    /// Its last slot.
    pub to_ts_ms: i64,
    /// The level.
    pub px: f64,
}

/// An opening or a closing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FillMark {
    /// The slot.
    pub ts_ms: i64,
    /// `open` or `close`.
    pub event: String,
    /// `long` or `short`.
    pub side: String,
    /// The price.
    pub px: f64,
    /// The quantity.
    pub qty: f64,
    /// The result of a closing, after its own fee.
    pub pnl: Option<f64>,
    /// The rule that opened, or what closed.
    pub reason: String,
}

/// What is drawn over the bars of a window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Over {
    /// Name and version of the document.
    pub schema: &'static str,
    /// The window.
    #[serde(flatten)]
    pub span: SlotSpan,
    /// Slots that were skipped.
    pub skipped: Vec<SkippedStretch>,
    /// Stops.
    pub stops: Vec<StopStretch>,
    /// Fills; the newest, where there are very many.
    pub fills: Vec<FillMark>,
    /// Equity at the closes.
    pub equity: Vec<PyramidPoint>,
    /// The same of the replay.
    pub replay: Option<ReplayLine>,
}

/// The equity of a replay.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReplayLine {
    /// Its name.
    pub runid: String,
    /// Equity at the closes.
    pub equity: Vec<PyramidPoint>,
}

/// One decision, as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DecisionMark {
    /// The slot.
    pub ts_ms: i64,
    /// What was decided.
    #[serde(rename = "decision")]
    pub action: String,
    /// Why.
    pub reason: String,
    /// What vetoed it.
    pub blocked_by: String,
    /// Position after the slot.
    pub position: String,
    /// Close of the bar.
    pub close: Option<f64>,
    /// Stop after the slot.
    pub stop_px: Option<f64>,
    /// Equity at the close.
    pub equity: f64,
    /// Risk state after the slot.
    pub risk_state: String,
    /// How long after the close it was decided.
    pub late_ms: Option<i64>,
}

/// Finds the rows of a ledger; `None` without rows.
fn finder<'d>(
    desk: &'d Desk,
    place: &DeskLedger,
) -> Result<Option<RowFinder<'d, crate::store::disk::RealDisk>>, Failure> {
    let files = Files::of(&desk.layout, &place.tag, &place.series);
    let Some(extent) = Extent::of(&desk.disk, &files)? else { return Ok(None) };
    Ok(RowFinder::new(&desk.disk, &files, &place.series, extent)?)
}

/// Hands over the rows of a window, piece by piece.
fn each(
    desk: &Desk,
    place: &DeskLedger,
    span: SlotSpan,
    mut take: impl FnMut(&LedgerPiece, usize),
) -> Result<(), Failure> {
    let Some(finder) = finder(desk, place)? else { return Ok(()) };
    let bar_ms = place.series.timeframe().ms();
    let behind = (span.from_ts_ms - finder.first.ts_ms()).div_euclid(bar_ms) + 1;
    let from = behind.max(0).unsigned_abs();
    if from >= finder.count() {
        return Ok(());
    }
    let mut reader = finder.reader(from, ROWS_AT_ONCE)?;
    while let Some(piece) = reader.next()? {
        let within = piece.rows.partition_point(|row| row.decided.ts.ts_ms() <= span.to_ts_ms);
        take(&piece, within);
        if within < piece.rows.len() {
            break;
        }
    }
    Ok(())
}

/// What is drawn over the bars of a window; `replay` names one to lay over the equity.
pub fn over(
    desk: &Desk,
    place: &DeskLedger,
    span: SlotSpan,
    replay: Option<&str>,
) -> Result<Over, Failure> {
    let bar_ms = place.series.timeframe().ms();
    let mut equity = Pyramid::default();
    let (mut skipped, mut stops, mut fills) = (Vec::new(), Vec::new(), Vec::new());
    each(desk, place, span, |piece, within| {
        for row in &piece.rows[..within] {
            let cells: Vec<&str> = piece.text(row).split(',').collect();
            let cell = |column: Column| cells.get(column as usize).copied().unwrap_or_default();
            let ts_ms = row.decided.ts.ts_ms();
            if let Ok(value) = cell(Column::Equity).parse() {
                equity.take(ts_ms, value);
            }
            if cell(Column::Decision) == "skip" {
                skip(&mut skipped, ts_ms, bar_ms, cell(Column::Reason));
            }
            if let Ok(px) = cell(Column::StopPx).parse() {
                stop(&mut stops, ts_ms, bar_ms, px);
            }
        }
        let trades = piece.trades.iter().filter(|trade| trade.ts.ts_ms() <= span.to_ts_ms);
        fills.extend(trades.filter_map(|trade| fill(trade.ts.ts_ms(), &trade.text)));
    })?;
    let grain = (span.to_ts_ms - span.from_ts_ms) / STRETCHES_MAX as i64;
    let surplus = fills.len().saturating_sub(TRADES_MAX);
    fills.drain(..surplus);
    Ok(Over {
        schema: "mjolnir.over/1",
        span,
        skipped: joined(skipped, grain),
        stops: thin(stops),
        fills,
        equity: few(&equity),
        replay: replay.map(|runid| replayed(desk, place, span, runid)).transpose()?.flatten(),
    })
}

/// As many points as a picture shows.
fn few(line: &Pyramid) -> Vec<PyramidPoint> {
    let points = line.points();
    let step = points.len().div_ceil(POINTS_MAX).max(1);
    let last = points.last().copied();
    let mut out: Vec<PyramidPoint> = points.into_iter().step_by(step).collect();
    if out.last() != last.as_ref() {
        out.extend(last);
    }
    out
}

fn skip(all: &mut Vec<SkippedStretch>, ts_ms: i64, bar_ms: i64, reason: &str) {
    match all.last_mut().filter(|last| last.reason == reason && last.to_ts_ms + bar_ms == ts_ms) {
        Some(last) => {
            last.to_ts_ms = ts_ms;
            last.slots += 1;
        }
        None => all.push(SkippedStretch {
            from_ts_ms: ts_ms,
            to_ts_ms: ts_ms,
            reason: reason.to_owned(),
            slots: 1,
        }),
    }
}

fn stop(all: &mut Vec<StopStretch>, ts_ms: i64, bar_ms: i64, px: f64) {
    match all
        .last_mut()
        .filter(|last| last.px.to_bits() == px.to_bits() && last.to_ts_ms + bar_ms == ts_ms)
    {
        Some(last) => last.to_ts_ms = ts_ms,
        None => all.push(StopStretch { from_ts_ms: ts_ms, to_ts_ms: ts_ms, px }),
    }
}

/// Stretches of one reason that are so near to each other that a picture cannot show the gap are one.
fn joined(all: Vec<SkippedStretch>, grain_ms: i64) -> Vec<SkippedStretch> {
    if all.len() <= STRETCHES_MAX {
        return all;
    }
    let mut out: Vec<SkippedStretch> = Vec::new();
    for one in all {
        match out.last_mut().filter(|last| {
            last.reason == one.reason && one.from_ts_ms - last.to_ts_ms <= 2 * grain_ms
        }) {
            Some(last) => {
                last.to_ts_ms = one.to_ts_ms;
                last.slots += one.slots;
            }
            None => out.push(one),
        }
    }
    let surplus = out.len().saturating_sub(STRETCHES_MAX);
    out.drain(..surplus);
    out
}

/// Evenly picked where there are too many.
fn thin(stops: Vec<StopStretch>) -> Vec<StopStretch> {
    let step = stops.len().div_ceil(STRETCHES_MAX).max(1);
    let mut out: Vec<StopStretch> = Vec::with_capacity(stops.len() / step + 1);
    for (n, one) in stops.into_iter().enumerate() {
        match out.last_mut().filter(|_| n % step > 0) {
            Some(last) => last.to_ts_ms = one.to_ts_ms,
            None => out.push(one),
        }
    }
    out
}

/// The newest fills of a ledger, at most `most`, the oldest first.
pub fn newest_fills(
    desk: &Desk,
    place: &DeskLedger,
    most: usize,
) -> Result<Vec<FillMark>, Failure> {
    let path = desk.layout.trades(&place.tag, &place.series);
    let Some(len) = desk.disk.len(&path)? else { return Ok(Vec::new()) };
    let tail = (most as u64 * ROW_MAX).min(len);
    let bytes = desk.disk.read_at(&path, len - tail, tail as usize)?;
    let text = String::from_utf8_lossy(&bytes);
    // What has no end is not written yet, and what has no beginning or is the header is not a row.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let row = |line: &str| fill(line.split(',').nth(3)?.parse().ok()?, line);
    let mut fills: Vec<FillMark> =
        whole.lines().skip(usize::from(tail < len)).filter_map(row).collect();
    let surplus = fills.len().saturating_sub(most);
    fills.drain(..surplus);
    Ok(fills)
}

/// A row of `trades.csv`.
fn fill(ts_ms: i64, row: &str) -> Option<FillMark> {
    let cells: Vec<&str> = row.split(',').collect();
    let is_closing = *cells.get(5)? == "close";
    Some(FillMark {
        ts_ms,
        event: (*cells.get(5)?).to_owned(),
        side: (*cells.get(6)?).to_owned(),
        px: cells.get(7)?.parse().ok()?,
        qty: cells.get(8)?.parse().ok()?,
        pnl: if is_closing { cells.get(10)?.parse().ok() } else { None },
        reason: (*cells.get(11)?).to_owned(),
    })
}

fn replayed(
    desk: &Desk,
    place: &DeskLedger,
    span: SlotSpan,
    runid: &str,
) -> Result<Option<ReplayLine>, Failure> {
    let tag = runid.parse::<RunId>().ok().and_then(|run| place.tag.backtest(&run).ok());
    let Some(tag) = tag else { return Ok(None) };
    let mut equity = Pyramid::default();
    let of = DeskLedger { tag, series: place.series.clone() };
    each(desk, &of, span, |piece, within| {
        for row in &piece.rows[..within] {
            let value = piece.text(row).split(',').nth(Column::Equity as usize);
            if let Some(value) = value.and_then(|value| value.parse().ok()) {
                equity.take(row.decided.ts.ts_ms(), value);
            }
        }
    })?;
    let equity = few(&equity);
    Ok((!equity.is_empty()).then(|| ReplayLine { runid: runid.to_owned(), equity }))
}

/// The newest decisions after a slot, at most `most`, the oldest first.
pub fn newest(
    desk: &Desk,
    place: &DeskLedger,
    after_ts_ms: Option<i64>,
    most: u64,
) -> Result<Vec<DecisionMark>, Failure> {
    let Some(finder) = finder(desk, place)? else { return Ok(Vec::new()) };
    let mut from = finder.count().saturating_sub(most);
    if let Some(after) = after_ts_ms {
        let bar_ms = place.series.timeframe().ms();
        // Whoever asks may name any number.
        let behind = after.saturating_sub(finder.first.ts_ms()).div_euclid(bar_ms) + 1;
        from = from.max(behind.max(0).unsigned_abs());
    }
    let mut out = Vec::new();
    if from >= finder.count() {
        return Ok(out);
    }
    let mut reader = finder.reader(from, ROWS_AT_ONCE)?;
    while let Some(piece) = reader.next()? {
        let mut timing = piece.timing.iter().peekable();
        for row in &piece.rows {
            while timing.next_if(|timing| timing.ts < row.decided.ts).is_some() {}
            let late_ms = timing.peek().filter(|t| t.ts == row.decided.ts).map(|t| t.late_ms);
            out.push(decision(row.decided.ts.ts_ms(), piece.text(row), late_ms));
        }
    }
    Ok(out)
}

fn decision(ts_ms: i64, row: &str, late_ms: Option<i64>) -> DecisionMark {
    let cells: Vec<&str> = row.split(',').collect();
    let cell = |column: Column| cells.get(column as usize).copied().unwrap_or_default();
    let word = |column: Column| cell(column).to_owned();
    DecisionMark {
        ts_ms,
        action: word(Column::Decision),
        reason: word(Column::Reason),
        blocked_by: word(Column::BlockedBy),
        position: word(Column::Position),
        close: cell(Column::Close).parse().ok(),
        stop_px: cell(Column::StopPx).parse().ok(),
        equity: cell(Column::Equity).parse().unwrap_or(f64::NAN),
        risk_state: word(Column::RiskState),
        late_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_of_one_reason_are_one_stretch_and_a_gap_is_not_hidden() {
        let mut all = Vec::new();
        for (n, reason) in [(1, "a"), (2, "a"), (3, "b"), (5, "b"), (6, "b")] {
            skip(&mut all, n * 10, 10, reason);
        }
        let seen: Vec<_> =
            all.iter().map(|one| (one.from_ts_ms, one.to_ts_ms, one.slots)).collect();
        assert_eq!(seen, [(10, 20, 2), (30, 30, 1), (50, 60, 2)]);
        assert_eq!(joined(all.clone(), 1_000), all, "as long as there are few");
        let many: Vec<SkippedStretch> = (0..10_000)
            .map(|n| SkippedStretch {
                from_ts_ms: n * 20,
                to_ts_ms: n * 20,
                reason: "a".into(),
                slots: 1,
            })
            .collect();
        let one = joined(many, 10);
        assert_eq!((one.len(), one[0].slots), (1, 10_000));
    }

    #[test]
    fn a_row_of_trades_is_a_fill() {
        let row = "kraken,BTC/USD,5m,300000,x,close,long,101.5,2,0.1,-3.25,stop,0";
        let found = fill(300_000, row).unwrap();
        assert_eq!((found.px, found.pnl, found.reason.as_str()), (101.5, Some(-3.25), "stop"));
        assert_eq!(fill(0, "kraken,BTC/USD"), None);
    }
}
