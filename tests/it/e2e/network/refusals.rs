//! What can never work ends at once and says why; what may pass is asked again.

use std::time::Duration;

use mjolnir::clock::nap;

use super::drill::{DECISIONS, Drill, Row};
use crate::support::runner::Root;

#[test]
fn an_unknown_symbol_ends_it_at_once_and_names_what_was_asked() {
    for (protocol, symbol, words) in [
        ("binance", "symbol=XYZUSD", "-1121 Invalid symbol."),
        ("kraken", "pair=XYZUSD", "EQuery:Unknown asset pair"),
        ("coinbase", "/products/XYZ-USD/", "NotFound"),
    ] {
        let mut drill = Drill::new(protocol);
        drill.open(0, "");
        for speed in ["", "speed=6000x"] {
            let ran = drill.live_at(&format!("symbol=XYZ/USD {speed}")).run().code(78);
            let url = format!("http://{}/", drill.address);
            ran.says(&["error: ", protocol, "gave no bars", symbol, words, &url]);
        }
    }
}

#[test]
fn a_timeframe_or_a_venue_that_there_is_not_ends_it_at_once() {
    let root = Root::new();
    let live = "run live -p tag=net feed=http base-url=http://127.0.0.1:1";
    let ran = root.run(&format!("{live} exchange=kraken timeframe=3m")).code(78);
    ran.says(&["kraken", "no bars of 3m", "1m 5m 15m 30m 1h 4h 1d", "http://127.0.0.1:1"]);
    let ran = root.run(&format!("{live} exchange=nosuch")).code(78);
    ran.says(&["`nosuch` is not a venue", "binance, ", "coinbase, ", "kraken, ", "okx"]);
    let live = "run live -p tag=net exchange=kraken feed=http base-url";
    let ran = root.run(&format!("{live}=http://me:hunter2@127.0.0.1:1")).code(78);
    assert!(!ran.stderr.contains("hunter2") && !ran.stdout.contains("hunter2"), "{ran}");
    let files = root.files("data");
    assert!(files.iter().all(|(_, text)| !text.contains("hunter2")), "{files:?}");
    ran.says(&["holds a user or a password", "leave it out"]);
}

#[test]
fn a_venue_that_refuses_connections_at_the_start_is_asked_again_until_told_to_stop() {
    let root = Root::new();
    // Nobody listens there, and no test is given that port.
    let gone = "http://127.0.0.1:1";
    let words = format!("run live -p tag=net exchange=kraken feed=http base-url={gone}");
    let mut run = root.call(&words).start();
    let warned = || -> usize {
        let logs = root.files("data/runs");
        let logs = logs.iter().filter(|(path, _)| path.ends_with("log.jsonl"));
        logs.map(|(_, text)| text.matches("the connection was refused").count()).sum()
    };
    // Three attempts are one question; the fourth belongs to the next one.
    let mut left = 180_000;
    while warned() < 4 && left > 0 {
        nap(Duration::from_millis(1));
        left -= 1;
    }
    assert!(!run.is_over(), "it goes on");
    run.signal("TERM");
    let ran = run.end().warns(&["kraken gave no bars: the connection was refused"]);
    ran.prints(&["0 rows added, the last one is none: asked to stop"]);
    // A simulated venue that is not there can tell no time.
    let ran = root.run(&format!("{words} speed=60x")).code(69);
    ran.says(&["kraken gave no bars: the connection was refused"]);
}

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
