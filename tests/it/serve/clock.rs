//! C16 when somebody sets the clock of the machine while the service works.

use std::path::Path;

use mjolnir::store::runs::RunState;

use super::fixture::{assert_unbroken, end, runs, serve, until, until_count, until_up, with};
use crate::support::runner::Root;

/// Sets the clock of the service. In one step: who finds the file empty ends.
fn set(root: &Root, ahead: &str) {
    root.write("now.next", &format!("{ahead}\n"));
    root.rename("now.next", "now");
}

const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

#[test]
#[expect(clippy::print_stderr, reason = "a test says why it is skipped")]
fn c16_a_clock_that_is_set_ahead_and_back_neither_loses_nor_repeats_a_slot() {
    if !Path::new(FAKETIME).exists() {
        eprintln!("skipped: {FAKETIME} is not there; the package is libfaketime");
        return;
    }
    let root = with("true", "[[schedule]]\ncron = \"* * * * *\"\ncatch-up = \"latest\"");
    set(&root, "+0");
    let service = serve(&root, "")
        .env("LD_PRELOAD", FAKETIME)
        .env("FAKETIME_TIMESTAMP_FILE", root.at("now").to_str().unwrap())
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .start();
    until_up(&root, &service);
    set(&root, "+3h");
    until_count(&root, "j", RunState::Missed, 178);
    until_count(&root, "j", RunState::Succeeded, 1);
    // Long enough that the waker has seen this clock too.
    for _ in 0..2 {
        let document = root.read("data/state/scheduler.json");
        until("another document", || root.read("data/state/scheduler.json") != document);
    }
    let before = runs(&root).len();
    set(&root, "+1h");
    let log = || root.read("data/state/scheduler.log");
    until("it is said", || log().contains("the clock was set back"));
    // The waker follows the clock and falls silent.
    until("another waker", || log().contains("the waker fell silent"));
    assert!(runs(&root).len() >= before, "what was decided stays decided");
    set(&root, "+4h");
    // Records are counted, not runs that succeeded: real minutes pass here too, and each of them brings one.
    until("four hours are decided", || runs(&root).len() >= 239);
    end(service).code(0);
    assert!(assert_unbroken(&root, "j.1", 60_000) >= 239);
}
