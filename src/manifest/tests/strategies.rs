//! Strategies in manifests: layers, params, places inside of expressions.

use super::{
    super::{Job, Severity, Source, check_strategy},
    BACKTEST, Case,
};
use crate::language::Number;

const RULES: &str = r#"manifest = 1
[strategy]
require = ["fast < slow"]
[strategy.params]
fast = { default = 3, min = 1, max = 50 }
slow = { default = 9 }
[[strategy.enter]]
rule = "up"
side = "long"
when = "crosses_above(ema(close, fast), ema(close, slow))"
[strategy.protect]
stop = "2 * atr(14)"
"#;

/// A backtest whose strategy is in strategies/x.toml.
fn extends() -> Case {
    let own = "[strategy]\nenter = [{ rule = \"up\", side = \"long\", when = \"close > open\" }]\n";
    let job = BACKTEST
        .replace(own, "")
        .replace("[market]", "extends = [\"../strategies/x.toml\"]\n[market]");
    Case::new(&job).file("strategies/x.toml", RULES)
}

fn params(case: &Case) -> Vec<(String, Number)> {
    let Job::Backtest(job) = case.good().manifest.job else { panic!("no backtest") };
    job.trading.rules.params.into_iter().map(|(name, param)| (name, param.default)).collect()
}

#[test]
fn params_are_given_like_any_other() {
    let with = |fast: i64| {
        [("fast", fast), ("slow", 9)]
            .map(|(name, n)| (name.to_owned(), Number::Integer(n)))
            .to_vec()
    };
    assert_eq!(params(&extends()), with(3));
    assert_eq!(params(&extends().p("fast", "5")), with(5));
    assert_eq!(params(&extends().scheduled("fast", "6")), with(6));
    assert_eq!(params(&extends().set("strategy.params.fast.default", "7")), with(7));
    assert_eq!(extends().p("fast", "5").explained("strategy.params.fast.default"), "5 | -p fast");
    assert!(
        extends().p("fast", "51").says().contains("param `fast` is 51, at most 50 is accepted")
    );
    assert!(extends().p("fast", "2.5").says().contains("fast"));
    assert!(extends().p("fsat", "2").says().contains("did you mean `fast`?"));
    let unmet = extends().p("fast", "20").says();
    assert!(unmet.starts_with("strategies/x.toml:3:"), "{unmet}");
    assert!(unmet.contains("20") && unmet.contains('9'), "{unmet}");
    let twice = Case::new(&extends().job.1.replace("[market]", "[params.fast]\n[market]"));
    let twice = twice.file("strategies/x.toml", RULES).says();
    assert!(twice.contains("the param `fast` is declared twice"), "{twice}");
}

#[test]
fn a_resolved_strategy_resolves_to_itself() {
    let once = extends().p("fast", "5").good().to_toml();
    assert!(once.contains("default = 5"), "{once}");
    assert_eq!(once, Case::named("jobs/t.toml", &once).good().to_toml());
}

#[test]
fn a_layer_with_rules_takes_away_what_is_below_and_one_above_only_turns_it() {
    let other =
        RULES.replace("up", "other").replace("fast = {", "quick = {").replace("fast", "quick");
    let case = extends().file("strategies/other.toml", &other).profile("other");
    let names: Vec<_> = params(&case).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["quick", "slow"], "nothing of the strategy below is left");
    assert_eq!(case.explained("strategy.enter"), case.explained("strategy.enter"));
    let above = |text: &str| {
        let file = format!("manifest = 1\n{text}");
        extends().file("profiles/above.toml", &file).profile("above")
    };
    for good in [
        "[strategy]\nsides = \"long\"\ncadence-bars = 3\n",
        "[strategy.params.fast]\ndefault = 4\n",
        "[strategy.size]\nmode = \"percent\"\npercent = 10\n",
    ] {
        above(good).good();
    }
    for (bad, says) in [
        (
            "[strategy.let]\nx = \"close\"\n",
            "`strategy.let` cannot be set here: the rules come whole from strategies/x.toml",
        ),
        ("[strategy.protect]\nstop = \"1 * atr(5)\"\n", "`strategy.protect` cannot be set here"),
        ("[strategy.params.fast]\nmax = 99\n", "`strategy.params.fast.max` cannot be set here"),
    ] {
        let said = above(bad).says();
        assert!(said.starts_with("profiles/above.toml:") && said.contains(says), "{said}");
    }
}

#[test]
fn a_profile_is_looked_for_among_strategies_too() {
    let case = extends().file("strategies/y.toml", RULES);
    case.clone().profile("y").good();
    let both = case.file("profiles/y.toml", "manifest = 1\n").profile("y").says();
    assert!(both.contains("`y` is both profiles/y.toml and strategies/y.toml"), "{both}");
    let none = extends().profile("nosuch").says();
    assert!(
        none.contains("name a file of profiles/ or strategies/ without its .toml: x"),
        "{none}"
    );
    let near = extends().file("strategies/golden.toml", RULES).profile("goldn").says();
    assert!(near.contains("did you mean `golden`?"), "{near}");
}

#[test]
fn of_two_strategies_the_first_would_have_no_effect() {
    let case = extends()
        .file("strategies/y.toml", &RULES.replace("up", "y"))
        .file("strategies/z.toml", &RULES.replace("up", "z"))
        .file("strategies/turned.toml", "manifest = 1\n[strategy.params.fast]\ndefault = 4\n")
        .file(
            "profiles/market.toml",
            "manifest = 1\nextends = [\"../strategies/y.toml\"]\n[risk]\ncooldown-bars = 3\n",
        );
    let both = case.clone().profile("y").profile("z").says();
    assert!(both.contains("-P z: `-P y` has no effect: `z` has rules too"), "{both}");
    assert!(both.ends_with("(name one of the two)"), "{both}");
    let around = case.clone().profile("y").profile("turned").profile("z").says();
    assert!(around.contains("`-P y` has no effect"), "{around}");
    // What turns the rules, and a profile that has more than rules, are for something.
    case.clone().profile("y").profile("turned").good();
    case.clone().profile("market").profile("z").good();
}

#[test]
fn a_profile_that_a_kind_does_not_read_is_noted_by_a_check() {
    let case = extends()
        .file("profiles/replay.toml", "# feed\nmanifest = 1\n[live]\nfeed = \"replay\"\n")
        .file(
            "profiles/more.toml",
            "manifest = 1\n[live]\nfeed = \"replay\"\n[risk]\ncooldown-bars = 3\n",
        )
        .file("strategies/y.toml", RULES);
    let noted = |case: &Case| case.checks().unwrap().to_string();
    let idle = noted(&case.clone().profile("y").profile("replay"));
    let want = "-P replay: this has no effect: a job of kind \"backtest\" does not read [live] (leave it out)";
    assert!(idle.contains(want), "{idle}");
    for profile in ["y", "more"] {
        let said = noted(&case.clone().profile(profile));
        assert!(!said.contains("no effect"), "{said}");
    }
}

#[test]
fn places_are_inside_of_the_expression() {
    let wrong = |from: &str, to: &str| {
        let case = extends().file("strategies/x.toml", &RULES.replace(from, to));
        case.says().lines().next().unwrap_or_default().to_owned()
    };
    for (from, to, place, says) in [
        ("ema(close, slow)", "ema(clsoe, slow)", "10:45", "clsoe"),
        ("ema(close, slow)", "emma(close, slow)", "10:41", "emma"),
        ("ema(close, slow)", "ema(close, 0)", "10:52", "0"),
        ("2 * atr(14)", "2 * art(14)", "12:13", "art"),
    ] {
        let said = wrong(from, to);
        assert!(said.starts_with(&format!("strategies/x.toml:{place}: ")), "{said}");
        assert!(said.contains(says), "{said}");
    }
    // Several lines and a comment.
    let long = "when = \"\"\"\ncrosses_above(ema(close, fast), ema(close, slow))\n  and clsoe > 1 # here\n\"\"\"";
    let plain = "when = \"crosses_above(ema(close, fast), ema(close, slow))\"";
    let said = wrong(plain, long);
    assert!(said.starts_with("strategies/x.toml:12:7: "), "{said}");
    // Texts that are not written as they are read, and characters of several bytes.
    for (when, place) in [
        ("\"close > 1 and \\u0063lsoe > 1\"", "10:23"),
        ("\"\"\"close > 1 \\\n    and clsoe > 1\"\"\"", "11:9"),
        ("\"\"\"\r\nclose > 1\r\n\tand clsoe > 1\r\n\"\"\"", "12:6"),
        ("'''\nclose > 1 # \u{6f22}\u{5b57}\n\tand clsoe > 1'''", "12:6"),
        ("'clsoe > 1'", "10:9"),
        ("\"\"\"\nclose > 1 and\n\n\"\"\"", "11:14"),
    ] {
        let said = wrong(plain, &format!("when = {when}"));
        assert!(said.starts_with(&format!("strategies/x.toml:{place}: ")), "{when}: {said}");
    }
}

#[test]
fn nothing_is_filled_inside_of_an_expression() {
    let case = extends()
        .file("strategies/x.toml", &RULES.replace("2 * atr(14)", "${params.fast} * atr(14)"));
    let said = case.says();
    assert!(said.starts_with("strategies/x.toml:12:"), "{said}");
}

#[test]
fn old_keys_name_the_file_that_took_their_place() {
    for (key, file) in [
        ("kind = \"ema_atr\"", "strategies/ema_atr.toml"),
        ("kind = \"model\"", "strategies/model.toml"),
        ("rsi-revert = { period = 5 }", "strategies/rsi_revert.toml"),
    ] {
        let said =
            Case::new(&BACKTEST.replace("[strategy]\n", &format!("[strategy]\n{key}\n"))).says();
        assert!(said.contains("is not a key any more") && said.contains(file), "{said}");
    }
}

#[test]
fn a_strategy_is_checked_by_itself() {
    let of = |text: &str| {
        check_strategy(&Source { path: "strategies/x.toml".into(), text: text.into() })
    };
    let told = of(RULES).unwrap();
    assert!(told.iter().all(|problem| problem.severity() != Severity::Error), "{told}");
    for (from, to, says) in [
        (
            "manifest = 1\n",
            "manifest = 1\n[market]\nsymbol = \"BTC/USD\"\n",
            "does not belong in a file of strategies/",
        ),
        ("manifest = 1\n", "manifest = 1\nextends = \"y.toml\"\n", "extends"),
        ("side = \"long\"\n", "", "`strategy.enter[0].side` is missing"),
        ("crosses_above", "crosses_abvoe", "did you mean"),
        ("[[strategy.enter]]", "[[strategy.entre]]", "did you mean `enter`?"),
        ("[[strategy.enter]]", "[[strategy.entry]]", "did you mean `enter`?"),
        ("[[strategy.enter]]", "[strategy.enter]", "write [[strategy.enter]], with two brackets"),
        (
            "[[strategy.enter]]",
            "[strategy.enter]\nrule = \"a\"\nside = \"long\"\nwhen = \"close > open\"\n[[strategy.enter]]",
            "write [[strategy.enter]], with two brackets",
        ),
        (
            "[[strategy.enter]]",
            "[[strategy.enter]]\nrule = \"a\"\nside = \"long\"\nwhen = \"close > open\"\n[strategy.enter]",
            "write [[strategy.enter]], with two brackets",
        ),
        ("[strategy.protect]", "[strategy.protect]\n[strategy.protect]", "keep one of the two"),
        ("rule =", "name =", "did you mean `rule`?"),
        ("when =", "condition =", "did you mean `when`?"),
        ("stop =", "stoploss =", "did you mean `stop`?"),
        ("stop =", "stop_loss =", "did you mean `stop`?"),
        ("stop =", "take_profit =", "did you mean `target`?"),
        ("stop =", "trailing =", "did you mean `trail`?"),
        ("stop =", "TrailingStop =", "did you mean `trail`?"),
        ("stop =", "breakeven =", "did you mean `break-even-at`?"),
        ("stop =", "sotp =", "did you mean `stop`?"),
        ("[strategy.protect]", "[strategy.stoploss]", "did you mean `protect`?"),
        ("\"2 * atr(14)\"", "95.0", "a distance between quotes: \"2 * atr(14)\""),
    ] {
        let said = of(&RULES.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(said.contains(says), "{said}");
    }
    assert!(of("manifest = 1\n").unwrap_err().to_string().contains("[strategy] is missing"));
}

#[test]
fn of_a_default_that_is_out_of_its_range_one_thing_is_said_with_advice() {
    let wrong =
        RULES.replace("fast = { default = 3, min = 1, max = 50", "fast = { default = 3, max = 1");
    assert_ne!(wrong, RULES);
    for said in [
        extends().file("strategies/x.toml", &wrong).says(),
        check_strategy(&Source { path: "strategies/x.toml".into(), text: wrong.clone() })
            .unwrap_err()
            .to_string(),
    ] {
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("is above `max`, 1 (give a value"), "{said}");
    }
    let said = extends().p("fast", "51").says();
    assert!(said.contains("at most 50 is accepted (give a value from 1 to 50)"), "{said}");
}

#[test]
fn the_caret_of_a_reserved_name_is_under_the_name() {
    let text = RULES
        .replace("[strategy.protect]", "[strategy.let]\nheld = \"close\"\n\n[strategy.protect]");
    let said = check_strategy(&Source { path: "strategies/x.toml".into(), text: text.clone() })
        .unwrap_err();
    let problem = said.iter().next().unwrap();
    assert_eq!(&text[problem.span()], "held", "{said}");
}

const HEARS: &str = r#"
[strategy.signals.robot]
wait = "30s"
max-age = "15m"
absent = "flat"
[[strategy.enter]]
rule = "robot"
side = "short"
when = "signal('robot') < 0"
"#;

#[test]
fn signals_are_checked_against_the_timeframe_and_named_like_files() {
    let with = |text: &str| extends().file("strategies/x.toml", &format!("{RULES}{text}"));
    let Job::Backtest(job) = with(HEARS).good().manifest.job else { panic!("no backtest") };
    let signal = &job.trading.signals["robot"];
    assert_eq!(signal.wait.to_string(), "30s");
    assert_eq!(signal.max_age.map(|age| age.to_string()).as_deref(), Some("15m"));
    for (from, to, line, says) in [
        ("30s", "3m", "15:", "`strategy.signals.robot.wait` is 3m, more than half a bar of 5m"),
        ("15m", "4m 59s", "16:", "`strategy.signals.robot.max-age` is 4m 59s, less than a bar"),
        ("signals.robot", "signals.Robot", "14:", "is not a name of a signal"),
        ("signals.robot", "signals.other", "21:", "declare it: [strategy.signals.robot]"),
        ("wait", "wiat", "15:", "did you mean `wait`?"),
        ("\"flat\"", "\"long\"", "17:", "absent"),
    ] {
        let said = with(&HEARS.replacen(from, to, 1)).says();
        assert!(said.contains(says) && said.contains(&format!("x.toml:{line}")), "{said}");
    }
    let unread = format!("{RULES}\n[strategy.signals.robot]\n");
    let told = check_strategy(&Source { path: "strategies/x.toml".into(), text: unread }).unwrap();
    assert!(told.to_string().contains("no rule reads the signal `robot`"), "{told}");
}
