//! What only several bars together show: gaps, quiet runs, spikes, revisions, coverage.

use serde_json::json;

use super::fixture::{DIR, Store, close, finding, found, sound};
use crate::support::{market::csv, runner::Root};
use mjolnir::domain::{
    bar::{Bar, TimedBar},
    time::Timeframe,
};

const REVISIONS: &str = "ts_ms,old_open,old_high,old_low,old_close,old_volume,new_open,new_high,new_low,new_close,new_volume,seen_at_ms\n";

/// Takes slots out of the second day.
fn hole(first: usize, slots: usize) -> Store {
    Store::broken(|days| drop(days[1].drain(first..first + slots)))
}

fn gap(store: &Store, words: &str) -> (serde_json::Value, u64, String) {
    let (report, ran) = store.look(words);
    ran.code(0);
    let gaps = finding(&report, "gaps").clone();
    let what = gaps["examples"][0]["what"].as_str().unwrap_or_default().to_owned();
    (gaps.clone(), gaps["count"].as_u64().unwrap(), what)
}

#[test]
fn a_short_gap_is_unknown_and_a_long_one_an_outage() {
    for (slots, what) in [(1, "unknown: 1 slot"), (3, "unknown: 3 slots"), (4, "outage: 4 slots")] {
        let store = hole(100, slots);
        let (gaps, count, said) = gap(&store, "");
        assert_eq!((count, said.as_str()), (slots as u64, what), "{gaps}");
        assert_eq!(gaps["examples"][0]["ts_ms"], close(1, 100));
        assert_eq!(gaps["level"], "warn");
    }
    let (gaps, ..) = gap(&hole(100, 3), "--set data-quality.outage-bars=2");
    assert_eq!(gaps["classes"], json!({ "outage": 3 }));
}

#[test]
fn on_a_venue_that_leaves_bars_out_a_short_gap_is_a_slot_without_a_trade_and_no_fault() {
    let store = hole(100, 3);
    store.root.rename("data/raw/demo", "data/raw/coinbase");
    let (gaps, count, _) = gap(&store, "exchange=coinbase");
    assert_eq!(count, 0, "{gaps}");
    assert_eq!(gaps["classes"], json!({ "no-trades": 3 }));
}

#[test]
fn frozen_prices_beside_a_short_gap_make_it_an_outage() {
    for (slot, volume, class) in
        [(99, 0.0, "outage"), (101, 0.0, "outage"), (99, 0.1, "unknown"), (98, 0.0, "unknown")]
    {
        let store = Store::broken(|days| {
            let price = days[1][slot].1[3];
            days[1][slot].1 = [price, price, price, price, volume];
            days[1].remove(100);
        });
        let (gaps, ..) = gap(&store, "");
        assert_eq!(gaps["classes"], json!({ class: 1 }), "slot {slot}, volume {volume}");
    }
}

#[test]
fn a_gap_beside_bars_that_were_filled_in_later_is_ours() {
    let store = hole(100, 2);
    let row = |slot: usize| {
        let values = store.days[1][slot].1.map(|value| value.to_string()).join(",");
        format!("{},,,,,,{values},1704200000000\n", close(1, slot))
    };
    // The bar before the hole came later than its successors.
    store.root.write(&format!("{DIR}/revisions.csv"), &format!("{REVISIONS}{}", row(99)));
    let (gaps, ..) = gap(&store, "");
    assert_eq!(gaps["classes"], json!({ "ours": 2, "filled-in": 1 }));
    // Far from it, it says nothing.
    store.root.write(&format!("{DIR}/revisions.csv"), &format!("{REVISIONS}{}", row(50)));
    let (gaps, ..) = gap(&store, "");
    assert_eq!(gaps["classes"], json!({ "unknown": 2, "filled-in": 1 }));
}

#[test]
fn a_gap_where_live_failed_to_fetch_is_ours() {
    let root = Root::new();
    let live = "run live -p tag=paper exchange=demo feed=synthetic from=2024-01-01T00:00:00Z \
                to=2024-01-01T06:00:00Z";
    root.run(live).ok();
    // The next three hours every fetch fails, and what was stored of them is lost.
    let drill = live.replace("06:00", "09:00") + " force-fetch-fail=1";
    root.run(&drill).code(0);
    let decisions = root.read(&crate::e2e::fixture::decisions("paper"));
    let failed: Vec<i64> = decisions
        .lines()
        .filter(|row| row.contains(",fetch_failed,"))
        .map(|row| row.split(',').nth(3).unwrap().parse().unwrap())
        .collect();
    assert!(failed.len() > 10, "{decisions}");
    let words = "run data-quality --json -p exchange=demo end-ts-ms=1704099600000";
    let without = root.run(words).code(0).json()["report"].clone();
    let with = root.run(&format!("{words} tag=paper")).code(0).json()["report"].clone();
    let classes = |report: &serde_json::Value| finding(report, "gaps")["classes"].clone();
    assert_eq!(classes(&without)["ours"], json!(null), "{without}");
    assert!(classes(&with)["ours"].as_u64().unwrap() >= failed.len() as u64, "{with}");
    let other = root.run(&format!("{words} tag=nosuch")).code(0).json()["report"].clone();
    assert_eq!(other["notes"], json!(["tag nosuch has no ledger of demo BTC/USD 5m"]));
}

#[test]
fn a_window_is_held_to_all_its_slots_and_to_no_others() {
    let store = hole(100, 1);
    store.root.remove(&super::fixture::partition(2));
    // The window reaches one hour beyond the last bar.
    let words = format!("start-ts-ms={} end-ts-ms={}", close(1, 200), close(2, 11));
    let (gaps, count, what) = gap(&store, &words);
    assert_eq!((count, what.as_str()), (12, "outage: 12 slots"), "{gaps}");
    assert_eq!(gaps["examples"][0]["ts_ms"], close(2, 0));
    // Without a window it ends with the last bar, and only the hole inside counts.
    assert_eq!(gap(&store, "").1, 1);
    // What is still to come is not missing.
    let words = format!("start-ts-ms={} end-ts-ms=7258118100000", close(1, 101));
    let (report, _) = store.look(&words);
    let last = report["window"][1].as_i64().unwrap();
    assert!(last < 7_000_000_000_000, "{last}");
}

#[test]
fn a_long_run_without_volume_is_a_finding_and_a_short_one_is_not() {
    for (bars, count) in [(12, 0), (13, 13)] {
        let store = Store::broken(|days| {
            days[1][40..40 + bars].iter_mut().for_each(|row| row.1[4] = 0.0);
        });
        let (report, ran) = store.look("");
        ran.code(0);
        let quiet = finding(&report, "zero-volume");
        assert_eq!(quiet["count"], count, "{quiet}");
        if count > 0 {
            assert_eq!(quiet["examples"][0]["ts_ms"], close(1, 40));
            assert_eq!(quiet["examples"][0]["what"], "13 bars without volume");
        }
    }
}

#[test]
fn a_spike_is_flagged_where_it_goes_and_where_it_comes_back() {
    let spiked = |factor: f64| {
        Store::broken(|days| {
            let [open, high, low, close, volume] = days[1][60].1;
            let far = close * factor;
            days[1][60].1 = [open, high.max(far), low.min(far), far, volume];
        })
    };
    for factor in [1.2, 0.8] {
        let (report, ran) = spiked(factor).look("");
        ran.code(0);
        let spikes = finding(&report, "spikes");
        assert_eq!(spikes["count"], 2, "{spikes}");
        assert_eq!(spikes["examples"][0]["ts_ms"], close(1, 60));
        assert_eq!(spikes["examples"][1]["ts_ms"], close(1, 61));
        assert_eq!(found(&report).len(), 1);
    }
    // The same far away inside the bar, with the close where it was: a wick.
    let wick = Store::broken(|days| days[1][60].1[1] *= 1.2);
    let spikes = finding(&wick.look("").0, "spikes").clone();
    assert_eq!(spikes["classes"], json!({ "closes": 0, "wicks": 1 }), "{spikes}");
    assert_eq!(spikes["examples"][0]["ts_ms"], close(1, 60));
    // Below the floor in percent it is none, however many sigmas it is; a lower floor finds it.
    let store = spiked(1.04);
    assert_eq!(finding(&store.look("").0, "spikes")["count"], 0);
    let lower = "--set data-quality.spike-pct=3";
    assert_eq!(finding(&store.look(lower).0, "spikes")["count"], 2);
    // In a market that moves as much all the time it is none either.
    let wild = "--set data-quality.spike-pct=3 --set data-quality.spike-sigmas=1000";
    assert_eq!(finding(&store.look(wild).0, "spikes")["count"], 0);
}

#[test]
fn a_jump_across_a_gap_is_no_spike() {
    let store = Store::broken(|days| {
        days[1].remove(100);
        let [_, second, third] = days;
        for row in second.iter_mut().skip(100).chain(third) {
            row.1[..4].iter_mut().for_each(|price| *price *= 2.0);
        }
    });
    let (report, _) = store.look("");
    assert_eq!(found(&report), [("gaps".to_owned(), 1)]);
}

#[test]
fn the_rate_of_revisions_is_judged() {
    let root = Root::new();
    let bars: Vec<TimedBar> = sound(Timeframe::M5, 1)
        .into_iter()
        .map(|(ts, values)| TimedBar {
            ts: Timeframe::M5.slot(ts).unwrap(),
            bar: Bar::new(values).unwrap(),
        })
        .collect();
    let import = "run import -p path=bars.csv exchange=demo";
    root.write("bars.csv", &csv(&bars));
    root.run(import).ok();
    let mut revised = bars.clone();
    for bar in &mut revised[10..13] {
        let [open, high, low, close, volume] = bar.bar.values();
        bar.bar = Bar::new([open, high, low, close, volume + 1.0]).unwrap();
    }
    root.write("bars.csv", &csv(&revised));
    root.run(import).ok();
    let look = |rate: &str| {
        let words = "run data-quality --json -p exchange=demo --set data-quality.revision-rate-max";
        root.run(&format!("{words}={rate}")).code(0).json()["report"].clone()
    };
    // 3 of 288 are 1.04 %.
    let above = look("0.0104");
    let revisions = finding(&above, "revisions");
    assert_eq!((&revisions["count"], &revisions["level"]), (&json!(3), &json!("warn")));
    assert_eq!(revisions["classes"], json!({ "revised": 3, "stored": 288 }));
    assert_eq!(revisions["examples"][0]["ts_ms"], close(0, 10));
    let below = look("0.0105");
    assert_eq!(finding(&below, "revisions")["count"], 0);
    assert_eq!(finding(&below, "revisions")["classes"], json!({ "revised": 3, "stored": 288 }));
}

#[test]
fn a_revision_log_that_cannot_be_read_is_a_finding() {
    let store = Store::broken(|_| {});
    store.root.write(&format!("{DIR}/revisions.csv"), "what is this\n");
    let (report, ran) = store.look("");
    ran.code(1);
    assert_eq!(found(&report), [("unreadable".to_owned(), 1)]);
    let file = &finding(&report, "unreadable")["examples"][0]["file"];
    assert_eq!(file, &json!(format!("{DIR}/revisions.csv")));
}

#[test]
fn thin_days_are_told_by_their_share_of_slots() {
    // 95 % of 288 are 273.6.
    for (missing, count) in [(14, 0), (15, 1)] {
        let store = Store::broken(|days| {
            let mut n = 0;
            days[1].retain(|_| {
                n += 1;
                n % 19 != 0 || n > 19 * missing
            });
        });
        let (report, _) = store.look("");
        let coverage = finding(&report, "coverage");
        assert_eq!(coverage["count"], count, "{coverage}");
        if count > 0 {
            assert_eq!(coverage["examples"][0]["what"], "2024-01-02: 273 of 288 slots");
        }
    }
    // A day without a file is a day without bars.
    let store = Store::broken(|_| {});
    store.root.remove(&super::fixture::partition(1));
    let (report, _) = store.look("");
    let what = &finding(&report, "coverage")["examples"][0]["what"];
    assert_eq!(what, &json!("2024-01-02: 0 of 288 slots"));
    // Of a day that the window cuts only the inside counts.
    let words = format!("start-ts-ms={} end-ts-ms={}", close(0, 0), close(2, 11));
    let store = Store::broken(|days| drop(days[2].drain(12..)));
    assert_eq!(found(&store.look(&words).0), []);
}
