//! Whole reports: the figures of a small ledger worked out by hand, and pages of ledgers with too little or too much in them.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::{
    gather::{Gather, Group, Month, Report, ReportRow},
    header::{Header, ProofState, ReportProof},
    page::page,
    pyramid::POINTS_MAX,
    trade::Fills,
};
use crate::domain::{
    bar::Bar,
    decision::{CloseReason, Event, Reason, RiskState, Side, TradeEvent},
    money::{Money, Price, Qty},
    time::{DAY_MS, SlotTs, Timeframe, UtcMs},
};

const HOUR_MS: i64 = 3_600_000;

fn header() -> Header {
    Header {
        kind: "backtest",
        tag: "paper_bt_r1".to_owned(),
        runid: Some("r1".to_owned()),
        exchange: "kraken".to_owned(),
        symbol: "BTC/USD".to_owned(),
        quote: "USD".to_owned(),
        timeframe: "1h".to_owned(),
        made_at_ms: 1_700_000_000_000,
        build: "b1".to_owned(),
        ledger_build: None,
        decisions: "data/processed/decisions/paper_bt_r1/BTC_USD/1h/decisions.csv".to_owned(),
        trades: "data/processed/trades/paper_bt_r1/BTC_USD/1h/trades.csv".to_owned(),
        data_sha256: "00".to_owned(),
        settings: BTreeMap::new(),
        stop_fill: None,
        strategy_hash: None,
        is_torn: false,
    }
}

fn unproved() -> ProofState {
    let why = "LIVE and its replay were not compared".to_owned();
    ProofState::None { why, command: "runner run jobs/eqflat.toml -p tag=paper".to_owned() }
}

fn slot(ts_ms: i64) -> SlotTs {
    Timeframe::H1.slot(ts_ms).unwrap()
}

fn row(ts_ms: i64, close: Option<f64>, equity: f64) -> ReportRow<'static> {
    ReportRow {
        ts: slot(ts_ms),
        skipped: close.is_none().then_some("cadence_failed"),
        blocked_by: "",
        position: None,
        close,
        stop: None,
        equity,
        risk: RiskState::Active,
    }
}

fn event(ts_ms: i64, entry_ms: i64, what: Event, price: i64, pnl: i64) -> TradeEvent {
    TradeEvent {
        ts: slot(ts_ms),
        entry: slot(entry_ms),
        event: what,
        side: Side::Long,
        price: Price::new(Decimal::from(price)).unwrap(),
        qty: Qty::new(Decimal::from(2)).unwrap(),
        fee: Money::new(Decimal::ONE),
        pnl: Money::new(Decimal::from(pnl)),
        ambiguous: false,
    }
}

fn bar(low: f64, high: f64) -> Bar {
    Bar::new([low, high, low, high, 1.0]).unwrap()
}

/// 2024-01-31T22:00:00Z, a Wednesday.
const BEGIN_MS: i64 = 1_706_738_400_000;

/// Four hours from there on: a close of 100, a skipped slot, two units bought at 100 with a stop at 95, and sold at 90.
fn small(rule: &str) -> Report {
    let at = |hour: i64| BEGIN_MS + hour * HOUR_MS;
    let mut gather = Gather::new(Fills::AtOpen, Some(1_000.0));
    gather.take(&row(at(1), Some(100.0), 1_000.0), Some(bar(99.0, 101.0)), &[]);
    gather.take(&row(at(2), None, 1_000.0), None, &[]);
    let held = ReportRow {
        position: Some(Side::Long),
        stop: Some(95.0),
        ..row(at(3), Some(110.0), 1_019.0)
    };
    let open = Event::Open(Reason::of(rule).unwrap());
    gather.take(&held, Some(bar(98.0, 112.0)), &[event(at(3), at(3), open, 100, -1)]);
    let gone = ReportRow { blocked_by: "cooldown", ..row(at(4), Some(92.0), 978.0) };
    let close = event(at(4), at(3), Event::Close(CloseReason::StopGap), 90, -21);
    gather.take(&gone, Some(bar(85.0, 95.0)), &[close]);
    gather.finish(header(), unproved())
}

#[test]
fn figures_of_four_slots_by_hand() {
    let report = small("cross");
    let figure = |key: &str| report.figures[key];
    let close = |got: Option<f64>, expected: f64| {
        let got = got.expect("a figure");
        assert!((got - expected).abs() < 1e-12, "{got}, expected {expected}");
    };
    close(figure("net"), -22.0);
    close(figure("total_return"), -0.022);
    close(figure("holding_return"), -0.08);
    close(figure("max_drawdown"), 41.0 / 1_019.0);
    close(figure("underwater_days_max"), 1.0 / 24.0);
    close(figure("exposure"), 0.25);
    close(figure("trades"), 1.0);
    close(figure("win_rate"), 0.0);
    close(figure("profit_factor"), 0.0);
    close(figure("expectancy"), -22.0);
    // At risk were two units of five.
    close(figure("expectancy_r"), -2.2);
    close(figure("fees"), 2.0);
    close(figure("hold_bars_mean"), 1.0);
    close(figure("mae_mean"), -0.1);
    close(figure("mfe_mean"), 0.12);
    for missing in
        ["cagr", "sharpe", "sortino", "calmar", "volatility", "psr", "track_days_min", "sqn"]
    {
        assert_eq!(figure(missing), None, "{missing}");
    }
    assert_eq!(report.missing["fees_of_gross"], "no gross profit");
    let period = &report.period;
    assert_eq!((period.slots, period.decided, period.with_bar), (4, 3, 3));
    assert_eq!(period.skipped, [("cadence_failed".to_owned(), 1)].into());
    assert_eq!(period.blocked, [("cooldown".to_owned(), 1)].into());
    assert_eq!(period.idle_ts_ms, Some((BEGIN_MS, BEGIN_MS + 3 * HOUR_MS)));
    assert_eq!((period.open, period.risk, period.bars_lacking), (None, None, 0));
    // January ends after the second slot.
    let months =
        [Month { year: 2024, month: 1, part: 0.0 }, Month { year: 2024, month: 2, part: -0.022 }];
    assert_eq!(report.months, months);
    let group = |name: &str| Group { name: name.to_owned(), trades: 1, wins: 0, pnl: -22.0 };
    assert_eq!(report.by_rule, [group("cross")]);
    assert_eq!(report.by_exit, [group("stop_gap")]);
    // Filled at the open of the slot that closes at 01:00 on 2024-02-01.
    assert_eq!((report.by_hour.len(), &report.by_hour[0]), (24, &group("00")));
    assert_eq!((report.by_weekday.len(), &report.by_weekday[3]), (7, &group("Thu")));
    assert_eq!((report.doubt.stops, report.doubt.gaps, report.doubt.ambiguous), (1, 1, 0));
    close(report.doubt.beyond_mean, 5.0 / 95.0);
    let trade = &report.trades[0];
    // The last bar is not inside, its fill at 90 is.
    assert_eq!((trade.mae, trade.mfe), (-0.1, 0.12));
    let equity: Vec<f64> = report.curves.equity.iter().map(|at| at.1).collect();
    assert_eq!(equity, [1_000.0, 1_000.0, 1_000.0, 1_019.0, 978.0]);
    let holding: Vec<f64> = report.curves.holding.iter().map(|at| at.1).collect();
    assert_eq!(holding, [1_000.0, 1_100.0, 920.0]);
}

#[test]
fn findings_of_four_slots() {
    let said: Vec<String> =
        small("cross").findings.into_iter().map(|f| f.text.replace('\u{202f}', " ")).collect();
    assert_eq!(
        said,
        [
            "25.00 % of the slots were skipped: cadence_failed (1)",
            "one trade: too few to say anything",
            "the closed trades lose 20.00 before fees, and their fees add 2.00",
            "one entry was blocked: cooldown",
            "1 of 1 stop filled at an open beyond the level, by 5.26 % on average",
        ]
    );
}

/// A year of days: one trade each, results as given, the rest of the ledger quiet.
fn year(results: impl Fn(i64) -> i64) -> Report {
    let mut gather = Gather::new(Fills::AtOpen, Some(10_000.0));
    let mut equity = 10_000.0;
    for day in 0..365 {
        let at = |hour: i64| BEGIN_MS + 2 * HOUR_MS + day * DAY_MS + hour * HOUR_MS;
        for hour in 1..=24 {
            let mut events = Vec::new();
            let result = results(day);
            if hour == 5 && result != 0 {
                events.push(event(at(5), at(5), Event::Open(Reason::new("rule")), 100, -1));
            }
            if hour == 7 && result != 0 {
                let close = Event::Close(CloseReason::ExitSignal);
                events.push(event(at(7), at(5), close, 100, result + 1));
                equity += result as f64;
            }
            let position = (result != 0 && (5..7).contains(&hour)).then_some(Side::Long);
            let price = 100.0 + (day as f64) / 10.0;
            let slot = ReportRow { position, ..row(at(hour), Some(price), equity) };
            gather.take(&slot, Some(bar(price - 1.0, price + 1.0)), &events);
        }
    }
    gather.finish(header(), unproved())
}

/// What Python says about the year below.
const YEAR: [(&str, f64); 19] = [
    ("net", 1460.0),
    ("total_return", 0.146),
    ("holding_return", 0.3640000000000001),
    ("cagr", 0.1459999999999999),
    ("volatility", 0.0560251666220432),
    ("sharpe", 2.4607717252272128),
    ("sortino", 4.810185817575055),
    ("max_drawdown", 0.003976143141153081),
    ("calmar", 36.71899999999998),
    ("psr", 0.9951546873772881),
    ("track_days_min", 148.1876380404049),
    ("trades", 292.0),
    ("win_rate", 0.5),
    ("profit_factor", 1.4),
    ("expectancy", 5.0),
    ("sqn", 2.4369603013188543),
    ("exposure", 0.06666666666666667),
    ("fees", 584.0),
    ("fees_of_gross", 0.2857142857142857),
];

/// The same in Python: `statistics` over 365 daily returns of +60, -20, +10, -30, 0 in turn on an equity that begins at 10,000.
#[test]
fn figures_of_a_year_by_python() {
    let report = year(|day| [60, -20, 10, -30, 0][(day % 5) as usize]);
    let figure = |key: &str| report.figures[key].expect(key);
    for (key, expected) in YEAR {
        let got = figure(key);
        assert!(
            (got - expected).abs() <= 1e-9 * expected.abs(),
            "{key}: {got}, expected {expected}"
        );
    }
    // 306 days have sixty whole ones behind them.
    assert_eq!(report.curves.rolling_sharpe.len(), 306);
    assert_eq!(report.months.len(), 12);
    assert_eq!(report.by_rule[0].trades, 292);
}

#[test]
fn findings_of_a_year() {
    let said = |report: &Report| -> Vec<String> {
        report.findings.iter().map(|finding| finding.text.replace('\u{202f}', " ")).collect()
    };
    // Three of fifty trades win 1,000 each, the others lose 10: the three are more than the whole.
    let few = year(|day| {
        if day >= 50 {
            0
        } else if day % 20 == 0 {
            1_000
        } else {
            -10
        }
    });
    let all = said(&few);
    assert!(
        all.contains(&"without its 3 best trades the whole comes to −470.00".to_owned()),
        "{all:?}"
    );
    assert!(
        all.iter().any(|text| text.starts_with("no trade for 316 days, from 2024-03-21 07:00")),
        "{all:?}"
    );
    assert!(all.contains(&"worse than holding by 11 points".to_owned()), "{all:?}");
    // 183 days of +5 and 182 of -1 are 733 net; two fees of 1 a day are 730 more before them: 730 of 1,463.
    let costly = year(|day| if day % 2 == 0 { 5 } else { -1 });
    let all = said(&costly);
    assert!(all.contains(&"fees eat 49.90 % of gross".to_owned()), "{all:?}");
    // Nothing to say of a steady one but that holding was better.
    let steady = year(|day| if day % 2 == 0 { 50 } else { -5 });
    assert_eq!(said(&steady), [] as [&str; 0]);
}

/// Tags that have no end.
const VOID: [&str; 2] = ["meta", "input"];

/// Every tag that is opened is closed, in order; attributes are quoted.
#[track_caller]
fn check_page(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    let (body, mut at) = (page.strip_prefix("<!DOCTYPE html>").expect("a document"), 0);
    while let Some(start) = body[at..].find('<').map(|n| at + n) {
        let end = start + body[start..].find('>').expect("a tag ends");
        let tag = &body[start + 1..end];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "…{}", &body[start.saturating_sub(80)..end]);
        } else {
            let name = tag.split(' ').next().unwrap();
            assert!(name.bytes().all(|b| b.is_ascii_alphanumeric()), "{tag}");
            assert!(tag.matches('"').count() % 2 == 0, "{tag}");
            if !VOID.contains(&name) {
                open.push(name);
            }
        }
        at = end + 1;
    }
    assert_eq!(open, [""; 0]);
    for foreign in
        ["<script", "javascript:", "http:", "https:", "src=", "@import", "url(", "onload"]
    {
        assert!(!page.contains(foreign), "{foreign}");
    }
    for absurd in ["NaN", "inf ", "inf<", ">inf", "-0.00<"] {
        assert!(!page.contains(absurd), "{absurd}");
    }
    // Ids are unique, and what refers to one finds it.
    let ids: Vec<&str> =
        page.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let unique: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
    for href in page.split(" href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(unique.contains(&href), "#{href}");
    }
}

#[test]
fn a_page_is_well_formed_and_needs_nothing_from_elsewhere() {
    for report in [small("cross"), year(|day| day % 7 * 10 - 30), year(|_| 0)] {
        check_page(&page(&report));
    }
}

#[test]
fn hostile_words_are_shown_and_do_nothing() {
    let hostile = "<script>alert('1')</script>";
    let mut report = small("\"><script src=x>&\u{202e}");
    report.about.tag = hostile.to_owned();
    report.about.symbol = hostile.to_owned();
    report.about.settings = [(hostile.to_owned(), "</style></table>\u{202e}\"'".to_owned())].into();
    report.period.skipped = [(hostile.to_owned(), 1)].into();
    report.findings[0].text = hostile.to_owned();
    report.proof = ProofState::Found(ReportProof {
        verdict: "FAIL".to_owned(),
        is_pass: false,
        tag: hostile.to_owned(),
        runid: hostile.to_owned(),
        window_ts_ms: None,
        rows: 1,
        trades: 0,
        mismatch: Some(hostile.to_owned()),
        made_at_ms: 0,
        build: hostile.to_owned(),
        path: hostile.to_owned(),
        is_same: false,
        rows_after: 1,
    });
    let text = page(&report);
    check_page(&text.replace("src=x", ""));
    assert!(text.matches("&lt;script&gt;alert('1')&lt;/script&gt;").count() >= 8, "{text}");
    assert!(text.contains("<bdi>&quot;&gt;&lt;script src=x&gt;&amp;\u{202e}</bdi>"), "isolated");
}

#[test]
fn ledgers_with_little_in_them_give_a_page_that_says_so() {
    let none = Gather::new(Fills::AtOpen, None).finish(header(), unproved());
    let text = page(&none);
    check_page(&text);
    assert!(text.contains("the ledger has no row yet: there is nothing to report"));
    assert!(
        text.contains("not proved") && text.contains("runner run jobs/eqflat.toml -p tag=paper")
    );
    let begin = |many: i64, close: Option<f64>| {
        let mut gather = Gather::new(Fills::AtOpen, None);
        (1..=many).for_each(|n| gather.take(&row(BEGIN_MS + n * HOUR_MS, close, 500.0), None, &[]));
        gather.finish(header(), unproved())
    };
    let one = begin(1, Some(7.0));
    check_page(&page(&one));
    assert_eq!((one.period.start_equity, one.figures["net"]), (500.0, Some(0.0)));
    assert_eq!(one.findings[0].text, "not one trade");
    let skipped = begin(50, None);
    check_page(&page(&skipped));
    assert_eq!(skipped.findings[0].text, "all 50 slots were skipped: the rules were never asked");
    assert_eq!(skipped.figures["holding_return"], None);
    let quiet = page(&begin(50, Some(7.0)));
    check_page(&quiet);
    assert!(quiet.contains("– no trade is closed."));
}

/// 200,000 hours with 8,000 trades: the page is as large as it would be for a million.
#[test]
fn a_long_ledger_has_a_page_of_bounded_size() {
    let mut gather = Gather::new(Fills::AtOpen, Some(10_000.0));
    for n in 1..=200_000_i64 {
        let at = |n: i64| BEGIN_MS - 20_000 * DAY_MS / 2 + n * HOUR_MS;
        let wave = 100.0 + ((n * 7_919) % 1_009) as f64 / 10.0;
        let mut events = Vec::new();
        match n % 25 {
            3 => events.push(event(at(n), at(n), Event::Open(Reason::new("rule")), 100, -1)),
            9 => {
                let close = Event::Close(CloseReason::StopHit);
                events.push(event(at(n), at(n - 6), close, 100 + n % 11, n % 13 - 6));
            }
            _ => {}
        }
        let position = (3..9).contains(&(n % 25)).then_some(Side::Long);
        let slot = ReportRow {
            position,
            stop: position.map(|_| 90.0),
            ..row(at(n), Some(wave), 10_000.0 + wave)
        };
        gather.take(&slot, None, &events);
    }
    let report = gather.finish(header(), unproved());
    assert_eq!(report.figures["trades"], Some(8_000.0));
    assert_eq!(report.trades.len(), 1_000);
    let curves = &report.curves;
    for line in [
        &curves.equity,
        &curves.holding,
        &curves.under_water,
        &curves.price,
        &curves.rolling_sharpe,
        &curves.trade_pnl,
    ] {
        assert!((1_000..=POINTS_MAX).contains(&line.len()), "{}", line.len());
    }
    let text = page(&report);
    check_page(&text);
    assert!(text.len() < 1_000_000, "{} bytes", text.len());
    assert!(serde_json::to_string(&report).unwrap().len() < 1_000_000);
}

#[test]
fn a_proof_is_shown_with_what_it_covers() {
    let mut found = ReportProof {
        verdict: "PASS".to_owned(),
        is_pass: true,
        tag: "paper".to_owned(),
        runid: "eqflat_1".to_owned(),
        window_ts_ms: Some((BEGIN_MS, BEGIN_MS + HOUR_MS)),
        rows: 1_234,
        trades: 5,
        mismatch: None,
        made_at_ms: UtcMs::new(BEGIN_MS).unwrap().get(),
        build: "b1".to_owned(),
        path: "data/reports/eqflat/paper/eqflat_1/proof.json".to_owned(),
        is_same: true,
        rows_after: 12,
    };
    let mut report = small("cross");
    report.proof = ProofState::Found(found.clone());
    let text = page(&report);
    assert!(text.contains("<p class=\"verdict pass\">PASS</p>"), "{text}");
    assert!(text.contains("1\u{202f}234 decisions and 5 trade events"));
    assert!(text.contains("12 rows since are not proved."));
    assert!(text.contains("runner verify data/reports/eqflat/paper/eqflat_1/proof.json"));
    found.is_same = false;
    report.proof = ProofState::Found(found);
    assert!(
        page(&report).contains("<p class=\"verdict\">PASS, but the ledger was changed since</p>")
    );
}
