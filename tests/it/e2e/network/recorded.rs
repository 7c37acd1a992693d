//! The outage of 2023-03-24 on Binance, with its real bars, when the folder with them is named by `MJOLNIR_MARKET`.

use serde_json::Value;

use super::drill::{Drill, slot};
use crate::{
    e2e::fixture::proof,
    support::{
        market::recorded_market,
        runner::Root,
        sim::{Sim, truth},
    },
};

/// Lives the six hours around it. Returns the slots without a bar, and all slots.
fn lived(file: &str, timeframe: &str) -> Option<(Vec<i64>, usize)> {
    let (root, dir) = (Root::new(), recorded_market()?);
    let series = format!("symbol=BTC/USDT timeframe={timeframe}");
    let venue = |speed: &str| {
        let words = format!("source={dir}/binance/BTC_USDT/{file} from=2023-03-24T10:00:30Z");
        Sim::start(&root, &format!("-p protocol=binance {series} {words} speed={speed}"))
    };
    let live = |sim: &Sim, words: &str| {
        let place = format!("feed=http base-url=http://{}", sim.address);
        root.run(&format!("run live -p tag=net exchange=binance {series} {place} {words}")).code(0)
    };
    // The first slot is the one before ten o'clock, however slow this machine is.
    let sim = venue("2x");
    live(&sim, "speed=2x max-bars=1").prints(&["(2023-03-24T10:00:00Z): max-bars is reached"]);
    sim.stop().code(0);
    let sim = venue("12000x");
    live(&sim, "speed=12000x to=2023-03-24T16:00:00Z").prints(&["(2023-03-24T16:00:00Z)"]);
    sim.stop().code(0);
    let text =
        root.read(&format!("data/processed/decisions/net/BTC_USDT/{timeframe}/decisions.csv"));
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|row| row.split(',').collect()).collect();
    let missing = rows.iter().filter(|row| row[5] == "bar_missing");
    let missing = missing.map(|row| row[3].parse().unwrap()).collect();
    let proof = root.run(&format!("run eqflat -p tag=net exchange=binance {series} runid=e1")).ok();
    proof.prints(&["Result: PASS\n"]);
    Some((missing, rows.len()))
}

#[test]
fn the_outage_of_march_2023_is_lived_through() {
    let Some((missing, rows)) = lived("5m.parquet", "5m") else { return };
    // Closes from 12:45 to 14:00.
    let expected: Vec<i64> = (0..16).map(|n| 1_679_661_900_000 + n * 300_000).collect();
    assert_eq!((missing, rows), (expected, 73));
    let Some((missing, rows)) = lived("1m_2023_outage.parquet", "1m") else { return };
    let expected: Vec<i64> = (0..80).map(|n| 1_679_661_660_000 + n * 60_000).collect();
    assert_eq!((missing, rows), (expected, 361));
}

fn drifts(faults: &str, is_fill: bool) {
    let mut drill = Drill::new("binance");
    drill.open(0, "");
    drill.shift(40, "");
    drill.open(drill.last() + 1, faults);
    let run = drill.live("").start();
    let log = "data/raw/binance/BTC_USD/1m/revisions.csv";
    drill.root.await_rows(log, drill.root.rows(log) + 12);
    run.signal("TERM");
    run.end().code(0);
    // Until every bar has come and is what it stays.
    drill.open(drill.last() + 12, "");
    drill.shift(13, "");
    let (rows, log) = (drill.rows(), drill.revisions());
    let changed = log.iter().filter(|one| {
        let row = rows.iter().find(|row| row.ts == one.ts);
        row.is_some_and(|row| one.seen_at > row.seen_at)
    });
    let first = changed.clone().map(|one| one.ts).min().expect("something changed behind it");
    assert!(changed.clone().count() > 2, "{log:?}");
    assert_eq!(drill.count("bar_missing") > 0, is_fill, "late bars are missing at first");
    for one in changed {
        assert_eq!(one.old.is_none(), is_fill, "{one:?}");
        assert_eq!(one.new, truth(one.ts).bar, "{one:?}");
    }
    let named = format!("the first difference is ts_ms {} column bar_hash", first.ts_ms());
    drill.proves(&[&named, "Result: PASS_DATA_DRIFT\n"]);
    let proof: Value = serde_json::from_str(&drill.root.read(&proof("net", "e1"))).unwrap();
    assert_eq!((&proof["as_seen"], &proof["as_is"]), (&"PASS".into(), &"PASS_DATA_DRIFT".into()));
    assert_eq!(proof["drift"]["ts_ms"], first.ts_ms());
    assert!(first > slot(0));
    drill.holds(|_| true);
}

#[test]
fn late_bars_are_drift_and_not_failure() {
    drifts("--set exchange-sim.faults.late=0.06 exchange-sim.faults.late-bars=3", true);
}

#[test]
fn revised_bars_are_drift_and_not_failure() {
    drifts("--set exchange-sim.faults.revise=0.1", false);
}
