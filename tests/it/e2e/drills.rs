//! The drills operators know by their variables: failures on order, dry runs, and what is left of them.

use super::fixture::{NOON, decisions, eqflat, live};
use crate::support::{runner::Root, skip::skip};

const MORNING: &str = "2024-01-01T06:00:00Z";

fn rows_with(root: &Root, reason: &str) -> usize {
    root.read(&decisions("paper")).matches(&format!(",skip,{reason},")).count()
}

#[test]
fn forced_failures_become_rows_and_the_proof_still_holds() {
    let root = Root::new();
    live(&root, "paper", MORNING).run().ok();
    let hours = ["2024-01-01T07:00:00Z", "2024-01-01T08:00:00Z"];
    for (hour, variable) in hours.into_iter().zip(["FORCE_FETCH_FAIL", "FORCE_PERSIST_FAIL"]) {
        let told = format!("drill: {variable} is on");
        live(&root, "paper", hour).env(variable, "1").run().warns(&[&told]);
    }
    live(&root, "paper", NOON).run().ok();
    assert_eq!([rows_with(&root, "fetch_failed"), rows_with(&root, "persist_failed")], [12, 12]);
    let proved = eqflat(&root, "paper", "e1").run().ok();
    proved.prints(&["Result: PASS\n", "12 fetch_failed, 12 persist_failed"]);
}

#[test]
fn a_dry_run_writes_no_ledger() {
    let root = Root::new();
    let dry = |tag: &str| {
        let ran = live(&root, tag, NOON).env("DRY_RUN", "1").run();
        ran.warns(&["dry run: decisions are logged here and no row of a ledger is written"])
    };
    let bars = "data/raw/demo/BTC_USD/5m";
    dry("paper").prints(&["dry run: no row was written", "bars were written to", bars]);
    assert_eq!(root.read(&decisions("paper")), "");
    assert!(!root.list(bars).is_empty(), "as it says");
    let log = root.run("logs live").ok();
    let told = log.stdout.matches(", not written: this is a dry run").count();
    assert_eq!(told, 146, "each slot of twelve hours: {log}");
    live(&root, "paper", MORNING).run().ok();
    let before = root.read(&decisions("paper"));
    dry("paper");
    assert_eq!(root.read(&decisions("paper")), before);
}

#[test]
fn values_of_variables_are_checked_like_any_other() {
    let root = Root::new();
    for (variable, value, told) in [
        ("DRY_RUN", "maybe", "DRY_RUN"),
        ("ENFORCE_DECISION_MONOTONIC", "2", "ENFORCE_DECISION_MONOTONIC"),
        ("TIMEFRAME", "7m", "TIMEFRAME"),
        ("DATA_TAG", "../../x", "DATA_TAG"),
    ] {
        let call = root.call("run live -p feed=synthetic from=2024-01-01T00:00:00Z");
        let call = call.arg("-p").arg("to=2024-01-01T01:00:00Z").env(variable, value);
        call.run().code(78).says(&[told, value]);
    }
    for value in ["1", "0", "true", "false"] {
        let call = live(&root, "paper", MORNING).env("ENFORCE_DECISION_MONOTONIC", value);
        call.env("DRY_RUN", value).run().code(0);
    }
}

#[test]
fn a_folder_nobody_may_write_to_is_an_io_error() {
    let root = Root::new();
    root.shell("mkdir -p data && chmod 0555 data").ok();
    if root.shell("touch data/x").code == 0 {
        skip("plain-user", "this user may write anywhere");
        return;
    }
    live(&root, "paper", MORNING).run().code(74).says(&["error: ", "data"]);
    root.shell("chmod 0755 data").ok();
}
