//! Failures of the outside, real ones and those on order: rows that say so, and bars that come late and count all the same.

use super::drill::{DECISIONS, Drill, Row};

/// The venue fails while the loop is at work, and recovers. The loop goes on by itself.
fn fails(cause: &str, told: &str) {
    let mut drill = Drill::new("binance");
    drill.open(0, "");
    let run = drill.live("").start();
    drill.root.await_rows(DECISIONS, 30);
    drill.shut();
    if !cause.is_empty() {
        drill.reopen(drill.last() + 4, cause);
    }
    let failed = || drill.root.read(DECISIONS).matches(",skip,fetch_failed,").count();
    let wanted = failed() + 15;
    while failed() < wanted {
        drill.root.await_rows(DECISIONS, drill.root.rows(DECISIONS) + 1);
    }
    drill.reopen(drill.last() + 4, "");
    let rows = drill.root.rows(DECISIONS);
    drill.root.await_rows(DECISIONS, rows + 30);
    run.signal("TERM");
    let ran = run.end().code(0);
    ran.says(&[told, "no decision: fetch_failed", "binance answers again after "]);
    is_whole(&drill, "fetch_failed");
}

/// What failed has rows, its bars came later, and the first slot with a bar of its own is decided on all of them.
fn is_whole(drill: &Drill, reason: &str) {
    let rows = drill.rows();
    let lost: Vec<&Row> = rows.iter().filter(|row| row.reason == reason).collect();
    assert!(lost.len() >= 12, "{} {reason}", lost.len());
    assert!(lost.iter().all(|row| row.origin == "degraded" && row.action == "skip"), "{lost:?}");
    let others: Vec<&Row> = rows.iter().filter(|row| row.reason != reason).collect();
    assert!(others.iter().all(|row| row.action != "skip"), "{others:?}");
    assert!(rows.last().unwrap().ts > lost[lost.len() - 1].ts, "it went on");
    drill.holds(|_| true);
    drill.proves(&["Result: PASS\n"]);
}

#[test]
fn a_venue_that_is_gone_beyond_the_deadline_gives_fetch_failed_and_its_bars_count_later() {
    fails("", "the connection was refused");
}

#[test]
fn a_venue_that_is_broken_beyond_the_deadline_gives_fetch_failed_and_its_bars_count_later() {
    fails("--set exchange-sim.faults.server-error=1", "HTTP 50");
}

#[test]
fn failures_on_order_give_rows_and_the_bars_count_later() {
    for (variable, reason) in
        [("FORCE_FETCH_FAIL", "fetch_failed"), ("FORCE_PERSIST_FAIL", "persist_failed")]
    {
        let mut drill = Drill::new("binance");
        drill.open(0, "");
        drill.shift(30, "");
        drill.until(drill.live("").env(variable, "1"), 12);
        drill.shift(30, "");
        is_whole(&drill, reason);
    }
}
