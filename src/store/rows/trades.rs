//! `trades.csv` read back: one position at a time, opened and then closed.

use std::path::Path;

use rust_decimal::Decimal;

use super::table::{Fields, SeriesPrefix, TableRow, lines, rows};
use crate::{
    domain::{
        decision::{CloseReason, Side},
        series::Series,
        time::SlotTs,
    },
    store::error::StoreError,
};

/// Header of `trades.csv`.
pub const TRADES_HEADER: &str =
    "exchange,symbol,timeframe,ts_ms,trade_id,event,side,price,qty,fee,pnl,reason,ambiguous";

const ID: usize = 4;
const EVENT: usize = 5;
const SIDE: usize = 6;
const PRICE: usize = 7;
const PNL: usize = 10;
const REASON: usize = 11;
const AMBIGUOUS: usize = 12;

/// One checked row of `trades.csv`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TradeLine<'a> {
    ts: SlotTs,
    side: Side,
    is_open: bool,
    fields: Fields<'a, 13>,
}

impl<'a> TradeLine<'a> {
    /// The slot whose bar it happened in.
    pub const fn ts(&self) -> SlotTs {
        self.ts
    }

    /// The row as it stands in the file, without its newline.
    pub const fn line(&self) -> &'a str {
        self.fields.line()
    }

    /// Column `n` of the header, from 0, as it stands in the file.
    pub fn column(&self, n: usize) -> &'a str {
        self.fields.field(n)
    }

    /// Which trade.
    pub fn trade_id(&self) -> &'a str {
        self.column(ID)
    }

    /// Whether it opens the position.
    pub const fn is_open(&self) -> bool {
        self.is_open
    }

    /// Side of the position.
    pub const fn side(&self) -> Side {
        self.side
    }

    /// `[price, qty, fee, pnl]`.
    pub fn amounts(&self) -> [Decimal; 4] {
        let amount = |n| self.column(n).parse().expect("the row was checked");
        [PRICE, PRICE + 1, PRICE + 2, PNL].map(amount)
    }

    /// The entry rule, or why it was closed.
    pub fn reason(&self) -> &'a str {
        self.column(REASON)
    }

    /// Why it was closed; `None` for an opening.
    pub fn close_reason(&self) -> Option<CloseReason> {
        if self.is_open { None } else { close_reason(self.reason()) }
    }

    /// Stop and target lay inside one bar.
    pub fn is_ambiguous(&self) -> bool {
        self.column(AMBIGUOUS) == "1"
    }
}

/// What the next row of `trades.csv` has to follow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AfterTrade {
    ts: Option<SlotTs>,
    /// The trade that is open.
    held: Option<(String, Side)>,
}

impl AfterTrade {
    /// What the row behind this one has to follow; the error is that of a row that is not a trade of the series.
    pub fn row(text: &str, series: &Series, path: &Path) -> Result<Self, StoreError> {
        let bytes = format!("{text}\n").into_bytes();
        let mut after = Self::default();
        for row in lines::<13>(&bytes, 1, path)? {
            let line = check_fields(&row?, series)?;
            after.ts = Some(line.ts);
            after.held = line.is_open.then(|| (line.trade_id().to_owned(), line.side));
        }
        Ok(after)
    }
}

/// Reads `trades.csv`: the header, the series, every field, that `ts_ms` never decreases, and that each trade is opened and then closed.
/// Bytes after the last newline are ignored; the last trade may still be open.
pub fn parse_trades<'a>(
    bytes: &'a [u8],
    series: &Series,
    path: &Path,
) -> Result<Vec<TradeLine<'a>>, StoreError> {
    checked(rows(bytes, TRADES_HEADER, path)?, series, &mut AfterTrade::default())
}

/// Reads rows of it from line `first` on, which follow `after`; that becomes what the next ones have to follow.
pub fn parse_trade_rows<'a>(
    bytes: &'a [u8],
    series: &Series,
    (path, first): (&Path, u64),
    after: &mut AfterTrade,
) -> Result<Vec<TradeLine<'a>>, StoreError> {
    checked(lines(bytes, first, path)?, series, after)
}

fn checked<'a, 'p>(
    rows: impl Iterator<Item = Result<TableRow<'a, 'p, 13>, StoreError>>,
    series: &Series,
    after: &mut AfterTrade,
) -> Result<Vec<TradeLine<'a>>, StoreError> {
    let prefix = SeriesPrefix::new(series);
    let mut lines: Vec<TradeLine<'a>> = Vec::new();
    for row in rows {
        let row = row?;
        if !row.fields().line().starts_with(prefix.as_str()) {
            let expected = prefix.as_str().trim_end_matches(',');
            return Err(row.damaged(format!("foreign series, expected `{expected}`")));
        }
        let line = check_fields(&row, series)?;
        check_order(&row, after, &line)?;
        after.ts = Some(line.ts);
        after.held = line.is_open.then(|| (line.trade_id().to_owned(), line.side));
        lines.push(line);
    }
    Ok(lines)
}

fn check_fields<'a>(
    row: &TableRow<'a, '_, 13>,
    series: &Series,
) -> Result<TradeLine<'a>, StoreError> {
    let ts = row.slot(3, series.timeframe())?;
    row.hash(ID)?;
    let is_open = row.one_of(EVENT, "an event", |text| match text {
        "open" => Some(true),
        "close" => Some(false),
        _ => None,
    })?;
    let side = row.one_of(SIDE, "a side", |text| {
        [Side::Long, Side::Short].into_iter().find(|side| side.name() == text)
    })?;
    for n in PRICE..=PNL {
        row.decimal(n)?;
    }
    if !is_open {
        row.one_of(REASON, "a reason to close", close_reason)?;
    }
    row.one_of(AMBIGUOUS, "0 or 1", |text| matches!(text, "0" | "1").then_some(()))?;
    Ok(TradeLine { ts, side, is_open, fields: row.fields() })
}

fn check_order(
    row: &TableRow<'_, '_, 13>,
    after: &AfterTrade,
    line: &TradeLine<'_>,
) -> Result<(), StoreError> {
    if let Some(last) = after.ts
        && line.ts < last
    {
        let (now, then) = (line.ts.ts_ms(), last.ts_ms());
        return Err(row.damaged(format!("reordering: ts_ms {now} comes after {then}")));
    }
    match (&after.held, line.is_open) {
        (None, true) => Ok(()),
        (Some((id, side)), false) if id == line.trade_id() && *side == line.side => Ok(()),
        (Some((id, _)), _) => {
            Err(row.damaged(format!("trade {id} is open and must be closed first")))
        }
        (None, false) => {
            Err(row.damaged(format!("trade {} is closed but not open", line.trade_id())))
        }
    }
}

fn close_reason(text: &str) -> Option<CloseReason> {
    CloseReason::ALL.into_iter().find(|reason| reason.name() == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{
            decision::{Event, Reason, TradeEvent, TradeId},
            money::{Money, Price, Qty},
            time::Timeframe,
        },
        store::rows::table::push_trade,
    };

    fn series() -> Series {
        Series::new("binance".parse().unwrap(), "BTC/USDT".parse().unwrap(), Timeframe::M5)
    }

    fn slot(n: i64) -> SlotTs {
        Timeframe::M5.slot((1_000_000 + n) * 300_000).unwrap()
    }

    fn event(n: i64, entry: i64, event: Event) -> TradeEvent {
        TradeEvent {
            ts: slot(n),
            entry: slot(entry),
            event,
            side: Side::Long,
            price: Price::from_float(27_344.10).unwrap(),
            qty: Qty::new("0.50".parse().unwrap()).unwrap(),
            fee: Money::new("1.250".parse().unwrap()),
            pnl: Money::new("-1.250".parse().unwrap()),
            ambiguous: false,
        }
    }

    fn file(events: &[TradeEvent]) -> Vec<u8> {
        let mut bytes = format!("{TRADES_HEADER}\n").into_bytes();
        let prefix = SeriesPrefix::new(&series());
        for row in events {
            push_trade(&mut bytes, &prefix, &series(), row);
        }
        bytes
    }

    const OPEN: Event = Event::Open(Reason::new("ema_cross_up"));
    const CLOSE: Event = Event::Close(CloseReason::StopHit);

    #[test]
    fn trades_are_written_as_documented_and_come_back() {
        let bytes = file(&[event(1, 1, OPEN), event(1, 1, CLOSE), event(5, 5, OPEN)]);
        let id = TradeId::derive(&series(), slot(1), Side::Long).to_string();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let expected = format!(
            "binance,BTC/USDT,5m,300000300000,{id},open,long,27344.1,0.5,1.25,-1.25,ema_cross_up,0"
        );
        assert_eq!(text.lines().nth(1), Some(expected.as_str()));
        let lines = parse_trades(&bytes, &series(), Path::new("t")).unwrap();
        assert_eq!(lines.len(), 3);
        assert_eq!((lines[0].is_open(), lines[0].close_reason()), (true, None));
        assert_eq!(lines[1].close_reason(), Some(CloseReason::StopHit));
        assert_eq!((lines[1].trade_id(), lines[1].is_ambiguous()), (id.as_str(), false));
        assert_eq!(lines[1].amounts()[3].to_string(), "-1.25");
    }

    #[test]
    fn every_break_of_the_order_is_named() {
        let id = |n| TradeId::derive(&series(), slot(n), Side::Long);
        for (events, message) in [
            (vec![event(1, 1, CLOSE)], format!("t:2: trade {} is closed but not open", id(1))),
            (
                vec![event(1, 1, OPEN), event(2, 2, OPEN)],
                format!("t:3: trade {} is open and must be closed first", id(1)),
            ),
            (
                vec![event(1, 1, OPEN), event(2, 2, CLOSE)],
                format!("t:3: trade {} is open and must be closed first", id(1)),
            ),
            (
                vec![event(2, 2, OPEN), event(1, 2, CLOSE)],
                "t:3: reordering: ts_ms 300000300000 comes after 300000600000".to_owned(),
            ),
        ] {
            let error = parse_trades(&file(&events), &series(), Path::new("t")).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }
}
