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
    run.end().code(143);
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
    run.end().code(143);
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
    // The loop lives in recorded time: now is years behind its last slot, or before it.
    for at in ["", " --at now"] {
        root.run(&format!("flatten --tag paper --reason y{at}")).code(2).says(&[
            "lives in recorded or simulated time",
            "runner flatten --tag paper --at next --reason",
        ]);
    }
    assert_eq!(root.read("data/processed/commands/paper.csv"), "");
    let told = root.call("resume --reason y --at next --json").env("DATA_TAG", "paper").run();
    let told = told.ok().json();
    assert_eq!([&told["tag"], &told["command"]], ["paper", "resume"]);
    assert_eq!(told["line"], 2);
}

#[test]
fn c17_a_command_for_now_is_not_put_off_by_one_that_is_planned() {
    let root = ledger(NOON);
    let run = at_work(&root, "15000x");
    let planned = |verb: &str, at: &str| {
        root.run(&format!("{verb} --tag paper --who eva --reason maintenance --at {at}")).ok();
    };
    planned("halt", "2024-03-30T00:00:00Z");
    planned("resume", "2024-03-31T00:00:00Z");
    for (verb, state) in [("reduce", "REDUCING"), ("resume", "ACTIVE"), ("flatten", "HALTED")] {
        order(&root, verb, "at once").run().ok().prints(&[
            &format!("{verb} for tag paper: takes effect"),
            "planned for later: halt at 2024-03-30T00:00:00Z; to take it back: runner revoke 2 --tag paper",
            "planned for later: resume at 2024-03-31T00:00:00Z",
        ]);
        let rows = root.rows(&decisions("paper"));
        root.await_rows(&decisions("paper"), rows + 3);
        assert_eq!(risk_states(&root).last().map(String::as_str), Some(state), "after {verb}");
    }
    let list = root.run("commands --tag paper").ok();
    assert_eq!(list.stdout.lines().count(), 2, "{list}");
    list.prints(&["2  2024-03-30T00:00:00Z  halt    planned  eva  maintenance"]);
    root.run("revoke 3 --tag paper --reason").code(2);
    root.call("revoke 3 --tag paper --reason")
        .arg("not that day")
        .run()
        .ok()
        .prints(&["line 3 of tag paper, resume at 2024-03-31T00:00:00Z, is revoked"]);
    root.run("revoke 3 --tag paper --reason y").code(1).says(&["is revoked already"]);
    root.run("revoke 6 --tag paper --reason y")
        .code(1)
        .says(&["took effect and cannot be revoked"]);
    root.run("revoke 7 --tag paper --reason y").code(1).says(&["line 7, revoke:3 for"]);
    root.run("revoke 9 --tag paper --reason y").code(4).says(&["line 9 is not a command"]);
    let json = root.run("commands --tag paper --all --json").ok().json();
    let standing: Vec<&str> =
        (0..6).filter_map(|n| json["commands"][n]["standing"].as_str()).collect();
    assert_eq!(standing, ["planned", "revoked", "obeyed", "obeyed", "obeyed", "revocation"]);
    run.signal("TERM");
    run.end().code(143);
    // The ledger folds and is proved, with lines that are not in the order of their times.
    live(&root, "paper", &next_day(&root)).run().ok();
    eqflat(&root, "paper", "e1").run().ok().prints(&["Result: PASS"]);
    let commands = root.read("data/processed/commands/paper.csv");
    let lines: Vec<i64> =
        commands.lines().skip(1).map(|line| cell(line, 1, 0).parse().unwrap()).collect();
    assert!(lines[0] > lines[2] && lines[2] < lines[3] && lines[1] == lines[5], "{commands}");
}

/// The commands of a tag are those of all its series: who gives one is told so, and where a series that lags is not reached.
#[test]
fn a_command_for_a_tag_of_several_series_says_which_of_them_obey_and_from_when_on() {
    let root = ledger(NOON);
    let words = "run live -p tag=paper exchange=demo feed=synthetic timeframe=15m from=2024-01-01T00:00:00Z";
    root.run(&format!("{words} to=2024-01-01T06:00:00Z")).ok();
    order(&root, "halt", "a drill").run().ok().prints(&[
        "it is for all 2 series of the tag:\n",
        "  demo BTC/USD 15m obeys from slot 1704111300000 (2024-01-01T12:15:00Z) on; it lags, and decides the slots from 1704089700000 (2024-01-01T06:15:00Z) on without it\n",
        "  demo BTC/USD 5m obeys from slot 1704110700000 (2024-01-01T12:05:00Z) on\n",
    ]);
    let json = order(&root, "halt", "again").arg("--json").run().ok().json();
    assert_eq!(json["series"][0]["not_before_ts_ms"], 1_704_089_700_000_i64, "{json}");
    // What is said is what happens.
    root.run(&format!("{words} to=2024-01-01T13:00:00Z")).ok();
    let text = root.read(&decisions("paper").replace("/5m/", "/15m/"));
    let halted: Vec<&str> = text.lines().skip(1).filter(|row| row.contains(",HALTED,")).collect();
    assert_eq!(cell(halted[0], 1, 3), "1704111300000");
}

#[test]
fn a_line_that_somebody_changed_under_a_loop_ends_it_and_is_named() {
    let root = ledger(NOON);
    root.run("halt --tag paper --reason y --at 2024-03-30T00:00:00Z").ok();
    let run = at_work(&root, "15000x");
    let path = "data/processed/commands/paper.csv";
    root.write("changed", &root.read(path).replace(",halt,", ",resume,"));
    root.rename("changed", path);
    run.end().code(65).says(&["line 2 of the commands ledger is not what it was"]);
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

#[test]
fn c17_a_command_without_a_time_is_obeyed_at_the_first_undecided_slot_whatever_is_planned() {
    let root = ledger(NOON);
    root.run("resume --tag paper --reason planned --at 2024-01-01T17:00:00Z").ok();
    // Where its run was swept, the loop counts as one in real time: its first undecided slot is years ago, and it catches up.
    root.rename("data/runs", "swept");
    root.run("flatten --tag paper --reason danger").ok();
    live(&root, "paper", EVENING).run().ok();
    let text = root.read(&decisions("paper"));
    let state = |ts_ms: i64| {
        let line = (2..=text.lines().count()).find(|l| cell(&text, *l, 3) == ts_ms.to_string());
        cell(&text, line.unwrap(), 13).to_owned()
    };
    let noon = 1_704_110_400_000;
    assert_eq!([state(noon), state(noon + 300_000)], ["ACTIVE", "HALTED"]);
    let five = noon + 5 * 3_600_000;
    assert_eq!([state(five - 300_000), state(five)], ["HALTED", "ACTIVE"], "as it was planned");
    eqflat(&root, "paper", "e1").run().ok().prints(&["Result: PASS"]);
}
