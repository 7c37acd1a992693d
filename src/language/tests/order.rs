//! The order in which rules are asked, what unknown means there, distances, and exits that were missed.

use super::{
    super::{CheckedStrategy, Held, Intent, LedgerState, Protection, RawStrategy, SlotValue},
    fixtures::slot,
    inputs, raw, rule, strategy, whole,
};
use crate::domain::{
    bar::Bar,
    decision::{Reason, Side},
    money::Price,
    time::Timeframe,
};

/// A strategy whose rules are true where features say so: `buy`, `sell`, `stay` are made from closes.
fn table() -> RawStrategy {
    let mut raw = raw("close[1] == 1");
    raw.enter = vec![
        rule("buy", Some("long"), "open[1] > 1"),
        rule("buy_too", Some("long"), "high[1] > 1"),
        rule("sell", Some("short"), "low[1] > 1"),
    ];
    raw.exit = vec![
        rule("leave", Some("long"), "close[1] > 1"),
        rule("cover", Some("short"), "close[1] > 1"),
        rule("done", None, "bars_held > 5"),
    ];
    raw.protect.both.stop = Some("volume[1] * close".to_owned());
    raw
}

/// The intent for the values of the features, in the order of the vector: close, high, low, open, volume, each one bar ago.
fn decide(strategy: &CheckedStrategy, values: &[f64; 5], held: Option<(Side, u32)>) -> Intent {
    let names = ["close[1]", "high[1]", "low[1]", "open[1]", "volume[1]"];
    assert_eq!(strategy.features().names(), names);
    let bar = Bar::new([10.0; 5]).unwrap();
    let held = held.map(|(side, bars)| Held {
        side,
        entry_px: Price::from_float(10.0).unwrap(),
        best_px: 10.0,
        bars,
        first_stop: Some(1.0),
    });
    let ledger = LedgerState { held, ..LedgerState::default() };
    let ts = slot(Timeframe::M5, 0);
    let values = whole(strategy, &inputs(ts, &bar, values, ledger));
    strategy.decide(&inputs(ts, &bar, &values, ledger))
}

#[test]
fn rules_are_asked_in_the_order_of_the_document() {
    use Side::{Long, Short};
    const U: f64 = f64::NAN;
    let stop = Protection { stop: Some(5.0), ..Protection::default() };
    let enter = |side, name| Intent::Enter(side, Reason::new(name), stop);
    let (exit, hold) =
        (|name| Intent::Exit(Reason::new(name)), |name| Intent::Hold(Reason::new(name)));
    let strategy = strategy(&table());
    // Features: leave, buy_too, sell, buy, stop.
    for (values, held, expected) in [
        // Flat: entries in the order of the file.
        ([0.0, 0.0, 0.0, 0.0, 0.5], None, hold("no_signal")),
        ([0.0, 0.0, 0.0, 2.0, 0.5], None, enter(Long, "buy")),
        ([0.0, 2.0, 0.0, 2.0, 0.5], None, enter(Long, "buy")),
        ([0.0, 2.0, 2.0, 0.0, 0.5], None, enter(Long, "buy_too")),
        ([2.0, 0.0, 2.0, 0.0, 0.5], None, enter(Short, "sell")),
        // Held: reversal, exit, the name of an entry of the same side.
        ([2.0, 2.0, 2.0, 2.0, 0.5], Some((Long, 0)), enter(Short, "sell")),
        ([2.0, 2.0, 0.0, 2.0, 0.5], Some((Long, 0)), exit("leave")),
        ([0.0, 2.0, 0.0, 0.0, 0.5], Some((Long, 0)), hold("buy_too")),
        ([0.0, 0.0, 0.0, 0.0, 0.5], Some((Long, 0)), hold("no_signal")),
        ([0.0, 0.0, 0.0, 0.0, 0.5], Some((Long, 6)), exit("done")),
        ([2.0, 2.0, 0.0, 0.0, 0.5], Some((Short, 0)), enter(Long, "buy_too")),
        ([2.0, 0.0, 2.0, 0.0, 0.5], Some((Short, 0)), exit("cover")),
        ([0.0, 0.0, 2.0, 0.0, 0.5], Some((Short, 0)), hold("sell")),
        // A stop that is no distance below the close.
        ([0.0, 0.0, 0.0, 2.0, 0.0], None, hold("no_range")),
        ([0.0, 0.0, 0.0, 2.0, U], None, hold("no_range")),
        ([0.0, 0.0, 0.0, 2.0, 1.0], None, hold("no_range")),
        ([2.0, 0.0, 2.0, 0.0, 0.0], Some((Long, 0)), exit("leave")),
        ([0.0, 2.0, 2.0, 0.0, 0.0], Some((Long, 0)), hold("buy_too")),
        ([0.0, 0.0, 2.0, 0.0, 0.0], Some((Long, 0)), hold("no_range")),
        // Unknown: only if nothing else is true, and only of those that were asked.
        ([0.0, 0.0, 0.0, U, 0.5], None, Intent::Skip),
        ([U, 0.0, 0.0, 0.0, 0.5], None, hold("no_signal")),
        ([0.0, 0.0, 2.0, U, 0.5], None, enter(Short, "sell")),
        ([2.0, 0.0, U, 0.0, 0.5], Some((Long, 0)), exit("leave")),
        ([U, 0.0, 2.0, 0.0, 0.5], Some((Long, 0)), enter(Short, "sell")),
        ([U, 2.0, 0.0, 0.0, 0.5], Some((Long, 0)), hold("buy_too")),
        ([U, 0.0, 0.0, 0.0, 0.5], Some((Long, 6)), exit("done")),
        ([U, 0.0, 0.0, 0.0, 0.5], Some((Long, 0)), Intent::Skip),
        ([0.0, 0.0, U, 0.0, 0.5], Some((Long, 0)), Intent::Skip),
    ] {
        assert_eq!(decide(&strategy, &values, held), expected, "{values:?} {held:?}");
    }
}

#[test]
fn rules_of_a_side_that_is_not_held_are_dropped() {
    let mut raw = table();
    raw.sides = "long".to_owned();
    let strategy = strategy(&raw);
    let names: Vec<String> = strategy.rules().iter().map(|rule| rule.name.to_string()).collect();
    assert_eq!(names, ["buy", "buy_too", "leave", "done"]);
    assert_eq!(strategy.features().names(), ["close[1]", "high[1]", "open[1]", "volume[1]"]);
    let lines = strategy.identity();
    assert!(lines.iter().all(|(key, _)| !key.contains("sell") && !key.contains("short")));
}

#[test]
fn each_side_has_its_own_distances() {
    let mut raw = raw("close > low");
    raw.enter.push(rule("sell", Some("short"), "close == low"));
    raw.protect.both.stop = Some("0.1 * close".to_owned());
    raw.protect.both.target = Some("close - low + 1 * close".to_owned());
    raw.protect.both.trail = Some("0.05 * close".to_owned());
    raw.protect.both.trail_from = Some("0.2 * close".to_owned());
    raw.protect.short.target = Some("0.5 * close".to_owned());
    raw.protect.long.break_even_at = Some("high - low".to_owned());
    let strategy = strategy(&raw);
    let intent = |low: f64| {
        let bar = Bar::new([10.0, 10.0, low, 10.0, 1.0]).unwrap();
        let (ts, ledger) = (slot(Timeframe::M5, 0), LedgerState::default());
        let values = whole(&strategy, &inputs(ts, &bar, &[], ledger));
        strategy.decide(&inputs(ts, &bar, &values, ledger))
    };
    let long = Protection {
        stop: Some(1.0),
        target: Some(12.0),
        trail: Some(0.5),
        trail_from: Some(2.0),
        break_even_at: Some(2.0),
    };
    assert_eq!(intent(8.0), Intent::Enter(Side::Long, Reason::new("in"), long));
    let short = Protection { target: Some(5.0), break_even_at: None, ..long };
    assert_eq!(intent(10.0), Intent::Enter(Side::Short, Reason::new("sell"), short));
    raw.protect.both.trail = Some("close + low".to_owned());
    let beyond = super::strategy(&raw);
    let bar = Bar::new([10.0, 10.0, 8.0, 10.0, 1.0]).unwrap();
    let now = |values| inputs(slot(Timeframe::M5, 0), &bar, values, LedgerState::default());
    let values = whole(&beyond, &now(&[]));
    assert_eq!(
        beyond.decide(&now(&values)),
        Intent::Hold(Reason::new("no_range")),
        "a trail below zero"
    );
    assert_eq!(long.first_stop(), Some(0.5));
    assert_eq!(Protection::default().first_stop(), None);
}

/// The exit that is overdue in a long position, with a close and an open.
fn overdue(when: &str, [close, open]: [f64; 2]) -> Option<String> {
    let mut raw = raw("close > open");
    raw.lets.insert("f".to_owned(), "sma(close, 1)".to_owned());
    raw.lets.insert("hidden".to_owned(), "crosses_below(sma(open, 1), f)".to_owned());
    raw.lets.insert("shown".to_owned(), "crosses_below(f, open)".to_owned());
    raw.exit = vec![rule("out", Some("long"), when)];
    let strategy = strategy(&raw);
    let [low, high] = [close.min(open), close.max(open)];
    let bar = Bar::new([open, high, low, close, 1.0]).unwrap();
    let mut values = vec![0.0; strategy.features().width()];
    let ts = slot(Timeframe::M5, 0);
    strategy.features().start().update(&crate::domain::bar::TimedBar { ts, bar }, &mut values);
    let entry_px = Price::from_float(10.0).unwrap();
    let held = Held { side: Side::Long, entry_px, best_px: 10.0, bars: 1, first_stop: None };
    let ledger = LedgerState { held: Some(held), ..LedgerState::default() };
    let now = inputs(ts, &bar, &values, ledger);
    assert!(!matches!(strategy.decide(&now), Intent::Exit(_)), "there was no bar before");
    let stands = strategy.standing(&now);
    let overdue = |before: u64| strategy.overdue(held.side, stands & !before);
    assert_eq!(overdue(stands), None, "it stood before: no cross was missed");
    overdue(0).map(|name| name.to_string())
}

#[test]
fn a_cross_that_was_missed_is_made_up_for() {
    let (below, above) = ([9.0, 10.0], [11.0, 10.0]);
    for (when, values, expected) in [
        ("crosses_below(f, open)", below, true),
        ("crosses_below(f, open)", above, false),
        ("crosses_above(f, open)", above, true),
        ("crosses_below(close, open)", below, true),
        ("crosses_below(f, open) or bars_held > 100", below, true),
        ("bars_held > 100 or crosses_below(f, open)", below, true),
        ("crosses_above(f, open) or crosses_below(f, open)", below, true),
        ("shown", below, true),
        ("crosses_below(sma(close, 1), sma(open, 1))", below, true),
        // A state that is there most of the time, a filtered event, an event of other bars.
        ("crosses_below(f, 100)", below, false),
        ("crosses_below(f, open) and f > 0", below, false),
        ("not crosses_above(f, open) and false", below, false),
        ("hidden", above, false),
    ] {
        assert_eq!(overdue(when, values).is_some(), expected, "{when} {values:?}");
    }
}

#[test]
fn what_is_read_is_known() {
    let mut raw = raw("close > open and bars_since_exit > 3");
    raw.exit[0].when =
        "bars_held > 3 or equity < 100 or signal('b') < 0 or signal('a') < 0".to_owned();
    raw.signals = ["a", "b", "c"].map(str::to_owned).into();
    let strategy = strategy(&raw);
    assert_eq!(strategy.signals(), ["a", "b"]);
    for (value, read) in [
        (SlotValue::BarsSinceExit, true),
        (SlotValue::Equity, true),
        (SlotValue::Score, false),
        (SlotValue::StopsInARow, false),
    ] {
        assert_eq!(strategy.reads(value), read, "{value:?}");
    }
}

#[test]
fn entries_of_both_sides_are_seen() {
    let strategy = strategy(&table());
    let bar = Bar::new([10.0; 5]).unwrap();
    let contested = |values: &[f64; 5]| {
        let (ts, ledger) = (slot(Timeframe::M5, 0), LedgerState::default());
        let values = whole(&strategy, &inputs(ts, &bar, values, ledger));
        strategy
            .contested(&inputs(ts, &bar, &values, ledger))
            .map(|(long, short)| format!("{long} {short}"))
    };
    assert_eq!(contested(&[0.0, 2.0, 2.0, 0.0, 0.5]), Some("buy_too sell".to_owned()));
    assert_eq!(contested(&[0.0, 2.0, 0.0, 2.0, 0.5]), None);
}
