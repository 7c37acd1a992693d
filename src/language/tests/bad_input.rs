//! Input that is meant to break a parser or make it slow: an error.

use proptest::prelude::*;

use super::{
    super::{CheckedStrategy, Intent, LedgerState, Number, RawStrategy, Severity, Values, check},
    errors,
    fixtures::walk,
    inputs, param, raw, rule, strategy, texts, whole,
};
use crate::domain::{bar::TimedBar, time::Timeframe};

/// The first error.
fn refused(raw: &RawStrategy) -> String {
    let found = errors(raw);
    for problem in &found {
        let span = problem.span.clone().unwrap_or_default();
        assert!(span.start <= span.end);
    }
    found.first().map(|problem| problem.message.clone()).unwrap_or_default()
}

#[test]
fn long_and_deep_texts_are_refused_at_once() {
    for (text, words) in [
        ("x".repeat(65_536), "65536 bytes"),
        ("(".repeat(1_000) + "close" + &")".repeat(1_000), "nested deeper"),
        ("not ".repeat(1_000) + "true", "nested deeper"),
        (vec!["close"; 200].join(" + ") + " > 0", "nested deeper"),
        (vec!["true"; 505].join(" or "), "names and operators in all; at most 1000"),
        (vec!["close > open"; 1_000].join(" and "), "16995 bytes"),
        ("ema(".repeat(1_000), "nested deeper"),
        ("close".to_owned() + &"[1]".repeat(1_000) + " > 0", "nested deeper"),
        ("\u{fffd}".repeat(1_000), "no meaning"),
        ("\0".to_owned(), "no meaning"),
    ] {
        let said = refused(&raw(&text));
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn a_long_list_of_conditions_is_true_as_its_words_say() {
    let limits: Vec<f64> = (0..150).map(|n| f64::from(9_925 + n) / 10_000.0).collect();
    let list = |word: &str| {
        let terms: Vec<String> = limits.iter().map(|x| format!("close / open > {x}")).collect();
        strategy(&raw(&terms.join(word)))
    };
    let (any, all) = (list(" or "), list(" and "));
    let enters = |strategy: &CheckedStrategy, TimedBar { ts, bar }: &TimedBar| {
        let values = whole(strategy, &inputs(*ts, bar, &[], LedgerState::default()));
        let intent = strategy.decide(&inputs(*ts, bar, &values, LedgerState::default()));
        matches!(intent, Intent::Enter(..))
    };
    let mut seen = [0; 3];
    for bar in walk(3, 400, Timeframe::M5) {
        let ratio = bar.bar.close() / bar.bar.open();
        let above = limits.iter().filter(|limit| ratio > **limit).count();
        assert_eq!(enters(&any, &bar), above > 0, "{ratio}");
        assert_eq!(enters(&all, &bar), above == limits.len(), "{ratio}");
        seen[usize::from(above > 0) + usize::from(above == limits.len())] += 1;
    }
    assert!(seen.iter().all(|many| *many > 0), "{seen:?}");
}

#[test]
fn many_names_are_refused_at_once() {
    let mut many = raw("close > open");
    for n in 0..10_000 {
        many.lets.insert(format!("n{n}"), "close".to_owned());
    }
    assert!(refused(&many).contains("10000 names"));
    let mut unknown = raw("close > open");
    for n in 0..900 {
        unknown.lets.insert(format!("n{n}"), format!("unknown_word_{n}"));
    }
    assert!(refused(&unknown).contains("not known"));
    let mut tangle = raw("close > open");
    for n in 0..30 {
        let all: Vec<String> = (0..30).map(|m| format!("(n{m}")).collect();
        tangle.lets.insert(format!("n{n}"), all.join(" + ") + &")".repeat(30));
    }
    assert!(!refused(&tangle).is_empty());
}

#[test]
fn a_long_chain_of_names_is_followed_without_recursion() {
    let mut chain = raw("n0 > close");
    for n in 0..330 {
        chain.lets.insert(format!("n{n}"), format!("n{} + close", n + 1));
    }
    chain.lets.insert("n330".to_owned(), "close".to_owned());
    assert!(refused(&chain).contains("at most 64 values"), "{}", refused(&chain));
    let mut circle = chain.clone();
    circle.lets.insert("n330".to_owned(), "n0".to_owned());
    assert!(refused(&circle).starts_with("a circle"));
}

#[test]
fn many_rules_and_nodes_are_refused_at_once() {
    let mut rules = raw("close > open");
    rules.exit = (0..64).map(|n| rule(&format!("r{n}"), None, "close > open")).collect();
    assert!(refused(&rules).contains("65 rules"));
    let mut nodes = raw("close > open");
    let text = vec!["close"; 30].join(" + ") + " > 0";
    nodes.exit = (0..20).map(|n| rule(&format!("r{n}"), None, &text)).collect();
    assert!(refused(&nodes).contains("at most 1000"));
    let mut vector = raw("close > open");
    for n in 1..=70 {
        vector.exit.push(rule(&format!("r{n}"), None, "close > open"));
    }
    vector.exit.truncate(60);
    for (n, rule) in (1..).zip(&mut vector.exit) {
        rule.when = format!("ema(close, {n}) > sma(close, {n})");
    }
    assert!(refused(&vector).contains("120 features"), "{}", refused(&vector));
}

#[test]
fn a_warm_up_without_end_is_refused() {
    let said = refused(&raw("tf('1d', ema(close, 2000) > close)"));
    assert!(said.contains("at most 500000"), "{said}");
}

proptest! {
    #[test]
    fn no_mixture_of_words_breaks_the_check(
        words in prop::collection::vec(prop::sample::select(vec![
            "close", " f", "n ", "12", "-", "0.5", " and ", " or ", "not ", "(", ")", "[", "]", ", ", "*", "/", " < ", " == ",
            "ema(", "count(", "tf('1h', ", "if(", "held", "profit_r", "'1h'", "rsi(close, 14)", "true", "signal('a')", " score",
            "crosses_above(f, close)", "safe_div(", "\u{2264}", "# x\n", "atr(n)", "x", "min(", "1e308", "bb_upper(close, n, ",
        ]), 1..14),
        place in 0_usize..4,
    ) {
        let text = words.concat();
        let mut raw = raw("close > open");
        raw.lets = texts([("f", "ema(close, 3)"), ("x", "close > f")]);
        raw.params.insert("n".to_owned(), param(Number::Integer(4)));
        let key = match place {
            0 => { raw.enter[0].when.clone_from(&text); "strategy.enter[0].when" }
            1 => { raw.exit[0].when.clone_from(&text); "strategy.exit[0].when" }
            2 => { raw.lets.insert("y".to_owned(), text.clone()); "strategy.let.y" }
            _ => { raw.protect.long.stop = Some(text.clone()); "strategy.protect.long.stop" }
        };
        let problems = check(&raw, &Values::new(), Some(Timeframe::M5));
        for problem in problems.iter().filter(|problem| problem.key == key) {
            let span = problem.span.clone().unwrap_or_default();
            prop_assert!(text.get(span).is_some(), "{:?}", problem);
        }
        if problems.iter().all(|problem| problem.severity != Severity::Error) {
            let strategy = CheckedStrategy::new(&raw, &Values::new(), Timeframe::M5, &[]).unwrap();
            let mut rows = Vec::new();
            strategy.features().start().run(&walk(1, 20, Timeframe::M5), &mut rows);
        }
    }
}
