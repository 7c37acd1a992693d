//! A proof that follows a proof replays only what is new, comes to the same bytes, and believes nothing that has changed since.

use std::{
    fs::{self, File},
    io::{Seek as _, SeekFrom, Write as _},
    os::unix::fs::MetadataExt as _,
};

use mjolnir::domain::time::Timeframe;
use serde_json::Value;

use super::fixture::{
    EVENING, NOON, cell, decisions, eqflat, ledger, live, proof, trades, with_cell,
};
use crate::support::{
    market::{csv, market},
    runner::Root,
    sealed::seal,
};

const DAY: &str = "data/raw/demo/BTC_USD/5m/2024-01-01.parquet";
const REVISIONS: &str = "data/raw/demo/BTC_USD/5m/revisions.csv";
const PROVEN: &str = "data/state/proven/paper/demo_BTC_USD_5m.json";

/// What a proof says, without its name, its time, and where its replay is.
fn said(root: &Root, runid: &str) -> Value {
    let mut document: Value = serde_json::from_str(&root.read(&proof("paper", runid))).unwrap();
    for key in ["runid", "made_at_ms"] {
        document[key] = Value::Null;
    }
    for file in ["decisions", "trades"] {
        document["backtest"][file]["path"] = Value::Null;
    }
    document
}

fn replay(root: &Root, runid: &str) -> [String; 2] {
    let tag = format!("paper_bt_{runid}");
    [decisions(&tag), trades(&tag)].map(|path| root.read(&path))
}

/// How many rows were not replayed, by the log of the run.
fn known(root: &Root, runid: &str) -> Option<usize> {
    known_by(&told(root, runid)?)
}

fn known_by(line: &str) -> Option<usize> {
    let number = line.split("the first ").nth(1)?.split(' ').next()?;
    Some(number.parse().unwrap())
}

/// What a proof says of the rows that it knows.
fn told(root: &Root, runid: &str) -> Option<String> {
    let before = root.list("data/runs");
    eqflat(root, "paper", runid).run();
    let new = root.list("data/runs").into_iter().find(|name| !before.contains(name)).unwrap();
    let log = root.read(&format!("data/runs/{new}/log.jsonl"));
    log.lines().find(|line| line.contains("are those of an earlier proof")).map(str::to_owned)
}

/// Changes one digit of a row where it is, and puts back when the file was written.
fn edit_in_place(root: &Root, path: &str, line: usize, column: usize) {
    let file = root.at(path);
    let text = root.read(path);
    let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let row = text.lines().nth(line).unwrap();
    let cell: usize = row.split(',').take(column).map(|cell| cell.len() + 1).sum();
    let at = before + cell;
    let digit = if text.as_bytes()[at] == b'1' { b'2' } else { b'1' };
    let written = fs::metadata(&file).unwrap().modified().unwrap();
    let mut open = File::options().write(true).open(&file).unwrap();
    open.seek(SeekFrom::Start(at as u64)).unwrap();
    open.write_all(&[digit]).unwrap();
    open.set_modified(written).unwrap();
    assert_eq!(root.read(path).len(), text.len());
    assert_ne!(root.read(path), text);
}

/// Imports another bar than the stored one.
fn import_another(root: &Root, ts_ms: i64) {
    let near = market(Timeframe::M5, ts_ms - 3_000_000, ts_ms);
    let row = csv(&near[near.len() - 1..]);
    let volume = row.trim_end().rsplit(',').next().unwrap().to_owned();
    let row = row.replace(&volume, "0.125");
    root.write("late.csv", &row);
    root.run("run import -p exchange=demo path=late.csv").ok();
}

/// A document with an edit, and a seal that fits.
fn sealed(text: &str, edit: impl FnOnce(&mut Value)) -> String {
    let mut document: Value = serde_json::from_str(text).unwrap();
    edit(&mut document);
    seal(&mut document);
    serde_json::to_string_pretty(&document).unwrap() + "\n"
}

fn rows(root: &Root) -> usize {
    root.read(&decisions("paper")).lines().count() - 1
}

#[test]
fn what_was_proved_is_not_replayed_again_and_comes_to_the_same_bytes() {
    let root = ledger(NOON);
    assert_eq!(known(&root, "first"), None);
    let noon = rows(&root);
    let line = told(&root, "nothing_new").unwrap();
    assert_eq!(known_by(&line), Some(noon));
    assert!(line.contains("nor read"), "the loop's word is believed: {line}");
    assert!(replay(&root, "first") == replay(&root, "nothing_new"), "the same rows");
    assert_eq!(said(&root, "first"), said(&root, "nothing_new"));
    live(&root, "paper", EVENING).run().ok();
    assert_eq!(known(&root, "evening"), Some(noon));
    root.remove(PROVEN);
    assert_eq!(known(&root, "whole"), None);
    assert!(replay(&root, "evening") == replay(&root, "whole"));
    assert_eq!(said(&root, "evening"), said(&root, "whole"));
    assert_eq!(said(&root, "whole")["as_is"], "PASS");
    // The replays share what they have in common, and each proof holds for its own rows.
    let file = |runid: &str| {
        let found = fs::metadata(root.at(&decisions(&format!("paper_bt_{runid}")))).unwrap();
        (found.dev(), found.ino())
    };
    assert_eq!(file("first"), file("evening"));
    assert_ne!(file("first"), file("whole"));
    for runid in ["first", "nothing_new", "evening"] {
        root.run(&format!("verify {}", proof("paper", runid))).ok();
    }
    assert_eq!(known(&root, "at_last"), Some(rows(&root)));
}

#[test]
fn an_edit_behind_an_earlier_proof_is_found_as_without_one() {
    let root = ledger(EVENING);
    eqflat(&root, "paper", "before").run().ok();
    let proven = root.read(PROVEN);
    for (n, (path, column, value)) in [
        (decisions("paper"), 12, "9999.99"),
        (decisions("paper"), 16, "0123456789abcdef"),
        (trades("paper"), 7, "1.5"),
    ]
    .into_iter()
    .enumerate()
    {
        let whole = root.read(&path);
        root.write(&path, &with_cell(&whole, 3, column, value));
        let (with, without) = (format!("with{n}"), format!("without{n}"));
        assert_eq!(known(&root, &with), None, "{path} {column}");
        root.remove(PROVEN);
        assert_eq!(known(&root, &without), None);
        assert_eq!(said(&root, &with), said(&root, &without));
        assert_eq!(said(&root, &with)["as_seen"], "FAIL");
        root.write(&path, &whole);
        root.write(PROVEN, &proven);
    }
    assert_eq!(known(&root, "whole_again"), Some(rows(&root)));
}

/// C7: neither the length nor the time of writing tells of this edit.
#[test]
fn c7_an_edit_that_puts_back_the_time_of_writing_is_found_by_the_next_proof() {
    for (n, path) in [decisions("paper"), trades("paper")].into_iter().enumerate() {
        let root = ledger(EVENING);
        eqflat(&root, "paper", "before").run().ok();
        assert!(told(&root, "unread").unwrap().contains("nor read"));
        edit_in_place(&root, &path, 3, [9, 8][n]);
        eqflat(&root, "paper", "edited").run().code(1);
        assert_eq!(said(&root, "edited")["as_seen"], "FAIL", "{path}");
        root.run(&format!("verify {}", proof("paper", "before"))).code(1);
    }
}

#[test]
fn a_replay_that_something_touched_is_written_again() {
    let root = ledger(NOON);
    eqflat(&root, "paper", "before").run().ok();
    edit_in_place(&root, &decisions("paper_bt_before"), 3, 9);
    assert!(told(&root, "after").unwrap().contains("nor read"));
    root.run(&format!("verify {}", proof("paper", "before"))).code(1);
    root.run(&format!("verify {}", proof("paper", "after"))).ok();
    // The same name again: what it is built on is itself.
    let again = eqflat(&root, "paper", "after").arg("--set").arg("backtest.on-existing=replace");
    again.run().ok();
    root.run(&format!("verify {}", proof("paper", "after"))).ok();
    let names = root.list("data/processed/decisions/paper_bt_after/BTC_USD/5m");
    assert!(names.iter().all(|name| !name.contains(".tmp")), "{names:?}");
}

#[test]
fn nothing_that_a_proof_stands_on_is_believed_when_it_has_changed() {
    let root = ledger(EVENING);
    eqflat(&root, "paper", "before").run().ok();
    let proven = root.read(PROVEN);
    // The document itself: torn, edited, of other rows.
    for (n, text) in [
        String::new(),
        proven[..proven.len() / 2].to_owned(),
        proven.replacen("\"trades\"", "\"tradez\"", 1),
        proven.replacen('7', "8", 1),
    ]
    .into_iter()
    .enumerate()
    {
        root.write(PROVEN, &text);
        assert_eq!(known(&root, &format!("document{n}")), None, "{n}");
        assert_eq!(said(&root, &format!("document{n}"))["as_seen"], "PASS");
        root.write(PROVEN, &proven);
    }
    // A stored bar that was changed behind the revision log.
    let bytes = fs::read(root.at(DAY)).unwrap();
    let late = root.read(&decisions("paper"));
    import_another(&root, cell(&late, 30, 3).parse().unwrap());
    assert_eq!(known(&root, "revised"), None);
    assert_eq!(said(&root, "revised")["as_is"], "PASS_DATA_DRIFT");
    // Without its log, the bar that LIVE saw is lost.
    root.remove(REVISIONS);
    eqflat(&root, "paper", "lost").run().code(1);
    root.write_bytes(DAY, &bytes);
    assert_eq!(known(&root, "restored"), Some(rows(&root)));
}

/// Each check by itself: the bar is older than those that the next slot's features are made of, and where the document is edited it is
/// sealed again.
#[test]
fn each_thing_that_a_proof_is_about_is_looked_at() {
    let root = ledger("2024-01-05T00:00:00Z");
    eqflat(&root, "paper", "before").run().ok();
    let proven = root.read(PROVEN);
    assert_eq!(sealed(&proven, |_| ()), proven, "the seal is understood");
    root.write(PROVEN, &sealed(&proven, |document| document["schema"] = "mjolnir.proven/1".into()));
    assert_eq!(known(&root, "schema"), None);
    let mut document: Value = serde_json::from_str(&proven).unwrap();
    document["trades"] = (document["trades"].as_u64().unwrap() + 1).into();
    root.write(PROVEN, &document.to_string());
    assert_eq!(known(&root, "seal"), None);
    root.write(PROVEN, &proven);
    let bytes = fs::read(root.at(DAY)).unwrap();
    let ts_ms: i64 = cell(&root.read(&decisions("paper")), 30, 3).parse().unwrap();
    import_another(&root, ts_ms);
    let (edited, log) = (fs::read(root.at(DAY)).unwrap(), root.read(REVISIONS));
    // Its log alone.
    root.write_bytes(DAY, &bytes);
    assert_eq!(known(&root, "revisions"), None);
    root.remove(REVISIONS);
    root.write(PROVEN, &proven);
    assert_eq!(known(&root, "neither"), Some(rows(&root)));
    // The bar alone.
    root.write_bytes(DAY, &edited);
    root.write(PROVEN, &proven);
    assert_eq!(known(&root, "bar"), None);
    assert_eq!(said(&root, "bar")["as_seen"], "FAIL");
    assert!(log.contains(&ts_ms.to_string()), "{log}");
}
