//! Where the box is, what its `.env` gives, and what `--help` says of a job.

use super::super::fixture::{NOON, decisions, live};
use crate::support::runner::Root;

#[test]
fn the_box_is_the_nearest_folder_above_and_outside_of_one_it_is_said_what_a_box_is() {
    let root = Root::new();
    let program = env!("CARGO_BIN_EXE_runner");
    let from = |folder: &str, words: &str| {
        root.shell(&format!("mkdir -p {folder} && cd {folder} && {program} {words}"))
    };
    let here = from(".", "list").ok().stdout;
    assert!(here.contains("jobs/live.toml"), "{here}");
    for folder in ["jobs", "data/runs", "strategies/examples"] {
        assert_eq!(from(folder, "list").ok().stdout, here, "{folder}");
    }
    from("data/runs", "explain live --set live.tag=deep").ok().prints(&["deep"]);
    let outside = root.shell(&format!("cd / && {program} status")).code(2);
    outside.says(&[
        "/ is not in a box",
        "A box is a folder with jobs/ beside profiles/",
        "--root DIR",
        "runner init DIR",
    ]);
    let json = root.shell(&format!("cd / && {program} --json status")).code(2).json();
    assert_eq!(json["exit"], 2);
    for words in ["schema", "reference", "functions rsi"] {
        root.shell(&format!("cd / && {program} {words}")).code(0);
    }
    root.shell(&format!("cd / && {program} --root {} list", root.path().display())).ok();
}

#[test]
fn help_with_a_job_lists_its_params() {
    let root = Root::new();
    let help = root.run("run live --help").ok();
    let help = help.prints(&[
        "Usage: runner run",
        "--timeout",
        "Params of live, given with -p NAME=VALUE:",
    ]);
    let line = |start: &str| {
        let found = help.stdout.lines().find(|line| line.trim_start().starts_with(start));
        let found = found.unwrap_or_else(|| panic!("{start}: {help}"));
        found.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        line("tag "),
        "tag paper_local_check DATA_TAG Storage namespace under data/processed"
    );
    assert!(
        line("timeframe ").starts_with("timeframe 5m TIMEFRAME The length of one bar (1m, 3m, 5m")
    );
    assert!(line("from ").starts_with("from - - When recorded"), "{help}");
    assert!(line("fast ").starts_with("fast "), "those of the strategy too: {help}");
    root.run("run -h equivalence").ok().prints(&["runid", "must be given", "RUNID"]);
    root.write("jobs/bad.toml", "manifest = 1\n");
    root.run("run bad --help").ok().prints(&["cannot be read", "runner check"]);
    let plain = root.run("run --help").ok();
    assert!(!plain.stdout.contains("Params of"), "{plain}");
}

#[test]
fn a_flag_beats_a_variable_and_a_variable_beats_the_file_of_the_box() {
    let root = Root::new();
    root.write(".env", "# the box\nDATA_TAG=of_file\nSYMBOL='ETH/USD'\nDRY_RUN=\n");
    let shown = |env: &[(&str, &str)], words: &str| {
        let call = root.call(&format!("explain live --json {words}"));
        let json =
            env.iter().fold(call, |call, (name, value)| call.env(name, value)).run().ok().json();
        let rows = json["values"].as_array().unwrap().clone();
        let value = |path: &str| {
            let row = rows.iter().find(|row| row["path"] == path).unwrap();
            row["value"].as_str().unwrap().replace('"', "")
        };
        [value("live.tag"), value("market.symbol"), value("live.dry-run")]
    };
    assert_eq!(shown(&[], ""), ["of_file", "ETH/USD", "false"]);
    assert_eq!(shown(&[("DATA_TAG", "of_env")], ""), ["of_env", "ETH/USD", "false"]);
    let words = "-p tag=of_flag";
    assert_eq!(shown(&[("DATA_TAG", "of_env")], words), ["of_flag", "ETH/USD", "false"]);
    root.write(".env", "DATA_TAG=paper\n");
    let call = root.call("run live -p exchange=demo feed=synthetic from=2024-01-01T00:00:00Z");
    call.arg(&format!("to={NOON}")).run().ok();
    assert!(root.at(&decisions("paper")).exists());
    root.run("halt --at next --reason drill").ok().prints(&["halt for tag paper"]);
    root.run("commands").ok().prints(&["halt"]);
    root.call("resume --at next --reason drill --tag paper").env("DATA_TAG", "x").run().ok();
}

#[test]
fn a_line_that_others_read_in_two_ways_is_refused_unless_the_variable_is_set() {
    let root = Root::new();
    for (text, place) in [
        ("DATA_TAG=a\nwhat is this\n", ".env:2: "),
        ("DATA_TAG=\"a$b\"\n", ".env:1: DATA_TAG: "),
        ("DATA_TAG='a\n", ".env:1: "),
    ] {
        root.write(".env", text);
        root.run("explain live").code(78).says(&[place, "single quotes"]);
        root.run("halt --reason x").code(78).says(&[place]);
    }
    root.write(".env", "DATA_TAG=\"a$b\"\n");
    root.call("explain live").env("DATA_TAG", "clear").run().ok().prints(&["clear"]);
    root.run("history").code(4);
}

#[test]
fn a_secret_of_the_file_is_masked_wherever_it_would_be_shown() {
    let root = Root::new();
    root.write(".env", "MY_KEY=s3cr3t-of-file\n");
    root.write(
        "jobs/say.toml",
        "manifest = 1\nname = 'say'\nkind = 'exec'\n[secrets.KEY]\nfrom = 'env'\nname = 'MY_KEY'\n\
         [exec]\nrun = ['sh', '-c', 'echo got $KEY']\n[exec.env]\nKEY = '${secrets.KEY}'\n",
    );
    let ran = root.run("run say").code(0);
    let shown = root.run("explain say").ok();
    let files: String = root.files("data/runs").into_iter().map(|(_, text)| text).collect();
    for text in [&ran.stdout, &ran.stderr, &shown.stdout, &files] {
        assert!(!text.contains("s3cr3t"), "{text}");
    }
    assert!(ran.stdout.contains("got ***"), "{ran}");
}

#[test]
fn a_dry_loop_says_so_and_its_orders_are_refused_with_a_reason() {
    let root = Root::new();
    live(&root, "paper", NOON).run().ok();
    root.call("halt --tag paper --at next --reason")
        .arg(" ")
        .run()
        .code(2)
        .says(&["--reason is empty"]);
    root.call("halt --tag paper --at next --reason x")
        .env("SUDO_USER", "eva")
        .env("USER", "root")
        .run()
        .ok();
    let told = root.run("commands --tag paper --json").ok().json();
    assert_eq!(told["commands"][0]["who"], "eva", "not root, who is nobody");
    root.run("show model nosuch")
        .code(65)
        .says(&["`nosuch` is neither the folder of a model", "there are none"]);
}
