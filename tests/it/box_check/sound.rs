//! A sound box.

use super::fixture::{check, one, said, sound};
use crate::{
    e2e::fixture::decisions,
    support::{
        market::{csv, market},
        runner::Root,
        snapshot::expect,
    },
};
use mjolnir::domain::time::Timeframe;

#[test]
fn a_sound_box_fails_nothing_and_stays_as_it_is() {
    let root = sound();
    let before = [root.files("data/raw"), root.files("data/processed")];
    let ran = root.run("run check -p tag=paper exchange=demo").code(0);
    assert_eq!([root.files("data/raw"), root.files("data/processed")], before);
    let lines = ran.stdout.lines().filter(|line| line.starts_with("fail "));
    assert_eq!(lines.count(), 0, "{ran}");
    // What differs from machine to machine, and from build to build.
    let changing = ["free-space", "build"];
    let is_same = |line: &&str| changing.iter().all(|name| !line.contains(&format!("  {name}  ")));
    let text: Vec<&str> = ran.stdout.lines().filter(is_same).collect();
    expect("check", "a sound box", &format!("{}\n", text.join("\n")));
}

#[test]
fn the_report_on_the_disk_is_the_one_that_is_printed() {
    let root = sound();
    let (report, ran) = check(&root, "sanity storage");
    ran.code(0);
    let left = root.read("data/reports/check/demo-BTC_USD-5m/check.json");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&left).unwrap(), report);
    let parts: Vec<_> = report["checks"].as_array().unwrap().iter().map(|c| &c["part"]).collect();
    assert!(parts.iter().all(|part| **part == "sanity" || **part == "storage"), "{parts:?}");
}

#[test]
fn every_row_of_the_ledger_is_proved() {
    let root = sound();
    let rows = root.rows(&decisions("paper"));
    let trades = root.rows(&crate::e2e::fixture::trades("paper"));
    assert!(rows > 200 && trades > 0, "{rows} {trades}");
    let (report, ran) = check(&root, "state");
    ran.code(0);
    let expected =
        format!("{rows} rows and {trades} trade rows proved, the last one is 1704132000000");
    let (level, value) = said(&report, "ledger");
    assert_eq!((level, value.starts_with(&expected)), ("ok", true), "{value}");
    assert_eq!(said(&report, "torn-tail"), ("ok", "none"));
    assert_eq!(said(&report, "commands"), ("ok", "0 of paper"));
    assert_eq!(one(&report, "build")["level"], "ok");
}

#[test]
fn the_look_ahead_test_cuts_where_it_is_told_to() {
    let root = Root::new();
    // Ten days, so that there are whole blocks to compare.
    let bars = market(Timeframe::M5, 1_704_067_500_000, 1_704_931_200_000);
    root.write("bars.csv", &csv(&bars));
    root.run("run import -p path=bars.csv exchange=demo").ok();
    let ran = root.run(
        "run check --json -p exchange=demo lookahead-every=300 --set check.only=[\"features\"]",
    );
    let report = ran.json()["report"].clone();
    ran.code(0);
    let (level, value) = said(&report, "look-ahead");
    assert_eq!(level, "ok", "{value}");
    assert!(value.ends_with("without the bars after 9 cuts, one every 300 slots"), "{value}");
    let (level, value) = said(&report, "finite");
    assert_eq!(level, "ok", "{value}");
    // Seven or more blocks have two whole blocks before them; the warm-up of the shipped strategy is long enough.
    let (level, value) = said(&report, "warm-up");
    assert_eq!(level, "ok", "{value}");
    let compared: usize = value.split(' ').nth(8).unwrap().parse().unwrap();
    assert!(compared > 1500, "{value}");
}

#[test]
fn a_trial_run_passes_and_leaves_no_file() {
    let root = Root::new();
    for _ in 0..2 {
        let (report, ran) = check(&root, "smoke");
        ran.code(0);
        let (level, value) = said(&report, "live-equals-replay");
        assert_eq!(level, "ok", "{value}");
        let rows: usize = value.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(value.starts_with("PASS: ") && rows > 300, "{value}");
        assert!(!value.contains("and 0 trade events"), "{value}");
    }
    assert_eq!(root.files("data/state/smoke/data"), []);
    assert!(root.files("data/raw").is_empty() && root.files("data/processed").is_empty());
}
