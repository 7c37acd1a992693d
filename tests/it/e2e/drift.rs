//! What may change behind LIVE's back, and what may not: bars, settings, stop rules, and the proof itself.

use mjolnir::domain::time::Timeframe;
use serde_json::Value;

use super::fixture::{EVENING, NOON, cell, decisions, eqflat, ledger, live, proof};
use crate::support::{
    market::{csv, market},
    runner::Root,
};

fn slots_of(root: &Root) -> Vec<i64> {
    let text = root.read(&decisions("paper"));
    text.lines().skip(1).map(|line| cell(line, 1, 3).parse().expect("a time")).collect()
}

/// Imports one bar that is not the one LIVE saw at this slot.
fn import_another_bar(root: &Root, ts_ms: i64) -> String {
    let near = market(Timeframe::M5, ts_ms - 3_000_000, ts_ms);
    let mut row = csv(&near[near.len() - 1..]);
    let last = near[near.len() - 1].ts.ts_ms().to_string();
    row = row.replace(&last, &ts_ms.to_string());
    let volume = row.trim_end().rsplit(',').next().expect("a volume").to_owned();
    root.write("late.csv", &row.replace(&volume, "0.125"));
    root.run("run import -p exchange=demo path=late.csv").ok().stdout
}

fn passes_with_drift(root: &Root, ts_ms: i64) {
    let passed = eqflat(root, "paper", "e1").run().ok();
    let named = format!("on today's store the first difference is ts_ms {ts_ms} column bar_hash");
    passed.prints(&["[decisions] PASS\n[trades] PASS\n", &named, "Result: PASS_DATA_DRIFT\n"]);
    let left: Value = serde_json::from_str(&root.read(&proof("paper", "e1"))).expect("a document");
    assert_eq!((&left["as_seen"], &left["as_is"]), (&"PASS".into(), &"PASS_DATA_DRIFT".into()));
    assert_eq!(left["drift"]["ts_ms"], ts_ms);
    root.run(&format!("verify {}", proof("paper", "e1"))).ok();
    live(root, "paper", EVENING).run().ok().prints(&["0 rows added"]);
}

#[test]
fn a_bar_revised_after_it_was_decided_on_is_drift_and_not_failure() {
    let root = ledger(EVENING);
    let slots = slots_of(&root);
    let ts_ms = slots[slots.len() / 2];
    assert!(import_another_bar(&root, ts_ms).contains("1 replaced"));
    passes_with_drift(&root, ts_ms);
}

#[test]
fn a_hole_filled_after_it_was_decided_on_is_drift_and_not_failure() {
    let root = ledger(EVENING);
    let text = root.read(&decisions("paper"));
    let hole = text.lines().rfind(|line| cell(line, 1, 5) == "bar_missing").expect("a hole");
    let ts_ms = cell(hole, 1, 3).parse().expect("a time");
    assert!(import_another_bar(&root, ts_ms).contains("1 bars written, 0 replaced"));
    passes_with_drift(&root, ts_ms);
}

#[test]
fn another_setting_is_named_by_live_and_by_the_proof() {
    let root = ledger(EVENING);
    let before = root.read(&decisions("paper"));
    for (set, told) in [
        ("strategy.params.fast.default=10", "strategy.params.fast is 10, was 20"),
        ("fill.fee-bps=11", "fill.fee-bps is 11, was 10"),
        ("risk.cooldown-bars=3", "risk.cooldown-bars is 3, was 0"),
    ] {
        let refused = live(&root, "paper", EVENING).arg("--set").arg(set).run().code(78);
        refused.says(&[told, "restore them, by the same -P STRATEGY", "or use a new tag"]);
        let runid = set.replace('=', "_");
        let failed = eqflat(&root, "paper", &runid).arg("--set").arg(set).run();
        if failed.code == 0 {
            // No stop was hit in this window, so a cooldown changes nothing.
            assert!(set.starts_with("risk."), "{failed}");
            continue;
        }
        let failed = failed.code(1).prints(&["cause: strategy or parameters differ", told]);
        failed.prints(&["Result: FAIL"]);
    }
    assert_eq!(before, root.read(&decisions("paper")), "the ledger is untouched");
    let refused = live(&root, "paper", EVENING).arg("-P").arg("seed-v02").run().code(78);
    refused.says(&["live.stop-fill is at-stop, was through-open"]);
}

#[test]
fn another_seed_is_another_market_and_another_feed_is_said() {
    let root = ledger(NOON);
    let files = || {
        root.shell("sha256sum data/raw/demo/BTC_USD/5m/* data/processed/*/paper/BTC_USD/5m/*")
            .ok()
            .stdout
    };
    let before = files();
    let refused = live(&root, "paper", EVENING).arg("-p").arg("seed=8").run().code(78);
    refused.says(&["live.seed is 8, was 7", "restore them", "or use a new tag"]);
    assert_eq!(before, files(), "neither rows nor bars are touched");
    // Recorded bars may be what was made up; that they are is said.
    root.shell("cp -r data/raw/demo/BTC_USD/5m recorded").ok();
    let recorded = live(&root, "paper", NOON).arg("feed=replay").arg("source=recorded").run();
    recorded
        .warns(&["live.feed is replay, was synthetic in the run that decided this ledger last"]);
    live(&root, "paper", EVENING).arg("-p").arg("seed=7").run().ok().prints(&["window is decided"]);
}

#[test]
fn the_stop_rules_of_the_original_system_agree_on_the_lifecycle() {
    let root = Root::new();
    let profile = |call: crate::support::runner::Call<'_>| call.arg("-P").arg("seed-v02").run();
    profile(live(&root, "paper", "2024-01-03T00:00:00Z")).ok();
    let proved = profile(eqflat(&root, "paper", "e1")).ok();
    proved.prints(&["[decisions] PASS", "[trades] PASS", "Result: PASS\n"]);
    let left: Value = serde_json::from_str(&root.read(&proof("paper", "e1"))).expect("a document");
    let rules = (&left["live"]["stop_fill"], &left["backtest"]["stop_fill"]);
    assert_eq!(rules, (&"at-stop".into(), &"through-open".into()));
}

#[test]
fn a_proof_that_was_changed_no_longer_holds() {
    let root = ledger(EVENING);
    eqflat(&root, "paper", "e1").run().ok();
    let path = proof("paper", "e1");
    let whole: Value = serde_json::from_str(&root.read(&path)).expect("a document");
    let changed = |pointer: &str, value: Value, told: &str| {
        let mut proof = whole.clone();
        *proof.pointer_mut(pointer).expect(pointer) = value;
        root.write(&path, &proof.to_string());
        root.run(&format!("verify {path}")).code(1).says(&["broken: ", told]);
        let ran = root.run(&format!("--json verify {path}")).code(1);
        assert_eq!(ran.json()["holds"], false, "{ran}");
    };
    let nothing = "0".repeat(64);
    changed("/live/decisions/sha256", nothing.clone().into(), "paper/BTC_USD/5m/decisions.csv was");
    changed("/backtest/trades/sha256", nothing.into(), "_bt_e1/BTC_USD/5m/trades.csv was changed");
    changed("/live/decisions/bytes", 9_999_999.into(), "has only");
    changed("/as_seen", "FAIL".into(), "as_seen is FAIL, which does not fit its mismatch");
    changed("/rows", 999.into(), "the proof says 999");
    changed("/sync_ts_ms", 0.into(), "sync slot");
    changed("/as_is", "FAIL".into(), "as_is is FAIL");
    changed("/runid", "e2".into(), "is not the file of tag paper_bt_e2");
    changed("/degraded", serde_json::json!({"downtime": 3}), "degraded rows");
    changed("/live/stop_fill", "at-stop".into(), "live.stop_fill is through-open");
    changed("/strategy_hash", "0".into(), "strategy_hash is ");
    changed("/live_build", "0".into(), "live_build is ");
    changed("/build", "0".into(), "build is ");
    changed("/made_at_ms", 1.into(), "made_at_ms is 1");
    let invented = serde_json::json!({
        "layer": "bar", "ts_ms": whole["sync_ts_ms"], "trade_index": null, "column": "bar_hash",
        "live": "a", "backtest": "b", "cause": "unknown",
    });
    changed("/mismatch", invented.clone(), "does not fit its mismatch");
    changed("/drift", invented, "does not fit as_seen and the drift");
    root.write(&path, &whole.to_string());
    root.run(&format!("verify {path}")).ok();

    root.write(&path, "{}");
    root.run(&format!("verify {path}")).code(65).says(&[&path]);
    root.run("verify nosuch.json").code(4).says(&["nosuch.json"]);

    let ledger = decisions("paper");
    let text = root.read(&ledger);
    root.write(&path, &whole.to_string());
    root.write(&ledger, &text.replacen("ACTIVE", "HALTED", 1));
    root.run(&format!("verify {path}")).code(1).says(&["decisions.csv was changed"]);
    root.remove(&ledger);
    root.run(&format!("verify {path}")).code(4).says(&["decisions.csv"]);
}
