//! Bars of longer timeframes: where they begin, when they are closed, what holes do.

use super::{super::Features, fixtures::slot, raw, strategy};
use crate::domain::{
    bar::{Bar, TimedBar},
    time::Timeframe,
};

/// The value at every bar of a series whose closes are its own numbers on the grid of 20 minutes, of which the first is 15 past a
/// full hour.
fn values(text: &str, at: &[i64]) -> Vec<f64> {
    let mut raw = raw("close > open");
    raw.lets.insert("x".to_owned(), text.to_owned());
    let exports: Features = strategy(&raw).exports();
    let mut instance = exports.start();
    let value = |n: &i64| {
        let close = (*n + 1) as f64;
        let bar = Bar::new([close, close + 0.5, close - 0.5, close, 1.0]).unwrap();
        let mut row = [0.0];
        // 100,000 five-minute bars since the epoch are 8,333 hours and 4 bars.
        instance.update(&TimedBar { ts: slot(Timeframe::M5, *n), bar }, &mut row);
        row[0]
    };
    at.iter().map(value).collect()
}

const U: f64 = f64::NAN;

fn same(got: &[f64], expected: &[f64]) -> bool {
    let bits = |values: &[f64]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    bits(got) == bits(expected)
}

#[test]
fn a_longer_bar_counts_from_the_slot_that_ends_it() {
    // Bar n closes 20 + 5 n minutes past a full hour: bar 8 ends the hour, bar 20 the next one.
    let all: Vec<i64> = (0..22).collect();
    let got = values("tf('1h', close)", &all);
    let mut expected = vec![U; 8];
    expected.extend([9.0; 12]);
    expected.extend([21.0; 2]);
    assert!(same(&got, &expected), "{got:?}");
    let got = values("tf('1h', volume)", &all);
    assert_eq!(got[20], 12.0, "twelve bars of volume 1");
    let got = values("tf('1h', high - low)", &all);
    assert_eq!(got[20], 12.0, "from 9.5 to 21.5");
    assert_eq!(values("tf('1h', open)", &all)[20], 10.0);
    assert_eq!(values("tf('1h', hour)", &all)[20], values("hour", &all)[20]);
}

#[test]
fn a_hole_ends_a_longer_bar_at_the_next_bar_there_is() {
    // Bar 8, which ends the hour, is missing; so is the whole hour after it but for bar 30.
    let got = values("tf('1h', close)", &[5, 6, 7, 9, 10, 33, 34, 44]);
    let expected = [U, U, U, 8.0, 8.0, 11.0, 11.0, 45.0];
    assert!(same(&got, &expected), "{got:?}");
    // The hour of bars 9 to 20 has two bars, that of 21 to 32 none, that of 33 to 44 three.
    let got = values("tf('1h', close[1])", &[5, 6, 7, 9, 10, 33, 34, 44]);
    let expected = [U, U, U, U, U, 8.0, 8.0, 11.0];
    assert!(same(&got, &expected), "{got:?}");
}

#[test]
fn two_longer_bars_can_end_at_one_bar() {
    // Bar 20 ends its own hour, and is the first one after the hour that bar 8 would have ended.
    let got = values("tf('1h', close)", &[5, 20]);
    assert!(same(&got, &[U, 21.0]), "{got:?}");
    let got = values("tf('1h', close[1])", &[5, 20]);
    assert!(same(&got, &[U, 6.0]), "{got:?}");
}

#[test]
fn one_bar_ago_is_a_bar_of_the_series() {
    let all: Vec<i64> = (0..22).collect();
    let got = values("tf('1h', close)[1]", &all);
    assert!(same(&got[19..], &[9.0, 9.0, 21.0]), "{got:?}");
    let got = values("tf('1h', close[1])", &all);
    assert!(same(&got[19..], &[U, 9.0, 9.0]), "{got:?}");
    let got = values("tf('5m', close)", &all);
    assert_eq!(got, (1..=22).map(f64::from).collect::<Vec<_>>());
}

#[test]
fn a_name_inside_means_its_text_on_the_longer_bars() {
    let mut raw = raw("tf('1h', f) > f and up");
    raw.lets = super::texts([("f", "sma(close, 2)"), ("up", "f > f[1]")]);
    let strategy = strategy(&raw);
    let names = ["f", "up", "tf('1h', f)"];
    assert_eq!(strategy.features().names(), names);
    // A window of two hours and one that is not whole: 12 * (1 + 1) + 12 - 2.
    assert_eq!(strategy.warm_up().lag, 34);
    assert_eq!(strategy.warm_up_bars(), 35);
}

#[test]
fn a_name_that_is_read_on_longer_bars_only_is_no_feature() {
    let mut raw = raw("tf('1h', g) > f");
    raw.lets = super::texts([("f", "sma(close, 2)"), ("g", "ema(close, 2)")]);
    let strategy = strategy(&raw);
    assert_eq!(strategy.features().names(), ["f", "tf('1h', g)"]);
    let keys: Vec<String> = strategy.identity().into_iter().map(|(key, _)| key).collect();
    assert!(keys.contains(&"strategy.let.g".to_owned()), "it is part of the strategy: {keys:?}");
    assert_eq!(strategy.remarks(), []);
}
