//! The page about a ledger: its numbers against those of the ledger worked out another way, and what it says of odd ledgers.

use serde_json::Value;

use super::fixture::{EVENING, decisions, ledger, trades, with_cell};
use crate::support::{runner::Root, skip::python};

/// Long enough for some trades.
const WEEK: &str = "2024-01-08T00:00:00Z";
const HTML: &str = "data/reports/live/paper/report.html";
const JSON: &str = "data/reports/live/paper/report.json";

fn report(root: &Root) -> Value {
    root.run("run report -p tag=paper")
        .ok()
        .prints(&["report: data/reports/live/paper/report.html"]);
    serde_json::from_str(&root.read(JSON)).expect("a document")
}

fn number(text: &str) -> f64 {
    text.parse().expect("a number")
}

#[track_caller]
fn close(got: &Value, expected: f64) {
    let got = got.as_f64().expect("a number");
    assert!((got - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{got}, expected {expected}");
}

/// The figures of a ledger worked out of the text of its two files.
#[test]
fn figures_are_those_of_the_rows() {
    let root = ledger(WEEK);
    let report = report(&root);
    let (rows, events) = (root.read(&decisions("paper")), root.read(&trades("paper")));
    let column = |n: usize| rows.lines().skip(1).map(move |row| row.split(',').nth(n).unwrap());
    let (figures, period) = (&report["figures"], &report["period"]);
    let slots = rows.lines().count() - 1;
    assert_eq!(period["slots"], slots);
    let equities: Vec<f64> = column(12).map(number).collect();
    let cash = number(report["about"]["settings"]["account.cash"].as_str().expect("cash"));
    close(&figures["net"], equities[slots - 1] - cash);
    let (mut peak, mut deepest) = (cash, 0.0_f64);
    for equity in &equities {
        peak = peak.max(*equity);
        deepest = deepest.max((peak - equity) / peak);
    }
    close(&figures["max_drawdown"], deepest);
    let held = column(8).filter(|position| *position != "flat").count();
    close(&figures["exposure"], held as f64 / slots as f64);
    let closes: Vec<f64> = column(9).filter(|text| !text.is_empty()).map(number).collect();
    close(&figures["holding_return"], closes[closes.len() - 1] / closes[0] - 1.0);
    let skipped = column(4).filter(|decision| *decision == "skip").count();
    let said: u64 =
        period["skipped"].as_object().expect("counts").values().filter_map(Value::as_u64).sum();
    assert_eq!(said, skipped as u64);
    // A trade is two rows, an opening and its closing.
    let events: Vec<Vec<&str>> =
        events.lines().skip(1).map(|row| row.split(',').collect()).collect();
    let pairs: Vec<&[Vec<&str>]> = events.chunks_exact(2).collect();
    assert!(pairs.len() > 5, "enough trades to mean something");
    let results: Vec<f64> =
        pairs.iter().map(|pair| number(pair[0][10]) + number(pair[1][10])).collect();
    let won = |want: bool| results.iter().filter(move |pnl| (**pnl > 0.0) == want);
    close(&figures["trades"], results.len() as f64);
    close(&figures["win_rate"], won(true).count() as f64 / results.len() as f64);
    close(&figures["profit_factor"], won(true).sum::<f64>() / -won(false).sum::<f64>());
    close(&figures["expectancy"], results.iter().sum::<f64>() / results.len() as f64);
    close(&figures["fees"], events.iter().map(|event| number(event[9])).sum());
    let listed = report["trades"].as_array().expect("a list");
    assert_eq!(listed.len(), results.len());
    for ((trade, pair), pnl) in listed.iter().zip(&pairs).zip(&results) {
        assert_eq!(trade["entry_ts_ms"].to_string(), pair[0][3]);
        assert_eq!((&trade["rule"], &trade["exit"]), (&pair[0][11].into(), &pair[1][11].into()));
        close(&trade["pnl"], *pnl);
        // The deepest close inside is no deeper than the deepest price inside.
        let (side, entry) = (if pair[0][6] == "long" { 1.0 } else { -1.0 }, number(pair[0][7]));
        let inside = rows.lines().skip(1).filter(|row| {
            let ts_ms = row.split(',').nth(3).unwrap();
            (pair[0][3]..pair[1][3]).contains(&ts_ms) && row.split(',').nth(9) != Some("")
        });
        let moves = inside.map(|row| side * (number(row.split(',').nth(9).unwrap()) / entry - 1.0));
        let worst = moves.chain([side * (number(pair[1][7]) / entry - 1.0)]).fold(0.0, f64::min);
        assert!(trade["mae"].as_f64().unwrap() <= worst + 1e-12, "{trade}");
    }
}

/// The figures of a curve, from the text of its ledger: `figures.py DECISIONS CASH`.
const NUMPY: &str = r#"
import json, math, sys
import numpy as np
DAY = 86400000
rows = [line.split(",") for line in open(sys.argv[1]).read().splitlines()[1:]]
ts = np.array([int(row[3]) for row in rows])
equity = np.array([float(row[12]) for row in rows])
cash = float(sys.argv[2])
begin = ts[0] - 300000
midnights = np.arange((begin // DAY + 1) * DAY, ts[-1] + 1, DAY)
marks = equity[np.searchsorted(ts, midnights, side="right") - 1]
if ts[-1] > midnights[-1]:
    marks = np.append(marks, equity[-1])
daily = np.diff(np.concatenate([[cash], marks])) / np.concatenate([[cash], marks[:-1]])
years = (ts[-1] - begin) / DAY / 365
curve = np.concatenate([[cash], equity])
fall = 1 - curve / np.maximum.accumulate(curve)
deviation = daily.std(ddof=1)
centred = daily - daily.mean()
skewness = (centred ** 3).mean() / daily.std() ** 3
kurtosis = (centred ** 4).mean() / daily.std() ** 4
ratio = daily.mean() / deviation
spread = 1 - skewness * ratio + (kurtosis - 1) / 4 * ratio ** 2
cagr = (equity[-1] / cash) ** (1 / years) - 1
print(json.dumps({
    "net": equity[-1] - cash,
    "total_return": equity[-1] / cash - 1,
    "cagr": cagr,
    "volatility": deviation * math.sqrt(365),
    "sharpe": ratio * math.sqrt(365),
    "sortino": daily.mean() / math.sqrt((np.minimum(daily, 0) ** 2).mean()) * math.sqrt(365),
    "calmar": cagr / fall.max(),
    "max_drawdown": fall.max(),
    "psr": 0.5 * math.erfc(-ratio * math.sqrt(len(daily) - 1) / math.sqrt(spread) / math.sqrt(2)),
}))
"#;

/// By another program and another library, over a month and more, with slots that were skipped.
#[test]
fn figures_of_a_curve_are_those_of_numpy() {
    let Some(python) = python("numpy") else { return };
    let root = ledger("2024-02-10T09:00:00Z");
    let report = report(&root);
    let cash = report["about"]["settings"]["account.cash"].as_str().expect("cash");
    root.write("figures.py", NUMPY);
    let ran = root.shell(&format!("'{python}' figures.py {} {cash}", decisions("paper"))).code(0);
    let found: Value = serde_json::from_str(&ran.stdout).expect("a document");
    let found = found.as_object().expect("figures");
    assert_eq!(found.len(), 9);
    for (name, value) in found {
        close(&report["figures"][name], value.as_f64().unwrap_or_else(|| panic!("{name}: {ran}")));
    }
}

#[test]
fn a_report_says_what_proves_it() {
    let root = ledger(EVENING);
    assert_eq!(report(&root)["proof"]["state"], "none");
    let command =
        "runner run jobs/eqflat.toml -p tag=paper exchange=demo symbol=BTC/USD timeframe=5m";
    assert!(root.read(HTML).contains(command));
    root.run(command.trim_start_matches("runner ")).ok();
    let proved = &report(&root)["proof"];
    assert_eq!((&proved["verdict"], &proved["is_same"]), (&"PASS".into(), &true.into()));
    root.run(&format!("verify {}", proved["path"].as_str().unwrap())).ok();
    // The replay has the same proof, and the same figures.
    let runid = proved["runid"].as_str().unwrap();
    root.run(&format!("run report -p of={runid}")).ok();
    let other = root.read(&format!("data/reports/backtest/paper_bt_{runid}/report.json"));
    let other: Value = serde_json::from_str(&other).expect("a document");
    assert_eq!(other["proof"]["verdict"], "PASS");
    assert_eq!(other["figures"], report(&root)["figures"]);
    // A ledger that was changed since does not keep its stamp.
    let text = root.read(&trades("paper"));
    root.write(&trades("paper"), &with_cell(&text, 2, 11, "<script>alert(1)</script>"));
    let changed = report(&root);
    assert_eq!(changed["proof"]["is_same"], false);
    let page = root.read(HTML);
    assert!(page.contains("PASS, but the ledger was changed since"));
    // A hostile rule is shown and does nothing.
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

#[test]
fn a_report_of_a_backtest_is_found_by_its_run_or_its_name() {
    let root = ledger(WEEK);
    root.run("run backtest -p exchange=demo tag=paper runid=r1 --run-id b1").ok();
    for of in ["r1", "b1"] {
        let ran = root.run(&format!("run report -p of={of} --json")).ok().json();
        assert_eq!(ran["out"]["report"], "data/reports/backtest/paper_bt_r1/report.html");
        assert!(ran["out"]["trades"].as_str().is_some_and(|trades| number(trades) > 5.0), "{ran}");
    }
    root.run("run report -p of=r2").code(4).says(&["a backtest called r2", "runner history"]);
    root.run("run report -p tag=other").code(4).says(&["tag other has no ledger"]);
    root.run("run backtest -p exchange=demo tag=other runid=r1").ok();
    root.run("run report -p of=r1").code(78).says(&[
        "paper_bt_r1",
        "other_bt_r1",
        "say which with tag",
    ]);
    root.run("run report -p of=r1 tag=other").ok().prints(&["backtest/other_bt_r1/report.html"]);
    // The variables of a box may be of another market than what is named.
    let elsewhere = root.call("run report -p of=r1 tag=other").env("CCXT_EXCHANGE", "kraken");
    elsewhere.env("TIMEFRAME", "1m").run().ok();
}

#[test]
fn a_report_of_a_sweep_is_found_by_its_id_or_its_run() {
    let root = Root::new();
    let days = "from=2020-01-01T00:00:00Z to=2020-03-01T00:00:00Z";
    root.run(&format!("run made-up -p exchange=demo timeframe=4h {days}")).ok();
    root.run("run demo-sweep --run-id s1 -p exchange=demo timeframe=4h null-sweeps=1 --set sweep.min-trades=0 sweep.hold-out=0d sweep.over.fast=[2,3] sweep.over.slow=[8,12]");
    let ids = root.list("data/sweeps");
    let id = ids.iter().find(|name| *name != "searches").expect("a sweep");
    let page = root.read(&format!("data/sweeps/{id}/sweep.html"));
    assert!(page.contains("heat map"), "{page}");
    for of in ["s1", id] {
        let ran = root.run(&format!("run report -p of={of} --json")).ok().json();
        let path = ran["out"]["report"].as_str().expect("a path").to_owned();
        assert_eq!(path, format!("data/reports/sweep/{id}/report.html"));
        assert_eq!(root.read(&path), page);
    }
    root.remove(&format!("data/sweeps/{id}/sweep.html"));
    root.run(&format!("run report -p of={id}")).code(4).says(&["is not over"]);
}

#[test]
fn ledgers_with_little_in_them_have_a_page_too() {
    let root = ledger(EVENING);
    let rows = root.read(&decisions("paper"));
    let head =
        |many: usize| rows.lines().take(many).flat_map(|line| [line, "\n"]).collect::<String>();
    let make = |tag: &str, text: &str| {
        root.write(&decisions(tag), text);
        let of = "exchange=demo symbol=BTC/USD timeframe=5m";
        root.run(&format!("run report -p tag={tag} {of}")).ok();
        root.read(&format!("data/reports/live/{tag}/report.html"))
    };
    assert!(make("empty", &head(1)).contains("the ledger has no row yet"));
    let one = make("one", &head(2));
    assert!(one.contains("Key figures") && one.contains("– no trade is closed."), "{one}");
    // Half a row is left out, and said.
    assert!(make("torn", &(head(30) + "demo,BTC")).contains("Bytes behind the last whole row"));
    let damaged = with_cell(&head(9), 5, 12, "much");
    root.write(&decisions("bad"), &damaged);
    root.run("run report -p tag=bad").code(65).says(&["decisions.csv:5", "column 13"]);
}
