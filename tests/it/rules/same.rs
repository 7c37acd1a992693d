//! `ema_atr` and `rsi_revert` as rules make the ledgers that they made when they were built into the program.

use std::collections::BTreeSet;

use mjolnir::store::digest::sha256_hex;

use crate::support::{market::recorded_market, runner::Root};

const LEDGERS: &str = include_str!("ledgers.txt");
/// The column of `decisions.csv` that is another one: rules have other features.
const FEAT_HASH: usize = 15;

fn without_features(text: &str) -> String {
    let line = |line: &str| {
        let cells = line.split(',').enumerate().filter(|(n, _)| *n != FEAT_HASH);
        cells.map(|(_, cell)| cell).collect::<Vec<_>>().join(",") + "\n"
    };
    text.lines().map(line).collect()
}

/// Every ledger of the series for which `import` brings bars in.
fn check(import: impl Fn(&Root, &str, &str) -> bool) -> usize {
    let root = Root::new();
    let (mut there, mut checked) = (BTreeSet::new(), 0);
    for line in LEDGERS.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split(' ').collect();
        let [exchange, symbol, timeframe, file, name, sides, decisions, trades] = words[..] else {
            panic!("{line}")
        };
        let series = format!("exchange={exchange} symbol={symbol} timeframe={timeframe}");
        if !there.contains(file) && !import(&root, &series, file) {
            continue;
        }
        there.insert(file.to_owned());
        let run = format!("{name}_{sides}");
        root.run(&format!("run backtest -p tag=t_{exchange} runid={run} {series} -P {name} --set strategy.sides={sides} backtest.on-existing=replace")).ok();
        let place = format!("t_{exchange}_bt_{run}/{}/{timeframe}", symbol.replace('/', "_"));
        let read = |kind: &str| root.read(&format!("data/processed/{kind}/{place}/{kind}.csv"));
        let same = |text: &str, known: &str| sha256_hex(text.as_bytes()) == known;
        assert!(same(&without_features(&read("decisions")), decisions), "decisions of {line}");
        assert!(same(&read("trades"), trades), "trades of {line}");
        checked += 1;
    }
    checked
}

#[test]
fn on_made_up_bars() {
    let made_up = |root: &Root, _: &str, file: &str| {
        file == "-" && root.run("run made-up -p to=2024-03-01T00:00:00Z").code == 0
    };
    assert_eq!(check(made_up), 4);
}

#[test]
fn on_recorded_bars() {
    let Some(dir) = recorded_market() else { return };
    let recorded = |root: &Root, series: &str, file: &str| {
        let path = format!("path={dir}/{file}");
        let words = format!("run import -p {series}");
        file != "-"
            && root
                .call(&words)
                .arg("-p")
                .arg(&path)
                .arg("--set")
                .arg("import.columns.time=ts_ms_open")
                .run()
                .code
                == 0
    };
    assert_eq!(check(recorded), 24);
}
