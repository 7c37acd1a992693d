//! Damaged answers: no venue panics over one, and whatever it accepts are bars of the page, oldest first.

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*, sample::Index};

use super::{
    check::{T, bits, good, page},
    wire::{Row, answer},
};
use crate::{
    domain::{
        bar::{Shown, TimedBar},
        time::Timeframe,
    },
    exchange::venue::registry::Venue,
};

const SLOTS: i64 = 5;

/// What happens to the bytes of an answer.
#[derive(Debug, Clone)]
enum Damage {
    Flip(Index, u8),
    CutOff(Index),
    CutOut(Index, usize),
    Insert(Index, Vec<u8>),
    Duplicate(Index, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<Index>;
    prop_oneof![
        (at(), 0_u8..8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        at().prop_map(Damage::CutOff),
        (at(), 1_usize..80).prop_map(|(at, length)| Damage::CutOut(at, length)),
        (
            at(),
            vec(
                prop_oneof![
                    any::<u8>(),
                    prop::sample::select(b"0123456789.,-e\"[]{}:nul ".to_vec())
                ],
                1..6
            )
        )
            .prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (at(), 1_usize..80).prop_map(|(at, length)| Damage::Duplicate(at, length)),
    ]
}

fn apply(body: &mut Vec<u8>, damage: &Damage) {
    if body.is_empty() {
        return;
    }
    let range = |at: &Index, length: usize| {
        let start = at.index(body.len());
        start..(start + length).min(body.len())
    };
    match damage {
        Damage::Flip(at, bit) => {
            let at = at.index(body.len());
            body[at] ^= 1 << bit;
        }
        Damage::CutOff(at) => body.truncate(at.index(body.len())),
        Damage::CutOut(at, length) => {
            let range = range(at, *length);
            body.drain(range);
        }
        Damage::Insert(at, bytes) => {
            let at = at.index(body.len());
            body.splice(at..at, bytes.iter().copied());
        }
        Damage::Duplicate(at, length) => {
            let copy = body[range(at, *length)].to_vec();
            let end = range(at, *length).end;
            body.splice(end..end, copy);
        }
    }
}

/// Rows of the page and around it, as digits with up to eight places.
fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (1_u32..100_000_000, 0_u32..1_000_000, 0_u32..1_000_000, 0_u64..10_u64.pow(12));
    vec(row, 1..8).prop_map(|rows| {
        let row = |(n, (low, a, b, volume)): (i64, (u32, u32, u32, u64))| {
            let [low, open, close, high] =
                [low, low + a.min(b), low + a, low + a + b].map(|cents| f64::from(cents) / 100.0);
            Row::new(T + n * 60_000, [open, high, low, close, volume as f64 / 1e8])
        };
        (-1..).zip(rows).map(row).collect()
    })
}

fn venue() -> impl Strategy<Value = Venue> {
    prop::sample::select(Venue::ALL)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn whatever_is_accepted_are_bars_of_the_page(
        venue in venue(),
        rows in rows(),
        damages in vec(damage(), 1..4),
        status in prop_oneof![9 => Just(200_u16), 1 => any::<u16>()],
    ) {
        let page = page("BTC/USD", Timeframe::M1, SLOTS);
        let sent = answer(venue.name(), &rows).into_bytes();
        let whole = venue.parse(&page, 200, &sent).unwrap().bars;
        prop_assert_eq!(whole.len(), (rows.len() - 1).min(SLOTS as usize));
        let mut body = sent;
        for damage in &damages {
            apply(&mut body, damage);
        }
        match venue.parse(&page, status, &body) {
            Ok(Shown { bars, bad }) => {
                prop_assert_eq!(status, 200);
                prop_assert!(bad.iter().all(|row| (5..700).contains(&row.why.len())), "{:?}", bad);
                prop_assert!(bars.is_sorted_by(|a, b| a.ts < b.ts));
                prop_assert!(bars.iter().all(|bar| page.window.contains(bar.ts)));
                if matches!(damages[..], [Damage::CutOff(_)]) {
                    prop_assert_eq!(bits(&bars), bits(&whole));
                }
            }
            Err(fault) => prop_assert!((5..700).contains(&fault.why.len()), "{}", fault),
        }
    }

    #[test]
    fn every_digit_arrives(venue in venue(), rows in rows()) {
        let page = page("BTC/USD", Timeframe::M1, SLOTS);
        let bars = good(venue, &page, &answer(venue.name(), &rows));
        let sent = rows.iter().skip(1).take(SLOTS as usize);
        for (bar, row) in bars.iter().zip(sent) {
            prop_assert_eq!(bar.ts.open_ms(), row.open_ms);
            let digits = row.values.clone().map(|text| text.parse::<f64>().unwrap().to_bits());
            prop_assert_eq!(bar.bar.values().map(f64::to_bits), digits);
        }
    }

    #[test]
    fn rows_out_of_place_are_left_out_and_never_change_the_others(
        venue in venue(),
        rows in rows(),
        (from, to) in (any::<Index>(), any::<Index>()),
        copies: bool,
    ) {
        let page = page("BTC/USD", Timeframe::M1, SLOTS);
        let whole = good(venue, &page, &answer(venue.name(), &rows));
        let (from, to) = (from.index(rows.len()), to.index(rows.len()));
        let mut moved = rows.clone();
        if copies {
            moved.insert(to, rows[from].clone());
        } else {
            moved.swap(from, to);
        }
        let shown = venue.parse(&page, 200, answer(venue.name(), &moved).as_bytes()).unwrap();
        prop_assert!(shown.bad.iter().all(|row| row.why.contains("out of order")), "{:?}", shown.bad);
        prop_assert!(bits(&shown.bars).iter().all(|bar| bits(&whole).contains(bar)));
        let slots = |bars: &[TimedBar]| bars.iter().map(|bar| bar.ts).collect::<BTreeSet<_>>();
        let lost = shown.bad.iter().filter_map(|row| row.ts).chain(slots(&shown.bars)).collect();
        prop_assert_eq!(slots(&whole), lost, "each slot has its bar or its bad row");
    }
}
