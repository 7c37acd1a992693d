//! Walking forward over generated rows: whatever the holes, the horizon and the embargo, no label reaches into a later part.

use std::collections::BTreeMap;

use mjolnir::{
    domain::{
        bar::{Bar, TimedBar},
        time::{SlotTs, Timeframe},
    },
    engine::{
        anchor::FeatureRows,
        learn::{
            label::{Class, Label},
            rows::{FoldGrowth, FoldSettings, PART_ROWS_MIN, TrainRows, number},
        },
    },
};
use proptest::prelude::*;

use super::{
    fixture::{MIDNIGHT_MS, report, train},
    leaks::{honest, rows_with},
};
use crate::support::{
    market::{csv, market},
    runner::Root,
};

fn slot(n: i64) -> SlotTs {
    Timeframe::M5.slot(300_000 * (1_000 + n)).unwrap()
}

/// Rows at the slots that are not left out, with labels of a fixed reach.
fn rows(slots: i64, holes: &[i64], reach: i64) -> TrainRows {
    let bar = Bar::new([1.0, 1.0, 1.0, 1.0, 1.0]).unwrap();
    let bars: Vec<TimedBar> =
        (0..slots).filter(|n| !holes.contains(n)).map(|n| TimedBar { ts: slot(n), bar }).collect();
    let features = FeatureRows::ready(1, vec![0.0; bars.len()]);
    TrainRows::collect(&bars, &features, 1, |at, _| {
        Some(Label { class: Class::Flat, end: bars[at].ts.plus(reach) })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_label_reaches_into_a_later_part_or_its_embargo(
        slots in 600_i64..3_000,
        holes in proptest::collection::vec(0_i64..3_000, 0..200),
        reach in 1_i64..60,
        embargo in 0_u32..120,
        folds in 1_u32..8,
        train_min in 0.2_f64..0.8,
        validation in 0.1_f64..0.4,
        growth in prop_oneof![Just(FoldGrowth::Expanding), Just(FoldGrowth::Rolling)],
    ) {
        let rows = rows(slots, &holes, reach);
        let cut = FoldSettings { folds, train_min, validation, embargo, growth };
        let mut tested = Vec::new();
        let all = cut.folds(&rows).unwrap();
        let last = cut.last(&rows).unwrap();
        for (place, fold) in all.iter().chain([&last]).enumerate() {
            // Too little is refused; that is no leak.
            let Ok(parts) = cut.parts(&rows, fold, "fold") else { continue };
            let ends = |part: &[usize]| part.iter().map(|r| number(rows.ends()[*r])).max();
            let gap = i64::from(embargo);
            prop_assert!(ends(&parts.train).unwrap() + gap < fold.validation.start);
            prop_assert!(parts.train.iter().all(|r| fold.train.contains(&number(rows.slots()[*r]))));
            if place < all.len() {
                prop_assert!(ends(&parts.validation).unwrap() + gap < fold.test.start);
                prop_assert!(ends(&parts.train).unwrap() + gap < fold.test.start);
                prop_assert!(parts.test.len() >= PART_ROWS_MIN);
            }
            tested.extend(parts.test);
        }
        // No row is tested twice, and tests move forward.
        prop_assert!(tested.is_sorted_by(|a, b| a < b));
        for pair in all.windows(2) {
            prop_assert_eq!(pair[0].test.end, pair[1].test.start);
            let grows = match growth {
                FoldGrowth::Expanding => pair[0].train.start == pair[1].train.start,
                FoldGrowth::Rolling => pair[0].train.start < pair[1].train.start,
            };
            prop_assert!(grows);
        }
        prop_assert_eq!(all.last().unwrap().test.end, last.test.end);
    }
}

#[test]
fn too_little_is_refused_with_the_part_that_lacks_rows() {
    let cut = FoldSettings {
        folds: 5,
        train_min: 0.5,
        validation: 0.1,
        embargo: 288,
        growth: FoldGrowth::Expanding,
    };
    let few = rows(900, &[], 12);
    let fold = &cut.folds(&few).unwrap()[0];
    let error = cut.parts(&few, fold, "fold-1").unwrap_err().to_string();
    assert!(error.contains("validation part of fold-1 would have 0 rows"), "{error}");
    let none = cut.folds(&TrainRows::default()).unwrap_err().to_string();
    assert!(none.contains("no slot has ready features"), "{none}");
}

/// Two hours in the morning of the fifth day.
const HOLE: std::ops::Range<i64> = 1_240..1_264;

fn bars() -> Vec<TimedBar> {
    market(Timeframe::M5, MIDNIGHT_MS + 300_000, MIDNIGHT_MS + 8 * 86_400_000)
}

fn with_hole() -> Vec<TimedBar> {
    let first = bars()[0].ts;
    bars().into_iter().filter(|bar| !HOLE.contains(&bar.ts.since(first))).collect()
}

fn by_slot(rows: &TrainRows) -> BTreeMap<i64, (i64, usize)> {
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
