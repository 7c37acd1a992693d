//! A loop goes on with the model it found at its start: health says when another one came into use, and never calls that a fault.

use serde_json::Value as Json;

use super::fixture::{EVENING, NOON, live, make_current, plant, plant_seeing, root};
use crate::support::runner::Root;

/// What health says of the model of a tag; null when it says nothing.
fn said_of(root: &Root, tag: &str, words: &str) -> Json {
    let call = format!("run healthcheck -p tag={tag} exchange=demo json=1 {words}");
    let document = root.run(&call).json();
    let checks = document["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == "model").cloned().unwrap_or(Json::Null)
}

fn said(root: &Root, words: &str) -> Json {
    said_of(root, "paper", words)
}

/// A warning that says this.
#[track_caller]
fn warns(found: &Json, words: &str, next: &str) {
    assert_eq!(found["level"], "warn", "{found}");
    assert!(found["value"].as_str().unwrap().contains(words), "{words}: {found}");
    assert!(found["next"].as_str().unwrap().starts_with(next), "{found}");
}

#[test]
fn a_loop_that_goes_on_with_an_older_model_is_told_and_follows_when_started_again() {
    let (root, a) = root(3);
    live(&root, NOON).run().ok();
    let well = said(&root, "");
    assert_eq!([&well["level"], &well["value"]], ["ok", a.to_string().as_str()]);
    let b = plant(&root, 4);
    make_current(&root, b);
    let told = format!("{a} speaks, another model is in use, {b}: start the loop again to follow");
    let again = "runner run jobs/live-model.toml -p tag=paper exchange=demo symbol=BTC/USD";
    warns(&said(&root, ""), &told, again);
    // Promotions are written down with their time; of one that is not the model in use nothing is taken.
    let header = "at_ms,event,model,metric,candidate,baseline,run_id";
    let history = |b: &str| {
        let rows = format!("1704153600000,promote,m/{a},,,,r\n1704240000000,promote,m/{b},,,,r\n");
        root.write("data/models/history.csv", &format!("{header}\n{rows}"));
    };
    history("0123456789ab");
    warns(&said(&root, ""), &told, again);
    history(&b.to_string());
    let since = format!("another model is in use since 2024-01-03T00:00:00Z, {b}: start the loop");
    warns(&said(&root, ""), &since, again);
    live(&root, EVENING).run().ok();
    let well = said(&root, "");
    assert_eq!([&well["level"], &well["value"]], ["ok", b.to_string().as_str()]);
    // Going back is another switch that waits for a start.
    make_current(&root, a);
    warns(&said(&root, ""), &format!("{b} speaks, another model is in use, {a}"), again);
}

#[test]
fn a_loop_at_work_is_to_be_stopped_first() {
    let (root, _) = root(3);
    let run = live(&root, "2024-03-01T00:00:00Z").arg("--run-id").arg("live_1");
    let run = run.arg("-p").arg("speed=3000x").start();
    root.await_rows("data/processed/decisions/paper/BTC_USD/5m/timing.csv", 3);
    make_current(&root, plant(&root, 4));
    warns(&said(&root, ""), "start the loop again to follow it", "runner stop live_1");
    run.signal("TERM");
    run.end().code(143);
}

#[test]
fn only_a_ledger_that_follows_the_model_in_use_is_measured_by_it() {
    let (root, a) = root(3);
    let own = format!("model=data/models/m/{a}");
    let words = "run live-model -p tag=own exchange=demo feed=synthetic from=2024-01-01T00:00:00Z";
    root.run(&format!("{words} to={NOON} {own}")).ok();
    live(&root, NOON).run().ok();
    make_current(&root, plant(&root, 4));
    assert_eq!(said_of(&root, "own", ""), Json::Null, "its model was named by itself");
    assert_eq!(said_of(&root, "own", "-P model"), Json::Null, "the manifest of its run says so");
    assert_eq!(said_of(&root, "none", "-P model"), Json::Null, "there is no ledger");
    assert_eq!(said(&root, "at=2024-01-03T12:01:00Z"), Json::Null, "nobody knows of that time");
    assert_eq!(said(&root, "")["level"], "warn");
    // Runs are swept after a while: then the manifest at hand says what is followed.
    root.rename("data/runs", "old-runs");
    assert_eq!(said(&root, ""), Json::Null);
    assert_eq!(said(&root, "-P model")["level"], "warn");
}

#[test]
fn a_model_that_the_ledger_cannot_follow_and_one_that_is_gone_are_told_as_such() {
    let (root, a) = root(3);
    live(&root, NOON).run().ok();
    make_current(&root, plant_seeing(&root, 3, 4));
    let back = "runner run jobs/promote.toml -p rollback=true";
    warns(&said(&root, ""), "this ledger cannot follow it: the model", back);
    root.remove("data/models/current");
    let told =
        format!("deciding with {a}; cannot read the current model: data/models/current is missing");
    warns(&said(&root, ""), &told, "cat data/models/current");
}
