//! Wrong words: each gets its exit code, and a message that names the thing and says what to do.

use super::fixture::{NOON, ledger};
use crate::support::runner::Root;

const HEAD: &str = "manifest = 1\nname = 'bad'\nkind = 'live'\n\
                    extends = ['../profiles/base.toml', '../profiles/market.toml']\n";

#[test]
fn wrong_command_lines_are_refused_with_a_reason_and_a_way_out() {
    let root = Root::new();
    let made_up = "exchange=demo feed=synthetic from=2024-01-01T00:00:00Z to=2024-01-01T01:00:00Z";
    let source = "source=nofile.csv from=2024-01-01T00:00:00Z to=2024-01-02T00:00:00Z";
    let table: &[(&str, i32, &[&str])] = &[
        (
            "run nosuch",
            4,
            &["job `nosuch` does not exist; jobs here: backtest, backtest-model, check"],
        ),
        ("run backtest -P nosuch", 78, &["unknown profile `nosuch`", "a file of profiles/"]),
        (
            "run backtest -p nosuch=1",
            78,
            &["unknown param \"nosuch\"", "this job declares atr, end-ts-ms"],
        ),
        ("run backtest -p symbl=A/B", 78, &["unknown param \"symbl\"", "symbol"]),
        ("run equivalence", 78, &["param `runid` is required", "-p runid=..., or set RUNID"]),
        ("run backtest -p timeframe=7m", 78, &["timeframe", "7m", "5m"]),
        ("run backtest -p symbol=btcusd", 78, &["btcusd", "-p symbol"]),
        ("run backtest -p start-ts-ms=soon", 78, &["start-ts-ms", "integer", "soon"]),
        ("run backtest --set backtest.tga=x", 78, &["tga", "did you mean `tag`?"]),
        (
            "run live -P replay",
            78,
            &["`live.from` is missing", "-p from=...", "`live.source` is missing"],
        ),
        (
            "run eqflat -p tag=nope",
            4,
            &["tag nope does not have a decision", "no tag has a ledger yet: run jobs/live.toml"],
        ),
        (
            "run backtest",
            4,
            &["bars of kraken BTC/USD 5m are not in data/raw/kraken", "import or fetch"],
        ),
        ("run import -p path=nofile.csv", 4, &["the file of bars is missing", "nofile.csv"]),
        ("run --bogus", 2, &["--bogus", "--help"]),
        ("run", 2, &["<JOB>"]),
        ("", 2, &["Usage: runner"]),
        ("fly", 2, &["fly"]),
        ("run backtest --run-id ../x", 2, &["run id `../x` must start with a letter or a digit"]),
        ("run backtest --timeout 1x", 2, &["--timeout 1x", "supported units"]),
        ("--root nosuch run backtest", 2, &["nosuch: this folder does not exist"]),
        ("logs nosuch", 4, &["nosuch"]),
        ("history", 0, &[]),
        ("verify nosuch", 4, &["nosuch"]),
        ("check nosuch.toml", 4, &["job `nosuch.toml` does not exist"]),
    ];
    for (words, code, told) in table {
        root.run(words).code(*code).says(told);
    }
    root.run(&format!("run live -P replay -p {source}")).code(4).says(&["nofile.csv", "missing"]);
    for tag in ["../../x", "..", "a/b", "", ".hidden", "a..b", "-x"] {
        let ran = root.run(&format!("run live -p {made_up} tag={tag}")).code(78);
        ran.says(&["`live.tag`: tag", "-p tag"]);
    }
    assert_eq!(root.list("data/processed"), [""; 0], "nobody wrote a ledger");
}

#[test]
fn windows_that_hold_nothing_are_refused() {
    let root = ledger(NOON);
    let table: &[(&str, i32, &[&str])] = &[
        (
            "start-ts-ms=1704067500000 end-ts-ms=1704067200000",
            78,
            &["before `backtest.start-ts-ms`", "swap"],
        ),
        (
            "start-ts-ms=1704067200001",
            78,
            &["not aligned to 5m", "1704067200000 and 1704067500000"],
        ),
        (
            "start-ts-ms=1804067100000 end-ts-ms=1804067400000",
            4,
            &["does not have a bar of", "import or fetch"],
        ),
        ("start-ts-ms=-300000", 78, &["start-ts-ms", "-300000"]),
    ];
    for (window, code, told) in table {
        let words = format!("run backtest -p exchange=demo runid=r1 tag=free {window}");
        root.run(&words).code(*code).says(told);
    }
    let live = "run live -p tag=x exchange=demo feed=synthetic from=2024-01-02T00:00:00Z";
    root.run(&format!("{live} to=2024-01-01T00:00:00Z")).code(78).says(&["from", "to"]);
    let between = live.replace("00:00Z", "01:00Z");
    root.run(&format!("{between} to=2024-01-02T00:04:00Z"))
        .code(78)
        .says(&["no bar closes between"]);
    assert_eq!(root.list("data/processed/decisions"), ["paper"]);
    root.run("run backtest -p exchange=demo runid=r1").ok();
    let again = root.run("run backtest -p exchange=demo runid=r1").code(75);
    again.says(&["_bt_r1/", "exists already: choose another RUNID"]);
    root.run("run backtest -p exchange=demo runid=r1 --set backtest.on-existing=replace").ok();
    let known = root.run("run eqflat -p tag=nope exchange=demo").code(4);
    known.says(&["tags with a ledger: paper"]);
}

#[test]
fn a_manifest_tells_all_its_problems_at_once() {
    let root = Root::new();
    let body =
        "[live]\ntag = 'x'\nfede = 'replay'\nspeed = 7\nmax-bars = 'many'\n[stratgy]\nkind = 'x'\n";
    root.write("jobs/bad.toml", &format!("{HEAD}{body}"));
    let told = [
        "`live.feed` is missing",
        "unknown key `fede` in [live]",
        "did you mean `feed`?",
        "`live.speed` must be a speed",
        "`live.max-bars` must be an integer, found the string \"many\"",
        "unknown key `stratgy`",
        "did you mean `strategy`?",
        "jobs/bad.toml:7:1",
    ];
    root.run("run bad").code(78).says(&told);
    root.run("check").code(78).says(&told);
    root.run("explain bad").code(78).says(&told);
    let problems = root.run("check --json").code(78).json();
    let problems = problems["problems"].as_array().expect("a list").clone();
    assert!(problems.len() >= 5, "{problems:?}");
    assert!(problems.iter().all(|one| one["file"] == "jobs/bad.toml" && one["line"].is_u64()));
    assert!(root.list("data").is_empty(), "nothing was run");
}

/// What the service refuses, `check` refuses too: its start must not be the first to know.
#[test]
fn a_schedule_that_lacks_a_value_is_refused_by_check() {
    let root = Root::new();
    let job = root.read("jobs/backtest.toml").replace("default = \"${run.id}\"\n", "");
    root.write("jobs/backtest.toml", &job);
    root.run("check jobs/backtest.toml").ok();
    let due = "[[schedule]]\nevery = '1h'\n";
    root.write("jobs/backtest.toml", &format!("{job}{due}"));
    root.run("check jobs/backtest.toml").code(78).says(&["`backtest.runid` is missing"]);
    root.write("jobs/backtest.toml", &format!("{job}{due}params = {{ runid = 'x' }}\n"));
    root.run("check jobs/backtest.toml").ok();
}

#[test]
fn manifests_that_cannot_be_right_are_refused() {
    let root = Root::new();
    let pipeline = "manifest = 1\nname = 'p'\nkind = 'pipeline'\n";
    let step = |id: &str, needs: &str| {
        format!("[[step]]\nid = '{id}'\nrun = ['true']\nneeds = ['{needs}']\n")
    };
    let long = format!("manifest = 1 #{}", "x".repeat(70_000));
    let table: Vec<(String, &[&str])> = vec![
        (format!("{pipeline}{}{}", step("a", "b"), step("b", "a")), &["in a circle: a -> b -> a"]),
        (format!("{pipeline}{}", step("a", "nosuch")), &["nosuch"]),
        (format!("{pipeline}{}{}", step("a", ""), step("a", "")), &["`a`"]),
        (
            "manifest = 2\nname = 'x'\nkind = 'exec'\n[exec]\nrun = ['true']\n".into(),
            &["manifest", "2"],
        ),
        ("manifest = 1\nname = 'x'\nkind = 'exce'\n".into(), &["exce", "exec"]),
        ("manifest = 1\nname = 'x'\nkind = 'exec'\n[exec]\nrun = []\n".into(), &["exec.run"]),
        ("manifest = 1\nname = \n".into(), &["jobs/odd.toml:2"]),
        ("manifest = 1\nmanifest = 1\n".into(), &["jobs/odd.toml:2"]),
        (String::new(), &["missing"]),
        (long, &["longer than 65536 bytes"]),
    ];
    for (text, told) in table {
        root.write("jobs/odd.toml", &text);
        root.run("run odd").code(78).says(told);
    }
}
