//! Bars that come late and bars that change: decided slots stay, the proof holds on what was seen and names the drift.

use serde_json::Value;

use super::drill::{Drill, slot};
use crate::{e2e::fixture::proof, support::sim::truth};

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
