//! What people read: places, words, several problems at once, files that are no manifests.

use super::{BACKTEST, Case, EXEC, PLAIN};

#[test]
fn all_problems_at_once_each_with_its_line_and_column() {
    let job = r#"manifest = 1
name = "t"
kind = "backtest"
[market]
exchange = "binance"
symbol = "btc/usdt"
timeframe = "7m"
[strategy]
sides = "bth"
[[strategy.enter]]
rule = "up"
when = 20
[fill]
fee_bps = 1
slippage-bps = -1
[backtest]
tag = "../x"
close-at-end = 1
on-existing = "replce"
[bactest]
"#;
    let says = Case::new(job).says();
    let want = [
        r"jobs/t.toml:6:10: `market.symbol`: symbol `btc/usdt` must be upper-case letters and digits, e.g. BTC/USD",
        r"jobs/t.toml:7:13: `market.timeframe`: `7m` is not a timeframe: use one of 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d",
        r#"jobs/t.toml:9:9: `strategy.sides` is "bth", accepted are "both", "long", "short" (did you mean `both`?)"#,
        r"jobs/t.toml:10:1: `strategy.enter[0].side` is missing (write it)",
        r#"jobs/t.toml:12:8: `strategy.enter[0].when` must be a string, found the integer 20 (a rule needs a condition between quotes: "close > open")"#,
        r"jobs/t.toml:14:1: unknown key `fee_bps` in [fill] (did you mean `fee-bps`?)",
        r"jobs/t.toml:15:16: `fill.slippage-bps` is -1, at least 0 is accepted",
        r"jobs/t.toml:16:1: `backtest.runid` is missing (write it in [backtest])",
        r"jobs/t.toml:17:7: `backtest.tag`: tag `../x` must start with a letter or a digit",
        r"jobs/t.toml:18:16: `backtest.close-at-end` must be true or false, found the integer 1",
        r#"jobs/t.toml:19:15: `backtest.on-existing` is "replce", accepted are "fail", "replace" (did you mean `replace`?)"#,
        r"jobs/t.toml:20:2: unknown key `bactest` (did you mean `backtest`?)",
    ];
    assert_eq!(says, want.join("\n"));
}

#[test]
fn a_slippage_of_the_whole_price_is_refused() {
    let job = |bps: &str| BACKTEST.to_owned() + &format!("\n[fill]\nslippage-bps = {bps}\n");
    for bps in ["10000", "10000.0", "9999.5", "1e5"] {
        let says = Case::new(&job(bps)).says();
        assert!(
            says.contains("`fill.slippage-bps` is ") && says.contains("at most 9999"),
            "{says}"
        );
    }
    Case::new(&job("9999")).good();
}

#[test]
fn a_rendered_problem_shows_the_line_and_a_caret() {
    let problems = Case::new(&EXEC.replace("run =", "rnu =")).bad();
    let text = problems.render(PLAIN);
    assert!(text.contains("[jobs/t.toml:5:1]"), "{text}");
    assert!(text.contains("rnu = [\"true\"]"), "{text}");
    assert!(text.contains("─┬─") || text.contains("───"), "{text}");
    assert!(text.contains("help: did you mean `run`?"), "{text}");
    assert!(text.contains("`exec.run` is missing"), "{text}");
    assert!(text.contains("unknown key `rnu` in [exec]"), "{text}");
    let colored = problems.render(super::Style { color: true, width: 100 });
    assert!(colored.contains('\u{1b}'));
}

#[test]
fn values_that_do_not_fit_each_other() {
    let case = Case::new(BACKTEST);
    for (path, value, want) in [
        ("strategy.cadence-bars", "5000000000", "at most 4294967295 is accepted"),
        ("backtest.start-ts-ms", "300001", "is not aligned to 5m"),
        ("risk.drawdown-max-pct", "101", "at most 100 is accepted"),
        ("risk.consecutive-stops-max", "0", "at least 1 is accepted"),
        ("run.timeout", "20", "`run.timeout`: `20` has no unit"),
        ("run.disk-free-min", "\"2 apples\"", "is not a size"),
        ("account.cash", "1e300", "does not fit a decimal"),
    ] {
        let says = case.clone().set(path, value).says();
        assert!(says.contains(want), "{path}: {says}");
    }
    let window =
        case.clone().set("backtest.start-ts-ms", "600000").set("backtest.end-ts-ms", "300000");
    assert!(window.says().contains("before `backtest.start-ts-ms`"), "{}", window.says());
}

#[test]
fn a_program_that_uses_a_card_is_given_time() {
    let job = "manifest = 1\nname = \"t\"\nkind = \"preflight\"\n";
    for key in ["probe-timeout", "silence-timeout"] {
        for (value, shown) in [("0s", "0s"), ("1ms", "1ms"), ("999ms", "999ms")] {
            let says = Case::new(&format!("{job}[compute]\n{key} = \"{value}\"\n")).says();
            let want = format!("`compute.{key}` is {shown}, at least 1s is accepted (");
            assert!(says.starts_with("jobs/t.toml:5:") && says.contains(&want), "{says}");
        }
        Case::new(job).set(&format!("compute.{key}"), "1s").good();
    }
}

#[test]
fn top_level_keys_are_demanded() {
    for (job, want) in [
        ("", "jobs/t.toml:1:1: `manifest = 1` is missing (write it as the first line)"),
        ("name = 't'\n", "`manifest = 1` is missing"),
        (
            "manifest = 2\n",
            "jobs/t.toml:1:12: `manifest` must be the integer 1, found the integer 2",
        ),
        ("manifest = 1\n", "`kind` is missing"),
        ("manifest = 1\nkind = 'exec'\n", "`name` is missing"),
        (
            "manifest = 1\nkind = 'exce'\n",
            "jobs/t.toml:2:8: unknown kind \"exce\" (did you mean `exec`?)",
        ),
        ("manifest = 1\nkind = 'optimise'\n", "(the kinds are \"live\", \"backtest\""),
        ("manifest = 1\nname = 'x'\nkind = 'exec'\n", "kind \"exec\" needs [exec]"),
        (
            "manifest = 1\nname = 'a/b'\nkind = 'exec'\n[exec]\nrun = []\n",
            "`name` is \"a/b\", it must be letters, digits",
        ),
        ("manifest = 1\nname = 'a'\nkind = 'exec'\n[exec]\nrun = []\n", "`exec.run` is empty"),
    ] {
        let says = Case::new(job).says();
        assert!(says.contains(want), "{job:?}: {says}");
    }
}

#[test]
fn files_that_are_no_manifests() {
    let big = format!("{EXEC}# {}\n", "x".repeat(64 * 1024));
    let exact = format!("{EXEC}#{}", "x".repeat(64 * 1024 - EXEC.len() - 1));
    assert!(Case::new(&exact).resolve().is_ok());
    assert!(
        Case::new(&big).says().contains("at most 65536 are read"),
        "{}",
        Case::new(&big).says()
    );
    for (text, want) in [
        ("manifest = 1 # \u{202e}x\n", "jobs/t.toml:1:16: bidirectional character U+202E"),
        ("manifest = 1\n\u{7}\n", "jobs/t.toml:2:1: control character U+0007"),
        ("manifest = 1\nx = nan\n", "jobs/t.toml:2:5: `nan`, `inf`"),
        ("manifest = 1\nx = [-inf]\n", "jobs/t.toml:2:6: `nan`, `inf`"),
        (
            "manifest = 1\nx = 99999999999999999999\n",
            "jobs/t.toml:2:5: the integer does not fit 64 bits",
        ),
        ("manifest = 1\nmanifest = 1\n", "jobs/t.toml:2:1: duplicate key"),
        ("manifest = \n", "jobs/t.toml:1:"),
    ] {
        let says = Case::new(text).says();
        assert!(says.contains(want), "{says}");
        assert!(!says.contains(['\u{202e}', '\u{7}']));
    }
    let two = Case::new("manifest = = 1\nb = [1,\nc = 'x\n").bad();
    assert!(two.len() >= 2, "{two}");
}

#[test]
fn a_value_from_outside_is_traced_and_cannot_disturb_the_terminal() {
    let job = BACKTEST.replace("tag = \"a\"", "tag = \"${params.tag}\"")
        + "[params.tag]\nenv = \"DATA_TAG\"\n";
    let case = Case::new(&job).env("DATA_TAG", "\u{1b}[31m");
    let says = case.says();
    assert!(says.contains("(the value comes from env DATA_TAG)"), "{says}");
    assert!(!case.bad().render(PLAIN).contains('\u{1b}'));
}
