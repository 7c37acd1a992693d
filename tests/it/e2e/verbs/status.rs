//! `runner status`.

use mjolnir::{
    clock::{Clock as _, SystemClock},
    domain::time::UtcMs,
    store::{
        lock::{Lock, Owner},
        runs::RunState,
    },
};

use super::{
    super::fixture::{NOON, ledger},
    fixture::{alive, record, recorded, store},
};
use crate::support::runner::Root;

fn ago(ms: i64) -> i64 {
    SystemClock.now().get() - ms
}

fn tick(root: &Root, tick_ms: i64) {
    let text = format!(
        "{{\"schema\": \"mjolnir.scheduler/1\", \"pid\": 12, \"build\": \"0.1.0-abc\", \"started_ms\": {}, \"tick_ms\": {tick_ms}, \
         \"listen\": \"127.0.0.1:9100\", \"rebuilds\": 0}}",
        ago(7_200_000)
    );
    root.write("data/state/scheduler.json", &text);
}

fn service(root: &Root) -> Lock {
    let owner =
        Owner { pid: 12, run_id: "x".parse().unwrap(), job: "serve".into(), since: UtcMs::EPOCH };
    root.write("data/state/scheduler.lock", "");
    Lock::take(&root.at("data/state/scheduler.lock"), &owner).unwrap()
}

#[test]
fn everything_is_shown_at_a_glance() {
    let root = ledger(NOON);
    root.write(
        "jobs/night.toml",
        "manifest = 1\nname = 'night'\nkind = 'exec'\n[exec]\nrun = ['true']\n[[schedule]]\nid = 'x'\nevery = '1h'\n",
    );
    let mut queued = record("q1", "night", RunState::Queued, ago(65_000));
    queued.due = Some(("night.x".into(), UtcMs::new(ago(65_000)).unwrap()));
    recorded(&root, &[queued]);
    let _run = alive(&root, "r1", "slow", 7);
    let db = rusqlite::Connection::open(root.at("data/runs/runs.sqlite")).unwrap();
    db.execute("INSERT INTO incidents VALUES ('fetch/run', ?1, ?1, 3, 'r9', NULL)", [ago(60_000)])
        .unwrap();
    root.run("pause night --reason moving --who eva").ok();
    tick(&root, ago(2_000));
    let lock = service(&root);
    let ran = root.run("status").ok();
    let ran = ran.prints(&[
        "service  up, last tick ",
        "s ago, started ",
        "pid 12, build 0.1.0-abc, listens on 127.0.0.1:9100",
        "  running  r1  slow ",
        "  queued   q1  night  1m ",
        "  night.x        queued 1m ",
        "paused by eva: moving",
        "  fetch run  ",
        "  3 times",
        "  paper  demo BTC/USD 5m  down  ",
        "  equity ",
        "  ACTIVE  decided 2024-01-01T12:00:00Z (",
    ]);
    // Its start takes time too.
    let seconds = ran.stdout.split("last tick ").nth(1).and_then(|rest| rest.split("s ago").next());
    let seconds: u32 = seconds.unwrap().parse().unwrap();
    assert!((2..20).contains(&seconds), "{ran}");
    let json = root.run("status --json").ok().json();
    assert_eq!(json["service"]["state"], "up");
    assert!(json["service"]["tick_age_ms"].as_i64().is_some_and(|age| age >= 2_000), "{json}");
    assert_eq!(json["service"]["tick"]["pid"], 12);
    assert_eq!([&json["runs"][0]["run_id"], &json["runs"][1]["run_id"]], ["r1", "q1"]);
    let schedules = json["schedules"].as_array().unwrap();
    let night = schedules.iter().find(|s| s["schedule"] == "night.x").unwrap();
    assert_eq!(night["last"]["run_id"], "q1");
    assert_eq!(night["paused"]["reason"], "moving");
    assert_eq!(json["incidents"][0]["times"], 3);
    assert_eq!(json["loops"][0]["last_decided_ms"], 1_704_110_400_000_i64);
    let row = root.read(&super::super::fixture::decisions("paper"));
    let cells: Vec<&str> = row.lines().last().unwrap().split(',').collect();
    let told = ["position", "equity", "risk"].map(|key| json["loops"][0][key].clone());
    assert_eq!(told, [cells[8], cells[12], cells[13]], "{row}");
    assert_eq!(json["loops"][0]["up"], false);
    tick(&root, ago(60_000));
    root.run("status").ok().prints(&["service  hangs, last tick 1m"]);
    drop(lock);
    root.run("status").ok().prints(&["service  down, last tick 1m"]);
}

#[test]
fn a_service_that_never_was_and_documents_that_lack_everything_are_no_error() {
    let root = Root::new();
    root.run("status").code(4).says(&["nothing has run here", "data does not exist"]);
    assert_eq!(root.run("status --json").code(4).json()["exit"], 4);
    root.write("data/state/x", "");
    root.run("status")
        .ok()
        .prints(&["service  down, no tick is recorded", "runs     none goes on"]);
    for text in ["{}", "[1]", "{\"pid\": \"x\", \"tick_ms\": -5}", "not json", ""] {
        root.write("data/state/scheduler.json", text);
        root.run("status").ok().prints(&["service  down"]);
        assert_eq!(root.run("status --json").ok().json()["service"]["up"], false);
    }
    root.write("jobs/bad.toml", "manifest = 1\n");
    root.run("status").ok().prints(&["invalid  jobs/bad.toml: `runner check` says why"]);
    drop(store(&root));
    assert_eq!(root.run("status --json").ok().json()["runs"].as_array().map(Vec::len), Some(0));
}
