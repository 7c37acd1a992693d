//! A real loop on a simulated venue that is stopped in its tracks: its process is there, holds its locks, and does nothing.

use mjolnir::domain::time::UtcMs;

use super::fixture::one;
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
