//! The line a heartbeat leaves.

use super::fixture::{AT, empty, well};

const LOG: &str = "data/state/heartbeat/paper.log";
const WORDS: &str = "run heartbeat -p tag=paper exchange=demo at=";

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
    root.run(&format!("{WORDS}{AT}")).ok();
    root.run(&format!("{WORDS}2024-01-01T18:13:00Z scheduler=off")).code(1);
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
    root.run(&format!("{WORDS}{AT}")).ok();
    assert_eq!(root.rows(LOG), 0, "one line, the new one");
    assert_eq!(root.read(&format!("{LOG}.1")).len(), 600_001);
    let none = empty();
    none.root.run(&format!("{WORDS}{AT}")).code(1);
    let log = none.root.read(LOG);
    let next = "runner run jobs/live.toml -p tag=paper exchange=demo symbol=BTC/USD timeframe=5m";
    let line = format!("fail stale=none cadence=0 equity=none risk=none why=ledger next={next}\n");
    assert_eq!(said(&log), line);
}
