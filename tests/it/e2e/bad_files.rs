//! Damaged files: what can be mended is mended and kept, the rest stops the start and stays as it is.

use super::fixture::{EVENING, NOON, decisions, eqflat, ledger, live, trades};
use crate::support::runner::Root;

/// Breaks a file in one way after the other; LIVE must refuse each with file, line and reason.
fn refuses(root: &Root, path: &str, broken: &[(String, &str)]) {
    let whole = root.read(path);
    for (text, told) in broken {
        root.write(path, text);
        let at = told.split_once(' ').map_or(*told, |(line, _)| line);
        let reason = told.split_once(' ').map_or("", |(_, reason)| reason);
        let refused = live(root, "paper", EVENING).run().code(65);
        refused.says(&[&format!("{path}{at}"), reason]);
        assert_eq!(&root.read(path), text, "C14: left untouched");
        root.write(path, &whole);
    }
    assert!(root.list("data/quarantine").is_empty(), "nothing was cut");
}

#[test]
fn a_torn_tail_is_cut_kept_and_decided_again() {
    let root = ledger(NOON);
    let path = decisions("paper");
    let whole = root.read(&path);
    let half = whole.len() - 20;
    let torn: [(&str, String); 4] = [
        ("half a line", whole[..half].to_owned()),
        ("no newline", whole[..whole.len() - 1].to_owned()),
        ("zeros", format!("{whole}{}", "\0".repeat(512))),
        ("half a header", whole[..30].to_owned()),
    ];
    for (n, (what, text)) in torn.into_iter().enumerate() {
        root.write(&path, &text);
        if what == "half a header" {
            // Its rows are gone, and the files beside it know of them.
            live(&root, "paper", NOON).run().code(65).says(&[&path, "rows were taken away"]);
            break;
        }
        let warnings: &[&str] = match what {
            // The checkpoint of the loop's end knew the row that is torn.
            "zeros" => &["a torn tail of"],
            _ => &["a torn tail of", "it is ahead of decisions.csv"],
        };
        live(&root, "paper", NOON).run().warns(warnings);
        assert_eq!(root.read(&path), whole, "{what}");
        let kept = root.files("data/quarantine");
        // Where a decision is torn, its row in timing.csv goes with it.
        assert_eq!(kept.len(), [2, 4, 5][n], "{what}");
    }
    let kept = root.files("data/quarantine");
    let last_line = &whole[whole[..half].rfind('\n').expect("rows") + 1..half];
    assert!(kept.iter().any(|(_, bytes)| bytes == last_line), "the cut bytes are kept: {kept:?}");
}

#[test]
fn readers_do_not_mind_a_torn_tail() {
    let root = ledger(NOON);
    let path = decisions("paper");
    let text = root.read(&path) + "demo,BTC/USD,5m,17040";
    root.write(&path, &text);
    eqflat(&root, "paper", "e1").run().ok().prints(&["Result: PASS"]);
    assert_eq!(root.read(&path), text, "a reader writes nothing");
}

#[test]
fn damage_inside_a_ledger_stops_the_start_and_names_the_line() {
    let root = ledger(NOON);
    let path = decisions("paper");
    let whole = root.read(&path);
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let without = |n: usize| [&lines[..n], &lines[n + 1..]].concat().concat();
    let with = |n: usize, line: &str| [&lines[..n], &[line], &lines[n..]].concat().concat();
    let mut swapped = lines.clone();
    swapped.swap(20, 21);
    refuses(
        &root,
        &path,
        &[
            (without(49), ":50: hole: 1 slots are missing"),
            (with(49, lines[48]), ":50: duplicate"),
            (swapped.concat(), ":21: hole"),
            (with(49, "\n"), ":50: "),
            (with(49, "hello\n"), ":50: "),
            (whole.replacen("exchange,", "venue,", 1), ":1: foreign header"),
            (lines[1..].concat(), ":1: foreign header"),
            (whole.replacen(",flat,", ",sideways,", 1), ":2: "),
        ],
    );
    root.write(&path, &whole);
    let proved = |text: &str, told: &str| {
        root.write(&path, text);
        eqflat(&root, "paper", "e1").run().code(65).says(&[&path, told]);
    };
    proved(&without(49), ":50: hole");
    proved(&whole.replacen("exchange,", "venue,", 1), ":1: foreign header");
}

#[test]
fn damage_beside_a_ledger_stops_the_start() {
    let root = ledger(EVENING);
    let path = trades("paper");
    let whole = root.read(&path);
    refuses(
        &root,
        &path,
        &[
            (whole.replacen("exchange,", "venue,", 1), ":1: foreign header"),
            (whole.replacen(",open,", ",opened,", 1), ":2: "),
        ],
    );
    let origin = decisions("paper").replace("decisions.csv", "origin.json");
    let certificate = root.read(&origin);
    root.remove(&origin);
    let told = ["origin.json is missing", "restore it, or start a new tag"];
    live(&root, "paper", EVENING).run().code(65).says(&told);
    eqflat(&root, "paper", "e1").run().code(65).says(&told);
    root.write(&origin, "{");
    live(&root, "paper", EVENING).run().code(65).says(&["origin.json"]);
    root.write(&origin, &certificate);
    live(&root, "paper", EVENING).run().ok();
}

#[test]
fn a_corrupt_partition_is_named_and_nothing_is_written() {
    let root = ledger(NOON);
    let day = "data/raw/demo/BTC_USD/5m/2024-01-01.parquet";
    root.write(day, "garbage that is long enough to be looked at");
    let jobs = [
        "run backtest -p exchange=demo tag=free runid=r1",
        "run eqflat -p exchange=demo tag=paper",
    ];
    for job in jobs {
        root.run(job).code(65).says(&["2024-01-01.parquet: "]);
    }
    live(&root, "paper", EVENING).run().code(65).says(&["2024-01-01.parquet: "]);
    assert!(root.read(day).starts_with("garbage"), "left untouched");
    assert_eq!(root.list("data/processed/decisions"), ["paper"], "no half-written replay");
}

#[test]
fn files_to_import_that_are_no_bars_are_refused() {
    let root = Root::new();
    let head = "ts_ms,open,high,low,close,volume\n";
    let table: &[(&str, i32, &str)] = &[
        ("", 65, "bars.csv"),
        (head, 4, "no bar in 0 rows"),
        ("a,b,c\n1,2,3\n", 65, "no column for a time"),
        ("ts_ms,open,high,low,close,volume\n1704067500000,1,0.5,2,1,1\n", 65, "row 2"),
        ("ts_ms,open,high,low,close,volume\n1704067500001,1,1,1,1,1\n", 65, "row 2"),
    ];
    for (text, code, told) in table {
        root.write("bars.csv", text);
        root.run("run import -p path=bars.csv").code(*code).says(&["bars.csv", told]);
    }
    assert!(root.list("data/raw").is_empty(), "nothing was imported");
}
