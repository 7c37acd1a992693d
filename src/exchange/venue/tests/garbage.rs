//! What is no answer of any venue, and rows that are none: a fault from every one of them, with the number of the row.

use serde_json::Value;

use super::{
    check::{T, bits, page},
    wire::{Row, answer},
};
use crate::{
    domain::time::Timeframe,
    exchange::venue::{
        answer::{Class, Fault},
        ask::Ask,
        which::Venue,
    },
};

fn ask() -> Ask {
    page("BTC/USD", Timeframe::M1, 4)
}

fn rows() -> Vec<Row> {
    (0..4)
        .map(|n| {
            let price = 106_000.25 + n as f64;
            Row::new(T + n * 60_000, [price, price + 9.5, price - 9.5, price + 0.125, 0.75])
        })
        .collect()
}

/// The fault of a venue over rows, which must be malformed.
#[track_caller]
fn malformed(venue: Venue, rows: &[Row]) -> Fault {
    let body = answer(venue.name(), rows);
    let fault = venue.parse(&ask(), 200, body.as_bytes()).expect_err(&body);
    assert_eq!(fault.class, Class::Malformed, "{body}");
    fault
}

/// Whether a venue writes its numbers as texts.
fn has_texts(venue: Venue) -> bool {
    !matches!(venue, Venue::Bitfinex | Venue::Coinbase | Venue::Gemini)
}

#[test]
fn no_venue_takes_garbage_for_an_answer() {
    let lists_alone = ["binance", "binanceus", "bitfinex", "coinbase", "gemini"];
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let (deep, deepest) = (deep(100), deep(100_000));
    let deep_object = r#"{"result":"#.repeat(200);
    for venue in Venue::ALL {
        for body in [
            b"".as_slice(),
            b" \n",
            b"<!DOCTYPE html><html><body>Just a moment...</body></html>",
            b"null",
            b"true",
            b"0",
            b"NaN",
            b"\"[]\"",
            b"{}",
            b"[[]]",
            b"[null]",
            b"[1,2,3,4,5,6,7,8,9,10,11,12]",
            b"[]]",
            b"[] []",
            b"{\"data\":null}",
            b"{\"data\":{}}",
            b"{\"error\":[],\"result\":[]}",
            b"{\"success\":true,\"rows\":[]}",
            b"\xff\xfe[]",
            b"[\"\xc3\x28\"]",
            deep.as_bytes(),
            deepest.as_bytes(),
            deep_object.as_bytes(),
        ] {
            let shown = String::from_utf8_lossy(&body[..body.len().min(60)]);
            let fault = venue.parse(&ask(), 200, body).expect_err(&shown);
            assert_eq!(fault.class, Class::Malformed, "{} {shown}: {fault}", venue.name());
            assert!((5..700).contains(&fault.why.len()), "{fault}");
        }
        let empty = venue.parse(&ask(), 200, b"[]");
        assert_eq!(empty.is_ok(), lists_alone.contains(&venue.name()), "{}", venue.name());
        let none = answer(venue.name(), &[]);
        assert_eq!(venue.parse(&ask(), 200, none.as_bytes()), Ok(vec![]), "{none}");
    }
}

#[test]
fn no_status_but_200_has_bars() {
    for venue in Venue::ALL {
        let body = answer(venue.name(), &rows());
        assert_eq!(venue.parse(&ask(), 200, body.as_bytes()).unwrap().len(), 4);
        for status in [0, 100, 201, 204, 206, 301, 304, 400, 403, 404, 418, 429, 451, 500, 520] {
            assert!(venue.parse(&ask(), status, body.as_bytes()).is_err(), "{}", venue.name());
        }
    }
}

#[test]
fn an_answer_cut_off_anywhere_is_no_answer() {
    for venue in Venue::ALL {
        let body = answer(venue.name(), &rows());
        for end in 0..body.len() {
            let fault = venue.parse(&ask(), 200, &body.as_bytes()[..end]).expect_err(&body[..end]);
            assert_eq!(fault.class, Class::Malformed);
        }
        let with_newline = format!("{body}\n");
        let whole = venue.parse(&ask(), 200, body.as_bytes()).unwrap();
        let newline = venue.parse(&ask(), 200, with_newline.as_bytes()).unwrap();
        assert_eq!(bits(&whole), bits(&newline));
    }
}

#[test]
fn a_value_that_is_no_price_is_named_with_its_row() {
    for venue in Venue::ALL {
        for value in [
            "", "NaN", "nan", "inf", "Infinity", "-1", "-0.5", "0", "0x1", " ", "1,5", "+1",
            "1e999", "1e-30", "null", "true", "[]", "abc",
        ] {
            // The second row of four is the third one received where the newest comes first.
            for field in [0, 1, 2, 3] {
                let mut rows = rows();
                value.clone_into(&mut rows[1].values[field]);
                let fault = malformed(venue, &rows);
                let is_json = fault.why.starts_with("no JSON");
                assert!(
                    fault.why.starts_with("row 2: ")
                        || fault.why.starts_with("row 3: ")
                        || is_json && !has_texts(venue),
                    "{} {value}: {fault}",
                    venue.name()
                );
            }
        }
        let mut negative = rows();
        negative[0].values[4] = "-0.00000001".to_owned();
        assert!(malformed(venue, &negative).why.contains("the volume is negative"));
    }
}

#[test]
fn a_row_with_a_field_more_or_less_is_refused() {
    for venue in Venue::ALL {
        for is_longer in [true, false] {
            let mut sent: Value = answer(venue.name(), &rows()).parse().unwrap();
            let row = first_row(&mut sent).unwrap();
            match row {
                Value::Array(fields) if is_longer => fields.push(fields[1].clone()),
                Value::Array(fields) => drop(fields.pop()),
                // Fields with names do not move when there are more of them.
                Value::Object(_) if is_longer => continue,
                row => drop(row.as_object_mut().unwrap().shift_remove("close")),
            }
            let fault = venue.parse(&ask(), 200, sent.to_string().as_bytes()).unwrap_err();
            assert!(fault.why.starts_with("row 1: not in the format"), "{fault}");
            assert_eq!(fault.class, Class::Malformed);
        }
    }
}

/// The first row received: the first list or object inside a list.
fn first_row(sent: &mut Value) -> Option<&mut Value> {
    match sent {
        Value::Array(rows) => rows.first_mut(),
        Value::Object(fields) => fields.values_mut().find_map(first_row),
        _ => None,
    }
}

#[test]
fn an_exponent_is_a_number_of_json_and_not_of_a_text() {
    for venue in Venue::ALL {
        let mut rows = rows();
        rows[2].values[4] = "7.5e-01".to_owned();
        if has_texts(venue) {
            assert!(malformed(venue, &rows).why.contains("is no number"));
        } else {
            let body = answer(venue.name(), &rows);
            let bars = venue.parse(&ask(), 200, body.as_bytes()).unwrap();
            assert_eq!(bars[2].bar.volume(), 0.75);
        }
    }
}

#[test]
fn impossible_bars_are_named_with_their_row() {
    for venue in Venue::ALL {
        for (field, value, why) in [
            (1, "1", "the high lies below"),
            (2, "106000.3", "the low lies above"),
            (0, "999999", "the high lies below"),
            (3, "1", "the low lies above"),
        ] {
            let mut rows = rows();
            value.clone_into(&mut rows[0].values[field]);
            let fault = malformed(venue, &rows).why;
            assert!(fault.starts_with("row 1: ") || fault.starts_with("row 4: "), "{fault}");
            assert!(fault.contains(why), "{}: {fault}", venue.name());
        }
    }
}

#[test]
fn a_stamp_off_the_grid_is_named_with_its_row() {
    for venue in Venue::ALL {
        for open_ms in [T + 61_000, T + 90_000, 0, 60_000_000_000_000_000] {
            let mut rows = rows();
            rows[1].open_ms = open_ms;
            let fault = malformed(venue, &rows).why;
            assert!(fault.starts_with("row "), "{}: {fault}", venue.name());
        }
    }
}

#[test]
fn rows_in_disorder_are_refused_and_never_sorted() {
    for venue in Venue::ALL {
        for (a, b) in [(0, 1), (1, 2), (2, 3), (0, 3)] {
            let mut rows = rows();
            rows.swap(a, b);
            let fault = malformed(venue, &rows).why;
            assert!(fault.contains("out of order"), "{}: {fault}", venue.name());
        }
        // The other direction is disorder too, even for two rows.
        let mut two = rows()[..2].to_vec();
        two.reverse();
        assert!(malformed(venue, &two).why.starts_with("row 2: out of order"), "{}", venue.name());
        // A stamp that comes back later is disorder; next to itself it is a correction.
        let mut again = rows();
        again.insert(2, again[0].clone());
        assert!(malformed(venue, &again).why.contains("out of order"));
    }
}

#[test]
fn of_neighbours_with_one_stamp_the_last_received_wins() {
    for venue in Venue::ALL {
        let [first, second, ..] = &rows()[..] else { unreachable!() };
        let mut other = first.clone();
        other.values[4] = "99".to_owned();
        let sent = answer(venue.name(), &[first.clone(), other, second.clone()]);
        let bars = venue.parse(&ask(), 200, sent.as_bytes()).unwrap();
        let place = |what: &str| sent.find(what).unwrap();
        // The newest row has 0.75 too, and is the first one received where the newest comes first.
        let last_is_other = place("106001.25") > place("106000.25");
        assert_eq!(bars.len(), 2, "{}", venue.name());
        let expected = if last_is_other { 99.0 } else { 0.75 };
        assert_eq!(bars[0].bar.volume(), expected, "{}", venue.name());
    }
}

#[test]
fn rows_outside_the_page_are_left_out() {
    for venue in Venue::ALL {
        let more: Vec<Row> = (-3..9).map(|n| Row::new(T + n * 60_000, [5.0; 5])).collect();
        let body = answer(venue.name(), &more);
        let bars = venue.parse(&ask(), 200, body.as_bytes()).unwrap();
        let stamps: Vec<i64> = bars.iter().map(|bar| bar.ts.open_ms()).collect();
        assert_eq!(stamps, [T, T + 60_000, T + 120_000, T + 180_000], "{}", venue.name());
    }
}
