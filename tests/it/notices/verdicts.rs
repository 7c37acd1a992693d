//! Notices of what may need a person at once: a change of risk, and a proof that says something else. Against the real loop, the real proof
//! and a real receiver.

use serde_json::Value;

use super::{fixture::store, ledgers::root};
use crate::{
    e2e::fixture::{EVENING, NOON, decisions, eqflat, live},
    serve::fixture::{serve, until, until_up},
    support::{
        http::{Reply, Server},
        runner::{Root, Running},
    },
};

/// The places from which the service has to look on.
const PLACES: [&str; 2] = ["live/paper/demo/BTC_USD/5m/risk", "live/paper/demo/BTC_USD/5m/proof"];

fn service(root: &Root, server: &Server) -> Running {
    let call = serve(root, "").env("DATA_TAG", "paper").env("CCXT_EXCHANGE", "demo");
    let running = call.env("MJOLNIR_NOTIFY_URL", &server.url()).start();
    until_up(root, &running);
    until("it has looked", || {
        let store = store(root);
        PLACES.iter().all(|place| store.notice_place(place).is_ok_and(|found| found.is_some()))
    });
    running
}

/// The events of one kind that arrived, each with the message it came in.
fn arrived(server: &Server, kind: &str) -> Vec<(Value, Value)> {
    let mut found = Vec::new();
    for asked in server.asked() {
        let body: Value = serde_json::from_str(&asked.body).unwrap();
        let many = body["events"].as_array().cloned();
        for event in many.unwrap_or_else(|| vec![body.clone()]) {
            if event["event"] == kind {
                found.push((event, body.clone()));
            }
        }
    }
    found
}

/// Slots at which the risk state changed, and to what, as awk reads the ledger.
fn changes(root: &Root) -> Vec<String> {
    let program = "NR > 2 && $14 != last {print $4 \" \" $14} NR > 1 {last = $14}";
    let ran = root.shell(&format!("awk -F, '{program}' {}", decisions("paper"))).code(0);
    ran.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn a_change_of_risk_is_told_once_with_who_and_why_also_when_nobody_watched() {
    let (root, server) = (root(), Server::start(|_, _| Reply::new("200 OK", "ok")));
    live(&root, "paper", NOON).run().ok();
    let first = service(&root, &server);
    let halt = root.call("halt --tag paper --at next --who ann --reason").arg("storm, \"odd\"");
    halt.run().ok();
    live(&root, "paper", "2024-01-01T13:00:00Z").run().ok();
    until("the halt is told", || arrived(&server, "risk").len() == 1);
    first.signal("KILL");
    first.end();
    root.run("resume --tag paper --at next --who bob --reason calm").ok();
    live(&root, "paper", "2024-01-01T14:00:00Z").run().ok();
    // Two services, one after the other: the change is told by the first of them.
    for _ in 0..2 {
        let running = service(&root, &server);
        until("the end of the halt is told", || arrived(&server, "risk").len() == 2);
        running.signal("TERM");
        running.end().code(0);
    }
    let all = arrived(&server, "risk");
    let seen: Vec<String> = all
        .iter()
        .map(|(event, _)| format!("{} {}", event["ts_ms"], event["state"].as_str().unwrap()))
        .collect();
    assert_eq!(seen, changes(&root), "{all:?}");
    let (halted, message) = &all[0];
    assert_eq!((&halted["before"], &halted["tag"]), (&"ACTIVE".into(), &"paper".into()));
    assert_eq!(halted["why"], "halt of ann: storm, \"odd\"");
    let text = message["text"].as_str().unwrap();
    for part in ["risk of BTC/USD is HALTED, it was ACTIVE: halt of ann", "runner why --tag paper"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(all[1].0["why"], "resume of bob: calm");
}

#[test]
fn a_limit_that_trips_is_told_with_its_name() {
    let (root, server) = (root(), Server::start(|_, _| Reply::new("200 OK", "ok")));
    let market = root.read("profiles/market.toml");
    root.write("profiles/market.toml", &market.replace("[risk]", "[risk]\ndaily-loss-max = 1"));
    let running = service(&root, &server);
    live(&root, "paper", EVENING).run().ok();
    until("the trip is told", || !arrived(&server, "risk").is_empty());
    running.signal("TERM");
    running.end().code(0);
    let all = arrived(&server, "risk");
    assert_eq!((all.len(), changes(&root).len()), (1, 1), "{all:?}");
    assert_eq!(all[0].0["state"], "REDUCING");
    let (change, message) = &all[0];
    assert!(change["why"].as_str().unwrap().starts_with("a limit tripped, at equity "), "{change}");
    // The command that it ends with names the limit.
    let (_, command) = message["text"].as_str().unwrap().rsplit_once("next: runner ").unwrap();
    let why = root.run(&format!("{command} live -p tag=paper exchange=demo")).ok();
    why.prints(&["risk: REDUCING (risk:daily_loss)\n"]);
}

#[test]
fn a_proof_is_told_when_it_says_something_else_than_the_one_before_it() {
    let (root, server) = (root(), Server::start(|_, _| Reply::new("200 OK", "ok")));
    root.write("jobs/eqflat.toml", include_str!("../../../jobs/eqflat.toml"));
    live(&root, "paper", NOON).run().ok();
    eqflat(&root, "paper", "first").run().ok();
    let running = service(&root, &server);
    let seen = || store(&root).notice_place(PLACES[1]).unwrap().map(|place| place.ts_ms);
    let before = seen();
    eqflat(&root, "paper", "same").run().ok();
    until("the second PASS is seen", || seen() > before);
    // The replay with another setting is another ledger.
    eqflat(&root, "paper", "other").arg("fast=7").run().code(1);
    until("the FAIL is told", || arrived(&server, "proof").len() == 1);
    running.signal("KILL");
    running.end();
    eqflat(&root, "paper", "again").run().ok();
    for _ in 0..2 {
        let running = service(&root, &server);
        until("the PASS is told", || arrived(&server, "proof").len() == 2);
        running.signal("TERM");
        running.end().code(0);
    }
    let all = arrived(&server, "proof");
    assert_eq!(all.len(), 2, "{all:?}");
    let (fail, message) = &all[0];
    assert_eq!((&fail["verdict"], &fail["before"]), (&"FAIL".into(), &"PASS".into()));
    assert!(fail["mismatch"].as_str().unwrap().contains("feat_hash"), "{fail}");
    let text = message["text"].as_str().unwrap();
    assert!(text.contains("the proof of BTC/USD says FAIL, it was PASS; "), "{text}");
    // The command that it ends with shows it.
    let path = fail["path"].as_str().unwrap();
    assert!(text.ends_with(&format!("verify it: runner verify {path}")), "{text}");
    root.run(&format!("verify {path}")).ok().prints(&["the proof holds"]);
    assert_eq!((&all[1].0["verdict"], &all[1].0["before"]), (&"PASS".into(), &"FAIL".into()));
}
