//! A disk that refuses: full, not a folder, or with a link where a folder should be.

use super::fixture::{EVENING, decisions, eqflat, ledger, live, trades};

/// The run records alone need 130 KiB, the ledger of the long window more than this.
const ROOM_KIB: u32 = 200;
const LATER: &str = "2024-01-06T12:00:00Z";
use crate::support::runner::Root;

/// Limits the size of every file the program may write, as a full disk would, in KiB.
fn cramped(root: &Root, kib: u32, words: &str) -> crate::support::ran::Ran {
    let runner = env!("CARGO_BIN_EXE_runner");
    root.shell(&format!("trap '' XFSZ; ulimit -f {}; exec {runner} {words}", kib * 2))
}

#[test]
fn a_disk_that_is_full_ends_the_run_with_whole_rows_and_room_lets_it_go_on() {
    let (root, whole) = (Root::new(), ledger(LATER));
    let words = "run live -p tag=paper exchange=demo feed=synthetic from=2024-01-01T00:00:00Z";
    let full = cramped(&root, ROOM_KIB, &format!("{words} to={LATER}")).code(74);
    full.says(&["decisions.csv", "File too large"]);
    let text = root.read(&decisions("paper"));
    assert!(text.len() > 20_000 && text.ends_with('\n'), "rolled back to whole rows");
    assert!(whole.read(&decisions("paper")).starts_with(&text));
    live(&root, "paper", LATER).run().ok();
    for path in [decisions("paper"), trades("paper")] {
        assert_eq!(root.read(&path), whole.read(&path), "{path}");
    }
}

#[test]
fn a_replay_on_a_full_disk_leaves_nothing_behind() {
    let root = ledger(LATER);
    let words = "run backtest -p exchange=demo tag=paper runid=r1";
    cramped(&root, ROOM_KIB, words).code(74).says(&["decisions.csv", "File too large"]);
    assert_eq!(root.rows(&decisions("paper_bt_r1")), 0);
    root.run(words).ok();
    let left = root.list("data/processed/decisions/paper_bt_r1/BTC_USD/5m");
    assert!(!left.iter().any(|name| name.contains(".tmp")), "{left:?}");
}

#[test]
fn too_little_room_is_said_before_anything_is_done() {
    let root = Root::new();
    let asks = ["--set", "run.disk-free-min=\"900000GiB\""];
    let ran = live(&root, "paper", EVENING).arg(asks[0]).arg(asks[1]).run().code(75);
    ran.says(&["bytes are free in", "run.disk-free-min asks for", "make room"]);
    assert!(root.list("data/processed").is_empty());
}

#[test]
fn a_file_where_a_folder_should_be_is_an_io_error() {
    for place in ["data", "data/runs", "data/raw", "data/processed/decisions/paper"] {
        let root = Root::new();
        root.write(place, "in the way");
        let name = place.rsplit('/').next().expect("a name");
        live(&root, "paper", EVENING).run().code(74).says(&["error: ", name]);
        assert_eq!(root.read(place), "in the way");
    }
}

#[test]
fn a_link_planted_where_a_folder_should_be_is_not_followed() {
    for place in ["data/processed/decisions/paper", "data/processed/trades/paper", "data/raw/demo"]
    {
        let root = Root::new();
        root.write("elsewhere/mine.txt", "mine");
        let target = root.path().join("elsewhere").display().to_string();
        root.shell(&format!("mkdir -p {place} && rmdir {place} && ln -s {target} {place}")).ok();
        live(&root, "paper", EVENING).run().code(74).says(&[place, "link"]);
        assert_eq!(root.list("elsewhere"), ["mine.txt"], "nothing went through the link");
    }
    // A ledger that is a link itself is not written through either.
    let root = ledger(EVENING);
    let (path, moved) = (decisions("paper"), "elsewhere.csv");
    root.rename(&path, moved);
    let target = root.at(moved).display().to_string();
    root.shell(&format!("ln -s {target} {path}")).ok();
    live(&root, "paper", EVENING).run().code(74).says(&["decisions.csv", "symbolic link"]);
}

#[test]
fn a_raw_store_that_refuses_bars_costs_decisions_but_no_slot_and_no_stop() {
    let root = ledger(EVENING);
    // A folder where the partition of the next day should be: every write of it fails.
    root.write("data/raw/demo/BTC_USD/5m/2024-01-02.parquet/x", "");
    let morning = live(&root, "paper", "2024-01-02T06:00:00Z").run();
    morning.warns(&[
        "bars could not be stored",
        "filled in 1 bars",
        "the figures of this ledger are not known",
    ]);
    let rows = root.read(&decisions("paper")).matches(",skip,persist_failed,").count();
    assert!((60..=72).contains(&rows), "{rows} rows of 72 after midnight");
    root.remove("data/raw/demo/BTC_USD/5m/2024-01-02.parquet/x");
    root.shell("rmdir data/raw/demo/BTC_USD/5m/2024-01-02.parquet").ok();
    live(&root, "paper", "2024-01-02T12:00:00Z").run().ok();
    eqflat(&root, "paper", "e1").run().ok().prints(&["Result: PASS\n", "persist_failed"]);
}
