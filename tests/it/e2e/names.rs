//! Names of proofs: two in one second lose nothing, and a name that is in use is said to be.

use serde_json::Value;

use super::fixture::{EVENING, NOON, ledger, live};
use crate::support::{ran::Ran, runner::Root};

fn prove<'a>(root: &'a Root, tag: &str) -> crate::support::runner::Call<'a> {
    root.call(&format!("run eqflat -p tag={tag} exchange=demo"))
}

/// The proof that a run left, checked again from its files.
fn proof(root: &Root, ran: &Ran) -> Value {
    let line = ran.stdout.lines().find_map(|line| line.strip_prefix("proof: ")).expect("a proof");
    root.run(&format!("verify {line}")).ok();
    serde_json::from_str(&root.read(line)).unwrap()
}

#[test]
fn proofs_of_one_second_of_one_tag_or_of_two_end_with_their_own_verdict() {
    let root = ledger(NOON);
    live(&root, "other", EVENING).arg("-p").arg("seed=8").arg("symbol=ETH/USD").run().ok();
    let other = || prove(&root, "other").arg("symbol=ETH/USD");
    let runs = [
        prove(&root, "paper").start(),
        other().start(),
        prove(&root, "paper").start(),
        other().start(),
        prove(&root, "paper").start(),
    ];
    let proofs: Vec<Value> = runs.into_iter().map(|run| proof(&root, &run.end().ok())).collect();
    for (proof, tag) in proofs.iter().zip(["paper", "other", "paper", "other", "paper"]) {
        assert_eq!((&proof["tag"], &proof["as_seen"]), (&tag.into(), &"PASS".into()));
    }
    for (tag, many) in [("paper", 3), ("other", 2)] {
        assert_eq!(root.list(&format!("data/reports/eqflat/{tag}")).len(), many);
    }
    assert_eq!(root.list("data/processed/decisions").len(), 2 + 5);
}

const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// Names are looked for on the disk, not only among those who are at work: a report, and a replay without one, take theirs.
#[test]
#[expect(clippy::print_stderr, reason = "a test says why it is skipped")]
fn a_name_that_a_report_or_a_replay_has_is_not_taken_again() {
    if !std::path::Path::new(FAKETIME).exists() {
        eprintln!("skipped: {FAKETIME} is not there; the package is libfaketime");
        return;
    }
    let root = ledger(NOON);
    let name = "eqflat_20240601_000000_000";
    let report = format!("data/reports/eqflat/paper/{name}/report.txt");
    let replay = format!("data/processed/decisions/paper_bt_{name}_2/BTC_USD/5m/decisions.csv");
    root.write(&report, "kept");
    root.write(&replay, "kept");
    // A clock that stands still: every run begins in the same millisecond.
    let prove = || {
        prove(&root, "paper")
            .env("TZ", "UTC")
            .env("LD_PRELOAD", FAKETIME)
            .env("FAKETIME", "2024-06-01 00:00:00")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .run()
    };
    for n in [3, 4] {
        prove().code(0).prints(&[&format!("proof: data/reports/eqflat/paper/{name}_{n}/")]);
    }
    assert_eq!((root.read(&report), root.read(&replay)), ("kept".into(), "kept".into()));
}

#[test]
fn one_name_under_two_tags_is_two_proofs() {
    let root = ledger(NOON);
    live(&root, "other", EVENING).arg("-p").arg("seed=8").arg("symbol=ETH/USD").run().ok();
    let first = proof(&root, &prove(&root, "paper").arg("runid=same").run().ok());
    prove(&root, "other").arg("symbol=ETH/USD").arg("runid=same").run().ok();
    let kept = root.read("data/reports/eqflat/paper/same/proof.json");
    assert_eq!(serde_json::from_str::<Value>(&kept).unwrap(), first, "it is not written over");
    root.run("verify data/reports/eqflat/other/same/proof.json").ok();
}

#[test]
fn a_name_in_use_is_busy_and_not_a_verdict() {
    let root = ledger(NOON);
    let named = || prove(&root, "paper").env("RUNID", "march").run();
    named().ok();
    named().code(75).says(&["_bt_march/", "exists already: choose another RUNID"]);
    let before = root.read("data/reports/eqflat/paper/march/proof.json");
    assert!(before.contains("PASS"));
}

#[test]
fn live_resumed_behind_the_end_of_its_window_says_so() {
    let root = ledger(NOON);
    let again = live(&root, "paper", NOON).run().ok();
    again.prints(&[
        "0 rows added, the last one is ",
        "the window is decided and was decided before this start, so there was nothing to do: give a later live.to, or another tag",
    ]);
}
