//! Rows and files that somebody took away are missed, by whoever reads the ledger; what a crash leaves is no loss.

use mjolnir::{
    domain::{series::Series, time::Timeframe},
    session::record::{End, ends},
    store::layout::Layout,
};

use super::fixture::{EVENING, NOON, cell, decisions, eqflat, ledger, live, trades};
use crate::support::runner::Root;

fn beside(name: &str) -> String {
    decisions("paper").replace("decisions.csv", name)
}

/// The header and some rows, counted from 0, of a text.
fn rows(text: &str, of: std::ops::Range<usize>) -> String {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let kept = lines.get(of.start + 1..(of.end + 1).min(lines.len())).unwrap_or_default();
    format!("{}{}", lines[0], kept.concat())
}

/// Every reader says what is missing and where, with exit code 65, and LIVE touches nothing.
fn missed(root: &Root, told: &[&str]) {
    let ledgers = || {
        let mut files = root.files("data/processed");
        files.retain(|(path, _)| !path.ends_with(".writer.lock"));
        files
    };
    let before = ledgers();
    live(root, "paper", EVENING).run().code(65).says(told);
    assert_eq!(ledgers(), before);
    let whole = ["decisions.csv", told[1]];
    eqflat(root, "paper", "e9").run().code(65).says(&whole);
    root.run("run backtest -p tag=paper exchange=demo runid=b9").code(65).says(&whole);
    let health = root.run("run healthcheck -p tag=paper exchange=demo").code(1);
    health.prints(&[told[1]]);
}

#[test]
fn rows_taken_away_at_either_end_are_missed_and_decisions_csv_is_named() {
    let root = ledger(NOON);
    let path = decisions("paper");
    let [text, timing] = [&path, &beside("timing.csv")].map(|path| root.read(path));
    let [last, tenth] = [text.lines().count(), 11].map(|line| cell(&text, line, 3).to_owned());
    let all = text.lines().count() - 1;
    // The newest one, and a dozen.
    for taken in [1, 12] {
        root.write(&path, &rows(&text, 0..all - taken));
        missed(
            &root,
            &[
                &format!("decisions.csv:{}: ", all + 1 - taken),
                &format!("timing.csv has a row for {last}"),
            ],
        );
    }
    // Those at the head, first alone and then in both files.
    root.write(&path, &rows(&text, 9..all));
    missed(
        &root,
        &["decisions.csv:2: ", &format!("it begins at ts_ms {tenth}, timing.csv has a row for")],
    );
    root.write(&beside("timing.csv"), &rows(&timing, 9..all));
    missed(
        &root,
        &["decisions.csv:2: ", &format!("it begins at ts_ms {tenth}, by origin.json it began at")],
    );
    root.write(&beside("timing.csv"), &timing);
    root.write(&path, &text);
    live(&root, "paper", EVENING).run().ok();
}

#[test]
fn a_ledger_that_was_emptied_is_missed_while_anything_beside_it_remembers() {
    let root = ledger(NOON);
    let path = decisions("paper");
    let [text, timing] = [&path, &beside("timing.csv")].map(|path| root.read(path));
    let told = |code: &str| {
        live(&root, "paper", EVENING).run().code(65).says(&["decisions.csv", code]);
        eqflat(&root, "paper", "e1").run().code(65).says(&["decisions.csv", code]);
    };
    root.write(&path, &rows(&text, 0..0));
    told("it has no row, timing.csv has a row for");
    root.write(&beside("timing.csv"), &rows(&timing, 0..0));
    told("it has no row, trades.csv has one for");
    root.remove(&path);
    told("is missing, but the origin.json beside it says that a ledger began here");
    let kept = root.read(&trades("paper"));
    root.remove(&trades("paper"));
    told("is missing, but the origin.json beside it");
    root.write(&trades("paper"), &kept);
    root.write(&path, &text);
    live(&root, "paper", EVENING).run().warns(&["it is ahead of timing.csv"]);
    assert!(root.read(&path).starts_with(&text));
}

#[test]
fn damage_inside_origin_json_is_told_as_such() {
    let root = ledger(NOON);
    let origin = beside("origin.json");
    let whole = root.read(&origin);
    for (from, to) in [
        ("\"strategy.params.fast\": \"20\"", "\"strategy.params.fast\": \"21\""),
        ("\"strategy.sides\"", "\"strategy.sidse\""),
        ("\"first_ts_ms\": 1704", "\"first_ts_ms\": 1705"),
        ("\"floor_ts_ms\"", "\"floor_ts_mt\""),
        ("\"sha256\"", "\"sha257\""),
        ("mjolnir.origin/1", "mjolnir.origin/7"),
    ] {
        assert!(whole.contains(from), "{whole}");
        root.write(&origin, &whole.replacen(from, to, 1));
        for ran in [
            live(&root, "paper", EVENING).run(),
            eqflat(&root, "paper", "e1").run(),
            root.run("run backtest -p tag=paper exchange=demo runid=b1"),
        ] {
            let ran = ran.code(65).says(&["origin.json"]);
            assert!(!ran.stderr.contains("other settings"), "{ran}");
        }
    }
    root.write(&origin, &whole);
    live(&root, "paper", EVENING).run().ok();
    // Other settings are still other settings.
    let other = live(&root, "paper", EVENING).arg("-p").arg("fast=21");
    other.run().code(78).says(&["strategy.params.fast is 21, was 20"]);
}

/// A crash may tear the row that one row of timing is of. Behind a torn row more than one is missing only where a hand took them away.
#[test]
fn a_torn_row_excuses_one_row_of_timing_and_no_more() {
    let series = Series::new("demo".parse().unwrap(), "BTC/USD".parse().unwrap(), Timeframe::M5);
    let (layout, tag) = (Layout::new("/nowhere".as_ref()), "paper".parse().unwrap());
    for (is_torn, timed, whole) in [
        (false, 0, true),
        (true, 0, true),
        (true, 1, true),
        (false, 1, false),
        (true, 2, false),
        (true, 30, false),
    ] {
        let last = 1_704_067_500_000;
        let timed_last = (timed > 0).then_some(last + 300_000 * timed as i64);
        let end = End { rows: 9, last: Some(last), timed, timed_last, first_trade: None, is_torn };
        let found = ends(&end, (&layout, &tag, &series));
        assert_eq!(found.is_ok(), whole, "{end:?}");
        if let Err(error) = found {
            assert!(error.to_string().contains("decisions.csv"), "{error}");
        }
    }
}

#[test]
fn what_a_crash_leaves_is_no_loss_and_an_older_ledger_is_read() {
    let root = ledger(NOON);
    let timing = root.read(&beside("timing.csv"));
    let all = timing.lines().count() - 1;
    // A death between a decision and its row of timing, at the first and at the last one.
    root.write(&beside("timing.csv"), &rows(&timing, 1..all - 1));
    live(&root, "paper", NOON).run().warns(&["it is ahead of timing.csv"]);
    eqflat(&root, "paper", "e1").run().ok().prints(&["Result: PASS"]);
    // What an older build wrote knew neither its first slot nor its own sum.
    let mut older: serde_json::Value =
        serde_json::from_str(&root.read(&beside("origin.json"))).unwrap();
    let document = older.as_object_mut().unwrap();
    assert!(document.remove("first_ts_ms").is_some() && document.remove("sha256").is_some());
    root.write(&beside("origin.json"), &older.to_string());
    live(&root, "paper", EVENING).run().warns(&["its origin.json is not this one"]);
    eqflat(&root, "paper", "e2").run().ok().prints(&["Result: PASS"]);
    // A death between the certificate and the first row.
    let young = Root::new();
    live(&young, "paper", NOON).run().ok();
    for file in [decisions("paper"), trades("paper"), beside("timing.csv")] {
        young.write(&file, &rows(&young.read(&file), 0..0));
    }
    live(&young, "paper", NOON).run().warns(&["it is ahead of decisions.csv"]);
    eqflat(&young, "paper", "e1").run().ok().prints(&["Result: PASS"]);
}
