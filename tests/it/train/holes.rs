//! A hole in the bars costs the rows whose features or labels would reach across it, and no other number.

use std::collections::BTreeMap;

use mjolnir::{
    domain::{bar::TimedBar, time::Timeframe},
    engine::learn::rows::Rows,
};

use super::{
    fixture::{MIDNIGHT_MS, report, train},
    leaks::{honest, rows_with},
};
use crate::support::{
    market::{csv, market},
    runner::Root,
};

/// Two hours in the morning of the fifth day.
const HOLE: std::ops::Range<i64> = 1_240..1_264;

fn bars() -> Vec<TimedBar> {
    market(Timeframe::M5, MIDNIGHT_MS + 300_000, MIDNIGHT_MS + 8 * 86_400_000)
}

fn with_hole() -> Vec<TimedBar> {
    let first = bars()[0].ts;
    bars().into_iter().filter(|bar| !HOLE.contains(&bar.ts.since(first))).collect()
}

fn by_slot(rows: &Rows) -> BTreeMap<i64, (i64, usize)> {
    let row =
        |n: usize| (rows.slots()[n].ts_ms(), (rows.ends()[n].ts_ms(), rows.classes()[n].place()));
    (0..rows.len()).map(row).collect()
}

#[test]
fn no_label_reaches_across_a_hole_and_the_others_are_as_they_were() {
    let (whole, holed) = (rows_with(&bars(), honest).unwrap(), with_hole());
    let rows = rows_with(&holed, honest).unwrap();
    assert!((24..200).contains(&(whole.len() - rows.len())), "{} {}", whole.len(), rows.len());
    let (before, after) = (by_slot(&whole), by_slot(&rows));
    for (slot, had) in &after {
        assert_eq!(before.get(slot), Some(had), "the row at {slot}");
    }
    for place in 0..rows.len() {
        let (slot, end) = (rows.slots()[place], rows.ends()[place]);
        let within = holed.iter().filter(|bar| bar.ts > slot && bar.ts <= end).count() as i64;
        assert_eq!(within, end.since(slot), "the window of {slot} is whole");
    }
}

#[test]
fn a_training_goes_on_around_a_hole() {
    let rows = |bars: &[TimedBar]| {
        let root = Root::new();
        root.write("bars.csv", &csv(bars));
        let import =
            "run jobs/import.toml -p path=bars.csv exchange=demo symbol=BTC/USD time=close";
        root.run(import).ok();
        train(&root).run().ok();
        report(&root)["data"]["rows"].as_u64().unwrap()
    };
    let (whole, holed) = (rows(&bars()), rows(&with_hole()));
    assert!((24..200).contains(&(whole - holed)), "{whole} {holed}");
}
