//! C7 with the real program: whenever LIVE is killed, the ledger ends up as if it never had been.

use std::time::Duration;

use mjolnir::clock::nap;

use super::fixture::{NOON, decisions, eqflat, ledger, live, trades};
use crate::support::{
    market::Dice,
    runner::{Call, Root, Running},
};

const TO: &str = "2024-01-04T00:00:00Z";
/// Kills after a number of rows, in one series of restarts.
const KILLS: usize = 27;
/// Kills at an instant that dice choose, many of them while a start recovers.
const SURPRISES: usize = 10;

/// What must be the same: both ledgers and the bars.
fn left(root: &Root) -> Vec<(String, String)> {
    let mut files = root.files("data/raw");
    files.retain(|(path, _)| path.ends_with(".parquet"));
    files
        .extend([decisions("paper"), trades("paper")].map(|path| (path.clone(), root.read(&path))));
    files
}

fn undisturbed() -> Root {
    let root = Root::new();
    live(&root, "paper", TO).run().ok();
    assert!(root.rows(&trades("paper")) >= 10, "there is something to lose");
    root
}

fn assert_same(killed: &Root, whole: &Root, told: &str) {
    for (now, then) in left(killed).iter().zip(left(whole)) {
        assert_eq!(now.0, then.0, "{told}");
        assert!(now.1 == then.1, "{} differs: {told}", now.0);
    }
}

#[test]
fn c7_killed_again_and_again_the_ledgers_are_those_of_an_undisturbed_run() {
    let (root, whole) = (Root::on_disk(), undisturbed());
    let ledger = decisions("paper");
    let mut dice = Dice::new(11);
    let (mut counts, mut last) = (Vec::new(), 0);
    for n in 0..KILLS {
        let mut run = live(&root, "paper", TO).start();
        let wanted = last + 1 + n % 7;
        while root.rows(&ledger) < wanted && !run.is_over() {
            nap(Duration::from_millis(1));
        }
        run.signal("KILL");
        let ended = run.end();
        assert_eq!(ended.code, 137, "it was alive: {ended}");
        last = root.rows(&ledger);
        counts.push(last);
    }
    for _ in 0..SURPRISES {
        let run = live(&root, "paper", TO).start();
        nap(Duration::from_millis(dice.below(120)));
        run.signal("KILL");
        run.end();
    }
    let told = format!("killed at {counts:?}, dice 11");
    counts.dedup();
    assert!(counts.len() >= 25, "{told}");
    assert!(root.rows(&ledger) < whole.rows(&ledger), "the window was too short: {told}");
    let healed = live(&root, "paper", TO).run().code(0);
    assert!(!healed.stderr.contains("ERROR"), "{healed}");
    assert_same(&root, &whole, &told);
    eqflat(&root, "paper", "e1").run().ok().prints(&["Result: PASS"]);
}

#[test]
fn term_finishes_the_slot_and_hup_is_not_a_crash() {
    let (root, whole) = (Root::new(), undisturbed());
    let ledger = decisions("paper");
    let run = live(&root, "paper", TO).arg("-p").arg("speed=6000x").start();
    root.await_rows(&ledger, 2);
    run.signal("HUP");
    let rows = root.rows(&ledger);
    root.await_rows(&ledger, rows + 2);
    run.signal("TERM");
    run.end().code(143).prints(&["asked to stop"]);
    let text = root.read(&ledger);
    assert!(text.ends_with('\n') && whole.read(&ledger).starts_with(&text), "whole rows only");
    assert_eq!(root.list("data/quarantine").len(), 0, "nothing was torn");
    let history = root.run("history --json").ok();
    assert!(history.stdout.contains("asked to stop"), "{history}");
    live(&root, "paper", TO).run().ok();
    assert_same(&root, &whole, "after TERM");
}

#[test]
fn int_stops_like_term() {
    let root = Root::new();
    let run = live(&root, "paper", TO).arg("-p").arg("speed=6000x").start();
    root.await_rows(&decisions("paper"), 1);
    run.signal("INT");
    run.end().code(130).prints(&["asked to stop"]);
}

/// A loop that goes on from the ledger, a row every 20 ms or so, and has made one already.
fn at_work(root: &Root) -> Running {
    let words = "run live -p tag=paper exchange=demo feed=synthetic speed=15000x";
    let times = format!("from={NOON} to=2024-03-01T00:00:00Z");
    let before = root.rows(&decisions("paper"));
    let run = root.call(&format!("{words} {times} --run-id owner")).start();
    root.await_rows(&decisions("paper"), before + 1);
    run
}

/// All of them at once: before it refuses, each looks long enough that a machine at work takes its time.
fn refused<const N: usize>(calls: [Call<'_>; N], owner: &Running) {
    let held = format!("is held by pid {}, run owner, job live, since 20", owner.pid());
    for run in calls.map(Call::start) {
        run.end().code(75).says(&[".writer.lock", &held]);
    }
}

#[test]
fn c15_a_second_writer_is_refused_and_told_who_is_at_work() {
    let root = ledger(NOON);
    let run = at_work(&root);
    root.write("bars.csv", "ts_ms,open,high,low,close,volume\n1704067500000,1,1,1,1,1\n");
    // Another tag, the same series: the bars have one writer as well.
    let other = live(&root, "other", NOON);
    let import = root.call("run import -p exchange=demo path=bars.csv");
    refused([live(&root, "paper", NOON), other, import], &run);
    assert_eq!(root.list("data/processed/decisions"), ["paper"], "nothing was begun");
    // Another series is free.
    live(&root, "other", NOON).arg("-p").arg("symbol=ETH/USD").run().ok();
    // A killed owner leaves no lock behind.
    run.signal("KILL");
    run.end().code(137);
    live(&root, "paper", NOON).run().ok().prints(&["0 rows added"]);
}

#[test]
fn c15_the_proof_and_the_replay_work_while_live_is_at_work() {
    let root = ledger(NOON);
    let run = at_work(&root);
    eqflat(&root, "paper", "e1").run().ok().prints(&["Result: PASS"]);
    root.run("run backtest -p tag=paper exchange=demo runid=b1").ok();
    let rows = root.rows(&decisions("paper"));
    root.await_rows(&decisions("paper"), rows + 1);
    run.signal("TERM");
    run.end().code(143);
    // The proof stands for what was there when it was made, however far the ledger has grown.
    root.run("verify data/reports/eqflat/paper/e1/proof.json").ok();
}
