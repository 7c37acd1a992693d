//! C16 after a clock that was ahead: what it silenced is told everywhere, and one verb takes it back.

use std::{net::SocketAddr, path::Path};

use mjolnir::store::runs::RunState;

use super::fixture::{end, runs, until, until_count, until_up, with};
use crate::{
    notices::pages::get,
    support::{runner::Root, skip::skip},
};

const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
const HEALTH: &str = "manifest = 1\nname = 'health'\nkind = 'healthcheck'\n[market]\nexchange = 'demo'\n\
    symbol = 'BTC/USD'\ntimeframe = '5m'\n[healthcheck]\ntag = 'none'\nscheduler = 'required'\neqflat = false\n";

/// Sets the clock of the service. In one step: who finds the file empty ends.
fn set(root: &Root, ahead: &str) {
    root.write("now.next", &format!("{ahead}\n"));
    root.rename("now.next", "now");
}

/// Where a service listens, as its document says.
fn address(root: &Root) -> SocketAddr {
    let text = root.read("data/state/scheduler.json");
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    document["listen"].as_str().unwrap().parse().unwrap()
}

/// How many runs of the job had a process.
fn ran(root: &Root) -> usize {
    runs(root).iter().filter(|run| run.pid.is_some() && run.job == "j").count()
}

#[test]
fn c16_a_clock_that_was_a_year_ahead_is_told_and_taken_back_by_one_verb() {
    if !Path::new(FAKETIME).exists() {
        skip("faketime", &format!("{FAKETIME} is not there; the package is libfaketime"));
        return;
    }
    let root = with("true", "[[schedule]]\ncron = \"0 * * * *\"\ncatch-up = \"latest\"");
    set(&root, "+0");
    let service = root.call("serve --listen 127.0.0.1:0").env("LD_PRELOAD", FAKETIME);
    let service = service
        .env("FAKETIME_TIMESTAMP_FILE", root.at("now").to_str().unwrap())
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .start();
    until_up(&root, &service);
    let at = address(&root);
    assert!(get(at, "/readyz").contains(" 200 "));
    // 364 days, and what the last slot may be behind.
    set(&root, "+8738h");
    until_count(&root, "j", RunState::Succeeded, 1);
    set(&root, "+0");
    // Everything is asked by those who have the right time.
    let told = "watermark 364d ahead of the clock";
    until("it is not ready", || get(at, "/readyz").contains(" 503 "));
    let ready = get(at, "/readyz");
    assert!(ready.contains(told) && ready.contains("j.1"), "{ready}");
    root.run("status").code(0).prints(&[&format!("scheduler fail: {told}"), "runner rewind"]);
    root.run("next").code(0).prints(&[told]);
    root.write("jobs/health.toml", HEALTH);
    until("health says so", || root.run("run health").stdout.contains(told));
    root.run("run health").code(1).prints(&["scheduler", "runner rewind"]);
    let before = ran(&root);
    root.call("rewind --who ann --reason").arg("a year ahead").run().code(0).prints(&["rewind_"]);
    root.call("rewind --reason").arg("again").run().code(4);
    root.run("history rewind --json").code(0).prints(&["ann", "a year ahead"]);
    until("it is ready", || get(at, "/readyz").contains(" 200 "));
    let status = root.run("status").code(0);
    assert!(!status.stdout.contains("fail:"), "{status}");
    assert_eq!(ran(&root), before, "nothing was run");
    // And it is not silent: the next slots come in their time.
    set(&root, "+2h");
    until("the next slot runs", || ran(&root) > before);
    end(service).code(0);
    let mut slots: Vec<_> = runs(&root).into_iter().filter_map(|run| run.due).collect();
    let all = slots.len();
    slots.sort();
    slots.dedup();
    assert_eq!(slots.len(), all, "one record for each slot");
}
