//! Faults of rows and files.

use super::fixture::{DIR, SLOTS, Store, close, finding, found, partition, shown};
use crate::support::market::{Row, file, foreign};

#[test]
fn sound_days_give_no_finding_and_nothing_is_written_beside_them() {
    let store = Store::broken(|_| {});
    let before = store.root.files("data/raw");
    let (report, ran) = store.look("");
    ran.code(0);
    assert_eq!(found(&report), []);
    assert_eq!((&report["rows"], &report["files"]), (&(3 * SLOTS).into(), &3.into()));
    assert_eq!(report["window"], serde_json::json!([close(0, 0), close(2, SLOTS - 1)]));
    assert_eq!(store.root.files("data/raw"), before, "no lock, no change");
    let path = "data/reports/data-quality/demo-BTC_USD-5m/quality.json";
    let left: serde_json::Value = serde_json::from_str(&store.root.read(path)).unwrap();
    assert_eq!(left, report, "the document on the disk is the one that was printed");
}

/// A way to break the second day, and what must be found: check, count, slot of the day, row of the file.
type Case = (&'static str, fn(&mut Vec<Row>), u64, usize, u64);

const BROKEN: [Case; 14] = [
    ("duplicates", |rows| rows.insert(10, rows[9]), 1, 9, 11),
    ("misaligned", |rows| rows[7].0 += 1000, 1, 7, 8),
    ("disorder", |rows| rows.swap(20, 21), 1, 20, 22),
    ("wrong-day", |rows| rows.push((close(2, 5), rows[5].1)), 1, SLOTS + 5, SLOTS as u64 + 1),
    ("not-finite", |rows| rows[3].1[4] = f64::NAN, 1, 3, 4),
    ("not-finite", |rows| rows[3].1[1] = f64::INFINITY, 1, 3, 4),
    ("non-positive", |rows| rows[4].1[2] = 0.0, 1, 4, 5),
    ("negative-volume", |rows| rows[5].1[4] = -0.5, 1, 5, 6),
    ("out-of-range", |rows| rows[6].1[1] = 2e12, 1, 6, 7),
    ("out-of-range", |rows| rows[6].1[2] = 1e-13, 1, 6, 7),
    ("out-of-range", |rows| rows[6].1[4] = 2e24, 1, 6, 7),
    ("ohlc", |rows| rows[8].1[1] = rows[8].1[2] * 0.999, 1, 8, 9),
    ("ohlc", |rows| rows[8].1[2] = rows[8].1[1] * 1.001, 1, 8, 9),
    ("ohlc", |rows| rows[8].1[0] = rows[8].1[1] * 1.001, 1, 8, 9),
];

#[test]
fn each_fault_of_a_row_is_found_with_its_count_and_place() {
    for (check, change, count, slot, row) in BROKEN {
        let store = Store::broken(|days| change(&mut days[1]));
        let (report, ran) = store.look("");
        ran.code(1);
        assert_eq!(report["passed"], false);
        let finding = finding(&report, check);
        assert_eq!((&finding["count"], &finding["level"]), (&count.into(), &"error".into()));
        let example = &finding["examples"][0];
        let ts = close(1, slot) + if check == "misaligned" { 1000 } else { 0 };
        assert_eq!(example["ts_ms"], ts, "{check}: {finding}");
        assert_eq!(example["row"], row, "{check}: {finding}");
        assert_eq!(example["file"], partition(1), "{check}: {finding}");
        // The same fault is named nowhere else among the faults of rows.
        let others: Vec<_> = found(&report)
            .into_iter()
            .filter(|(name, _)| name != check && name != "gaps" && name != "spikes")
            // A row of another day stands twice when its own day is there.
            .filter(|(name, _)| check != "wrong-day" || name != "duplicates")
            .collect();
        assert_eq!(others, [], "{check}: {report}");
    }
}

#[test]
fn harmless_rows_are_left_alone() {
    type Change = fn(&mut Vec<Row>);
    let changes: [(&str, Change); 5] = [
        ("a bar of one price", |rows| {
            let price = rows[3].1[3];
            rows[3].1 = [price, price, price, price, 0.0];
        }),
        ("no volume", |rows| rows[4].1[4] = 0.0),
        ("the open is the high", |rows| rows[5].1[1] = rows[5].1[0].max(rows[5].1[3])),
        ("the close is the low", |rows| rows[6].1[2] = rows[6].1[3].min(rows[6].1[0])),
        ("a large volume", |rows| rows[7].1[4] = 1e18),
    ];
    for (what, change) in changes {
        let (report, ran) = Store::broken(|days| change(&mut days[1])).look("");
        ran.code(0);
        assert_eq!(found(&report), [], "{what}");
    }
}

#[test]
fn several_rows_with_one_stamp_are_told_by_their_values() {
    let store = Store::broken(|days| {
        let again = days[0][4];
        days[0].insert(5, again);
        days[0].insert(6, (again.0, again.1.map(|value| value * 1.0001)));
    });
    let (report, _) = store.look("");
    let finding = finding(&report, "duplicates");
    assert_eq!(finding["classes"], serde_json::json!({ "other-values": 1, "same-values": 1 }));
    assert_eq!(found(&report), [("duplicates".to_owned(), 2)]);
}

#[test]
fn a_file_that_cannot_be_read_is_a_finding_and_the_others_are_looked_at() {
    let store = Store::broken(|days| days[2][9].1[4] = -1.0);
    store.root.write(&partition(1), "PAR1 and nothing behind it");
    let (report, ran) = store.look("");
    ran.code(1);
    let finding = finding(&report, "unreadable");
    assert_eq!((&finding["count"], &finding["level"]), (&1.into(), &"error".into()));
    assert_eq!(finding["examples"][0]["file"], partition(1));
    let names: Vec<_> = found(&report).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["unreadable", "negative-volume", "gaps", "coverage"]);
}

#[test]
fn a_file_that_other_jobs_refuse_is_named_and_its_rows_are_looked_at() {
    let store = Store::broken(|_| {});
    let mut rows = store.days[1].clone();
    rows[12].1[1] = rows[12].1[2] * 0.5;
    store.root.write_bytes(&partition(1), &foreign(&rows));
    let (report, ran) = store.look("");
    ran.code(1);
    assert_eq!(found(&report), [("unreadable".to_owned(), 1), ("ohlc".to_owned(), 1)]);
    assert_eq!(finding(&report, "ohlc")["examples"][0]["row"], 13);
    // The strict reader agrees that this is no partition.
    store.root.run("run backtest -p exchange=demo runid=r").code(65).says(&[&partition(1)]);
}

#[test]
fn whatever_is_in_the_file_the_job_says_what_the_strict_reader_says() {
    for (check, change, ..) in BROKEN {
        let store = Store::broken(|days| change(&mut days[1]));
        let refused = store.root.run("run backtest -p exchange=demo runid=r");
        assert_eq!(refused.code, 65, "{check}: {refused}");
    }
}

#[test]
fn the_command_that_is_advised_mends_the_file() {
    let store = Store::broken(|days| {
        days[1].insert(10, days[1][9]);
        days[1].swap(20, 21);
    });
    let (report, ran) = store.look("");
    ran.code(1);
    let next = finding(&report, "duplicates")["next"].as_str().unwrap().to_owned();
    let runner = env!("CARGO_BIN_EXE_runner");
    store.root.shell(&next.replace("runner run", &format!("{runner} run"))).code(0);
    let (report, ran) = store.look("");
    ran.code(0);
    assert_eq!(found(&report), []);
}

#[test]
fn people_get_a_table_with_places_and_commands() {
    let store = Store::broken(|days| days[1][3].1[4] = -0.5);
    let ran = store.root.run("run data-quality -p exchange=demo").code(1);
    let place =
        format!("{}:4  {} ({})  volume -0.5", partition(1), close(1, 3), shown(close(1, 3)));
    ran.prints(&[
        "demo BTC/USD 5m: FAIL: 864 rows in 3 files; errors: negative-volume\n",
        "negative-volume  error           1 rows\n",
        "ohlc             ok              0 rows\n",
        &place,
        &format!("next: mv {} 2024-01-02.parquet && runner run jobs/import.toml", partition(1)),
        "report: data/reports/data-quality/demo-BTC_USD-5m/quality.json\n",
    ]);
}

#[test]
fn a_check_is_an_error_a_warning_or_off_as_the_manifest_says() {
    let store = Store::broken(|days| days[1][3].1[4] = -0.5);
    for (level, code) in [("error", 1), ("warn", 0), ("off", 0)] {
        let words = format!(
            "run data-quality --json -p exchange=demo --set data-quality.severity.negative-volume={level}"
        );
        let ran = store.root.run(&words).code(code);
        let report = &ran.json()["report"];
        let all = report["findings"].as_array().unwrap();
        let one = all.iter().find(|one| one["check"] == "negative-volume");
        assert_eq!(one.is_some(), level != "off", "{report}");
        assert!(one.is_none_or(|one| one["level"] == level), "{report}");
    }
}

#[test]
fn without_any_row_nothing_matched() {
    let store = Store::new();
    store.look("").1.code(4).says(&["does not have a row of demo BTC/USD 5m", DIR]);
    store.write();
    let words = format!("start-ts-ms={} end-ts-ms={}", close(4, 0), close(4, 9));
    store.look(&words).1.code(4);
}

#[test]
fn a_partition_with_more_rows_than_a_day_has_is_read_all_the_same() {
    let store = Store::broken(|_| {});
    let many: Vec<Row> = (0..6).flat_map(|_| store.days[1].clone()).collect();
    store.root.write_bytes(&partition(1), &file(&many));
    let (report, _) = store.look("");
    let counts = found(&report);
    assert_eq!(counts[0], ("unreadable".to_owned(), 1));
    assert!(counts.contains(&("duplicates".to_owned(), 5 * SLOTS as u64)), "{counts:?}");
    assert!(counts.contains(&("disorder".to_owned(), 5)), "{counts:?}");
}
