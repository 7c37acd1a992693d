//! Walking forward over generated rows: whatever the holes, the horizon and the embargo, no label reaches into a later part.

use mjolnir::{
    domain::{
        bar::{Bar, TimedBar},
        time::{SlotTs, Timeframe},
    },
    engine::{
        anchor::FeatureRows,
        learn::{
            folds::{Cut, Growth, PART_ROWS_MIN, number},
            label::{Class, Label},
            rows::Rows,
        },
    },
};
use proptest::prelude::*;

fn slot(n: i64) -> SlotTs {
    Timeframe::M5.slot(300_000 * (1_000 + n)).unwrap()
}

/// Rows at the slots that are not left out, with labels of a fixed reach.
fn rows(slots: i64, holes: &[i64], reach: i64) -> Rows {
    let bar = Bar::new([1.0, 1.0, 1.0, 1.0, 1.0]).unwrap();
    let bars: Vec<TimedBar> =
        (0..slots).filter(|n| !holes.contains(n)).map(|n| TimedBar { ts: slot(n), bar }).collect();
    let features = FeatureRows::ready(1, vec![0.0; bars.len()]);
    Rows::collect(&bars, &features, 1, |at, _| {
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
        growth in prop_oneof![Just(Growth::Expanding), Just(Growth::Rolling)],
    ) {
        let rows = rows(slots, &holes, reach);
        let cut = Cut { folds, train_min, validation, embargo, growth };
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
                Growth::Expanding => pair[0].train.start == pair[1].train.start,
                Growth::Rolling => pair[0].train.start < pair[1].train.start,
            };
            prop_assert!(grows);
        }
        prop_assert_eq!(all.last().unwrap().test.end, last.test.end);
    }
}

#[test]
fn too_little_is_refused_with_the_part_that_lacks_rows() {
    let cut =
        Cut { folds: 5, train_min: 0.5, validation: 0.1, embargo: 288, growth: Growth::Expanding };
    let few = rows(900, &[], 12);
    let fold = &cut.folds(&few).unwrap()[0];
    let error = cut.parts(&few, fold, "fold-1").unwrap_err().to_string();
    assert!(error.contains("validation part of fold-1 would have 0 rows"), "{error}");
    let none = cut.folds(&Rows::default()).unwrap_err().to_string();
    assert!(none.contains("no slot has ready features"), "{none}");
}
