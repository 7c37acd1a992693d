//! A real loop on a simulated venue that is stopped in its tracks: its process is there, holds its locks, and does nothing.

use mjolnir::domain::time::UtcMs;

use super::fixture::{AT, empty, one, well};
use crate::{
    e2e::fixture::cell,
    support::{runner::Root, sim::Sim},
};

const WORDS: &str = "tag=paper exchange=binance symbol=BTC/USDT timeframe=1m";
const DECISIONS: &str = "data/processed/decisions/paper/BTC_USDT/1m/decisions.csv";
const HEARD: &str = "data/state/live/paper/BTC_USDT/1m.json";

fn last(root: &Root) -> UtcMs {
    let text = root.read(DECISIONS);
    let whole = &text[..text.rfind('\n').unwrap()];
    UtcMs::new(cell(whole, whole.lines().count(), 3).parse().unwrap()).unwrap()
}

fn check(root: &Root, at: UtcMs) -> serde_json::Value {
    root.run(&format!("run healthcheck -p {WORDS} at={} json=1", at.get())).json()
}

#[test]
fn a_frozen_loop_is_alive_and_fails() {
    let root = Root::new();
    let market =
        "protocol=binance symbol=BTC/USDT timeframe=1m from=2024-01-05T00:00:30Z speed=120x";
    let sim = Sim::start(&root, &format!("-p {market}"));
    let feed = format!("feed=http base-url=http://{} speed=120x", sim.address);
    let run = root.call(&format!("run live -p {WORDS} {feed} --run-id live_1")).start();
    root.await_rows(DECISIONS, 5);
    let moving = check(&root, last(&root).plus_ms(30_000));
    assert_eq!(one(&moving, "decisions")["level"], "ok", "{moving}");
    assert_eq!(one(&moving, "writer-lock")["level"], "ok", "{moving}");
    assert_eq!(one(&moving, "live-run")["value"], "running (live_1)");
    assert_eq!(one(&moving, "feed")["level"], "ok", "{moving}");
    run.signal("STOP");
    // One row may have been on its way to the disk.
    let stopped = last(&root);
    for later_ms in [30_000, 5 * 60_000] {
        let frozen = check(&root, stopped.plus_ms(later_ms));
        let lives = [&one(&frozen, "writer-lock")["level"], &one(&frozen, "live-run")["level"]];
        assert_eq!(lives, ["ok", "ok"], "{frozen}");
        let level = if later_ms > 4 * 60_000 { "fail" } else { "ok" };
        assert_eq!(one(&frozen, "decisions")["level"], level, "{frozen}");
        assert_eq!(frozen["level"] == "fail", level == "fail", "{frozen}");
    }
    run.signal("CONT");
    let rows = root.rows(DECISIONS);
    root.await_rows(DECISIONS, rows + 2);
    run.signal("TERM");
    run.end().code(0);
    sim.stop().code(0);
    let heard: serde_json::Value = serde_json::from_str(&root.read(HEARD)).unwrap();
    assert_eq!([&heard["schema"], &heard["run_id"]], ["mjolnir.live/1", "live_1"]);
    assert!(heard["answered_ms"].as_i64().unwrap() >= stopped.get(), "{heard}");
    assert_eq!(root.list("data/state/live/paper/BTC_USDT"), ["1m.json"], "and no unfinished file");
}

#[test]
fn a_loop_goes_on_where_its_state_cannot_be_shown() {
    let root = Root::new();
    root.write("data/state/live", "in the way");
    let market =
        "protocol=binance symbol=BTC/USDT timeframe=1m from=2024-01-05T00:00:30Z speed=600x";
    let sim = Sim::start(&root, &format!("-p {market} --set exchange-sim.faults.server-error=0.5"));
    let feed = format!("feed=http base-url=http://{} speed=600x max-bars=5", sim.address);
    root.run(&format!("run live -p {WORDS} {feed}")).code(0);
    assert_eq!(root.rows(DECISIONS), 5);
    assert_eq!(root.read("data/state/live"), "in the way");
}

const LOG: &str = "data/state/heartbeat/paper.log";
const HEARTBEAT: &str = "run heartbeat -p tag=paper exchange=demo at=";

/// Without the instant it begins with.
fn said(line: &str) -> &str {
    let (at, rest) = line.split_once(' ').unwrap();
    assert!(at.ends_with('Z') && at.len() >= 20, "{line}");
    rest
}

#[test]
fn a_heartbeat_leaves_a_line_and_never_a_long_log() {
    let made = well();
    let root = &made.root;
    root.run(&format!("{HEARTBEAT}{AT}")).ok();
    root.run(&format!("{HEARTBEAT}2024-01-01T18:13:00Z scheduler=off")).code(1);
    let log = root.read(LOG);
    let lines: Vec<&str> = log.lines().map(said).collect();
    let equity = lines[0].split(' ').find_map(|word| word.strip_prefix("equity=")).unwrap();
    assert!(equity.parse::<f64>().unwrap() > 9_000.0, "{log}");
    assert_eq!(
        lines,
        [
            format!("ok stale=180s cadence=14 equity={equity} risk=ACTIVE"),
            format!(
                "fail stale=780s cadence=14 equity={equity} risk=ACTIVE why=decisions next=runner logs live_1"
            ),
        ]
    );
    root.write(LOG, &format!("{}\n", "x".repeat(600_000)));
    root.run(&format!("{HEARTBEAT}{AT}")).ok();
    assert_eq!(root.rows(LOG), 0, "one line, the new one");
    assert_eq!(root.read(&format!("{LOG}.1")).len(), 600_001);
    let none = empty();
    none.root.run(&format!("{HEARTBEAT}{AT}")).code(1);
    let log = none.root.read(LOG);
    let next = "runner run jobs/live.toml -p tag=paper exchange=demo symbol=BTC/USD timeframe=5m";
    let line = format!("fail stale=none cadence=0 equity=none risk=none why=ledger next={next}\n");
    assert_eq!(said(&log), line);
}
