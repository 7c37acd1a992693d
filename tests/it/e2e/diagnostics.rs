//! What is said of bad manifests: all of it, at the right place, and nothing that a terminal would obey.

use std::os::unix::fs::symlink;

use super::fixture::{NOON, eqflat, ledger, live};
use crate::{serve::fixture::empty, support::runner::Root};

const EXEC: &str = "manifest = 1\nname = 'a'\nkind = 'exec'\n[exec]\nrun = ['/bin/true']\n";

fn root(text: &str) -> Root {
    let root = empty();
    root.write("jobs/a.toml", text);
    root
}

#[test]
fn a_number_out_of_range_hides_no_other_problem() {
    for (bad, told) in [
        ("expect-exit = 9223372036854775808", "does not fit 64 bits"),
        ("expect-exit = nan", "`nan`, `inf`"),
        ("expect-exit = -0x8000000000000001", "integer"),
    ] {
        let root = root(&format!("{EXEC}{bad}\n[run]\ngrce = '1s'\n"));
        let json = root.run("check --json").code(78).json().to_string();
        assert!(json.contains("unknown key `grce`") || bad.contains("-0x"), "{bad}: {json}");
        assert!(json.contains(told), "{bad}: {json}");
    }
    // Also one in a profile.
    let root = root(EXEC);
    root.write("profiles/p.toml", "manifest = 1\n[run]\nnice = 9223372036854775808\ngrce = '1s'\n");
    root.run("run a -P p").code(78).says(&["does not fit 64 bits", "unknown key `grce`"]);
}

#[test]
fn a_time_of_toml_is_a_time() {
    let time = |default: &str, more: &str| {
        format!("{EXEC}[params.t]\ntype = 'time'\ndefault = {default}\n{more}")
    };
    for good in ["2024-01-01T00:00:00Z", "2024-01-01 01:00:00+01:00", "1704067200000"] {
        root(&time(good, "")).run("check").code(0);
    }
    let more = "min = 2024-01-01T00:00:00Z\nmax = 2024-02-01T00:00:00Z\n";
    root(&time("2024-01-15T00:00:00Z", more)).run("check").code(0);
    root(&time("2024-03-15T00:00:00Z", more)).run("check").code(78).says(&["at most 2024-02-01"]);
    root(&time("2024-01-01T00:00:00", "")).run("check").code(78).says(&["param `t`"]);
}

#[test]
fn columns_count_characters_for_people_and_programs() {
    for (line, column) in [
        ("exec = { run = [\"\u{65e5}\u{672c}\"], evn = { A = \"1\" } }", 24),
        ("exec = { run = [\"\u{e4}\"], evn = { A = \"1\" } }", 23),
        ("exec = { run = [\"\u{1f600}\"], evn = { A = \"1\" } }", 23),
    ] {
        let root = root(&format!("manifest = 1\nname = \"a\"\nkind = \"exec\"\n{line}\n"));
        root.run("check").code(78).says(&[&format!("jobs/a.toml:4:{column}")]);
        let json = root.run("check --json").code(78).json();
        assert_eq!(json["problems"][0]["column"], column, "{json}");
    }
}

#[test]
fn nothing_that_a_terminal_would_obey_is_said() {
    let bare = |text: &str| !text.contains(|c: char| c.is_control() && c != '\n');
    let root = root("manifest = 1\rname = \"a\"\n");
    let ran = root.run("check").code(78).says(&["jobs/a.toml:1:", "control character U+000D"]);
    assert!(bare(&ran.stdout) && bare(&ran.stderr), "{ran:?}");
    root.write("jobs/\u{1b}[31m.toml", "x");
    for line in ["check", "next", "list"] {
        let ran = root.run(line);
        assert!(bare(&ran.stdout) && bare(&ran.stderr), "{ran:?}");
    }
    let ran = root.call("run").arg("\u{1b}[2J\u{7}").run().code(4).says(&["does not exist"]);
    assert!(bare(&ran.stdout) && bare(&ran.stderr), "{ran:?}");
    root.write(
        "jobs/a.toml",
        "manifest = 1\r\nname = 'a'\r\nkind = 'exec'\r\n[exec]\r\nrun = ['x']\r\n",
    );
    root.run("check jobs/a.toml").code(0);
}

#[test]
fn of_many_problems_twenty_are_told_and_the_others_are_counted() {
    let keys = |n: usize| (0..n).map(|k| format!("k{k} = 1\n")).collect::<Vec<_>>().concat();
    let root = root(&format!("{EXEC}{}", keys(5000)));
    let ran = root.run("check").code(78).says(&["and 4980 more, 5000 in all"]);
    assert_eq!(ran.stderr.matches("unknown key").count(), 20);
    let json = root.run("check --json").code(78).json();
    assert_eq!(json["problems"].as_array().map(Vec::len), Some(5000));
    root.write("jobs/a.toml", &format!("{EXEC}{}", keys(20)));
    let ran = root.run("check").code(78);
    assert!(
        ran.stderr.matches("unknown key").count() == 20 && !ran.stderr.contains("more"),
        "{ran}"
    );
}

#[test]
fn a_file_without_its_first_line_is_named() {
    let root = root("");
    for text in ["", "# nothing but a comment\n", "name = 'a'\n"] {
        root.write("jobs/a.toml", text);
        root.run("check").code(78).says(&["jobs/a.toml", "`manifest = 1` is missing"]);
        root.write("jobs/a.toml", &format!("extends = ['../profiles/e.toml']\n{EXEC}"));
        root.write("profiles/e.toml", text);
        root.run("check").code(78).says(&["profiles/e.toml", "`manifest = 1` is missing"]);
    }
    root.write("jobs/a.toml", &"#".repeat(70_000));
    root.run("check").code(78).says(&["jobs/a.toml"]);
}

#[test]
fn a_folder_that_is_missing_is_named_and_not_the_program() {
    for dir in ["nowhere", "jobs/a.toml", "/no/such/folder"] {
        let ran = root(&format!("{EXEC}workdir = '{dir}'\n")).run("run a").code(1);
        let ran = ran.says(&["exec.workdir", dir, "this folder does not exist"]);
        assert!(!ran.stderr.contains("/bin/true"), "{ran}");
    }
}

#[test]
fn addresses_of_watchers_are_of_the_web() {
    let tables = ["[heartbeat]\nurl = ", "[notify.webhook]\nurl = "];
    for table in tables {
        for good in ["https://hc.example/u", "http://10.0.0.1:8000/x", "HTTPS://hc.example"] {
            root(&format!("{EXEC}{table}'{good}'\n")).run("check").code(0);
        }
        for bad in [
            "ftp://hc.example/u",
            "file:///etc/passwd",
            "hc.example/u",
            "https://",
            "https:///x",
            "javascript:x",
        ] {
            let root = root(&format!("{EXEC}{table}'{bad}'\n"));
            let ran = root.run("check").code(78).says(&["is not an address of the web"]);
            root.run("run a").code(78).says(&["https:// or http://"]);
            let told = ran.stderr.lines().find(|line| line.contains("address of the web"));
            assert!(told.is_some_and(|line| !line.contains(bad)), "{ran}");
        }
    }
}

#[test]
fn a_model_is_below_the_root_links_followed() {
    let root = Root::new();
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), root.at("link")).unwrap();
    let set = |path: &str| format!("--set strategy.model.path={path}");
    for bad in ["../x", "/etc", "link/m", "link", "data/../../x", outside.path().to_str().unwrap()]
    {
        let said = root.run(&format!("explain live-model {}", set(bad))).code(78);
        said.says(&["`strategy.model.path` is", "is outside the root"]);
        root.run(&format!("run live-model {}", set(bad))).code(78).says(&["is outside the root"]);
        root.write("jobs/m.toml", &format!("{}\n[strategy]\nkind = 'model'\n[strategy.model]\npath = '{bad}'\n", "manifest = 1\nname = 'm'\nkind = 'check'\nextends = ['../profiles/market.toml']\n[market]\nexchange = 'kraken'\nsymbol = 'BTC/USD'\ntimeframe = '5m'"));
        root.run("check jobs/m.toml").code(78).says(&["is outside the root"]);
    }
    let port = "run exchange-sim --timeout 1ms --set exchange-sim.port-file=";
    root.run(&format!("{port}link/addr")).code(78).says(&["is outside the root"]);
    // What is below it may be named in any way, and `data` may lie on another disk.
    let own = root.at("data/models/m").display().to_string();
    for good in ["data/models/none", "jobs/../data/none", &own] {
        let ran = root.run(&format!("explain live-model {}", set(good)));
        assert!(good.contains("..") || ran.code == 0, "{ran}");
    }
    let other = Root::new();
    symlink(outside.path(), other.at("data")).unwrap();
    other.run(&format!("explain live-model {}", set("data/models/current"))).code(0);
}

#[test]
fn several_profiles_follow_one_flag() {
    let root = root(EXEC);
    root.write("profiles/one.toml", "manifest = 1\n[run]\nnice = 1\ngrace = '1s'\n");
    root.write("profiles/two.toml", "manifest = 1\n[run]\nnice = 2\n");
    for line in [
        "explain a -P one two --json",
        "explain a -P one -P two --json",
        "explain a --json --profile one two",
    ] {
        let text = root.run(line).code(0).stdout;
        assert!(text.contains("profiles/two.toml") && text.contains("profiles/one.toml"), "{text}");
    }
    let window = "source=x.csv from=2024-01-01T00:00:00Z to=2024-01-02T00:00:00Z";
    Root::new().run(&format!("explain live -P replay seed-v02 -p {window}")).code(0);
}

#[test]
fn a_proof_is_a_short_regular_file() {
    let root = empty();
    root.shell("mkfifo pipe; truncate -s 5G huge; mkdir dir").code(0);
    for (path, told) in [
        ("pipe", "it is not a regular file"),
        ("/dev/zero", "it is not a regular file"),
        ("dir", "it is not a regular file"),
        ("huge", "a proof is shorter than"),
    ] {
        root.run(&format!("verify {path}")).code(65).says(&[told]);
    }
    root.run("verify none").code(4).says(&["none: No such file"]);
}

#[test]
fn every_verb_prints_one_document_and_every_refusal_too() {
    let root = ledger(NOON);
    eqflat(&root, "paper", "e1").run().ok();
    for (words, schema, code) in [
        ("check", "mjolnir.check/1", 0),
        ("list", "mjolnir.list/1", 0),
        ("explain backtest", "mjolnir.explain/1", 0),
        ("show backtest", "mjolnir.show/1", 0),
        ("history", "mjolnir.history/1", 0),
        ("logs", "mjolnir.logs/1", 0),
        ("reference", "mjolnir.reference/1", 0),
        ("verify data/reports/eqflat/paper/e1/proof.json", "mjolnir.verify/1", 0),
        ("run backtest -p exchange=demo runid=r1", "mjolnir.run/1", 0),
        ("run backtest -p exchange=demo runid=r1", "mjolnir.run/1", 75),
        ("run backtest -p exchange=nope", "mjolnir.run/1", 4),
        ("run nosuch", "mjolnir.run/1", 4),
        ("run backtest --run-id ../x", "mjolnir.run/1", 2),
        ("run backtest -p nosuch=1", "mjolnir.problems/1", 78),
        ("show backtest -p nosuch=1", "mjolnir.problems/1", 78),
        ("explain nosuch", "mjolnir.error/1", 4),
        ("show nosuch", "mjolnir.error/1", 4),
        ("check nosuch", "mjolnir.check/1", 4),
        ("logs nosuch", "mjolnir.error/1", 4),
        ("verify nosuch", "mjolnir.error/1", 4),
        ("halt --tag paper --at next --reason x", "mjolnir.command/1", 0),
        ("halt --tag paper --at 2024-01-09T00:00:00Z --reason x", "mjolnir.command/1", 0),
        ("commands --tag paper", "mjolnir.commands/1", 0),
        ("revoke 3 --tag paper --reason x", "mjolnir.revoke/1", 0),
        ("revoke 9 --tag paper --reason x", "mjolnir.error/1", 4),
    ] {
        let ran = root.run(&format!("{words} --json")).code(code);
        assert_eq!(ran.json()["schema"], schema, "{ran}");
    }
    for of in ["job", "profile"] {
        let ran = root.run(&format!("schema {of} --json")).ok();
        assert!(ran.json()["$schema"].is_string(), "{ran}");
    }
    let empty = live(&root, "paper", NOON).arg("--json").run().ok();
    assert_eq!(empty.json()["out"]["rows"], "0");
}

#[test]
fn the_results_of_steps_and_programs_do_not_mix_with_the_document() {
    let root = crate::support::runner::Root::new();
    let exec = "manifest = 1\nname = 'e'\nkind = 'exec'\n[exec]\nrun = ['echo', 'loud']\n";
    root.write("jobs/e.toml", exec);
    let pipeline = "manifest = 1\nname = 'p'\nkind = 'pipeline'\n[[step]]\nid = 'a'\nrun = ['echo', 'loud']\n\
                    [[step]]\nid = 'b'\njob = 'e.toml'\n";
    root.write("jobs/p.toml", pipeline);
    for job in ["e", "p"] {
        let ran = root.run(&format!("run {job} --json")).ok();
        assert_eq!(ran.json()["exit"], 0);
        let ran = ran.says(&["loud"]);
        assert!(!ran.stdout.contains("loud"), "{ran}");
        root.run(&format!("run {job}")).ok().prints(&["loud"]);
    }
}
