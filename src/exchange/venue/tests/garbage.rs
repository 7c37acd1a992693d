//! What is no answer of any venue, and rows that are none: a fault from every one of them, with the number of the row.

use serde_json::Value;

use super::{
    check::{T, bits, good, page},
    wire::{Row, answer, sent},
};
use crate::{
    domain::{bar::Shown, time::Timeframe},
    exchange::venue::{answer::FaultClass, page_request::PageRequest, registry::Venue},
};

fn four() -> PageRequest {
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

/// What a venue says of one bad row among rows: it is left out, and the others are the bars that they are without it.
/// A venue that writes numbers of JSON has a fault where what stands there is not one.
#[track_caller]
fn left_out(venue: Venue, rows: &[Row], bad: usize) -> String {
    let body = answer(venue.name(), rows);
    let shown = match venue.parse(&four(), 200, body.as_bytes()) {
        Ok(shown) => shown,
        Err(fault) => {
            let is_json = fault.why.starts_with("not JSON") && !sent(venue.name()).has_texts();
            assert!(is_json && fault.class == FaultClass::Malformed, "{body}: {fault}");
            return fault.why;
        }
    };
    let mut others = self::rows();
    others.remove(bad);
    let others = good(venue, &four(), &answer(venue.name(), &others));
    assert_eq!(bits(&shown.bars), bits(&others), "{body}");
    let [row] = &shown.bad[..] else { panic!("{body}: {:?}", shown.bad) };
    assert!(row.why.starts_with("row "), "{}", row.why);
    row.why.clone()
}

#[test]
fn no_venue_takes_garbage_for_an_answer() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let (deep, deepest) = (deep(100), deep(100_000));
    let deep_object = r#"{"result":"#.repeat(200);
    for &venue in Venue::ALL {
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
            let fault = venue.parse(&four(), 200, body).expect_err(&shown);
            assert_eq!(fault.class, FaultClass::Malformed, "{} {shown}: {fault}", venue.name());
            assert!((5..700).contains(&fault.why.len()), "{fault}");
        }
        let empty = venue.parse(&four(), 200, b"[]");
        assert_eq!(empty.is_ok(), sent(venue.name()).is_bare_list(), "{}", venue.name());
        let none = answer(venue.name(), &[]);
        assert_eq!(venue.parse(&four(), 200, none.as_bytes()), Ok(Shown::default()), "{none}");
    }
}

#[test]
fn no_status_but_200_has_bars() {
    for &venue in Venue::ALL {
        let body = answer(venue.name(), &rows());
        assert_eq!(good(venue, &four(), &body).len(), 4);
        for status in [0, 100, 201, 204, 206, 301, 304, 400, 403, 404, 418, 429, 451, 500, 520] {
            assert!(venue.parse(&four(), status, body.as_bytes()).is_err(), "{}", venue.name());
        }
    }
}

#[test]
fn an_answer_cut_off_anywhere_is_no_answer() {
    for &venue in Venue::ALL {
        let body = answer(venue.name(), &rows());
        for end in 0..body.len() {
            let fault = venue.parse(&four(), 200, &body.as_bytes()[..end]).expect_err(&body[..end]);
            assert_eq!(fault.class, FaultClass::Malformed);
        }
        let with_newline = format!("{body}\n");
        let whole = good(venue, &four(), &body);
        let newline = good(venue, &four(), &with_newline);
        assert_eq!(bits(&whole), bits(&newline));
    }
}

#[test]
fn a_value_that_is_no_price_is_named_with_its_row_and_the_others_count() {
    for &venue in Venue::ALL {
        for value in [
            "", "NaN", "nan", "inf", "Infinity", "-1", "-0.5", "0", "0x1", " ", "1,5", "+1",
            "1e999", "1e-30", "null", "true", "[]", "abc",
        ] {
            for field in [0, 1, 2, 3] {
                let mut rows = rows();
                value.clone_into(&mut rows[1].values[field]);
                // The second row of four is the third one received where the newest comes first. Two fields in the place of one
                // are a field too many.
                left_out(venue, &rows, 1);
            }
        }
        let mut negative = rows();
        negative[0].values[4] = "-0.00000001".to_owned();
        assert!(left_out(venue, &negative, 0).contains("the volume is negative"));
    }
}

#[test]
fn a_row_with_a_field_more_or_less_is_left_out() {
    for &venue in Venue::ALL {
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
            let shown = venue.parse(&four(), 200, sent.to_string().as_bytes()).unwrap();
            assert_eq!(shown.bars.len(), 3, "{}", venue.name());
            let newest_first =
                sent.to_string().find("106003.25") < sent.to_string().find("106000.25");
            if newest_first {
                assert!(shown.bad.is_empty(), "it is forming: {:?}", shown.bad);
                continue;
            }
            assert!(shown.bad[0].why.starts_with("row 1: not in the format"), "{:?}", shown.bad);
        }
    }
}

#[test]
fn an_answer_in_which_hardly_a_row_is_right_has_another_format() {
    let page = page("BTC/USD", Timeframe::M1, 20);
    let rows = |wrong: usize| -> Vec<Row> {
        let row = |n: usize| {
            let [high, low] = if n < wrong { [1.0, 9.0] } else { [9.0, 1.0] };
            Row::new(T + n as i64 * 60_000, [5.0, high, low, 5.0, 1.0])
        };
        (0..20).map(row).collect()
    };
    for &venue in Venue::ALL {
        let parse = |rows: &[Row]| venue.parse(&page, 200, answer(venue.name(), rows).as_bytes());
        assert_eq!(parse(&rows(10)).unwrap().bars.len(), 10, "{}", venue.name());
        assert_eq!(parse(&rows(11)).unwrap_err().class, FaultClass::Malformed, "{}", venue.name());
        // Whoever asks for one slot gets one row.
        assert_eq!(parse(&rows(11)[..1]).unwrap().bad.len(), 1, "{}", venue.name());
        // Off the grid may lie as much as there is: a venue that was restarted has had such hours.
        let mut off = rows(0);
        for row in &mut off {
            row.open_ms += 14_838;
        }
        let shown = parse(&off).unwrap();
        assert_eq!((shown.bars.len(), shown.bad.len()), (0, 20), "{}", venue.name());
        let why = &shown.bad[0].why;
        assert!(why.contains("off the grid of 1m: it opens at 2025-11-11T00:"), "{why}");
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
    for &venue in Venue::ALL {
        let mut rows = rows();
        rows[2].values[4] = "7.5e-01".to_owned();
        if sent(venue.name()).has_texts() {
            assert!(left_out(venue, &rows, 2).contains("is not a number"));
        } else {
            let bars = good(venue, &four(), &answer(venue.name(), &rows));
            assert_eq!(bars[2].bar.volume(), 0.75);
        }
    }
}

#[test]
fn impossible_bars_are_named_with_their_row() {
    for &venue in Venue::ALL {
        for (field, value, why) in [
            (1, "1", "the high is below"),
            (2, "106000.3", "the low is above"),
            (0, "999999", "the high is below"),
            (3, "1", "the low is above"),
        ] {
            let mut rows = rows();
            value.clone_into(&mut rows[0].values[field]);
            let told = left_out(venue, &rows, 0);
            assert!(told.starts_with("row 1: ") || told.starts_with("row 4: "), "{told}");
            assert!(told.contains(why), "{}: {told}", venue.name());
        }
    }
}

#[test]
fn a_stamp_off_the_grid_is_named_with_its_row_and_its_slot() {
    for &venue in Venue::ALL {
        for open_ms in [T + 61_000, T + 90_000, 0, 60_000_000_000_000_000] {
            let mut rows = rows();
            rows[1].open_ms = open_ms;
            if open_ms == 0 {
                // A time long before the page says nothing about it.
                let body = answer(venue.name(), &rows);
                assert_eq!(good(venue, &four(), &body).len(), 3, "{}", venue.name());
                continue;
            }
            left_out(venue, &rows, 1);
            let shown = venue.parse(&four(), 200, answer(venue.name(), &rows).as_bytes()).unwrap();
            let slot = Timeframe::M1.slot_of_open(T + 60_000).unwrap();
            let expected = (open_ms < 2 * T).then_some(slot);
            assert_eq!(shown.bad[0].ts, expected, "{}", venue.name());
        }
    }
}

#[test]
fn a_row_out_of_order_is_left_out_and_never_sorted_in() {
    for &venue in Venue::ALL {
        // The row that comes too late for its place, by the order of the venue.
        let newest_first = answer(venue.name(), &rows()).find("106003.25")
            < answer(venue.name(), &rows()).find("106000.25");
        for (a, b) in [(0, 1), (1, 2), (2, 3)] {
            let mut rows = rows();
            rows.swap(a, b);
            let late = if newest_first { b } else { a };
            assert!(left_out(venue, &rows, late).contains("out of order"), "{}", venue.name());
        }
        // A stamp that comes back later is out of order; next to itself it is a correction.
        let mut again = rows();
        again.insert(2, again[0].clone());
        let shown = venue.parse(&four(), 200, answer(venue.name(), &again).as_bytes()).unwrap();
        assert!(shown.bad.iter().all(|row| row.why.contains("out of order")), "{:?}", shown.bad);
        assert_eq!(shown.bad.len(), 1, "{}: {:?}", venue.name(), shown.bad);
    }
}

#[test]
fn of_neighbours_with_one_stamp_the_last_received_wins() {
    for &venue in Venue::ALL {
        let [first, second, ..] = &rows()[..] else { unreachable!() };
        let mut other = first.clone();
        other.values[4] = "99".to_owned();
        let sent = answer(venue.name(), &[first.clone(), other, second.clone()]);
        let bars = good(venue, &four(), &sent);
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
    for &venue in Venue::ALL {
        let more: Vec<Row> = (-3..9).map(|n| Row::new(T + n * 60_000, [5.0; 5])).collect();
        let body = answer(venue.name(), &more);
        let bars = good(venue, &four(), &body);
        let stamps: Vec<i64> = bars.iter().map(|bar| bar.ts.open_ms()).collect();
        assert_eq!(stamps, [T, T + 60_000, T + 120_000, T + 180_000], "{}", venue.name());
    }
}
