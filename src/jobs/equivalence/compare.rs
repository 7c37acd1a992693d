//! The comparison of two ledgers, pure: where they may be compared, and where they first differ, in causal order.

use rust_decimal::Decimal;

use crate::store::rows::{decisions::Column, trades::TRADES_HEADER};

/// One row: its slot and its columns.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a, const N: usize> {
    /// Bar close.
    pub ts_ms: i64,
    /// Every column, as text.
    pub columns: [&'a str; N],
}

/// One row of `decisions.csv`.
pub type DecisionRow<'a> = Row<'a, 17>;
impl<'a> DecisionRow<'a> {
    fn at(&self, column: Column) -> &'a str {
        self.columns[column as usize]
    }
}

/// One row of `trades.csv`.
pub type TradeRow<'a> = Row<'a, 13>;

/// Both ledgers of one run.
#[derive(Debug, Clone, Copy)]
pub struct Ledgers<'a> {
    /// Decisions, one per slot.
    pub decisions: &'a [DecisionRow<'a>],
    /// Trade events.
    pub trades: &'a [TradeRow<'a>],
}

/// The layers, in causal order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
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

impl Layer {
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
const COMPARED: [(Layer, Column); 13] = [
    (Layer::Bar, Column::BarHash),
    (Layer::Bar, Column::Close),
    (Layer::Features, Column::FeatHash),
    (Layer::Decision, Column::Decision),
    (Layer::Decision, Column::Reason),
    (Layer::Decision, Column::BlockedBy),
    (Layer::Decision, Column::Score),
    (Layer::Decision, Column::Position),
    (Layer::Decision, Column::StateHash),
    (Layer::Risk, Column::RiskState),
    (Layer::Pnl, Column::EntryPx),
    (Layer::Pnl, Column::StopPx),
    (Layer::Pnl, Column::Equity),
];

/// The first difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Layer it lies in.
    pub layer: Layer,
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
pub struct Comparison {
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
    pub decisions: Option<Finding>,
    /// The first difference among trades.
    pub trade: Option<Finding>,
}

impl Comparison {
    /// The difference that came first: earlier slot, then earlier layer.
    pub fn first(&self) -> Option<&Finding> {
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

/// Compares two ledgers. With `same_policy` prices and money are compared to the last digit; without it, lifecycle only.
pub fn compare(live: Ledgers, backtest: Ledgers, same_policy: bool) -> Comparison {
    let nothing = Comparison {
        overlap: None,
        sync_ts_ms: None,
        rows: 0,
        trades: 0,
        differing: 0,
        decisions: None,
        trade: None,
    };
    let (Some(l0), Some(b0)) = (live.decisions.first(), backtest.decisions.first()) else {
        return nothing;
    };
    let first = l0.ts_ms.max(b0.ts_ms);
    let ends = [live.decisions.last(), backtest.decisions.last()]
        .map(|row| row.map_or(0, |row| row.ts_ms));
    let last = ends[0].min(ends[1]);
    if first > last {
        return nothing;
    }
    let within = |rows: &[DecisionRow]| {
        let from = rows.partition_point(|row| row.ts_ms < first);
        from..rows.partition_point(|row| row.ts_ms <= last)
    };
    let (l, b) =
        (&live.decisions[within(live.decisions)], &backtest.decisions[within(backtest.decisions)]);
    assert_eq!(l.len(), b.len(), "both ledgers have one row per slot");
    let overlap = Some((first, last));
    // Two ledgers that begin at one slot both began fresh, flat and with nothing pending: they are in sync before it.
    let from_start = l0.ts_ms == b0.ts_ms;
    let sync = if from_start { Some(0) } else { sync_index(l, b) };
    let Some(sync) = sync else { return Comparison { overlap, ..nothing } };
    let (l, b) = (&l[sync..], &b[sync..]);
    let from = if from_start { l[0].ts_ms } else { l[0].ts_ms + 1 };
    let events = |rows: &'_ [TradeRow]| {
        rows.partition_point(|row| row.ts_ms < from)..rows.partition_point(|row| row.ts_ms <= last)
    };
    let (lt, bt) = (&live.trades[events(live.trades)], &backtest.trades[events(backtest.trades)]);
    let money = match (same_policy, from_start) {
        (false, _) => Money::Ignored,
        (true, true) => Money::Exactly,
        (true, false) => Money::Gains(equity_gap(&l[0], &b[0])),
    };
    let (differing, decisions) = differences(l, b, money);
    Comparison {
        overlap,
        sync_ts_ms: Some(l[0].ts_ms),
        rows: l.len(),
        trades: lt.len(),
        differing,
        decisions,
        trade: first_trade(lt, bt, same_policy),
    }
}

/// The first slot where both are flat with nothing pending and equal residual state.
fn sync_index(live: &[DecisionRow], backtest: &[DecisionRow]) -> Option<usize> {
    let (mut live_pending, mut backtest_pending) = (false, false);
    live.iter().zip(backtest).position(|(l, b)| {
        live_pending = pending_after(l, live_pending);
        backtest_pending = pending_after(b, backtest_pending);
        let flat = |row: &DecisionRow| row.at(Column::Position) == "flat";
        let equal = l.at(Column::StateHash) == b.at(Column::StateHash);
        !live_pending && !backtest_pending && flat(l) && flat(b) && equal
    })
}

/// An order decided at a slot waits for the next slot that has a bar.
fn pending_after(row: &DecisionRow, before: bool) -> bool {
    let still = before && row.at(Column::BarHash).is_empty();
    still || matches!(row.at(Column::Decision), "enter_long" | "enter_short" | "exit")
}

/// How many rows differ, and the first difference.
fn differences(
    live: &[DecisionRow],
    backtest: &[DecisionRow],
    money: Money,
) -> (usize, Option<Finding>) {
    let mut found = live.iter().zip(backtest).filter_map(|(l, b)| {
        if l.columns == b.columns {
            return None;
        }
        let differs = |(layer, column): &&(Layer, Column)| match (*layer, money) {
            (Layer::Pnl, Money::Ignored) => false,
            (Layer::Pnl, Money::Gains(gap)) if *column == Column::Equity => equity_gap(l, b) != gap,
            _ => l.at(*column) != b.at(*column),
        };
        COMPARED.iter().find(differs).map(|found| (l, b, *found))
    });
    let first = found.next().map(|(l, b, (layer, column))| Finding {
        layer,
        ts_ms: l.ts_ms,
        column: column.name(),
        live: l.at(column).to_owned(),
        backtest: b.at(column).to_owned(),
        index: None,
    });
    (usize::from(first.is_some()) + found.count(), first)
}

fn equity_gap(live: &DecisionRow, backtest: &DecisionRow) -> Option<Decimal> {
    let equity = |row: &DecisionRow| row.at(Column::Equity).parse::<Decimal>().ok();
    equity(live)?.checked_sub(equity(backtest)?)
}

fn first_trade(live: &[TradeRow], backtest: &[TradeRow], same_policy: bool) -> Option<Finding> {
    let most = live.len().max(backtest.len());
    (0..most).find_map(|n| trade_difference(n, live.get(n), backtest.get(n), same_policy))
}

fn trade_difference(
    n: usize,
    live: Option<&TradeRow>,
    backtest: Option<&TradeRow>,
    same_policy: bool,
) -> Option<Finding> {
    let finding = |ts_ms, layer, column, live: &str, backtest: &str| {
        let (live, backtest) = (live.to_owned(), backtest.to_owned());
        Some(Finding { layer, ts_ms, column, live, backtest, index: Some(n) })
    };
    let (l, b) = match (live, backtest) {
        (Some(l), Some(b)) => (l, b),
        (Some(l), None) => {
            return finding(l.ts_ms, Layer::Trades, "row", &l.columns.join(","), "no such event");
        }
        (None, Some(b)) => {
            return finding(b.ts_ms, Layer::Trades, "row", "no such event", &b.columns.join(","));
        }
        (None, None) => return None,
    };
    let ts_ms = l.ts_ms.min(b.ts_ms);
    for (column, name) in TRADES_HEADER.split(',').enumerate().skip(3) {
        let (layer, same) = match name {
            "price" | "qty" | "fee" | "pnl" => {
                (Layer::Pnl, !same_policy || l.columns[column] == b.columns[column])
            }
            // One rule stops at the stop, the other through the open: the lifecycle is the same.
            "reason" if !same_policy => {
                (Layer::Trades, plain(l.columns[column]) == plain(b.columns[column]))
            }
            _ => (Layer::Trades, l.columns[column] == b.columns[column]),
        };
        if !same {
            return finding(ts_ms, layer, name, l.columns[column], b.columns[column]);
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
    fn row(ts_ms: i64, changes: &[(&str, &'static str)]) -> DecisionRow<'static> {
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
        Row { ts_ms, columns }
    }

    fn run(live: &[DecisionRow], backtest: &[DecisionRow], same_policy: bool) -> Comparison {
        let ledgers = |decisions| Ledgers { decisions, trades: &[] };
        compare(ledgers(live), ledgers(backtest), same_policy)
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

    fn trade(ts_ms: i64, price: &'static str, reason: &'static str) -> TradeRow<'static> {
        let columns =
            ["x", "A/B", "1m", "2", "id", "close", "long", price, "1", "0", "5", reason, "0"];
        Row { ts_ms, columns }
    }

    #[test]
    fn trades_are_compared_event_by_event() {
        let (live, backtest) = ([trade(2, "7", "stop_hit")], [trade(2, "6", "stop_gap")]);
        let first = first_trade(&live, &backtest, true).unwrap();
        assert_eq!((first.layer, first.column), (Layer::Pnl, "price"));
        assert_eq!(first_trade(&live, &backtest, false), None);
        let missing = first_trade(&live, &[], false).unwrap();
        assert_eq!(
            (missing.column, missing.index, missing.backtest.as_str()),
            ("row", Some(0), "no such event")
        );
        assert!(first_trade(&[], &backtest, true).is_some());
    }
}
