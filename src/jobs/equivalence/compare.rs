//! The comparison of two ledgers, pure: where they may be compared, and where they first differ, in causal order.

use std::collections::VecDeque;

use rust_decimal::Decimal;

use crate::store::rows::{decisions::Column, trades::TRADES_HEADER};

/// The columns of a row of `decisions.csv`.
#[derive(Debug, Clone, Copy)]
struct Columns<'a>([&'a str; 17]);

impl<'a> Columns<'a> {
    fn of(row: &'a str) -> Self {
        let mut columns = [""; 17];
        row.split(',').zip(&mut columns).for_each(|(text, column)| *column = text);
        Self(columns)
    }

    fn at(&self, column: Column) -> &'a str {
        self.0[column as usize]
    }
}

/// A row of one side: its slot and its text, without its newline.
pub type ComparedRow<'a> = (i64, &'a str);

/// The layers, in causal order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiffLayer {
    /// The bar as seen.
    Bar,
    /// The feature vector.
    Features,
    /// What was decided, and the residual state.
    Decision,
    /// The risk state.
    Risk,
    /// The trade events.
    Trades,
    /// Prices paid and equity.
    Pnl,
}

impl DiffLayer {
    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bar => "bar",
            Self::Features => "features",
            Self::Decision => "decision",
            Self::Risk => "risk",
            Self::Trades => "trades",
            Self::Pnl => "pnl",
        }
    }
}

/// The decision columns that are compared, in causal order.
const COMPARED: [(DiffLayer, Column); 13] = [
    (DiffLayer::Bar, Column::BarHash),
    (DiffLayer::Bar, Column::Close),
    (DiffLayer::Features, Column::FeatHash),
    (DiffLayer::Decision, Column::Decision),
    (DiffLayer::Decision, Column::Reason),
    (DiffLayer::Decision, Column::BlockedBy),
    (DiffLayer::Decision, Column::Score),
    (DiffLayer::Decision, Column::Position),
    (DiffLayer::Decision, Column::StateHash),
    (DiffLayer::Risk, Column::RiskState),
    (DiffLayer::Pnl, Column::EntryPx),
    (DiffLayer::Pnl, Column::StopPx),
    (DiffLayer::Pnl, Column::Equity),
];

/// The first difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Layer it lies in.
    pub layer: DiffLayer,
    /// Slot it lies at.
    pub ts_ms: i64,
    /// Column, or `row` when one side has no such row.
    pub column: &'static str,
    /// What LIVE has there.
    pub live: String,
    /// What the backtest has there.
    pub backtest: String,
    /// For the trades layer: which event since the sync slot, from 0.
    pub index: Option<usize>,
}

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerComparison {
    /// First and last common slot.
    pub overlap: Option<(i64, i64)>,
    /// First slot from which both can be compared.
    pub sync_ts_ms: Option<i64>,
    /// Decision rows compared.
    pub rows: usize,
    /// LIVE trade events compared.
    pub trades: usize,
    /// Decision rows that differ.
    pub differing: usize,
    /// The first difference among decisions.
    pub decisions: Option<Difference>,
    /// The first difference among trades.
    pub trade: Option<Difference>,
}

impl LedgerComparison {
    /// The difference that came first: earlier slot, then earlier layer.
    pub fn first(&self) -> Option<&Difference> {
        let both = [self.decisions.as_ref(), self.trade.as_ref()];
        both.into_iter().flatten().min_by_key(|finding| (finding.ts_ms, finding.layer))
    }
}

/// How closely prices and money are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Money {
    /// To the last digit.
    Exactly,
    /// Prices to the last digit, equity by what was gained since the sync slot: the runs began at different slots.
    Gains(Option<Decimal>),
    /// Not at all: the runs fill stops by different rules.
    Ignored,
}

/// What decides how two ledgers can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComparisonRules {
    /// Whether stops fill by the same rule on both sides.
    pub same_policy: bool,
    /// Whether a rule or the size of a position reads the equity.
    pub reads_equity: bool,
}

/// Where the ledgers of both sides begin and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spans {
    /// First and last slot of LIVE.
    pub live: (i64, i64),
    /// First and last slot of the backtest.
    pub backtest: (i64, i64),
}

/// Compares two ledgers row by row, in order, and remembers nothing but what it found.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about both ledgers")]
pub struct Comparer {
    same_policy: bool,
    reads_equity: bool,
    /// Two ledgers that begin at one slot both began fresh, flat and with nothing pending: they are in sync before it.
    from_start: bool,
    pending: [bool; 2],
    money: Money,
    /// Trades from this time on are compared; known when the sync slot is.
    trades_from: Option<i64>,
    /// Trades that the other side has not shown yet: of LIVE, of the backtest.
    ahead: [VecDeque<(i64, String)>; 2],
    paired: usize,
    /// Whether every row and every trade was the same to the byte.
    identical: bool,
    found: LedgerComparison,
}

impl Comparer {
    /// With one stop rule prices and money are compared to the last digit; without it, lifecycle only.
    pub fn new(spans: Spans, terms: ComparisonRules) -> Self {
        let ComparisonRules { same_policy, reads_equity } = terms;
        let Spans { live, backtest } = spans;
        let overlap = (live.0.max(backtest.0), live.1.min(backtest.1));
        Self {
            same_policy,
            reads_equity,
            from_start: live.0 == backtest.0,
            pending: [false; 2],
            money: if same_policy { Money::Exactly } else { Money::Ignored },
            trades_from: None,
            ahead: [VecDeque::new(), VecDeque::new()],
            paired: 0,
            identical: true,
            found: LedgerComparison {
                overlap: (overlap.0 <= overlap.1).then_some(overlap),
                sync_ts_ms: None,
                rows: 0,
                trades: 0,
                differing: 0,
                decisions: None,
                trade: None,
            },
        }
    }

    /// Goes on behind rows and trades that were the same to the byte, from the first slot on.
    pub fn behind(spans: Spans, (rows, trades): (usize, usize)) -> Self {
        let mut comparer =
            Self::new(spans, ComparisonRules { same_policy: true, reads_equity: false });
        let first = spans.live.0;
        comparer.trades_from = Some(first);
        comparer.paired = trades;
        comparer.found =
            LedgerComparison { sync_ts_ms: Some(first), rows, trades, ..comparer.found };
        comparer
    }

    /// Whether all so far was the same to the byte; then how many trades that were.
    pub fn identical_trades(&self) -> Option<usize> {
        let none_ahead = self.ahead.iter().all(VecDeque::is_empty);
        (self.identical && self.from_start && none_ahead).then_some(self.paired)
    }

    /// Both rows of a slot of the overlap; the slots come in order.
    pub fn rows(&mut self, ts_ms: i64, live: &str, backtest: &str) {
        if self.found.sync_ts_ms.is_none() {
            if self.from_start {
                self.trades_from = Some(ts_ms);
            } else if self.is_synced(live, backtest) {
                self.trades_from = Some(ts_ms + 1);
                if self.same_policy {
                    self.money =
                        Money::Gains(equity_gap(&Columns::of(live), &Columns::of(backtest)));
                }
            } else {
                return;
            }
            self.found.sync_ts_ms = Some(ts_ms);
        }
        self.found.rows += 1;
        if live == backtest {
            return;
        }
        self.identical = false;
        if let Some(finding) = difference(ts_ms, live, backtest, self.money) {
            self.found.differing += 1;
            self.found.decisions.get_or_insert(finding);
        }
    }

    /// Whether both are flat with nothing pending and equal residual state, and where decisions depend on it, equal equity.
    fn is_synced(&mut self, live: &str, backtest: &str) -> bool {
        let (l, b) = (Columns::of(live), Columns::of(backtest));
        let [live_pending, backtest_pending] = &mut self.pending;
        *live_pending = pending_after(&l, *live_pending);
        *backtest_pending = pending_after(&b, *backtest_pending);
        let flat = |row: &Columns<'_>| row.at(Column::Position) == "flat";
        let same = |column| l.at(column) == b.at(column);
        let equal = same(Column::StateHash) && (!self.reads_equity || same(Column::Equity));
        self.pending == [false; 2] && flat(&l) && flat(&b) && equal
    }

    /// Trades of both sides up to the last rows that were compared, each side in order.
    pub fn trades<'a>(
        &mut self,
        live: impl Iterator<Item = ComparedRow<'a>>,
        backtest: impl Iterator<Item = ComparedRow<'a>>,
    ) {
        let (Some(from), Some((_, last))) = (self.trades_from, self.found.overlap) else { return };
        let counts = |row: &ComparedRow<'_>| from <= row.0 && row.0 <= last;
        let owned = |(ts_ms, text): ComparedRow<'_>| (ts_ms, text.to_owned());
        let before = self.ahead[0].len();
        self.ahead[0].extend(live.filter(counts).map(owned));
        self.found.trades += self.ahead[0].len() - before;
        self.ahead[1].extend(backtest.filter(counts).map(owned));
        while let [Some(l), Some(b)] = self.ahead.each_ref().map(VecDeque::front) {
            self.identical &= l == b;
            let finding = trade_difference(self.paired, Some(l), Some(b), self.same_policy);
            if let Some(finding) = finding {
                self.found.trade.get_or_insert(finding);
            }
            self.paired += 1;
            self.ahead.iter_mut().for_each(|rows| drop(rows.pop_front()));
        }
    }

    /// What was found when all rows were compared.
    pub fn finish(mut self) -> LedgerComparison {
        let [l, b] = self.ahead.each_ref().map(VecDeque::front);
        if let Some(finding) = trade_difference(self.paired, l, b, self.same_policy) {
            self.found.trade.get_or_insert(finding);
        }
        self.found
    }
}

/// An order decided at a slot waits for the next slot that has a bar.
fn pending_after(row: &Columns<'_>, before: bool) -> bool {
    let still = before && row.at(Column::BarHash).is_empty();
    still || matches!(row.at(Column::Decision), "enter_long" | "enter_short" | "exit")
}

/// The first column, in causal order, in which two rows differ.
fn difference(ts_ms: i64, live: &str, backtest: &str, money: Money) -> Option<Difference> {
    let (l, b) = (Columns::of(live), Columns::of(backtest));
    let differs = |(layer, column): &&(DiffLayer, Column)| match (*layer, money) {
        (DiffLayer::Pnl, Money::Ignored) => false,
        (DiffLayer::Pnl, Money::Gains(gap)) if *column == Column::Equity => {
            equity_gap(&l, &b) != gap
        }
        _ => l.at(*column) != b.at(*column),
    };
    COMPARED.iter().find(differs).map(|(layer, column)| Difference {
        layer: *layer,
        ts_ms,
        column: column.name(),
        live: l.at(*column).to_owned(),
        backtest: b.at(*column).to_owned(),
        index: None,
    })
}

fn equity_gap(live: &Columns<'_>, backtest: &Columns<'_>) -> Option<Decimal> {
    let equity = |row: &Columns<'_>| row.at(Column::Equity).parse::<Decimal>().ok();
    equity(live)?.checked_sub(equity(backtest)?)
}

type Trade = (i64, String);

fn trade_difference(
    n: usize,
    live: Option<&Trade>,
    backtest: Option<&Trade>,
    same_policy: bool,
) -> Option<Difference> {
    let finding = |ts_ms, layer, column, live: &str, backtest: &str| {
        let (live, backtest) = (live.to_owned(), backtest.to_owned());
        Some(Difference { layer, ts_ms, column, live, backtest, index: Some(n) })
    };
    let ((l_ts, l), (b_ts, b)) = match (live, backtest) {
        (Some(l), Some(b)) => (l, b),
        (Some((ts, l)), None) => return finding(*ts, DiffLayer::Trades, "row", l, "no such event"),
        (None, Some((ts, b))) => return finding(*ts, DiffLayer::Trades, "row", "no such event", b),
        (None, None) => return None,
    };
    let both = l.split(',').zip(b.split(','));
    for (name, (l, b)) in TRADES_HEADER.split(',').zip(both).skip(3) {
        let (layer, same) = match name {
            "price" | "qty" | "fee" | "pnl" => (DiffLayer::Pnl, !same_policy || l == b),
            // One rule stops at the stop, the other through the open: the lifecycle is the same.
            "reason" if !same_policy => (DiffLayer::Trades, plain(l) == plain(b)),
            _ => (DiffLayer::Trades, l == b),
        };
        if !same {
            return finding(*l_ts.min(b_ts), layer, name, l, b);
        }
    }
    None
}

fn plain(reason: &str) -> &str {
    if reason == "stop_gap" { "stop_hit" } else { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A flat, uneventful row with some columns changed.
    fn row(ts_ms: i64, changes: &[(&str, &'static str)]) -> (i64, String) {
        let mut columns = [
            "x",
            "A/B",
            "1m",
            "0",
            "hold",
            "no_signal",
            "",
            "",
            "flat",
            "1",
            "",
            "",
            "100",
            "ACTIVE",
            "b",
            "f",
            "s",
        ];
        for (name, value) in changes {
            let at = Column::ALL.into_iter().find(|known| known.name() == *name).unwrap();
            columns[at as usize] = value;
        }
        (ts_ms, columns.join(","))
    }

    fn run(
        live: &[(i64, String)],
        backtest: &[(i64, String)],
        same_policy: bool,
    ) -> LedgerComparison {
        let span = |rows: &[(i64, String)]| (rows[0].0, rows[rows.len() - 1].0);
        let spans = Spans { live: span(live), backtest: span(backtest) };
        let mut comparer =
            Comparer::new(spans, ComparisonRules { same_policy, reads_equity: false });
        for (ts_ms, l) in live {
            if let Some((_, b)) = backtest.iter().find(|(ts, _)| ts == ts_ms) {
                comparer.rows(*ts_ms, l, b);
            }
        }
        comparer.finish()
    }

    #[test]
    fn every_compared_column_is_seen_and_its_layer_named() {
        for (layer, column) in COMPARED {
            let name = column.name();
            let live = [row(1, &[]), row(2, &[(name, "9")]), row(3, &[])];
            let found = run(&live, &[row(1, &[]), row(2, &[]), row(3, &[])], true);
            let first = found.first().expect(name);
            assert_eq!((first.layer, first.ts_ms, first.column), (layer, 2, name));
        }
    }

    #[test]
    fn of_several_differences_the_earliest_slot_and_then_the_causal_layer_is_the_finding() {
        let live = [
            row(1, &[]),
            row(2, &[("equity", "9"), ("feat_hash", "9")]),
            row(3, &[("bar_hash", "9")]),
        ];
        let found = run(&live, &[row(1, &[]), row(2, &[]), row(3, &[])], true);
        assert_eq!(found.first().unwrap().column, "feat_hash");
    }

    #[test]
    fn nothing_is_compared_before_both_are_flat_with_equal_residue_and_nothing_pending() {
        let live = [
            row(0, &[("position", "long")]),
            row(1, &[("position", "long")]),
            row(2, &[("state_hash", "other")]),
            row(3, &[("decision", "enter_long")]),
            row(4, &[("bar_hash", ""), ("decision", "skip")]),
            row(5, &[]),
            row(6, &[]),
        ];
        let backtest: Vec<_> = (1..=6).map(|n| row(n, &[])).collect();
        let found = run(&live, &backtest, true);
        assert_eq!((found.sync_ts_ms, found.rows, found.first()), (Some(5), 2, None));
        let never = run(&live[..5], &backtest[..4], true);
        assert_eq!((never.sync_ts_ms, never.rows), (None, 0), "INCONCLUSIVE, never PASS");
    }

    #[test]
    fn ledgers_that_begin_at_one_slot_are_compared_from_it() {
        let live = [row(1, &[("decision", "exit")]), row(2, &[])];
        let found = run(&live, &[row(1, &[]), row(2, &[])], true);
        assert_eq!((found.sync_ts_ms, found.first().unwrap().ts_ms), (Some(1), 1));
    }

    #[test]
    fn runs_that_began_at_different_slots_are_compared_by_gains_not_by_cash() {
        let live = [row(1, &[]), row(2, &[("equity", "103")]), row(3, &[("equity", "105")])];
        let same_gain = [row(2, &[("equity", "100")]), row(3, &[("equity", "102")])];
        assert_eq!(run(&live, &same_gain, true).first(), None);
        let other_gain = [row(2, &[("equity", "100")]), row(3, &[("equity", "101")])];
        assert_eq!(run(&live, &other_gain, true).first().unwrap().column, "equity");
    }

    #[test]
    fn under_two_fill_policies_money_may_differ_and_lifecycle_may_not() {
        let live = [row(1, &[]), row(2, &[("equity", "9")])];
        assert_eq!(run(&live, &[row(1, &[]), row(2, &[])], false).first(), None);
        let gone = [row(1, &[]), row(2, &[("position", "long")])];
        assert!(run(&gone, &[row(1, &[]), row(2, &[])], false).first().is_some());
    }

    fn trade(ts_ms: i64, price: &str, reason: &str) -> Trade {
        let columns =
            ["x", "A/B", "1m", "2", "id", "close", "long", price, "1", "0", "5", reason, "0"];
        (ts_ms, columns.join(","))
    }

    fn first_trade(live: &[Trade], backtest: &[Trade], same_policy: bool) -> Option<Difference> {
        let spans = Spans { live: (1, 9), backtest: (1, 9) };
        let mut comparer =
            Comparer::new(spans, ComparisonRules { same_policy, reads_equity: false });
        comparer.rows(1, "same", "same");
        let rows = |trades: &'_ [Trade]| {
            trades.iter().map(|(ts, text)| (*ts, text.clone())).collect::<Vec<_>>()
        };
        // One side may show its trades before the other.
        for part in 0..2 {
            let of = |trades: &[Trade]| {
                rows(&trades[trades.len() * part / 2..trades.len() * (part + 1) / 2])
            };
            let (l, b) = (of(live), of(backtest));
            let borrowed = |rows: &'_ [Trade]| -> Vec<(i64, String)> { rows.to_vec() };
            let (l, b) = (borrowed(&l), borrowed(&b));
            comparer.trades(
                l.iter().map(|(ts, text)| (*ts, text.as_str())),
                b.iter().map(|(ts, text)| (*ts, text.as_str())),
            );
        }
        comparer.finish().trade
    }

    #[test]
    fn trades_are_compared_event_by_event() {
        let (live, backtest) = ([trade(2, "7", "stop_hit")], [trade(2, "6", "stop_gap")]);
        let first = first_trade(&live, &backtest, true).unwrap();
        assert_eq!((first.layer, first.column), (DiffLayer::Pnl, "price"));
        assert_eq!(first_trade(&live, &backtest, false), None);
        let missing = first_trade(&live, &[], false).unwrap();
        assert_eq!(
            (missing.column, missing.index, missing.backtest.as_str()),
            ("row", Some(0), "no such event")
        );
        assert!(first_trade(&[], &backtest, true).is_some());
    }
}
