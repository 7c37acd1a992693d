//! Money from outside: cheap coins, accounts at their limits, and figures that agree with the ledgers.

use rust_decimal::{Decimal, RoundingStrategy};

use crate::support::{ran::Ran, runner::Root};

/// Midnight at which all files begin.
const START_MS: i64 = 1_704_067_200_000;
const BAR_MS: i64 = 300_000;

/// Bars as a file would hold them: open times, and prices in ticks of ten to the power of `-places`.
fn file(bars: impl IntoIterator<Item = (i64, [i64; 4])>, places: u32) -> String {
    let price = |ticks: i64| Decimal::new(ticks, places).to_string();
    let row = |(n, prices): (i64, [i64; 4])| {
        format!("{},{},1000\n", START_MS + n * BAR_MS, prices.map(price).join(","))
    };
    let rows: String = bars.into_iter().map(row).collect();
    format!("timestamp,open,high,low,close,volume\n{rows}")
}

/// Waves around 2000 ticks in whole ticks, as a coin has them whose price is a few thousand of its smallest steps.
fn waves(bars: i64) -> Vec<(i64, [i64; 4])> {
    let price = |n: i64| {
        let n = n as f64;
        (2_000.0 * (1.0 + 0.05 * libm::sin(n / 37.0) + 0.01 * libm::sin(n / 5.0))).round() as i64
    };
    let bar = |n: i64| {
        let (open, close) = (price(n), price(n + 1));
        [open, open.max(close) + 4, open.min(close) - 4, close]
    };
    (0..bars).map(|n| (n, bar(n))).collect()
}

/// The columns of a ledger, row by row.
fn rows(root: &Root, kind: &str, run: &str) -> Vec<Vec<String>> {
    let text = root.read(&format!("data/processed/{kind}/t_bt_{run}/AAA_USDT/5m/{kind}.csv"));
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

fn import(root: &Root, venue: &str, bars: &str) {
    root.write("bars.csv", bars);
    let series = format!("exchange={venue} symbol=AAA/USDT timeframe=5m");
    root.run(&format!("run import -p path=bars.csv {series}")).ok();
}

fn backtest(root: &Root, venue: &str, run: &str, set: &str) -> Ran {
    let series = format!("exchange={venue} symbol=AAA/USDT timeframe=5m");
    root.run(&format!("run backtest -p tag=t runid={run} {series} {set}"))
}

fn number(text: &str) -> Decimal {
    text.parse().unwrap_or_else(|error| panic!("`{text}`: {error}"))
}

#[test]
fn c18_a_coin_at_two_hundred_billionths_trades_like_one_at_two_thousand() {
    let root = Root::new();
    let rules = root.read("strategies/ema_atr.toml");
    let target = format!("{rules}target = \"6.0 * atr(atr)\"\n");
    root.write("strategies/wide.toml", &target);
    let set = "-P wide --set fill.slippage-bps=3";
    for (venue, places) in [("dear", 0), ("cheap", 10), ("cheapest", 14)] {
        import(&root, venue, &file(waves(1_500), places));
        backtest(&root, venue, venue, set).ok();
    }
    let ledgers = |run| [rows(&root, "decisions", run), rows(&root, "trades", run)];
    let dear = ledgers("dear");
    assert!(dear[1].len() > 10, "the market trades: {} events", dear[1].len());
    for venue in ["cheap", "cheapest"] {
        let cheap = ledgers(venue);
        let of_decisions = |row: &[String]| [&row[3..9], &row[13..14], &row[16..17]].concat();
        let of_trades = |row: &[String]| [&row[3..4], &row[5..7], &row[11..13]].concat();
        same_but_for_a_hair([&dear[0], &cheap[0]], of_decisions, 12);
        same_but_for_a_hair([&dear[1], &cheap[1]], of_trades, 10);
        equity_is_that_of_the_close_column(&cheap);
        let prices = cheap[0].iter().flat_map(|row| &row[9..13]);
        assert!(prices.into_iter().all(|text| !text.contains(['e', 'E'])), "plain digits");
    }
    equity_is_that_of_the_close_column(&dear);
}

/// The columns of a life are the same, and the money in a column is to a millionth of the 1000 that a position is worth.
fn same_but_for_a_hair(
    [one, other]: [&[Vec<String>]; 2],
    life: impl Fn(&[String]) -> Vec<String>,
    money: usize,
) {
    assert_eq!(one.len(), other.len());
    for (one, other) in one.iter().zip(other) {
        assert_eq!(life(one), life(other));
        let apart = (number(&one[money]) - number(&other[money])).abs();
        assert!(apart <= Decimal::new(1, 3), "{one:?} {other:?}");
    }
}

/// Adds up the trades by plain decimals and marks what is held at the `close` column: the `equity` column, to its last digit.
fn equity_is_that_of_the_close_column([decisions, trades]: &[Vec<Vec<String>>; 2]) {
    let mut trades = trades.iter().peekable();
    let (mut cash, mut held) = (Decimal::from(10_000), None);
    for row in decisions {
        while let Some(trade) = trades.next_if(|trade| trade[3] == row[3]) {
            cash += number(&trade[10]);
            let side = Decimal::from(if trade[6] == "long" { 1 } else { -1 });
            held = (trade[5] == "open").then(|| (side * number(&trade[8]), number(&trade[7])));
        }
        let open = held.map_or(Decimal::ZERO, |(qty, entry)| (number(&row[9]) - entry) * qty);
        let open = open.round_dp_with_strategy(8, RoundingStrategy::MidpointNearestEven);
        assert_eq!(number(&row[12]), cash + open, "{row:?}");
    }
}

/// Averages cross down, then one bar opens 24 times higher: a short of 1000 loses more than the 10 000 there are.
fn ruinous() -> String {
    let mut closes: Vec<i64> =
        (0..400).map(|n| 10_000 + (200.0 * libm::sin(f64::from(n) / 60.0)) as i64).collect();
    closes.extend((0..60).map(|n| 10_070 - 20 * n));
    closes.extend((0..400).map(|n| 250_000 + (7_000.0 * libm::sin(f64::from(n) / 40.0)) as i64));
    let mut last = 10_000;
    let bars = closes.into_iter().zip(0..).map(|(close, n)| {
        let open = if close > 10 * last { 240_000 } else { last };
        last = close;
        (n, [open, open.max(close) + 5, open.min(close) - 5, close])
    });
    file(bars, 2)
}

#[test]
fn ruin_ends_trading_and_is_said_by_the_summary_and_by_health() {
    let root = Root::new();
    import(&root, "ruin", &ruinous());
    backtest(&root, "ruin", "r", "").ok().prints(&["; HALTED (risk:ruin) since "]);
    let decisions = rows(&root, "decisions", "r");
    let first = decisions.iter().position(|row| row[13] == "HALTED").expect("it is ruined");
    assert!(number(&decisions[first][12]) < Decimal::ZERO);
    assert!(decisions[first..].iter().all(|row| row[6] == "risk:ruin" && row[8] == "flat"));
    assert!(rows(&root, "trades", "r").iter().all(|row| row[3] <= decisions[first][3]));

    let series = "exchange=ruin symbol=AAA/USDT timeframe=5m tag=t";
    let span = "from=2024-01-01T20:00:00Z to=2024-01-03T00:00:00Z";
    let live = root.run(&format!("run live -P replay -p source=bars.csv {span} {series}"));
    live.warns(&["taken as the bar's open"]).prints(&["risk HALTED (risk:ruin)"]);
    let health = root.run(&format!("run healthcheck -p {series} at=2024-01-03T00:00:00Z"));
    health.code(1).prints(&["HALTED (risk:ruin), equity -"]);
}

#[test]
fn an_account_that_cannot_pay_for_a_position_is_refused_unless_it_may_borrow() {
    let root = Root::new();
    import(&root, "dear", &file(waves(300), 0));
    let large = "--set account.notional=10000.5";
    let refused = backtest(&root, "dear", "a", large).code(78);
    refused.says(&["`account.notional` is 10000.5, more than `account.cash` (10000) times"]);
    backtest(&root, "dear", "b", &format!("{large} --set account.leverage=2")).ok();
    backtest(&root, "dear", "c", "--set account.notional=10000").ok();
    backtest(&root, "dear", "d", "--set account.leverage=0.05").code(78);
}

#[test]
fn what_is_closed_at_the_end_is_in_the_last_row_and_in_all_figures() {
    let root = Root::new();
    import(&root, "dear", &file(waves(700), 0));
    let costs = "--set fill.slippage-bps=20";
    let ran =
        backtest(&root, "dear", "closed", &format!("{costs} --set backtest.close-at-end=true"));
    backtest(&root, "dear", "open", costs).ok();
    let (closed, open) = (rows(&root, "decisions", "closed"), rows(&root, "decisions", "open"));
    let (last, before) = (closed.last().expect("rows"), open.last().expect("rows"));
    assert_ne!(before[8], "flat", "something is open at the end");
    assert_eq!(closed[..closed.len() - 1], open[..open.len() - 1], "only the last row differs");
    assert_eq!((&last[..8], &last[9]), (&before[..8], &before[9]));
    assert_eq!([&last[8], &last[10], &last[11]], ["flat", "", ""]);
    let trades = rows(&root, "trades", "closed");
    let end = trades.last().expect("events");
    let names = [end[3].as_str(), end[5].as_str(), end[11].as_str()];
    assert_eq!(names, [last[3].as_str(), "close", "end_of_window"]);
    let net: Decimal = trades.iter().map(|row| number(&row[10])).sum();
    assert_eq!(number(&last[12]), Decimal::from(10_000) + net);
    let net = net.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    ran.ok().prints(&[&format!("net {net:.2} ("), &format!("equity {} over", last[12])]);
}

#[test]
fn the_share_of_slots_without_a_bar_stands_above_the_figures() {
    let root = Root::new();
    let bars = waves(700).into_iter().filter(|(n, _)| !(400..540).contains(n));
    import(&root, "holes", &file(bars, 0));
    backtest(&root, "holes", "h", "").ok().prints(&["no bar in 140 of 700 slots (20.00%)"]);
}
