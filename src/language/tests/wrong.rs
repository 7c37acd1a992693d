//! Texts that are wrong: each with the place and the advice that is given.

use super::{
    super::{Number, RawStrategy, RuleProblem, Severity, Values, check},
    errors, param, raw, rule, texts,
};
use crate::domain::time::Timeframe;

/// A strategy with names of every kind, whose entry or exit is the text.
fn with(place: &str, text: &str) -> (RawStrategy, &'static str) {
    let mut raw = raw("close > open");
    raw.params.insert("fast".to_owned(), param(Number::Integer(5)));
    raw.params.insert("cap".to_owned(), param(Number::Float(70.0)));
    raw.lets =
        texts([("f", "ema(close, fast)"), ("up", "close > open"), ("hour_f", "tf('1h', f)")]);
    // Elsewhere it would be a signal that no rule reads.
    if text.contains("signal(") {
        raw.signals.insert("robot".to_owned());
    }
    raw.exit.push(rule("use", None, "f > close and up and hour_f > 0 and cap > 0"));
    let key = match place {
        "enter" => {
            raw.enter[0].when = text.to_owned();
            "strategy.enter[0].when"
        }
        "exit" => {
            raw.exit[0].when = text.to_owned();
            "strategy.exit[0].when"
        }
        "let" => {
            raw.lets.insert("x".to_owned(), text.to_owned());
            "strategy.let.x"
        }
        "stop" => {
            raw.protect.both.stop = Some(text.to_owned());
            "strategy.protect.stop"
        }
        _ => {
            raw.require.push(text.to_owned());
            "strategy.require[0]"
        }
    };
    (raw, key)
}

fn shown(problem: &RuleProblem, text: &str) -> (String, String) {
    let at = problem.span.clone().map(|span| text[span].to_owned()).unwrap_or_default();
    (at, format!("{} | {}", problem.message, problem.help.clone().unwrap_or_default()))
}

/// Place, text, what is underlined, words of the message or the help.
const ERRORS: &[(&str, &str, &str, &str)] = &[
    // Names.
    ("enter", "clsoe > open", "clsoe", "did you mean `close`"),
    ("enter", "Close > open", "Close", "did you mean `close`"),
    ("enter", "ff > open", "ff", "did you mean `f`"),
    ("enter", "quux > open", "quux", "[strategy.let]"),
    ("enter", "close > nan", "nan", "finite"),
    ("enter", "atr > open", "atr", "it is a function: atr(n)"),
    ("enter", "obv > 0", "obv", "mfi(n)"),
    ("enter", "rsii(close, 14) > 70", "rsii", "did you mean rsi(x, n)?"),
    ("enter", "obv(close) > 0", "obv", "mfi(n)"),
    ("enter", "ad(14) > 0", "ad", "since the first bar ever"),
    ("enter", "cum(close) > 0", "cum", "since the first bar ever"),
    ("enter", "psar(0.02, 0.2) > close", "psar", "supertrend"),
    ("enter", "close(1) > open", "close", "close[1]"),
    ("enter", "f(1) > open", "f", "f[1]"),
    ("enter", "fast(1) > open", "fast", "a param, not a function"),
    ("enter", "rsi(close, 14) > '70'", "'70'", "only tf('1h', ..)"),
    // Numbers of arguments, lengths.
    ("enter", "rsi(close) > 70", "rsi(close)", "write rsi(close, 14)"),
    ("enter", "tr(1) > 7", "tr(1)", "no arguments, this has 1"),
    ("enter", "min(1) > 0", "min(1)", "2 arguments"),
    ("enter", "ema(close, 0) > open", "0", "1 to 10000"),
    ("enter", "ema(close, 10001) > open", "10001", "1 to 10000"),
    (
        "enter",
        "sma(close, 1000000000000000000000000000000) > open",
        "1000000000000000000000000000000",
        "`sma` of 1000000000000000000000000000000 bars",
    ),
    ("enter", "ema(close, 9223372036854775807 * 2) > open", "9223372036854775807 * 2", "or more"),
    ("enter", "ema(close, fast - 5) > open", "fast - 5", "of 0 bars"),
    ("enter", "ema(close, fast * 5000) > open", "fast * 5000", "of 25000 bars"),
    ("enter", "ema(close, 2.5) > open", "2.5", "whole"),
    ("enter", "ema(close, cap) > open", "cap", "a length is whole"),
    ("enter", "ema(close, f) > open", "f", "may change from bar to bar"),
    ("enter", "ema(close, close) > open", "close", "changes from bar to bar"),
    ("enter", "ema(close, fast / 2) > open", "fast / 2", "+ - *"),
    ("enter", "ema(close, fsat) > open", "fsat", "did you mean `fast`"),
    ("enter", "close[-1] > open", "-1", "cannot see the next bar"),
    ("enter", "close[fast - 6] > open", "fast - 6", "cannot see the next bar"),
    ("enter", "close[9000][9000] > open", "close[9000][9000]", "18000 bars back"),
    ("enter", "close[hour] > open", "hour", "changes from bar to bar"),
    ("enter", "bb_upper(close, 20, 0) > open", "0", "positive"),
    ("enter", "bb_upper(close, 20, close) > open", "close", "positive"),
    ("enter", "macd(close, 26, 12) > 0", "macd(close, 26, 12)", "shorter than the slow"),
    ("enter", "volatility(1) > 0", "volatility(1)", "volatility(2)"),
    // Types.
    ("enter", "close", "close", "a rule needs a condition"),
    ("enter", "close and up", "close", "`and` takes a condition"),
    ("enter", "up + 1 > 0", "up", "`+` takes a number"),
    ("enter", "not close", "close", "`not` takes a condition"),
    ("enter", "-up > 0", "up", "takes a number"),
    ("enter", "up == 1", "up", "takes a number"),
    ("enter", "count(close, 5) > 0", "close", "`count` takes a condition"),
    ("enter", "ema(up, 5) > 0", "up", "if(condition, 1, 0)"),
    ("enter", "if(up, 1, up) > 0", "if(up, 1, up)", "both numbers, or both conditions"),
    ("enter", "if(close, 1, 2) > 0", "close", "takes a condition"),
    ("stop", "up", "up", "a distance is a number"),
    ("require", "fast + 1", "", "conditions"),
    // What is not a number.
    ("enter", "1 / 0 > 0", "1 / 0", "divides by 0"),
    ("enter", "close / (fast - 5) > 0", "close / (fast - 5)", "divides by 0"),
    ("enter", "log(0) > 0", "log(0)", "not a finite number"),
    ("enter", "exp(710) > 0", "exp(710)", "not a finite number"),
    ("enter", "sqrt(-1) > 0", "sqrt(-1)", "not a finite number"),
    ("enter", "1e308 * 10 > 0", "1e308 * 10", "not a finite number"),
    ("stop", "-1", "-1", "above 0"),
    ("stop", "-1 * atr(14)", "-1 * atr(14)", "cannot be"),
    ("stop", "-atr(14)", "-atr(14)", "cannot be"),
    ("stop", "0 * close", "0 * close", "cannot be"),
    ("stop", "atr(14) * (fast - 5)", "atr(14) * (fast - 5)", "cannot be"),
    ("stop", "-f", "-f", "cannot be"),
    ("stop", "lowest(low, 10) - close", "lowest(low, 10) - close", "close - lowest(low, 10)"),
    ("stop", "close - highest(high, 10)", "close - highest(high, 10)", "cannot be"),
    ("stop", "willr(14) * atr(14)", "willr(14) * atr(14)", "cannot be"),
    ("stop", "close - close", "close - close", "cannot be"),
    ("stop", "min(atr(14), -0.01 * close)", "min(atr(14), -0.01 * close)", "cannot be"),
    // Values without history.
    ("let", "bars_held > 3", "bars_held", "no history"),
    ("let", "score > 0", "score", "no history"),
    ("let", "signal('robot') > 0", "signal('robot')", "no history"),
    ("exit", "profit[1] > 0", "profit", "`[n]` needs"),
    ("exit", "ema(profit, 5) > 0", "profit", "`ema` needs"),
    ("exit", "tf('1h', held > 0)", "held", "`tf` needs"),
    ("stop", "entry_px", "entry_px", "[strategy.protect]"),
    ("enter", "profit > 0", "profit", "no position is open yet"),
    ("enter", "bars_held > 0", "bars_held", "no position is open yet"),
    ("exit", "profit_r > 1", "profit_r", "needs a stop or a trail"),
    ("enter", "score > 0", "score", "[strategy.model]"),
    ("enter", "signal('other') > 0", "'other'", "[strategy.signals.other]"),
    ("enter", "signal(robot) > 0", "robot", "text in quotes"),
    ("require", "close > 0", "close", "params"),
    ("require", "ema(fast, 3) > 0", "ema", "looks at bars"),
    // Longer timeframes.
    ("enter", "tf('1m', up)", "'1m'", "`tf` takes 5m or longer"),
    ("enter", "tf('7m', up)", "'7m'", "use one of 1m 3m"),
    ("enter", "tf(fast, up)", "fast", "never a param"),
    ("enter", "tf('1h', tf('4h', up))", "tf('4h', up)", "inside another"),
    ("enter", "tf('1h', hour_f > 0)", "hour_f", "inside another"),
    ("enter", "tf('1h')", "tf('1h')", "2 arguments"),
];

#[test]
fn every_error_has_its_place_and_its_advice() {
    for (place, text, at, words) in ERRORS {
        let (raw, key) = with(place, text);
        let found = errors(&raw);
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        assert_eq!(found[0].key, key, "{text}");
        let (under, said) = shown(&found[0], text);
        assert_eq!(under, *at, "{text}: {said}");
        assert!(said.contains(words), "{text}: {said}");
        assert!(found[0].help.is_some(), "what to write in place of {text}");
    }
}

/// Place, text, what is underlined, words of the message or the help.
const WARNINGS: &[(&str, &str, &str, &str)] = &[
    (
        "enter",
        "close > highest(high, 20)",
        "close > highest(high, 20)",
        "true at no bar | it holds this bar too; up to the bar before it is highest(high, 20)[1]",
    ),
    ("enter", "lowest(low, fast) > low", "lowest(low, fast) > low", "lowest(low, 5)[1]"),
    ("enter", "close > high", "close > high", "true at no bar"),
    ("exit", "rsi(close, 14) > 130", "rsi(close, 14) > 130", "rsi(close, 14) is between 0 and 100"),
    ("enter", "hour == 24", "hour == 24", "hour is between 0 and 23"),
    ("enter", "weekday < 1", "weekday < 1", "weekday is between 1 and 7"),
    ("enter", "close > 5", "close > 5", "a price and a pure number"),
    ("enter", "volume > close", "volume > close", "a volume and a price"),
    (
        "enter",
        "close + 1 > open",
        "close + 1",
        "adds two kinds of number: a price and a pure number",
    ),
    ("enter", "max(close, rsi(close, 5)) > open", "max(close, rsi(close, 5))", "compares"),
    ("enter", "if(up, close, 1) > open", "if(up, close, 1)", "chooses between"),
    ("enter", "crosses_above(close, 50)", "crosses_above(close, 50)", "compares"),
    ("enter", "log(close) > 3", "log(close)", "level of the market"),
    ("enter", "safe_div(close, open, close) > 0", "close", "the quotient is a pure number"),
    ("enter", "rsi(close, 5) == 50", "rsi(close, 5) == 50", "every digit counts"),
    ("enter", "close == ema(close, 5)", "close == ema(close, 5)", "every digit counts"),
    ("enter", "tf('1h', crosses_above(f, close))", "crosses_above(f, close)", "stays true until"),
    ("stop", "3", "3", "a distance has the kind of a price, this is a pure number"),
    ("stop", "atr(14) / close", "atr(14) / close", "kind of a price"),
    ("stop", "lowest(low, 10)", "lowest(low, 10)", "\"close - lowest(low, 10)\" for a long"),
    ("stop", "f - 2 * atr(14)", "f - 2 * atr(14)", "stop = \"close - (f - 2 * atr(14))\""),
    ("stop", "0.98 * close", "0.98 * close", "stop = \"0.02 * close\""),
    ("stop", "close", "close", "write 2 * atr(14), 0.02 * close"),
    ("stop", "bb_lower(close, 20, 2)", "bb_lower(close, 20, 2)", "this is a price"),
    ("stop", "tf('1d', low)", "tf('1d', low)", "this is a price"),
    ("stop", "min(low, low[1])", "min(low, low[1])", "this is a price"),
    ("stop", "(day_high() + day_low()) / 2", "(day_high() + day_low()) / 2", "this is a price"),
    ("stop", "kc_lower(20, 2)", "kc_lower(20, 2)", "this is a price"),
    ("stop", "95.0", "95.0", "kind of a price, this is a pure number"),
];

#[test]
fn doubtful_texts_are_warned_of() {
    for (place, text, at, words) in WARNINGS {
        let (raw, key) = with(place, text);
        let found = check(&raw, &Values::new(), Some(Timeframe::M5));
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        let (under, said) = shown(&found[0], text);
        assert_eq!((found[0].severity, found[0].key.as_str()), (Severity::Warning, key), "{text}");
        assert_eq!(under, *at, "{text}: {said}");
        assert!(said.contains(words), "{text}: {said}");
    }
    let note = check(&with("enter", "close > supertrend(10, 3)").0, &Values::new(), None);
    assert_eq!((note.len(), note[0].severity), (1, Severity::Note), "{note:?}");
}

#[test]
fn good_texts_have_no_remarks() {
    for (place, text) in [
        ("enter", "hour == 14 and weekday != 7"),
        ("enter", "held == 0 and bars_since_exit > 12 and equity > 5000"),
        ("enter", "high[5] == highest(high, 11)"),
        ("enter", "count(up, 5) == 3 and floor(close / open) == 1"),
        ("enter", "macd_hist(close, 12, 26, 9) > 0 and close > 0"),
        ("enter", "close * volume > sma(close * volume, 20)"),
        ("enter", "(close - open) / (high - low) > 0.5"),
        ("enter", "sqrt(close * open) > hl2"),
        ("enter", "tf('1h', close[1]) < tf('1d', high) and tf('5m', up)"),
        ("enter", "signal('robot') == 1"),
        ("enter", "true and not false"),
        ("exit", "profit > 2 * atr(14) or best_px - close > atr(14) or close < entry_px"),
        ("exit", "profit_pct > if(bars_held > 48, 1, 3)"),
        ("stop", "close - lowest(low, 10)"),
        ("stop", "0.02 * close"),
        ("stop", "close - lowest(low, 10) + 0.5 * atr(14)"),
        ("stop", "close - lowest(low, 10)[1]"),
        ("stop", "min(0.5 * (day_high() - day_low()), 3.0 * atr(14))"),
        ("stop", "close * natr(14) / 100"),
        ("stop", "bb_upper(close, 20, 2) - bb_lower(close, 20, 2)"),
        ("stop", "abs(close - f)"),
        ("stop", "max(0.01 * close, 2 * stdev(close, 20))"),
        ("stop", "if(up, 2 * atr(14), 0.03 * close)"),
        ("stop", "(high - low) * 2 + tf('1h', atr(14))"),
        ("stop", "abs(macd(close, 12, 26)) + tr()"),
        ("stop", "sqrt((close - f) * (close - f))"),
        ("stop", "f - 0.99 * close"),
        ("stop", "close - 0.98 * close"),
        ("stop", "atr(14) - 1000000000 * tr()"),
        ("stop", "volume * 0 + hl2 - low"),
    ] {
        let found = check(&with(place, text).0, &Values::new(), Some(Timeframe::M5));
        assert_eq!(found, [], "{text}");
    }
}

#[test]
fn all_problems_come_at_once() {
    let (mut raw, _) = with("enter", "clsoe > open and rsi(close) > 70 and up + 1 > 0");
    raw.exit[0].when = "a b".to_owned();
    raw.lets.insert("x".to_owned(), "profit".to_owned());
    raw.sides = "left".to_owned();
    raw.size.mode = Some("half".to_owned());
    raw.exit.push(rule("Bad", Some("up"), "close > open"));
    let keys: Vec<String> = errors(&raw).into_iter().map(|problem| problem.key).collect();
    assert_eq!(
        keys,
        [
            "strategy.let.x",
            "strategy.sides",
            "strategy.enter[0].when",
            "strategy.enter[0].when",
            "strategy.enter[0].when",
            "strategy.exit[0].when",
            "strategy.exit[2].rule",
            "strategy.exit[2].side",
            "strategy.size.mode",
        ]
    );
}

#[test]
fn tables_are_checked() {
    let edit = |change: &dyn Fn(&mut RawStrategy)| {
        let (mut raw, _) = with("enter", "close > open");
        change(&mut raw);
        let found = errors(&raw);
        assert_eq!(found.len(), 1, "{found:#?}");
        (found[0].key.clone(), shown(&found[0], "").1)
    };
    let two = rust_decimal::Decimal::TWO;
    type Change<'a> = &'a dyn Fn(&mut RawStrategy);
    let cases: [(Change<'_>, &str, &str); 22] = [
        (&|raw| raw.enter.clear(), "strategy.enter", "no rule enters"),
        (&|raw| raw.sides = "short".to_owned(), "strategy.sides", "no entry is left"),
        (&|raw| raw.enter[0].side = None, "strategy.enter[0].side", "needs a side"),
        (&|raw| raw.enter[0].side = Some("both".to_owned()), "strategy.enter[0].side", "one side"),
        (&|raw| raw.enter[0].rule = "stop_hit".to_owned(), "strategy.enter[0].rule", "other rows"),
        (&|raw| raw.enter[0].rule = "halted".to_owned(), "strategy.enter[0].rule", "other rows"),
        (&|raw| raw.enter[0].rule = "no_signal".to_owned(), "strategy.enter[0].rule", "other rows"),
        (&|raw| raw.enter[0].rule = "cooldown".to_owned(), "strategy.enter[0].rule", "other rows"),
        (&|raw| raw.enter[0].rule = "close".to_owned(), "strategy.enter[0].rule", "a word"),
        (&|raw| raw.enter[0].rule = "held".to_owned(), "strategy.enter[0].rule", "a word"),
        (&|raw| raw.exit[0].rule = "not".to_owned(), "strategy.exit[0].rule", "a word"),
        (&|raw| raw.enter[0].rule = "a".repeat(33), "strategy.enter[0].rule", "at most 32"),
        (&|raw| raw.exit[0].rule = "use".to_owned(), "strategy.exit[1].rule", "already"),
        (&|raw| drop(raw.lets.insert("close".into(), "1".into())), "strategy.let.close", "a word"),
        (
            &|raw| drop(raw.lets.insert("cap".into(), "1".into())),
            "strategy.let.cap",
            "a param already",
        ),
        (&|raw| drop(raw.lets.insert("1x".into(), "1".into())), "strategy.let.1x", "not a name"),
        (
            &|raw| drop(raw.params.insert("held".into(), param(Number::Integer(1)))),
            "strategy.params.held",
            "a word",
        ),
        (
            &|raw| drop(raw.params.insert("x".into(), param(Number::Float(f64::NAN)))),
            "strategy.params.x",
            "finite",
        ),
        (&|raw| raw.size.percent = Some(two), "strategy.size.percent", "no meaning in mode"),
        (&|raw| raw.size.mode = Some("percent".into()), "strategy.size.percent", "needs `percent`"),
        (&|raw| raw.size.max_notional = Some(-two), "strategy.size.max-notional", "above 0"),
        (
            &|raw| raw.protect.both.trail_from = Some("atr(3)".into()),
            "strategy.protect.trail-from",
            "needs a `trail`",
        ),
    ];
    for (change, key, words) in cases {
        let (found, said) = edit(change);
        assert_eq!(found, key);
        assert!(said.contains(words), "{key}: {said}");
        assert!(!said.ends_with("| "), "what to do about {key}: {said}");
    }
}

#[test]
fn of_a_param_that_is_out_of_its_range_one_thing_is_said() {
    let (mut raw, _) = with("require", "n < 300");
    raw.enter[0].when = "close > ema(close, n) and close > ema(close, n + 1)".to_owned();
    let whole =
        super::super::RawParam { max: Some(Number::Integer(200)), ..param(Number::Integer(500)) };
    raw.params.insert("n".to_owned(), whole);
    let found = errors(&raw);
    assert_eq!(found.len(), 1, "{found:#?}");
    let said = shown(&found[0], "").1;
    assert_eq!(said, "500 is above `max`, 200 | give a value of at most 200, or change `max`");
}

#[test]
fn a_cross_of_an_exit_that_is_not_made_up_for_is_noted() {
    let cross = "crosses_below(close, lowest(low, 20)[1])";
    let notes = |when: &str| {
        let (mut raw, _) = with("exit", when);
        raw.lets.insert("out".to_owned(), cross.to_owned());
        raw.exit.push(rule("reads_out", None, "count(out, 3) > 0"));
        raw.lets.insert("low20".to_owned(), "lowest(low, 20)[1]".to_owned());
        raw.exit.push(rule("reads_low20", None, "close < low20"));
        let found = check(&raw, &Values::new(), Some(Timeframe::M5));
        assert!(found.iter().all(|one| one.severity == Severity::Note), "{when}: {found:#?}");
        let of_exit = found.iter().filter(|one| one.key == "strategy.exit[0].when");
        of_exit.map(|one| shown(one, "").1).collect::<Vec<_>>()
    };
    for (when, help) in [
        ("out and hour > 3", "alone or joined by `or`, or a state in its place: close < lowest"),
        ("not out", "alone"),
        ("crosses_below(close, low20) and hour > 3", "in its place: close < low20"),
        ("close < low20 or out and hour > 3", "alone"),
        ("out[1]", "alone"),
        ("if(hour > 3, out, up)", "alone"),
        ("crosses_below(rsi(close, 14), 30)", "not missed: rsi(close, 14) < 30"),
    ] {
        let found = notes(when);
        assert_eq!(found.len(), 1, "{when}: {found:#?}");
        assert!(found[0].contains("is not made up for"), "{when}: {found:#?}");
        assert!(found[0].contains(help), "{when}: {found:#?}");
    }
    for when in
        ["crosses_below(close, low20)", "crosses_below(close, f) or hour > 3", "count(out, 3) > 0"]
    {
        assert_eq!(notes(when), Vec::<String>::new(), "{when}");
    }
}

#[test]
fn values_of_params_are_checked() {
    let limited = |value: Number| {
        let (mut raw, _) = with("enter", "close > open");
        raw.exit[1].when += " and ema(close, n) > 0 and close > m * open";
        let whole = super::super::RawParam {
            min: Some(Number::Integer(3)),
            max: Some(Number::Integer(9)),
            step: Some(Number::Integer(2)),
            ..param(Number::Integer(5))
        };
        raw.params.insert("n".to_owned(), whole);
        raw.params.insert("m".to_owned(), param(Number::Float(1.5)));
        let values = Values::from([("n".to_owned(), value), ("m".to_owned(), Number::Integer(2))]);
        let found = check(&raw, &values, Some(Timeframe::M5));
        found.first().map(|problem| problem.message.clone())
    };
    assert_eq!(limited(Number::Integer(9)), None);
    assert_eq!(limited(Number::Integer(10)).unwrap(), "10 is above `max`, 9");
    assert_eq!(limited(Number::Integer(2)).unwrap(), "2 is below `min`, 3");
    assert_eq!(
        limited(Number::Float(4.0)).unwrap(),
        "4.0 is not a whole number, and this param takes no other"
    );
    let values = Values::from([("fsat".to_owned(), Number::Integer(1))]);
    let found = check(&with("enter", "close > open").0, &values, None);
    assert_eq!((found.len(), found[0].help.as_deref()), (1, Some("did you mean `fast`?")));
}

#[test]
fn what_require_asks_for_is_shown_when_it_is_not_met() {
    let found = errors(&with("require", "fast > cap and fast > 1").0);
    assert_eq!(found.len(), 1);
    assert!(found[0].unmet);
    assert_eq!(found[0].message, "`fast > cap and fast > 1` is false: fast = 5, cap = 70");
    assert_eq!(errors(&with("require", "fast < cap").0), []);
}

#[test]
fn a_circle_is_named() {
    let mut raw = raw("a > close");
    raw.lets = texts([("a", "b + close"), ("b", "c[1]"), ("c", "ema(a, 3)"), ("d", "d + close")]);
    let found = errors(&raw);
    let said: Vec<(&str, &str)> =
        found.iter().map(|p| (p.key.as_str(), p.message.as_str())).collect();
    assert_eq!(
        said,
        [
            ("strategy.let.a", "a circle: `a` needs `b` needs `c` needs `a`"),
            ("strategy.let.d", "a circle: `d` needs `d`"),
        ]
    );
    assert_eq!(found[0].span, Some(0..1));
}

#[test]
fn what_nothing_reads_is_noted() {
    let mut raw = raw("close > open");
    raw.params.insert("n".to_owned(), param(Number::Integer(5)));
    raw.lets = texts([("x", "ema(close, 5)"), ("y", "x + close")]);
    let found = check(&raw, &Values::new(), None);
    let keys: Vec<(Severity, &str)> = found.iter().map(|p| (p.severity, p.key.as_str())).collect();
    let note = Severity::Note;
    assert_eq!(
        keys,
        [(note, "strategy.params.n"), (note, "strategy.let.x"), (note, "strategy.let.y")]
    );
}
