//! The loop that follows a model over the network: killed at work and started again with another model, its ledger is proved by its replay.

use super::fixture::{make_current, plant};
use crate::{
    e2e::fixture::cell,
    support::{runner::Root, sim::Sim},
};

const DECISIONS: &str = "data/processed/decisions/net/BTC_USD/1m/decisions.csv";
const COMMANDS: &str = "data/processed/commands/net.csv";
/// A bar of one minute takes ten milliseconds.
const SPEED: &str = "speed=6000x";
/// Rows of each life.
const ROWS: usize = 60;

/// How many of some lines have a score.
fn scored(text: &str, lines: std::ops::RangeInclusive<usize>) -> usize {
    lines.filter(|line| !cell(text, *line, 7).is_empty()).count()
}

#[test]
fn killed_at_work_and_started_again_with_another_model_the_ledger_is_proved() {
    let root = Root::new();
    let (a, b) = (plant(&root, 3), plant(&root, 4));
    make_current(&root, a);
    let from = "from=2024-01-05T12:00:30Z";
    let sim = Sim::start(&root, &format!("-p protocol=binance timeframe=1m {from} {SPEED}"));
    let series = "exchange=binance timeframe=1m";
    let words = format!("run live-model -p tag=net {series} feed=http {SPEED}");
    let live = || root.call(&format!("{words} base-url=http://{}", sim.address)).start();

    let first = live();
    root.await_rows(DECISIONS, ROWS);
    first.signal("KILL");
    assert_eq!(first.end().code, 137, "it was killed at work");
    assert_eq!(root.rows(COMMANDS), 0, "nothing was switched");
    let before = root.read(DECISIONS);
    let whole = before.rfind('\n').unwrap() + 1;

    make_current(&root, b);
    let second = live();
    root.await_rows(DECISIONS, root.rows(DECISIONS) + ROWS);
    second.signal("TERM");
    let ran = second.end().code(0).prints(&["asked to stop"]);
    assert!(!ran.stderr.contains("ERROR"), "{ran}");
    sim.stop().code(0);

    let text = root.read(DECISIONS);
    assert!(text.starts_with(&before[..whole]), "what was decided stays");
    let (last, lines) = (before[..whole].lines().count(), text.lines().count());
    assert!(scored(&text, 2..=last) >= ROWS / 2, "the first model spoke");
    assert!(scored(&text, last + 1..=lines) >= ROWS / 2, "and the second one");
    let commands = root.read(COMMANDS);
    let rows: Vec<&str> = commands.lines().skip(1).collect();
    let last_ms: i64 = cell(&text, last, 3).parse().unwrap();
    let switch = format!("{},model:{b},it takes the place of {a}: ", last_ms + 1);
    assert!(rows.len() == 1 && rows[0].starts_with(&switch), "{rows:?}");

    let proof = format!("run eqflat -P model -p tag=net runid=e1 {series}");
    let proved = root.run(&proof).ok();
    proved.prints(&["[decisions] PASS\n[trades] PASS\n", "Result: PASS\n"]);
    // Without the switch it would not be the same: the other model says something else.
    root.write(COMMANDS, &format!("{}\n", commands.lines().next().unwrap()));
    root.run(&proof.replace("e1", "e2")).code(1);
}
