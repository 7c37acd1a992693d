//! `decisions.csv` read back: every row checked, in an order without holes, and shown as a view over its line.

use std::path::Path;

use rust_decimal::Decimal;

use super::table::{Fields, SeriesPrefix, TableRow, lines, parse_hash, rows};
use crate::{
    domain::{
        decision::{Action, Block, Degraded, RiskState, Side, SkipReason},
        money::{Money, Price},
        series::Series,
        time::SlotTs,
    },
    store::error::StoreError,
};

/// Header of `decisions.csv`.
pub const DECISIONS_HEADER: &str = "exchange,symbol,timeframe,ts_ms,decision,reason,blocked_by,score,position,close,entry_px,stop_px,equity,risk_state,bar_hash,feat_hash,state_hash";

/// The columns of `decisions.csv`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// The venue.
    Exchange,
    /// The pair.
    Symbol,
    /// The bar length.
    Timeframe,
    /// The slot.
    TsMs,
    /// What was decided.
    Decision,
    /// Why.
    Reason,
    /// Who vetoed it.
    BlockedBy,
    /// Score of a model.
    Score,
    /// Position after the slot.
    Position,
    /// Close of the bar.
    Close,
    /// Entry price.
    EntryPx,
    /// Stop level.
    StopPx,
    /// Equity at the close.
    Equity,
    /// Risk state after the slot.
    RiskState,
    /// Hash of the bars.
    BarHash,
    /// Hash of the features.
    FeatHash,
    /// Hash of the residual state.
    StateHash,
}

impl Column {
    /// Every column, in order.
    pub const ALL: [Self; 17] = [
        Self::Exchange,
        Self::Symbol,
        Self::Timeframe,
        Self::TsMs,
        Self::Decision,
        Self::Reason,
        Self::BlockedBy,
        Self::Score,
        Self::Position,
        Self::Close,
        Self::EntryPx,
        Self::StopPx,
        Self::Equity,
        Self::RiskState,
        Self::BarHash,
        Self::FeatHash,
        Self::StateHash,
    ];

    /// How the header calls it.
    pub fn name(self) -> &'static str {
        DECISIONS_HEADER.split(',').nth(self as usize).expect("the header names every column")
    }
}

/// One checked row of `decisions.csv`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecisionLine<'a> {
    ts: SlotTs,
    fields: Fields<'a, 17>,
}

impl<'a> DecisionLine<'a> {
    /// The slot.
    pub const fn ts(&self) -> SlotTs {
        self.ts
    }

    /// The slot's close time.
    pub const fn ts_ms(&self) -> i64 {
        self.ts.ts_ms()
    }

    /// The row as it stands in the file, without its newline.
    pub const fn line(&self) -> &'a str {
        self.fields.line()
    }

    /// One column as it stands in the file.
    pub fn column(&self, column: Column) -> &'a str {
        self.fields.field(column as usize)
    }

    /// The `decision` column.
    pub fn decision(&self) -> &'a str {
        self.column(Column::Decision)
    }

    /// The `reason` column.
    pub fn reason(&self) -> &'a str {
        self.column(Column::Reason)
    }

    /// The `blocked_by` column.
    pub fn blocked_by(&self) -> &'a str {
        self.column(Column::BlockedBy)
    }

    /// What was decided.
    pub fn action(&self) -> Action {
        action(self.decision()).expect("the row was checked")
    }

    /// Why the slot could not be evaluated; `None` when it was.
    pub fn skip_reason(&self) -> Option<SkipReason> {
        if self.action() == Action::Skip { skip_reason(self.reason()) } else { None }
    }

    /// What hindered the slot from outside the bars; a backtest takes it as an input.
    pub fn degraded(&self) -> Option<Degraded> {
        if self.blocked_by() == Block::CatchUp.name() {
            return Some(Degraded::CatchupNoEntry);
        }
        self.skip_reason().and_then(|reason| Degraded::from_reason(reason.name()))
    }

    /// Position after the slot; `None`: flat.
    pub fn position(&self) -> Option<Side> {
        let held = self.column(Column::Position);
        [Side::Long, Side::Short].into_iter().find(|side| side.name() == held)
    }

    /// Close of the bar.
    pub fn close(&self) -> Option<f64> {
        self.column(Column::Close).parse().ok()
    }

    /// Entry price, while in a position.
    pub fn entry_px(&self) -> Option<Price> {
        self.column(Column::EntryPx).parse().ok().and_then(Price::new)
    }

    /// Stop level, while in a position that has one.
    pub fn stop_px(&self) -> Option<Price> {
        self.column(Column::StopPx).parse().ok().and_then(Price::new)
    }

    /// Equity at the close.
    pub fn equity(&self) -> Money {
        Money::new(self.column(Column::Equity).parse().expect("the row was checked"))
    }

    /// Risk state after the slot.
    pub fn risk_state(&self) -> RiskState {
        risk_state(self.column(Column::RiskState)).expect("the row was checked")
    }

    /// Hash of the bars.
    pub fn bar_hash(&self) -> Option<u64> {
        parse_hash(self.column(Column::BarHash))
    }

    /// Hash of the features.
    pub fn feat_hash(&self) -> Option<u64> {
        parse_hash(self.column(Column::FeatHash))
    }

    /// Hash of the residual state.
    pub fn state_hash(&self) -> u64 {
        parse_hash(self.column(Column::StateHash)).expect("the row was checked")
    }
}

/// Reads `decisions.csv`: the header, the series, every field, and that each row is exactly one slot after the one before.
/// Bytes after the last newline are ignored.
pub fn parse_decisions<'a>(
    bytes: &'a [u8],
    series: &Series,
    path: &Path,
) -> Result<Vec<DecisionLine<'a>>, StoreError> {
    checked(rows(bytes, DECISIONS_HEADER, path)?, bytes.len(), series, None)
}

/// Reads rows of it from line `first` on, the first of which comes one slot after `after`.
pub fn parse_decision_rows<'a>(
    bytes: &'a [u8],
    series: &Series,
    (path, first): (&Path, u64),
    after: Option<SlotTs>,
) -> Result<Vec<DecisionLine<'a>>, StoreError> {
    checked(lines(bytes, first, path)?, bytes.len(), series, after)
}

fn checked<'a, 'p>(
    rows: impl Iterator<Item = Result<TableRow<'a, 'p, 17>, StoreError>>,
    bytes: usize,
    series: &Series,
    mut after: Option<SlotTs>,
) -> Result<Vec<DecisionLine<'a>>, StoreError> {
    let prefix = SeriesPrefix::new(series);
    let mut lines: Vec<DecisionLine<'a>> = Vec::with_capacity(bytes / 150);
    for row in rows {
        let row = row?;
        if !row.fields().line().starts_with(prefix.as_str()) {
            let expected = prefix.as_str().trim_end_matches(',');
            return Err(row.damaged(format!("foreign series, expected `{expected}`")));
        }
        let ts = row.slot(Column::TsMs as usize, series.timeframe())?;
        if let Some(last) = after.replace(ts) {
            check_order(&row, last, ts)?;
        }
        check_fields(&row)?;
        lines.push(DecisionLine { ts, fields: row.fields() });
    }
    Ok(lines)
}

fn check_order(row: &TableRow<'_, '_, 17>, last: SlotTs, ts: SlotTs) -> Result<(), StoreError> {
    let steps = ts.since(last);
    let last = last.ts_ms();
    let ts = ts.ts_ms();
    match steps {
        1 => Ok(()),
        0 => Err(row.damaged(format!("duplicate: ts_ms {ts} is that of the row before"))),
        n if n < 0 => Err(row.damaged(format!("reordering: ts_ms {ts} comes after {last}"))),
        n => Err(row.damaged(format!("hole: {} slots are missing between {last} and {ts}", n - 1))),
    }
}

fn check_fields(row: &TableRow<'_, '_, 17>) -> Result<(), StoreError> {
    let at = |column: Column| column as usize;
    let action = row.one_of(at(Column::Decision), "a decision", action)?;
    if action == Action::Skip {
        row.one_of(at(Column::Reason), "a reason to skip", skip_reason)?;
    }
    row.optional(at(Column::Score), TableRow::int)?;
    row.one_of(at(Column::Position), "a position", |text| is_position(text).then_some(()))?;
    row.optional(at(Column::Close), TableRow::float)?;
    let price = |row: &TableRow<'_, '_, 17>, n: usize| {
        let exact = row.decimal(n)?;
        row.one_of(n, "a positive price", |_| (exact > Decimal::ZERO).then_some(()))
    };
    row.optional(at(Column::EntryPx), price)?;
    row.optional(at(Column::StopPx), price)?;
    row.decimal(at(Column::Equity))?;
    row.one_of(at(Column::RiskState), "a risk state", risk_state)?;
    row.optional(at(Column::BarHash), TableRow::hash)?;
    row.optional(at(Column::FeatHash), TableRow::hash)?;
    row.hash(at(Column::StateHash))?;
    Ok(())
}

fn action(text: &str) -> Option<Action> {
    [
        Action::Hold,
        Action::Skip,
        Action::Exit,
        Action::Enter(Side::Long),
        Action::Enter(Side::Short),
    ]
    .into_iter()
    .find(|action| action.name() == text)
}

fn skip_reason(text: &str) -> Option<SkipReason> {
    SkipReason::ALL.into_iter().find(|reason| reason.name() == text)
}

fn is_position(text: &str) -> bool {
    matches!(text, "flat" | "long" | "short")
}

fn risk_state(text: &str) -> Option<RiskState> {
    [RiskState::Active, RiskState::Reducing, RiskState::Halted]
        .into_iter()
        .find(|state| state.name() == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{
            decision::{Block, Decision, Reason},
            time::Timeframe,
        },
        store::rows::table::push_decision,
    };

    fn series() -> Series {
        Series::new("binance".parse().unwrap(), "BTC/USDT".parse().unwrap(), Timeframe::M5)
    }

    fn decision(n: i64) -> Decision {
        Decision {
            ts: Timeframe::M5.slot((1_000_000 + n) * 300_000).unwrap(),
            action: Action::Hold,
            reason: Reason::new("no_signal"),
            blocked_by: None,
            score: None,
            position: None,
            close: Some(27_344.11),
            entry_px: None,
            stop_px: None,
            equity: Money::new("10000.50".parse().unwrap()),
            risk_state: RiskState::Active,
            bar_hash: Some(0xabc),
            feat_hash: None,
            state_hash: u64::MAX,
        }
    }

    fn file(decisions: &[Decision]) -> Vec<u8> {
        let mut bytes = format!("{DECISIONS_HEADER}\n").into_bytes();
        let prefix = SeriesPrefix::new(&series());
        for row in decisions {
            push_decision(&mut bytes, &prefix, row);
        }
        bytes
    }

    fn refusal(bytes: &[u8]) -> String {
        parse_decisions(bytes, &series(), Path::new("d")).unwrap_err().to_string()
    }

    #[test]
    fn a_row_is_written_as_documented() {
        let full = Decision {
            action: Action::Enter(Side::Short),
            reason: Reason::new("ema_cross_down"),
            blocked_by: Some(Block::Cooldown),
            score: Some(-12),
            position: Some(Side::Short),
            entry_px: Price::from_float(27_344.1),
            stop_px: Price::from_float(27_400.0),
            feat_hash: Some(1),
            ..decision(0)
        };
        let bytes = file(&[full, Decision { close: None, bar_hash: None, ..decision(1) }]);
        let text = String::from_utf8(bytes).unwrap();
        let rows: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(
            rows,
            [
                "binance,BTC/USDT,5m,300000000000,enter_short,ema_cross_down,cooldown,-12,short,27344.11,27344.1,27400,10000.5,ACTIVE,0000000000000abc,0000000000000001,ffffffffffffffff",
                "binance,BTC/USDT,5m,300000300000,hold,no_signal,,,flat,,,,10000.5,ACTIVE,,,ffffffffffffffff",
            ]
        );
    }

    #[test]
    fn rows_come_back_and_a_torn_tail_is_ignored() {
        let skip =
            Decision { action: Action::Skip, reason: Reason::new("fetch_failed"), ..decision(1) };
        let mut bytes = file(&[decision(0), skip]);
        bytes.extend_from_slice(b"binance,BTC/US");
        let lines = parse_decisions(&bytes, &series(), Path::new("d")).unwrap();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].ts(), decision(0).ts);
        assert_eq!((lines[0].decision(), lines[0].reason()), ("hold", "no_signal"));
        assert_eq!(lines[0].bar_hash(), Some(0xabc));
        assert_eq!((lines[0].feat_hash(), lines[0].state_hash()), (None, u64::MAX));
        assert_eq!(lines[0].close(), Some(27_344.11));
        assert_eq!(lines[0].equity(), decision(0).equity);
        assert_eq!((lines[0].position(), lines[0].risk_state()), (None, RiskState::Active));
        assert_eq!((lines[0].degraded(), lines[0].skip_reason()), (None, None));
        assert_eq!(lines[1].degraded(), Some(Degraded::FetchFailed));
        assert_eq!(Column::ALL.map(Column::name).join(","), DECISIONS_HEADER);
    }

    #[test]
    fn c3_every_break_of_the_order_is_named() {
        for (rows, message) in [
            (vec![0, 2], "d:3: hole: 1 slots are missing between 300000000000 and 300000600000"),
            (vec![0, 0], "d:3: duplicate: ts_ms 300000000000 is that of the row before"),
            (vec![0, 1, 0], "d:4: reordering: ts_ms 300000000000 comes after 300000300000"),
        ] {
            let decisions: Vec<_> = rows.into_iter().map(decision).collect();
            assert_eq!(refusal(&file(&decisions)), message);
        }
    }

    #[test]
    fn every_wrong_field_is_named() {
        let good = String::from_utf8(file(&[decision(0)])).unwrap();
        for (from, to, message) in [
            ("BTC/USDT,5m", "BTC/USD,5m", "d:2: foreign series, expected `binance,BTC/USDT,5m`"),
            ("300000000000", "300000000001", "d:2: ts_ms 300000000001 is not aligned to 5m"),
            (",hold,", ",held,", "d:2: column 5: `held` is not a decision"),
            (",hold,", ",skip,", "d:2: column 6: `no_signal` is not a reason to skip"),
            (",flat,", ",none,", "d:2: column 9: `none` is not a position"),
            ("27344.11", "NaN", "d:2: column 10: `NaN` is not a number"),
            ("27344.11,,", "27344.11,0,", "d:2: column 11: `0` is not a positive price"),
            ("10000.5", "", "d:2: column 13: `` is not a decimal"),
            ("ACTIVE", "active", "d:2: column 14: `active` is not a risk state"),
            (
                "0000000000000abc",
                "0000000000000ABC",
                "d:2: column 15: `0000000000000ABC` is not 16 hex digits",
            ),
            (",ffffffffffffffff", ",", "d:2: column 17: `` is not 16 hex digits"),
            ("hold", "hold,hold", "d:2: 18 columns, expected 17"),
        ] {
            assert!(good.contains(from));
            let got = refusal(good.replacen(from, to, 1).as_bytes());
            assert!(got.starts_with(message), "{got}");
        }
    }
}
