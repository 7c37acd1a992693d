//! A FAIL of eqflat makes the tag stand back, once, until an operator has answered; and the ledger stays provable.

use std::{fs::OpenOptions, os::unix::fs::FileExt as _};

use super::fixture::one;
use crate::{
    e2e::fixture::{NOON, cell, decisions, eqflat, ledger, live},
    support::runner::{Call, Root},
};

const COMMANDS: &str = "data/processed/commands/paper.csv";
const LINE: usize = 80;

/// Puts another byte at the end of a line, while somebody appends to the file. Returns the byte that was there.
fn poke(root: &Root, byte: u8) -> u8 {
    let path = decisions("paper");
    let end: usize = root.read(&path).split_inclusive('\n').take(LINE).map(str::len).sum();
    let file = OpenOptions::new().read(true).write(true).open(root.at(&path)).unwrap();
    let (mut old, at) = ([0], end as u64 - 2);
    file.read_exact_at(&mut old, at).unwrap();
    file.write_all_at(&[byte], at).unwrap();
    old[0]
}

fn prove<'a>(root: &'a Root, runid: &str) -> Call<'a> {
    eqflat(root, "paper", runid).arg("on-fail=reduce")
}

fn await_risk(root: &Root, state: &str) {
    for more in 1..=200 {
        let text = root.read(&decisions("paper"));
        let whole = &text[..text.rfind('\n').unwrap()];
        if cell(whole, whole.lines().count(), 13) == state {
            return;
        }
        let rows = root.rows(&decisions("paper"));
        assert!(more < 200, "never {state}");
        root.await_rows(&decisions("paper"), rows + 1);
    }
}

#[test]
fn c4_c5_a_fail_makes_the_loop_reduce_once_until_it_is_resumed() {
    let root = ledger(NOON);
    let run = live(&root, "paper", "2024-02-09T00:00:00Z").arg("-p").arg("speed=15000x").start();
    root.await_rows(&decisions("paper"), 160);
    prove(&root, "e0").run().ok();
    assert_eq!(root.read(COMMANDS), "", "a PASS orders nothing");
    // What is planned for later is not in force.
    root.run("halt --tag paper --reason later --at 2024-02-08T00:00:00Z").ok();
    let text = root.read(&decisions("paper"));
    let ts_ms = cell(&text, LINE, 3).to_owned();
    let other = if text.lines().nth(LINE - 1).unwrap().ends_with('0') { b'1' } else { b'0' };
    let byte = poke(&root, other);

    let first = prove(&root, "e1").run().code(1);
    let first =
        first.prints(&["Result: FAIL", "order: reduce for tag paper from its next slot on"]);
    let mismatch = format!("first mismatch: layer decision column state_hash ts_ms {ts_ms}");
    let record = root.run("history eqflat --last 1 --json").ok();
    assert!(record.stdout.contains(&format!("FAIL: {mismatch}")), "{first}{record}");
    let log = root.run("logs eqflat").ok();
    assert!(log.stdout.contains("Result: FAIL"), "the result is in the log: {log}");
    await_risk(&root, "REDUCING");
    let words = "no order was given: reduce of eqflat, given at ";
    prove(&root, "e2").run().code(1).prints(&[words, "runner resume --tag paper"]);
    let commands = root.read(COMMANDS);
    assert_eq!(commands.lines().count(), 3, "{commands}");
    assert!(commands.contains(&format!("e1 FAIL: {mismatch}")), "{commands}");
    assert!(commands.trim_end().ends_with(",eqflat"), "{commands}");

    let said = root.run("run healthcheck -p tag=paper exchange=demo json=1").code(1).json();
    let line = one(&said, "eqflat");
    assert_eq!(
        [&line["level"], &line["next"]],
        ["fail", "cat data/reports/eqflat/paper/e2/report.txt"]
    );
    assert!(line["value"].as_str().unwrap().contains(&mismatch), "{line}");
    let risk = one(&said, "risk");
    assert_eq!(risk["level"], "warn");
    assert!(risk["value"].as_str().unwrap().contains("last order: reduce of eqflat"), "{risk}");

    root.call("resume --tag paper --at next --reason").arg("seen").run().ok();
    await_risk(&root, "ACTIVE");
    // By hand nothing is ordered.
    eqflat(&root, "paper", "e3").run().code(1);
    prove(&root, "e4").run().code(1).prints(&["order: reduce for tag paper"]);
    await_risk(&root, "REDUCING");
    // A verdict that is well again does not resume by itself.
    poke(&root, byte);
    prove(&root, "e5").run().ok().prints(&["Result: PASS"]);
    run.signal("TERM");
    run.end().code(143);
    assert_eq!(root.read(COMMANDS).lines().count(), 5);
    // The orders are inputs: the ledger folds, goes on, and is equal to its replay.
    let text = root.read(&decisions("paper"));
    let end = cell(&text, text.lines().count(), 3).parse::<i64>().unwrap() + 3_600_000;
    live(&root, "paper", &end.to_string()).run().ok().prints(&["risk REDUCING"]);
    eqflat(&root, "paper", "e6").run().ok().prints(&["Result: PASS"]);
}
