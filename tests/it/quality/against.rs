//! The comparison with another series.

use mjolnir::{
    domain::time::{DAY_MS, Timeframe},
    store::layout::partition_name,
};
use serde_json::json;

use super::fixture::{Store, close, finding, found};
use crate::support::market::{Row, file, market};

const OTHER: &str = "data/raw/other/BTC_USD/5m/2024-01-02.parquet";

fn with_other(change: impl FnOnce(&mut Vec<Row>)) -> Store {
    let store = Store::broken(|_| {});
    let mut rows = store.days[1].clone();
    change(&mut rows);
    store.root.write_bytes(OTHER, &file(&rows));
    store
}

#[test]
fn the_same_bars_elsewhere_are_equal_over_what_both_have() {
    let (report, ran) = with_other(|_| {}).look("against-exchange=other");
    ran.code(0);
    assert_eq!(found(&report), []);
    let classes = json!({ "equal": 288, "differing": 0, "absent-here": 0, "absent-there": 0 });
    assert_eq!(finding(&report, "against")["classes"], classes);
    // Without a series to compare with there is no such check.
    let (report, _) = with_other(|_| {}).look("");
    let all = report["findings"].as_array().unwrap();
    assert!(all.iter().all(|one| one["check"] != "against"));
}

#[test]
fn differences_and_absences_are_counted_and_named() {
    let mut store = with_other(|rows| {
        rows[30].1[3] += 0.5;
        rows[30].1[1] += 1.0;
        rows.remove(40);
    });
    store.days[1].remove(50);
    store.write();
    let (report, ran) = store.look("against-exchange=other");
    ran.code(1);
    let against = finding(&report, "against");
    assert_eq!(against["count"], 3, "{against}");
    let classes = json!({ "equal": 285, "differing": 1, "absent-here": 1, "absent-there": 1 });
    assert_eq!(against["classes"], classes);
    let examples = against["examples"].as_array().unwrap();
    let places: Vec<_> = examples.iter().map(|one| one["ts_ms"].as_i64().unwrap()).collect();
    assert_eq!(places, [close(1, 30), close(1, 50), close(1, 40)]);
    let what = examples[0]["what"].as_str().unwrap();
    let [_, high, _, price, _] = store.days[1][30].1;
    let expected = format!(
        "high {high} here, {} there, close {price} here, {} there",
        high + 1.0,
        price + 0.5
    );
    assert_eq!(what, expected);
    assert_eq!(examples[1]["what"], "only there");
    assert_eq!(examples[2]["what"], "only here");
}

#[test]
fn a_tolerance_lets_small_differences_pass_and_other_venues_have_other_volumes() {
    let store = with_other(|rows| {
        for row in rows.iter_mut() {
            row.1[..4].iter_mut().for_each(|price| *price *= 1.001);
            row.1[4] *= 3.0;
        }
    });
    for (tolerance, differing) in [("0", 288), ("0.09", 288), ("0.11", 0)] {
        let (report, _) = store.look(&format!("against-exchange=other tolerance-pct={tolerance}"));
        assert_eq!(finding(&report, "against")["classes"]["differing"], differing, "{tolerance}");
    }
}

#[test]
fn shorter_bars_are_put_together_first() {
    // A five-minute store made of the minutes it is compared with.
    let minutes = market(Timeframe::M1, 19_723 * DAY_MS, 19_724 * DAY_MS);
    let rows: Vec<Row> = minutes.iter().map(|bar| (bar.ts.ts_ms(), bar.bar.values())).collect();
    let whole: Vec<&[Row]> = rows
        .chunk_by(|a, b| (a.0 - 60_000) / 300_000 == (b.0 - 60_000) / 300_000)
        .filter(|part| part.len() == 5)
        .collect();
    let put_together: Vec<Row> = whole
        .iter()
        .map(|part| {
            let high = part.iter().map(|row| row.1[1]).fold(f64::MIN, f64::max);
            let low = part.iter().map(|row| row.1[2]).fold(f64::MAX, f64::min);
            // The volumes of the made-up market have five decimals.
            let units: i64 = part.iter().map(|row| (row.1[4] * 1e5).round() as i64).sum();
            (part[4].0, [part[0].1[0], high, low, part[4].1[3], units as f64 / 1e5])
        })
        .collect();
    assert!(put_together.len() > 200, "{}", put_together.len());
    let mut store = Store::new();
    store.days = [put_together.clone(), vec![], vec![]];
    let day =
        |timeframe: &str| format!("data/raw/demo/BTC_USD/{timeframe}/{}", partition_name(19_723));
    store.root.write_bytes(&day("1m"), &file(&rows));
    store.root.write_bytes(&day("5m"), &file(&put_together));
    let (report, _) = store.look("against-timeframe=1m");
    let equal = put_together.len() as u64;
    let classes = json!({ "equal": equal, "differing": 0, "absent-here": 0, "absent-there": 0 });
    assert_eq!(finding(&report, "against")["classes"], classes);
    // On the same venue volumes count: one unit is a difference.
    let mut off = put_together;
    off[9].1[4] += 0.00001;
    store.root.write_bytes(&day("5m"), &file(&off));
    let (report, ran) = store.look("against-timeframe=1m");
    ran.code(1);
    assert_eq!(finding(&report, "against")["classes"]["differing"], 1);
}

#[test]
fn bars_that_cannot_be_put_together_are_refused() {
    let store = Store::broken(|_| {});
    for other in ["15m", "3m"] {
        let words = format!("run data-quality -p exchange=demo against-timeframe={other}");
        let message = format!("bars of 5m cannot be put together from bars of {other}");
        store.root.run(&words).code(78).says(&[&message]);
    }
    let (report, ran) = store.look("against-timeframe=1m");
    ran.code(0);
    assert_eq!(
        report["notes"],
        json!(["the store does not have a row of demo BTC/USD 1m to compare with"])
    );
}
