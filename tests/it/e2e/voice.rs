//! What a loop says off a terminal: every event with time and level, in its log as well; and nothing where recorded bars fly by.

use super::fixture::{NOON, decisions, ledger, live};
use crate::support::runner::Root;

/// The lines of a log that begin with a time, without it: `INFO text`.
fn timed(text: &str) -> Vec<String> {
    let line = |line: &str| {
        let (time, rest) = line.split_once('Z')?;
        let is_time = time.len() == "2026-11-30T03:00:00".len() && time.as_bytes()[10] == b'T';
        is_time.then(|| rest.trim_start().to_owned())
    };
    text.lines().filter_map(line).collect()
}

#[test]
fn every_event_of_a_loop_is_a_line_with_time_and_level_and_stands_in_its_log() {
    let root = Root::new();
    root.run("run live -p tag=paper exchange=demo feed=synthetic from=2024-01-01T00:00:00Z to=2024-01-01T00:05:00Z")
        .ok();
    root.call("halt --tag paper --at 2024-01-01T20:00:00Z --who eva --reason")
        .arg("a drill")
        .run()
        .ok();
    let ran = live(&root, "paper", "2024-01-02T00:00:00Z").arg("-p").arg("speed=60000x").run();
    let ran = ran.code(0);
    let lines = timed(&ran.stderr);
    let has = |word: &str| lines.iter().any(|line| line.contains(word));
    for word in [
        "INFO live starts: tag paper, demo BTC/USD 5m, feed synthetic, run live_",
        " rows folded and proved",
        ": enter_long (",
        ": opened long ",
        "INFO slot 2024-01-01T20:00:00Z: obeys halt of eva: a drill",
        "WARN slot 2024-01-01T20:00:00Z: risk is HALTED, it was ACTIVE",
        "INFO slot 2024-01-01T20:00:00Z: no decision: halted",
        "INFO slot 2024-01-01T20:05:00Z: no decision: halted, 2 slots in a row since 2024-01-01T20:00:00Z",
    ] {
        assert!(has(word), "no line `{word}`: {ran}");
    }
    // Each is there once: as many as the ledger has.
    let ledger = root.read(&decisions("paper"));
    let of = |word: &str, text: &str| text.matches(word).count();
    let said = |word: &str| lines.iter().filter(|line| line.contains(word)).count();
    assert_eq!(said(": enter_"), of(",enter_", &ledger), "{ran}");
    assert_eq!(said(": exit ("), of(",exit,", &ledger), "{ran}");
    assert_eq!(said("bar_missing") > 0, of(",bar_missing,", &ledger) > 0, "{ran}");
    let trades = root.read(&super::fixture::trades("paper"));
    assert_eq!(said(": opened "), of(",open,", &trades), "{ran}");
    assert_eq!(said(": closed ") + said(": stopped out of "), of(",close,", &trades), "{ran}");
    // The log of the run has the same lines, and how it ended.
    let log = root.run("logs live").ok();
    for line in &lines {
        let text = line.split_once(' ').map_or("", |(_, text)| text.trim_start());
        assert!(log.stdout.contains(text), "the log lacks `{text}`: {log}");
    }
    log.prints(&["rows added, the last one is ", "trades: ", "risk HALTED"]);
}

#[test]
fn recorded_bars_at_full_speed_are_told_by_a_summary() {
    let root = ledger(NOON);
    let ran = live(&root, "paper", "2024-01-02T00:00:00Z").run().ok();
    let lines = timed(&ran.stderr);
    assert!(lines.len() <= 3, "its start, and what it found: {ran}");
    ran.prints(&["144 rows added", "trades: ", " opened, ", " of them by a stop; "]);
}

#[test]
fn a_window_before_the_ledger_is_called_what_it_is() {
    let root = Root::new();
    let from = |from: &str, to: &str| {
        root.run(&format!("run live -p tag=paper exchange=demo feed=synthetic from={from} to={to}"))
    };
    from("2024-01-02T00:00:00Z", "2024-01-02T02:00:00Z").ok();
    let before = from("2024-01-01T00:00:00Z", "2024-01-01T02:00:00Z").ok();
    before.prints(&[
        "0 rows added",
        "the window ends at 2024-01-01T02:00:00Z, and the ledger of tag paper begins later, at 2024-01-02T00:00:00Z",
        "take another tag",
    ]);
    let inside = from("2024-01-02T00:00:00Z", "2024-01-02T01:00:00Z").ok();
    inside.prints(&["was decided before this start", "give a later live.to"]);
}

#[test]
fn a_ledger_without_a_row_is_called_what_it_is() {
    let root = Root::new();
    root.write(&decisions("paper"), &format!("{}\n", super::fixture::HEADER));
    root.run("run eqflat -p tag=paper exchange=demo")
        .code(4)
        .says(&["has no row yet", "runner status"]);
    let call = root.call("run check -p tag=paper exchange=demo --set");
    let ran = call.arg("check.only=[\"state\"]").run();
    assert!(ran.stdout.contains("tag paper does not have a decision of demo BTC/USD 5m"), "{ran}");
}
