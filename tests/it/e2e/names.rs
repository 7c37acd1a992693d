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
