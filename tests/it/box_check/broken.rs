//! Boxes with something wrong.

use mjolnir::domain::time::Timeframe;

use super::fixture::{check, one, said, sound};
use crate::{
    e2e::fixture::{decisions, trades, with_cell},
    support::{
        market::{csv, file, market},
        runner::Root,
    },
};

const RAW: &str = "data/raw/demo/BTC_USD/5m";

#[test]
fn a_contradiction_in_the_settings_fails_and_an_odd_one_warns() {
    let root = Root::new();
    let words = "run check --json -p exchange=demo --set check.only=[\"sanity\"] --set";
    for (set, name, level, code) in [
        ("risk.position-max=999", "notional", "fail", 1),
        ("account.notional=10001 --set account.leverage=2", "notional", "warn", 0),
        ("risk.daily-loss-max=20000", "daily-loss", "warn", 0),
        ("risk.daily-loss-max=1", "daily-loss", "fail", 1),
    ] {
        let ran = root.run(&format!("{words} {set}")).code(code);
        let report = ran.json()["report"].clone();
        assert_eq!(said(&report, name).0, level, "{set}: {report}");
    }
}

#[test]
fn a_recorded_row_that_does_not_follow_fails_with_its_line() {
    let root = sound();
    let path = decisions("paper");
    let whole = root.read(&path);
    // The equity of line 150, off by one.
    root.write(&path, &with_cell(&whole, 150, 12, "9999"));
    let (report, ran) = check(&root, "state");
    ran.code(1);
    let (level, value) = said(&report, "ledger");
    assert_eq!(level, "fail");
    assert!(value.contains("decisions.csv:150: ") && value.contains("column equity"), "{value}");
    let next = one(&report, "ledger")["next"].as_str().unwrap();
    assert!(next.starts_with("runner run jobs/eqflat.toml -p tag=paper exchange=demo"), "{next}");
    // A trade that no decision leads to.
    root.write(&path, &whole);
    let trade_path = trades("paper");
    let kept = root.read(&trade_path);
    let last = kept.lines().last().unwrap().to_owned();
    root.write(&trade_path, &format!("{kept}{last}\n"));
    let (report, ran) = check(&root, "state");
    ran.code(1);
    assert_eq!(said(&report, "ledger").0, "fail");
    root.write(&trade_path, &kept);
    check(&root, "state").1.code(0);
}

#[test]
fn a_torn_tail_warns_and_is_left_as_it_is() {
    let root = sound();
    let path = decisions("paper");
    let torn = root.read(&path) + "demo,BTC/USD,5m,1704";
    root.write(&path, &torn);
    let (report, ran) = check(&root, "state");
    ran.code(0);
    let (level, value) = said(&report, "torn-tail");
    assert_eq!((level, value.starts_with(&path)), ("warn", true), "{value}");
    assert_eq!(said(&report, "ledger").0, "ok");
    assert_eq!(root.read(&path), torn);
    assert!(root.list("data/quarantine").is_empty());
}

#[test]
fn other_settings_than_the_ledgers_and_bad_commands_fail() {
    let root = sound();
    let words = "run check --json -p tag=paper exchange=demo --set check.only=[\"state\"] --set";
    let ran = root.run(&format!("{words} strategy.params.fast.default=19")).code(1);
    let report = ran.json()["report"].clone();
    let (_, value) = said(&report, "ledger");
    assert!(value.contains("strategy.params.fast is 19, was 20"), "{value}");
    root.write("data/processed/commands/paper.csv", "what is this\n");
    let (report, ran) = check(&root, "state");
    ran.code(1);
    assert_eq!(said(&report, "commands").0, "fail");
}

#[test]
fn without_a_ledger_the_state_is_a_warning_and_rows_without_a_birth_certificate_are_a_failure() {
    let root = Root::new();
    let (report, ran) = check(&root, "state");
    ran.code(0);
    assert_eq!(said(&report, "ledger").0, "warn");
    assert_eq!(one(&report, "ledger")["next"], "runner run jobs/live.toml -p tag=paper");
    let root = sound();
    root.remove(&decisions("paper").replace("decisions.csv", "origin.json"));
    let (report, ran) = check(&root, "state");
    ran.code(1);
    let (level, value) = said(&report, "ledger");
    assert_eq!((level, value.contains("origin.json is missing")), ("fail", true), "{value}");
}

#[test]
fn damaged_files_leftovers_and_foreign_files_are_told_apart() {
    let root = sound();
    let (report, ran) = check(&root, "storage");
    ran.code(0);
    for name in ["partitions", "revisions", "unfinished", "quarantine", "owners"] {
        assert_eq!(said(&report, name).0, "ok", "{report}");
    }
    root.write("data/quarantine/decisions.csv.1.0.torn", "demo,BTC");
    root.write(&format!("{RAW}/2024-01-01.parquet.7.0.tmp"), "half");
    root.write(&format!("{RAW}/revisions.csv"), "what is this\n");
    let bars = root.list(RAW).into_iter().find(|name| name.ends_with(".parquet")).unwrap();
    let rows = market(Timeframe::M5, 1_704_067_500_000, 1_704_070_800_000);
    let mut rows: Vec<_> = rows.iter().map(|bar| (bar.ts.ts_ms(), bar.bar.values())).collect();
    rows.swap(3, 4);
    root.write_bytes(&format!("{RAW}/{bars}"), &file(&rows));
    let (report, ran) = check(&root, "storage");
    ran.code(1);
    for (name, level, word) in [
        ("partitions", "fail", "1 of "),
        ("partitions", "fail", bars.as_str()),
        ("revisions", "fail", "foreign header"),
        ("unfinished", "warn", "2024-01-01.parquet.7.0.tmp"),
        ("quarantine", "warn", "1 pieces: decisions.csv.1.0.torn"),
    ] {
        let (found, value) = said(&report, name);
        assert_eq!((found, value.contains(word)), (level, true), "{name}: {value}");
    }
    let next = one(&report, "partitions")["next"].as_str().unwrap();
    assert!(next.starts_with("runner run jobs/data-quality.toml -p exchange=demo"), "{next}");
}

#[test]
fn a_file_of_somebody_else_or_one_that_cannot_be_written_fails() {
    let root = sound();
    let path = decisions("paper");
    let is_root = root.shell("id -u").stdout.trim() == "0";
    let (spoil, word) = if is_root {
        (format!("chown 12345 {path}"), "belongs to user 12345, not to 0")
    } else {
        (format!("chmod a-w {path}"), "is not writable")
    };
    root.shell(&spoil).code(0);
    let (report, ran) = check(&root, "storage");
    ran.code(1);
    let (level, value) = said(&report, "owners");
    assert_eq!((level, value.contains(word) && value.contains(&path)), ("fail", true), "{value}");
}

#[test]
fn features_of_damaged_or_absent_bars_are_not_claimed() {
    let root = Root::new();
    let (report, ran) = check(&root, "features");
    ran.code(0);
    assert_eq!(said(&report, "bars").0, "warn");
    // A dozen bars are no warm-up, and there is nothing to compare.
    root.write("bars.csv", &csv(&market(Timeframe::M5, 1_704_067_500_000, 1_704_070_800_000)));
    root.run("run import -p path=bars.csv exchange=demo").ok();
    let (report, ran) = check(&root, "features");
    ran.code(0);
    assert_eq!(said(&report, "finite").0, "warn");
    assert_eq!(said(&report, "warm-up").0, "warn");
    root.write(&format!("{RAW}/2024-01-01.parquet"), "PAR1");
    let (report, ran) = check(&root, "features");
    ran.code(1);
    assert_eq!(said(&report, "bars").0, "fail");
}
