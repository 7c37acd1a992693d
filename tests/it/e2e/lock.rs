//! C15: one writer per series and per ledger, and readers that are never in its way.

use super::fixture::{NOON, decisions, eqflat, ledger, live};
use crate::support::runner::{Call, Root, Running};

/// A loop that goes on from the ledger, a row every 20 ms or so, and has made one already.
fn at_work(root: &Root) -> Running {
    let words = "run live -p tag=paper exchange=demo feed=synthetic speed=15000x";
    let times = format!("from={NOON} to=2024-03-01T00:00:00Z");
    let before = root.rows(&decisions("paper"));
    let run = root.call(&format!("{words} {times} --run-id owner")).start();
    root.await_rows(&decisions("paper"), before + 1);
    run
}

fn refused(call: Call<'_>, owner: &Running) {
    let held = format!("is held by pid {}, run owner, job live, since 20", owner.pid());
    call.run().code(75).says(&[".writer.lock", &held]);
}

#[test]
fn c15_a_second_writer_is_refused_and_told_who_is_at_work() {
    let root = ledger(NOON);
    let run = at_work(&root);
    refused(live(&root, "paper", NOON), &run);
    // Another tag, the same series: the bars have one writer as well.
    refused(live(&root, "other", NOON), &run);
    assert_eq!(root.list("data/processed/decisions"), ["paper"], "nothing was begun");
    root.write("bars.csv", "ts_ms,open,high,low,close,volume\n1704067500000,1,1,1,1,1\n");
    refused(root.call("run import -p exchange=demo path=bars.csv"), &run);
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
