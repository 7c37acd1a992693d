//! Replays by the hour do not fill the disk, and nothing else is ever taken away.

use crate::{
    e2e::fixture::{NOON, cell, decisions, eqflat, ledger, with_cell},
    support::runner::Root,
};

fn at(root: &Root, second: u32, code: i32) {
    let run = format!("eqflat_20240101_0000{second:02}");
    eqflat(root, "paper", &run).arg("--set").arg("eqflat.keep=2").run().code(code);
}

/// Whose folders are there afterwards.
fn stays(root: &Root) {
    assert_eq!(
        root.list("data/processed/decisions"),
        [
            "other_bt_eqflat_20240101_000000",
            "paper",
            "paper_bt_eqflat_20230303_030303",
            "paper_bt_eqflat_20240101_0000001",
            "paper_bt_eqflat_20240101_000000_2",
            "paper_bt_eqflat_20240101_000002",
            "paper_bt_eqflat_20240101_000004",
            "paper_bt_eqflat_20240101_000005",
            "paper_bt_march",
        ]
    );
    assert_eq!(
        root.list("data/processed/trades"),
        [
            "paper",
            "paper_bt_eqflat_20240101_000001",
            "paper_bt_eqflat_20240101_000002",
            "paper_bt_eqflat_20240101_000004",
            "paper_bt_eqflat_20240101_000005",
            "paper_bt_march",
        ]
    );
    assert_eq!(
        root.list("data/reports/eqflat"),
        ["eqflat_20230101_000000", "eqflat_20230101_000001", "eqflat_20230101_000003", "paper"]
    );
    assert_eq!(
        root.list("data/reports/eqflat/paper"),
        ["eqflat_20240101_000002", "eqflat_20240101_000004", "eqflat_20240101_000005", "march"]
    );
}

#[test]
fn old_replays_go_and_failures_and_foreign_names_stay() {
    let root = ledger(NOON);
    let path = decisions("paper");
    let whole = root.read(&path);
    at(&root, 1, 0);
    root.write(
        &path,
        &with_cell(
            &whole,
            60,
            13,
            if cell(&whole, 60, 13) == "HALTED" { "ACTIVE" } else { "HALTED" },
        ),
    );
    at(&root, 2, 1);
    root.write(&path, &whole);
    // Names that only look alike, a replay by hand, one of another tag, and a report of another tag from the same second.
    eqflat(&root, "paper", "march").run().ok();
    let others = [
        "data/processed/decisions/paper_bt_eqflat_20240101_0000001/BTC_USD/5m/decisions.csv",
        "data/processed/decisions/paper_bt_eqflat_20240101_000000_2/BTC_USD/5m/decisions.csv",
        "data/processed/decisions/other_bt_eqflat_20240101_000000/BTC_USD/5m/decisions.csv",
        "data/reports/eqflat/eqflat_20230101_000000/proof.json",
        "data/reports/eqflat/eqflat_20230101_000001/notes.txt",
        // Somebody's own file in the folder of a replay.
        "data/processed/trades/paper_bt_eqflat_20240101_000001/BTC_USD/5m/notes.txt",
    ];
    let proof = root.read("data/reports/eqflat/paper/eqflat_20240101_000001/proof.json");
    // An older build had the reports of all tags in one folder: what passed goes, and what failed stays.
    root.write("data/reports/eqflat/eqflat_20230101_000002/proof.json", &proof);
    let failed = proof.replace("\"as_seen\": \"PASS\"", "\"as_seen\": \"FAIL\"");
    assert_ne!(failed, proof);
    root.write("data/reports/eqflat/eqflat_20230101_000003/proof.json", &failed);
    for other in others {
        root.write(other, &proof.replace("\"tag\": \"paper\"", "\"tag\": \"other\""));
    }
    root.shell("ln -s paper_bt_march data/processed/decisions/paper_bt_eqflat_20230303_030303")
        .code(0);
    for second in 3..=5 {
        at(&root, second, 0);
    }
    stays(&root);
    for other in others {
        assert!(root.at(other).exists(), "{other}");
    }
    let kept = root.list("data/processed/trades/paper_bt_eqflat_20240101_000001/BTC_USD/5m");
    assert_eq!(kept, ["notes.txt"]);
    assert!(root.at(&decisions("paper_bt_march")).exists(), "through a link nothing is reached");
    root.run("verify data/reports/eqflat/paper/eqflat_20240101_000005/proof.json").ok();
}
