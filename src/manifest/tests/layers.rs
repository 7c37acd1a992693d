//! Which layer wins, and what `explain` says about it.

use super::{BACKTEST, Case, EXEC};

fn layered() -> Case {
    let job = r#"manifest = 1
name = "t"
kind = "backtest"
extends = ["../a.toml", "../b.toml"]
[params.cash]
type = "float"
default = 5
env = "CASH"
[market]
exchange = "binance"
symbol = "BTC/USDT"
timeframe = "5m"
[strategy]
enter = [{ rule = "up", side = "long", when = "close > open" }]
[backtest]
tag = "a"
runid = "r"
"#;
    Case::new(job)
        .file("a.toml", "manifest = 1\n[account]\ncash = 1\nnotional = 1\n[fill]\nfee-bps = 1\n")
        .file("b.toml", "manifest = 1\n[account]\ncash = 2\n")
        .file("profiles/p.toml", "manifest = 1\n[account]\ncash = 3\n")
        .file("profiles/q.toml", "manifest = 1\n[account]\ncash = 4\n")
        .file("profiles/ref.toml", "manifest = 1\n[account]\ncash = \"${params.cash}\"\n")
}

#[test]
fn each_layer_beats_the_one_below() {
    let own = layered();
    let with_own = Case {
        job: (own.job.0.clone(), format!("{}[account]\ncash = 2.5\n", own.job.1)),
        ..own.clone()
    };
    for (case, want) in [
        (own.clone(), "2 | b.toml:3:8"),
        (with_own.clone(), "2.5 | jobs/t.toml:19:8"),
        (with_own.clone().profile("p"), "3 | profiles/p.toml:3:8"),
        (with_own.clone().profile("p").profile("q"), "4 | profiles/q.toml:3:8"),
        (own.clone().profile("ref"), "5.0 | jobs/t.toml:7:11 (through profiles/ref.toml:3:8)"),
        (
            own.clone().profile("ref").env("CASH", "6"),
            "6.0 | env CASH (through profiles/ref.toml:3:8)",
        ),
        (
            own.clone().profile("ref").env("CASH", ""),
            "5.0 | jobs/t.toml:7:11 (through profiles/ref.toml:3:8)",
        ),
        (
            own.clone().profile("ref").env("CASH", "6").p("cash", "7").p("cash", "8"),
            "8.0 | -p cash (through profiles/ref.toml:3:8)",
        ),
        (
            own.clone().profile("ref").p("cash", "8").set("account.cash", "9"),
            "9 | --set account.cash",
        ),
    ] {
        assert_eq!(case.explained("account.cash"), want);
    }
    assert_eq!(own.explained("account.notional"), "1 | a.toml:4:12");
    assert_eq!(own.explained("fill.at"), "\"next_open\" | default");
    assert_eq!(own.explained("strategy.cadence-bars"), "12 | default");
    assert_eq!(own.explained("params.cash"), "5.0 | jobs/t.toml:7:11");
}

#[test]
fn an_unset_param_lets_the_layer_below_show_through() {
    let job = BACKTEST.replace("[market]", "extends = [\"base.toml\"]\n[params.c]\ntype = \"float\"\n[account]\ncash = \"${params.c}\"\n[market]");
    let case = Case::new(&job).file("jobs/base.toml", "manifest = 1\n[account]\ncash = 7000\n");
    assert_eq!(case.explained("account.cash"), "7000 | jobs/base.toml:3:8");
    assert_eq!(
        case.p("c", "8000").explained("account.cash"),
        "8000.0 | -p c (through jobs/t.toml:8:8)"
    );
    assert_eq!(
        Case::new(&job.replace("extends", "labels = { a = \"\" }\n#")).explained("account.cash"),
        "10000 | default"
    );
}

#[test]
fn arrays_replace_and_set_takes_toml_or_text() {
    let case = Case::new(EXEC);
    assert_eq!(case.explained("exec.run"), "[\"true\"] | jobs/t.toml:5:7");
    let case =
        case.set("exec.run", "[\"false\", \"x\"]").set("name", "2024").set("exec.workdir", "a b");
    assert_eq!(case.explained("exec.run"), "[\"false\", \"x\"] | --set exec.run");
    assert_eq!(case.explained("name"), "\"2024\" | --set name");
    assert_eq!(case.explained("exec.workdir"), "\"a b\" | --set exec.workdir");
}

#[test]
fn extends_in_a_circle_outside_the_root_or_of_nothing() {
    let job = |entry: &str| {
        Case::new(&EXEC.replace("[exec]", &format!("extends = [\"{entry}\"]\n[exec]")))
    };
    let circle = job("a.toml")
        .file("jobs/a.toml", "manifest = 1\nextends = [\"b.toml\"]\n")
        .file("jobs/b.toml", "manifest = 1\nextends = [\"../jobs/a.toml\"]\n");
    assert_eq!(
        circle.says(),
        "jobs/b.toml:2:12: files extend each other in a circle: jobs/a.toml -> jobs/b.toml -> jobs/a.toml (take one of them out of `extends`)"
    );
    let own = job("t.toml");
    assert!(own.says().contains("jobs/t.toml -> jobs/t.toml"), "{}", own.says());
    assert!(
        job("../../x.toml")
            .says()
            .contains("cannot extend \"../../x.toml\": the path leaves the root")
    );
    assert!(
        job("x.toml").says().contains("jobs/t.toml:4:12: cannot read `jobs/x.toml`: no such file")
    );
}

#[test]
fn unknown_profiles_and_names_that_leave_the_folder() {
    assert_eq!(
        Case::new(EXEC).profile("gpuu").says(),
        "-P gpuu: unknown profile `gpuu`: cannot read `profiles/gpuu.toml`: no such file (name a file of profiles/ or strategies/ without its .toml)"
    );
    assert!(Case::new(EXEC).profile("../x").says().contains("is not the name of a profile"));
}

#[test]
fn tables_of_other_kinds_are_for_shared_files_only() {
    let shared = "manifest = 1\n[live]\nstop-fill = \"through-open\"\n";
    let job = EXEC.replace("[exec]", "extends = [\"s.toml\"]\n[exec]");
    let case = Case::new(&job).file("jobs/s.toml", shared);
    assert_eq!(case.explained("live.stop-fill"), "absent");
    let wrong = Case::new(&job).file("jobs/s.toml", "manifest = 1\n[live]\nstop_fil = 1\n");
    assert_eq!(
        wrong.says(),
        "jobs/s.toml:3:1: unknown key `stop_fil` in [live] (did you mean `stop-fill`?)"
    );
    let own = Case::new(&format!("{EXEC}[live]\nseed = 1\n"));
    assert_eq!(
        own.says(),
        "jobs/t.toml:6:2: [live] has no meaning in a job of kind \"exec\" (take it out; this kind has [exec])"
    );
    assert!(Case::new(EXEC).set("live.seed", "1").says().contains("[live] has no meaning"));
}

#[test]
fn a_param_that_cannot_work_is_warned_about() {
    let unused = Case::new(&format!("{EXEC}[params.x]\n")).good().warnings;
    assert_eq!(
        unused.to_string(),
        "jobs/t.toml:6:9: param `x` is never used (refer to it with ${params.x}, or take it out)"
    );
    let job = EXEC.replace("\"true\"", "\"${params.x}\"") + "[params.x]\ndefault = \"a\"\n";
    let case = Case::new(&job).p("x", "b").set("exec.run", "[\"c\"]");
    assert_eq!(
        case.good().warnings.to_string(),
        "-p x: param `x` has no effect: a profile or --set gives the key another value (leave it out)"
    );
    assert!(Case::new(&job).p("x", "b").good().warnings.is_empty());
    let case = Case::new(EXEC).file("profiles/q.toml", "manifest = 1\n[params.y]\n").profile("q");
    assert!(case.good().warnings.is_empty());
    let warnings = case.p("y", "1").good().warnings.to_string();
    assert_eq!(warnings, "-p y: param `y` has no effect: nothing refers to it (leave it out)");
}
