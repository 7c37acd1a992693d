//! The strategies that come with the program: without remarks, with the warm-up and the identity that they had.

use super::{
    super::{
        CheckedStrategy, Clause, Features, Intent, LedgerState, Number, RawStrategy, Values, check,
    },
    fixtures::{of_toml, walk},
    inputs,
};
use crate::domain::time::Timeframe;

const SHIPPED: [(&str, &str); 6] = [
    ("ema_atr", include_str!("../../../strategies/ema_atr.toml")),
    ("rsi_revert", include_str!("../../../strategies/rsi_revert.toml")),
    ("donchian", include_str!("../../../strategies/donchian.toml")),
    ("golden", include_str!("../../../strategies/golden.toml")),
    ("bollinger_revert", include_str!("../../../strategies/bollinger_revert.toml")),
    ("model", include_str!("../../../strategies/model.toml")),
];

fn shipped(name: &str) -> RawStrategy {
    of_toml(SHIPPED.iter().find(|(known, _)| *known == name).unwrap().1)
}

fn built(name: &str) -> CheckedStrategy {
    CheckedStrategy::new(&shipped(name), &Values::new(), Timeframe::M5, &[]).unwrap()
}

#[test]
fn they_are_checked_without_remarks() {
    for (name, text) in SHIPPED {
        let raw = of_toml(text);
        assert_eq!(check(&raw, &Values::new(), Some(Timeframe::M5)), [], "{name}");
        assert_eq!(check(&raw, &Values::new(), None), [], "{name}");
    }
}

#[test]
fn the_warm_up_is_derived() {
    for (name, bars) in [
        ("ema_atr", 201),
        ("rsi_revert", 109),
        ("donchian", 156),
        ("golden", 971),
        ("bollinger_revert", 215),
        ("model", 108),
    ] {
        assert_eq!(built(name).warm_up_bars(), bars, "{name}");
    }
    let golden = built("golden");
    let derivation = golden.warm_up();
    assert_eq!((derivation.text.as_str(), derivation.lag), ("hourly", 970));
    let tf = &derivation.parts[0];
    assert_eq!(tf.text, "tf('1h', close > ema(close, 20))");
    assert_eq!((tf.lag, tf.how), (12 * 80 + 10, "ratio * (lag + 1) + ratio - 2"));
    let mut deepest = tf;
    while let Some(part) = deepest.parts.first() {
        deepest = part;
    }
    assert_eq!((deepest.text.as_str(), deepest.lag, deepest.how), ("ema(close, 20)", 79, "4n - 1"));
}

#[test]
fn the_vector_is_names_then_calls() {
    let names = |name: &str| built(name).features().names().join("; ");
    assert_eq!(names("ema_atr"), "f; s; atr(14); crosses_above(f, s); crosses_below(f, s)");
    assert_eq!(names("rsi_revert"), "r; atr(14); crosses_above(r, 30); crosses_below(r, 70)");
    assert_eq!(
        names("golden"),
        "f; hourly; s; atr(14); crosses_above(f, s); crosses_below(f, s); rsi(close, 14)"
    );
    let model = ["rsi(close, 14)", "close/ema( close,20 ) - 1"].map(str::to_owned);
    let strategy =
        CheckedStrategy::new(&shipped("model"), &Values::new(), Timeframe::M5, &model).unwrap();
    let expected = ["rsi(close, 14)", "close / ema(close, 20) - 1", "atr(14)"];
    assert_eq!(strategy.features().names(), expected);
    let features = Features::check(&model, Timeframe::M5).unwrap();
    assert_eq!(features.names(), &expected[..2]);
}

#[test]
fn the_identity_has_the_values_in_place() {
    let values = Values::from([("fast".to_owned(), Number::Integer(21))]);
    let of = |raw: &RawStrategy, values: &Values| {
        let strategy = CheckedStrategy::new(raw, values, Timeframe::M5, &[]).unwrap();
        let lines = strategy.identity();
        let lines: Vec<String> =
            lines.iter().map(|(key, text)| format!("{key} = {text}\n")).collect();
        lines.concat()
    };
    let expected = "\
strategy.sides = both
strategy.params.atr = 14
strategy.params.fast = 21
strategy.params.slow = 50
strategy.params.stop_atr = 2
strategy.let.f = ema(close, 21)
strategy.let.s = ema(close, 50)
strategy.enter.1.ema_cross_up.side = long
strategy.enter.1.ema_cross_up.when = crosses_above(f, s)
strategy.enter.2.ema_cross_down.side = short
strategy.enter.2.ema_cross_down.when = crosses_below(f, s)
strategy.exit.1.ema_cross_down.side = long
strategy.exit.1.ema_cross_down.when = crosses_below(f, s)
strategy.exit.2.ema_cross_up.side = short
strategy.exit.2.ema_cross_up.when = crosses_above(f, s)
strategy.protect.long.stop = 2 * atr(14)
strategy.protect.short.stop = 2 * atr(14)
strategy.size.mode = fixed
";
    let raw = shipped("ema_atr");
    assert_eq!(of(&raw, &values), expected);
    let mut spaced = raw.clone();
    spaced.enter[0].when = "crosses_above( f,(s) ) # up\n".to_owned();
    spaced.lets.insert("unread".to_owned(), "close".to_owned());
    assert_eq!(of(&spaced, &values), expected);
    let mut renamed = raw;
    renamed.enter[0].rule = "up".to_owned();
    assert_ne!(of(&renamed, &values), expected);
}

#[test]
fn a_model_has_pure_numbers() {
    let refused = |text: &str| {
        let problems = Features::check(&[text.to_owned()], Timeframe::M5).unwrap_err();
        assert_eq!(problems[0].key, "features[0]");
        problems[0].message.clone()
    };
    for (text, words) in [
        ("close", "a pure number, this is a price"),
        ("close > open", "a feature is a number"),
        ("score", "cannot be a feature"),
        ("ema(close, fast)", "`fast` is not known"),
        ("", "empty"),
    ] {
        assert!(refused(text).contains(words), "{text}: {}", refused(text));
    }
    assert!(Features::check(&[], Timeframe::M5).is_err());
    let twice = ["rsi(close, 14)", "rsi( close, 14 )"].map(str::to_owned);
    assert!(Features::check(&twice, Timeframe::M5).is_err());
}

/// The text of a clause and those below, with their values.
fn shown(clause: &Clause) -> String {
    let value = match (clause.is_condition, clause.value) {
        (_, x) if x.is_nan() => "unknown".to_owned(),
        (true, x) => (x == 1.0).to_string(),
        (false, x) => format!("{x:.2}"),
    };
    let parts: Vec<String> = clause.parts.iter().map(shown).collect();
    let parts = if parts.is_empty() { String::new() } else { format!(" [{}]", parts.join(", ")) };
    format!("{}: {value}{parts}", clause.text)
}

#[test]
fn why_shows_every_clause() {
    let strategy = built("golden");
    let mut instance = strategy.features().start();
    let mut row = vec![0.0; strategy.features().width()];
    let bars = walk(5, 30, Timeframe::M5);
    for bar in &bars {
        instance.update(bar, &mut row);
    }
    let last = bars[bars.len() - 1];
    let ledger = LedgerState { bars_since_exit: 3, ..LedgerState::default() };
    let now = inputs(last.ts, &last.bar, &row, ledger);
    let why = strategy.why(&now);
    assert_eq!(why.intent, Intent::Hold(super::super::NO_SIGNAL));
    let golden = &why.rules[0];
    assert!(golden.concerned && !why.rules[1].concerned);
    let text = shown(&golden.clause);
    let words = [
        "crosses_above(f, s): unknown [f: ",
        "s: unknown, f[1]: unknown, s[1]: unknown]",
        "rsi(close, 14) < 70: true [rsi(close, 14): ",
        "hourly: unknown",
        "bars_since_exit >= 12: false [bars_since_exit: 3.00]",
    ];
    for words in words {
        assert!(text.contains(words), "{text}");
    }
    assert!(why.lets.iter().any(|clause| clause.text == "s = ema(close, 50)"));
    assert_eq!(why.protect.len(), 5);
    // A run over the same bars knows what one bar ago was.
    let mut filled = why.clone();
    filled.fill(&strategy.values_at(&bars));
    let text = shown(&filled.rules[0].clause);
    let before: Vec<&str> = text.split("f[1]: ").collect();
    assert!(before.len() == 2 && !before[1].starts_with("unknown"), "{text}");
}
