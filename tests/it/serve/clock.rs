//! C16 when somebody sets the clock of the machine while the service works.

use std::path::Path;

use mjolnir::store::runs::RunState;

use super::fixture::{assert_unbroken, end, runs, serve, until, until_count, until_up, with};
use crate::support::{
    runner::{Root, Running},
    skip::skip,
};

/// Sets the clock of the service. In one step: who finds the file empty ends.
fn set(root: &Root, ahead: &str) {
    root.write("now.next", &format!("{ahead}\n"));
    root.rename("now.next", "now");
}

const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// A service that goes by a clock that can be set; `None` without the tool for it.
fn by_a_clock_that_is_set(root: &Root) -> Option<Running> {
    if !Path::new(FAKETIME).exists() {
        skip("faketime", &format!("{FAKETIME} is not there; the package is libfaketime"));
        return None;
    }
    set(root, "+0");
    let service = serve(root, "")
        .env("LD_PRELOAD", FAKETIME)
        .env("FAKETIME_TIMESTAMP_FILE", root.at("now").to_str().unwrap())
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .start();
    until_up(root, &service);
    Some(service)
}

#[test]
fn c16_a_clock_that_is_set_ahead_and_back_neither_loses_nor_repeats_a_slot() {
    let root = with("true", "[[schedule]]\ncron = \"* * * * *\"\ncatch-up = \"latest\"");
    let Some(service) = by_a_clock_that_is_set(&root) else { return };
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

#[test]
fn c16_what_a_clock_that_was_ahead_silenced_is_said_and_taken_back_and_nothing_is_run_twice() {
    let root = with("true", "[[schedule]]\nevery = \"1s\"\ncatch-up = \"none\"");
    let Some(service) = by_a_clock_that_is_set(&root) else { return };
    until_count(&root, "j", RunState::Succeeded, 1);
    set(&root, "+20m");
    until_count(&root, "j", RunState::Missed, 1_100);
    set(&root, "+0");
    let log = || root.read("data/state/scheduler.log");
    until("it is said", || log().contains("ahead of the clock: the clock was set back"));
    root.run("status").ok().prints(&[
        "scheduler fail: watermark ",
        "m ahead of the clock",
        "silent until",
    ]);
    root.run("next j").ok().prints(&["silent until", "m ahead of the clock"]);
    root.call("rewind --who eva --reason").arg("").run().code(2);
    let ran = root.call("rewind --who eva --reason").arg("a wrong clock").run().ok();
    ran.prints(&[
        "j.1: was decided up to",
        "records of slots to come that were not run are taken back",
    ]);
    root.call("rewind --reason")
        .arg("again")
        .run()
        .code(4)
        .says(&["no schedule is decided beyond"]);
    let told = root.run("history rewind --json").ok();
    told.prints(&["by eva: a wrong clock"]);
    assert!(!root.run("status").ok().stdout.contains("fail"));
    let done = || runs(&root).iter().filter(|run| run.state == RunState::Succeeded).count();
    let before = done();
    until("it goes on", || done() > before + 3);
    end(service).code(0);
    let slots: Vec<_> = runs(&root).into_iter().filter_map(|run| run.due).collect();
    let unique: std::collections::BTreeSet<_> = slots.iter().collect();
    assert_eq!(unique.len(), slots.len(), "one record for each slot");
}
