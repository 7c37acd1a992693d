//! Orders of the operator: given while the loop is at work, obeyed at the next slot, replayed by the proof.

use super::fixture::{EVENING, NOON, cell, decisions, eqflat, ledger, live};
use crate::support::runner::{Call, Root, Running};

/// The end of the window, which nobody waits for.
const FAR: &str = "2024-04-01T00:00:00Z";

/// A day after the last decided slot.
fn next_day(root: &Root) -> String {
    let text = root.read(&decisions("paper"));
    let last: i64 = cell(&text, text.lines().count(), 3).parse().unwrap();
    (last + 86_400_000).to_string()
}

fn at_work(root: &Root, speed: &str) -> Running {
    let call = live(root, "paper", FAR).arg("-p").arg(&format!("speed={speed}"));
    let before = root.rows(&decisions("paper"));
    let run = call.start();
    root.await_rows(&decisions("paper"), before + 3);
    run
}

fn order<'a>(root: &'a Root, verb: &str, reason: &str) -> Call<'a> {
    root.call(&format!("{verb} --tag paper --who eva --at next --reason")).arg(reason)
}

/// Risk states in the order in which they begin.
fn risk_states(root: &Root) -> Vec<String> {
    let text = root.read(&decisions("paper"));
    let mut states: Vec<String> =
        (2..=text.lines().count()).map(|line| cell(&text, line, 13).to_owned()).collect();
    states.dedup();
    states
}

#[test]
fn halt_reduce_resume_and_flatten_are_obeyed_at_the_next_slot_and_replayed() {
    let root = ledger(NOON);
    let run = at_work(&root, "15000x");
    for (verb, state) in [
        ("halt", "HALTED"),
        ("resume", "ACTIVE"),
        ("reduce", "REDUCING"),
        ("resume", "ACTIVE"),
        ("flatten", "HALTED"),
    ] {
        let ran = order(&root, verb, "a drill").run().ok();
        ran.prints(&[
            &format!("{verb} for tag paper: takes effect at the first slot"),
            "(last decided: ",
        ]);
        let before = root.rows(&decisions("paper"));
        root.await_rows(&decisions("paper"), before + 3);
        assert_eq!(risk_states(&root).last().map(String::as_str), Some(state), "after {verb}");
    }
    run.signal("TERM");
    run.end().ok();
    let text = root.read(&decisions("paper"));
    let last = text.lines().count();
    assert_eq!([4, 5, 8].map(|column| cell(&text, last, column)), ["skip", "halted", "flat"]);
    // A trip and a halt outlive the process.
    live(&root, "paper", &next_day(&root)).run().ok();
    assert_eq!(risk_states(&root), ["ACTIVE", "HALTED", "ACTIVE", "REDUCING", "ACTIVE", "HALTED"]);
    eqflat(&root, "paper", "e1").run().ok().prints(&["Result: PASS"]);
    let commands = root.read("data/processed/commands/paper.csv");
    assert_eq!(commands.lines().count(), 6, "{commands}");
    assert!(commands.lines().skip(1).all(|row| row.ends_with(",a drill,eva")), "{commands}");
}

#[test]
fn orders_given_at_any_moment_never_come_behind_a_decided_slot() {
    let root = ledger(NOON);
    let mut run = at_work(&root, "400000x");
    let mut given = 0;
    while !run.is_over() && given < 60 {
        let verb = ["halt", "resume"][given % 2];
        order(&root, verb, "as fast as I can").run().ok();
        given += 1;
    }
    assert!(given > 5, "the loop was over after {given} orders");
    run.signal("TERM");
    run.end().ok();
    live(&root, "paper", &next_day(&root)).run().ok();
    eqflat(&root, "paper", "e1").run().ok().prints(&["Result: PASS"]);
}

#[test]
fn orders_nobody_could_obey_are_refused() {
    let root = ledger(NOON);
    order(&root, "halt", " ").run().code(2).says(&["--reason is empty"]);
    root.run("halt --tag paper").code(2).says(&["--reason"]);
    root.run("halt --reason x").code(2).says(&["give --tag, or set DATA_TAG"]);
    root.run("halt --tag ../x --reason y").code(2).says(&["--tag: tag `../x`"]);
    root.run("halt --tag nobody --reason y")
        .code(4)
        .says(&["tag nobody has no ledger that could obey; tags with one: paper"]);
    root.run("halt --tag paper --reason y --at yesterday").code(2).says(&["--at", "yesterday"]);
    root.run(&format!("halt --tag paper --reason y --at {NOON}"))
        .code(2)
        .says(&["is too early: slots up to 2024-01-01T12:00:00Z are decided"]);
    assert_eq!(root.read("data/processed/commands/paper.csv"), "");
    let told = root.call("resume --reason y --json").env("DATA_TAG", "paper").run().ok().json();
    assert_eq!([&told["tag"], &told["command"]], ["paper", "resume"]);
}

#[test]
fn an_order_waits_for_its_time() {
    let root = ledger(NOON);
    root.run("halt --tag paper --reason y --at 2024-01-01T15:02:00Z").ok();
    live(&root, "paper", EVENING).run().ok();
    let text = root.read(&decisions("paper"));
    let first = (2..=text.lines().count()).find(|line| cell(&text, *line, 13) == "HALTED").unwrap();
    assert_eq!(cell(&text, first, 3), "1704121500000", "15:05");
    eqflat(&root, "paper", "e1").run().ok().prints(&["Result: PASS"]);
}
